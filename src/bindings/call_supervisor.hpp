// Calls of a container that a Lua function decides.
#pragma once

#include <lua.hpp>
#include <memory>

#include "core/seccomp/supervisor.hpp"

namespace ccsand {

// The supervisor whose function is at `index`; it is called with
//   (call, name, pid, { argument, ... }, architecture)
// for each call, where `call` has the methods that answer it. An error in it, and a call
// that it leaves without an answer, are answered EPERM.
std::shared_ptr<CallSupervisor> make_call_supervisor(lua_State* L, int index);

}  // namespace ccsand
