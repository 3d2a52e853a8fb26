// A launch that goes on while its caller does other things: the container's process assembles itself. It may
// stop before its command, which is told later: what pools keep. Or it has no command, but is one of ours: a zygote.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/executor.hpp"
#include "sys/namespace.hpp"

namespace ccsand {

namespace launching {
struct Cloning;
}
class Zygote;

class BackgroundLaunch {
 public:
  // Starts the process and does what the host has to do at once; the process goes on by itself. `plan` has
  // to outlive it.
  static Result<std::unique_ptr<BackgroundLaunch>> begin(const Plan& plan);  // to the exec of the plan's command
  // The same to where it waits for the command that release() tells it. `given` fills slots. A zygote clones it,
  // where there is one; then the process closes `leftovers`, as the last who has them.
  struct Waiting {
    std::vector<std::pair<Slot, Fd>> given;
    std::shared_ptr<Zygote> zygote;
    std::vector<Fd> leftovers;
  };
  static Result<std::unique_ptr<BackgroundLaunch>> begin_waiting(const Plan& plan, Waiting waiting);
  // A process that shares memory with this one, and has a descriptor of it. It calls the function after its steps, which
  // must neither allocate nor return.
  static Result<std::unique_ptr<BackgroundLaunch>> begin_own(const Plan& plan, int fd, void (*afterwards)(void*), void* argument);
  ~BackgroundLaunch();  // ends the process, where it was not handed over by finish()
  BackgroundLaunch(const BackgroundLaunch&) = delete;
  BackgroundLaunch& operator=(const BackgroundLaunch&) = delete;

  // Until it waits for its command, or has come to its function; the error of a set-up that failed.
  Result<void> ready();
  [[nodiscard]] bool is_ready() const;  // ready() would return at once
  // It executes this command, in place of the plan's; an empty one is the plan's own.
  Result<void> release(const std::vector<std::string>& argv);
  // A descriptor that is readable when it has executed its command, or has ended; -1 where that takes the
  // host's own doing still (steps that wait for the child's, a filter that asks): finish() does it.
  [[nodiscard]] int event() const;
  // Returns when its command has been executed, or could not be; or from `return_ns` on, with nothing: then it is to be
  // called again. From `deadline_ns` on it is killed, and the error is_late(). Both by CLOCK_MONOTONIC, -1 for never.
  Result<std::optional<Launched>> finish(std::int64_t deadline_ns, std::int64_t return_ns);
  // The same before that is known, of one that was released: nothing is waited for. What is left here stays until the
  // command has_executed(), or the process has ended without: then outcome() is the error. Null where finish() has to do it.
  std::optional<Launched> hand_over();
  [[nodiscard]] bool has_executed() const;
  [[nodiscard]] Result<void> outcome(int pidfd) const;

  [[nodiscard]] pid_t pid() const;
  [[nodiscard]] int pidfd() const;
  [[nodiscard]] bool is_alive() const;
  [[nodiscard]] Context& context();

 private:
  BackgroundLaunch();
  struct State;
  static Result<std::unique_ptr<BackgroundLaunch>> make(const Plan& plan);
  Result<void> start();
  Result<void> ask_for_birth(const launching::Cloning& how);
  Result<void> await_birth();
  void born(sys::Child child);
  std::unique_ptr<State> state_;
};

}  // namespace ccsand
