// Functions of a recipe at the phases of a container.
#pragma once

#include <lua.hpp>

#include "core/container_spec.hpp"

namespace ccsand {
// Reads the functions of the container's table at `index` into the spec.
Result<void> read_hooks(lua_State* L, int index, ContainerSpec& spec);
// The message of a Lua error value on top of the stack, which is popped.
Error error_from_lua(lua_State* L, const char* operation);
}  // namespace ccsand
