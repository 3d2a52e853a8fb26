// What the tests of ccsand-image share: a place to unpack to, the program, the leak check.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ccsand/fd.hpp"

namespace ccsand::test {

// A directory of its own under TMPDIR, removed with everything in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// The fixture of every test case: descriptors, children and temporary directories are
// counted before it and after it.
class Clean {
 public:
  Clean();
  ~Clean();
  Clean(const Clean&) = delete;
  Clean& operator=(const Clean&) = delete;

 private:
  std::size_t descriptors_;
};

struct Outcome {
  int status = -1;  // the exit status, or 128 and the signal
  std::string out;
  std::string err;
};

// Runs ccsand-image with `input` as its standard input. `prepare` runs in the child before.
Outcome run_program(const std::vector<std::string>& arguments, std::string_view input = "",
                    const std::function<void()>& prepare = nullptr);

// In a child: replaces it by ccsand-image. Does not return.
[[noreturn]] void exec_program(const std::vector<std::string>& arguments);

// Waits for a child; what Outcome::status says.
int wait_for(pid_t child);

// The result of `ccsand-image unpack --into DIR arguments... < archive`, and DIR.
class Unpacked {
 public:
  explicit Unpacked(std::string_view archive, std::vector<std::string> arguments = {});

  [[nodiscard]] int status() const { return outcome_.status; }
  [[nodiscard]] const std::string& err() const { return outcome_.err; }
  [[nodiscard]] std::string path(std::string_view name) const { return dir_ / name; }
  [[nodiscard]] bool has(std::string_view name) const;  // lstat finds it
  [[nodiscard]] std::string read(std::string_view name) const;
  [[nodiscard]] bool empty() const;

  // Whether it failed with exactly one line that ends in `reason`, and left nothing.
  [[nodiscard]] bool refused(std::string_view reason) const;

 private:
  TempDir dir_;
  Outcome outcome_;
};

std::string read_file(const std::string& path);
void write_file(const std::string& path, std::string_view text);

// Says that this test cannot run here; a failure where CCSAND_MUST_RUN is 1.
void skip(std::string_view why);

}  // namespace ccsand::test

// Leaves the test case where it cannot run.
#define CCSAND_NEED(condition, why) \
  do {                              \
    if (!(condition)) {             \
      ::ccsand::test::skip(why);    \
      return;                       \
    }                               \
  } while (false)
