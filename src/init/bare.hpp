// What programs without a libc make their calls with: those of ccsand that run beside
// hostile code.
#pragma once

#include <sys/syscall.h>

namespace bare {

using Word = long;

#if defined(__x86_64__)
inline Word call(Word number, Word a = 0, Word b = 0, Word c = 0, Word d = 0, Word e = 0) {
  Word result = 0;
  register Word r10 __asm__("r10") = d;
  register Word r8 __asm__("r8") = e;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline Word call(Word number, Word a = 0, Word b = 0, Word c = 0, Word d = 0, Word e = 0) {
  register Word x8 __asm__("x8") = number;
  register Word x0 __asm__("x0") = a;
  register Word x1 __asm__("x1") = b;
  register Word x2 __asm__("x2") = c;
  register Word x3 __asm__("x3") = d;
  register Word x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
#endif

template <typename T>
Word address(T* pointer) { return reinterpret_cast<Word>(pointer); }

[[noreturn]] inline void leave(int status) {
  for (;;) call(SYS_exit_group, status);
}

inline Word length(const char* text) {
  Word size = 0;
  while (text[size] != '\0') ++size;
  return size;
}

}  // namespace bare
