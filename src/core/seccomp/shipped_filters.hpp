// The profiles that ship, compiled when ccsand was built: no start waits for them, and
// there is no file that somebody could have changed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ccsand {

struct ShippedFilter {
  std::string_view profile;
  // It is the profile's filter for sets of capabilities that are `capabilities` among `relevant`:
  // all others make no difference to it.
  std::uint64_t relevant, capabilities;
  std::string_view program;  // as seccomp(2) takes it, for the native architecture
};

// What src/tools/shipped_filters.lua made. Of the program that is linked, not of the library: the
// one that makes the filters has none yet.
std::span<const ShippedFilter> shipped_filters();

}  // namespace ccsand
