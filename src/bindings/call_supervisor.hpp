// Calls of a container that a Lua function decides.
#pragma once

#include <lua.hpp>
#include <memory>

#include "core/seccomp/supervisor.hpp"

namespace ccsand {

// The supervisor whose function is at `index`. It runs in Lua threads, each of which takes one call after
// the other. It gets
//   (calls, token, name, architecture, pid, six arguments, the halves of all where one is over 2^53)
// and yields (calls, answer) to get the next: a number is what the call returns; calls:METHOD(token, ...)
// answers it otherwise. What else it yields are seconds to wait. An error in it, and a call that it leaves
// without an answer, are answered EPERM.
std::shared_ptr<CallSupervisor> make_call_supervisor(lua_State* L, int index);

}  // namespace ccsand
