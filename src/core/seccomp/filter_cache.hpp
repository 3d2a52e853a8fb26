// Compiled filters kept between runs, by content: the whole text that a filter was made
// of is its key, and must be equal to be found.
//
//   <store>/filters/<hash of the key>     the key, a zero byte, the program
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ccsand {

// The program's bytes. None where it is not there, or others than this user may have
// written it: the cache is then as if it were empty. It is another one for each build of
// ccsand, and there is none with CCSAND_LUA_PATH.
std::optional<std::string> find_filter(std::string_view key);

// Keeps it, if it can: the next run will compile again otherwise.
void keep_filter(std::string_view key, std::string_view program);

}  // namespace ccsand
