// Methods of running containers for what goes in and out.
#pragma once

#include "bindings/running_handle.hpp"

namespace ccsand {
// Sets them in the table on top of the stack.
void register_stream_methods(lua_State* L);
}  // namespace ccsand
