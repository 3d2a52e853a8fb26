// Functions of a recipe at the phases of a container.
#pragma once

#include <lua.hpp>

#include "core/container_spec.hpp"

namespace ccsand {
// Reads the functions of the container's table at `index` into the spec.
Result<void> read_hooks(lua_State* L, int index, ContainerSpec& spec);
// The message of a Lua error value on top of the stack, which is popped.
Error error_from_lua(lua_State* L, const char* operation);
// The state that outlives all coroutines: what is kept beyond a call belongs to it. It is
// noted once, when it is made.
void note_main_state(lua_State* L);
lua_State* main_state(lua_State* L);
}  // namespace ccsand
