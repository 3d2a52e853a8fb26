// Namespaces and the names that live in them. No policy.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::sys {

Result<void> unshare(std::uint64_t flags);
// setns(2). `fd` is a namespace, or with several flags a pidfd (Linux 5.8).
Result<void> setns(int fd, std::uint64_t flags, std::string_view name);
// A descriptor of the mount namespace of a process: by its pidfd (Linux 6.11), else by /proc.
Result<Fd> mount_namespace_of(pid_t pid, int pidfd);
Result<void> sethostname(std::string_view name);
Result<void> setdomainname(std::string_view name);

// clone3(2), Linux 5.3.
struct CloneRequest {
  std::uint64_t flags = 0;      // CLONE_NEW*, CLONE_INTO_CGROUP (5.7)
  int cgroup = -1;              // with CLONE_INTO_CGROUP
  void* clear_tid = nullptr;    // CLONE_CHILD_CLEARTID, where not null
  pid_t* told_pid = nullptr;    // CLONE_PARENT_SETTID, where not null: the child's pid, before it runs
  bool suspend_parent = false;  // CLONE_VFORK
  bool as_sibling = false;      // CLONE_PARENT: a child of the caller's parent, to whom its pidfd is left, too
};
struct Child {
  pid_t pid = 0;  // 0 in the child
  Fd pidfd;
};
// A child with a copy of the caller's memory; returns twice, as fork(2).
Result<Child> clone_copy(const CloneRequest& request);
// A child that shares the caller's memory and runs entry(argument) on `stack`. It
// must neither allocate nor return.
Result<Child> clone_shared(const CloneRequest& request, void* stack, std::size_t stack_size,
                           void (*entry)(void*), void* argument);

}  // namespace ccsand::sys
