// seccomp and its notifications.
#include "sys/seccomp.hpp"

#include <sys/ioctl.h>
#include <sys/uio.h>

#include <cerrno>

#include "sys/call.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand::sys {

Result<int> load_filter(const sock_filter* program, std::size_t length, unsigned long flags) {
  sock_fprog wire = {static_cast<unsigned short>(length), const_cast<sock_filter*>(program)};
  long result = call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &wire);
  if (result == -EINVAL && (flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) != 0)  // before Linux 5.19
    result = call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags & ~SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &wire);
  if (result < 0) return failure(result, "seccomp", {"SECCOMP_SET_MODE_FILTER"});
  return static_cast<int>(result);
}

void take_turns(int listener) { (void)call(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP); }
Result<seccomp_notif> receive_notification(int listener) {
  seccomp_notif notification = {};
  long result = call(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_RECV, &notification);
  if (result == -ENOENT || result == -EINTR) result = -EAGAIN;
  if (result < 0) return failure(result, "ioctl", {"SECCOMP_IOCTL_NOTIF_RECV"});
  return notification;
}
bool notification_is_valid(int listener, std::uint64_t id) {
  return call(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}
Result<void> answer_notification(int listener, const seccomp_notif_resp& answer) {
  long result = call(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  if (result < 0 && result != -ENOENT) return failure(result, "ioctl", {"SECCOMP_IOCTL_NOTIF_SEND"});
  return {};
}
Result<void> answer_with_descriptor(int listener, std::uint64_t id, int fd, bool close_on_exec) {
  seccomp_notif_addfd request = {};
  request.id = id;
  request.flags = SECCOMP_ADDFD_FLAG_SEND;
  request.srcfd = static_cast<__u32>(fd);
  request.newfd_flags = close_on_exec ? O_CLOEXEC : 0;
  long result = call(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_ADDFD, &request);
  if (result < 0 && result != -ENOENT) return failure(result, "ioctl", {"SECCOMP_IOCTL_NOTIF_ADDFD"});
  return {};
}

Result<std::size_t> read_memory(pid_t pid, std::uint64_t address, std::span<char> to) {
  iovec here = {to.data(), to.size()};
  iovec there = {reinterpret_cast<void*>(address), to.size()};  // NOLINT: another process's address
  long result = call(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0);
  if (result < 0) return failure(result, "process_vm_readv", {});
  return static_cast<std::size_t>(result);
}

}  // namespace ccsand::sys
