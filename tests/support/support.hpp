// What the tests share: children that report, the built program, and reasons to skip.
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ccsand/result.hpp"

namespace ccsand::test {

// ---- skips

// Prints "ccsand-skip: why", by which ctest knows a skipped test; answers whether to
// leave. Where CCSAND_MUST_RUN is 1 it fails instead.
bool skip_test(std::string_view why);

// ---- children

// Runs `body` in a forked child and answers the text that it returns. A child that
// does not come that far, or not in a minute, is answered as "signal 9" or "status 1".
// Catch's macros are the parent's: the child uses none.
std::string in_child(const std::function<std::string()>& body);

// The same for what may fail: "" or the error's message.
std::string failure_in_child(const std::function<Result<void>()>& body);

// ---- the program

struct Output {
  int status = -1;         // as a shell has it: 128 + signal for one that was killed
  bool timed_out = false;  // and was killed for it
  std::string out, err;
};

struct ProgramOptions {
  std::string input;
  std::vector<std::string> env;  // NAME=value, on top of this process's own
  std::string directory;         // where it is started; "" is here
  int seconds = 60;
};

// Runs a program (looked up in PATH) to its end.
Output run_program(const std::vector<std::string>& argv, const ProgramOptions& options = {});

// The built ccsand, or what CCSAND_BINARY names.
std::string ccsand_binary();
Output run_ccsand(std::vector<std::string> arguments, const ProgramOptions& options = {});
// The same program whose Nth system call fails: CCSAND_FAULT=N[:ERRNO] in its environment.
Output run_ccsand_with_faults(std::vector<std::string> arguments, const ProgramOptions& options = {});

// ---- files

// A directory of its own, writable for its owner alone, removed with all that it holds.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // Writes a file in it, whose path is answered.
  std::string file(const std::string& name, std::string_view text) const;

 private:
  std::string path_;
};

std::string text_of_file(const std::string& path);  // "" where it cannot be read

}  // namespace ccsand::test

// Leaves a test case that the kernel, or the rights of this process, do not allow here.
// Probe the feature itself, never the kernel's version.
#define REQUIRE_KERNEL(probe, why)                                 \
  do {                                                             \
    if (!(probe) && ::ccsand::test::skip_test(why)) return;        \
  } while (false)

// The value of a Result, or the test case ends with the error's message.
#define REQUIRE_VALUE(expression)                                  \
  __extension__({                                                  \
    auto ccsand_result = (expression);                             \
    if (!ccsand_result) FAIL(ccsand_result.error().message());     \
    ::ccsand::detail::take(ccsand_result);                         \
  })
