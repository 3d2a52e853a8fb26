// System calls that only ccsand-image makes.
#include "imagetool/calls.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "sys/call.hpp"

namespace ccsand::imagetool {

namespace {
Result<void> done(long result, const char* operation, std::string_view name) {
  if (result < 0) return sys::failure(result, operation, {"'", name, "'"});
  return {};
}
Result<std::size_t> counted(long result, const char* operation, std::string_view name) {
  if (result < 0) return sys::failure(result, operation, {"'", name, "'"});
  return static_cast<std::size_t>(result);
}
Result<void> owned(long result, std::string_view name) {
  auto outcome = done(result, "chown", name);
  if (!outcome && outcome.error().code == EPERM)
    outcome.error().hint = "giving files away needs CAP_CHOWN: run as root";
  return outcome;
}
Result<void> timed(int fd, const char* entry, struct timespec when, std::string_view name) {
  const struct timespec both[2] = {when, when};
  return done(sys::call(SYS_utimensat, fd, entry, &both[0], entry != nullptr ? AT_SYMLINK_NOFOLLOW : 0),
              "utimensat", name);
}
}  // namespace

Result<std::size_t> pread(int fd, std::span<char> into, std::int64_t offset, std::string_view name) {
  long result = 0;
  do result = sys::call(SYS_pread64, fd, into.data(), into.size(), offset);
  while (result == -EINTR);
  return counted(result, "read", name);
}
Result<struct stat> fstat(int fd, std::string_view name) {
  struct stat status = {};
  CCSAND_TRY(done(sys::call(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH), "stat", name));
  return status;
}
Result<void> fchown(int fd, uid_t uid, gid_t gid, std::string_view name) {
  return owned(sys::call(SYS_fchown, fd, uid, gid), name);
}
Result<void> lchownat(int dir, const char* entry, uid_t uid, gid_t gid, std::string_view name) {
  return owned(sys::call(SYS_fchownat, dir, entry, uid, gid, AT_SYMLINK_NOFOLLOW), name);
}
Result<void> fchmod(int fd, unsigned mode, std::string_view name) {
  return done(sys::call(SYS_fchmod, fd, mode), "chmod", name);
}
Result<void> set_times(int fd, struct timespec when, std::string_view name) {
  return timed(fd, nullptr, when, name);
}
Result<void> set_link_times(int dir, const char* entry, struct timespec when, std::string_view name) {
  return timed(dir, entry, when, name);
}
Result<void> fsetxattr(int fd, const char* attribute, std::string_view value, std::string_view name) {
  long result = sys::call(SYS_fsetxattr, fd, attribute, value.data(), value.size(), 0);
  if (result < 0) return sys::failure(result, "setxattr", {attribute, " of '", name, "'"});
  return {};
}
Result<void> linkat(int from_dir, const char* from, int to_dir, const char* to, std::string_view name) {
  return done(sys::call(SYS_linkat, from_dir, from, to_dir, to, 0), "link", name);
}
Result<std::size_t> getdents64(int fd, std::span<char> into) {
  return counted(sys::call(SYS_getdents64, fd, into.data(), into.size()), "getdents64", "directory");
}
Result<void> rewind(int fd) { return done(sys::call(SYS_lseek, fd, 0, SEEK_SET), "lseek", "directory"); }

}  // namespace ccsand::imagetool
