// Processes.
#include "sys/process.hpp"

#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <ctime>

#include "sys/call.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand::sys {

namespace {
Result<void> done(long result, const char* operation, std::string_view subject = {}) {
  if (result < 0) return failure(result, operation, {subject});
  return {};
}
// What rt_sigaction takes from user space; libc's struct sigaction is another.
struct KernelSigaction {
  void (*handler)(int);
  unsigned long flags;
#if defined(__x86_64__)
  void (*restorer)();
#endif
  std::uint64_t mask;
};
constexpr int kLastStandardSignal = 31;
}  // namespace

pid_t getpid() { return static_cast<pid_t>(call(SYS_getpid)); }
Result<Fd> pidfd_open(pid_t pid) {
  long result = call(SYS_pidfd_open, pid, 0);
  if (result < 0) return failure(result, "pidfd_open", {FixedText<24>().append_number(pid).view()});
  return Fd(static_cast<int>(result));
}
Result<Fd> pidfd_open_thread(pid_t thread) {
  long result = call(SYS_pidfd_open, thread, PIDFD_THREAD);
  if (result < 0) return failure(result, "pidfd_open", {FixedText<24>().append_number(thread).view()});
  return Fd(static_cast<int>(result));
}
Result<void> pidfd_send_signal(int pidfd, int signal) {
  return done(call(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0), "pidfd_send_signal");
}
Result<Fd> pidfd_getfd(int pidfd, int fd) {
  long result = call(SYS_pidfd_getfd, pidfd, fd, 0);
  if (result < 0) return failure(result, "pidfd_getfd", {});
  return Fd(static_cast<int>(result));
}
Result<WaitStatus> waitid(int id_type, int id, int options) {
  siginfo_t info = {};
  WaitStatus status;
  long result = 0;
  do result = call(SYS_waitid, id_type, id, &info, options, &status.usage);
  while (result == -EINTR);
  if (result < 0) return failure(result, "waitid", {});
  status.ended = info.si_pid != 0;
  status.code = info.si_code;
  status.status = info.si_status;
  return status;
}

Result<void> prctl(int option, unsigned long a, unsigned long b, unsigned long c, const char* name) {
  return done(call(SYS_prctl, option, a, b, c, 0), "prctl", name);
}
Result<long> prctl_get(int option, unsigned long a, const char* name) {
  long result = call(SYS_prctl, option, a, 0, 0, 0);
  if (result < 0) return failure(result, "prctl", {name});
  return result;
}
Result<void> prlimit(pid_t pid, int resource, const rlimit64& limit, std::string_view name) {
  return done(call(SYS_prlimit64, pid, resource, &limit, nullptr), "setrlimit", name);
}
Result<rlimit64> getrlimit(int resource, std::string_view name) {
  rlimit64 limit = {};
  long result = call(SYS_prlimit64, 0, resource, nullptr, &limit);
  if (result < 0) return failure(result, "getrlimit", {name});
  return limit;
}
Result<void> setpriority(int which, int who, int nice) { return done(call(SYS_setpriority, which, who, nice), "setpriority"); }
Result<void> sched_setscheduler(pid_t pid, int policy, int priority) {
  sched_param parameter = {};
  parameter.sched_priority = priority;
  return done(call(SYS_sched_setscheduler, pid, policy, &parameter), "sched_setscheduler");
}
Result<void> sched_setaffinity(pid_t pid, const cpu_set_t& cpus) {
  return done(call(SYS_sched_setaffinity, pid, sizeof cpus, &cpus), "sched_setaffinity");
}
Result<cpu_set_t> sched_getaffinity(pid_t pid) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  long result = call(SYS_sched_getaffinity, pid, sizeof cpus, &cpus);
  if (result < 0) return failure(result, "sched_getaffinity", {});
  return cpus;
}
Result<void> ioprio_set(int which, int who, int ioprio) { return done(call(SYS_ioprio_set, which, who, ioprio), "ioprio_set"); }
Result<void> personality(unsigned long persona) { return done(call(SYS_personality, persona), "personality"); }
Result<void> setsid() { return done(call(SYS_setsid), "setsid"); }
Result<void> kill(pid_t pid, int signal) { return done(call(SYS_kill, pid, signal), "kill"); }

void reset_signals() {
  KernelSigaction plain = {};
  for (int signal = 1; signal <= kLastStandardSignal; ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    // Asking whether it is the default already costs as much as setting it.
    (void)call(SYS_rt_sigaction, signal, &plain, nullptr, sizeof plain.mask);
  }
  set_signal_mask(0);
}
std::uint64_t block_all_signals() {
  std::uint64_t all = ~std::uint64_t{0};
  std::uint64_t before = 0;
  (void)call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
  return before;
}
void set_signal_mask(std::uint64_t mask) {
  (void)call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
}

Result<void> execve(const char* path, const char* const* argv, const char* const* envp) {
  return done(call(SYS_execve, path, argv, envp), "execve", path);
}
Result<void> execveat(int dir, const char* path, const char* const* argv, const char* const* envp, int flags) {
  return done(call(SYS_execveat, dir, path, argv, envp, flags), "execveat", path);
}
void yield() { (void)call(SYS_sched_yield); }  // cannot fail
void exit_group(int status) {
  (void)call(SYS_exit_group, status);
  for (;;) __builtin_trap();  // a filter of its own forbids it
}

bool futex_wait(std::uint32_t* word, std::uint32_t expected, std::int64_t nanoseconds) {
  timespec time = {nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
  return call(SYS_futex, word, FUTEX_WAIT, expected, nanoseconds < 0 ? nullptr : &time) != -ETIMEDOUT;
}
void futex_wake(std::uint32_t* word) { (void)call(SYS_futex, word, FUTEX_WAKE, 0x7fffffff); }

}  // namespace ccsand::sys
