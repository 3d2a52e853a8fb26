// Unix sockets.
#include "sys/socket.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "sys/call.hpp"

namespace ccsand::sys {

namespace {
constexpr std::size_t kMostDescriptors = 8;
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
  iovec part = {const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = &control[0];
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  long result = 0;
  do result = call(SYS_sendmsg, socket, &message, MSG_NOSIGNAL);
  while (result == -EINTR);
  if (result < 0) return failure(result, "sendmsg", {});
  return {};
}

Result<Message> receive_message(int socket, void* data, std::size_t size) {
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
  for (cmsghdr* header = CMSG_FIRSTHDR(&wire); header != nullptr; header = CMSG_NXTHDR(&wire, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= header->cmsg_len; at += sizeof(int)) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + at, sizeof number);
      Fd received(number);
      if (!message.fd.open()) message.fd = std::move(received);
    }
  }
  return message;
}

}  // namespace ccsand::sys
