// Ports of the host in messages.
#include "core/network/published_port.hpp"

#include <cerrno>

namespace ccsand {

FixedText<64> name_of_port(const IpAddress& host, std::uint16_t port, bool udp) {
  FixedText<64> name = host.text();
  name.append(" port ").append_number(port).append(udp ? "/udp" : "/tcp");
  return name;
}

Error port_refusal(Error error) {
  error.operation = "publish";
  if (error.code == EADDRINUSE) error.hint = "another program, or another container, has this port: ss -lntup shows which";
  if (error.code == EADDRNOTAVAIL) error.hint = "the address is not one of this host's";
  if (error.code == EACCES) error.hint = "ports below net.ipv4.ip_unprivileged_port_start take cap_net_bind_service on the host's network";
  return error;
}

}  // namespace ccsand
