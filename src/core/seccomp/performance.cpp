// The process that performs shares this one's memory and descriptors, and allocates nothing.
#include "core/seccomp/performance.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "core/generation.hpp"
#include "sys/call.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/namespace.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kStackSize = 64 * 1024;

// The first that fails ends the row.
class Row {
 public:
  template <typename... Args>
  Row& then(long number, Args... args) {
    if (result_ >= 0) result_ = sys::call(number, args...);
    return *this;
  }
  [[nodiscard]] long result() const { return result_; }

 private:
  long result_ = 0;
};

long set_capabilities(std::uint64_t set) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  auto low = static_cast<std::uint32_t>(set), high = static_cast<std::uint32_t>(set >> 32);
  __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  return sys::call(SYS_capset, &header, &data[0]);
}
}  // namespace

// Becomes what the caller is, as far as rights and paths go.
long Performance::take_caller_place() {
  const Caller& caller = caller_;
  Row row;
  // Its memory is the supervisor's: no process of the caller's rights may look into it.
  row.then(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0)
      .then(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
      .then(SYS_prctl, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)  // capabilities go where we say
      .then(SYS_setgroups, caller.groups.size(), caller.groups.data())
      .then(SYS_setresgid, caller.gid[0], caller.gid[1], caller.gid[2])
      .then(SYS_setresuid, caller.uid[0], caller.uid[1], caller.uid[2]);
  if (row.result() < 0) return row.result();
  (void)sys::call(SYS_setfsgid, caller.fsgid);  // they answer the old ones, not errors
  (void)sys::call(SYS_setfsuid, caller.fsuid);
  (void)sys::call(SYS_umask, caller.umask);
  bool enters_user = caller.user_namespace.open() && !deed_.privileged;
  if (enters_user) row.then(SYS_setns, caller.user_namespace.get(), CLONE_NEWUSER);
  if (caller.mount_namespace.open()) row.then(SYS_setns, caller.mount_namespace.get(), CLONE_NEWNS);
  static const char here[] = ".";
  row.then(SYS_fchdir, caller.root.get()).then(SYS_chroot, &here[0]);
  row.then(SYS_fchdir, deed_.start.open() ? deed_.start.get() : caller.directory.get());
  if (row.result() < 0 || deed_.privileged) return row.result();
  row.then(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (deed_.ruleset >= 0) row.then(SYS_landlock_restrict_self, deed_.ruleset, 0);
  return row.result() < 0 ? row.result() : set_capabilities(caller.capabilities);
}

long Performance::perform() {
  switch (deed_.kind) {
    case Deed::open: {
      open_how how = {};
      how.flags = deed_.flags | O_CLOEXEC;  // the caller's copy has its own flag
      how.mode = deed_.mode;
      // Through /proc/self/fd this process's own descriptors would be reached.
      how.resolve = deed_.resolve | RESOLVE_NO_MAGICLINKS;
      return sys::call(SYS_openat2, AT_FDCWD, deed_.path.c_str(), &how, sizeof how);
    }
    case Deed::connect: return sys::call(SYS_connect, deed_.object.get(), deed_.address.data(), deed_.address.size());
    case Deed::bind: return sys::call(SYS_bind, deed_.object.get(), deed_.address.data(), deed_.address.size());
    case Deed::make_node: return sys::call(SYS_mknodat, AT_FDCWD, deed_.path.c_str(), deed_.mode, deed_.device);
    case Deed::mount:
      return sys::call(SYS_mount, deed_.source.c_str(), deed_.path.c_str(), deed_.type.c_str(), deed_.flags, deed_.data.c_str());
  }
  return -ENOSYS;
}

void Performance::entry(void* self) {
  auto* one = static_cast<Performance*>(self);
  long result = one->take_caller_place();
  if (result >= 0) result = one->perform();
  __atomic_store_n(&one->result_, result, __ATOMIC_RELEASE);
  sys::exit_group(0);
}

Result<std::unique_ptr<Performance>> Performance::start(Caller caller, Deed deed, Done done) {
  std::unique_ptr<Performance> one(new Performance);
  one->caller_ = std::move(caller);
  one->deed_ = std::move(deed);
  one->done_ = std::move(done);
  one->result_ = -EPERM;  // of a process that was killed
  void* stack = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED) return make_error(ENOMEM, "mmap", "a stack", "out of memory");
  one->stack_ = stack;
  sys::CloneRequest request;
  request.flags = CLONE_FILES;
  std::uint64_t mask = sys::block_all_signals();  // for its life: none of them is for it
  auto child = sys::clone_shared(request, stack, kStackSize, entry, one.get());
  sys::set_signal_mask(mask);
  if (!child) return child.error();
  one->pidfd_ = std::move(child->pidfd);
  one->owner_ = process_generation();
  return one;
}

Performance::~Performance() {
  if (pidfd_.open() && owner_ == process_generation()) {
    (void)sys::pidfd_send_signal(pidfd_.get(), SIGKILL);  // it may have ended
    (void)sys::waitid(P_PIDFD, pidfd_.get(), WEXITED);
    // What it opened in the meantime is in this process's table.
    if (long result = __atomic_load_n(&result_, __ATOMIC_ACQUIRE); deed_.kind == Deed::open && result >= 0) Fd(static_cast<int>(result)).close();
  }
  if (stack_ != nullptr) (void)munmap(stack_, kStackSize);  // ours
}

bool Performance::attend() {
  auto status = sys::waitid(P_PIDFD, pidfd_.get(), WEXITED | WNOHANG);
  if (status && !status->ended) return false;
  pidfd_.close();
  long result = __atomic_load_n(&result_, __ATOMIC_ACQUIRE);
  Done done = std::move(done_);
  done(result);
  return true;
}

}  // namespace ccsand
