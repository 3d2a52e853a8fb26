// How C++ bodies become Lua functions, and how their errors become Lua's.
//
// A body reads all of its arguments into plain values, does its work and returns
// how many results it pushed, or an Error. Only when every C++ object of the body
// has been destroyed is the error raised.
#pragma once

#include <lua.hpp>
#include <string>
#include <string_view>

#include "ccsand/result.hpp"

namespace ccsand {

using Body = Result<int> (*)(lua_State*);

// Pushes the error value: a table with code, errno, operation, subject, message,
// hint and where, whose tostring is the message.
void push_error(lua_State* L, const Error& error);
// "recipe.lua:12": the line of the innermost Lua function that is not ccsand's own.
std::string caller_position(lua_State* L);

namespace detail {
// Pushes the results, or the error value and -1.
int run_body(lua_State* L, Body body);
}  // namespace detail

template <Body body>
int binding(lua_State* L) {
  int results = detail::run_body(L, body);
  if (results < 0) return lua_error(L);
  return results;
}

struct Function {
  const char* name;
  lua_CFunction function;
};
// Sets the functions in the table on top of the stack.
template <std::size_t N>
void register_functions(lua_State* L, const Function (&functions)[N]) {
  for (const Function& entry : functions) {
    lua_pushcfunction(L, entry.function);
    lua_setfield(L, -2, entry.name);
  }
}

inline void push_text(lua_State* L, std::string_view text) { lua_pushlstring(L, text.data(), text.size()); }

// Into the table on top of the stack.
inline void set_field(lua_State* L, const char* key, std::string_view value) { push_text(L, value), lua_setfield(L, -2, key); }
inline void set_field(lua_State* L, const char* key, double value) { lua_pushnumber(L, value), lua_setfield(L, -2, key); }
inline void set_field(lua_State* L, const char* key, bool value) { lua_pushboolean(L, value ? 1 : 0), lua_setfield(L, -2, key); }
inline void set_field(lua_State* L, const char* key, const char* value) { set_field(L, key, std::string_view(value)); }  // it is no boolean
inline void set_field(lua_State* L, const char* key, const std::string& value) { set_field(L, key, std::string_view(value)); }

}  // namespace ccsand
