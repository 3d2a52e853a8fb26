// The keys of a container that are its network.
#pragma once

#include <linux/if_link.h>

#include "bindings/table.hpp"
#include "core/container_spec.hpp"

namespace ccsand {

constexpr Name kMacvlanModes[] = {{"private", MACVLAN_MODE_PRIVATE}, {"vepa", MACVLAN_MODE_VEPA}, {"bridge", MACVLAN_MODE_BRIDGE}, {"passthru", MACVLAN_MODE_PASSTHRU}};

// network, ports, dns, and network_rules, which lua/ccsand/network.lua makes of egress.
Result<void> read_network(Table& container, ContainerSpec& spec);

// The bridge in a value of ccsand.netlink's bridge(); nullptr where it is something else.
std::shared_ptr<Bridge> to_bridge(lua_State* L, int index);
void push_bridge(lua_State* L, std::shared_ptr<Bridge> bridge);  // after require "ccsand.netlink"
// A table's description of a bridge.
Result<BridgeSpec> read_bridge(Table& table);
Result<bool> read_mac(Table& table, const char* key, std::optional<MacAddress>& out);
Result<IpPrefix> prefix_of(std::string_view text, const std::string& key);

}  // namespace ccsand
