// Plans of containers, as text and as rules that hold for all of them.
#include "core/plan.hpp"

#include <linux/capability.h>
#include <sched.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "core/container_spec.hpp"
#include "support.hpp"
#include "sys/kernel_abi.hpp"

using namespace ccsand;

namespace {
ContainerSpec small() {
  ContainerSpec spec;
  spec.user = {NamespaceChoice::host, {}, -1};
  spec.cgroup = {NamespaceChoice::host, {}, -1};
  spec.root = {RootSpec::read_write, "/srv/root", false, false, {}};
  spec.sys = spec.dev = false;
  spec.hostname = "box";
  spec.capabilities = 1U << CAP_CHOWN | 1U << CAP_KILL;
  spec.argv = {"/bin/true", "an argument"};
  return spec;
}
ContainerSpec usual() {
  ContainerSpec spec;
  spec.uid_map = spec.gid_map = {{0, 100000, 65536}};
  spec.root.path = "/srv/root";
  spec.hostname = "box";
  spec.masked_paths = default_masked_paths();
  spec.readonly_paths = default_readonly_paths();
  spec.capabilities = default_capabilities();
  spec.argv = {"/bin/sh"};
  return spec;
}

// The number of the first step that has all of these words, or of none: steps().size().
std::size_t step_of(const Plan& plan, std::string_view words, std::size_t from = 0) {
  for (std::size_t i = from; i < plan.steps().size(); ++i)
    if (plan.line(i).find(words) != std::string::npos) return i;
  return plan.steps().size();
}
bool has(const Plan& plan, std::string_view words) { return step_of(plan, words) != plan.steps().size(); }
}  // namespace

TEST_CASE("the plan of a small container, word by word", "[plan]") {
  ContainerSpec spec = small();
  REQUIRE_VALUE(validate(spec));
  CHECK(compile(spec).text() == R"(  1  host       open_tree '/srv/root' as @0
  2  host       mount_setattr @0 nodev private
  3  host       look up user '0' in @0
  4  host       clone mount,pid,net,uts,ipc
  5  container  new session keyring
  6  container  setsid
  7  container  sethostname 'box'
  8  container  bring up lo
  9  container  mount_setattr '/' private recursive
 10  container  mount root tree (@0) on '/'
 11  container  mount proc on '/proc' in @0 nosuid,nodev,noexec
 12  container  chdir @0
 13  container  pivot_root '.' '.'
 14  container  umount '.' detach
 15  container  chdir '/'
 16  container  umask 0022
 17  container  capabilities bounding=chown,kill
 18  container  set user, group and groups as looked up
 19  container  prctl dumpable 0
 20  container  capabilities permitted=chown,kill effective=chown,kill inheritable=none ambient=none (of other users than root: the ambient ones)
 21  container  no_new_privs
 22  container  prctl pdeathsig KILL
 23  container  close descriptors from 3 at exec
 24  container  reset signals
 25  container  exec /bin/true 'an argument'
)");
}

TEST_CASE("who may not share this process's memory gets a copy of it", "[plan]") {
  auto copies = [](auto change) {
    ContainerSpec spec = small();
    change(spec);
    REQUIRE_VALUE(validate(spec));
    Plan plan = compile(spec);
    bool copied = std::get<Clone>(plan.steps()[plan.clone_step()].operation).copies_memory;
    CHECK(can_have_zygote(spec) == !copied);
    return copied;
  };
  CHECK_FALSE(copies([](ContainerSpec&) {}));
  CHECK_FALSE(copies([](ContainerSpec& spec) { spec.limits.memory = 16U << 20; }));
  CHECK_FALSE(copies([](ContainerSpec& spec) { spec.limits.pids = 10; }));
  CHECK(copies([](ContainerSpec& spec) { spec.limits.memory = (16U << 20) - 1; }));
  CHECK_FALSE(copies([](ContainerSpec& spec) { spec.masked_paths.assign(1000, "/x"); }));
  CHECK(copies([](ContainerSpec& spec) { spec.masked_paths.assign(1000, "/x"), spec.limits.memory = 64U << 20; }));
  CHECK(copies([](ContainerSpec& spec) { spec.limits.raw = {{"memory.max", "1M"}}; }));
  CHECK(copies([](ContainerSpec& spec) { spec.oom_score_adj = 0; }));
  CHECK(copies([](ContainerSpec& spec) { spec.time.kind = NamespaceChoice::fresh; }));
}

TEST_CASE("making a plan changes nothing and gives the same plan again", "[plan]") {
  ContainerSpec spec = usual();
  CHECK(compile(spec).text() == compile(spec).text());
}

TEST_CASE("steps come in an order that is safe", "[plan]") {
  ContainerSpec spec = usual();
  spec.filter = {sock_filter{6, 0, 0, 0x7fff0000}};
  spec.mounts.push_back({"bind", "/srv/data", "/data", 0, {}, true, true, false});
  spec.limits.pids = 10;
  spec.landlock.emplace();
  spec.landlock->files = true;
  spec.landlock->rules = {{"/usr", 1, false}};
  REQUIRE_VALUE(validate(spec));
  Plan plan = compile(spec);
  INFO(plan.text());
  std::size_t last = plan.steps().size() - 1;
  std::size_t clone = plan.clone_step(), pivot = step_of(plan, "pivot_root");

  CHECK(plan.line(last).find("exec /bin/sh") != std::string::npos);
  CHECK(plan.line(last - 1).find("filter") != std::string::npos);  // nothing of ccsand runs under it
  CHECK(step_of(plan, "no_new_privs") < last - 2);
  CHECK(step_of(plan, "landlock ruleset") == 0);                   // nothing is made where it cannot be kept
  CHECK(step_of(plan, "allow execute in '/usr'") > pivot);         // its paths are the container's,
  CHECK(step_of(plan, "allow execute in '/usr'") < step_of(plan, "bounding="));
  CHECK(step_of(plan, "landlock restrict") == last - 2);           // and nothing of ccsand opens files under it
  for (std::size_t i = 0; i < plan.steps().size(); ++i)
    if (plan.steps()[i].side == Side::container) CHECK(i > clone);
  CHECK(step_of(plan, "open_tree '/srv/root'") < clone);           // with the host's rights,
  CHECK(step_of(plan, "open_tree '/srv/data'") < clone);
  CHECK(step_of(plan, "open_tree", clone) == plan.steps().size());  // and none with the container's
  CHECK(step_of(plan, "uid_map") < step_of(plan, "idmap="));
  CHECK(step_of(plan, "'/' private recursive") < step_of(plan, "mount tmpfs"));
  CHECK(step_of(plan, "mask '/proc/kcore'") > step_of(plan, "mount proc"));
  CHECK(step_of(plan, "mask '/proc/kcore'") < pivot);
  CHECK(step_of(plan, "on '/data'") < pivot);
  CHECK(step_of(plan, "umount '.' detach") > pivot);               // the host's tree goes,
  CHECK(step_of(plan, "bounding=") > pivot);                       // then the rights
  CHECK(step_of(plan, "as looked up") > step_of(plan, "bounding="));
  CHECK(step_of(plan, "permitted=") > step_of(plan, "as looked up"));
  CHECK(step_of(plan, "pdeathsig") > step_of(plan, "as looked up"));  // which clears it
}

TEST_CASE("by default all is new and nothing is kept", "[plan]") {
  Plan plan = compile(usual());
  INFO(plan.text());
  CHECK(has(plan, "clone mount,pid,net,uts,ipc,user"));
  CHECK(has(plan, "unshare cgroup"));
  CHECK(has(plan, "write uid_map 0:100000:65536"));
  CHECK(has(plan, "mount overlay"));
  CHECK(has(plan, "no_new_privs"));
  CHECK(has(plan, "mask '/sys/firmware'"));
  CHECK(has(plan, "close descriptors from 3"));
  CHECK_FALSE(has(plan, "net_admin"));
  CHECK_FALSE(has(plan, "sys_admin"));
}

TEST_CASE("namespaces of the host and of others", "[plan]") {
  ContainerSpec spec = small();
  spec.net = {NamespaceChoice::host, {}, -1};
  spec.ipc = {NamespaceChoice::joined, "/proc/1/ns/ipc", -1};
  Plan plan = compile(spec);
  INFO(plan.text());
  CHECK(plan.line(plan.clone_step()).find("clone mount,pid,uts") != std::string::npos);
  CHECK(has(plan, "/proc/1/ns/ipc"));
  CHECK_FALSE(has(plan, "bring up lo"));
}

TEST_CASE("what can be known beforehand is refused beforehand", "[plan]") {
  struct Case {
    const char* subject;
    void (*change)(ContainerSpec&);
  };
  const Case cases[] = {
      {"root", [](ContainerSpec& s) { s.root.path = "relative"; }},
      {"root", [](ContainerSpec& s) { s.root.path = "/srv/../etc"; }},
      {"hostname", [](ContainerSpec& s) { s.hostname = std::string(65, 'h'); }},
      {"hostname", [](ContainerSpec& s) { s.uts.kind = NamespaceChoice::host; }},
      {"command", [](ContainerSpec& s) { s.argv.clear(); }},
      {"command", [](ContainerSpec& s) { s.argv = {""}; }},
      {"cwd", [](ContainerSpec& s) { s.cwd = "tmp"; }},
      {"cwd", [](ContainerSpec& s) { s.cwd = "/tmp/../.."; }},
      {"namespaces.mount", [](ContainerSpec& s) { s.mount.kind = NamespaceChoice::host; }},
      {"user_namespace", [](ContainerSpec& s) { s.uid_map.clear(); }},
      {"terminal", [](ContainerSpec& s) { s.terminal = true, s.dev = false; }},
      {"ambient", [](ContainerSpec& s) { s.ambient = 1U << CAP_NET_ADMIN; }},
      {"time_offsets", [](ContainerSpec& s) { s.monotonic_offset_ns = 1; }},
      {"mounts[1].target", [](ContainerSpec& s) { s.mounts.push_back({"tmpfs", "", "/", 0, {}, false, false, false}); }},
      {"mounts[1].target", [](ContainerSpec& s) { s.mounts.push_back({"tmpfs", "", "/a/../..", 0, {}, false, false, false}); }},
      {"mounts[1].source", [](ContainerSpec& s) { s.mounts.push_back({"bind", "data", "/data", 0, {}, true, false, false}); }},
      {"masked_paths", [](ContainerSpec& s) { s.masked_paths.push_back("proc"); }},
      {"readonly_paths", [](ContainerSpec& s) { s.readonly_paths.push_back("/"); }},
      {"sysctls.kernel.panic", [](ContainerSpec& s) { s.sysctls.push_back({"kernel.panic", "1"}); }},
      {"sysctls.net/../kernel", [](ContainerSpec& s) { s.sysctls.push_back({"net/../kernel", "1"}); }},
  };
  REQUIRE_VALUE(validate(usual()));
  for (const Case& one : cases) {
    ContainerSpec spec = usual();
    one.change(spec);
    auto result = validate(spec);
    CAPTURE(one.subject);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == EINVAL);
    CHECK(result.error().subject.view() == std::string("container.") + one.subject);
  }
}

TEST_CASE("a filter is loaded last, or while there is the right to", "[plan]") {
  ContainerSpec spec = small();
  spec.filter = {sock_filter{6, 0, 0, 0x7fff0000}};
  std::string text = compile(spec).text();
  CHECK(text.find("load seccomp filter") > text.find("no_new_privs"));
  CHECK(text.find("load seccomp filter") < text.find("container  exec"));
  spec.no_new_privs = false;
  REQUIRE(validate(spec));
  text = compile(spec).text();
  CHECK(text.find("load seccomp filter") < text.find("capabilities bounding"));
  spec.filter_notifies = true;
  auto result = validate(spec);
  REQUIRE_FALSE(result);
  CHECK(result.error().subject.view() == "container.seccomp");
}

TEST_CASE("ids of the container are those of nobody on the host", "[plan]") {
  for (const IdRange& range : default_id_map()) CHECK(range.outside >= 1000);
  CHECK((default_capabilities() & (1ULL << CAP_SYS_ADMIN | 1ULL << CAP_NET_ADMIN | 1ULL << CAP_SYS_PTRACE | 1ULL << CAP_MKNOD)) == 0);
}
