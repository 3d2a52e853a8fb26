// A container that runs, as a Lua value: what the userdata of ccsand.core holds.
#pragma once

#include <cstdint>
#include <lua.hpp>
#include <memory>

#include "bindings/binding.hpp"
#include "core/running.hpp"

namespace ccsand {

// Only the process that started a container may end it.
struct RunningHandle {
  std::unique_ptr<Running> running;
  std::uint64_t owner = 0;  // by generation
};
// The handle at 1; an error where it is none, or another process's.
Result<RunningHandle*> running_argument(lua_State* L, const char* function);
// A handle without a container yet, on top of the stack.
RunningHandle& push_running(lua_State* L);

}  // namespace ccsand
