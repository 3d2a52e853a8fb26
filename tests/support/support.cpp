// Children, programs and scratch files of the tests.
#include "support.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "ccsand/fd.hpp"

namespace ccsand::test {

namespace {
using Clock = std::chrono::steady_clock;

struct Ends {
  Fd read, write;
};
Ends make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) FAIL("pipe2: " << std::strerror(errno));
  return {Fd(fds[0]), Fd(fds[1])};
}

std::string ending(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "status " + std::to_string(WEXITSTATUS(status));
}

// Reads until the end of all of `from`, while `input` goes to `to`; false after `seconds`.
bool transfer(std::array<Fd, 2>& from, std::array<std::string*, 2> into, Fd& to, std::string_view input, int seconds) {
  auto deadline = Clock::now() + std::chrono::seconds(seconds);
  while (from[0].open() || from[1].open()) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 3> polled{{{from[0].get(), POLLIN, 0}, {from[1].get(), POLLIN, 0}, {to.get(), POLLOUT, 0}}};
    if (::poll(polled.data(), polled.size(), static_cast<int>(left)) <= 0) continue;
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (polled[i].revents == 0) continue;
      std::array<char, 16384> part{};
      ssize_t size = ::read(from[i].get(), part.data(), part.size());
      if (size > 0) into[i]->append(part.data(), static_cast<std::size_t>(size));
      else from[i].close();
    }
    if (polled[2].revents == 0) continue;
    ssize_t size = input.empty() ? 0 : ::write(to.get(), input.data(), input.size());
    if (size > 0) input.remove_prefix(static_cast<std::size_t>(size));
    if (size <= 0 || input.empty()) to.close();
  }
  return true;
}

// What the tests' own signals and descriptors are does not reach the program.
[[noreturn]] void become(const std::vector<std::string>& argv, const ProgramOptions& options) {
  (void)::signal(SIGPIPE, SIG_DFL);
  if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) ::_exit(125);
  for (const std::string& variable : options.env) ::putenv(const_cast<char*>(variable.c_str()));
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  ::dprintf(2, "cannot execute %s: %s\n", words[0], std::strerror(errno));
  ::_exit(127);
}

std::string chosen_binary(const char* built) {
  const char* named = std::getenv("CCSAND_BINARY");
  return named != nullptr && *named != '\0' ? named : built;
}
}  // namespace

bool skip_test(std::string_view why) {
  const char* must = std::getenv("CCSAND_MUST_RUN");
  // Not the skip's line: ctest would take the failure for a skip.
  if (must != nullptr && std::string_view(must) == "1") FAIL("must run here, but cannot: " << why);
  std::cout << "ccsand-skip: " << why << std::endl;
  return true;
}

std::string in_child(const std::function<std::string()>& body) {
  Ends report = make_pipe();
  std::cout.flush();
  pid_t pid = ::fork();
  if (pid < 0) FAIL("fork: " << std::strerror(errno));
  if (pid == 0) {
    std::string text = body();
    std::string_view rest = text;
    while (!rest.empty()) {
      ssize_t size = ::write(report.write.get(), rest.data(), rest.size());
      if (size <= 0) ::_exit(1);
      rest.remove_prefix(static_cast<std::size_t>(size));
    }
    ::_exit(0);
  }
  report.write.close();
  std::array<Fd, 2> from{std::move(report.read), Fd()};
  std::string text, nothing;
  Fd no_input;
  if (!transfer(from, {&text, &nothing}, no_input, {}, 60)) ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status == 0 ? text : ending(status);
}

std::string failure_in_child(const std::function<Result<void>()>& body) {
  return in_child([&body] {
    Result<void> result = body();
    return result ? std::string() : result.error().message();
  });
}

Output run_program(const std::vector<std::string>& argv, const ProgramOptions& options) {
  Ends in = make_pipe(), out = make_pipe(), err = make_pipe();
  std::cout.flush();
  pid_t pid = ::fork();
  if (pid < 0) FAIL("fork: " << std::strerror(errno));
  if (pid == 0) {
    ::dup2(in.read.get(), 0);
    ::dup2(out.write.get(), 1);
    ::dup2(err.write.get(), 2);
    become(argv, options);
  }
  in.read.close();
  out.write.close();
  err.write.close();
  auto pipe_was = ::signal(SIGPIPE, SIG_IGN);
  Output output;
  std::array<Fd, 2> from{std::move(out.read), std::move(err.read)};
  output.timed_out = !transfer(from, {&output.out, &output.err}, in.write, options.input, options.seconds);
  if (output.timed_out) ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  (void)::signal(SIGPIPE, pipe_was);
  output.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return output;
}

std::string ccsand_binary() { return chosen_binary(CCSAND_BUILT_BINARY); }

Output run_ccsand(std::vector<std::string> arguments, const ProgramOptions& options) {
  arguments.insert(arguments.begin(), ccsand_binary());
  return run_program(arguments, options);
}
Output run_ccsand_with_faults(std::vector<std::string> arguments, const ProgramOptions& options) {
  arguments.insert(arguments.begin(), CCSAND_BUILT_FAULTS_BINARY);
  return run_program(arguments, options);
}

ScratchDirectory::ScratchDirectory() {
  const char* base = std::getenv("TMPDIR");
  path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/ccsand-test-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) FAIL("mkdtemp: " << std::strerror(errno));
}
ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;  // a destructor has nobody to tell
  std::filesystem::remove_all(path_, ignored);
}
std::string ScratchDirectory::file(const std::string& name, std::string_view text) const {
  std::string path = path_ + "/" + name;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace ccsand::test
