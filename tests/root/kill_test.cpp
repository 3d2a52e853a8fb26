// kill -9 of ccsand at any moment: the next start leaves nothing of it.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "container_fixture.hpp"

using namespace ccsand::test;

namespace {
// Containers of several kinds, one after the other, without an end.
constexpr const char* kBusy = R"(
  local ccsand = require "ccsand"
  local base = { root = { path = "ROOT" }, limits = { pids = 20, memory = "64M" }, command = { "/bin/sh", "-c", "sleep MARK & sleep 0.01" } }
  local box = ccsand.container(base)
  local boxes = {
    box, box:with { init = true }, box:with { namespaces = { pid = "host" } }, box:with { before_exec = function() end },
    box:with { time_offsets = { boottime = 5 } }, box:with { user_namespace = false },
  }
  local pools = { box:pool { size = 2 }, box:with({ user_namespace = false, root = { path = "ROOT", access = "read_only" } }):pool { size = 2 } }
  print "ready"
  io.stdout:flush()
  while true do
    for _, pool in ipairs(pools) do pool:run() end
    for _, one in ipairs(boxes) do
      local running = one:start { "sleep", "MARK" }
      one:capture()
      if running:pid() % 2 == 0 then running:kill() end
    end
  end)";
}  // namespace

TEST_CASE("kill -9 at random moments leaves nothing after the next start", "[kill]") {
  REQUIRE_CONTAINERS();
  Place place;
  std::string recipe = place.recipe("busy.lua", kBusy);
  unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  auto deadline = Clock::now() + std::chrono::seconds(100);
  for (int trial = 0; trial < 100 && Clock::now() < deadline; ++trial) {
    CAPTURE(trial);
    Background ccsand({ccsand_binary(), recipe}, place.options());
    if (trial % 4 != 0) REQUIRE(ccsand.await("ready"));  // else also while it starts
    ::usleep(std::uniform_int_distribution<useconds_t>(0, trial % 2 == 0 ? 20'000 : 120'000)(random));
    ccsand.signal(SIGKILL);
    REQUIRE(ccsand.wait() == 128 + SIGKILL);
    if (trial % 5 == 4) REQUIRE(place.leftovers_after_next_start() == "");  // also several that died, at once
  }
  REQUIRE(place.leftovers_after_next_start() == "");
}

TEST_CASE("a process that outlives its supervisor is ended by the next start", "[kill]") {
  REQUIRE_CONTAINERS();
  Place place;
  // Without a pid namespace nothing but the cgroup holds what the command left behind.
  std::string recipe = place.recipe("orphan.lua", R"(
    local ccsand = require "ccsand"
    return ccsand.container { root = { path = "ROOT" }, namespaces = { pid = "host" }, new_session = true,
      command = { "/bin/sh", "-c", "(sleep MARK &) ; (sleep MARK &) ; echo ready; sleep MARK" } })");
  Background ccsand({ccsand_binary(), recipe}, place.options());
  REQUIRE(ccsand.await("ready"));
  ccsand.signal(SIGKILL);
  ccsand.wait();
  CHECK(place.leftovers().find("process") != std::string::npos);  // the parent-death signal reaches one of three
  CHECK(place.leftovers_after_next_start() == "");
}

TEST_CASE("a child that waits for a supervisor that was killed ends by itself", "[kill]") {
  REQUIRE_CONTAINERS();
  Place place;
  std::string recipe = place.recipe("waits.lua", R"(-- MARK
    return require("ccsand").container { root = { path = "ROOT" }, command = { "/bin/true" },
      created = function() print "ready" io.stdout:flush() while true do end end })");
  Background ccsand({ccsand_binary(), recipe, "--", place.mark()}, place.options());
  REQUIRE(ccsand.await("ready"));
  CHECK(place.leftovers().find("process") != std::string::npos);
  ccsand.signal(SIGKILL);
  ccsand.wait();
  std::string left = place.processes();
  for (int tries = 0; tries < 100 && !left.empty(); ++tries) {
    ::usleep(20'000);
    left = place.processes();
  }
  CHECK(left == "");
  CHECK(place.leftovers_after_next_start() == "");
}

TEST_CASE("a start sweeps nothing of a ccsand that lives", "[kill]") {
  REQUIRE_CONTAINERS();
  Place place;
  std::string recipe = place.recipe("alive.lua", R"(
    return require("ccsand").container { root = { path = "ROOT" }, limits = { pids = 9 },
      command = { "/bin/sh", "-c", "echo ready; sleep 0.5; echo done" } })");
  Background ccsand({ccsand_binary(), recipe}, place.options());
  REQUIRE(ccsand.await("ready"));
  for (int i = 0; i < 10; ++i) CHECK(run_ccsand({place.recipe("next.lua", "return 0")}, place.options()).status == 0);
  CHECK(ccsand.wait() == 0);
  CHECK(ccsand.output() == "ready\ndone\n");
  CHECK(place.leftovers() == "");
}

TEST_CASE("a state file that lies does not make ccsand kill others", "[kill]") {
  REQUIRE_CONTAINERS();
  Place place;
  Background other({"sleep", "60"}, {});
  // A record with the pid of another process, born at another time; then noise.
  std::string record(16, '\0');
  std::int64_t born = 1;
  std::int32_t pid = other.pid(), used = 1;
  std::memcpy(record.data(), &born, 8);
  std::memcpy(record.data() + 8, &pid, 4);
  std::memcpy(record.data() + 12, &used, 4);
  std::string state = record + std::string(4000, '\xff');
  std::string directory = place.path() + "/run";
  CHECK(run_ccsand({place.recipe("next.lua", "return 0")}, place.options()).status == 0);
  REQUIRE((::mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST));
  FILE* file = ::fopen((directory + "/state-1").c_str(), "w");
  REQUIRE(file != nullptr);
  ::fwrite(state.data(), 1, state.size(), file);
  ::fclose(file);
  CHECK(place.leftovers_after_next_start() == "");
  CHECK(::kill(other.pid(), 0) == 0);
  other.signal(SIGTERM);
  CHECK(other.wait() == 128 + SIGTERM);
}
