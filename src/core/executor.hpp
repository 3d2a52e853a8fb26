// Runs a plan: the host's steps in this process, the container's in the child that
// its Clone makes.
#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <vector>

#include "core/plan.hpp"

namespace ccsand {

struct Launched {
  pid_t pid = 0;
  Fd pidfd;
  Context context;                     // what the host's steps opened and found out
  std::vector<std::int64_t> trace_ns;  // by step, where it was asked for
  std::vector<seccomp_notif> asked;    // calls of the command that came before anybody could decide them
};

struct LaunchOptions {
  bool trace = false;
  std::int64_t deadline_ns = -1;  // CLOCK_MONOTONIC: where the command has not been executed by then, the error is_late(); -1 for no limit
};

// Whether this error says that a launch had no more time.
bool is_late(const Error& error);

// Starts the container's process; returns when it has exec'd. On failure nothing
// is left: the child has been reaped, its cgroup removed, descriptors closed. The
// error's context is "step 9/23, <the step's line>", its `code` the errno; where it
// was the command that could not be executed, its exit status is 126 or 127.
Result<Launched> launch(const Plan& plan, const LaunchOptions& options);

}  // namespace ccsand
