// Network changes as netlink messages, sent together.
#pragma once

#include <span>

#include "core/network/change.hpp"
#include "core/network/library.hpp"

namespace ccsand {

// Sends the changes over a socket of NETLINK_ROUTE, as few sends as their size allows, and
// reads the kernel's answers. Allocates nothing: it may run between clone and exec. The error
// is the first failed change's; the kernel may have made those after it.
Result<void> send_changes(const Mnl& mnl, int socket, std::span<const NetworkChange> changes);

}  // namespace ccsand
