// What a cgroup is to limit, and the files and values that say so to v1 and to v2.
// Pure: touches no kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ccsand/result.hpp"
#include "core/cgroup_layout.hpp"

namespace ccsand {

// Every field that is not set leaves the kernel's default: no limit.
struct CgroupLimits {
  std::optional<std::uint64_t> memory;  // bytes, at least 4096; beyond it the group's OOM killer
  std::optional<std::uint64_t> swap;    // bytes of swap on top of memory, from 0; v1: needs memory
  std::optional<std::uint64_t>
      memory_high;  // bytes, at least 4096: throttled and reclaimed beyond it; v2 only
  std::optional<std::uint64_t> memory_low;  // bytes protected from reclaim; v1: the soft limit
  bool memory_oom_group = false;            // an OOM kill takes all of the group at once; v2 only

  std::optional<std::uint64_t> pids;  // processes and threads, at least 1

  std::optional<double> cpus;  // CPUs' worth of time, 0.001 and up: 1.5 is 150 ms of every 100 ms
  std::optional<std::uint64_t> cpu_period_us;  // over which cpus is counted, 1000 to 1000000; default 100000
  std::optional<std::uint32_t> cpu_weight;     // share under contention, 1 to 10000, default 100; v1: shares
  std::string cpuset_cpus;                     // "0-3,6", cpuset(7)'s list format
  std::string cpuset_mems;                     // NUMA nodes, in the same format

  struct Io {
    std::string device;                         // "8:0", major and minor number of the whole device
    std::optional<std::uint64_t> rbps, wbps;    // bytes a second, at least 1
    std::optional<std::uint64_t> riops, wiops;  // operations a second, at least 1
  };
  std::vector<Io> io;
  std::optional<std::uint32_t>
      io_weight;  // 1 to 10000, default 100; BFQ or (v2) io.cost must be in use; v1: at most 1000

  std::vector<std::pair<std::string, std::uint64_t>>
      hugetlb;  // page size as in the file names ("2MB"), bytes

  // File and value, written as they are after all others: {"memory.swap.high", "64M"}.
  // The word before the first dot names the controller. The names of v1 and v2 differ.
  std::vector<std::pair<std::string, std::string>> raw;

  [[nodiscard]] bool empty() const;
};

// Refuses what no kernel can take: EINVAL, with the limit's name as the subject.
Result<void> validate(const CgroupLimits& limits);

// One value for one file of a group.
struct CgroupWrite {
  CgroupVersion version = CgroupVersion::v2;
  std::string controller;  // "" for what belongs to the group itself (cgroup.max.depth)
  std::string file;
  std::string value;
  std::string alternative;  // the file on other kernels, "" if there is none
};

// The writes that put valid limits into force, in the order in which the kernel wants
// them. Each controller is used in the version that the layout says. ENOTSUP where the
// host lacks a controller, or where v1 cannot do what a limit asks for.
Result<std::vector<CgroupWrite>> cgroup_writes(const CgroupLimits& limits, const CgroupLayout& layout);

}  // namespace ccsand
