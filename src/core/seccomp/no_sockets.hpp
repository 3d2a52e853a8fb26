// The filter of those who share a network namespace one after the other: it denies sockets of every kind, and allows
// the rest.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "ccsand/result.hpp"

namespace ccsand {

// EPERM for socket(2), socketpair(2), socketcall(2) and io_uring_setup(2), of the machine's 32-bit calls, too; ENOSYS for calls that
// are newer than ccsand. Made once.
Result<const std::vector<sock_filter>*> no_sockets_filter();

}  // namespace ccsand
