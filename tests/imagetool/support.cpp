// What the tests of ccsand-image share.
#include "support.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

namespace ccsand::test {

namespace {
int live_directories = 0;

std::size_t count_descriptors() {
  auto all = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}
}  // namespace

TempDir::TempDir() {
  path_ = (std::filesystem::temp_directory_path() / "ccsand-image-test-XXXXXX").string();
  REQUIRE(mkdtemp(path_.data()) != nullptr);
  ++live_directories;
}

TempDir::~TempDir() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  CHECK(!error);
  --live_directories;
}

Clean::Clean() : descriptors_(count_descriptors()) {}

Clean::~Clean() {
  CHECK(count_descriptors() == descriptors_);
  CHECK(live_directories == 0);
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

void exec_program(const std::vector<std::string>& arguments) {
  std::vector<const char*> words = {CCSAND_IMAGE_PROGRAM};
  for (const std::string& argument : arguments) words.push_back(argument.c_str());
  words.push_back(nullptr);
  execv(words[0], const_cast<char* const*>(words.data()));
  _exit(127);
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Outcome run_program(const std::vector<std::string>& arguments, std::string_view input,
                    const std::function<void()>& prepare) {
  TempDir dir;
  write_file(dir / "in", input);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    if (prepare) prepare();
    dup2(open((dir / "in").c_str(), O_RDONLY), 0);
    dup2(open((dir / "out").c_str(), O_WRONLY | O_CREAT, 0600), 1);
    dup2(open((dir / "err").c_str(), O_WRONLY | O_CREAT, 0600), 2);
    exec_program(arguments);
  }
  REQUIRE(child > 0);
  Outcome outcome;
  outcome.status = wait_for(child);
  outcome.out = read_file(dir / "out");
  outcome.err = read_file(dir / "err");
  return outcome;
}

Unpacked::Unpacked(std::string_view archive, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"unpack", "--into", dir_.path()});
  outcome_ = run_program(arguments, archive);
}

bool Unpacked::has(std::string_view name) const {
  struct stat status = {};
  return lstat((dir_ / name).c_str(), &status) == 0;
}

std::string Unpacked::read(std::string_view name) const { return read_file(dir_ / name); }

bool Unpacked::empty() const { return std::filesystem::is_empty(dir_.path()); }

bool Unpacked::refused(std::string_view reason) const {
  UNSCOPED_INFO("status " << status() << ", message: " << err());
  auto lines = std::count(err().begin(), err().end(), '\n');
  return status() == 1 && lines == 1 && err().ends_with(std::string(reason) + "\n") && empty();
}

void skip(std::string_view why) {
  const char* must = std::getenv("CCSAND_MUST_RUN");
  // Not the skip's line: ctest would take the failure for a skip.
  if (must != nullptr && std::string_view(must) == "1") FAIL("must run here, but cannot: " << why);
  std::cout << "ccsand-skip: " << why << std::endl;
}

}  // namespace ccsand::test
