// What this process waits for: one epoll instance, in which descriptors are entered when they
// open, so that a turn of the loop costs what is ready and not what there is. epoll(7)
#pragma once

#include <poll.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand {

// A descriptor that is waited for. It must be forgotten before the descriptor is closed: copies in other
// processes (a fork that has not executed yet) would keep it in the kernel's list. What a forked copy of
// ccsand has are its parent's: it makes an instance of its own, and these do nothing there.
class Interest {
 public:
  Interest() = default;
  Interest(Interest&& other) noexcept { *this = std::move(other); }
  Interest& operator=(Interest&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(events_, other.events_);
    std::swap(place_, other.place_);
    std::swap(serial_, other.serial_);
    return *this;
  }
  Interest(const Interest&) = delete;
  Interest& operator=(const Interest&) = delete;
  ~Interest() { forget(); }

  // From now on `events` (POLLIN, POLLOUT) of `fd`; -1: nothing. As with poll(2), what cannot be waited
  // for (a plain file) is ready always; what is closed never. A failure is that of the next turn.
  void want(int fd, short events) {
    if (fd != fd_ || (events != events_ && fd >= 0)) change(fd, events);
  }
  void forget() { want(-1, 0); }
  // What the last turn found, once; 0 where another turn came since.
  [[nodiscard]] short take_ready() { return fd_ < 0 ? short{0} : taken(); }
  [[nodiscard]] short peek_ready() const;  // the same, and it stays

 private:
  void change(int fd, short events);
  short taken();
  int fd_ = -1;
  short events_ = 0;
  std::uint32_t place_ = 0, serial_ = 0;  // in the list of what is entered
};

// A descriptor that is owned, and forgotten when it is closed.
class WatchedFd {
 public:
  WatchedFd() = default;
  WatchedFd(WatchedFd&&) = default;
  WatchedFd& operator=(Fd fd) {
    close();
    fd_ = std::move(fd);
    return *this;
  }
  ~WatchedFd() { close(); }

  [[nodiscard]] int get() const { return fd_.get(); }
  [[nodiscard]] bool open() const { return fd_.open(); }
  void close() {
    interest_.forget();
    fd_.close();
  }
  void want(short events) { interest_.want(fd_.get(), events); }
  void want_nothing() { interest_.forget(); }
  [[nodiscard]] short take_ready() { return interest_.take_ready(); }
  [[nodiscard]] short peek_ready() const { return interest_.peek_ready(); }

 private:
  Fd fd_;
  Interest interest_;
};

// Waits until something is ready, the time (-1 for no limit) is over or a signal has come, with `mask` in
// force meanwhile; then interests tell what is ready. `others` are polled besides: what changes from
// turn to turn, and may be anything.
std::size_t events_ready();  // how many interests the last turn found ready
Result<void> wait_for_events(int milliseconds, const std::uint64_t* mask, std::vector<pollfd>* others);

}  // namespace ccsand
