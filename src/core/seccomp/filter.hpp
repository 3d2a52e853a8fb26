// Filters for system calls: the model, its compilation to BPF, and what a compiled
// filter answers. seccomp(2)
//
// The emitter searches ranges of call numbers, in which neighbours with the same answer
// are one, instead of testing call after call: a tenth of the load time and of the
// instructions of a linear filter. A test holds it against libseccomp's compiler.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <span>
#include <vector>

#include "ccsand/result.hpp"

namespace ccsand {

// (argument & mask) OP value, on the low 32 bits of the argument or on all 64.
struct Comparison {
  enum Operator : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal };
  unsigned index = 0;  // 0 to 5
  bool wide = false;
  bool has_sign = false;
  Operator op = equal;
  std::uint64_t mask = ~std::uint64_t{0};
  std::uint64_t value = 0;

  bool operator==(const Comparison&) const = default;
};
using Conjunction = std::vector<Comparison>;

// Answers `action` (SECCOMP_RET_*) where any conjunction holds whole.
struct FilterStatement {
  std::uint32_t action = SECCOMP_RET_KILL_PROCESS;
  std::vector<Conjunction> any_of = {{}};  // as it stands: always

  [[nodiscard]] bool always() const;
  bool operator==(const FilterStatement&) const = default;
};

// What a call is answered: by its first statement that holds. The last one always does.
struct FilterCall {
  int number = 0;
  std::vector<FilterStatement> statements;
};

struct FilterArchitecture {
  std::uint32_t audit = 0;         // AUDIT_ARCH_*
  int newest = 0;                  // calls above this number are unknown
  std::vector<FilterCall> calls;   // by number, each once
};

struct Filter {
  std::vector<FilterArchitecture> architectures;
  std::uint32_t unnamed = SECCOMP_RET_KILL_PROCESS;  // calls that are known, but not listed
  std::uint32_t unknown = SECCOMP_RET_KILL_PROCESS;  // newer ones
  std::uint32_t foreign = SECCOMP_RET_KILL_PROCESS;  // any call of another architecture
};

// The program. The x32 calls of x86-64 (bit 30 of the number) answer ENOSYS whatever the
// filter says: they would be a second way to every call. An error where the program would
// exceed the kernel's 4096 instructions.
Result<std::vector<sock_filter>> emit(const Filter& filter);

// What the kernel would answer: SECCOMP_RET_* with its data. For programs that the
// kernel's own check accepts; anything else is an error.
Result<std::uint32_t> simulate(std::span<const sock_filter> program, const seccomp_data& call);

// What is known of a call, whose other arguments may be any.
struct PartOfCall {
  std::uint32_t architecture = 0;  // AUDIT_ARCH_*
  int number = 0;
};
// Whether the program may answer such a call with anything but an error, SIGSYS or a kill. False is proved, true may be more
// than can be.
bool may_pass(std::span<const sock_filter> program, const PartOfCall& call);

}  // namespace ccsand
