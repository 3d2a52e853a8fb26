// The files and directories of cgroupfs: reading, writing, listing and waiting for
// them, reached by the descriptor of their group. Knows no controller.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::cgroupfs {

// The directory of one group in one hierarchy.
struct Directory {
  Fd fd;             // O_PATH; where it is not open, the path is used
  std::string path;  // else for messages only
};
Result<Directory> open_directory(std::string path);
Result<Directory> open_child(const Directory& parent, const char* name);

// One page, the most that a file of one value or of keyed values shows.
struct Buffer {
  char bytes[4096];
};
// The first page of a file, without the newline at its end.
Result<std::string_view> read(const Directory& directory, const char* file, Buffer& buffer);
// The same for a file that may not exist, or not be readable: nullopt.
std::optional<std::string_view> read_if_any(const Directory& directory, const char* file, Buffer& buffer);
// Calls `line` for each line of a file of any length.
Result<void> for_each_line(const Directory& directory, const char* file,
                           const std::function<void(std::string_view)>& line);
// One write(2) of the whole value, as cgroupfs demands; an error names value and file.
Result<void> write(const Directory& directory, const char* file, std::string_view value);

// Decimal digits and nothing else; "max" is no number.
std::optional<std::uint64_t> number(std::string_view text);
// The number behind `key` in "key number" lines.
std::optional<std::uint64_t> keyed(std::string_view text, std::string_view key);
// `text` up to the first `separator`, which is taken off `text` with it.
std::string_view take(std::string_view& text, char separator);

// The groups directly below this one.
Result<std::vector<std::string>> children(const Directory& directory);
// The processes of this group and of all below it, each thread group once.
void collect_processes(const Directory& directory, std::vector<pid_t>& pids);

// A bound on waiting, with pauses that grow: events of cgroupfs may come up to
// 10 ms late (the kernel limits their rate), so that a waiter looks for itself, too.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds time) : end_(std::chrono::steady_clock::now() + time) {}
  // Milliseconds to wait before the next look; 0 when the time is over.
  int next_pause();

 private:
  std::chrono::steady_clock::time_point end_;
  int pause_ = 1;
};
// Waits until cgroup.events shows "key value" (v2). ETIMEDOUT after the deadline.
Result<void> await_event(const Directory& directory, std::string_view key, std::uint64_t value,
                         Deadline& deadline);

// rmdir of a group and of the groups below it; waits for processes that are dying.
// A group that is gone already is no error. EBUSY after the deadline.
Result<void> remove_tree(const Directory& directory, const char* name, Deadline& deadline);

}  // namespace ccsand::cgroupfs
