// Who decides the calls that a filter hands over. seccomp_unotify(2)
#pragma once

#include <linux/seccomp.h>
#include <poll.h>

#include <cstdint>
#include <span>
#include <vector>

namespace ccsand {

class CallSupervisor {
 public:
  CallSupervisor() = default;
  virtual ~CallSupervisor() = default;
  CallSupervisor(const CallSupervisor&) = delete;
  CallSupervisor& operator=(const CallSupervisor&) = delete;

  // A call waits for its answer, which is given now or later on `listener`. Whoever
  // forgets it leaves its caller waiting.
  virtual void decide(int listener, const seccomp_notif& call) = 0;
  // What it waits for itself: these, and the time (CLOCK_MONOTONIC, -1 for none).
  virtual void add_polls(std::vector<pollfd>& polls) const = 0;
  [[nodiscard]] virtual std::int64_t deadline_ns() const = 0;
  // Landlock's ruleset of the container, which lasts as long as it: what is performed for
  // the container is under it, too.
  virtual void restrict_with(int ruleset) = 0;
  // Something of it is ready: `polls` are what add_polls added.
  virtual void attend(std::span<const pollfd> polls) = 0;
  // The container has ended: nobody waits any more.
  virtual void end() = 0;
  // Whether it killed a process for what it did.
  [[nodiscard]] virtual bool has_killed() const = 0;
};

}  // namespace ccsand
