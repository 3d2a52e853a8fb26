// Conditions on a system call's arguments, as people write them:
//
//   domain == AF_UNIX or (domain == AF_INET and type & SOCK_STREAM != 0)
//   flags & (CLONE_NEWNS | CLONE_NEWUSER) == 0
//   option in { PR_SET_NAME, PR_GET_NAME }
//
// Parameters by the names of the man page, constants by the kernel's names. `&` binds
// closer than a comparison, unlike in C; `and`, `or`, `not` are also &&, ||, !.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/seccomp/filter.hpp"

namespace ccsand {

// One parameter of a system call: "int domain:AF_" is {"int", "domain", "AF_"}.
struct Parameter {
  std::string_view type, name, constants;

  [[nodiscard]] bool wide() const;         // 64 bits, of a 64-bit architecture
  [[nodiscard]] bool has_sign() const;
  [[nodiscard]] bool is_address() const;   // of something that a filter cannot look at
};

// The parameters of a signature, "int domain:AF_, int type:SOCK_"; they point into it.
std::vector<Parameter> parse_signature(std::string_view signature);

// The condition in disjunctive form; the error points at the place in the text. With
// `narrow`, all arguments are 32 bits: those of a 32-bit architecture.
Result<std::vector<Conjunction>> parse_condition(std::string_view text, const std::vector<Parameter>& parameters, bool narrow);

// A constant, or an expression of constants: "CLONE_NEWNS | CLONE_NEWPID", "~0", "0755".
Result<std::uint64_t> parse_constant(std::string_view text);

}  // namespace ccsand
