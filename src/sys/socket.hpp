// Unix sockets that carry messages and descriptors between processes. No policy.
#pragma once

#include <cstddef>
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
struct Message {
  std::size_t size = 0;  // 0: the other end is closed
  Fd fd;
};
// recvmsg(2); what does not fit in `data` is lost. Descriptors past the first are closed.
Result<Message> receive_message(int socket, void* data, std::size_t size);

}  // namespace ccsand::sys
