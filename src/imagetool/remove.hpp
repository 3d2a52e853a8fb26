// Emptying a directory by descriptors, however deep it is, with a constant number of them.
#pragma once

#include "ccsand/result.hpp"

namespace ccsand::imagetool {

Result<bool> is_empty(int directory);

// Removes everything below `directory`, but not itself. Follows no link, enters no mount.
// Nobody else may move directories in it at the same time: that is found and an error.
Result<void> remove_contents(int directory);

}  // namespace ccsand::imagetool
