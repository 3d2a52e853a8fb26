// Many ccsand processes at the same time, some of which die: they sweep what the dead
// left, and nothing of each other.
#include <signal.h>
#include <unistd.h>

#include "container_fixture.hpp"

using namespace ccsand::test;

TEST_CASE("100 containers of 100 processes at the same time", "[concurrency]") {
  REQUIRE_CONTAINERS();
  Place place;
  std::string recipe = place.recipe("many.lua", R"(
    return require("ccsand").container { root = { path = "ROOT" }, limits = { pids = 9, memory = "32M" },
      command = { "/bin/sh", "-c", "echo I am $1", "sh", arg[1] } })");
  std::vector<Background> all;
  for (int i = 0; i < 100; ++i) all.emplace_back(std::vector<std::string>{ccsand_binary(), recipe, "--", std::to_string(i)}, place.options());
  for (int i = 0; i < 100; ++i) {
    int status = all[static_cast<std::size_t>(i)].wait(60);
    CHECK(all[static_cast<std::size_t>(i)].output() == "I am " + std::to_string(i) + "\n");
    CHECK(status == 0);
  }
  CHECK(place.leftovers() == "");
  CHECK(dead_groups() == "");
}

TEST_CASE("the living are not swept while others die", "[concurrency]") {
  REQUIRE_CONTAINERS();
  Place place;
  std::string dying = place.recipe("dying.lua", R"(
    return require("ccsand").container { root = { path = "ROOT" }, limits = { pids = 9 },
      command = { "/bin/sh", "-c", "echo ready; exec sleep MARK" } })");
  std::string living = place.recipe("living.lua", R"(
    local box = require("ccsand").container { root = { path = "ROOT" }, limits = { pids = 9 }, command = { "/bin/sh", "-c", "sleep 0.05; echo fine" } }
    for _ = 1, 5 do
      local result = box:capture()
      if result.stdout ~= "fine\n" then error(result.reason .. result.stdout .. result.stderr) end
    end)");
  for (int round = 0; round < 5; ++round) {
    std::vector<Background> dead, alive;
    for (int i = 0; i < 6; ++i) {
      dead.emplace_back(std::vector<std::string>{ccsand_binary(), dying}, place.options());
      alive.emplace_back(std::vector<std::string>{ccsand_binary(), living}, place.options());
    }
    for (Background& one : dead) {
      one.await("ready");
      one.signal(SIGKILL);
      one.wait();
    }
    for (Background& one : alive) {
      int status = one.wait(60);
      CHECK(one.output() == "");
      CHECK(status == 0);
    }
  }
  CHECK(place.leftovers_after_next_start() == "");
}

TEST_CASE("an image that many ask for at once is made once and whole", "[concurrency]") {
  REQUIRE_CONTAINERS();
  Place place;
  std::string recipe = place.recipe("image.lua", R"(
    local image = require("ccsand").image
    local root = image.build("made:1", function(root) os.execute("cp -a 'ROOT/.' '" .. root .. "'") end)
    return require("ccsand").container { image = "made:1", command = { "/bin/sh", "-c", "echo runs" } })");
  std::vector<Background> all;
  for (int i = 0; i < 10; ++i) all.emplace_back(std::vector<std::string>{ccsand_binary(), recipe}, place.options());
  for (Background& one : all) {
    int status = one.wait(60);
    CHECK(one.output() == "runs\n");
    CHECK(status == 0);
  }
  CHECK(place.leftovers() == "");
}
