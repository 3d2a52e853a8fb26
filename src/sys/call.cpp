// System calls by hand for the processors that ccsand runs on.
#include "sys/call.hpp"

#include <cerrno>

#include "ccsand/fd.hpp"

#ifdef CCSAND_FAULTS
#include <cstdlib>
#include <unistd.h>
#endif

namespace ccsand::sys {

#if defined(__x86_64__)
long call6(long number, long a, long b, long c, long d, long e, long f) {
  long result = 0;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
long call6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "ccsand knows the system call instruction of x86-64 and AArch64 only"
#endif

Error failure(long result, const char* operation, std::initializer_list<std::string_view> subject) {
  Error error;
  error.code = static_cast<int>(-result);
  error.operation = operation;
  for (std::string_view part : subject) error.subject.append(part);
  return error;
}

#ifdef CCSAND_FAULTS
namespace {
// CCSAND_FAULT="N[:ERRNO]" makes the Nth call (from 1) of this process and of the
// children it clones fail. The children count on from where their parent was.
struct FaultPlan {
  long at = 0;
  int code = EIO;
  bool armed = false;
};
FaultPlan read_fault_plan() {
  FaultPlan plan;
  if (const char* text = std::getenv("CCSAND_FAULT")) {
    char* rest = nullptr;
    plan.at = std::strtol(text, &rest, 10);
    if (*rest == ':') plan.code = static_cast<int>(std::strtol(rest + 1, nullptr, 10));
    plan.armed = plan.at > 0;
  }
  return plan;
}
FaultPlan fault_plan = read_fault_plan();
long fault_count = 0;
}  // namespace

int fault_due(long number) {
  // A close that fails has closed, a wait that fails would wait again for ever,
  // and exits and wake-ups cannot fail: none of them is a fault the kernel could produce.
  if (number == SYS_close || number == SYS_waitid || number == SYS_exit_group || number == SYS_futex || number == SYS_sched_yield) return 0;
  if (!fault_plan.armed || ++fault_count != fault_plan.at) return 0;
  return fault_plan.code;
}
#endif

}  // namespace ccsand::sys

namespace ccsand {
void Fd::close() {
  // An error of close(2) leaves the descriptor closed on Linux: nothing to be done.
  if (number_ >= 0) (void)sys::call(SYS_close, std::exchange(number_, -1));
}
}  // namespace ccsand
