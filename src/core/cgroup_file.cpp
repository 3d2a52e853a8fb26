// The files and directories of cgroupfs.
#include "core/cgroup_file.hpp"

#include <dirent.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "core/directory.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/inspect.hpp"
#include "sys/process.hpp"

namespace ccsand::cgroupfs {

namespace {
// The error with the whole path in place of what the system call was given.
Error at_path(Error error, std::string_view path, std::string_view file = {}) {
  error.subject.clear();
  error.subject.append("'").append(path);
  if (!file.empty()) error.subject.append("/").append(file);
  error.subject.append("'");
  return error;
}

Result<Fd> open_file(const Directory& directory, const char* file, int flags) {
  auto fd = directory.fd.open() ? sys::openat2(directory.fd.get(), file, flags)
                                : sys::openat2(AT_FDCWD, (directory.path + "/" + file).c_str(), flags);
  if (!fd) return at_path(fd.error(), directory.path, file);
  return fd;
}

std::string_view without_newline(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text;
}

// Waits up to `milliseconds` for the end of a process of the group, if it has one.
void await_process(const Directory& directory, int milliseconds) {
  std::vector<pid_t> pids;
  collect_processes(directory, pids);
  pollfd ended = {-1, POLLIN, 0};
  Fd pidfd;
  if (!pids.empty() && pids.front() > 0) {
    if (auto opened = sys::pidfd_open(pids.front())) pidfd = std::move(*opened);
  }
  ended.fd = pidfd.get();
  // Whatever comes of it, the caller looks again.
  (void)sys::poll(&ended, pidfd.open() ? 1 : 0, milliseconds);
}

// Waits up to `milliseconds` for the group to become empty, or for a hint of it.
void await_empty(const Directory& directory, int milliseconds) {
  auto events = sys::openat2(directory.fd.get(), "cgroup.events", O_RDONLY);
  if (!events) return await_process(directory, milliseconds);  // v1 has no events
  Buffer buffer;
  auto size = sys::pread(events->get(), &buffer.bytes[0], sizeof buffer.bytes, 0, "cgroup.events");
  if (size && keyed({&buffer.bytes[0], *size}, "populated") == 0U) milliseconds = 1;
  pollfd changed = {events->get(), POLLPRI, 0};
  (void)sys::poll(&changed, 1, milliseconds);
}
}  // namespace

Result<Directory> open_directory(std::string path) {
  Fd fd = CCSAND_TRY(sys::openat2(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY));
  return Directory{std::move(fd), std::move(path)};
}
Result<Directory> open_child(const Directory& parent, const char* name) {
  Fd fd = CCSAND_TRY(open_file(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  return Directory{std::move(fd), parent.path + "/" + name};
}

Result<std::string_view> read(const Directory& directory, const char* file, Buffer& buffer) {
  Fd fd = CCSAND_TRY(open_file(directory, file, O_RDONLY));
  auto size = sys::read(fd.get(), &buffer.bytes[0], sizeof buffer.bytes, file);
  if (!size) return at_path(size.error(), directory.path, file);
  return without_newline({&buffer.bytes[0], *size});
}
std::optional<std::string_view> read_if_any(const Directory& directory, const char* file, Buffer& buffer) {
  auto text = read(directory, file, buffer);
  if (!text) return std::nullopt;
  return *text;
}

Result<void> for_each_line(const Directory& directory, const char* file,
                           const std::function<void(std::string_view)>& line) {
  Fd fd = CCSAND_TRY(open_file(directory, file, O_RDONLY));
  Buffer buffer;
  std::size_t kept = 0;  // the start of a line whose end is not read yet
  for (;;) {
    auto size = sys::read(fd.get(), &buffer.bytes[kept], sizeof buffer.bytes - kept, file);
    if (!size) return at_path(size.error(), directory.path, file);
    std::string_view text(&buffer.bytes[0], kept + *size);
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      line(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    if (*size == 0 || text.size() == sizeof buffer.bytes) {
      if (!text.empty()) line(text);
      if (*size == 0) return {};
      text = {};
    }
    kept = text.size();
    std::memmove(&buffer.bytes[0], text.data(), kept);
  }
}

Result<void> write(const Directory& directory, const char* file, std::string_view value) {
  Fd fd = CCSAND_TRY(open_file(directory, file, O_WRONLY));
  auto written = sys::write(fd.get(), value.data(), value.size(), file);
  if (written) return {};
  Error error = written.error();
  error.subject.clear();
  error.subject.append("'")
      .append(value)
      .append("' to '")
      .append(directory.path)
      .append("/")
      .append(file)
      .append("'");
  return error;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}
std::string_view take(std::string_view& text, char separator) {
  std::size_t end = std::min(text.find(separator), text.size());
  std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}
std::optional<std::uint64_t> keyed(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    if (take(line, ' ') == key) return number(line);
  }
  return std::nullopt;
}

Result<std::vector<std::string>> children(const Directory& directory) {
  std::vector<std::string> names;
  Fd fd = CCSAND_TRY(open_file(directory, ".", O_RDONLY | O_DIRECTORY));
  CCSAND_TRY(for_each_entry(fd.get(), directory.path, [&names](const char* name, unsigned char type) {
    if (type == DT_DIR && name[0] != '.') names.emplace_back(name);
  }));
  return names;
}

void collect_processes(const Directory& directory, std::vector<pid_t>& pids) {
  // What cannot be read is gone, or a threaded group, whose processes show above it.
  (void)for_each_line(directory, "cgroup.procs", [&](std::string_view line) {
    if (auto pid = number(line)) pids.push_back(static_cast<pid_t>(*pid));
  });
  auto names = children(directory);
  if (!names) return;
  for (const std::string& name : *names) {
    if (auto child = open_child(directory, name.c_str())) collect_processes(*child, pids);
  }
}

int Deadline::next_pause() {
  auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
  if (rest.count() <= 0) return 0;
  int pause = std::min(pause_, static_cast<int>(std::min<long>(rest.count(), 1000)));
  pause_ = std::min(pause_ * 2, 50);
  return pause;
}

Result<void> await_event(const Directory& directory, std::string_view key, std::uint64_t value,
                         Deadline& deadline) {
  Fd events = CCSAND_TRY(open_file(directory, "cgroup.events", O_RDONLY));
  for (;;) {
    Buffer buffer;
    auto size = sys::pread(events.get(), &buffer.bytes[0], sizeof buffer.bytes, 0, "cgroup.events");
    if (!size) return at_path(size.error(), directory.path, "cgroup.events");
    if (keyed({&buffer.bytes[0], *size}, key) == value) return {};
    int pause = deadline.next_pause();
    if (pause == 0) {
      return make_error(
          ETIMEDOUT, "wait for",
          std::string(key) + " " + std::to_string(value) + " in '" + directory.path + "/cgroup.events'",
          "it did not happen in time");
    }
    pollfd changed = {events.get(), POLLPRI, 0};
    (void)CCSAND_TRY(sys::poll(&changed, 1, pause));
  }
}

Result<void> remove_tree(const Directory& directory, const char* name, Deadline& deadline) {
  for (;;) {
    // By way of the group itself: its parent needs no descriptor of its own.
    auto removed = sys::unlinkat(directory.fd.get(), (std::string("../") + name).c_str(), AT_REMOVEDIR);
    if (removed || removed.error().code == ENOENT) return {};
    if (removed.error().code != EBUSY) return at_path(removed.error(), directory.path);
    auto names = children(directory);
    if (!names && names.error().code != ENOENT) return names.error();
    bool had_children = names && !names->empty();
    for (std::size_t i = 0; had_children && i < names->size(); ++i) {
      const char* below = (*names)[i].c_str();
      auto child = open_child(directory, below);
      if (child) CCSAND_TRY(remove_tree(*child, below, deadline));
      if (!child && child.error().code != ENOENT) return child.error();
    }
    if (had_children) continue;
    int pause = deadline.next_pause();
    if (pause == 0) {
      Error error = at_path(removed.error(), directory.path);
      error.hint =
          "processes live in the group still: kill them first, or see whether they hang in the kernel";
      return error;
    }
    await_empty(directory, pause);
  }
}

}  // namespace ccsand::cgroupfs
