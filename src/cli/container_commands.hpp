// The command lines of `ccsand exec` and `ccsand list`: containers that other processes run.
#pragma once

#include "ccsand/result.hpp"

namespace ccsand {

// From argv[at] on. The status to end with; where the options make no sense that has been said on standard error.
Result<int> exec_command(int argc, char** argv, int at);
Result<int> list_command(int argc, char** argv, int at);

}  // namespace ccsand
