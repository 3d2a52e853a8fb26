// Looking at file systems without changing them: what is in a directory, what kind
// of file system a path is on, what a file holds at an offset. No policy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ccsand/result.hpp"

namespace ccsand::sys {

// getdents64(2): fills `data` with linux_dirent64 records; 0 at the end.
Result<std::size_t> getdents64(int dir, void* data, std::size_t size, std::string_view name);

struct FilesystemStatus {
  std::uint64_t type = 0;   // a *_MAGIC of <linux/magic.h>
  std::uint64_t flags = 0;  // ST_RDONLY and others of statvfs(3)
};
Result<FilesystemStatus> statfs(const char* path);  // statfs(2)

// pread64(2). A file of cgroupfs is read again from 0 before it is polled again.
Result<std::size_t> pread(int fd, void* data, std::size_t size, std::int64_t offset, std::string_view name);

}  // namespace ccsand::sys
