// Directory trees as a whole.
#pragma once

#include "ccsand/result.hpp"

namespace ccsand {
// Removes what is at `path` below the directory `dir`, and all below it, by
// descriptor and without following links or leaving the filesystem. What is not
// there is no error.
Result<void> remove_tree(int dir, const char* path);
}  // namespace ccsand
