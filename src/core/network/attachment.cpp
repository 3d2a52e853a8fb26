// A container's interfaces, from the lease to the end.
#include "core/network/attachment.hpp"

#include <fcntl.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "core/generation.hpp"
#include "core/network/dump.hpp"
#include "core/network/visit.hpp"
#include "sys/file.hpp"
#include "sys/netlink.hpp"

namespace ccsand {

namespace {
Error wrong(const std::string& key, std::string_view reason, const char* hint = "") {
  return make_error(EINVAL, "", "container." + key, reason, hint);
}

Result<void> validate_interface(const InterfaceSpec& spec, const std::string& key) {
  if (!is_link_name(spec.name) || spec.name == "lo") return wrong(key + ".name", "must be 1 to 15 bytes without '/', ':' and spaces, and not \"lo\"");
  if (spec.mtu != 0 && (spec.mtu < 68 || spec.mtu > 65535)) return wrong(key + ".mtu", "must be 68 to 65535");
  if (spec.kind == InterfaceSpec::user) return {};
  if (spec.kind != InterfaceSpec::bridge) {
    if (!is_link_name(spec.link)) return wrong(key, "names a link of the host that cannot be one");
    return {};
  }
  const BridgeSpec& network = spec.network ? spec.network->spec() : spec.shared;
  CCSAND_TRY(validate(network, "container." + key));
  if (!network.subnets.empty())
    for (const IpPrefix& address : spec.addresses)
      if (std::none_of(network.subnets.begin(), network.subnets.end(), [&address](const IpPrefix& subnet) { return subnet.contains(address.address); }))
        return wrong(key + ".address", std::string(address.address.text().view()) + " is in no subnet of its network");
  return {};
}

bool is_isolated(const InterfaceSpec& spec) { return (spec.network ? spec.network->spec() : spec.shared).isolated; }
// Whether ports of the host can lead to it.
bool publishes(const InterfaceSpec& spec) { return spec.kind == InterfaceSpec::user || (spec.kind == InterfaceSpec::bridge && !is_isolated(spec)); }

// What slirp4netns can do.
Result<void> validate_user_ports(std::span<const PublishedPort> ports) {
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].host && ports[i].host->v6)
      return wrong("ports", "'" + std::string(ports[i].host->text().view()) + "': slirp4netns publishes ports of IPv4 addresses alone", "leave the address out, or use network = \"nat\"");
    // The container's answer is addressed to what stands for the host's loopback, which it is kept from.
    if (ports[i].udp && ports[i].host && ports[i].host->is_loopback())
      return wrong("ports", "'" + std::string(ports[i].host->text().view()) + "': slirp4netns answers UDP of the host's loopback only where containers may ask it, too", "publish on another address of the host's, or use network = \"nat\"");
    for (std::size_t n = 0; n < i; ++n)
      if (ports[i].udp && ports[n].udp && ports[i].port == ports[n].port)
        return wrong("ports", "publish " + std::to_string(ports[i].port) + "/udp of the container twice: slirp4netns sends its answers by one of them alone", "publish it once, or use network = \"nat\"");
  }
  return {};
}
}  // namespace

Result<void> validate(const NetworkSpec& spec) {
  for (std::size_t i = 0; i < spec.interfaces.size(); ++i) {
    std::string key = spec.interfaces.size() == 1 ? "network" : "network[" + std::to_string(i + 1) + "]";
    CCSAND_TRY(validate_interface(spec.interfaces[i], key));
    for (std::size_t n = 0; n < i; ++n)
      if (spec.interfaces[n].name == spec.interfaces[i].name) return wrong(key + ".name", "'" + spec.interfaces[i].name + "' is the name of two interfaces");
      else if (spec.interfaces[n].kind == InterfaceSpec::user && spec.interfaces[i].kind == InterfaceSpec::user) return wrong(key, "is \"user\" once more: slirp4netns gives one address");
  }
  auto publisher = std::find_if(spec.interfaces.begin(), spec.interfaces.end(), publishes);
  if (!spec.ports.empty() && publisher == spec.interfaces.end())
    return wrong("ports", "need a network that the host is on: \"nat\", a bridge that is not isolated, or \"user\"");
  if (publisher != spec.interfaces.end() && publisher->kind == InterfaceSpec::user) CCSAND_TRY(validate_user_ports(spec.ports));
  for (std::size_t i = 0; i < spec.ports.size(); ++i)
    for (std::size_t n = 0; n < i; ++n)
      if (spec.ports[i].host_port == spec.ports[n].host_port && spec.ports[i].udp == spec.ports[n].udp &&
          (!spec.ports[i].host || !spec.ports[n].host || spec.ports[i].host == spec.ports[n].host))
        return wrong("ports", "publish " + std::to_string(spec.ports[i].host_port) + " of the host twice");
  return {};
}

std::string describe(const NetworkSpec& spec) {
  std::string text;
  for (const InterfaceSpec& one : spec.interfaces) {
    if (!text.empty()) text += ", ";
    text += one.name;
    const BridgeSpec& network = one.network ? one.network->spec() : one.shared;
    if (one.kind == InterfaceSpec::macvlan) text += " macvlan of '" + one.link + "'";
    else if (one.kind == InterfaceSpec::device) text += " the device '" + one.link + "'";
    else if (one.kind == InterfaceSpec::user) text += " of slirp4netns";
    else if (network.isolated) text += " on an isolated bridge";
    else text += " on bridge '" + network.name + "'";
  }
  for (const PublishedPort& port : spec.ports)
    text += ", port " + std::to_string(port.port) + (port.udp ? "/udp" : "/tcp") + " as " + (port.host ? std::string(port.host->text().view()) + " " : std::string()) + std::to_string(port.host_port);
  return text;
}

Result<std::shared_ptr<NetworkAttachment>> NetworkAttachment::prepare(std::shared_ptr<const NetworkSpec> spec) {
  std::shared_ptr<NetworkAttachment> self(new NetworkAttachment);
  self->spec_ = std::move(spec);
  self->mnl_ = CCSAND_TRY(load_mnl());
  self->owner_ = process_generation();
  self->interfaces_.reserve(self->spec_->interfaces.size());
  for (const InterfaceSpec& one : self->spec_->interfaces) {
    self->interfaces_.emplace_back();
    self->interfaces_.back().spec = &one;
    if (one.kind == InterfaceSpec::bridge) CCSAND_TRY(self->lease(self->interfaces_.back()));
  }
  CCSAND_TRY(self->publish());
  self->plan_changes();
  return self;
}

Result<void> NetworkAttachment::lease(Interface& interface) {
  const InterfaceSpec& spec = *interface.spec;
  auto network = spec.network ? spec.network : CCSAND_TRY(shared_bridge(spec.shared));
  CCSAND_TRY(network->open());
  for (const Interface& other : interfaces_)
    if (other.network)
      for (const IpPrefix& mine : network->subnets())
        for (const IpPrefix& theirs : other.network->subnets())
          if (mine.overlaps(theirs))
            return make_error(EINVAL, "network", mine.text().view(), "two interfaces of one container have overlapping subnets", "give the networks other subnets");
  std::vector<IpAddress> wanted;
  for (const IpPrefix& address : spec.addresses) wanted.push_back(address.address);
  interface.lease = CCSAND_TRY(network->lease(wanted, spec_->host_name));
  interface.network = std::move(network);
  interface.host_end = new_link_name();
  return {};
}

// Every published port goes to the first interface that the host is on.
Result<void> NetworkAttachment::publish() {
  if (spec_->ports.empty()) return {};
  auto at = std::find_if(interfaces_.begin(), interfaces_.end(), [](const Interface& one) { return publishes(*one.spec); });
  if (at == interfaces_.end()) return make_error(EINVAL, "publish", "", "no interface is on a network of the host");
  user_ports_ = at->spec->kind == InterfaceSpec::user;
  if (user_ports_) return UserNetwork::try_ports(spec_->ports);
  return publish_on(*at);
}

Result<void> NetworkAttachment::publish_on(const Interface& interface) {
  std::vector<PortRecord> ports;
  for (const PublishedPort& port : spec_->ports) {
    bool matched = false;
    for (const IpPrefix& address : interface.lease.addresses) {
      if (port.host && port.host->v6 != address.address.v6) continue;
      PortRecord record;
      if (port.host) record.host = *port.host;
      record.host.v6 = address.address.v6;
      record.container = address.address;
      record.host_port = port.host_port;
      record.port = port.port;
      record.udp = port.udp;
      ports.push_back(record);
      matched = true;
    }
    if (!matched) return make_error(EAFNOSUPPORT, "publish", port.host->text().view(), "its network has no subnet of that family");
  }
  reserved_ = CCSAND_TRY(interface.network->publish(ports));
  publisher_ = interface.network.get();
  ports_ = std::move(ports);
  return {};
}

void NetworkAttachment::plan_changes() {
  SetLink loopback;
  loopback.link = 1;  // the first link of every namespace
  loopback.up = true;
  changes_.emplace_back(loopback);
  bool has_default[2] = {};
  for (Interface& interface : interfaces_) {
    const InterfaceSpec& spec = *interface.spec;
    interface.changes_begin = interface.changes_end = changes_.size();
    if (spec.kind == InterfaceSpec::user) continue;  // slirp4netns does it
    SetLink up;
    up.up = true;
    if (spec.kind == InterfaceSpec::device) up.mac = spec.mac;
    if (spec.kind != InterfaceSpec::bridge && spec.mtu != 0) up.mtu = spec.mtu;
    changes_.emplace_back(up);
    const std::vector<IpPrefix>& addresses = spec.kind == InterfaceSpec::bridge ? interface.lease.addresses : spec.addresses;
    for (const IpPrefix& address : addresses) changes_.emplace_back(AddAddress{0, address});
    const std::vector<IpAddress>& gateways = spec.gateways.empty() ? interface.lease.gateways : spec.gateways;
    for (const IpAddress& gateway : gateways) {
      if (!spec.default_route || std::exchange(has_default[gateway.v6 ? 1 : 0], true)) continue;  // the first interface's
      AddRoute route;
      route.to.address.v6 = gateway.v6;
      route.via = gateway;
      changes_.emplace_back(route);
    }
    for (const RouteSpec& one : spec.routes) {
      AddRoute route;
      route.to = one.to;
      route.via = one.via;
      changes_.emplace_back(route);
    }
    interface.changes_end = changes_.size();
  }
}

Result<void> NetworkAttachment::connect(pid_t child, int child_pidfd) {
  Fd socket;  // of the host's namespace, where a link of the host's is taken
  for (Interface& interface : interfaces_) {
    const InterfaceSpec& spec = *interface.spec;
    if (interface.network) {
      MacAddress mac = spec.mac ? *spec.mac : container_mac(interface.lease);
      CCSAND_TRY(interface.network->connect(interface.host_end, spec.name, child, mac, spec.mtu));
      continue;
    }
    if (spec.kind == InterfaceSpec::user) {
      std::span<const PublishedPort> ports = spec_->ports;
      user_network_ = CCSAND_TRY(UserNetwork::start(child, spec.name, spec.mtu, user_ports_ ? ports : ports.first(0)));
      continue;
    }
    if (!socket.open()) socket = CCSAND_TRY(sys::netlink_socket(NETLINK_ROUTE));
    std::uint32_t index = CCSAND_TRY(sys::interface_index(socket.get(), spec.link));
    NetworkChange change;
    if (spec.kind == InterfaceSpec::macvlan) {
      AddLink link;
      link.name = spec.name;
      link.kind = "macvlan";
      link.parent = index;
      link.macvlan_mode = spec.macvlan_mode;
      link.mac = spec.mac;
      link.target.pid = child;
      change = link;
    } else {
      SetLink link;
      link.link = index;
      link.new_name = spec.name;
      link.target.pid = child;
      change = link;
    }
    CCSAND_TRY(send_changes(*mnl_, socket.get(), {&change, 1}));
  }
  if (!spec_->rules.empty()) return load_rules(child_pidfd);
  return {};
}

namespace {
// Nor one container another's: its routes are those that it was given. It allocates nothing.
Result<void> refuse_advertisements(const std::string& name) {
  FixedText<64> path("/proc/sys/net/ipv6/conf/");
  path.append(name).append("/accept_ra");
  auto file = sys::open(path.c_str(), O_WRONLY);
  if (!file && file.error().code == ENOENT) return {};  // a kernel without IPv6
  if (!file) return file.error();
  CCSAND_TRY(sys::write(file->get(), "0", 1, path.view()));
  return {};
}
}  // namespace

Result<void> NetworkAttachment::configure() {
  Fd socket = CCSAND_TRY(sys::netlink_socket(NETLINK_ROUTE));
  for (const Interface& interface : interfaces_) {
    if (interface.network) CCSAND_TRY(refuse_advertisements(interface.spec->name));
    std::uint32_t index = CCSAND_TRY(sys::interface_index(socket.get(), interface.spec->name));
    for (std::size_t i = interface.changes_begin; i < interface.changes_end; ++i) {
      if (auto* address = std::get_if<AddAddress>(&changes_[i])) address->link = index;
      if (auto* route = std::get_if<AddRoute>(&changes_[i])) route->link = index;
      if (auto* link = std::get_if<SetLink>(&changes_[i])) link->link = index;
    }
  }
  return send_changes(*mnl_, socket.get(), changes_);
}

Result<void> NetworkAttachment::load_rules(int child_pidfd) {
  NamespaceVisit visit = CCSAND_TRY(NamespaceVisit::enter(child_pidfd));
  namespace_ = CCSAND_TRY(own_network_namespace());
  CCSAND_TRY(run_nft(spec_->rules));
  return {};
}

std::vector<RuleCount> NetworkAttachment::count() const {
  std::vector<RuleCount> counts;
  if (!namespace_.open()) return counts;
  auto visit = NamespaceVisit::enter(namespace_.get());
  auto text = visit ? run_nft("list counters table inet ccsand") : Result<std::string>(visit.error());
  if (!text) return counts;
  for (std::size_t i = 0; i < spec_->counters.size(); ++i) {
    // counter c1 { packets 3 bytes 180 }
    RuleCount count{spec_->counters[i], 0, 0};
    std::size_t at = text->find("counter c" + std::to_string(i + 1) + " {");
    if (at == std::string::npos) continue;
    auto number = [&text](std::size_t from, const char* word) {
      std::uint64_t value = 0;
      std::size_t begin = text->find(word, from);
      if (begin == std::string::npos) return value;
      begin += std::char_traits<char>::length(word);
      (void)std::from_chars(text->data() + begin, text->data() + text->size(), value);  // nft's own number
      return value;
    };
    count.packets = number(at, "packets ");
    count.bytes = number(at, "bytes ");
    counts.push_back(std::move(count));
  }
  return counts;
}

Result<std::string> NetworkAttachment::hosts_path() {
  if (Bridge* source = name_source()) return source->hosts_path();
  static unsigned count = 0;
  own_files_ = "p" + std::to_string(own_key().pid) + "-" + std::to_string(own_key().start) + "-u" + std::to_string(++count);
  return CCSAND_TRY(HostsFile::open(own_files_)).path();
}
Result<std::string> NetworkAttachment::resolver_path() {
  if (Bridge* source = name_source()) return source->resolver_path();
  return resolver_file(own_files_, kUserNetworkResolver);
}

Bridge* NetworkAttachment::name_source() const {
  for (const Interface& interface : interfaces_)
    if (interface.network) return interface.network.get();
  return nullptr;
}

NetworkAttachment::~NetworkAttachment() {
  if (owner_ != process_generation()) return;
  if (publisher_ != nullptr) publisher_->withdraw(ports_);
  if (!own_files_.empty())
    if (auto lock = NetworkLock::take()) remove_name_files(lock->directory(), own_files_);
  for (Interface& interface : interfaces_) {
    if (interface.network) interface.network->give_back(interface.lease);
  }
}

}  // namespace ccsand
