// Text of containers for terminals and reports.
#pragma once

#include <string>
#include <string_view>

namespace ccsand {

// The text as UTF-8 without control characters but newline and tab; any other byte as \x1b. Neither escape
// sequences, those of eight bits included, nor other ends of lines, changes of direction, or what XML 1.0 and
// JSON refuse are left.
std::string printable(std::string_view text);

}  // namespace ccsand
