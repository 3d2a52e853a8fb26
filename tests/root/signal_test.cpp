// Signals for ccsand: in the foreground they are the container's, elsewhere they end it.
#include <signal.h>
#include <unistd.h>

#include "container_fixture.hpp"

using namespace ccsand::test;

namespace {
Background start(const Place& place, const std::string& text) {
  return Background({ccsand_binary(), place.recipe("signal.lua", "local ccsand = require \"ccsand\"\n" + text)}, place.options());
}
}  // namespace

TEST_CASE("signals that end ccsand end the container", "[signal]") {
  REQUIRE_CONTAINERS();
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT})
    for (const char* init : {"false", "true"}) {
      CAPTURE(number, init);
      Place place;
      // Not by way of a shell: as pid 1 it catches signals and does not end by them.
      Background ccsand = start(place, std::string("return ccsand.container { root = \"ROOT\", limits = { pids = 9 }, init = ") + init +
                                           ", command = { \"sleep\", \"MARK\" }, created = function() print 'ready' io.stdout:flush() end }");
      REQUIRE(ccsand.await("ready"));
      ccsand.signal(number);
      CHECK(ccsand.wait() == 128 + number);
      CHECK(place.leftovers() == "");
    }
}

TEST_CASE("a container that handles a signal ends in its own way", "[signal]") {
  REQUIRE_CONTAINERS();
  for (const char* init : {"false", "true"}) {
    CAPTURE(init);
    Place place;
    Background ccsand = start(place, std::string("return ccsand.container { root = \"ROOT\", init = ") + init +
                                         ", command = { \"/bin/sh\", \"-c\", \"trap 'echo got; exit 33' TERM; echo ready; while :; do sleep 0.02; done\" } }");
    REQUIRE(ccsand.await("ready"));
    ccsand.signal(SIGTERM);
    CHECK(ccsand.wait() == 33);
    CHECK(ccsand.output().ends_with("got\n"));
    CHECK(place.leftovers() == "");
  }
}

TEST_CASE("a signal reaches a recipe that captures or only starts", "[signal]") {
  REQUIRE_CONTAINERS();
  for (const char* how : {"box:capture()", "box:start():wait()", "box:start() box:start() while true do end"})
    for (int number : {SIGTERM, SIGINT}) {
      CAPTURE(how, number);
      Place place;
      // The first container says that all is up, in a file: what is captured is not seen here.
      Background ccsand = start(place, "local box = ccsand.container { root = \"ROOT\", cgroup = true, command = { \"sleep\", \"MARK\" }, "
                                       "created = function() print 'ready' io.stdout:flush() end }\n" + std::string(how));
      REQUIRE(ccsand.await("ready"));
      ccsand.signal(number);
      CHECK(ccsand.wait(15) == 128 + number);
      CHECK(place.leftovers_after_next_start() == "");
    }
}

TEST_CASE("a broken pipe ends ccsand and its container", "[signal]") {
  REQUIRE_CONTAINERS();
  Place place;
  std::string recipe = place.recipe("pipe.lua", "return require(\"ccsand\").container { root = \"ROOT\", command = { \"/bin/sh\", \"-c\", \"while echo y; do :; done\" } }");
  Output output = run_program({"sh", "-c", "{ \"$0\" \"$1\"; echo \"status $?\" >&2; } | head -n 1", ccsand_binary(), recipe}, place.options());
  CHECK_FALSE(output.timed_out);
  CHECK(output.out == "y\n");
  CHECK(place.leftovers() == "");
}
