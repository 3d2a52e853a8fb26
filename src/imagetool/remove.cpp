// Emptying a directory by descriptors.
#include "imagetool/remove.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "imagetool/calls.hpp"
#include "sys/file.hpp"

namespace ccsand::imagetool {

namespace {

constexpr std::size_t kBufferSize = 1 << 15;
constexpr std::uint64_t kBelow = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;

struct Level {
  std::string child;  // the directory that was entered from here
  dev_t device;
  ino_t inode;
};

// Calls `visit` with each name in the directory until it answers true; whether one did.
Result<bool> any_entry(int directory, const std::function<Result<bool>(const char*)>& visit) {
  std::vector<char> buffer(kBufferSize);
  CCSAND_TRY(rewind(directory));
  while (std::size_t got = CCSAND_TRY(getdents64(directory, buffer))) {
    for (std::size_t at = 0; at < got;) {
      const char* record = buffer.data() + at;
      std::uint16_t length = 0;
      std::memcpy(&length, record + offsetof(struct dirent64, d_reclen), sizeof length);
      const char* name = record + offsetof(struct dirent64, d_name);
      at += length;
      if (std::string_view(name) == "." || std::string_view(name) == "..") continue;
      if (CCSAND_TRY(visit(name))) return true;
    }
  }
  return false;
}

// Removes `name`, unless it is a directory with something in it: then answers true.
Result<bool> needs_descent(int directory, const char* name) {
  auto removed = sys::unlinkat(directory, name, 0);
  if (!removed && removed.error().code == EISDIR) removed = sys::unlinkat(directory, name, AT_REMOVEDIR);
  if (removed) return false;
  if (removed.error().code == ENOTEMPTY) return true;
  return removed.error();
}

// One pass over a directory. The name of the first subdirectory that is not empty, or "".
Result<std::string> remove_entries(int directory) {
  std::string full;
  auto remove = [&](const char* name) -> Result<bool> {
    bool descend = CCSAND_TRY(needs_descent(directory, name));
    if (descend) full = name;
    return descend;
  };
  CCSAND_TRY(any_entry(directory, remove));
  return full;
}

// Goes back to the directory that `level` describes. ".." can be trusted only as far as
// nobody moved the directory away meanwhile.
Result<Fd> ascend(int directory, const Level& level) {
  Fd parent = CCSAND_TRY(sys::openat2(directory, "..", O_RDONLY | O_DIRECTORY));
  struct stat status = CCSAND_TRY(fstat(parent.get(), ".."));
  if (status.st_dev != level.device || status.st_ino != level.inode) {
    return make_error(ESTALE, "remove", level.child, "the directory was moved while it was removed");
  }
  return parent;
}

}  // namespace

Result<bool> is_empty(int directory) {
  Fd fd = CCSAND_TRY(sys::openat2(directory, ".", O_RDONLY | O_DIRECTORY));
  return !CCSAND_TRY(any_entry(fd.get(), [](const char*) -> Result<bool> { return true; }));
}

Result<void> remove_contents(int directory) {
  std::vector<Level> above;
  Fd current = CCSAND_TRY(sys::openat2(directory, ".", O_RDONLY | O_DIRECTORY));
  for (;;) {
    std::string full = CCSAND_TRY(remove_entries(current.get()));
    if (!full.empty()) {
      struct stat status = CCSAND_TRY(fstat(current.get(), full));
      Fd child = CCSAND_TRY(sys::openat2(current.get(), full.c_str(), O_RDONLY | O_DIRECTORY, 0, kBelow));
      above.push_back({full, status.st_dev, status.st_ino});
      current = std::move(child);
      continue;
    }
    if (above.empty()) return {};
    current = CCSAND_TRY(ascend(current.get(), above.back()));
    CCSAND_TRY(sys::unlinkat(current.get(), above.back().child.c_str(), AT_REMOVEDIR));
    above.pop_back();
  }
}

}  // namespace ccsand::imagetool
