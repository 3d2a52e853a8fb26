// System calls that only ccsand-image makes, in the manner of src/sys: one typed
// function each, no policy. `name` is what an error says the call was about.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ccsand/result.hpp"

namespace ccsand::imagetool {

Result<std::size_t> pread(int fd, std::span<char> into, std::int64_t offset, std::string_view name);
Result<struct stat> fstat(int fd, std::string_view name);
Result<void> fchown(int fd, uid_t uid, gid_t gid, std::string_view name);
Result<void> lchownat(int dir, const char* entry, uid_t uid, gid_t gid, std::string_view name);
Result<void> fchmod(int fd, unsigned mode, std::string_view name);
Result<void> set_times(int fd, struct timespec when, std::string_view name);
Result<void> set_link_times(int dir, const char* entry, struct timespec when, std::string_view name);
Result<void> fsetxattr(int fd, const char* attribute, std::string_view value, std::string_view name);
Result<void> linkat(int from_dir, const char* from, int to_dir, const char* to, std::string_view name);
Result<std::size_t> getdents64(int fd, std::span<char> into);
Result<void> rewind(int fd);  // lseek(fd, 0, SEEK_SET)

}  // namespace ccsand::imagetool
