// What the tests of whole containers share: a root, a place of its own for ccsand's
// state, programs that run beside the test, and the search for what was left.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "ccsand/fd.hpp"
#include "support.hpp"

namespace ccsand::test {

using Clock = std::chrono::steady_clock;

// The image that is used: alpine from CCSAND_IMAGE_PATH, else the host's busybox; "" where
// there is none. It is unpacked once, into a store that all tests of this program share.
const std::string& image_root();

// A directory for the state of the ccsand processes of one test.
class Place {
 public:
  Place() : marker_(std::to_string(::getpid()) + "." + std::to_string(++count_)) {}

  [[nodiscard]] ProgramOptions options() const;
  // A recipe in this place; ROOT in its text is the image's directory, MARK the word by
  // which leftovers finds processes: `sleep MARK`.
  [[nodiscard]] std::string recipe(const std::string& name, std::string text) const;
  [[nodiscard]] const std::string& path() const { return scratch_.path(); }
  [[nodiscard]] std::string mark() const { return "9" + marker_; }
  [[nodiscard]] std::string processes() const;  // with the mark among their words
  // What is left: processes with the mark, files of the state. One line for each.
  [[nodiscard]] std::string leftovers() const;
  // Runs ccsand once more, which sweeps, and answers what is left then.
  [[nodiscard]] std::string leftovers_after_next_start() const;

 private:
  static int count_;
  ScratchDirectory scratch_;
  std::string marker_;
};

// A program that runs while the test does. Ended and waited for when it goes out of scope.
class Background {
 public:
  Background(const std::vector<std::string>& argv, const ProgramOptions& options);
  ~Background();
  Background(Background&& other) noexcept;
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Until `text` is among what it printed, to any stream; false after ten seconds.
  bool await(const std::string& text);
  void signal(int number) const;
  // Its status as a shell has it; -1 where it had to be ended after `seconds`.
  int wait(int seconds = 20);
  [[nodiscard]] const std::string& output() const { return output_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  bool read_part();  // false at its end
  pid_t pid_ = -1;
  Fd pidfd_, stream_;
  std::string output_;
};

// Groups of supervisors that are dead, in all hierarchies.
std::string dead_groups();

}  // namespace ccsand::test

// Leaves a test case where containers cannot be made.
#define REQUIRE_CONTAINERS()                                                  \
  REQUIRE_KERNEL(::geteuid() == 0, "containers are made by root");            \
  REQUIRE_KERNEL(!::ccsand::test::image_root().empty(), "no image can be had here")
