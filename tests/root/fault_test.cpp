// Each system call of the set-up fails once: the message says which step, the status is
// 125, and nothing is left.
#include <unistd.h>

#include <set>

#include "container_fixture.hpp"
#include "core/network/library.hpp"
#include "core/network/visit.hpp"

using namespace ccsand::test;

namespace {
struct Kind {
  const char* name;
  const char* spec;
};
constexpr Kind kKinds[] = {
    {"layer and limits", R"(limits = { pids = 20, memory = "64M" })"},
    {"read-only root and init", R"(root = { path = "ROOT", access = "read_only" }, init = true, hostname = "h", rlimits = { nofile = 64 })"},
    {"no user namespace, a hook, a time namespace",
     R"(user_namespace = false, before_exec = function() end, time_offsets = { boottime = 5 }, nice = 3)"},
    {"calls that Lua decides", R"(notify = { sethostname = function() return true end }, user_namespace = false)"},
    {"mounts and a user", R"(user = 12, cwd = "/tmp", mounts = { { source = "/etc", target = "/mnt/a" }, { type = "tmpfs", target = "/mnt/b" } })"},
    {"a network", R"(network = "nat", hostname = "h", ports = { "7777:80" }, egress = { allow = { "*:80" } })"},
};
// Out of a pool: with a root that is made once, and with one that each makes.
constexpr Kind kPooled[] = {
    {"a pool with one root", R"(root = { path = "ROOT", access = "read_only" }, user_namespace = false, hostname = "h")"},
    {"a pool with layers", R"(limits = { pids = 20 }, hostname = "h")"},
};

// Links, rules and switches that a network put into this process's network namespace.
std::string network_left() {
  std::string left, devices = text_of_file("/proc/self/net/dev");
  for (std::size_t at = devices.find(':'); at != std::string::npos; at = devices.find(':', at + 1)) {
    std::size_t begin = devices.find_last_of(" \n", at) + 1;
    if (std::string name = devices.substr(begin, at - begin); name.starts_with("cs") || name.starts_with("ccsand")) left += "link " + name + "\n";
  }
  auto rules = ccsand::run_nft("list ruleset");
  if (rules && rules->find("ccsand") != std::string::npos) left += *rules;
  return left;
}

std::string recipe_of(const Place& place, const char* spec) {
  std::string text = "local spec = { root = { path = \"ROOT\" }, command = { \"/bin/sh\", \"-c\", \"echo whole; sleep MARK & true\" } }\n"
                     "for k, v in pairs { " + std::string(spec) + " } do spec[k] = v end\n"
                     "return require(\"ccsand\").container(spec)\n";
  return place.recipe("fault.lua", text);
}

std::string pool_recipe_of(const Place& place, const char* spec) {
  std::string text = "local spec = { root = { path = \"ROOT\" }, command = { \"/bin/sh\", \"-c\", \"echo whole; sleep MARK & true\" } }\n"
                     "for k, v in pairs { " + std::string(spec) + " } do spec[k] = v end\n"
                     "local pool = require(\"ccsand\").container(spec):pool { size = 2 }\n"
                     "for i = 1, 4 do\n"
                     "  local result = pool:run()\n"
                     "  if result.stdout ~= 'whole\\n' then error('run ' .. i .. ': ' .. result.stdout .. result.stderr .. result.reason .. ' (E)', 0) end\n"
                     "end\n"
                     "print 'whole'\n";
  return place.recipe("pool.lua", text);
}

// What is wrong with the end of a run in which one call failed; "" where nothing is.
std::string judge(const Output& output) {
  if (output.timed_out) return "hangs";
  if (output.status == 0) return output.out == "whole\n" ? "" : "status 0 without the command's output: " + output.err;
  if (output.status != 125 && output.status != 126) return "status " + std::to_string(output.status) + ": " + output.err;
  if (output.out.find("whole") != std::string::npos) return "";  // a failure after the command ran, and told
  if (!output.err.starts_with("ccsand: ")) return "no message: " + output.err;
  if (output.err.find("(E") == std::string::npos) return "no errno: " + output.err;
  return "";
}

// Fails call after call until `kQuiet` in a row did no harm: then there are none left.
void fail_each(const Kind& kind, int code, std::string (*more_left)() = nullptr, std::string (*recipe_for)(const Place&, const char*) = recipe_of) {
  const int kQuiet = more_left != nullptr ? 100 : 60;  // the end of a network is many calls, none of which may fail the run
  Place place;
  std::string recipe = recipe_for(place, kind.spec);
  CAPTURE(kind.name, code);
  REQUIRE(judge(run_ccsand_with_faults({recipe}, place.options())) == "");
  int quiet = 0, failed = 0;
  std::set<std::string> told;
  for (int at = 1; quiet < kQuiet && at < 3000; ++at) {
    CAPTURE(at);
    ProgramOptions options = place.options();
    options.env.push_back("CCSAND_FAULT=" + std::to_string(at) + ":" + std::to_string(code));
    options.seconds = 10;
    Output output = run_ccsand_with_faults({recipe}, options);
    CHECK(judge(output) == "");
    std::string left = place.leftovers() + dead_groups();
    if (more_left != nullptr) left += more_left();
    if (!left.empty()) left = place.leftovers_after_next_start();
    if (more_left != nullptr) {
      // The kernel takes down a network namespace a while after its last process.
      for (int tries = 0; tries < 100 && !more_left().empty(); ++tries) ::usleep(20'000);
      left += more_left();
    }
    CHECK(left == "");
    quiet = output.status == 0 ? quiet + 1 : 0;
    failed += output.status == 0 ? 0 : 1;
    told.insert(output.err);
  }
  INFO(failed << " calls failed the start");
  CHECK(failed > 40);
  CHECK(static_cast<int>(told.size()) > failed / 3);  // messages tell the steps apart
}
}  // namespace

// The exec that ccsand lets through is its child's; whatever comes after it is the command's, and is
// asked for. CCSAND_LATE has the host look at the listener only when there is a call, by when the command
// runs; whether the host has seen by then that it does is up to the scheduler, hence several rounds.
TEST_CASE("a command's first call is no part of its start, however late the host looks", "[fault]") {
  REQUIRE_CONTAINERS();
  constexpr int kRounds = 20;
  for (const char* keys : {
           // Were it taken for the child's, it would be denied with EPERM, as all but exec is.
           R"(notify = { sethostname = function() return 0 end }, command = { "/bin/hostname", "x" })",
           // Were it taken for the child's exec, it would be let through.
           R"(exec = function() return "EACCES" end, command = { "/bin/sh", "-c", "/bin/true; test $? = 126" })"}) {
    CAPTURE(keys);
    Place place;
    std::string recipe = place.recipe("late.lua", std::string("return require(\"ccsand\").container { root = \"ROOT\", user_namespace = false, timeout = 10, ") + keys + " }");
    ProgramOptions options = place.options();
    options.env.push_back("CCSAND_LATE=1");
    for (int round = 0; round < kRounds; ++round) {
      Output output = run_ccsand_with_faults({recipe}, options);
      INFO(output.err);
      REQUIRE_FALSE(output.timed_out);
      REQUIRE(output.status == 0);
    }
  }
}

TEST_CASE("a failure of any system call: layer and limits", "[fault]") {
  REQUIRE_CONTAINERS();
  fail_each(kKinds[0], EIO);
}
TEST_CASE("a failure of any system call: read-only root and init", "[fault]") {
  REQUIRE_CONTAINERS();
  fail_each(kKinds[1], EIO);
}
TEST_CASE("a failure of any system call: no user namespace, a hook, a time namespace", "[fault]") {
  REQUIRE_CONTAINERS();
  fail_each(kKinds[2], EIO);
}
TEST_CASE("a failure of any system call: calls that Lua decides", "[fault]") {
  REQUIRE_CONTAINERS();
  fail_each(kKinds[3], EIO);
}
TEST_CASE("a failure of any system call: mounts and a user, no memory", "[fault]") {
  REQUIRE_CONTAINERS();
  fail_each(kKinds[4], ENOMEM);
}
TEST_CASE("a failure of any system call: a pool with one root", "[fault]") {
  REQUIRE_CONTAINERS();
  fail_each(kPooled[0], EIO, nullptr, pool_recipe_of);
}
TEST_CASE("a failure of any system call: a pool with layers", "[fault]") {
  REQUIRE_CONTAINERS();
  fail_each(kPooled[1], ENOMEM, nullptr, pool_recipe_of);
}
TEST_CASE("a failure of any system call: a network", "[fault]") {
  REQUIRE_CONTAINERS();
  (void)image_root();
  auto own = ccsand::NamespaceVisit::enter(-1);  // nothing is done to the machine's
  REQUIRE(own);
  REQUIRE_KERNEL(ccsand::run_nft("table inet probe {}\ndelete table inet probe"), "no nf_tables here");
  fail_each(kKinds[5], EIO, network_left);
}
