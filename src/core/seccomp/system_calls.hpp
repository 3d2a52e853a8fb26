// Numbers and names of system calls, as each architecture has them. libseccomp's
// tables, and one of ours for the calls that are newer than Debian 12's libseccomp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ccsand/result.hpp"

namespace ccsand {

struct Architecture {
  std::string_view name;         // libseccomp's word, lowercase: "x86_64", "aarch64"
  std::uint32_t audit;           // AUDIT_ARCH_*: what a filter sees
  std::uint32_t seccomp_token;   // SCMP_ARCH_*: what libseccomp takes
};

// Those whose system calls take their arguments in the order that signatures.lua gives.
std::span<const Architecture> architectures();
const Architecture& native_architecture();
const Architecture* find_architecture(std::string_view name);  // nullptr where there is none
// The same, "native" being the native one; an error that names the nearest.
Result<const Architecture*> require_architecture(std::string_view name);

// The number by which a program reaches the call itself. nullopt where the
// architecture does not have the call, or only as a part of socketcall(2) or ipc(2).
std::optional<int> system_call_number(const Architecture& architecture, std::string_view name);

// Whether any architecture has the call, also one that is not listed here.
bool is_system_call(std::string_view name);

// The view lasts as long as the process.
std::optional<std::string_view> system_call_name(const Architecture& architecture, int number);

// All of the native architecture, by number.
const std::vector<std::string>& system_call_names();

// The largest number that the tables know: what is above came with a later kernel.
// Arm's private calls (0xf0000 and up) do not count.
int newest_system_call(const Architecture& architecture);

}  // namespace ccsand
