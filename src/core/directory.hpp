// Reading directories and small files.
#pragma once

#include <dirent.h>

#include <string>
#include <string_view>

#include "ccsand/result.hpp"
#include "sys/inspect.hpp"

namespace ccsand {

// Calls f(name, type) for each entry, "." and ".." among them, of the directory that `fd` has open, from where it stands;
// `type` is a DT_*, DT_UNKNOWN where the file system does not tell. Without readdir(3)'s allocations: some are on the
// way of every start.
template <typename F>
Result<void> for_each_entry(int fd, std::string_view directory, F&& f) {
  alignas(dirent64) char records[4096];
  for (;;) {
    std::size_t size = CCSAND_TRY(sys::getdents64(fd, &records[0], sizeof records, directory));
    if (size == 0) return {};
    for (std::size_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(&records[at]);  // NOLINT: the kernel's format
      at += entry->d_reclen;
      f(&entry->d_name[0], entry->d_type);
    }
  }
}

// All that a file holds; `path` is relative to `directory` (AT_FDCWD).
Result<std::string> read_text(int directory, const std::string& path);

}  // namespace ccsand
