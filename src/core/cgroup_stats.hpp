// What a cgroup has used, read from its files.
#pragma once

#include <cstdint>
#include <optional>

#include "core/cgroup_file.hpp"
#include "core/cgroup_layout.hpp"

namespace ccsand {

// One line of a pressure file: the share of time in which tasks waited, in percent, over
// the last 10, 60 and 300 seconds, and the time itself.
struct CgroupPressure {
  double avg10 = 0, avg60 = 0, avg300 = 0;
  std::uint64_t total_us = 0;
};
struct CgroupPressures {
  std::optional<CgroupPressure> some, full;
};

// Bytes, microseconds and counts since the group was made.
struct CgroupStats {
  std::optional<std::uint64_t> memory, memory_peak;  // bytes; the peak from Linux 5.19 on in v2
  std::optional<std::uint64_t> swap;                 // bytes
  std::optional<std::uint64_t> oom_kills;            // processes killed
  std::optional<std::uint64_t> memory_max_events;    // how often the memory limit was hit
  std::optional<std::uint64_t> pids, pids_peak;      // the peak from Linux 6.1 on
  std::optional<std::uint64_t> pids_max_events;      // forks that the limit refused
  std::optional<std::uint64_t> cpu_us, cpu_user_us, cpu_system_us;
  std::optional<std::uint64_t> cpu_throttled, cpu_throttled_us;  // periods, and the time in them
  std::optional<std::uint64_t> io_read, io_write;                // bytes of all block devices
  CgroupPressures cpu_pressure, memory_pressure, io_pressure;    // v2, with PSI in the kernel
};

namespace cgroupfs {

// Add to `stats` what a directory of that version shows. A controller that the directory
// does not have leaves its fields as they are.
void read_memory(const Directory& directory, CgroupVersion version, CgroupStats& stats);
void read_pids(const Directory& directory, CgroupStats& stats);
void read_cpu(const Directory& directory, CgroupVersion version, CgroupStats& stats);
void read_io(const Directory& directory, CgroupVersion version, CgroupStats& stats);
void read_pressures(const Directory& directory, CgroupStats& stats);
std::optional<std::uint64_t> read_oom_kills(const Directory& directory, CgroupVersion version);

}  // namespace cgroupfs
}  // namespace ccsand
