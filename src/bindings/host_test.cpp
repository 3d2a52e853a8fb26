// How `ccsand test` gets into Lua: its options as a table for ccsand.test.main.
#include "bindings/binding.hpp"
#include "bindings/hook.hpp"
#include "bindings/interrupt.hpp"
#include "ccsand/host.hpp"
#include "core/state.hpp"

namespace ccsand {

namespace {
void set_texts(lua_State* L, const char* key, const std::vector<std::string>& texts) {
  lua_createtable(L, static_cast<int>(texts.size()), 0);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    push_text(L, texts[i]);
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
  lua_setfield(L, -2, key);
}
void set_number(lua_State* L, const char* key, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, key);
}

void push_options(lua_State* L, const TestOptions& options) {
  lua_createtable(L, 0, 12);
  set_texts(L, "paths", options.paths);
  set_texts(L, "filters", options.filters);
  set_texts(L, "reports", options.reports);
  if (!options.timeout.empty()) {
    push_text(L, options.timeout);
    lua_setfield(L, -2, "timeout");
  }
  if (options.jobs != 0) set_number(L, "jobs", options.jobs);
  set_number(L, "repeat_count", options.repeat);
  if (options.seed) set_number(L, "seed", *options.seed);
  for (const auto& [key, value] : {std::pair{"shuffle", options.shuffle}, std::pair{"update", options.update},
                                   std::pair{"keep", options.keep}, std::pair{"list", options.list}}) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, key);
  }
}

// In protected mode: require("ccsand.test.main")(options)
int run_protected(lua_State* L) {
  const auto* options = static_cast<const TestOptions*>(lua_touserdata(L, 1));
  lua_getglobal(L, "require");
  lua_pushliteral(L, "ccsand.test.main");
  lua_call(L, 1, 1);
  push_options(L, *options);
  lua_call(L, 1, 1);
  return 1;
}
}  // namespace

Result<int> Host::run_tests(const TestOptions& options) {
  lua_State* L = state_;
  if (!options.list) (void)sweep();  // what cannot be swept now is left to the next start
  begin_interruptible(L);
  lua_pushcfunction(L, run_protected);
  lua_pushlightuserdata(L, const_cast<TestOptions*>(&options));  // it is only read
  int failed = lua_pcall(L, 1, 1, 0);
  end_interruptible();
  if (failed != 0) {
    Error error = error_from_lua(L, "");
    lua_pop(L, 1);
    return error;
  }
  int status = static_cast<int>(lua_tointeger(L, -1));
  lua_pop(L, 1);
  return status;
}

}  // namespace ccsand
