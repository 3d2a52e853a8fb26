// A launch that goes on while its caller does other things: the container's process assembles itself. It may
// stop before its command, which is told later: what pools keep.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/executor.hpp"

namespace ccsand {

class BackgroundLaunch {
 public:
  enum class Until {
    exec,     // of the plan's command
    command,  // it waits for the one that release() tells it
  };
  // Starts the container's process and does what the host has to do at once; the process goes on by itself. `plan` has
  // to outlive it.
  static Result<std::unique_ptr<BackgroundLaunch>> begin(const Plan& plan, Until until);
  ~BackgroundLaunch();  // ends the process, where it was not handed over by finish()
  BackgroundLaunch(const BackgroundLaunch&) = delete;
  BackgroundLaunch& operator=(const BackgroundLaunch&) = delete;

  // Until it waits for its command; the error of a set-up that failed.
  Result<void> ready();
  // It executes this command, in place of the plan's; an empty one is the plan's own.
  Result<void> release(const std::vector<std::string>& argv);
  // A descriptor that is readable when it has executed its command, or has ended; -1 where that takes the
  // host's own doing still (steps that wait for the child's, a filter that asks): finish() does it.
  [[nodiscard]] int event() const;
  // Returns when its command has been executed, or could not be.
  Result<Launched> finish();

  [[nodiscard]] pid_t pid() const;
  [[nodiscard]] int pidfd() const;
  [[nodiscard]] bool is_alive() const;
  [[nodiscard]] Context& context();

 private:
  BackgroundLaunch();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ccsand
