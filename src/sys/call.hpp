// The one door to the kernel. System calls are made without libc, because a
// child that shares its parent's memory shares the parent's errno, too.
#pragma once

#include <sys/syscall.h>

#include <initializer_list>
#include <string_view>
#include <type_traits>

#include "ccsand/error.hpp"

namespace ccsand::sys {

#ifdef CCSAND_FAULTS
// Test builds only: answers an errno where the test asked this call to fail, else 0.
int fault_due(long number);
#endif

// The call itself: its result, or -errno.
long call6(long number, long a, long b, long c, long d, long e, long f);

template <typename T>
long word(T value) {
  if constexpr (std::is_pointer_v<T> || std::is_null_pointer_v<T>) {
    return reinterpret_cast<long>(static_cast<const void*>(value));  // NOLINT
  } else {
    return static_cast<long>(value);
  }
}

template <typename... Args>
long call(long number, Args... args) {
  static_assert(sizeof...(Args) <= 6);
#ifdef CCSAND_FAULTS
  if (int code = fault_due(number); code != 0) return -code;
#endif
  const long words[6] = {word(args)...};
  return call6(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

// The Error of a call that answered `result` < 0; the subject is the parts joined.
[[gnu::cold]] Error failure(long result, const char* operation, std::initializer_list<std::string_view> subject);

}  // namespace ccsand::sys
