// What this process made that could outlive it: written down before it is made,
// in a file that the next start reads where this process was killed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "ccsand/result.hpp"

namespace ccsand {

// The directory of such files: $CCSAND_RUN_DIR, else /run/ccsand.
std::string run_directory();

// A container's process in this process's file. The destructor takes the record
// out again, unless keep() was called; forget() does so for one that was kept.
class StateRecord {
 public:
  StateRecord();   // from here on a process born is looked for after a crash
  ~StateRecord();
  StateRecord(const StateRecord&) = delete;
  StateRecord& operator=(const StateRecord&) = delete;
  void note(pid_t pid);
  void keep() { kept_ = true; }

 private:
  int index_ = -1;
  bool kept_ = false;
};
void forget_process(pid_t pid);

// This process's own name in what it leaves to be swept: "<pid>-<start time in ticks>".
struct ProcessKey {
  pid_t pid = 0;
  std::uint64_t start = 0;  // field 22 of /proc/PID/stat; 0 where that could not be read
};
const ProcessKey& own_key();
// The start time of a process; an error where there is none.
Result<std::uint64_t> start_time_of(pid_t pid);
bool is_alive(const ProcessKey& key);

// Ends and removes what dead ccsand processes left: containers' processes and cgroups.
Result<void> sweep();
// Opens this process's file. Without one (no privileges, a read-only /run) records
// are not kept, and the containers' processes end by their parent-death signal alone.
Result<void> open_state();
void close_state();

}  // namespace ccsand
