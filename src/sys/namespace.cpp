// Namespaces.
#include "sys/namespace.hpp"

#include <fcntl.h>

#include <csignal>

#include "sys/call.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand::sys {

namespace {
std::string_view namespace_word(std::uint64_t flags) {
  switch (flags) {
    case CLONE_NEWNS: return "mount";
    case CLONE_NEWPID: return "pid";
    case CLONE_NEWNET: return "net";
    case CLONE_NEWUTS: return "uts";
    case CLONE_NEWIPC: return "ipc";
    case CLONE_NEWUSER: return "user";
    case CLONE_NEWCGROUP: return "cgroup";
    case CLONE_NEWTIME: return "time";
    default: return "several";
  }
}

clone_args wire_form(const CloneRequest& request, int* pidfd) {
  clone_args args = {};
  __u64 flags = request.flags;
  flags |= CLONE_CLEAR_SIGHAND;  // no handler of ours runs in a child (Linux 5.5)
  if (request.suspend_parent) flags |= CLONE_VFORK;
  if (request.as_sibling) {
    flags |= CLONE_PARENT;  // its exit signal is the caller's own
  } else {
    flags |= CLONE_PIDFD;
    args.pidfd = reinterpret_cast<__u64>(pidfd);
    args.exit_signal = SIGCHLD;
  }
  if (request.cgroup >= 0) {
    flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<__u64>(request.cgroup);
  }
  if (request.clear_tid != nullptr) {
    flags |= CLONE_CHILD_CLEARTID;
    args.child_tid = reinterpret_cast<__u64>(request.clear_tid);
  }
  if (request.told_pid != nullptr) {
    flags |= CLONE_PARENT_SETTID;
    args.parent_tid = reinterpret_cast<__u64>(request.told_pid);
  }
  args.flags = flags;
  return args;
}

// clone3 for a child on a stack of its own: libc's syscall() would return on the
// parent's stack.
long clone3_onto_stack(clone_args* args, void (*entry)(void*), void* argument) {
#ifdef CCSAND_FAULTS
  if (int code = fault_due(SYS_clone3); code != 0) return -code;
#endif
  long result = 0;
#if defined(__x86_64__)
  register void (*function)(void*) __asm__("r12") = entry;
  register void* data __asm__("r13") = argument;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r13, %%rdi\n\t"
      "call *%%r12\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone3), "D"(args), "S"(sizeof *args), "r"(function), "r"(data)
      : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = SYS_clone3;
  register long x0 __asm__("x0") = reinterpret_cast<long>(args);
  register long x1 __asm__("x1") = sizeof *args;
  register void (*function)(void*) __asm__("x20") = entry;
  register void* data __asm__("x21") = argument;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, x21\n\t"
      "blr x20\n\t"
      "brk 1\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(function), "r"(data)
      : "memory");
  result = x0;
#endif
  return result;
}
}  // namespace

Result<void> unshare(std::uint64_t flags) {
  long result = call(SYS_unshare, flags);
  if (result < 0) return failure(result, "unshare", {namespace_word(flags)});
  return {};
}
Result<void> setns(int fd, std::uint64_t flags, std::string_view name) {
  long result = call(SYS_setns, fd, flags);
  if (result < 0) return failure(result, "setns", {name});
  return {};
}
Result<Fd> mount_namespace_of(pid_t pid, int pidfd) {
  // Looking a process up in /proc takes ten times as long, and leaves entries that are removed at its end.
  constexpr unsigned long kGetMountNamespace = 0xff03;  // PIDFD_GET_MNT_NAMESPACE
  long result = call(SYS_ioctl, pidfd, kGetMountNamespace, 0);
  if (result >= 0) return Fd(static_cast<int>(result));
  FixedText<64> path("/proc/");
  path.append_number(pid).append("/ns/mnt");
  return open(path.c_str(), O_RDONLY);
}
Result<void> sethostname(std::string_view name) {
  long result = call(SYS_sethostname, name.data(), name.size());
  if (result < 0) return failure(result, "sethostname", {"'", name, "'"});
  return {};
}
Result<void> setdomainname(std::string_view name) {
  long result = call(SYS_setdomainname, name.data(), name.size());
  if (result < 0) return failure(result, "setdomainname", {"'", name, "'"});
  return {};
}

Result<Child> clone_copy(const CloneRequest& request) {
  int pidfd = -1;
  clone_args args = wire_form(request, &pidfd);
  long result = call(SYS_clone3, &args, sizeof args);
  if (result < 0) return failure(result, "clone3", {});
  return Child{static_cast<pid_t>(result), Fd(result == 0 ? -1 : pidfd)};
}
Result<Child> clone_shared(const CloneRequest& request, void* stack, std::size_t stack_size,
                           void (*entry)(void*), void* argument) {
  int pidfd = -1;
  clone_args args = wire_form(request, &pidfd);
  args.flags |= CLONE_VM;
  args.stack = reinterpret_cast<std::uint64_t>(stack);
  args.stack_size = stack_size;
  long result = clone3_onto_stack(&args, entry, argument);
  if (result < 0) return failure(result, "clone3", {});
  return Child{static_cast<pid_t>(result), Fd(pidfd)};
}

}  // namespace ccsand::sys
