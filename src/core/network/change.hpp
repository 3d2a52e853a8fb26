// Changes of a network namespace: plain values, as rtnetlink(7) knows them. Several are sent
// in one batch (batch.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/network/address.hpp"

namespace ccsand {

using MacAddress = std::array<std::uint8_t, 6>;

// Which namespace a link is put into: a descriptor of it, or of a process. -1 and 0: its own.
struct NamespaceTarget {
  int fd = -1;
  pid_t pid = 0;
};

// A new link. Kinds: veth, bridge, macvlan, dummy, ifb, vlan, ... as the kernel has them.
struct AddLink {
  std::string name;  // 1 to 15 bytes
  std::string kind;
  bool up = false;
  std::uint32_t mtu = 0;                // 0: the kernel's own choice
  std::optional<MacAddress> mac;
  std::uint32_t master = 0;             // the number of the bridge that it is a port of
  std::uint32_t parent = 0;             // the number of the link below: of macvlan and vlan
  std::uint32_t macvlan_mode = 0;       // MACVLAN_MODE_*
  std::uint16_t vlan = 0;               // 1 to 4094
  NamespaceTarget target;
  // The other end of a veth pair. It cannot be brought up before both are there.
  std::string peer;
  std::uint32_t peer_index = 0;         // 0: the kernel's own choice
  std::optional<MacAddress> peer_mac;
  NamespaceTarget peer_target;
};
struct SetLink {
  std::uint32_t link = 0;
  std::optional<bool> up;
  std::optional<std::uint32_t> mtu;
  std::optional<MacAddress> mac;
  std::optional<std::uint32_t> master;  // 0: of none
  std::string new_name;
  NamespaceTarget target;
};
struct RemoveLink {
  std::uint32_t link = 0;
};
struct AddAddress {
  std::uint32_t link = 0;
  IpPrefix address;
};
struct RemoveAddress {
  std::uint32_t link = 0;
  IpPrefix address;
};
struct AddRoute {
  IpPrefix to;                          // /0 is the default route
  std::optional<IpAddress> via;
  std::uint32_t link = 0;
  std::uint32_t metric = 0;
  bool remove = false;                  // RTM_DELROUTE instead
};
struct AddNeighbour {
  std::uint32_t link = 0;
  IpAddress address;
  MacAddress mac = {};
  bool remove = false;                  // RTM_DELNEIGH instead
};
// The queue of what a link sends: rate alone is a token bucket (tc-tbf(8)), the rest
// emulates a network (tc-netem(8)). All zero takes it away.
struct SetQueue {
  std::uint32_t link = 0;
  std::uint64_t rate = 0;               // bytes a second
  std::uint64_t burst = 0;              // bytes; 0: what the rate needs
  std::int64_t delay_ns = 0, jitter_ns = 0;
  double loss = 0, duplicate = 0, reorder = 0;  // 0 to 1
  std::uint32_t limit = 1000;           // packets (netem)
  [[nodiscard]] bool emulates() const { return delay_ns != 0 || jitter_ns != 0 || loss > 0 || duplicate > 0 || reorder > 0; }
  [[nodiscard]] bool is_none() const { return rate == 0 && !emulates(); }
};

using NetworkChange =
    std::variant<AddLink, SetLink, RemoveLink, AddAddress, RemoveAddress, AddRoute, AddNeighbour, SetQueue>;

std::string describe(const NetworkChange& change);
// Names of the kernel: 1 to 15 bytes, no '/' and no space.
bool is_link_name(std::string_view name);

}  // namespace ccsand
