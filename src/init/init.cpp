// ccsand-init: pid 1 of a container that asks for one. It starts the command,
// reaps every orphan, passes signals on, and ends as the command did. It has no
// libc and is a few KiB: it runs beside hostile code and is all of ccsand there.
//
//   ccsand-init COMMAND [ARGUMENT...]
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/wait.h>
#include <sys/syscall.h>

#include "bare.hpp"

namespace {

using namespace bare;
constexpr Word kNoEntry = -2, kNotDirectory = -20, kNotPermitted = -13, kInterrupted = -4;

bool has_slash(const char* text) {
  for (; *text != '\0'; ++text)
    if (*text == '/') return true;
  return false;
}
const char* path_of(char** env) {
  for (; *env != nullptr; ++env)
    if ((*env)[0] == 'P' && (*env)[1] == 'A' && (*env)[2] == 'T' && (*env)[3] == 'H' && (*env)[4] == '=') return *env + 5;
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

// Tries the command in each directory of PATH, as a shell does. Returns the errno.
Word exec_command(char** argv, char** env) {
  if (has_slash(argv[0])) return call(SYS_execve, address(argv[0]), address(argv), address(env));
  char path[4352];
  Word name = length(argv[0]), worst = kNoEntry;
  for (const char* rest = path_of(env);;) {
    Word size = 0;
    while (rest[size] != '\0' && rest[size] != ':') ++size;
    if (size + name + 2 <= static_cast<Word>(sizeof path)) {
      Word at = 0;
      for (; at < size; ++at) path[at] = rest[at];
      if (size == 0) path[at++] = '.';
      path[at++] = '/';
      for (Word i = 0; i <= name; ++i) path[at++] = argv[0][i];
      Word code = call(SYS_execve, address(&path[0]), address(argv), address(env));
      if (code != kNoEntry && code != kNotDirectory) worst = code;
      if (worst != kNoEntry && worst != kNotPermitted) return worst;
    }
    if (rest[size] == '\0') return worst;
    rest += size + 1;
  }
}

void complain(const char* name, Word code) {
  const char* why = code == kNoEntry || code == kNotDirectory ? ": command not found in the container\n"
                    : code == kNotPermitted                   ? ": not executable for this user\n"
                                                              : ": cannot be executed\n";
  call(SYS_write, 2, address("ccsand-init: "), 13);
  call(SYS_write, 2, address(name), length(name));
  call(SYS_write, 2, address(why), length(why));
}

constexpr unsigned long bit(int signal) { return 1UL << (signal - 1); }
// Those that a fault of our own would raise, and those that cannot be waited for, stay.
constexpr unsigned long kForwarded = ~(bit(SIGSEGV) | bit(SIGBUS) | bit(SIGILL) | bit(SIGFPE) | bit(SIGTRAP) |
                                       bit(SIGSYS) | bit(SIGKILL) | bit(SIGSTOP) | bit(SIGTTIN) | bit(SIGTTOU));

Word start(char** argv, char** env) {
  clone_args args = {};
  args.exit_signal = SIGCHLD;
  Word child = call(SYS_clone3, address(&args), sizeof args);
  if (child == -38)  // ENOSYS: filters answer so to make libc fall back to clone
    child = call(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child != 0) return child;
  unsigned long none = 0;
  call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, address(&none), 0, sizeof none);
  call(SYS_setpgid, 0, 0);  // a group of its own; on a terminal the one in front
  int group = static_cast<int>(call(SYS_getpid));
  unsigned long stop = bit(SIGTTOU);
  call(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, address(&stop), 0, sizeof stop);
  call(SYS_ioctl, 0, 0x5410 /* TIOCSPGRP */, address(&group));
  call(SYS_rt_sigprocmask, 2, address(&none), 0, sizeof none);
  Word code = exec_command(argv, env);
  complain(argv[0], code);
  leave(code == kNoEntry || code == kNotDirectory ? 127 : 126);
}

// Reaps all there is; leaves with the command's status when that has ended.
void reap(Word command) {
  for (;;) {
    int status = 0;
    Word pid = call(SYS_wait4, -1, address(&status), WNOHANG, 0);
    if (pid == kInterrupted) continue;
    if (pid <= 0) return;
    if (pid != command) continue;
    int signal = status & 0x7f;
    leave(signal == 0 ? status >> 8 & 0xff : 128 + signal);
  }
}

[[noreturn]] void run(char** argv, char** env) {
  unsigned long waited = kForwarded;
  call(SYS_rt_sigprocmask, 2, address(&waited), 0, sizeof waited);
  call(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 0, 0, 0);
  call(SYS_prctl, 15 /* PR_SET_NAME */, address("ccsand-init"), 0, 0);
  Word command = start(argv, env);
  if (command < 0) leave(125);
  for (;;) {
    siginfo_t info;
    Word signal = call(SYS_rt_sigtimedwait, address(&waited), address(&info), 0, sizeof waited);
    if (signal <= 0) continue;
    if (signal == SIGCHLD) reap(command);
    else call(SYS_kill, command, signal);
  }
}

}  // namespace

extern "C" [[noreturn]] void ccsand_init_main(Word* stack);
extern "C" void ccsand_init_main(Word* stack) {
  Word count = stack[0];
  char** argv = reinterpret_cast<char**>(stack + 1);
  if (count < 2) leave(125);
  run(argv + 1, argv + count + 1);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall ccsand_init_main\n\thlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x0, sp\n\tbl ccsand_init_main\n\tbrk 1\n");
#endif
