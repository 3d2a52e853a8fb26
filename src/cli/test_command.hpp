// The command line of `ccsand test`.
#pragma once

#include "ccsand/host.hpp"

namespace ccsand {

// The options from argv[at] on; nothing where they make no sense, which has been said on standard error.
std::optional<TestOptions> read_test_options(int argc, char** argv, int at);

}  // namespace ccsand
