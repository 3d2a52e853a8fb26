// Results and statistics as Lua tables. Times are seconds, sizes bytes.
#include "bindings/result.hpp"

#include "bindings/binding.hpp"
#include "core/names.hpp"

namespace ccsand {

namespace {
using ccsand::set_field;
void set_field(lua_State* L, const char* key, const std::optional<std::uint64_t>& value, double factor = 1) {
  if (value) set_field(L, key, static_cast<double>(*value) * factor);
}
void set_field(lua_State* L, const char* key, const std::optional<CgroupPressure>& value) {
  if (!value) return;
  lua_createtable(L, 0, 4);
  set_field(L, "avg10", value->avg10);
  set_field(L, "avg60", value->avg60);
  set_field(L, "avg300", value->avg300);
  set_field(L, "total", static_cast<double>(value->total_us) / 1e6);
  lua_setfield(L, -2, key);
}
void set_field(lua_State* L, const char* key, const CgroupPressures& value) {
  if (!value.some && !value.full) return;
  lua_createtable(L, 0, 2);
  set_field(L, "some", value.some);
  set_field(L, "full", value.full);
  lua_setfield(L, -2, key);
}

void set_cgroup_fields(lua_State* L, const CgroupStats& stats) {
  set_field(L, "memory", stats.memory);
  set_field(L, "memory_peak", stats.memory_peak);
  set_field(L, "swap", stats.swap);
  set_field(L, "oom_kills", stats.oom_kills);
  set_field(L, "memory_max_events", stats.memory_max_events);
  set_field(L, "pids", stats.pids);
  set_field(L, "pids_peak", stats.pids_peak);
  set_field(L, "pids_max_events", stats.pids_max_events);
  set_field(L, "cpu", stats.cpu_us, 1e-6);
  set_field(L, "cpu_user", stats.cpu_user_us, 1e-6);
  set_field(L, "cpu_system", stats.cpu_system_us, 1e-6);
  set_field(L, "cpu_throttled", stats.cpu_throttled);
  set_field(L, "cpu_throttled_time", stats.cpu_throttled_us, 1e-6);
  set_field(L, "io_read", stats.io_read);
  set_field(L, "io_write", stats.io_write);
  set_field(L, "cpu_pressure", stats.cpu_pressure);
  set_field(L, "memory_pressure", stats.memory_pressure);
  set_field(L, "io_pressure", stats.io_pressure);
}
}  // namespace

void push_cgroup_stats(lua_State* L, const CgroupStats& stats) {
  lua_createtable(L, 0, 16);
  set_cgroup_fields(L, stats);
}

void push_result(lua_State* L, const RunResult& result) {
  lua_createtable(L, 0, 16);
  set_field(L, "status", static_cast<double>(result.status));
  if (result.signal != 0) {
    std::string_view name = word_of(signal_names(), static_cast<std::uint64_t>(result.signal));
    set_field(L, "signal", name.empty() ? std::string_view("?") : name);
  }
  set_field(L, "reason", std::string_view(result.reason));
  set_field(L, "stdout", std::string_view(result.out));
  set_field(L, "stderr", std::string_view(result.err));
  if (result.out_cut) set_field(L, "stdout_cut", true);
  if (result.err_cut) set_field(L, "stderr_cut", true);
  set_field(L, "wall", static_cast<double>(result.wall_ns) / 1e9);
  set_field(L, "user", static_cast<double>(result.user_us) / 1e6);
  set_field(L, "system", static_cast<double>(result.system_us) / 1e6);
  set_field(L, "max_rss", static_cast<double>(result.max_rss));
  if (result.cgroup) set_cgroup_fields(L, *result.cgroup);
  if (result.egress.empty()) return;
  lua_createtable(L, static_cast<int>(result.egress.size()), 0);
  int count = 0;
  for (const RuleCount& rule : result.egress) {
    lua_createtable(L, 0, 3);
    set_field(L, "rule", std::string_view(rule.rule));
    set_field(L, "packets", static_cast<double>(rule.packets));
    set_field(L, "bytes", static_cast<double>(rule.bytes));
    lua_rawseti(L, -2, ++count);
  }
  lua_setfield(L, -2, "egress");
}

}  // namespace ccsand
