// Limits to files and values.
#include "core/cgroup_limits.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>

namespace ccsand {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPeriod = 100'000;           // µs, the kernel's default
constexpr std::uint64_t kLongestPeriod = 1'000'000;  // µs, the kernel's bound
constexpr std::uint64_t kShortestQuota = 1000;       // µs, the kernel's bound for period and quota

Error refuse(std::string_view limit, std::string_view reason) {
  return make_error(EINVAL, "cgroup limit", limit, reason);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 9 && std::all_of(text.begin(), text.end(), is_digit);
}

// "0-3,6"; "0-30:1/2" is allowed by the kernel, too, but by nobody's manual page.
bool is_list(std::string_view text) {
  while (!text.empty()) {
    std::size_t end = std::min(text.find(','), text.size());
    std::string_view range = text.substr(0, end);
    std::size_t dash = range.find('-');
    if (dash != std::string_view::npos && !is_number(range.substr(dash + 1))) return false;
    if (!is_number(range.substr(0, dash))) return false;
    if (end + 1 == text.size()) return false;  // a comma at the end
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

bool is_device(std::string_view text) {
  std::size_t colon = text.find(':');
  return colon != std::string_view::npos && is_number(text.substr(0, colon)) &&
         is_number(text.substr(colon + 1));
}

// "2MB", "1GB", "64KB"
bool is_page_size(std::string_view text) {
  if (text.size() < 3 || text.back() != 'B') return false;
  char unit = text[text.size() - 2];
  return (unit == 'K' || unit == 'M' || unit == 'G') && is_number(text.substr(0, text.size() - 2));
}

struct CpuTime {
  std::uint64_t quota, period;
};
// A quota of less than 1 ms is refused by the kernel: then the period is lengthened,
// unless the caller set it.
CpuTime cpu_time(const CgroupLimits& limits) {
  std::uint64_t period = limits.cpu_period_us.value_or(kPeriod);
  auto quota_of = [&](std::uint64_t length) {
    return static_cast<std::uint64_t>(std::llround(*limits.cpus * static_cast<double>(length)));
  };
  if (!limits.cpu_period_us && quota_of(period) < kShortestQuota) period = kLongestPeriod;
  return {quota_of(period), period};
}

Result<void> validate_memory(const CgroupLimits& limits) {
  if (limits.memory && *limits.memory < kPage) return refuse("memory", "less than a page (4096 bytes)");
  if (limits.memory_high && *limits.memory_high < kPage)
    return refuse("memory_high", "less than a page (4096 bytes)");
  if (limits.swap && limits.memory && *limits.memory + *limits.swap < *limits.memory) {
    return refuse("swap", "memory and swap together are more than 64 bits");
  }
  for (const auto& [size, bytes] : limits.hugetlb) {
    if (!is_page_size(size)) return refuse("hugetlb", "'" + size + "' is no page size such as 2MB or 1GB");
  }
  return {};
}

Result<void> validate_cpu(const CgroupLimits& limits) {
  if (limits.cpu_period_us &&
      (*limits.cpu_period_us < kShortestQuota || *limits.cpu_period_us > kLongestPeriod)) {
    return refuse("cpu_period_us", "not between 1000 and 1000000 microseconds");
  }
  if (limits.cpus) {
    // Not "<= 0": that would let NaN pass.
    if (!(*limits.cpus > 0) || *limits.cpus > 1e6) return refuse("cpus", "not a number of CPUs above 0");
    if (cpu_time(limits).quota < kShortestQuota) {
      return refuse("cpus", "less than 1 ms of CPU time in a period, which the kernel refuses");
    }
  }
  if (limits.cpu_weight && (*limits.cpu_weight < 1 || *limits.cpu_weight > 10'000)) {
    return refuse("cpu_weight", "not between 1 and 10000");
  }
  if (!is_list(limits.cpuset_cpus))
    return refuse("cpuset_cpus", "'" + limits.cpuset_cpus + "' is no list such as 0-3,6");
  if (!is_list(limits.cpuset_mems))
    return refuse("cpuset_mems", "'" + limits.cpuset_mems + "' is no list such as 0-1");
  return {};
}

Result<void> validate_io(const CgroupLimits& limits) {
  if (limits.io_weight && (*limits.io_weight < 1 || *limits.io_weight > 10'000)) {
    return refuse("io_weight", "not between 1 and 10000");
  }
  for (const CgroupLimits::Io& io : limits.io) {
    if (!is_device(io.device)) return refuse("io", "'" + io.device + "' is no device number such as 8:0");
    for (const auto& rate : {io.rbps, io.wbps, io.riops, io.wiops}) {
      if (rate && *rate == 0) return refuse("io", "a rate of 0 for device " + io.device);
    }
    if (!io.rbps && !io.wbps && !io.riops && !io.wiops)
      return refuse("io", "no rate for device " + io.device);
  }
  return {};
}

Result<void> validate_raw(const CgroupLimits& limits) {
  for (const auto& [file, value] : limits.raw) {
    bool plain = std::all_of(file.begin(), file.end(), [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
             c == '-';
    });
    std::size_t dot = file.find('.');
    if (!plain || dot == 0 || dot == std::string::npos || dot + 1 == file.size() || file.size() > 128) {
      return refuse("raw", "'" + file + "' is no file of a group, such as memory.swap.high");
    }
    if (file.starts_with("cgroup.") && !file.starts_with("cgroup.max.") && file != "cgroup.pressure") {
      return refuse("raw", "'" + file + "' is no limit");
    }
    if (value.empty() || value.size() > 2048 || value.find('\0') != std::string::npos) {
      return refuse("raw", "the value of '" + file + "' is empty, too long, or has a zero byte");
    }
  }
  return {};
}

// Collects the writes, controller by controller.
class Plan {
 public:
  explicit Plan(const CgroupLayout& layout) : layout_(layout) {}

  // The name is that of v2; v1 calls io blkio.
  Result<bool> use(std::string_view controller) {
    if (controller == "io" && layout_.legacy("blkio") != nullptr) controller = "blkio";
    auto version = layout_.version_of(controller);
    if (!version) {
      return make_error(ENOTSUP, "cgroup controller", "'" + std::string(controller) + "'",
                        "this host has no writable cgroup v2 mount and no v1 mount of it",
                        "mount cgroup v2 (mount -t cgroup2 none /sys/fs/cgroup), or leave the limit out");
    }
    version_ = *version;
    controller_ = controller;
    return version_ == CgroupVersion::v2;
  }
  void write(std::string file, std::string value, std::string alternative = {}) {
    writes_.push_back({version_, controller_, std::move(file), std::move(value), std::move(alternative)});
  }
  void write(std::string file, std::uint64_t value) { write(std::move(file), std::to_string(value)); }
  std::vector<CgroupWrite>& writes() { return writes_; }

 private:
  const CgroupLayout& layout_;
  CgroupVersion version_ = CgroupVersion::v2;
  std::string controller_;
  std::vector<CgroupWrite> writes_;
};

Error only_v2(std::string_view limit) {
  return make_error(ENOTSUP, "cgroup limit", limit,
                    "the memory controller of this host is v1, which cannot do it",
                    "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or leave the limit out");
}

Result<void> plan_memory(const CgroupLimits& limits, Plan& plan) {
  if (!limits.memory && !limits.swap && !limits.memory_high && !limits.memory_low && !limits.memory_oom_group)
    return {};
  if (CCSAND_TRY(plan.use("memory"))) {
    if (limits.memory) plan.write("memory.max", *limits.memory);
    if (limits.swap) plan.write("memory.swap.max", *limits.swap);
    if (limits.memory_high) plan.write("memory.high", *limits.memory_high);
    if (limits.memory_low) plan.write("memory.low", *limits.memory_low);
    if (limits.memory_oom_group) plan.write("memory.oom.group", 1);
    return {};
  }
  if (limits.memory_high) return only_v2("memory_high");
  if (limits.memory_oom_group) return only_v2("memory_oom_group");
  if (limits.swap && !limits.memory) {
    return make_error(EINVAL, "cgroup limit", "swap",
                      "the v1 memory controller limits memory and swap together: set memory, too");
  }
  // The sum must not be below the first at any time: memory is written first.
  if (limits.memory) plan.write("memory.limit_in_bytes", *limits.memory);
  if (limits.swap) plan.write("memory.memsw.limit_in_bytes", *limits.memory + *limits.swap);
  if (limits.memory_low) plan.write("memory.soft_limit_in_bytes", *limits.memory_low);
  return {};
}

Result<void> plan_cpu(const CgroupLimits& limits, Plan& plan) {
  if (!limits.cpus && !limits.cpu_period_us && !limits.cpu_weight) return {};
  bool v2 = CCSAND_TRY(plan.use("cpu"));
  if (limits.cpus) {
    CpuTime time = cpu_time(limits);
    if (v2) {
      plan.write("cpu.max", std::to_string(time.quota) + " " + std::to_string(time.period));
    } else {
      plan.write("cpu.cfs_period_us", time.period);
      plan.write("cpu.cfs_quota_us", time.quota);
    }
  } else if (limits.cpu_period_us) {
    plan.write(v2 ? "cpu.max" : "cpu.cfs_period_us",
               (v2 ? "max " : "") + std::to_string(*limits.cpu_period_us));
  }
  if (!limits.cpu_weight) return {};
  // The default of both stays the default (100, 1024) and ratios stay, as in the
  // kernel's own conversion and systemd's.
  std::uint64_t shares = std::max<std::uint64_t>(*limits.cpu_weight * std::uint64_t{1024} / 100, 2);
  plan.write(v2 ? "cpu.weight" : "cpu.shares", v2 ? *limits.cpu_weight : shares);
  return {};
}

Result<void> plan_io(const CgroupLimits& limits, Plan& plan) {
  if (limits.io.empty() && !limits.io_weight) return {};
  bool v2 = CCSAND_TRY(plan.use("io"));
  for (const CgroupLimits::Io& io : limits.io) {
    struct Rate {
      const char* v2_key;
      const char* v1_file;
      const std::optional<std::uint64_t>& value;
    };
    const Rate rates[] = {{" rbps=", "blkio.throttle.read_bps_device", io.rbps},
                          {" wbps=", "blkio.throttle.write_bps_device", io.wbps},
                          {" riops=", "blkio.throttle.read_iops_device", io.riops},
                          {" wiops=", "blkio.throttle.write_iops_device", io.wiops}};
    std::string line = io.device;
    for (const Rate& rate : rates) {
      if (!rate.value) continue;
      if (v2) line += rate.v2_key + std::to_string(*rate.value);
      else plan.write(rate.v1_file, io.device + " " + std::to_string(*rate.value));
    }
    if (v2) plan.write("io.max", line);
  }
  if (!limits.io_weight) return {};
  // io.weight is io.cost's; BFQ has the same range in v2, 1 to 1000 in v1, and 100 for
  // its default everywhere.
  if (v2) plan.write("io.weight", std::to_string(*limits.io_weight), "io.bfq.weight");
  else plan.write("blkio.bfq.weight", std::to_string(std::min(*limits.io_weight, 1000U)), "blkio.weight");
  return {};
}

Result<void> plan_rest(const CgroupLimits& limits, Plan& plan) {
  if (limits.pids) {
    (void)CCSAND_TRY(plan.use("pids"));
    plan.write("pids.max", *limits.pids);
  }
  if (!limits.cpuset_cpus.empty() || !limits.cpuset_mems.empty()) {
    (void)CCSAND_TRY(plan.use("cpuset"));
    if (!limits.cpuset_cpus.empty()) plan.write("cpuset.cpus", limits.cpuset_cpus);
    if (!limits.cpuset_mems.empty()) plan.write("cpuset.mems", limits.cpuset_mems);
  }
  for (const auto& [size, bytes] : limits.hugetlb) {
    bool v2 = CCSAND_TRY(plan.use("hugetlb"));
    plan.write("hugetlb." + size + (v2 ? ".max" : ".limit_in_bytes"), bytes);
  }
  for (const auto& [file, value] : limits.raw) {
    std::string controller = file.substr(0, file.find('.'));
    (void)CCSAND_TRY(plan.use(controller));
    plan.write(file, value);
    if (controller == "cgroup") plan.writes().back().controller.clear();
  }
  return {};
}

}  // namespace

bool CgroupLimits::empty() const {
  return !memory && !swap && !memory_high && !memory_low && !memory_oom_group && !pids && !cpus &&
         !cpu_period_us && !cpu_weight && cpuset_cpus.empty() && cpuset_mems.empty() && io.empty() &&
         !io_weight && hugetlb.empty() && raw.empty();
}

Result<void> validate(const CgroupLimits& limits) {
  CCSAND_TRY(validate_memory(limits));
  CCSAND_TRY(validate_cpu(limits));
  CCSAND_TRY(validate_io(limits));
  if (limits.pids && *limits.pids == 0) return refuse("pids", "0 would not let the first process start");
  return validate_raw(limits);
}

Result<std::vector<CgroupWrite>> cgroup_writes(const CgroupLimits& limits, const CgroupLayout& layout) {
  Plan plan(layout);
  CCSAND_TRY(plan_memory(limits, plan));
  CCSAND_TRY(plan_cpu(limits, plan));
  CCSAND_TRY(plan_io(limits, plan));
  CCSAND_TRY(plan_rest(limits, plan));
  return std::move(plan.writes());
}

}  // namespace ccsand
