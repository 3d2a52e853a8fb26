// Processes: their attributes, limits, signals, execution and end. No policy.
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::sys {

pid_t getpid();
Result<Fd> pidfd_open(pid_t pid);                           // Linux 5.3
Result<Fd> pidfd_open_thread(pid_t thread);                 // PIDFD_THREAD, Linux 6.9
Result<void> pidfd_send_signal(int pidfd, int signal);      // Linux 5.1
Result<Fd> pidfd_getfd(int pidfd, int fd);                  // Linux 5.6
struct WaitStatus {
  bool ended = false;  // false: nothing to report yet (WNOHANG)
  int code = 0;        // CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_STOPPED, CLD_CONTINUED
  int status = 0;      // exit status or signal number
  rusage usage = {};
};
Result<WaitStatus> waitid(int id_type, int id, int options);  // with the kernel's fifth argument

Result<void> prctl(int option, unsigned long a, unsigned long b, unsigned long c, const char* name);
Result<long> prctl_get(int option, unsigned long a, const char* name);
Result<void> prlimit(pid_t pid, int resource, const rlimit64& limit, std::string_view name);
Result<rlimit64> getrlimit(int resource, std::string_view name);
Result<void> setpriority(int which, int who, int nice);
Result<void> sched_setscheduler(pid_t pid, int policy, int priority);
Result<void> sched_setaffinity(pid_t pid, const cpu_set_t& cpus);
Result<cpu_set_t> sched_getaffinity(pid_t pid);
Result<void> ioprio_set(int which, int who, int ioprio);
Result<void> personality(unsigned long persona);
Result<void> setsid();
void yield();  // sched_yield(2)
Result<void> kill(pid_t pid, int signal);

// The standard signals back to their default action, and none blocked: what exec'd
// programs expect. (Handlers end at exec anyway; what stays is what was ignored.)
void reset_signals();
std::uint64_t block_all_signals();           // the mask before
void set_signal_mask(std::uint64_t mask);

Result<void> execve(const char* path, const char* const* argv, const char* const* envp);
Result<void> execveat(int dir, const char* path, const char* const* argv, const char* const* envp, int flags);
[[noreturn]] void exit_group(int status);

// Futexes on memory that processes share. Waits until *word != expected, a wake-up,
// or the time; true where it was not the time that ended it.
bool futex_wait(std::uint32_t* word, std::uint32_t expected, std::int64_t nanoseconds);
void futex_wake(std::uint32_t* word);

}  // namespace ccsand::sys
