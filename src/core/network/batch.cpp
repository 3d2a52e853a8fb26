// Network changes as netlink messages. Runs between clone and exec: nothing allocates.
#include "core/network/batch.hpp"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "sys/netlink.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kRoom = 8192, kMostMessage = 1024;

// One message in the making; no field of a change is larger than a name.
struct Writer {
  const Mnl& mnl;
  char* at;
  nlmsghdr* message = nullptr;

  template <typename Family>
  Family* begin(std::uint16_t type, unsigned flags) {
    message = mnl.nlmsg_put_header(at);
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    return static_cast<Family*>(mnl.nlmsg_put_extra_header(message, sizeof(Family)));
  }
  void number(std::uint16_t type, std::uint32_t value) { mnl.attr_put_u32(message, type, value); }
  void text(std::uint16_t type, const std::string& value) { mnl.attr_put_strz(message, type, value.c_str()); }
  void bytes(std::uint16_t type, const void* data, std::size_t size) { mnl.attr_put(message, type, size, data); }
  void address(std::uint16_t type, const IpAddress& value) { bytes(type, value.bytes.data(), value.size()); }
  void mac(const std::optional<MacAddress>& value) {
    if (value) bytes(IFLA_ADDRESS, value->data(), value->size());
  }
  void target(const NamespaceTarget& value) {
    if (value.fd >= 0) number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(value.fd));
    else if (value.pid > 0) number(IFLA_NET_NS_PID, static_cast<std::uint32_t>(value.pid));
  }
  nlattr* open(std::uint16_t type) { return mnl.attr_nest_start(message, type); }
  void close(nlattr* nest) { mnl.attr_nest_end(message, nest); }
};

std::uint8_t family_of(const IpAddress& address) { return address.v6 ? AF_INET6 : AF_INET; }

void write_kind(Writer& w, const AddLink& link) {
  nlattr* info = w.open(IFLA_LINKINFO);
  w.text(IFLA_INFO_KIND, link.kind);
  if (link.kind == "veth" && !link.peer.empty()) {
    nlattr* data = w.open(IFLA_INFO_DATA);
    nlattr* peer = w.open(VETH_INFO_PEER);
    auto* header = static_cast<ifinfomsg*>(w.mnl.nlmsg_put_extra_header(w.message, sizeof(ifinfomsg)));
    header->ifi_index = static_cast<int>(link.peer_index);
    w.text(IFLA_IFNAME, link.peer);
    w.mac(link.peer_mac);
    if (link.mtu != 0) w.number(IFLA_MTU, link.mtu);
    w.target(link.peer_target);
    w.close(peer);
    w.close(data);
  } else if (link.kind == "macvlan") {
    nlattr* data = w.open(IFLA_INFO_DATA);
    w.number(IFLA_MACVLAN_MODE, link.macvlan_mode);
    w.close(data);
  } else if (link.kind == "vlan") {
    nlattr* data = w.open(IFLA_INFO_DATA);
    w.bytes(IFLA_VLAN_ID, &link.vlan, sizeof link.vlan);
    w.close(data);
  }
  w.close(info);
}

Result<void> write(Writer& w, const AddLink& link) {
  auto* header = w.begin<ifinfomsg>(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  if (link.up) header->ifi_flags = header->ifi_change = IFF_UP;
  w.text(IFLA_IFNAME, link.name);
  w.mac(link.mac);
  if (link.mtu != 0) w.number(IFLA_MTU, link.mtu);
  if (link.master != 0) w.number(IFLA_MASTER, link.master);
  if (link.parent != 0) w.number(IFLA_LINK, link.parent);
  w.target(link.target);
  write_kind(w, link);
  return {};
}
Result<void> write(Writer& w, const SetLink& link) {
  auto* header = w.begin<ifinfomsg>(RTM_NEWLINK, 0);
  header->ifi_index = static_cast<int>(link.link);
  if (link.up) {
    header->ifi_change = IFF_UP;
    header->ifi_flags = *link.up ? IFF_UP : 0;
  }
  if (link.mtu) w.number(IFLA_MTU, *link.mtu);
  w.mac(link.mac);
  if (link.master) w.number(IFLA_MASTER, *link.master);
  if (!link.new_name.empty()) w.text(IFLA_IFNAME, link.new_name);
  w.target(link.target);
  return {};
}
Result<void> write(Writer& w, const RemoveLink& link) {
  w.begin<ifinfomsg>(RTM_DELLINK, 0)->ifi_index = static_cast<int>(link.link);
  return {};
}

void write_address(Writer& w, std::uint16_t type, unsigned flags, std::uint32_t link, const IpPrefix& prefix) {
  auto* header = w.begin<ifaddrmsg>(type, flags);
  header->ifa_family = family_of(prefix.address);
  header->ifa_prefixlen = static_cast<std::uint8_t>(prefix.length);
  header->ifa_index = link;
  // Whoever hands out addresses has seen to it that nobody has this one: no wait until it may be used.
  if (prefix.address.v6) header->ifa_flags = IFA_F_NODAD;
  w.address(IFA_LOCAL, prefix.address);
  w.address(IFA_ADDRESS, prefix.address);
  if (prefix.address.v6 || prefix.length >= 31) return;
  IpAddress broadcast = prefix.network().host(prefix.size() - 1);
  w.address(IFA_BROADCAST, broadcast);
}
Result<void> write(Writer& w, const AddAddress& op) {
  write_address(w, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, op.link, op.address);
  return {};
}
Result<void> write(Writer& w, const RemoveAddress& op) {
  write_address(w, RTM_DELADDR, 0, op.link, op.address);
  return {};
}
Result<void> write(Writer& w, const AddRoute& op) {
  auto* header = w.begin<rtmsg>(op.remove ? RTM_DELROUTE : RTM_NEWROUTE, op.remove ? 0 : NLM_F_CREATE | NLM_F_EXCL);
  header->rtm_family = family_of(op.to.address);
  header->rtm_dst_len = static_cast<unsigned char>(op.to.length);
  header->rtm_table = RT_TABLE_MAIN;
  header->rtm_protocol = op.remove ? RTPROT_UNSPEC : RTPROT_STATIC;
  header->rtm_scope = op.remove ? RT_SCOPE_NOWHERE : op.via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  header->rtm_type = op.remove ? RTN_UNSPEC : RTN_UNICAST;
  if (op.to.length != 0) w.address(RTA_DST, op.to.address);
  if (op.via) w.address(RTA_GATEWAY, *op.via);
  if (op.link != 0) w.number(RTA_OIF, op.link);
  if (op.metric != 0) w.number(RTA_PRIORITY, op.metric);
  return {};
}
Result<void> write(Writer& w, const AddNeighbour& op) {
  auto* header = w.begin<ndmsg>(op.remove ? RTM_DELNEIGH : RTM_NEWNEIGH, op.remove ? 0 : NLM_F_CREATE | NLM_F_REPLACE);
  header->ndm_family = family_of(op.address);
  header->ndm_ifindex = static_cast<int>(op.link);
  header->ndm_state = NUD_PERMANENT;
  w.address(NDA_DST, op.address);
  if (!op.remove) w.bytes(NDA_LLADDR, op.mac.data(), op.mac.size());
  return {};
}

std::uint32_t probability(double value) { return static_cast<std::uint32_t>(std::lround(std::clamp(value, 0.0, 1.0) * 4294967295.0)); }

void write_netem(Writer& w, const SetQueue& queue) {
  // The kernel's TCA_NETEM_* of linux/pkt_sched.h; times in nanoseconds since Linux 4.15.
  nlattr* options = w.open(TCA_OPTIONS);
  tc_netem_qopt basics = {};
  basics.limit = queue.limit;
  basics.loss = probability(queue.loss);
  basics.duplicate = probability(queue.duplicate);
  basics.gap = queue.reorder > 0 ? 1 : 0;
  // The options begin with the bare structure.
  std::memcpy(w.mnl.nlmsg_put_extra_header(w.message, sizeof basics), &basics, sizeof basics);
  if (queue.delay_ns != 0) w.mnl.attr_put_u64(w.message, TCA_NETEM_LATENCY64, static_cast<std::uint64_t>(queue.delay_ns));
  if (queue.jitter_ns != 0) w.mnl.attr_put_u64(w.message, TCA_NETEM_JITTER64, static_cast<std::uint64_t>(queue.jitter_ns));
  if (queue.reorder > 0) {
    tc_netem_reorder reorder = {probability(queue.reorder), 0};
    w.bytes(TCA_NETEM_REORDER, &reorder, sizeof reorder);
  }
  tc_netem_rate rate = {};  // told also where there is none: a queue that is changed keeps what it is not told
  rate.rate = static_cast<std::uint32_t>(std::min<std::uint64_t>(queue.rate, UINT32_MAX));
  w.bytes(TCA_NETEM_RATE, &rate, sizeof rate);
  if (queue.rate > UINT32_MAX) w.mnl.attr_put_u64(w.message, TCA_NETEM_RATE64, queue.rate);
  w.close(options);
}
void write_tbf(Writer& w, const SetQueue& queue) {
  // A bucket of ten milliseconds' worth, and of no less than a few packets.
  std::uint64_t burst = queue.burst != 0 ? queue.burst : std::max<std::uint64_t>(queue.rate / 100, 16 * 1024);
  nlattr* options = w.open(TCA_OPTIONS);
  tc_tbf_qopt basics = {};
  basics.rate.linklayer = TC_LINKLAYER_ETHERNET;
  basics.rate.rate = static_cast<std::uint32_t>(std::min<std::uint64_t>(queue.rate, UINT32_MAX));
  // What waits for at most 50 ms longer than the bucket lasts.
  basics.limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(queue.rate / 20 + burst, UINT32_MAX));
  w.bytes(TCA_TBF_PARMS, &basics, sizeof basics);
  w.number(TCA_TBF_BURST, static_cast<std::uint32_t>(std::min<std::uint64_t>(burst, UINT32_MAX)));
  if (queue.rate > UINT32_MAX) w.mnl.attr_put_u64(w.message, TCA_TBF_RATE64, queue.rate);
  w.close(options);
}
Result<void> write(Writer& w, const SetQueue& queue) {
  bool none = queue.is_none();
  auto* header = w.begin<tcmsg>(none ? RTM_DELQDISC : RTM_NEWQDISC, none ? 0 : NLM_F_CREATE | NLM_F_REPLACE);
  header->tcm_family = AF_UNSPEC;
  header->tcm_ifindex = static_cast<int>(queue.link);
  header->tcm_parent = TC_H_ROOT;
  if (none) return {};
  w.mnl.attr_put_strz(w.message, TCA_KIND, queue.emulates() ? "netem" : "tbf");
  if (queue.emulates()) write_netem(w, queue);
  else write_tbf(w, queue);
  return {};
}

// ---- sending

Error refusal(const Mnl& mnl, const nlmsghdr* answer, const nlmsgerr* problem, const NetworkChange& change) {
  struct Words {
    const Mnl& mnl;
    const char* text;
  } words = {mnl, nullptr};
  if ((answer->nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    unsigned offset = sizeof(nlmsgerr) + ((answer->nlmsg_flags & NLM_F_CAPPED) != 0 ? 0 : problem->msg.nlmsg_len - static_cast<unsigned>(sizeof(nlmsghdr)));
    (void)mnl.attr_parse(answer, offset, [](const nlattr* attribute, void* data) {
      auto* into = static_cast<Words*>(data);
      if (into->mnl.attr_get_type(attribute) == NLMSGERR_ATTR_MSG) into->text = static_cast<const char*>(into->mnl.attr_get_payload(attribute));
      return MNL_CB_OK;
    }, &words);
  }
  static constexpr const char* kNames[] = {"add link", "set link", "remove link", "add address", "remove address", "route", "neighbour", "queue"};
  Error error;
  error.code = -problem->error;
  error.operation = kNames[change.index()];
  if (const auto* link = std::get_if<AddLink>(&change)) error.subject.append(link->kind).append(" '").append(link->name).append("'");
  if (const auto* address = std::get_if<AddAddress>(&change)) error.subject.append(address->address.text().view());
  if (const auto* route = std::get_if<AddRoute>(&change)) error.subject.append("to ").append(route->to.text().view());
  if (words.text != nullptr && *words.text != '\0') {
    error.reason.append(words.text).append(" (").append(error_name(error.code)).append(")");
  }
  if (error.code == EOPNOTSUPP || (error.code == ENOENT && std::holds_alternative<SetQueue>(change)))
    error.hint = "the kernel lacks what it takes: CONFIG_VETH, CONFIG_BRIDGE, CONFIG_MACVLAN; NET_SCH_TBF for a rate, NET_SCH_NETEM for delay and loss";
  return error;
}

// Reads answers until that of message `last`.
Result<void> read_answers(const Mnl& mnl, int socket, std::span<const NetworkChange> sent, std::uint32_t first) {
  alignas(nlmsghdr) char buffer[4096];
  bool failed = false;
  Error error;
  std::uint32_t last = first + static_cast<std::uint32_t>(sent.size()) - 1;
  for (;;) {
    auto size = static_cast<int>(CCSAND_TRY(sys::netlink_receive(socket, &buffer[0], sizeof buffer)));
    for (const auto* answer = reinterpret_cast<const nlmsghdr*>(&buffer[0]); mnl.nlmsg_ok(answer, size); answer = mnl.nlmsg_next(answer, &size)) {
      if (answer->nlmsg_type != NLMSG_ERROR || answer->nlmsg_seq < first || answer->nlmsg_seq > last) continue;
      const auto* problem = reinterpret_cast<const nlmsgerr*>(answer + 1);
      if (problem->error != 0 && !failed) {
        failed = true;
        error = refusal(mnl, answer, problem, sent[answer->nlmsg_seq - first]);
      }
      if (answer->nlmsg_seq != last) continue;
      if (failed) return error;
      return {};
    }
  }
}
}  // namespace

Result<void> send_changes(const Mnl& mnl, int socket, std::span<const NetworkChange> changes) {
  alignas(nlmsghdr) char buffer[kRoom];
  std::uint32_t sequence = 1;
  while (!changes.empty()) {
    Writer writer{mnl, &buffer[0]};
    std::size_t count = 0;
    while (count < changes.size() && writer.at + kMostMessage <= &buffer[kRoom]) {
      CCSAND_TRY(std::visit([&writer](const auto& change) { return write(writer, change); }, changes[count]));
      writer.message->nlmsg_seq = sequence + static_cast<std::uint32_t>(count++);
      writer.at += NLMSG_ALIGN(writer.message->nlmsg_len);
    }
    writer.message->nlmsg_flags |= NLM_F_ACK;  // of the last alone: failures are answered anyway
    CCSAND_TRY(sys::netlink_send(socket, &buffer[0], static_cast<std::size_t>(writer.at - &buffer[0])));
    CCSAND_TRY(read_answers(mnl, socket, changes.first(count), sequence));
    sequence += static_cast<std::uint32_t>(count);
    changes = changes.subspan(count);
  }
  return {};
}

}  // namespace ccsand
