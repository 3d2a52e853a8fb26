// Descriptors and processes as Lua values: closed once, whoever closes them, and of
// no effect in another process than the one that got them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <lua.hpp>
#include <optional>
#include <string>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"
#include "core/generation.hpp"
#include "sys/process.hpp"

namespace ccsand {

struct Descriptor {
  Fd fd;
};
Descriptor& push_descriptor(lua_State* L);           // an empty one, on top of the stack
Descriptor* to_descriptor(lua_State* L, int index);  // nullptr where it is something else
// The number of an open descriptor: a descriptor, or a plain number. It stays its owner's.
Result<int> descriptor_argument(lua_State* L, int index, const char* function);

// A process that this one watches through a pidfd.
struct Process {
  Process();
  ~Process();  // as close()
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] bool foreign() const { return owner != process_generation(); }
  // Until it has ended, `deadline_ns` (CLOCK_MONOTONIC, -1 for none) has passed or a
  // signal came in: true where it has ended.
  Result<bool> await(std::int64_t deadline_ns);
  // The same until it has exec'd, failed or ended.
  Result<bool> await_exec(std::int64_t deadline_ns);
  void read_report();
  // A child that has not been waited for is killed and reaped. Idempotent.
  void close();

  std::uint64_t owner = process_generation();
  pid_t pid = 0;
  Fd pidfd, go, report;      // go and report: see sys_clone.cpp
  bool child = false;        // made by sys.clone: this handle's to end
  bool executed = false;
  bool report_closed = false;
  std::string report_text;
  std::optional<sys::WaitStatus> end;

 private:
  Result<void> reap();
};
Process& push_process(lua_State* L);
Process* to_process(lua_State* L, int index);
// The pid of a process handle, or a number.
Result<pid_t> pid_argument(lua_State* L, int index, const char* function);
// In a child, first of all: lets go of the channels to the parent's other children.
void abandon_processes();

// What a child tells its parent before it ends: the error value on top of the stack,
// which stays. Of at most `kMostReport` bytes, so that writing it never waits.
constexpr std::size_t kMostReport = 32 * 1024;
std::string encode_report(lua_State* L);
// The exit status that a child with this report ends with.
int report_status(lua_State* L);
// Pushes the error of a whole report; false where the text is none.
bool push_report(lua_State* L, const std::string& text);

// CLOCK_MONOTONIC after an optional time at `index`; -1 for none.
Result<std::int64_t> deadline_argument(lua_State* L, int index, const char* function);

// The userdata at `index` if it is of the type, else nullptr.
void* userdata_of(lua_State* L, int index, const char* type);
// Makes a type of userdata; leaves its metatable and the empty table of its methods.
void begin_type(lua_State* L, const char* type, lua_CFunction collect, lua_CFunction to_string, const char* shown);
// Pops both.
void end_type(lua_State* L);
void open_descriptors(lua_State* L);  // makes the types known
void open_processes(lua_State* L);

}  // namespace ccsand
