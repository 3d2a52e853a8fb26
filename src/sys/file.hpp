// Files and directories: one function for each system call. No policy.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::sys {

// openat2(2), Linux 5.6. `flags` always get O_CLOEXEC. `resolve` is RESOLVE_*.
Result<Fd> openat2(int dir, const char* path, int flags, unsigned mode = 0, std::uint64_t resolve = 0);
Result<Fd> open(const char* path, int flags, unsigned mode = 0);
Result<std::size_t> read(int fd, void* data, std::size_t size, std::string_view name);
Result<std::size_t> write(int fd, const void* data, std::size_t size, std::string_view name);
Result<void> write_all(int fd, std::string_view text, std::string_view name);
Result<std::size_t> pwrite(int fd, const void* data, std::size_t size, std::int64_t offset, std::string_view name);

struct Pipe {
  Fd read;
  Fd write;
};
Result<Pipe> pipe2(int flags);
Result<void> dup3(int from, int to, int flags);
Result<Fd> dup_cloexec(int from);  // fcntl(F_DUPFD_CLOEXEC), never below 3
bool keep_at_exec(int fd);  // fcntl(F_SETFD, 0)
Result<int> descriptor_flags(int fd);      // fcntl(F_GETFD)
Result<void> close_range(unsigned first, unsigned last, unsigned flags);

Result<void> mkdirat(int dir, const char* path, unsigned mode);
Result<void> mknodat(int dir, const char* path, unsigned mode, std::uint64_t device);
Result<void> symlinkat(const char* target, int dir, const char* path);
Result<void> unlinkat(int dir, const char* path, int flags);
Result<void> renameat2(int old_dir, const char* old_path, int new_dir, const char* new_path, unsigned flags);
Result<void> fchownat(int dir, const char* path, uid_t uid, gid_t gid, int flags);
Result<void> fchmodat(int dir, const char* path, unsigned mode);
Result<struct stat> fstatat(int dir, const char* path, int flags);
Result<std::size_t> readlinkat(int dir, const char* path, char* text, std::size_t size);
Result<void> chdir(const char* path);
Result<void> fchdir(int dir, std::string_view name);
Result<void> chroot(const char* path);
Result<void> ftruncate(int fd, std::int64_t size);
// fcntl(F_SETLK) of the whole file for writing: the lock is this process's alone, and its
// forks do not hold it. Closing any descriptor of the file ends it.
Result<void> lock_file(int fd, std::string_view name);
Result<Fd> memfd_create(const char* name, unsigned flags);
Result<void> add_seals(int fd, unsigned seals);  // fcntl(F_ADD_SEALS)
mode_t umask(mode_t mask);

}  // namespace ccsand::sys
