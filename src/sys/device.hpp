// Terminals, the loopback interface, filters and waiting: the rest of what the
// kernel is asked for. No policy.
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <termios.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::sys {

struct WindowSize {
  unsigned short rows = 24, columns = 80, x_pixels = 0, y_pixels = 0;
};
Result<void> unlock_terminal(int master);                        // TIOCSPTLCK
Result<Fd> open_terminal_peer(int master);                       // TIOCGPTPEER, Linux 4.13
Result<void> set_controlling_terminal(int terminal);             // TIOCSCTTY
Result<void> set_window_size(int terminal, const WindowSize& size);
Result<WindowSize> get_window_size(int terminal);
bool is_terminal(int fd);

Result<void> bring_loopback_up();                                // SIOCSIFFLAGS on "lo"

// poll(2) in milliseconds, -1 for no limit; how many are ready, 0 after the time.
// A signal ends it like the time does. `mask` is in force while it waits: ppoll(2).
Result<int> poll(pollfd* fds, std::size_t count, int milliseconds, const std::uint64_t* mask = nullptr);
// epoll_create1(2), epoll_ctl(2), and epoll_pwait(2) under the same terms as poll; `data` is the caller's.
Result<Fd> epoll_create();
Result<void> epoll_ctl(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t data);
Result<std::size_t> epoll_wait(int epoll, std::span<epoll_event> ready, int milliseconds, const std::uint64_t* mask = nullptr);
Result<Fd> signal_fd(std::uint64_t mask);                        // signalfd4(2), non-blocking

}  // namespace ccsand::sys
