// Netlink sockets.
#include "sys/netlink.hpp"

#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sys/call.hpp"

namespace ccsand::sys {

Result<Fd> netlink_socket(int protocol) {
  long result = call(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (result < 0) return failure(result, "socket", {"AF_NETLINK"});
  Fd socket(static_cast<int>(result));
  int on = 1;
  // Older kernels do without; the failure's errno stays.
  (void)call(SYS_setsockopt, socket.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  (void)call(SYS_setsockopt, socket.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return socket;
}

Result<void> netlink_send(int socket, const void* data, std::size_t size) {
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  long result = 0;
  do result = call(SYS_sendto, socket, data, size, 0, &kernel, sizeof kernel);
  while (result == -EINTR);
  if (result < 0) return failure(result, "send", {"netlink"});
  return {};
}

Result<std::size_t> netlink_receive(int socket, void* data, std::size_t size) {
  for (;;) {
    sockaddr_nl sender = {};
    socklen_t length = sizeof sender;
    long result = call(SYS_recvfrom, socket, data, size, MSG_TRUNC, &sender, &length);
    if (result == -EINTR) continue;
    if (result < 0) return failure(result, "recv", {"netlink"});
    if (sender.nl_pid != 0) continue;  // anybody may send to this socket; the kernel is pid 0
    if (static_cast<std::size_t>(result) > size) return failure(-EMSGSIZE, "recv", {"netlink"});
    return static_cast<std::size_t>(result);
  }
}

Result<unsigned> interface_index(int socket, std::string_view name) {
  ifreq request = {};
  if (name.empty() || name.size() >= IFNAMSIZ) return failure(-ENODEV, "interface", {name});
  std::memcpy(&request.ifr_name[0], name.data(), name.size());
  long result = call(SYS_ioctl, socket, SIOCGIFINDEX, &request);
  if (result < 0) return failure(result, "interface", {name});
  return static_cast<unsigned>(request.ifr_ifindex);
}

Result<Fd> reserve_port(bool udp, const void* address, std::size_t size, unsigned short port, PortUse use, std::string_view name) {
  bool v6 = size == 16;
  long result = call(SYS_socket, v6 ? AF_INET6 : AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
  if (result < 0) return failure(result, "socket", {name});
  Fd socket(static_cast<int>(result));
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } to = {};
  if (v6) {
    int on = 1;
    (void)call(SYS_setsockopt, socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);  // a fresh socket takes it
    to.v6.sin6_family = AF_INET6;
    to.v6.sin6_port = htons(port);
    std::memcpy(&to.v6.sin6_addr, address, 16);
  } else {
    to.v4.sin_family = AF_INET;
    to.v4.sin_port = htons(port);
    std::memcpy(&to.v4.sin_addr, address, 4);
  }
  int reuse = 1;
  if (use == PortUse::try_it && !udp) (void)call(SYS_setsockopt, socket.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);  // else bind() says more than is so
  result = call(SYS_bind, socket.get(), &to.any, v6 ? sizeof to.v6 : sizeof to.v4);
  if (result < 0) return failure(result, "bind", {name});
  return socket;
}

Result<void> lock_directory(int directory, std::string_view name) {
  long result = 0;
  do result = call(SYS_flock, directory, LOCK_EX);
  while (result == -EINTR);
  if (result < 0) return failure(result, "flock", {name});
  return {};
}

}  // namespace ccsand::sys
