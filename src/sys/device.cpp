// Terminals, the loopback interface, filters and waiting.
#include "sys/device.hpp"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#ifdef CCSAND_FAULTS
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#endif

#include "sys/call.hpp"

namespace ccsand::sys {

Result<void> unlock_terminal(int master) {
  int locked = 0;
  long result = call(SYS_ioctl, master, TIOCSPTLCK, &locked);
  if (result < 0) return failure(result, "ioctl TIOCSPTLCK", {});
  return {};
}
Result<Fd> open_terminal_peer(int master) {
  long result = call(SYS_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (result < 0) return failure(result, "ioctl TIOCGPTPEER", {});
  return Fd(static_cast<int>(result));
}
Result<void> set_controlling_terminal(int terminal) {
  long result = call(SYS_ioctl, terminal, TIOCSCTTY, 0);
  if (result < 0) return failure(result, "ioctl TIOCSCTTY", {});
  return {};
}
Result<void> set_window_size(int terminal, const WindowSize& size) {
  winsize wire = {size.rows, size.columns, size.x_pixels, size.y_pixels};
  long result = call(SYS_ioctl, terminal, TIOCSWINSZ, &wire);
  if (result < 0) return failure(result, "ioctl TIOCSWINSZ", {});
  return {};
}
Result<WindowSize> get_window_size(int terminal) {
  winsize wire = {};
  long result = call(SYS_ioctl, terminal, TIOCGWINSZ, &wire);
  if (result < 0) return failure(result, "ioctl TIOCGWINSZ", {});
  return WindowSize{wire.ws_row, wire.ws_col, wire.ws_xpixel, wire.ws_ypixel};
}
bool is_terminal(int fd) {
  winsize wire = {};
  return call(SYS_ioctl, fd, TIOCGWINSZ, &wire) >= 0;
}

Result<void> bring_loopback_up() {
  long socket = call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return failure(socket, "socket", {"AF_INET"});
  Fd owner(static_cast<int>(socket));
  ifreq request = {};
  std::memcpy(&request.ifr_name[0], "lo", 3);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  long result = call(SYS_ioctl, owner.get(), SIOCSIFFLAGS, &request);
  if (result < 0) return failure(result, "ioctl SIOCSIFFLAGS", {"lo"});
  return {};
}

#ifdef CCSAND_FAULTS
// CCSAND_LATE makes each glance at a filter's listener come as late as it can: when there is a call to
// see. It is what the executor has to do with where the host was held up while the child went on.
static const bool late_wanted = std::getenv("CCSAND_LATE") != nullptr;  // read before there are children in this memory
static bool comes_late(const pollfd* fds, std::size_t count, int milliseconds) {
  if (!late_wanted || count != 1 || milliseconds != 0 || fds->fd < 0) return false;
  std::string link = "/proc/self/fd/" + std::to_string(fds->fd);
  char target[64] = {};
  return readlink(link.c_str(), &target[0], sizeof target - 1) > 0 && std::string_view(&target[0]).find("seccomp notify") != std::string_view::npos;
}
#endif

Result<int> poll(pollfd* fds, std::size_t count, int milliseconds, const std::uint64_t* mask) {
#ifdef CCSAND_FAULTS
  if (comes_late(fds, count, milliseconds)) milliseconds = -1;
#endif
  timespec time = {milliseconds / 1000, (milliseconds % 1000) * 1'000'000L};
  long result = call(SYS_ppoll, fds, count, milliseconds < 0 ? nullptr : &time, mask, sizeof *mask);
  if (result == -EINTR) return 0;
  if (result < 0) return failure(result, "poll", {});
  return static_cast<int>(result);
}
Result<Fd> epoll_create() {
  long result = call(SYS_epoll_create1, EPOLL_CLOEXEC);
  if (result < 0) return failure(result, "epoll_create1", {});
  return Fd(static_cast<int>(result));
}
Result<void> epoll_ctl(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t data) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = data;
  long result = call(SYS_epoll_ctl, epoll, operation, fd, &event);
  if (result < 0) return failure(result, "epoll_ctl", {});
  return {};
}
Result<std::size_t> epoll_wait(int epoll, std::span<epoll_event> ready, int milliseconds, const std::uint64_t* mask) {
  long result = call(SYS_epoll_pwait, epoll, ready.data(), ready.size(), milliseconds, mask, sizeof *mask);
  if (result == -EINTR) return std::size_t{0};
  if (result < 0) return failure(result, "epoll_pwait", {});
  return static_cast<std::size_t>(result);
}
Result<Fd> signal_fd(std::uint64_t mask) {
  long result = call(SYS_signalfd4, -1, &mask, sizeof mask, O_CLOEXEC | O_NONBLOCK);
  if (result < 0) return failure(result, "signalfd4", {});
  return Fd(static_cast<int>(result));
}

}  // namespace ccsand::sys
