// Where groups live: sweeping, racing for the parent, delegated and occupied parents.
#include "cgroup_fixture.hpp"

using namespace ccsand;
using namespace ccsand::test;

TEST_CASE("what a dead supervisor left is swept, and nothing else", "[cgroup]") {
  EACH_LAYOUT();
  need(sweep_cgroups_in(layout, [](pid_t, std::uint64_t) { return true; }));
  CgroupLimits limits;
  if (has(layout, "pids")) limits.pids = 50;
  Cgroup mine = need(Cgroup::create_in(layout, unique_name(), limits));
  sys::Pipe pipe = need(sys::pipe2(0));
  pid_t supervisor = ::fork();
  if (supervisor == 0) {
    auto group = Cgroup::create_in(layout, name_of_this_process(1).text(), limits);
    if (!group) ::_exit(1);
    pid_t payload = ::fork();
    if (payload == 0) sleep_for_ever();
    if (!group->adopt(payload)) ::_exit(2);
    std::string report = std::to_string(payload) + " " + group->name();
    (void)!::write(pipe.write.get(), report.data(), report.size());
    sleep_for_ever();
  }
  char report[128] = {};
  pipe.write.close();
  REQUIRE(::read(pipe.read.get(), &report[0], sizeof report - 1) > 0);
  std::string name(&report[0]);
  const pid_t payload = std::stoi(name);
  name.erase(0, name.find(' ') + 1);
  const std::string left = mine.path().substr(0, mine.path().rfind('/') + 1) + name;
  CHECK(::access(left.c_str(), F_OK) == 0);
  need(sweep_cgroups_in(layout, [](pid_t, std::uint64_t) { return true; }));
  CHECK(::access(left.c_str(), F_OK) == 0);
  ::kill(supervisor, SIGKILL);
  ::waitpid(supervisor, nullptr, 0);
  Fd pidfd = need(sys::pidfd_open(payload));
  need(sweep_cgroups_in(layout, [=](pid_t pid, std::uint64_t) { return pid != supervisor; }));
  CHECK(::access(left.c_str(), F_OK) != 0);
  CHECK(::access(mine.path().c_str(), F_OK) == 0);
  pollfd ended = {pidfd.get(), POLLIN, 0};
  CHECK(::poll(&ended, 1, 1000) == 1);  // dead, if maybe a zombie that init has to reap
  for (const CgroupHierarchy& hierarchy : layout.hierarchies()) {
    CHECK(::access((hierarchy.own + "/ccsand/" + name).c_str(), F_OK) != 0);
  }
  need(mine.remove());
}

TEST_CASE("a dead supervisor's v1 groups are found where it was", "[cgroup]") {
  if (unusable()) return;
  LeakCheck leak_check;
  if (host().unified() == nullptr || host().legacy("pids") == nullptr) return (void)skip("not hybrid");
  CgroupLimits limits;
  limits.pids = 50;
  Cgroup outer = need(Cgroup::create(unique_name(), limits));
  const std::string own = host().legacy("pids")->own + "/ccsand/" + outer.name();
  const std::string name = CgroupName{0x7ffffffe, 1, static_cast<std::uint64_t>(::getpid())}.text();
  REQUIRE(::mkdir((own + "/ccsand").c_str(), 0755) == 0);
  REQUIRE(::mkdir((own + "/ccsand/" + name).c_str(), 0755) == 0);
  auto alive = [](pid_t pid, std::uint64_t) { return pid != 0x7ffffffe; };
  need(sweep_cgroups(alive));
  CHECK(::access((own + "/ccsand/" + name).c_str(), F_OK) == 0);  // not in the record
  REQUIRE(::mkdir((host().unified()->mount + "/ccsand/" + name).c_str(), 0755) == 0);
  need(sweep_cgroups(alive));
  CHECK(::access((own + "/ccsand").c_str(), F_OK) != 0);
  CHECK(::access((host().unified()->mount + "/ccsand/" + name).c_str(), F_OK) != 0);
  need(outer.remove());
}

TEST_CASE("many processes make and remove groups at once", "[cgroup]") {
  EACH_LAYOUT();
  CgroupLimits limits;
  if (has(layout, "pids")) limits.pids = 50;
  std::vector<pid_t> pids;
  for (int i = 0; i < 4; ++i) {
    pids.push_back(::fork());
    if (pids.back() != 0) continue;
    for (int n = 0; n < 100; ++n) {
      auto group = Cgroup::create_in(layout, unique_name(), limits);
      if (!group) std::cout << group.error().message() << std::endl;
      if (!group || !group->remove()) ::_exit(1);
      if (!sweep_cgroups_in(layout, [](pid_t, std::uint64_t) { return true; })) ::_exit(2);
    }
    ::_exit(0);
  }
  for (pid_t pid : pids) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(status == 0);
  }
}

TEST_CASE("groups can live in a delegated one", "[cgroup]") {
  if (unusable()) return;
  LeakCheck leak_check;
  if (host().unified() == nullptr) return (void)skip("no v2");
  const std::string ours = host().unified()->mount + "/ccsand";
  auto absent = Cgroup::create(unique_name(), {}, "ccsand/nowhere");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == ENOENT);
  CHECK_FALSE(Cgroup::create(unique_name(), {}, "ccsand/../.."));
  Cgroup keeper = need(Cgroup::create(unique_name(), {}));
  const std::string delegated = ours + "/" + keeper.name();
  ::setenv("CCSAND_CGROUP", ("/ccsand/" + keeper.name() + "/").c_str(), 1);
  {
    Cgroup group = need(Cgroup::create(unique_name(), {}));
    CHECK(group.path() == delegated + "/" + group.name());
    Process process(group, sleep_for_ever);
    need(group.kill());
    process.wait();
    need(group.remove());
    need(sweep_cgroups([](pid_t, std::uint64_t) { return false; }));
    CHECK(::access(delegated.c_str(), F_OK) == 0);
  }
  ::unsetenv("CCSAND_CGROUP");
  need(keeper.remove());
}

TEST_CASE("a parent with processes in it", "[cgroup]") {
  if (unusable()) return;
  LeakCheck leak_check;
  if (host().unified() == nullptr || host().version_of("pids") != CgroupVersion::v2)
    return (void)skip("no pids in v2");
  CgroupLimits limits;
  limits.pids = 50;
  if (lacks(host(), "pids")) return;
  Cgroup keeper = need(Cgroup::create(unique_name(), limits));
  const std::string delegated = "ccsand/" + keeper.name();
  sys::Pipe pipe = need(sys::pipe2(0));
  auto make_inside = [&] {
    auto group = Cgroup::create("inner", limits, delegated);
    std::string text = group ? slurp("/proc/self/cgroup") : group.error().message() + group.error().hint;
    (void)!::write(pipe.write.get(), text.data(), text.size());
    return group ? 7 : 1;
  };
  char text[1024] = {};
  {
    Process in_the_way(keeper, sleep_for_ever);
    Process supervisor(keeper, make_inside);
    CHECK(WEXITSTATUS(supervisor.wait()) == 1);
    CHECK(::read(pipe.read.get(), &text[0], sizeof text - 1) > 0);
    CHECK(std::string(&text[0]).find("EBUSY") != std::string::npos);
    CHECK(std::string(&text[0]).find("CCSAND_CGROUP") != std::string::npos);
  }
  std::memset(&text[0], 0, sizeof text);
  Process supervisor(keeper, make_inside);  // alone: steps down
  CHECK(WEXITSTATUS(supervisor.wait()) == 7);
  CHECK(::read(pipe.read.get(), &text[0], sizeof text - 1) > 0);
  CHECK(std::string(&text[0]).find("/" + delegated + "/ccsand-supervisor") != std::string::npos);
  need(keeper.remove());
}
