// What the two halves of ccsand.netlink have of each other: its sockets (netlink.cpp) and the
// networks that containers are put on (network_value.cpp).
#pragma once

#include <lua.hpp>

#include "ccsand/result.hpp"

namespace ccsand {

// Registers the type of networks.
void open_bridges(lua_State* L);
// bridge and close_all, into the table on top of the stack.
void register_bridge_functions(lua_State* L);
// A netlink socket, as a value: in a network namespace, or in this process's own (-1).
Result<void> push_netlink_socket(lua_State* L, int namespace_fd);

}  // namespace ccsand
