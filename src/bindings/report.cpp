// A child's error on its way to the parent: the fields of the error value, each
// ended by a zero byte, between a mark at the front and one at the end.
#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "bindings/binding.hpp"
#include "bindings/descriptor.hpp"

namespace ccsand {

namespace {
constexpr const char* kTexts[] = {"code", "operation", "subject", "message", "hint", "where"};
constexpr const char* kNumbers[] = {"errno", "exit_status"};
constexpr std::size_t kMostField = 4096;
constexpr char kFront = 'E', kEnd = '.';

// The text of a field of the table at `index`, read without its metatable.
std::string field(lua_State* L, int index, const char* key) {
  lua_pushstring(L, key);
  lua_rawget(L, index);
  std::size_t size = 0;
  const char* text = lua_type(L, -1) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER ? lua_tolstring(L, -1, &size) : nullptr;
  std::string value(text != nullptr ? text : "", std::min(size, kMostField));
  lua_pop(L, 1);
  std::replace(value.begin(), value.end(), '\0', '?');
  return value;
}
}  // namespace

std::string encode_report(lua_State* L) {
  int at = lua_gettop(L);
  std::string report(1, kFront);
  bool table = lua_istable(L, at);
  for (const char* key : kTexts) {
    std::string value = table ? field(L, at, key) : std::string();
    if (std::string_view(key) == "message" && value.empty()) {
      std::size_t size = 0;
      const char* text = table ? nullptr : lua_tolstring(L, at, &size);
      value = text != nullptr ? std::string(text, std::min(size, kMostField))
                              : std::string("raised a value that is not text: ") + luaL_typename(L, at);
    } else if (std::string_view(key) == "code" && value.empty()) {
      value = "ECANCELED";
    }
    report.append(value).push_back('\0');
  }
  for (const char* key : kNumbers) report.append(table ? field(L, at, key) : std::string()).push_back('\0');
  report.push_back(kEnd);
  return report;
}

int report_status(lua_State* L) {
  std::string status = lua_istable(L, -1) ? field(L, lua_gettop(L), "exit_status") : std::string();
  int value = std::atoi(status.c_str());
  return value > 0 && value < 256 ? value : Error().exit_status;
}

bool push_report(lua_State* L, const std::string& text) {
  if (text.size() < 2 || text.front() != kFront || text.back() != kEnd) return false;
  push_error(L, make_error(ECANCELED, "clone", "", ""));
  const char* at = text.c_str() + 1;
  const char* end = text.c_str() + text.size() - 1;
  auto next = [&at, end] {
    std::string_view value(at);
    at = std::min(at + value.size() + 1, end);
    return value;
  };
  for (const char* key : kTexts) {
    std::string_view value = next();
    if (value.empty() && std::string_view(key) == "hint") continue;
    push_text(L, value);
    lua_setfield(L, -2, key);
  }
  for (const char* key : kNumbers) {
    std::string_view value = next();
    if (value.empty()) continue;
    lua_pushnumber(L, std::atof(std::string(value).c_str()));
    lua_setfield(L, -2, key);
  }
  return true;
}

}  // namespace ccsand
