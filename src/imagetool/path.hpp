// The rules for names in an archive. Text only: nothing here touches the file system.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ccsand/result.hpp"

namespace ccsand::imagetool {

inline constexpr std::size_t kMaxPath = 4095;  // PATH_MAX counts the closing NUL
inline constexpr std::size_t kMaxComponent = 255;

// The refusal of the entry `name`: the archive breaks the rule that `reason` states.
Error refusal(std::string_view name, std::string_view reason);

// `name` with "." and empty components taken out; "" is the root itself. Refused are
// null and empty names, absolute ones, ".." anywhere, and what the kernel would not
// take. `entry` is the entry that an error names.
Result<std::string> clean_path(const char* name, std::string_view entry);

// How many levels a link's target climbs, at its highest, above the directory it
// starts from (that of the link, or the root for an absolute target), read as text.
std::size_t levels_climbed(std::string_view target);

// Everything before the last '/' of a clean path, and everything behind it.
std::string parent_of(std::string_view path);
std::string last_of(std::string_view path);

}  // namespace ccsand::imagetool
