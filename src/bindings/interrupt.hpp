// Errors that come from outside into Lua code that runs: Ctrl-C, and the deadline of a
// task that does not come back to its loop.
#pragma once

#include <cstdint>
#include <lua.hpp>

#include "ccsand/result.hpp"

namespace ccsand {

// Calls function(argument) in protected mode, interruptible; answers its result, an integer, or its error. What `explain`
// (or nullptr) makes of an error value is the error's.
Result<int> call_interruptible(lua_State* L, lua_CFunction function, void* argument, lua_CFunction explain);
// Until end_interruptible() SIGINT, SIGTERM and SIGHUP raise an error at the next
// instruction, so that what a recipe started is ended on the way out. A second one ends
// ccsand as if it had no handler.
void begin_interruptible(lua_State* L);
void end_interruptible();
// The error value of an interrupt: its exit status is 128 + signal.
void push_interrupt(lua_State* L, int signal);
// The interrupt has its error already.
void forget_interrupt_hook(lua_State* L);
// Whether an interrupt was raised in code that ran, since this was last asked.
bool take_interrupt_raised();

// Nothing is raised in this coroutine, which runs a loop and asks itself; nullptr: there is none.
void set_loop_thread(lua_State* L);
// From `deadline_ns` (CLOCK_MONOTONIC) on, what runs gets the value that the Lua function
// `reference` returns as an error, and a second later another at every instruction. Code that
// the JIT has compiled is not reached. -1 ends it.
Result<void> watch_deadline(std::int64_t deadline_ns, int reference);

}  // namespace ccsand
