// Signals that ccsand gets while a container runs in front of it.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"
#include "core/event_poll.hpp"

namespace ccsand {

// While one lives, signals meant for the container are blocked and read from a
// descriptor. The one in force is current().
class SignalWatch {
 public:
  static Result<void> begin(SignalWatch& watch);
  SignalWatch() = default;
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  static SignalWatch* current();

  // Whether the last turn of waiting, before which it was entered, found one.
  void enter_interest() { fd_.want(POLLIN); }
  [[nodiscard]] bool take_ready() { return fd_.take_ready() != 0; }
  int next();  // 0 where there is none

 private:
  WatchedFd fd_;
  std::uint64_t mask_before_ = 0;
};

// The signals that end ccsand itself while no watch is in force. Their handler calls
// note_interrupt(); who waits asks for it with them blocked, so that none is missed.
void note_interrupt(int signal);
int interrupted();  // the signal; 0 where there was none
int take_interrupt();  // the same, which is then over: waiting goes on
class InterruptBlock {
 public:
  InterruptBlock();
  ~InterruptBlock();
  InterruptBlock(const InterruptBlock&) = delete;
  InterruptBlock& operator=(const InterruptBlock&) = delete;
  [[nodiscard]] const std::uint64_t& mask_before() const { return mask_before_; }

 private:
  std::uint64_t mask_before_;
};

// Whether the default action of a signal ends a process.
bool ends_by_default(int signal);
// Whether a process catches, awaits or ignores it (/proc/PID/status); false where that cannot be read.
bool has_handler_or_ignores(pid_t pid, int signal);

}  // namespace ccsand
