// Describing operations on processes.
#include "core/names.hpp"
#include "core/operations/describe.hpp"
#include "core/operations/process.hpp"

namespace ccsand {

namespace {
std::string limit(std::uint64_t value) { return value == UINT64_MAX ? "unlimited" : std::to_string(value); }
}  // namespace

std::string describe(const SetResourceLimit& op) {
  return "setrlimit " + std::string(word_of(resource_names(), static_cast<std::uint64_t>(op.resource))) + " " +
         limit(op.soft) + ":" + limit(op.hard);
}
std::string describe(const SetNice& op) { return "nice " + number(op.nice); }
std::string describe(const SetScheduler& op) {
  return "sched_setscheduler" + also(word_of(scheduler_names(), static_cast<std::uint64_t>(op.policy))) + " " +
         number(op.priority);
}
std::string describe(const SetAffinity& op) {
  std::string line = "sched_setaffinity";
  for (int cpu : op.cpus) line += " " + number(cpu);
  return line;
}
std::string describe(const SetIoPriority& op) {
  static constexpr const char* kClasses[] = {"none", "realtime", "best_effort", "idle"};
  return std::string("ioprio_set ") + kClasses[op.io_class & 3] + " " + number(op.level);
}
std::string describe(const SetOomScoreAdj& op) { return "oom_score_adj " + number(op.value); }
std::string describe(const SetPersonality& op) {
  return "personality" + also(words_of_bits(personality_names(), op.persona));
}
std::string describe(const SetUmask& op) {
  return std::string("umask 0") + static_cast<char>('0' + (op.mask >> 6 & 7)) + static_cast<char>('0' + (op.mask >> 3 & 7)) +
         static_cast<char>('0' + (op.mask & 7));
}
std::string describe(const SetParentDeathSignal& op) {
  return "prctl pdeathsig" + also(word_of(signal_names(), static_cast<std::uint64_t>(op.signal)));
}
std::string describe(const SetDumpable& op) { return std::string("prctl dumpable ") + (op.dumpable ? "1" : "0"); }
std::string describe(const SetChildSubreaper& op) { return std::string("prctl child_subreaper ") + (op.subreaper ? "1" : "0"); }
std::string describe(const SetProcessName& op) { return "prctl name " + quoted(op.name); }
std::string describe(const StartSession&) { return "setsid"; }
std::string describe(const ResetSignals&) { return "reset signals"; }
std::string describe(const Redirect& op) {
  if (op.slot != kNoSlot) return "redirect 0, 1, 2 to " + slot_name(op.slot);
  std::string line = "redirect";
  for (const auto& [from, to] : op.pairs) line += " " + number(to) + " to " + number(from);
  for (const auto& [from, to] : op.slots) line += " " + number(to) + " to " + slot_name(from);
  return line;
}
std::string describe(const CloseDescriptors& op) {
  std::string line = "close descriptors from " + number(op.first) + " at exec";
  for (int kept : op.keep) line += " but " + number(kept);
  return line;
}
std::string describe(const OpenTerminal& op) { return "open terminal of the container as " + slot_name(op.master); }
std::string describe(const ReceiveTerminal& op) { return "receive terminal " + slot_name(op.master); }
std::string describe(const Exec& op) {
  std::string line = "exec";
  if (op.fd >= 0) line += " descriptor " + number(op.fd) + " as";
  if (op.slot != kNoSlot) line += " " + slot_name(op.slot) + " as";
  for (const std::string& word : op.argv) {
    bool plain = !word.empty() && word.find_first_of(" \t\n'\"\\$&|;<>()*?") == std::string::npos;
    line += " " + (plain ? word : quoted(word));
  }
  return line;
}

}  // namespace ccsand
