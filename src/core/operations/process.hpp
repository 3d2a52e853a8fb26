// Operations on a process's attributes, its descriptors and its execution.
#pragma once

#include <sched.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/context.hpp"

namespace ccsand {

// The attributes that the kernel lets a process set on another are set on the
// context's child where there is one, else on the calling process.
struct SetResourceLimit {
  int resource = 0;                 // RLIMIT_*
  std::uint64_t soft = 0, hard = 0; // UINT64_MAX is no limit
};
struct SetNice {
  int nice = 0;  // -20 to 19
};
struct SetScheduler {
  int policy = 0;    // SCHED_*
  int priority = 0;  // 1 to 99 for fifo and rr, else 0
};
struct SetAffinity {
  std::vector<int> cpus;
};
struct SetIoPriority {
  int io_class = 2;  // 1 realtime, 2 best effort, 3 idle
  int level = 4;     // 0 to 7
};
struct SetOomScoreAdj {
  int value = 0;  // -1000 to 1000
};
struct SetPersonality {
  std::uint64_t persona = 0;
};
struct SetUmask {
  unsigned mask = 022;
};
struct SetParentDeathSignal {
  int signal = 9;
  bool check_parent = false;  // end at once if the supervisor is gone already
};
struct SetDumpable {
  bool dumpable = false;
};
struct SetChildSubreaper {
  bool subreaper = true;
};
struct SetProcessName {
  std::string name;  // 15 bytes at most
};
struct StartSession {};  // setsid(2)
struct ResetSignals {};  // default actions, nothing blocked
// dup3 of the descriptors in order; the numbers must not overlap.
struct Redirect {
  std::vector<std::pair<int, int>> pairs;  // from, to
  Slot slot = kNoSlot;                     // or: this slot onto 0, 1 and 2
  std::vector<std::pair<Slot, int>> slots = {};  // after the pairs
};
// Everything but the first descriptors is closed at exec (close_range, Linux 5.11).
struct CloseDescriptors {
  unsigned first = 3;
  std::vector<int> keep;  // ascending, stay open
};
// A pty of the container's own devpts: its other end becomes the controlling
// terminal on 0, 1 and 2, and /dev/console where that exists.
struct OpenTerminal {
  Slot root = kNoSlot;
  Slot master = kNoSlot;
};
// The master of that pty, fetched by the host with pidfd_getfd (Linux 5.6), which sets its size.
struct ReceiveTerminal {
  Slot master = kNoSlot;
  unsigned short rows = 24, columns = 80;
};
struct Exec {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // NAME=value
  std::string path;              // PATH to search where argv[0] has no '/'
  bool home_from_identity = false;
  int fd = -1;                   // execveat of this descriptor in place of argv[0]
  Slot slot = kNoSlot;           // or of this slot
  bool landlocked = false;       // under rules that may deny it: for the hint
};

ExecImage make_image(const Exec& op, const Identity& identity);

Result<void> apply(const SetResourceLimit& op, Context& context);
Result<void> apply(const SetNice& op, Context& context);
Result<void> apply(const SetScheduler& op, Context& context);
Result<void> apply(const SetAffinity& op, Context& context);
Result<void> apply(const SetIoPriority& op, Context& context);
Result<void> apply(const SetOomScoreAdj& op, Context& context);
Result<void> apply(const SetPersonality& op, Context& context);
Result<void> apply(const SetUmask& op, Context& context);
Result<void> apply(const SetParentDeathSignal& op, Context& context);
Result<void> apply(const SetDumpable& op, Context& context);
Result<void> apply(const SetChildSubreaper& op, Context& context);
Result<void> apply(const SetProcessName& op, Context& context);
Result<void> apply(const StartSession& op, Context& context);
Result<void> apply(const ResetSignals& op, Context& context);
Result<void> apply(const Redirect& op, Context& context);
Result<void> apply(const CloseDescriptors& op, Context& context);
Result<void> apply(const OpenTerminal& op, Context& context);
Result<void> apply(const ReceiveTerminal& op, Context& context);
Result<void> apply(const Exec& op, Context& context);

std::string describe(const SetResourceLimit& op);
std::string describe(const SetNice& op);
std::string describe(const SetScheduler& op);
std::string describe(const SetAffinity& op);
std::string describe(const SetIoPriority& op);
std::string describe(const SetOomScoreAdj& op);
std::string describe(const SetPersonality& op);
std::string describe(const SetUmask& op);
std::string describe(const SetParentDeathSignal& op);
std::string describe(const SetDumpable& op);
std::string describe(const SetChildSubreaper& op);
std::string describe(const SetProcessName& op);
std::string describe(const StartSession& op);
std::string describe(const ResetSignals& op);
std::string describe(const Redirect& op);
std::string describe(const CloseDescriptors& op);
std::string describe(const OpenTerminal& op);
std::string describe(const ReceiveTerminal& op);
std::string describe(const Exec& op);

}  // namespace ccsand
