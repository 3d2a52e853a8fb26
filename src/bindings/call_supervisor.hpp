// Calls of a container that a Lua function decides.
#pragma once

#include <lua.hpp>
#include <memory>

#include "core/seccomp/supervisor.hpp"

namespace ccsand {

// The supervisor whose function is at `index`; it is called with
//   (calls, token, name, pid, architecture, six arguments)
// for each call; calls:METHOD(token, ...) answers it. An error in it, and a call
// that it leaves without an answer, are answered EPERM.
std::shared_ptr<CallSupervisor> make_call_supervisor(lua_State* L, int index);

}  // namespace ccsand
