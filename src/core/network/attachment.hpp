// A container's network: what it is to be, and what it has while it lives.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/network/bridge.hpp"
#include "core/network/published_port.hpp"
#include "core/network/user_network.hpp"

namespace ccsand {

struct RouteSpec {
  IpPrefix to;
  std::optional<IpAddress> via;
};
struct InterfaceSpec {
  enum Kind { bridge, macvlan, device, user } kind = bridge;
  std::string name = "eth0";            // in the container
  std::shared_ptr<Bridge> network;      // of bridge; null: that which `shared` describes
  BridgeSpec shared;
  std::string link;                     // of macvlan: the link of the host below; of device: the one to move
  std::uint32_t macvlan_mode = 4;       // MACVLAN_MODE_BRIDGE
  std::vector<IpPrefix> addresses;      // of bridge: the very ones, or any; of macvlan and device: those that it gets
  std::vector<IpAddress> gateways;      // default routes; of bridge: empty is the bridge's own
  bool default_route = true;
  std::vector<RouteSpec> routes;
  std::optional<MacAddress> mac;
  std::uint32_t mtu = 0;
};
struct NetworkSpec {
  std::vector<InterfaceSpec> interfaces;
  std::vector<PublishedPort> ports;
  std::string rules;                    // nft(8), loaded in the container's namespace
  std::vector<std::string> counters;    // what the counters "c1", "c2", ... of `rules` count
  std::string host_name;                // by which its networks know it; "" for none
};
Result<void> validate(const NetworkSpec& spec);
std::string describe(const NetworkSpec& spec);

struct RuleCount {
  std::string rule;
  std::uint64_t packets = 0, bytes = 0;
};

class NetworkAttachment {
 public:
  // Leases addresses and ports: all that is known before there is a container.
  static Result<std::shared_ptr<NetworkAttachment>> prepare(std::shared_ptr<const NetworkSpec> spec);
  ~NetworkAttachment();  // gives back what it leased; links are gone with the container's namespace
  NetworkAttachment(const NetworkAttachment&) = delete;
  NetworkAttachment& operator=(const NetworkAttachment&) = delete;

  // The host's side: makes the links whose one end is the container's.
  Result<void> connect(pid_t child, int child_pidfd);
  // The container's side: addresses and routes. Allocates nothing.
  Result<void> configure();
  // Rules in the container's namespace; count() reads their counters, and may after its end.
  Result<void> load_rules(int child_pidfd);
  [[nodiscard]] std::vector<RuleCount> count() const;

  // The files by which the container finds names: of the first interface that has any.
  Result<std::string> hosts_path();
  Result<std::string> resolver_path();

  struct Interface {
    const InterfaceSpec* spec = nullptr;
    std::shared_ptr<Bridge> network;    // of bridge
    Lease lease;
    std::string host_end;
    std::size_t changes_begin = 0, changes_end = 0;
  };
  [[nodiscard]] const std::vector<Interface>& interfaces() const { return interfaces_; }

 private:
  NetworkAttachment() = default;
  Result<void> lease(Interface& interface);
  Result<void> publish();
  Result<void> publish_on(const Interface& interface);
  void plan_changes();
  [[nodiscard]] Bridge* name_source() const;

  std::shared_ptr<const NetworkSpec> spec_;
  const Mnl* mnl_ = nullptr;
  std::vector<Interface> interfaces_;
  std::vector<NetworkChange> changes_;  // of the container's side; their links are numbered there
  Bridge* publisher_ = nullptr;
  std::vector<PortRecord> ports_;
  std::vector<Fd> reserved_;
  bool user_ports_ = false;             // published by slirp4netns
  Fd namespace_;                        // where there are rules
  std::unique_ptr<UserNetwork> user_network_;
  std::string own_files_;               // the key of files of names that are this container's alone
  std::uint64_t owner_ = 0;
};

}  // namespace ccsand
