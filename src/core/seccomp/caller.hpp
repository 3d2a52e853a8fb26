// The process whose call waits for an answer: who it is, where it stands, what is in its
// memory. Everything here was read while it waited; the kernel's word that it still waits
// (sys::notification_is_valid) makes it good.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand {

struct Caller {
  pid_t thread = 0;               // in ccsand's pid namespace
  pid_t process = 0;
  pid_t inner_process = 0;        // in its own pid namespace
  uid_t uid[3] = {}, fsuid = 0;   // real, effective, saved: as ccsand's user namespace has them
  gid_t gid[3] = {}, fsgid = 0;
  std::vector<gid_t> groups;
  std::uint64_t capabilities = 0; // effective, in its own user namespace
  unsigned umask = 022;
  Fd root, directory;             // its root and its current directory
  Fd user_namespace;              // open where it is another than ccsand's
  std::vector<Fd> namespaces;     // mount, net, ipc, uts and cgroup, where they are others
};

// Reads /proc of a thread.
Result<Caller> examine_caller(pid_t thread);

// Its descriptor `number`, for what is done on the object itself (pidfd_getfd(2)).
Result<Fd> descriptor_of(const Caller& caller, int number);
// The directory that its descriptor is, without the rights that it was opened with.
Result<Fd> directory_of(const Caller& caller, int number);

// A string of at most `limit` bytes, ENAMETOOLONG where it is longer; EFAULT where there is none.
Result<std::string> read_string(pid_t thread, std::uint64_t address, std::size_t limit);
// Exactly `size` bytes.
Result<std::string> read_bytes(pid_t thread, std::uint64_t address, std::size_t size);

}  // namespace ccsand
