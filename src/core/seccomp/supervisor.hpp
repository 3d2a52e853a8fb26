// Who decides the calls that a filter hands over. seccomp_unotify(2)
#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <memory>

namespace ccsand {

class CallSupervisor {
 public:
  CallSupervisor() = default;
  virtual ~CallSupervisor() = default;
  CallSupervisor(const CallSupervisor&) = delete;
  CallSupervisor& operator=(const CallSupervisor&) = delete;

  // One for a further command in the container, whose calls are decided in the same way.
  [[nodiscard]] virtual std::shared_ptr<CallSupervisor> another() const = 0;
  // A call waits for its answer, which is given now or later on `listener`. Whoever
  // forgets it leaves its caller waiting.
  virtual void decide(int listener, const seccomp_notif& call) = 0;
  // What it waits for itself is entered, or taken out; and the time (CLOCK_MONOTONIC, -1 for none).
  virtual void enter_interests(bool wanted) = 0;
  [[nodiscard]] virtual std::int64_t deadline_ns() const = 0;
  // The container's Landlock ruleset and its directory of cgroup v2, -1 for none, which last
  // as long as it: what is performed for it is under the one and counted in the other.
  virtual void restrict_with(int ruleset, int cgroup) = 0;
  // After a turn of waiting: something of it may be ready.
  virtual void attend() = 0;
  // The container has ended: nobody waits any more.
  virtual void end() = 0;
  // Whether it killed a process for what it did.
  [[nodiscard]] virtual bool has_killed() const = 0;
};

}  // namespace ccsand
