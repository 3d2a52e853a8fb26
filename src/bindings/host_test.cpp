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
void push_options(lua_State* L, const TestOptions& options) {
  lua_createtable(L, 0, 12);
  set_texts(L, "paths", options.paths);
  set_texts(L, "filters", options.filters);
  set_texts(L, "reports", options.reports);
  if (!options.timeout.empty()) set_field(L, "timeout", std::string_view(options.timeout));
  if (options.jobs != 0) set_field(L, "jobs", static_cast<double>(options.jobs));
  set_field(L, "repeat_count", static_cast<double>(options.repeat));
  if (options.seed) set_field(L, "seed", static_cast<double>(*options.seed));
  for (const auto& [key, value] : {std::pair{"shuffle", options.shuffle}, std::pair{"update", options.update},
                                   std::pair{"keep", options.keep}, std::pair{"list", options.list}})
    set_field(L, key, value);
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
  return call_interruptible(L, run_protected, const_cast<TestOptions*>(&options), nullptr);  // they are only read
}

}  // namespace ccsand
