// A network that containers are put on: a bridge in the host's network namespace, shared by
// every ccsand process that names it, or in a namespace of its own, which this process alone holds
// and from which there is no way out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/network/batch.hpp"
#include "core/network/name_files.hpp"
#include "core/network/registry.hpp"

namespace ccsand {

struct BridgeSpec {
  std::string name;                  // of the link; "" for isolated ones: they need none
  std::vector<IpPrefix> subnets;     // at most one of each family; empty: chosen where nothing is
  bool isolated = false;             // a namespace of its own
  bool masquerade = true;            // its containers reach what the host reaches
  bool host_access = false;          // ... and the host's own services
  std::uint32_t mtu = 0;
  std::vector<std::string> dns;      // addresses; empty: the host's resolvers, and for isolated ones none
  bool operator==(const BridgeSpec&) const = default;
};
// Refuses what makes no sense.
Result<void> validate(const BridgeSpec& spec, std::string_view subject);

struct Lease {
  std::uint32_t index = 0;
  std::vector<IpPrefix> addresses;
  std::vector<IpAddress> gateways;
  std::optional<std::uint32_t> name_place;  // in the hosts file
};

// The hardware address of a container's interface.
MacAddress container_mac(const Lease& lease);

class Bridge {
 public:
  explicit Bridge(BridgeSpec spec) : spec_(std::move(spec)) {}
  ~Bridge();
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  [[nodiscard]] const BridgeSpec& spec() const { return spec_; }
  // Makes it, where it is not there, and holds it for this process. Idempotent.
  Result<void> open();
  // Lets go: the last process takes down what was made.
  void close();

  // An address of each subnet for a container, those of `wanted` where there are any; and the name by which the
  // containers of this network find it, "" for none.
  Result<Lease> lease(const std::vector<IpAddress>& wanted, std::string_view name);
  void give_back(const Lease& lease);
  // Publishes ports: reserves them on the host, so that who comes later gets an error.
  Result<std::vector<Fd>> publish(std::vector<PortRecord>& ports);
  void withdraw(const std::vector<PortRecord>& ports);
  // The host's end of a container's interface, a port of this bridge; the other end goes to `child`.
  Result<void> connect(const std::string& host_end, const std::string& name, pid_t child, const MacAddress& mac, std::uint32_t mtu);
  [[nodiscard]] const std::string& hosts_path() const { return hosts_->path(); }
  Result<std::string> resolver_path();
  // Drops, or lets through again, what the ports with these host ends send each other.
  Result<void> cut(const std::string& one, const std::string& other);
  Result<void> heal(const std::string& one, const std::string& other);
  [[nodiscard]] bool is_used() const { return used_ != 0; }  // by containers of this process
  [[nodiscard]] bool is_open() const { return socket_.open(); }
  [[nodiscard]] int socket() const { return socket_.get(); }        // NETLINK_ROUTE, where the bridge is
  [[nodiscard]] int namespace_fd() const { return namespace_.get(); }  // -1: the host's
  [[nodiscard]] const std::vector<IpPrefix>& subnets() const { return subnets_; }

 private:
  // Under the lock, where others share the network.
  Result<void> take_addresses(const std::vector<IpAddress>& wanted, Lease& lease);
  Result<void> take_name(std::string_view name, Lease& lease);
  Result<void> open_isolated();
  Result<void> open_shared();
  Result<void> set_up(const NetworkLock& lock);
  Result<void> choose_subnets();
  void forget_dead();
  Result<void> run_rules_there(const std::string& rules);
  [[nodiscard]] std::string cuts_name() const { return spec_.isolated ? "isolated" : spec_.name; }  // of their table
  Result<std::uint32_t> add_bridge(const std::string& name, bool with_addresses);

  BridgeSpec spec_;
  std::vector<IpPrefix> subnets_;
  Registry registry_;
  Fd namespace_, socket_;
  const Mnl* mnl_ = nullptr;
  std::uint32_t index_ = 0, used_ = 0;
  bool has_cuts_ = false;
  std::optional<HostsFile> hosts_;
  std::string key_;          // of its files
  std::uint64_t owner_ = 0;  // by generation: a forked copy takes nothing down
};

// The bridge of that description in this process; EEXIST where it has one of that name with another. Shared ones stay open until close_networks().
Result<std::shared_ptr<Bridge>> shared_bridge(const BridgeSpec& spec);
// What network = "nat" means.
BridgeSpec default_bridge();
// At the end of the process, or when a recipe asks for it.
void close_networks();
// Takes down what dead processes left in this network namespace.
void sweep_networks();
// A word that no other link has: of the host's end of a container's interface.
std::string new_link_name();

}  // namespace ccsand
