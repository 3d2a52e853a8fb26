// A container's way out without any right on the host's network: slirp4netns(1), which speaks
// TCP/IP with the container and makes ordinary sockets of it on the host.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "ccsand/fd.hpp"
#include "core/network/name_files.hpp"
#include "core/network/published_port.hpp"

namespace ccsand {

class UserNetwork {
 public:
  // Starts it for the network namespace of `child`, whose interface `name` is set up, with its ports, when this
  // returns. It ends with this object, and with this process however that ends.
  static Result<std::unique_ptr<UserNetwork>> start(pid_t child, const std::string& name, std::uint32_t mtu, std::span<const PublishedPort> ports);
  // Whether the host has the ports to give: an error that names the first which it has not.
  static Result<void> try_ports(std::span<const PublishedPort> ports);
  ~UserNetwork();
  UserNetwork(const UserNetwork&) = delete;
  UserNetwork& operator=(const UserNetwork&) = delete;

 private:
  UserNetwork() = default;
  Fd pidfd_, exit_;  // closing the second ends it
};

// What its containers' resolv.conf(5) says.
constexpr const char* kUserNetworkResolver = "nameserver 10.0.2.3\n";

}  // namespace ccsand
