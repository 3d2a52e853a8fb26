// Dumps of links, addresses, routes and neighbours.
#include "core/network/dump.hpp"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>
#include <functional>

#include "sys/netlink.hpp"

namespace ccsand {

namespace {
// The attributes of a message, by type.
class Attributes {
 public:
  Attributes(const Mnl& mnl, const nlmsghdr* message, unsigned header) : mnl_(mnl) {
    (void)mnl.attr_parse(message, header, [](const nlattr* attribute, void* data) {
      auto* self = static_cast<Attributes*>(data);
      std::uint16_t type = self->mnl_.attr_get_type(attribute);
      if (type < kMost) self->found_[type] = attribute;
      return MNL_CB_OK;
    }, this);
  }
  [[nodiscard]] std::uint32_t number(unsigned type) const {
    std::uint32_t value = 0;
    if (found_[type] != nullptr && size(type) == sizeof value) std::memcpy(&value, mnl_.attr_get_payload(found_[type]), sizeof value);
    return value;
  }
  [[nodiscard]] std::string text(unsigned type) const {
    if (found_[type] == nullptr) return {};
    const auto* data = static_cast<const char*>(mnl_.attr_get_payload(found_[type]));
    return {data, strnlen(data, size(type))};
  }
  [[nodiscard]] std::optional<IpAddress> address(unsigned type) const {
    if (found_[type] == nullptr || (size(type) != 4 && size(type) != 16)) return {};
    IpAddress address;
    address.v6 = size(type) == 16;
    std::memcpy(address.bytes.data(), mnl_.attr_get_payload(found_[type]), size(type));
    return address;
  }
  [[nodiscard]] std::optional<MacAddress> mac(unsigned type) const {
    if (found_[type] == nullptr || size(type) != 6) return {};
    MacAddress mac;
    std::memcpy(mac.data(), mnl_.attr_get_payload(found_[type]), mac.size());
    return mac;
  }
  [[nodiscard]] const nlattr* at(unsigned type) const { return found_[type]; }

 private:
  static constexpr unsigned kMost = 64;
  [[nodiscard]] std::size_t size(unsigned type) const { return mnl_.attr_get_payload_len(found_[type]); }
  const Mnl& mnl_;
  const nlattr* found_[kMost] = {};
};

// Asks for all of a kind and calls `take` with each message.
template <typename Family, typename Take>
Result<void> dump(const Mnl& mnl, int socket, std::uint16_t type, const Take& take) {
  alignas(nlmsghdr) char request[256] = {};
  nlmsghdr* header = mnl.nlmsg_put_header(&request[0]);
  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  static std::uint32_t sequence = 0x40000000;
  header->nlmsg_seq = ++sequence;
  (void)mnl.nlmsg_put_extra_header(header, sizeof(Family));
  CCSAND_TRY(sys::netlink_send(socket, &request[0], header->nlmsg_len));
  std::vector<char> buffer(65536);
  for (;;) {
    auto size = static_cast<int>(CCSAND_TRY(sys::netlink_receive(socket, buffer.data(), buffer.size())));
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); mnl.nlmsg_ok(message, size); message = mnl.nlmsg_next(message, &size)) {
      if (message->nlmsg_seq != sequence) continue;
      if (message->nlmsg_type == NLMSG_DONE) return {};
      if (message->nlmsg_type == NLMSG_ERROR) {
        Error error;
        error.code = -reinterpret_cast<const nlmsgerr*>(message + 1)->error;
        error.operation = "netlink dump";
        return error;
      }
      take(message, *reinterpret_cast<const Family*>(message + 1), Attributes(mnl, message, sizeof(Family)));
    }
  }
}

std::string kind_of(const Mnl& mnl, const nlattr* info) {
  struct Kind {
    const Mnl& mnl;
    std::string text;
  } kind = {mnl, {}};
  if (info == nullptr) return {};
  (void)mnl.attr_parse_nested(info, [](const nlattr* attribute, void* data) {
    auto* into = static_cast<Kind*>(data);
    if (into->mnl.attr_get_type(attribute) == IFLA_INFO_KIND) {
      const auto* text = static_cast<const char*>(into->mnl.attr_get_payload(attribute));
      into->text.assign(text, strnlen(text, into->mnl.attr_get_payload_len(attribute)));
    }
    return MNL_CB_OK;
  }, &kind);
  return kind.text;
}
}  // namespace

Result<std::vector<LinkInfo>> dump_links(const Mnl& mnl, int socket) {
  std::vector<LinkInfo> links;
  CCSAND_TRY(dump<ifinfomsg>(mnl, socket, RTM_GETLINK, [&](const nlmsghdr*, const ifinfomsg& header, const Attributes& attributes) {
    LinkInfo link;
    link.index = static_cast<std::uint32_t>(header.ifi_index);
    link.name = attributes.text(IFLA_IFNAME);
    link.kind = kind_of(mnl, attributes.at(IFLA_LINKINFO));
    link.mac = attributes.mac(IFLA_ADDRESS);
    link.master = attributes.number(IFLA_MASTER);
    link.below = attributes.number(IFLA_LINK);
    link.mtu = attributes.number(IFLA_MTU);
    link.up = (header.ifi_flags & IFF_UP) != 0;
    link.carrier = (header.ifi_flags & IFF_RUNNING) != 0;
    links.push_back(std::move(link));
  }));
  return links;
}
Result<std::vector<AddressInfo>> dump_addresses(const Mnl& mnl, int socket) {
  std::vector<AddressInfo> addresses;
  CCSAND_TRY(dump<ifaddrmsg>(mnl, socket, RTM_GETADDR, [&](const nlmsghdr*, const ifaddrmsg& header, const Attributes& attributes) {
    auto address = attributes.address(IFA_LOCAL);
    if (!address) address = attributes.address(IFA_ADDRESS);
    if (address) addresses.push_back({header.ifa_index, {*address, header.ifa_prefixlen}});
  }));
  return addresses;
}
Result<std::vector<RouteInfo>> dump_routes(const Mnl& mnl, int socket) {
  std::vector<RouteInfo> routes;
  CCSAND_TRY(dump<rtmsg>(mnl, socket, RTM_GETROUTE, [&](const nlmsghdr*, const rtmsg& header, const Attributes& attributes) {
    if (header.rtm_table != RT_TABLE_MAIN || header.rtm_type != RTN_UNICAST) return;
    RouteInfo route;
    route.to.address.v6 = header.rtm_family == AF_INET6;
    if (auto to = attributes.address(RTA_DST)) route.to.address = *to;
    route.to.length = header.rtm_dst_len;
    route.via = attributes.address(RTA_GATEWAY);
    route.link = attributes.number(RTA_OIF);
    route.metric = attributes.number(RTA_PRIORITY);
    routes.push_back(route);
  }));
  return routes;
}
Result<std::vector<NeighbourInfo>> dump_neighbours(const Mnl& mnl, int socket) {
  std::vector<NeighbourInfo> neighbours;
  CCSAND_TRY(dump<ndmsg>(mnl, socket, RTM_GETNEIGH, [&](const nlmsghdr*, const ndmsg& header, const Attributes& attributes) {
    auto address = attributes.address(NDA_DST);
    if (!address) return;
    neighbours.push_back({static_cast<std::uint32_t>(header.ndm_ifindex), *address, attributes.mac(NDA_LLADDR), (header.ndm_state & NUD_PERMANENT) != 0});
  }));
  return neighbours;
}

}  // namespace ccsand
