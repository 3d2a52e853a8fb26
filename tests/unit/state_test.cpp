// Whose records are whose: who is taken for dead is ended by the next start.
#include "core/state.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using namespace ccsand;

TEST_CASE("a process is alive where its number and its start time are", "[state]") {
  CHECK(is_alive(own_key()));
  CHECK_FALSE(is_alive({own_key().pid, own_key().start + 1}));  // the number is another one's by now
  // Who could not read its own start time, out of descriptors, is not taken for dead.
  CHECK(is_alive({own_key().pid, 0}));

  pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t end = {};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &end, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(is_alive({child, 0}));  // only not waited for yet
  ::waitpid(child, nullptr, 0);
  CHECK_FALSE(is_alive({child, 0}));
}
