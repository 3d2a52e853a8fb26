// Which process this is, told apart from those it was forked from.
#pragma once

#include <cstdint>

namespace ccsand {
// A number that changes in every forked child. A pid would not do: a parent and its
// child can both be pid 1. What a process owns is its own to end, and not its copies'.
std::uint64_t process_generation();
}  // namespace ccsand
