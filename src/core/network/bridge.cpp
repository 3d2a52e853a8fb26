// Bridges: making them, sharing them between processes, what containers have of them.
#include "core/network/bridge.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "core/directory.hpp"
#include "core/generation.hpp"
#include "core/network/bridge_remains.hpp"
#include "core/network/dump.hpp"
#include "core/network/firewall.hpp"
#include "core/network/forwarding.hpp"
#include "core/network/published_port.hpp"
#include "core/network/visit.hpp"
#include "sys/file.hpp"
#include "sys/inspect.hpp"
#include "sys/netlink.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
constexpr std::uint8_t kContainerMac = 0xcc;

// Made of the Internet address: what neighbours remember of an address stays true for the next
// container that has it.
MacAddress mac_of(const IpAddress& address, std::uint8_t kind) {
  std::size_t last = address.size();
  MacAddress mac = {0x02, kind, 0, 0, 0, 0};
  for (std::size_t i = 0; i < 4; ++i) mac[2 + i] = address.bytes[last - 4 + i];
  return mac;
}

Error overlap_error(const IpPrefix& subnet, std::string_view with) {
  FixedText<256> reason("overlaps with ");
  reason.append(with);
  return make_error(EADDRINUSE, "network", subnet.text().view(), reason.view(), "give the network another subnet");
}

// What of this host a subnet would collide with: "" for nothing.
Result<std::string> collision(const Mnl& mnl, int socket, const IpPrefix& subnet) {
  auto links = CCSAND_TRY(dump_links(mnl, socket));
  auto name_of = [&links](std::uint32_t index) {
    for (const LinkInfo& link : links)
      if (link.index == index) return link.name;
    return std::string("?");
  };
  for (const AddressInfo& address : CCSAND_TRY(dump_addresses(mnl, socket)))
    if (subnet.overlaps(address.address)) return std::string(address.address.text().view()) + " of '" + name_of(address.link) + "'";
  for (const RouteInfo& route : CCSAND_TRY(dump_routes(mnl, socket)))
    if (route.to.length != 0 && subnet.overlaps(route.to)) return "the route to " + std::string(route.to.text().view()) + " over '" + name_of(route.link) + "'";
  return std::string();
}

bool host_has_ipv6() { return bool(sys::fstatat(AT_FDCWD, "/proc/sys/net/ipv6/conf/all/forwarding", 0)); }

}  // namespace

std::string new_link_name() {
  static std::uint32_t count = 0;
  char text[16];
  (void)snprintf(&text[0], sizeof text, "cs%x-%x", static_cast<unsigned>(sys::getpid()), ++count & 0xffffff);
  return &text[0];
}

Result<void> validate(const BridgeSpec& spec, std::string_view subject) {
  auto wrong = [&subject](const char* key, std::string_view reason, const char* hint = "") {
    return make_error(EINVAL, "", std::string(subject) + "." + key, reason, hint);
  };
  if (spec.isolated && !spec.name.empty()) return wrong("name", "an isolated network has no link on the host to be named");
  if (!spec.isolated && spec.name.empty()) return wrong("name", "is missing: of the bridge on the host, or say isolated = true");
  if (!spec.isolated && !is_link_name(spec.name)) return wrong("name", "must be 1 to 15 bytes without '/', ':' and spaces");
  for (char c : spec.name)
    if (!isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') return wrong("name", "must be of letters, digits, '-', '_' and '.'");
  if (spec.isolated && spec.subnets.empty()) return wrong("subnet", "is missing: which addresses do its containers get?");
  if (spec.isolated && spec.host_access) return wrong("host_access", "and isolated exclude each other");
  bool seen[2] = {};
  for (const IpPrefix& subnet : spec.subnets) {
    if (std::exchange(seen[subnet.address.v6 ? 1 : 0], true)) return wrong("subnet", "has two of one family: it takes one of IPv4 and one of IPv6");
    if (subnet.network().address != subnet.address) return wrong("subnet", std::string(subnet.text().view()) + " has bits after its prefix");
    if (subnet.length < 8 || subnet.size() < 4) return wrong("subnet", std::string(subnet.text().view()) + " must be of /8 to /30 (IPv4), /8 to /126 (IPv6)");
  }
  if (spec.mtu != 0 && (spec.mtu < 1280 || spec.mtu > 65535)) return wrong("mtu", "must be 1280 to 65535");
  for (const std::string& server : spec.dns)
    if (!parse_address(server)) return wrong("dns", "must hold IP addresses");
  return {};
}

BridgeSpec default_bridge() {
  BridgeSpec spec;
  spec.name = "ccsand0";
  return spec;
}

Bridge::~Bridge() { close(); }

Result<void> Bridge::open() {
  if (socket_.open() && owner_ == process_generation()) return {};
  mnl_ = CCSAND_TRY(load_mnl());
  owner_ = process_generation();
  auto opened = spec_.isolated ? open_isolated() : open_shared();
  if (!opened) close();
  return opened;
}

Result<std::uint32_t> Bridge::add_bridge(const std::string& name, bool with_addresses) {
  AddLink link;
  link.name = name;
  link.kind = "bridge";
  link.up = true;
  link.mtu = spec_.mtu;
  link.mac = mac_of(subnets_.front().host(1), kBridgeMac);  // or it would change with its ports
  const NetworkChange add = link;
  CCSAND_TRY(send_changes(*mnl_, socket_.get(), {&add, 1}));
  std::uint32_t index = CCSAND_TRY(sys::interface_index(socket_.get(), name));
  std::vector<NetworkChange> changes;
  if (with_addresses)
    for (const IpPrefix& subnet : subnets_) changes.emplace_back(AddAddress{index, {subnet.host(1), subnet.length}});
  auto done = send_changes(*mnl_, socket_.get(), changes);
  if (done) return index;
  const NetworkChange remove = RemoveLink{index};
  (void)send_changes(*mnl_, socket_.get(), {&remove, 1});
  return done.error();
}

Result<void> Bridge::open_isolated() {
  static unsigned count = 0;
  key_ = "p" + std::to_string(own_key().pid) + "-" + std::to_string(own_key().start) + "-" + std::to_string(++count);
  subnets_ = spec_.subnets;
  registry_ = CCSAND_TRY(Registry::anonymous());
  registry_->subnets = static_cast<std::uint32_t>(subnets_.size());
  std::copy(subnets_.begin(), subnets_.end(), &registry_->subnet[0]);
  {
    NamespaceVisit visit = CCSAND_TRY(NamespaceVisit::enter(-1));
    namespace_ = CCSAND_TRY(own_network_namespace());
    socket_ = CCSAND_TRY(sys::netlink_socket(NETLINK_ROUTE));
    // Nobody is to talk to the bridge itself: it has no address, not even a link-local one.
    if (host_has_ipv6()) CCSAND_TRY(set_network_sysctl("ipv6/conf/default/disable_ipv6", "1"));
  }
  index_ = CCSAND_TRY(add_bridge("bridge", false));
  hosts_ = CCSAND_TRY(HostsFile::open(key_));
  return {};
}

Result<void> Bridge::choose_subnets() {
  static const char* const kChoices[] = {"10.203.0.0/16", "10.213.0.0/16", "172.29.0.0/16", "192.168.203.0/24"};
  subnets_ = spec_.subnets;
  for (const IpPrefix& subnet : subnets_)
    if (std::string with = CCSAND_TRY(collision(*mnl_, socket_.get(), subnet)); !with.empty()) return overlap_error(subnet, with);
  if (!subnets_.empty()) return {};
  for (const char* choice : kChoices) {
    IpPrefix subnet = CCSAND_TRY(parse_prefix(choice));
    if (!CCSAND_TRY(collision(*mnl_, socket_.get(), subnet)).empty()) continue;
    subnets_.push_back(subnet);
    break;
  }
  if (subnets_.empty()) return make_error(EADDRINUSE, "network", spec_.name, "every subnet that it could take is in use on this host", "give it a subnet");
  if (host_has_ipv6()) {
    IpPrefix subnet = CCSAND_TRY(parse_prefix("fd63:6373:616e::/64"));
    if (CCSAND_TRY(collision(*mnl_, socket_.get(), subnet)).empty()) subnets_.push_back(subnet);
  }
  return {};
}

// The first process to use it.
Result<void> Bridge::set_up(const NetworkLock& lock) {
  if (sys::interface_index(socket_.get(), spec_.name))
    return make_error(EEXIST, "network", spec_.name, "there is a link of that name, and it is not ccsand's", "give the network another name, or put the container on it by hand");
  CCSAND_TRY(choose_subnets());
  registry_->subnets = static_cast<std::uint32_t>(subnets_.size());
  std::copy(subnets_.begin(), subnets_.end(), &registry_->subnet[0]);
  registry_->masquerades = spec_.masquerade ? 1 : 0;
  CCSAND_TRY(registry_.hold());
  registry_->bridge = 0;
  registry_.mark_ready();  // from here on the next start takes down what a crash would leave
  registry_->bridge = index_ = CCSAND_TRY(add_bridge(spec_.name, true));
  bool v6 = std::any_of(subnets_.begin(), subnets_.end(), [](const IpPrefix& subnet) { return subnet.address.v6; });
  CCSAND_TRY(set_network_sysctl("ipv4/conf/" + spec_.name + "/route_localnet", "1"));
  // A container must not become the host's router by saying so.
  if (host_has_ipv6()) CCSAND_TRY(set_network_sysctl("ipv6/conf/" + spec_.name + "/accept_ra", "0"));
  CCSAND_TRY(enable_forwarding(lock, v6));
  registry_->rules = 1;  // noted before, for a sweep
  auto done = run_nft(table_of({spec_.name, subnets_, spec_.masquerade, spec_.host_access}));
  if (done) return {};
  registry_->rules = 0;  // all or nothing
  return done.error();
}

Result<void> Bridge::open_shared() {
  std::string number = CCSAND_TRY(namespace_number());
  key_ = number + "-" + spec_.name;
  socket_ = CCSAND_TRY(sys::netlink_socket(NETLINK_ROUTE));
  NetworkLock lock = CCSAND_TRY(NetworkLock::take());
  std::string name = record_name(number, spec_.name);
  registry_ = CCSAND_TRY(Registry::open(lock, name, true));
  if (!registry_.is_new()) {
    forget_dead();
    auto found = sys::interface_index(socket_.get(), spec_.name);
    if (!found || *found != registry_->bridge || !registry_.is_held()) {  // somebody took it away, or a crash left half of it
      take_down(lock, number, spec_.name, OnHost(registry_));
      registry_ = CCSAND_TRY(Registry::open(lock, name, true));
      // Half of a network must not pass for one: it may be the half without rules.
      if (!registry_.is_new()) return make_error(EBUSY, "network", spec_.name, "what an earlier process left of it cannot be removed", "nft list ruleset, ip link: somebody else may hold it");
    }
  }
  if (registry_.is_new()) {
    auto done = set_up(lock);
    if (!done) {
      OnHost made(registry_);
      registry_ = Registry();
      take_down(lock, number, spec_.name, made);
      if (recorded_bridges(lock, number).empty()) restore_forwarding(lock);
      return done.error();
    }
  } else {
    subnets_.assign(&registry_->subnet[0], &registry_->subnet[registry_->subnets]);
    if (!spec_.subnets.empty() && spec_.subnets != subnets_)
      return make_error(EEXIST, "network", spec_.name, "is in use with another subnet, " + std::string(subnets_.front().text().view()), "use the same subnet, or another name");
    if (registry_->masquerades != (spec_.masquerade ? 1U : 0U))
      return make_error(EEXIST, "network", spec_.name, "is in use with another 'masquerade'", "use the same, or another name");
    index_ = registry_->bridge;
    CCSAND_TRY(registry_.hold());
  }
  hosts_ = CCSAND_TRY(HostsFile::open(key_));
  return {};
}

// What the dead had, on the host, too: nobody else knows of it any more.
void Bridge::forget_dead() {
  auto forgotten = registry_.forget_dead();
  if (!spec_.isolated) forget_on_host(spec_.name, key_, forgotten);
}

void Bridge::close() {
  bool own = owner_ == process_generation();
  if (own && spec_.isolated && hosts_) {
    if (auto lock = NetworkLock::take()) (void)remove_name_files(lock->directory(), key_);  // or the next sweep does
  } else if (own && registry_ && !registry_.is_new()) {
    auto lock = NetworkLock::take();
    auto number = namespace_number();
    registry_.let_go();
    if (lock && number && key_ == *number + "-" + spec_.name) {
      forget_dead();
      if (!registry_.is_held()) {
        take_down(*lock, *number, spec_.name, OnHost(registry_));
        if (recorded_bridges(*lock, *number).empty()) restore_forwarding(*lock);
      }
    }
  }
  hosts_.reset();
  registry_ = Registry();
  socket_.close();
  namespace_.close();
  index_ = 0;
}

Result<void> Bridge::take_addresses(const std::vector<IpAddress>& wanted, Lease& lease) {
  if (wanted.empty()) {
    auto index = registry_.lease(spec_.isolated ? std::string(subnets_.front().text().view()) : spec_.name);
    if (!index) {
      forget_dead();  // what a crash left since the last sweep
      index = registry_.lease(spec_.isolated ? std::string(subnets_.front().text().view()) : spec_.name);
    }
    lease.index = CCSAND_TRY(std::move(index));
    for (const IpPrefix& subnet : subnets_) lease.addresses.push_back({subnet.host(lease.index), subnet.length});
  }
  for (const IpAddress& address : wanted) {
    auto subnet = std::find_if(subnets_.begin(), subnets_.end(), [&address](const IpPrefix& one) { return one.contains(address); });
    if (subnet == subnets_.end()) return make_error(EINVAL, "lease", address.text().view(), "is in no subnet of the network");
    std::uint32_t index = subnet->index_of(address);
    if (lease.index != 0 && index != lease.index)
      return make_error(EINVAL, "lease", address.text().view(), "the IPv4 and the IPv6 address of a container must end in the same number", "leave one of them out");
    lease.index = index;
    lease.addresses.push_back({address, subnet->length});
  }
  // All of them are known to be right before one is taken.
  if (!wanted.empty()) CCSAND_TRY(registry_.lease_this(lease.index, wanted.front()));
  return {};
}
Result<void> Bridge::take_name(std::string_view name, Lease& lease) {
  std::uint32_t place = CCSAND_TRY(registry_.take_name(lease.index));
  auto done = hosts_->set(place, name, lease.addresses);
  if (done) lease.name_place = place;
  else registry_.give_back_name(place);
  return done;
}

Result<Lease> Bridge::lease(const std::vector<IpAddress>& wanted, std::string_view name) {
  std::optional<NetworkLock> lock;
  if (!spec_.isolated) lock = CCSAND_TRY(NetworkLock::take());
  Lease lease;
  CCSAND_TRY(take_addresses(wanted, lease));
  auto named = name.empty() ? Result<void>() : take_name(name, lease);
  if (!named) {
    registry_.give_back(lease.index);
    return named.error();
  }
  ++used_;
  if (!spec_.isolated)
    for (const IpPrefix& address : lease.addresses) lease.gateways.push_back(address.network().host(1));
  return lease;
}
void Bridge::give_back(const Lease& lease) {
  if (owner_ != process_generation() || !registry_) return;
  --used_;
  std::optional<NetworkLock> lock;
  if (!spec_.isolated) {
    auto taken = NetworkLock::take();
    if (taken) lock = std::move(*taken);
  }
  if (lease.name_place && (lock || spec_.isolated)) {  // without the lock the next sweep finds it
    hosts_->clear(*lease.name_place);
    registry_.give_back_name(*lease.name_place);
  }
  registry_.give_back(lease.index);
}

Result<std::vector<Fd>> Bridge::publish(std::vector<PortRecord>& ports) {
  std::vector<Fd> reserved;
  for (const PortRecord& port : ports) {
    auto name = name_of_port(port.host, port.host_port, port.udp);
    auto socket = sys::reserve_port(port.udp, port.host.bytes.data(), port.host.size(), port.host_port, sys::PortUse::hold, name.view());
    if (!socket) return port_refusal(socket.error());
    reserved.push_back(std::move(*socket));
  }
  NetworkLock lock = CCSAND_TRY(NetworkLock::take());
  std::size_t next = 0;
  for (PortRecord& place : registry_->ports) {
    if (next == ports.size()) break;
    if (place.owner.pid != 0) continue;
    ports[next].owner = own_key();
    place = ports[next++];
  }
  if (next < ports.size()) return make_error(ENOSPC, "publish", spec_.name, "1024 ports of this network are published already");
  auto done = run_nft(port_addition(spec_.name, ports));
  if (done) return reserved;
  for (PortRecord& place : registry_->ports)
    for (const PortRecord& port : ports)
      if (place.host == port.host && place.host_port == port.host_port && place.udp == port.udp) place = {};
  return done.error();
}
void Bridge::withdraw(const std::vector<PortRecord>& ports) {
  if (owner_ != process_generation() || !registry_ || ports.empty()) return;
  auto lock = NetworkLock::take();
  if (!lock) return;
  (void)run_nft(port_removal(spec_.name, ports));
  for (PortRecord& place : registry_->ports)
    for (const PortRecord& port : ports)
      if (place.owner.pid == port.owner.pid && place.host == port.host && place.host_port == port.host_port && place.udp == port.udp) place = {};
}

MacAddress container_mac(const Lease& lease) { return mac_of(lease.addresses.front().address, kContainerMac); }

Result<void> Bridge::connect(const std::string& host_end, const std::string& name, pid_t child, const MacAddress& mac, std::uint32_t mtu) {
  AddLink link;
  link.name = host_end;
  link.kind = "veth";
  link.up = true;
  link.mtu = mtu != 0 ? mtu : spec_.mtu;
  link.master = index_;
  link.peer = name;
  link.peer_mac = mac;
  link.peer_target.pid = child;
  const NetworkChange add = link;
  return send_changes(*mnl_, socket_.get(), {&add, 1});
}

// Cuts are rules where the bridge is.
Result<void> Bridge::run_rules_there(const std::string& rules) {
  std::optional<NamespaceVisit> visit;
  if (namespace_.open()) visit.emplace(CCSAND_TRY(NamespaceVisit::enter(namespace_.get())));
  CCSAND_TRY(run_nft(rules));
  return {};
}
Result<void> Bridge::cut(const std::string& one, const std::string& other) {
  std::string name = cuts_name(), rules;
  if (!std::exchange(has_cuts_, true)) rules = cuts_table(name);
  registry_->cuts = 1;
  // Once more is no error: what is there is added again.
  auto done = run_rules_there(rules + cuts_change(name, "add", one, other));
  if (done) return {};
  Error error = done.error();
  error.operation = "cut";
  error.hint = "cutting takes the kernel's CONFIG_NF_TABLES_BRIDGE";
  return error;
}
Result<void> Bridge::heal(const std::string& one, const std::string& other) {
  if (!has_cuts_) return {};
  // Added first, so that it is there to be removed.
  return run_rules_there(cuts_change(cuts_name(), "add", one, other) + cuts_change(cuts_name(), "delete", one, other));
}

Result<std::string> Bridge::resolver_path() {
  std::string text;
  for (const std::string& server : spec_.dns) text += "nameserver " + server + "\n";
  if (text.empty()) text = spec_.isolated ? std::string("# an isolated network has no resolver\n") : CCSAND_TRY(host_resolvers());
  return resolver_file(key_, text);
}

// ---- the process's own

namespace {
std::map<std::string, std::shared_ptr<Bridge>>& bridges() {
  static std::map<std::string, std::shared_ptr<Bridge>> all;
  return all;
}
}  // namespace

Result<std::shared_ptr<Bridge>> shared_bridge(const BridgeSpec& spec) {
  // One value for each link, however often a recipe describes it: this process holds the bridge once.
  auto [entry, fresh] = bridges().try_emplace(spec.name);
  if (!fresh && entry->second->spec() == spec) return entry->second;
  if (!fresh && (entry->second->is_open() || entry->second.use_count() > 1))
    return make_error(EEXIST, "network", spec.name, "this recipe has described it in another way already", "describe it once, or give the other one another name");
  entry->second = std::make_shared<Bridge>(spec);
  return entry->second;
}
void close_networks() {
  for (const auto& [name, bridge] : bridges())
    if (!bridge->is_used()) bridge->close();  // a value that the recipe still has opens it again
  std::erase_if(bridges(), [](const auto& entry) { return entry.second.use_count() == 1 && !entry.second->is_used(); });
}

}  // namespace ccsand
