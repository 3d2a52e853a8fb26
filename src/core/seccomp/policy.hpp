// A policy as its author sees it, call names and conditions in text, and the way from
// there to a filter.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/seccomp/filter.hpp"

namespace ccsand {

// Answers these calls with `action` where `when` holds. What stands later wins.
struct PolicyStatement {
  std::uint32_t action = 0;        // SECCOMP_RET_*
  std::vector<std::string> calls;  // the kernel's names
  std::string when;                // a condition on the arguments, "" for always: see expression.hpp
};

struct Policy {
  std::vector<std::string> architectures;  // "x86_64", "x86", ...; "native" is this machine's
  std::uint32_t unnamed = 0;               // the answer to known calls that no statement names
  std::uint32_t unknown = 0;               // ... to calls newer than ccsand
  std::uint32_t foreign = 0;               // ... to all calls of other architectures
  std::vector<PolicyStatement> statements;
  std::map<std::string, std::string, std::less<>> signatures;  // of the calls with conditions
};

// An error names the call or the place in the condition. A call that only other
// architectures have is none; one that nobody has is.
Result<Filter> build_filter(const Policy& policy);

}  // namespace ccsand
