// Limits: what is refused, and which files and values the rest becomes.
#include "core/cgroup_limits.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <cmath>
#include <limits>

#include "core/cgroup.hpp"

using namespace ccsand;

namespace {

CgroupLayout unified() { return *CgroupLayout::parse("30 25 0:26 / /c rw - cgroup2 cgroup2 rw\n", "0::/\n"); }
CgroupLayout legacy() {
  return *CgroupLayout::parse(
      "1 0 0:1 / /m rw - cgroup cgroup rw,memory\n"
      "2 0 0:2 / /c rw - cgroup cgroup rw,cpu,cpuacct\n"
      "3 0 0:3 / /p rw - cgroup cgroup rw,pids\n"
      "4 0 0:4 / /b rw - cgroup cgroup rw,blkio\n"
      "5 0 0:5 / /s rw - cgroup cgroup rw,cpuset\n"
      "6 0 0:6 / /h rw - cgroup cgroup rw,hugetlb\n",
      "");
}

// "file=value file=value"
std::string writes(const CgroupLimits& limits, const CgroupLayout& layout) {
  REQUIRE(validate(limits));
  auto list = cgroup_writes(limits, layout);
  REQUIRE(list);
  std::string text;
  for (const CgroupWrite& write : *list) {
    text += (text.empty() ? "" : "; ") + write.file + "=" + write.value;
    if (!write.alternative.empty()) text += " (" + write.alternative + ")";
  }
  return text;
}

void check_refused(const CgroupLimits& limits, const char* name) {
  auto result = validate(limits);
  INFO(name);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == EINVAL);
  CHECK(result.error().operation == std::string("cgroup limit"));
  CHECK(result.error().subject.view() == name);
}

}  // namespace

TEST_CASE("no limits are valid and write nothing", "[cgroup]") {
  CgroupLimits limits;
  CHECK(limits.empty());
  CHECK(writes(limits, unified()).empty());
  CHECK(writes(limits, legacy()).empty());
}

TEST_CASE("memory limits", "[cgroup]") {
  CgroupLimits limits;
  limits.memory = 1 << 20;
  limits.swap = 4096;
  CHECK_FALSE(limits.empty());
  CHECK(writes(limits, unified()) == "memory.max=1048576; memory.swap.max=4096");
  CHECK(writes(limits, legacy()) == "memory.limit_in_bytes=1048576; memory.memsw.limit_in_bytes=1052672");
  limits.memory_low = 8192;
  CHECK(
      writes(limits, legacy()) ==
      "memory.limit_in_bytes=1048576; memory.memsw.limit_in_bytes=1052672; memory.soft_limit_in_bytes=8192");
  limits.memory_high = 65536;
  limits.memory_oom_group = true;
  CHECK(writes(limits, unified()) ==
        "memory.max=1048576; memory.swap.max=4096; memory.high=65536; memory.low=8192; memory.oom.group=1");
}

TEST_CASE("what v1 cannot do is an error", "[cgroup]") {
  CgroupLimits high;
  high.memory_high = 65536;
  auto result = cgroup_writes(high, legacy());
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ENOTSUP);
  CHECK(result.error().subject.view() == "memory_high");
  CgroupLimits group;
  group.memory_oom_group = true;
  CHECK_FALSE(cgroup_writes(group, legacy()));
  CgroupLimits swap;
  swap.swap = 0;
  CHECK_FALSE(cgroup_writes(swap, legacy()));
  CHECK(writes(swap, unified()) == "memory.swap.max=0");
}

TEST_CASE("a controller that the host lacks is named", "[cgroup]") {
  CgroupLimits limits;
  limits.raw = {{"rdma.max", "mlx4_0 hca_handle=2"}};
  auto result = cgroup_writes(limits, legacy());
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ENOTSUP);
  CHECK(result.error().subject.view() == "'rdma'");
  CHECK(std::string(result.error().hint).size() > 10);
}

TEST_CASE("CPU limits", "[cgroup]") {
  CgroupLimits limits;
  limits.cpus = 1.5;
  CHECK(writes(limits, unified()) == "cpu.max=150000 100000");
  CHECK(writes(limits, legacy()) == "cpu.cfs_period_us=100000; cpu.cfs_quota_us=150000");
  limits.cpu_period_us = 20000;
  CHECK(writes(limits, unified()) == "cpu.max=30000 20000");
  limits.cpus.reset();
  CHECK(writes(limits, unified()) == "cpu.max=max 20000");
  CHECK(writes(limits, legacy()) == "cpu.cfs_period_us=20000");
  limits.cpu_period_us.reset();
  limits.cpus = 0.005;  // 0.5 ms of 100 ms would be refused
  CHECK(writes(limits, unified()) == "cpu.max=5000 1000000");
}

TEST_CASE("CPU weights keep their ratios in v1", "[cgroup]") {
  CgroupLimits limits;
  auto both = [&](std::uint32_t weight) {
    limits.cpu_weight = weight;
    return writes(limits, unified()) + " " + writes(limits, legacy());
  };
  CHECK(both(1) == "cpu.weight=1 cpu.shares=10");
  CHECK(both(100) == "cpu.weight=100 cpu.shares=1024");
  CHECK(both(10000) == "cpu.weight=10000 cpu.shares=102400");
}

TEST_CASE("the other limits", "[cgroup]") {
  CgroupLimits limits;
  limits.pids = 64;
  limits.cpuset_cpus = "0-1,3";
  limits.cpuset_mems = "0";
  limits.hugetlb = {{"2MB", 4194304}};
  limits.raw = {{"cgroup.max.depth", "0"}};
  CHECK(writes(limits, unified()) ==
        "pids.max=64; cpuset.cpus=0-1,3; cpuset.mems=0; hugetlb.2MB.max=4194304; cgroup.max.depth=0");
  auto list = cgroup_writes(limits, unified());
  CHECK(list->back().controller.empty());
  limits.raw.clear();
  CHECK(writes(limits, legacy()) ==
        "pids.max=64; cpuset.cpus=0-1,3; cpuset.mems=0; hugetlb.2MB.limit_in_bytes=4194304");
}

TEST_CASE("I/O limits", "[cgroup]") {
  CgroupLimits limits;
  limits.io.push_back({"8:0", 1000, {}, {}, 7});
  limits.io.push_back({"259:1", {}, 5, {}, {}});
  limits.io_weight = 2000;
  CHECK(writes(limits, unified()) ==
        "io.max=8:0 rbps=1000 wiops=7; io.max=259:1 wbps=5; io.weight=2000 (io.bfq.weight)");
  CHECK(writes(limits, legacy()) ==
        "blkio.throttle.read_bps_device=8:0 1000; blkio.throttle.write_iops_device=8:0 7; "
        "blkio.throttle.write_bps_device=259:1 5; blkio.bfq.weight=1000 (blkio.weight)");
}

TEST_CASE("nonsense is refused", "[cgroup]") {
  auto refused = [](const char* name, auto change) {
    CgroupLimits limits;
    change(limits);
    check_refused(limits, name);
  };
  refused("memory", [](auto& l) { l.memory = 0; });
  refused("memory", [](auto& l) { l.memory = 4095; });
  refused("memory_high", [](auto& l) { l.memory_high = 0; });
  refused("swap", [](auto& l) { l.memory = l.swap = std::numeric_limits<std::uint64_t>::max(); });
  refused("pids", [](auto& l) { l.pids = 0; });
  for (double cpus : {0.0, -1.0, 0.0001, std::nan(""), 1e9, static_cast<double>(INFINITY)}) {
    refused("cpus", [cpus](auto& l) { l.cpus = cpus; });
  }
  refused("cpus", [](auto& l) { l.cpus = 0.01, l.cpu_period_us = 1000; });
  refused("cpu_period_us", [](auto& l) { l.cpu_period_us = 999; });
  refused("cpu_period_us", [](auto& l) { l.cpu_period_us = 1000001; });
  refused("cpu_weight", [](auto& l) { l.cpu_weight = 0; });
  refused("cpu_weight", [](auto& l) { l.cpu_weight = 10001; });
  refused("io_weight", [](auto& l) { l.io_weight = 0; });
  for (const char* list : {",", "0,", ",1", "a", "0-", "-1", "0--2", "1 2", "0\n", "99999999999"}) {
    refused("cpuset_cpus", [list](auto& l) { l.cpuset_cpus = list; });
    refused("cpuset_mems", [list](auto& l) { l.cpuset_mems = list; });
  }
  for (const char* device : {"", "8", "8:", ":0", "sda", "8:0 rbps=1", "8:0:1"}) {
    refused("io", [device](auto& l) { l.io.push_back({device, 1, {}, {}, {}}); });
  }
  refused("io", [](auto& l) { l.io.push_back({"8:0", 0, {}, {}, {}}); });
  refused("io", [](auto& l) { l.io.push_back({"8:0", {}, {}, {}, {}}); });
  for (const char* size : {"", "MB", "2", "2mb", "2M", "../2MB"}) {
    refused("hugetlb", [size](auto& l) { l.hugetlb = {{size, 1}}; });
  }
  for (const char* file :
       {"", ".", "memory", "memory.", ".max", "../x.y", "a/b.c", "memory.max\n", "cgroup.procs",
        "cgroup.kill", "cgroup.subtree_control", "cgroup.freeze", "cgroup.threads"}) {
    refused("raw", [file](auto& l) { l.raw = {{file, "1"}}; });
  }
  refused("raw", [](auto& l) { l.raw = {{"memory.max", ""}}; });
  refused("raw", [](auto& l) { l.raw = {{"memory.max", std::string("1\0", 2)}}; });
}

TEST_CASE("the name of a group records its supervisor", "[cgroup]") {
  CgroupName name{4711, 987654321, 3};
  CHECK(name.text() == "4711-987654321-3");
  auto again = CgroupName::parse(name.text());
  REQUIRE(again);
  CHECK(again->supervisor == 4711);
  CHECK(again->start == 987654321);
  CHECK(again->number == 3);
  for (const char* text :
       {"", "1", "1-2", "1-2-", "1-2-3-4", "-1-2-3", "0-2-3", "a-2-3", "1-2-3 ", "99999999999-1-1"}) {
    CHECK_FALSE(CgroupName::parse(text));
  }
}

TEST_CASE("names and parents that could lead elsewhere are refused", "[cgroup]") {
  for (const char* name : {"", ".", "..", "a/b", "../x", "cgroup.procs", "a b", "x\n"}) {
    auto group = Cgroup::create(name, {});
    INFO(name);
    REQUIRE_FALSE(group);
    CHECK(group.error().code == EINVAL);
  }
}
