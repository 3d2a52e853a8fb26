// A launch that stops before its command, which is told later: what pools keep.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/executor.hpp"

namespace ccsand {

class HeldLaunch {
 public:
  // Starts the container's process and does what the host has to do at once; the process goes on by itself. `plan` has
  // to outlive it.
  static Result<std::unique_ptr<HeldLaunch>> begin(const Plan& plan);
  ~HeldLaunch();  // ends the process, where it was not released
  HeldLaunch(const HeldLaunch&) = delete;
  HeldLaunch& operator=(const HeldLaunch&) = delete;

  // Until it waits for its command; the error of a set-up that failed.
  Result<void> ready();
  // It executes this command, in place of the plan's; an empty one is the plan's own. Returns when that has been done.
  Result<Launched> release(const std::vector<std::string>& argv);
  [[nodiscard]] pid_t pid() const;
  [[nodiscard]] bool is_alive() const;
  [[nodiscard]] Context& context();

 private:
  HeldLaunch();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ccsand
