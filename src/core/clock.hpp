// The clock that everything is measured and limited by.
#pragma once

#include <cstdint>
#include <ctime>

namespace ccsand {

// Nanoseconds of CLOCK_MONOTONIC. Without a system call where the vDSO has it, so a child may ask between
// clone and exec, too.
inline std::int64_t monotonic_ns() {
  timespec time = {};
  (void)clock_gettime(CLOCK_MONOTONIC, &time);  // cannot fail for this clock
  return time.tv_sec * 1'000'000'000L + time.tv_nsec;
}

}  // namespace ccsand
