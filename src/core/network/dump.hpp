// What a network namespace has: read over a socket of NETLINK_ROUTE, as rtnetlink(7) dumps it.
#pragma once

#include <vector>

#include "core/network/change.hpp"
#include "core/network/library.hpp"

namespace ccsand {

struct LinkInfo {
  std::uint32_t index = 0, master = 0, below = 0, mtu = 0;
  std::string name, kind;
  std::optional<MacAddress> mac;
  bool up = false, carrier = false;
};
struct AddressInfo {
  std::uint32_t link = 0;
  IpPrefix address;
};
struct RouteInfo {
  IpPrefix to;
  std::optional<IpAddress> via;
  std::uint32_t link = 0, metric = 0;
};
struct NeighbourInfo {
  std::uint32_t link = 0;
  IpAddress address;
  std::optional<MacAddress> mac;
  bool permanent = false;
};

Result<std::vector<LinkInfo>> dump_links(const Mnl& mnl, int socket);
Result<std::vector<AddressInfo>> dump_addresses(const Mnl& mnl, int socket);
Result<std::vector<RouteInfo>> dump_routes(const Mnl& mnl, int socket);  // of the main table
Result<std::vector<NeighbourInfo>> dump_neighbours(const Mnl& mnl, int socket);

}  // namespace ccsand
