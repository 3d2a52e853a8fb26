// Files and directories.
#include "sys/file.hpp"

#include <cerrno>
#include <unistd.h>

#include "sys/call.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand::sys {

namespace {
Result<void> done(long result, const char* operation, std::initializer_list<std::string_view> subject) {
  if (result < 0) return failure(result, operation, subject);
  return {};
}
Result<Fd> opened(long result, const char* operation, std::initializer_list<std::string_view> subject) {
  if (result < 0) return failure(result, operation, subject);
  return Fd(static_cast<int>(result));
}
Result<std::size_t> counted(long result, const char* operation, std::initializer_list<std::string_view> subject) {
  if (result < 0) return failure(result, operation, subject);
  return static_cast<std::size_t>(result);
}
}  // namespace

Result<Fd> openat2(int dir, const char* path, int flags, unsigned mode, std::uint64_t resolve) {
  open_how how = {};
  how.flags = static_cast<__u64>(flags | O_CLOEXEC);
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) how.mode = mode;
  how.resolve = resolve;
  long result = 0;
  // EAGAIN: a rename raced with a RESOLVE_IN_ROOT walk; the man page says to try again.
  for (int tries = 0; tries < 16; ++tries) {
    result = call(SYS_openat2, dir, path, &how, sizeof how);
    if (result != -EAGAIN && result != -EINTR) break;
  }
  return opened(result, "open", {"'", path, "'"});
}
Result<Fd> open(const char* path, int flags, unsigned mode) {
  return opened(call(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode), "open", {"'", path, "'"});
}
Result<std::size_t> read(int fd, void* data, std::size_t size, std::string_view name) {
  long result = 0;
  do result = call(SYS_read, fd, data, size);
  while (result == -EINTR);
  return counted(result, "read", {"'", name, "'"});
}
Result<std::size_t> write(int fd, const void* data, std::size_t size, std::string_view name) {
  long result = 0;
  do result = call(SYS_write, fd, data, size);
  while (result == -EINTR);
  return counted(result, "write", {"'", name, "'"});
}
Result<void> write_all(int fd, std::string_view text, std::string_view name) {
  while (!text.empty()) text.remove_prefix(CCSAND_TRY(write(fd, text.data(), text.size(), name)));
  return {};
}
Result<std::size_t> pwrite(int fd, const void* data, std::size_t size, std::int64_t offset, std::string_view name) {
  return counted(call(SYS_pwrite64, fd, data, size, offset), "write", {"'", name, "'"});
}

Result<Pipe> pipe2(int flags) {
  int ends[2] = {-1, -1};
  long result = call(SYS_pipe2, &ends[0], flags | O_CLOEXEC);
  if (result < 0) return failure(result, "pipe2", {});
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}
Result<void> dup3(int from, int to, int flags) { return done(call(SYS_dup3, from, to, flags), "dup3", {}); }
Result<Fd> dup_cloexec(int from) { return opened(call(SYS_fcntl, from, F_DUPFD_CLOEXEC, 3), "fcntl F_DUPFD_CLOEXEC", {}); }
bool keep_at_exec(int fd) { return call(SYS_fcntl, fd, F_SETFD, 0) == 0; }
Result<int> descriptor_flags(int fd) {
  long flags = call(SYS_fcntl, fd, F_GETFD);
  if (flags < 0) return failure(flags, "fcntl F_GETFD", {FixedText<32>("descriptor ").append_number(fd).view()});
  return static_cast<int>(flags);
}
Result<void> close_range(unsigned first, unsigned last, unsigned flags) {
  return done(call(SYS_close_range, first, last, flags), "close_range", {});
}

Result<void> mkdirat(int dir, const char* path, unsigned mode) {
  return done(call(SYS_mkdirat, dir, path, mode), "mkdir", {"'", path, "'"});
}
Result<void> mknodat(int dir, const char* path, unsigned mode, std::uint64_t device) {
  return done(call(SYS_mknodat, dir, path, mode, device), "mknod", {"'", path, "'"});
}
Result<void> symlinkat(const char* target, int dir, const char* path) {
  return done(call(SYS_symlinkat, target, dir, path), "symlink", {"'", path, "' to '", target, "'"});
}
Result<void> unlinkat(int dir, const char* path, int flags) {
  return done(call(SYS_unlinkat, dir, path, flags), (flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink",
              {"'", path, "'"});
}
Result<void> renameat2(int old_dir, const char* old_path, int new_dir, const char* new_path, unsigned flags) {
  return done(call(SYS_renameat2, old_dir, old_path, new_dir, new_path, flags), "rename",
              {"'", old_path, "' to '", new_path, "'"});
}
Result<void> fchownat(int dir, const char* path, uid_t uid, gid_t gid, int flags) {
  return done(call(SYS_fchownat, dir, path, uid, gid, flags), "chown", {"'", path, "'"});
}
Result<void> fchmodat(int dir, const char* path, unsigned mode) {
  return done(call(SYS_fchmodat, dir, path, mode), "chmod", {"'", path, "'"});
}
Result<struct stat> fstatat(int dir, const char* path, int flags) {
  struct stat status = {};
  long result = call(SYS_newfstatat, dir, path, &status, flags);
  if (result < 0) return failure(result, "stat", {"'", path, "'"});
  return status;
}
Result<std::size_t> readlinkat(int dir, const char* path, char* text, std::size_t size) {
  return counted(call(SYS_readlinkat, dir, path, text, size), "readlink", {"'", path, "'"});
}
Result<void> chdir(const char* path) { return done(call(SYS_chdir, path), "chdir", {"'", path, "'"}); }
Result<void> fchdir(int dir, std::string_view name) { return done(call(SYS_fchdir, dir), "chdir", {"'", name, "'"}); }
Result<void> chroot(const char* path) { return done(call(SYS_chroot, path), "chroot", {"'", path, "'"}); }
Result<void> ftruncate(int fd, std::int64_t size) { return done(call(SYS_ftruncate, fd, size), "ftruncate", {}); }
Result<void> lock_file(int fd, std::string_view name) {
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  return done(call(SYS_fcntl, fd, F_SETLK, &whole), "fcntl F_SETLK", {"'", name, "'"});
}
Result<Fd> memfd_create(const char* name, unsigned flags) {
  return opened(call(SYS_memfd_create, name, flags), "memfd_create", {"'", name, "'"});
}
Result<void> add_seals(int fd, unsigned seals) {
  return done(call(SYS_fcntl, fd, F_ADD_SEALS, seals), "fcntl F_ADD_SEALS", {});
}
mode_t umask(mode_t mask) { return static_cast<mode_t>(call(SYS_umask, mask)); }

}  // namespace ccsand::sys
