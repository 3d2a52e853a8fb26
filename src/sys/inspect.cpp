// Looking at file systems without changing them.
#include "sys/inspect.hpp"

#include <sys/vfs.h>

#include <cerrno>

#include "sys/call.hpp"

namespace ccsand::sys {

Result<std::size_t> getdents64(int dir, void* data, std::size_t size, std::string_view name) {
  long result = call(SYS_getdents64, dir, data, size);
  if (result < 0) return failure(result, "read directory", {"'", name, "'"});
  return static_cast<std::size_t>(result);
}

Result<FilesystemStatus> statfs(const char* path) {
  struct ::statfs status = {};
  long result = call(SYS_statfs, path, &status);
  if (result < 0) return failure(result, "statfs", {"'", path, "'"});
  return FilesystemStatus{static_cast<std::uint64_t>(status.f_type),
                          static_cast<std::uint64_t>(status.f_flags)};
}

Result<std::size_t> pread(int fd, void* data, std::size_t size, std::int64_t offset, std::string_view name) {
  long result = 0;
  do result = call(SYS_pread64, fd, data, size, offset);
  while (result == -EINTR);
  if (result < 0) return failure(result, "read", {"'", name, "'"});
  return static_cast<std::size_t>(result);
}

}  // namespace ccsand::sys
