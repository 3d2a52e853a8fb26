// A port of the host that leads to a container, as a recipe asks for it.
#pragma once

#include <optional>

#include "ccsand/error.hpp"
#include "core/network/address.hpp"

namespace ccsand {

struct PublishedPort {
  std::optional<IpAddress> host;        // none: every address of the host's
  std::uint16_t host_port = 0, port = 0;
  bool udp = false;
};
// "127.0.0.1 port 8080/tcp", for messages.
FixedText<64> name_of_port(const IpAddress& host, std::uint16_t port, bool udp);
// What is said of a port of the host that cannot be had, with its errno.
Error port_refusal(Error error);

}  // namespace ccsand
