// ccsand.sys: the kernel's primitives, each an operation applied at once.
#include "bindings/modules.hpp"

namespace ccsand {
int open_sys(lua_State* L) {
  lua_createtable(L, 0, 0);
  return 1;
}
}  // namespace ccsand
