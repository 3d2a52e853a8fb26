// Unix sockets.
#include "sys/socket.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "sys/call.hpp"

namespace ccsand::sys {

namespace {
constexpr std::size_t kMostDescriptors = 253;  // SCM_MAX_FD
}  // namespace

Result<SocketPair> socketpair(int type) {
  int ends[2] = {-1, -1};
  long result = call(SYS_socketpair, AF_UNIX, type | SOCK_CLOEXEC, 0, &ends[0]);
  if (result < 0) return failure(result, "socketpair", {});
  return SocketPair{Fd(ends[0]), Fd(ends[1])};
}

Result<Fd> connect_unix(std::string_view path) {
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  if (path.size() >= sizeof to.sun_path) return failure(-ENAMETOOLONG, "connect", {path});
  std::memcpy(&to.sun_path[0], path.data(), path.size());
  long result = call(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (result < 0) return failure(result, "socket", {path});
  Fd socket(static_cast<int>(result));
  result = call(SYS_connect, socket.get(), &to, sizeof to);
  if (result < 0) return failure(result, "connect", {path});
  return socket;
}

Result<void> end_writing(int socket) {
  long result = call(SYS_shutdown, socket, SHUT_WR);
  if (result < 0) return failure(result, "shutdown", {});
  return {};
}

Result<void> send_message(int socket, std::string_view text, int fd) {
  return send_message(socket, text, std::span<const int>(&fd, fd >= 0 ? 1 : 0));
}
Result<void> send_message(int socket, std::string_view text, std::span<const int> fds) {
  if (fds.size() > kMostDescriptors) return failure(-EINVAL, "sendmsg", {});
  iovec part = {const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = &control[0];
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  long result = 0;
  do result = call(SYS_sendmsg, socket, &message, MSG_NOSIGNAL);
  while (result == -EINTR);
  if (result < 0) return failure(result, "sendmsg", {});
  return {};
}

Result<Message> receive_message(int socket, void* data, std::size_t size, std::span<Fd> more) {
  iovec part = {data, size};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  msghdr wire = {};
  wire.msg_iov = &part;
  wire.msg_iovlen = 1;
  wire.msg_control = &control[0];
  wire.msg_controllen = sizeof control;
  long result = 0;
  do result = call(SYS_recvmsg, socket, &wire, MSG_CMSG_CLOEXEC);
  while (result == -EINTR);
  if (result < 0) return failure(result, "recvmsg", {});
  Message message;
  message.size = static_cast<std::size_t>(result);
  message.cut = (wire.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  std::size_t count = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&wire); header != nullptr; header = CMSG_NXTHDR(&wire, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= header->cmsg_len; at += sizeof(int)) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + at, sizeof number);
      Fd received(number);
      if (count == 0) message.fd = std::move(received);
      else if (count <= more.size()) more[count - 1] = std::move(received);
      else message.cut = message.cut || !more.empty();
      ++count;
    }
  }
  return message;
}

// ---- sockets with a path

Result<Fd> seqpacket_socket(int flags) {
  long result = call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
  if (result < 0) return failure(result, "socket", {});
  return Fd(static_cast<int>(result));
}

namespace {
Result<void> with_address(long number, const char* operation, int socket, std::string_view path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return failure(-ENAMETOOLONG, operation, {"'", path, "'"});
  std::memcpy(&address.sun_path[0], path.data(), path.size());
  long result = 0;
  do result = call(number, socket, &address, sizeof address);
  while (result == -EINTR);
  if (result < 0) return failure(result, operation, {"'", path, "'"});
  return {};
}
}  // namespace

Result<void> bind(int socket, std::string_view path) { return with_address(SYS_bind, "bind", socket, path); }
Result<void> connect(int socket, std::string_view path) { return with_address(SYS_connect, "connect", socket, path); }
Result<void> listen(int socket, int backlog) {
  long result = call(SYS_listen, socket, backlog);
  if (result < 0) return failure(result, "listen", {});
  return {};
}
Result<Fd> accept(int socket) {
  long result = call(SYS_accept4, socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (result < 0) return failure(result, "accept", {});
  return Fd(static_cast<int>(result));
}
Result<PeerCredentials> peer_credentials(int socket) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  long result = call(SYS_getsockopt, socket, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  if (result < 0) return failure(result, "getsockopt", {"SO_PEERCRED"});
  return PeerCredentials{peer.pid, peer.uid, peer.gid};
}

}  // namespace ccsand::sys
