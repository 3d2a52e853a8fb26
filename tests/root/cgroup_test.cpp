// Groups in the real kernel: v2, hybrid, and v1 by leaving v2 out of the layout.
#include "cgroup_fixture.hpp"

using namespace ccsand;
using namespace ccsand::test;

TEST_CASE("a group without limits holds a process and goes", "[cgroup]") {
  EACH_LAYOUT();
  std::string path;
  {
    Cgroup group = need(Cgroup::create_in(layout, unique_name(), {}));
    path = group.path();
    CHECK((group.clone_into() >= 0) == (layout.unified() != nullptr));
    CHECK(group.needs_attach() == (layout.unified() == nullptr));
    Process process(group, sleep_for_ever);
    CHECK(slurp(path + "/cgroup.procs") == std::to_string(process.pid) + "\n");
    need(group.kill());
    int status = process.wait();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
    need(group.remove());
    need(group.remove());
    CHECK_FALSE(group.stats());
    CHECK_FALSE(group.freeze());
    CHECK(group.clone_into() == -1);
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
}

TEST_CASE("the destructor kills and removes, but only in the process that made the group", "[cgroup]") {
  EACH_LAYOUT();
  std::optional<Cgroup> group = need(Cgroup::create_in(layout, unique_name(), {}));
  std::string path = group->path();
  Process process(*group, sleep_for_ever);
  pid_t copy = ::fork();
  if (copy == 0) {
    group.reset();
    ::_exit(0);
  }
  ::waitpid(copy, nullptr, 0);
  CHECK(::access(path.c_str(), F_OK) == 0);
  group.reset();
  CHECK(::access(path.c_str(), F_OK) != 0);
  CHECK(WTERMSIG(process.wait()) == SIGKILL);
}

TEST_CASE("a limit on processes holds", "[cgroup]") {
  EACH_LAYOUT();
  if (lacks(layout, "pids")) return;
  CgroupLimits limits;
  limits.pids = 2;
  Cgroup group = need(Cgroup::create_in(layout, unique_name(), limits));
  Process process(group, [] {
    for (int i = 0; i < 2; ++i) {
      pid_t pid = ::fork();
      if (pid < 0) return i == 1 && errno == EAGAIN ? 7 : 1;
      if (pid == 0) return sleep_for_ever();
    }
    return 0;
  });
  CHECK(WEXITSTATUS(process.wait()) == 7);
  CgroupStats stats = need(group.stats());
  CHECK(stats.pids == 1);
  if (stats.pids_peak) CHECK(*stats.pids_peak == 2);
  if (stats.pids_max_events) CHECK(*stats.pids_max_events >= 1);
  need(group.kill());
  need(group.remove());
}

TEST_CASE("a limit on memory kills, and is counted", "[cgroup]") {
  EACH_LAYOUT();
  if (lacks(layout, "memory")) return;
  CgroupLimits limits;
  limits.memory = 16 << 20;
  limits.swap = 0;
  auto made = Cgroup::create_in(layout, unique_name(), limits);
  if (!made && made.error().code == ENOENT) {
    limits.swap.reset();
    made = Cgroup::create_in(layout, unique_name(), limits);
  }
  Cgroup group = need(std::move(made));
  CHECK(group.oom_kills() == 0);
  Process process(group, [] {
    constexpr std::size_t kSize = 64 << 20;
    void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (std::size_t at = 0; at < kSize; at += 4096) static_cast<volatile char*>(memory)[at] = 1;
    return 0;
  });
  CHECK(WTERMSIG(process.wait()) == SIGKILL);
  CHECK(group.oom_kills() == 1);
  CgroupStats stats = need(group.stats());
  CHECK(stats.oom_kills == 1);
  CHECK(stats.memory);
  if (stats.memory_peak) CHECK(*stats.memory_peak > (8 << 20));
  need(group.remove());
}

TEST_CASE("CPU time is limited and counted", "[cgroup]") {
  EACH_LAYOUT();
  if (lacks(layout, "cpu")) return;
  CgroupLimits limits;
  limits.cpus = 0.1;
  limits.cpu_period_us = 10000;
  limits.cpu_weight = 50;
  Cgroup group = need(Cgroup::create_in(layout, unique_name(), limits));
  Process process(group, [] {
    for (volatile std::uint64_t i = 0;;) i = i ^ 1;
    return 0;
  });
  ::usleep(300'000);
  need(group.kill());
  process.wait();
  CgroupStats stats = need(group.stats());
  CHECK(stats.cpu_throttled.value_or(0) >= 5);
  CHECK(stats.cpu_throttled_us.value_or(0) > 0);
  if (layout.unified() != nullptr) {
    CHECK(stats.cpu_us.value_or(0) > 5'000);
    CHECK(stats.cpu_us.value_or(0) < 200'000);
  }
  need(group.remove());
}

TEST_CASE("a group's CPUs", "[cgroup]") {
  EACH_LAYOUT();
  if (lacks(layout, "cpuset")) return;
  CgroupLimits limits;
  limits.cpuset_cpus = "0";
  Cgroup group = need(Cgroup::create_in(layout, unique_name(), limits));
  Process process(group, [] {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    ::sched_getaffinity(0, sizeof cpus, &cpus);
    return CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus) ? 7 : 1;
  });
  CHECK(WEXITSTATUS(process.wait()) == 7);
  need(group.remove());
}

TEST_CASE("frozen processes do nothing until they are thawed", "[cgroup]") {
  EACH_LAYOUT();
  Cgroup group = need(Cgroup::create_in(layout, unique_name(), {}));
  if (layout.unified() == nullptr && layout.legacy("freezer") == nullptr) return;
  auto* counter = static_cast<volatile std::uint64_t*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  Process process(group, [counter] {
    for (;;) *counter = *counter + 1;
    return 0;
  });
  while (*counter == 0) ::usleep(1000);
  need(group.freeze());
  std::uint64_t before = *counter;
  ::usleep(50'000);
  CHECK(*counter == before);
  need(group.thaw());
  for (int i = 0; i < 200 && *counter == before; ++i) ::usleep(10'000);
  CHECK(*counter != before);
  need(group.freeze());
  need(group.kill());  // the frozen die, too
  CHECK(WTERMSIG(process.wait()) == SIGKILL);
  need(group.remove());
  ::munmap(const_cast<std::uint64_t*>(counter), 4096);
}

TEST_CASE("a group with many processes and groups of its own goes as a whole", "[cgroup]") {
  EACH_LAYOUT();
  Cgroup group = need(Cgroup::create_in(layout, unique_name(), {}));
  std::string inner = group.path() + "/a/b";
  Process process(group, [] {
    for (int i = 0; i < 10; ++i) {
      if (::fork() == 0) return sleep_for_ever();
    }
    return sleep_for_ever();
  });
  ::mkdir((group.path() + "/a").c_str(), 0755);
  ::mkdir(inner.c_str(), 0755);
  Process nested(group, sleep_for_ever);
  std::ofstream(inner + "/cgroup.procs") << nested.pid << std::endl;
  CHECK(slurp(inner + "/cgroup.procs") == std::to_string(nested.pid) + "\n");
  need(group.kill());
  need(group.remove());  // waits for all of them to die
  CHECK(WTERMSIG(nested.wait()) == SIGKILL);
  CHECK(WTERMSIG(process.wait()) == SIGKILL);
}

TEST_CASE("errors name the file and the value", "[cgroup]") {
  EACH_LAYOUT();
  std::string name = unique_name();
  {
    Cgroup first = need(Cgroup::create_in(layout, name, {}));
    auto second = Cgroup::create_in(layout, name, {});
    REQUIRE_FALSE(second);
    CHECK(second.error().code == EEXIST);
    CHECK(second.error().subject.view().find(name) != std::string_view::npos);
    CHECK(::access(first.path().c_str(), F_OK) == 0);
    auto lost = first.adopt(0x3ffffff);
    REQUIRE_FALSE(lost);
    CHECK(lost.error().code == ESRCH);
  }
  if (lacks(layout, "pids")) return;
  CgroupLimits limits;
  limits.raw = {{"pids.max", "many"}};
  auto refused = Cgroup::create_in(layout, name, limits);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == EINVAL);
  CHECK(refused.error().message().find("write 'many' to '") != std::string::npos);
  CHECK(refused.error().message().find(name + "/pids.max'") != std::string::npos);
  limits.raw = {{"pids.nosuchfile", "1"}};
  auto missing = Cgroup::create_in(layout, name, limits);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ENOENT);
}

TEST_CASE("a controller that v2 lacks is named", "[cgroup]") {
  if (unusable()) return;
  LeakCheck leak_check;
  if (host().unified() == nullptr) return (void)skip("no v2");
  CgroupLimits limits;
  limits.raw = {{"nosuch.max", "1"}};
  auto group = Cgroup::create(unique_name(), limits);
  REQUIRE_FALSE(group);
  CHECK(group.error().code == ENOTSUP);
  CHECK(group.error().subject.view() == "'nosuch'");
}
