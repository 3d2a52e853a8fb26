// Netlink sockets, and what else is asked of interfaces. No policy.
#pragma once

#include <cstddef>
#include <string_view>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::sys {

// socket(2) of AF_NETLINK in this process's network namespace, in which it stays. The kernel's
// own words for failures are asked for (NETLINK_EXT_ACK, Linux 4.12).
Result<Fd> netlink_socket(int protocol);
// One send(2) of one or more messages, to the kernel.
Result<void> netlink_send(int socket, const void* data, std::size_t size);
// One datagram of the kernel's; EMSGSIZE where it does not fit.
Result<std::size_t> netlink_receive(int socket, void* data, std::size_t size);
// ioctl SIOCGIFINDEX: the number of the interface of that name, in the socket's namespace.
Result<unsigned> interface_index(int socket, std::string_view name);
// A socket bound to an address and port of this host; TCP ones do not listen. `address` is of 4 or 16 bytes, in
// network order. `hold`: nobody else can take the port; `try_it`: as servers ask for theirs, which get a TCP port whose
// connections of before the kernel still remembers (SO_REUSEADDR, socket(7)).
enum class PortUse { hold, try_it };
Result<Fd> reserve_port(bool udp, const void* address, std::size_t size, unsigned short port, PortUse use, std::string_view name);
// flock(2) LOCK_EX on an open directory; waits.
Result<void> lock_directory(int directory, std::string_view name);

}  // namespace ccsand::sys
