// What a cgroup has used.
#include "core/cgroup_stats.hpp"

#include <unistd.h>

#include <charconv>

namespace ccsand::cgroupfs {

namespace {

using Value = std::optional<std::uint64_t>;

void set(Value& field, Value value) {
  if (value) field = value;
}

Value read_number(const Directory& directory, const char* file) {
  Buffer buffer;
  auto text = read_if_any(directory, file, buffer);
  return text ? number(*text) : std::nullopt;
}

Value scaled(Value value, std::uint64_t multiplier, std::uint64_t divisor) {
  if (value) value = *value * multiplier / divisor;
  return value;
}

double decimal(std::string_view text) {
  double value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);  // 0 where it is none
  return value;
}

CgroupPressures read_pressure(const Directory& directory, const char* file) {
  CgroupPressures pressures;
  Buffer buffer;
  std::string_view text = read_if_any(directory, file, buffer).value_or(std::string_view());
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    std::string_view kind = take(line, ' ');
    CgroupPressure pressure;
    while (!line.empty()) {
      std::string_view value = take(line, ' ');
      std::string_view key = take(value, '=');
      if (key == "avg10") pressure.avg10 = decimal(value);
      if (key == "avg60") pressure.avg60 = decimal(value);
      if (key == "avg300") pressure.avg300 = decimal(value);
      if (key == "total") pressure.total_us = number(value).value_or(0);
    }
    if (kind == "some") pressures.some = pressure;
    if (kind == "full") pressures.full = pressure;
  }
  return pressures;
}

void read_cpu_v1(const Directory& directory, CgroupStats& stats) {
  set(stats.cpu_us, scaled(read_number(directory, "cpuacct.usage"), 1, 1000));  // from ns
  Buffer buffer;
  if (auto text = read_if_any(directory, "cpuacct.stat", buffer)) {
    const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    set(stats.cpu_user_us, scaled(keyed(*text, "user"), 1'000'000, ticks));
    set(stats.cpu_system_us, scaled(keyed(*text, "system"), 1'000'000, ticks));
  }
  if (auto text = read_if_any(directory, "cpu.stat", buffer)) {
    set(stats.cpu_throttled, keyed(*text, "nr_throttled"));
    set(stats.cpu_throttled_us, scaled(keyed(*text, "throttled_time"), 1, 1000));  // from ns
  }
}

}  // namespace

void read_memory(const Directory& directory, CgroupVersion version, CgroupStats& stats) {
  if (version == CgroupVersion::v2) {
    set(stats.memory, read_number(directory, "memory.current"));
    set(stats.memory_peak, read_number(directory, "memory.peak"));
    set(stats.swap, read_number(directory, "memory.swap.current"));
    Buffer buffer;
    if (auto text = read_if_any(directory, "memory.events", buffer)) {
      set(stats.oom_kills, keyed(*text, "oom_kill"));
      set(stats.memory_max_events, keyed(*text, "max"));
    }
    return;
  }
  set(stats.memory, read_number(directory, "memory.usage_in_bytes"));
  set(stats.memory_peak, read_number(directory, "memory.max_usage_in_bytes"));
  set(stats.memory_max_events, read_number(directory, "memory.failcnt"));
  set(stats.oom_kills, read_oom_kills(directory, version));
  // Both are estimates, taken one after the other: the difference can be below 0.
  Value both = read_number(directory, "memory.memsw.usage_in_bytes");
  if (both && stats.memory) stats.swap = *both > *stats.memory ? *both - *stats.memory : 0;
}

void read_pids(const Directory& directory, CgroupStats& stats) {
  set(stats.pids, read_number(directory, "pids.current"));
  set(stats.pids_peak, read_number(directory, "pids.peak"));
  Buffer buffer;
  if (auto text = read_if_any(directory, "pids.events", buffer))
    set(stats.pids_max_events, keyed(*text, "max"));
}

void read_cpu(const Directory& directory, CgroupVersion version, CgroupStats& stats) {
  if (version == CgroupVersion::v1) return read_cpu_v1(directory, stats);
  Buffer buffer;  // every v2 group has this file, with or without the controller
  auto text = read_if_any(directory, "cpu.stat", buffer);
  if (!text) return;
  set(stats.cpu_us, keyed(*text, "usage_usec"));
  set(stats.cpu_user_us, keyed(*text, "user_usec"));
  set(stats.cpu_system_us, keyed(*text, "system_usec"));
  set(stats.cpu_throttled, keyed(*text, "nr_throttled"));
  set(stats.cpu_throttled_us, keyed(*text, "throttled_usec"));
}

void read_io(const Directory& directory, CgroupVersion version, CgroupStats& stats) {
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  // v2: "8:0 rbytes=1 wbytes=2 ..."; v1: "8:0 Read 1".
  auto add = [&](std::string_view line) {
    (void)take(line, ' ');  // the device
    if (version == CgroupVersion::v1) {
      std::string_view direction = take(line, ' ');
      if (direction == "Read") read += number(line).value_or(0);
      if (direction == "Write") written += number(line).value_or(0);
    }
    while (!line.empty()) {
      std::string_view value = take(line, ' ');
      std::string_view key = take(value, '=');
      if (key == "rbytes") read += number(value).value_or(0);
      if (key == "wbytes") written += number(value).value_or(0);
    }
  };
  const char* file = version == CgroupVersion::v2 ? "io.stat" : "blkio.throttle.io_service_bytes_recursive";
  if (!for_each_line(directory, file, add)) return;  // no controller, no figures
  stats.io_read = read;
  stats.io_write = written;
}

void read_pressures(const Directory& directory, CgroupStats& stats) {
  stats.cpu_pressure = read_pressure(directory, "cpu.pressure");
  stats.memory_pressure = read_pressure(directory, "memory.pressure");
  stats.io_pressure = read_pressure(directory, "io.pressure");
}

std::optional<std::uint64_t> read_oom_kills(const Directory& directory, CgroupVersion version) {
  Buffer buffer;
  auto text =
      read_if_any(directory, version == CgroupVersion::v2 ? "memory.events" : "memory.oom_control", buffer);
  return text ? keyed(*text, "oom_kill") : std::nullopt;
}

}  // namespace ccsand::cgroupfs
