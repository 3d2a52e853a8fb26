// Helpers of the functions that describe operations.
#pragma once

#include <string>
#include <string_view>

#include "core/context.hpp"

namespace ccsand {

inline std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }
inline std::string slot_name(Slot slot) { return slot == kNoSlot ? std::string("-") : "@" + std::to_string(slot); }
inline std::string number(long long value) { return std::to_string(value); }
// " word" where there is one.
inline std::string also(std::string_view word) { return word.empty() ? std::string() : " " + std::string(word); }

}  // namespace ccsand
