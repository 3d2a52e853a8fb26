#include "container_fixture.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "core/cgroup_layout.hpp"

namespace ccsand::test {

namespace {
std::string replaced(std::string text, const std::string& word, const std::string& with) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + with.size()))
    text.replace(at, word.size(), with);
  return text;
}

template <typename Use>
void each_entry(const std::string& path, Use use) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return;
  while (const dirent* entry = ::readdir(directory))
    if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..") use(std::string(entry->d_name));
  ::closedir(directory);
}

bool is_zombie(const std::string& pid) {
  std::string stat = text_of_file("/proc/" + pid + "/stat");
  std::size_t close = stat.rfind(") ");
  return close == std::string::npos || stat[close + 2] == 'Z';
}
}  // namespace

const std::string& image_root() {
  static std::unique_ptr<ScratchDirectory> store;
  static std::string root;
  if (store) return root;
  store = std::make_unique<ScratchDirectory>();
  std::string recipe = store->file("image.lua", R"(
    local image = require("ccsand").image
    local good = pcall(image.get, os.getenv "CCSAND_IMAGE_PATH" and "alpine:3.20" or "busybox:host")
    local name = good and os.getenv "CCSAND_IMAGE_PATH" and "alpine:3.20" or "busybox:host"
    io.write(image.get(name)))");
  ProgramOptions options;
  options.env = {"CCSAND_STORE=" + store->path() + "/store", "CCSAND_RUN_DIR=" + store->path() + "/run", "https_proxy=http://127.0.0.1:1"};
  Output output = run_ccsand({recipe}, options);
  if (output.status == 0) root = output.out;
  return root;
}

int Place::count_ = 0;

ProgramOptions Place::options() const {
  ProgramOptions options;
  options.env = {"CCSAND_RUN_DIR=" + scratch_.path() + "/run", "CCSAND_STORE=" + scratch_.path() + "/store"};
  return options;
}
std::string Place::recipe(const std::string& name, std::string text) const {
  return scratch_.file(name, replaced(replaced(std::move(text), "ROOT", image_root()), "MARK", mark()));
}

std::string dead_groups() {
  std::string found;
  auto layout = CgroupLayout::host();
  if (!layout) return layout.error().message();
  for (const CgroupHierarchy& hierarchy : (*layout)->hierarchies())
    for (const std::string& above : {hierarchy.mount, hierarchy.own})
      each_entry(above + "/ccsand", [&](const std::string& name) {
        int pid = std::atoi(name.c_str());
        if (pid > 0 && ::kill(pid, 0) != 0) found += "cgroup " + above + "/ccsand/" + name + "\n";
      });
  return found;
}

std::string Place::processes() const {
  std::string found;
  each_entry("/proc", [&](const std::string& name) {
    if (name[0] < '0' || name[0] > '9') return;
    std::string words = text_of_file("/proc/" + name + "/cmdline");
    if (words.find(mark()) != std::string::npos && !is_zombie(name)) found += "process " + name + "\n";
  });
  return found;
}
std::string Place::leftovers() const {
  std::string found = processes();
  each_entry(scratch_.path() + "/run", [&](const std::string& name) { found += "file " + name + "\n"; });
  each_entry(scratch_.path() + "/store/tmp", [&](const std::string& name) { found += "file " + name + "\n"; });
  return found;
}
std::string Place::leftovers_after_next_start() const {
  Output output = run_ccsand({recipe("next.lua", "return 0")}, options());
  if (output.status != 0) return "the next start failed: " + output.err;
  // What was killed is gone when its parent has waited for it.
  std::string left = leftovers() + dead_groups();
  for (int tries = 0; tries < 100 && !left.empty(); ++tries) {
    ::usleep(20'000);
    left = leftovers() + dead_groups();
  }
  return left;
}

Background::Background(const std::vector<std::string>& argv, const ProgramOptions& options) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) FAIL("pipe2");
  pid_ = ::fork();
  if (pid_ < 0) FAIL("fork");
  if (pid_ == 0) {
    int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    ::dup2(fds[1], 1);
    ::dup2(fds[1], 2);
    ::close(null);
    for (const std::string& variable : options.env) ::putenv(const_cast<char*>(variable.c_str()));
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  ::close(fds[1]);
  stream_ = Fd(fds[0]);
  pidfd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
}
Background::Background(Background&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)), stream_(std::move(other.stream_)),
      output_(std::move(other.output_)) {}
Background::~Background() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Background::read_part() {
  char part[4096];
  ssize_t size = ::read(stream_.get(), part, sizeof part);
  if (size <= 0) return stream_.close(), false;
  output_.append(part, static_cast<std::size_t>(size));
  return true;
}
bool Background::await(const std::string& text) {
  auto deadline = Clock::now() + std::chrono::seconds(10);
  while (output_.find(text) == std::string::npos) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd polled = {stream_.get(), POLLIN, 0};
    if (left <= 0 || ::poll(&polled, 1, static_cast<int>(left)) <= 0 || !read_part()) return false;
  }
  return true;
}
void Background::signal(int number) const { ::kill(pid_, number); }

// Not until the stream's end: what the process left behind may hold it open.
int Background::wait(int seconds) {
  auto deadline = Clock::now() + std::chrono::seconds(seconds);
  bool ended = false;
  while (!ended) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd polled[2] = {{pidfd_.get(), POLLIN, 0}, {stream_.get(), POLLIN, 0}};
    if (left <= 0 || ::poll(polled, 2, static_cast<int>(left)) <= 0) break;
    ended = polled[0].revents != 0;
    if (polled[1].revents != 0) (void)read_part();
  }
  for (pollfd rest = {stream_.get(), POLLIN, 0}; stream_.open() && ::poll(&rest, 1, 0) > 0 && read_part();) {
  }
  if (!ended) ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  if (!ended) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace ccsand::test
