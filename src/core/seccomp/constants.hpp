// The kernel's constants by name, as far as they stand in arguments of system calls:
// what a condition on an argument may say. Values are those of this architecture.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ccsand {

struct KernelConstant {
  std::string_view name;
  std::uint64_t value;  // negative ones with their sign extended: AT_FDCWD, KEY_SPEC_*
};

std::optional<std::uint64_t> kernel_constant(std::string_view name);

// All of them, by name. Puts the list together when first called: for messages.
std::span<const KernelConstant> kernel_constants();

}  // namespace ccsand
