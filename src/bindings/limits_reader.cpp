// The table of limits.
#include <cerrno>

#include "bindings/container_reader.hpp"
#include "bindings/table.hpp"

namespace ccsand {

namespace {
// A size that may be left out.
Result<void> optional_size(Table& table, const char* key, std::optional<std::uint64_t>& out) {
  std::uint64_t value = 0;
  if (CCSAND_TRY(table.size(key, value))) out = value;
  return {};
}
Result<void> optional_count(Table& table, const char* key, std::optional<std::uint64_t>& out) {
  std::int64_t value = 0;
  if (CCSAND_TRY(table.integer(key, value, 0, INT64_C(1) << 53))) out = static_cast<std::uint64_t>(value);
  return {};
}
Result<void> optional_weight(Table& table, const char* key, std::optional<std::uint32_t>& out) {
  std::int64_t value = 0;
  if (CCSAND_TRY(table.integer(key, value, 0, UINT32_MAX))) out = static_cast<std::uint32_t>(value);
  return {};
}

Result<void> read_io(Table& limits, CgroupLimits& out) {
  lua_State* L = limits.state();
  int at = limits.push("io");
  if (lua_isnil(L, at)) return {};
  if (!lua_istable(L, at)) return limits.wrong_type("io", "a list of tables", at);
  for (std::size_t i = 1; i <= lua_objlen(L, at); ++i) {
    lua_rawgeti(L, at, static_cast<int>(i));
    std::string name = limits.name_of("io") + "[" + std::to_string(i) + "]";
    if (!lua_istable(L, -1)) return make_error(EINVAL, "", name, "must be a table");
    Table entry(L, -1, name);
    CgroupLimits::Io io;
    if (!CCSAND_TRY(entry.text("device", io.device))) return entry.wrong("device", "is missing: \"major:minor\"");
    CCSAND_TRY(optional_size(entry, "rbps", io.rbps));
    CCSAND_TRY(optional_size(entry, "wbps", io.wbps));
    CCSAND_TRY(optional_count(entry, "riops", io.riops));
    CCSAND_TRY(optional_count(entry, "wiops", io.wiops));
    CCSAND_TRY(entry.finish());
    out.io.push_back(io);
    lua_pop(L, 1);
  }
  return {};
}
}  // namespace

Result<CgroupLimits> read_limits(lua_State* L, int index, const char* what) {
  Table table(L, index, what);
  CgroupLimits limits;
  CCSAND_TRY(optional_size(table, "memory", limits.memory));
  CCSAND_TRY(optional_size(table, "swap", limits.swap));
  CCSAND_TRY(optional_size(table, "memory_high", limits.memory_high));
  CCSAND_TRY(optional_size(table, "memory_low", limits.memory_low));
  CCSAND_TRY(table.boolean("memory_oom_group", limits.memory_oom_group));
  CCSAND_TRY(optional_count(table, "pids", limits.pids));
  double cpus = 0;
  if (CCSAND_TRY(table.number("cpus", cpus))) limits.cpus = cpus;
  std::int64_t period = 0;
  if (CCSAND_TRY(table.duration_ns("cpu_period", period))) limits.cpu_period_us = static_cast<std::uint64_t>(period / 1000);
  CCSAND_TRY(optional_weight(table, "cpu_weight", limits.cpu_weight));
  CCSAND_TRY(table.text("cpuset_cpus", limits.cpuset_cpus));
  CCSAND_TRY(table.text("cpuset_mems", limits.cpuset_mems));
  CCSAND_TRY(optional_weight(table, "io_weight", limits.io_weight));
  CCSAND_TRY(read_io(table, limits));
  std::vector<std::pair<std::string, std::string>> pages;
  CCSAND_TRY(table.pairs("hugetlb", pages));
  for (const auto& [size, text] : pages) {
    auto bytes = parse_size(text);
    if (!bytes) return table.wrong("hugetlb", bytes.error().message());
    limits.hugetlb.emplace_back(size, *bytes);
  }
  CCSAND_TRY(table.pairs("raw", limits.raw));
  CCSAND_TRY(table.finish());
  auto valid = validate(limits);
  if (!valid) return valid.error().in(what);
  return limits;
}

}  // namespace ccsand
