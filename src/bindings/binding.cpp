// Errors on their way to Lua.
#include "bindings/binding.hpp"

#include <cerrno>
#include <exception>

namespace ccsand {

namespace {
constexpr const char* kErrorType = "ccsand.error";

int error_to_string(lua_State* L) {
  lua_getfield(L, 1, "where");
  bool located = lua_isstring(L, -1) != 0 && *lua_tostring(L, -1) != '\0';
  lua_pushliteral(L, ": ");
  lua_getfield(L, 1, "message");
  if (located) lua_concat(L, 3);
  lua_getfield(L, 1, "hint");
  if (lua_isstring(L, -1) == 0) return lua_pop(L, 1), 1;
  lua_pushliteral(L, "\n  hint: ");
  lua_insert(L, -2);
  lua_concat(L, 3);
  return 1;
}

void push_exception(lua_State* L, const char* what) {
  push_error(L, make_error(ENOMEM, "ccsand", "", what));
}
}  // namespace

std::string caller_position(lua_State* L) {
  lua_Debug info = {};
  for (int level = 0; lua_getstack(L, level, &info) != 0; ++level) {
    lua_getinfo(L, "Sl", &info);
    if (info.currentline <= 0 || std::string_view(info.source).starts_with("=ccsand")) continue;
    return std::string(info.short_src) + ":" + std::to_string(info.currentline);
  }
  return {};
}

void push_error(lua_State* L, const Error& error) {
  lua_createtable(L, 0, 8);
  set_field(L, "code", error.code == 0 ? "" : error_name(error.code));
  lua_pushinteger(L, error.code);
  lua_setfield(L, -2, "errno");
  lua_pushinteger(L, error.exit_status);
  lua_setfield(L, -2, "exit_status");
  set_field(L, "operation", error.operation);
  set_field(L, "subject", error.subject.view());
  set_field(L, "message", error.message());
  if (*error.hint != '\0') set_field(L, "hint", error.hint);
  set_field(L, "where", caller_position(L));
  if (luaL_newmetatable(L, kErrorType) != 0) {
    lua_pushcfunction(L, error_to_string);
    lua_setfield(L, -2, "__tostring");
  }
  lua_setmetatable(L, -2);
}

int detail::run_body(lua_State* L, Body body) {
  try {
    Result<int> result = body(L);
    if (result) return *result;
    push_error(L, result.error());
  } catch (const std::exception& exception) {
    push_exception(L, exception.what());
  }
  return -1;
}

}  // namespace ccsand
