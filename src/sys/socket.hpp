// Unix sockets that carry messages and descriptors between processes. No policy.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::sys {

struct SocketPair {
  Fd first, second;
};
// socketpair(2) of AF_UNIX; SOCK_SEQPACKET keeps messages apart.
Result<SocketPair> socketpair(int type);
// connect(2) of a stream of AF_UNIX to the socket at `path`, of at most 107 bytes.
Result<Fd> connect_unix(std::string_view path);
// shutdown(2) SHUT_WR: the other end reads its end.
Result<void> end_writing(int socket);
// sendmsg(2): text of at least a byte, and a descriptor where `fd` >= 0 (SCM_RIGHTS,
// unix(7)). EPIPE, and never SIGPIPE, where the other end is closed.
Result<void> send_message(int socket, std::string_view text, int fd = -1);
Result<void> send_message(int socket, std::string_view text, std::span<const int> fds);  // at most 253
struct Message {
  std::size_t size = 0;  // 0: the other end is closed
  bool cut = false;      // it was longer, or came with more descriptors than can be
  Fd fd;
};
// recvmsg(2); what does not fit in `data` is lost. Descriptors past the first go to `more` as
// far as it reaches, and are closed beyond.
Result<Message> receive_message(int socket, void* data, std::size_t size, std::span<Fd> more = {});

// A socket of AF_UNIX and SOCK_SEQPACKET; those that accept() makes do not block.
Result<Fd> seqpacket_socket(int flags);                    // SOCK_NONBLOCK, or 0
Result<void> bind(int socket, std::string_view path);     // unix(7): at most 107 bytes
Result<void> connect(int socket, std::string_view path);
Result<void> listen(int socket, int backlog);
Result<Fd> accept(int socket);                            // accept4(2)
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};
Result<PeerCredentials> peer_credentials(int socket);     // SO_PEERCRED: who connected, or listens

}  // namespace ccsand::sys
