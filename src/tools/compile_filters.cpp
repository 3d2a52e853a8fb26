// Compiles the profiles that ship to filters and writes them as a C++ source:
//   ccsand-compile-filters OUTPUT SCRIPT
// It is ccsand without them: SCRIPT, which makes the source, is a Lua chunk that gets OUTPUT.
#include <cstdio>
#include <lua.hpp>

#include "ccsand/host.hpp"
#include "core/seccomp/shipped_filters.hpp"

namespace ccsand {
std::span<const ShippedFilter> shipped_filters() { return {}; }
}  // namespace ccsand

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto host = ccsand::Host::create();
  if (!host) return std::fprintf(stderr, "%s\n", host.error().message().c_str()), 1;
  lua_State* L = (*host)->state();
  if (luaL_loadfile(L, argv[2]) != 0) return std::fprintf(stderr, "%s\n", lua_tostring(L, -1)), 1;
  lua_pushstring(L, argv[1]);
  if (lua_pcall(L, 1, 0, 0) != 0) {
    lua_getglobal(L, "tostring");
    lua_insert(L, -2);
    (void)lua_pcall(L, 1, 1, 0);  // of ccsand's errors: their text
    return std::fprintf(stderr, "%s\n", lua_tostring(L, -1)), 1;
  }
  return 0;
}
