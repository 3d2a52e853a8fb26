// Passing bytes between two terminals.
#include "core/terminal_relay.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "sys/device.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kMostHeld = 64 * 1024;  // of one direction: then the reader waits

// Reads once; false at the end of the stream.
bool read_some(int fd, std::string& into) {
  char part[16384];
  auto size = sys::read(fd, &part[0], sizeof part, "terminal");
  if (!size) return size.error().code == EAGAIN;  // EIO: the last process closed the pty
  into.append(&part[0], *size);
  return *size != 0;
}
void write_some(int fd, std::string& from) {
  auto size = sys::write(fd, from.data(), from.size(), "terminal");
  if (size) from.erase(0, *size);
  else if (size.error().code != EAGAIN) from.clear();  // nobody reads there any more
}
}  // namespace

Result<std::unique_ptr<TerminalRelay>> TerminalRelay::create(Fd master) {
  std::unique_ptr<TerminalRelay> relay(new TerminalRelay);
  relay->master_ = std::move(master);
  // The master alone is non-blocking: 0 and 1 are shared with whoever started us.
  int flags = fcntl(relay->master_.get(), F_GETFL);
  if (fcntl(relay->master_.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return make_error(EINVAL, "terminal", "the container's pty", "cannot be made non-blocking");
  if (tcgetattr(0, &relay->before_) == 0) {
    relay->follow_size();
    termios raw = relay->before_;
    cfmakeraw(&raw);
    relay->raw_ = tcsetattr(0, TCSADRAIN, &raw) == 0;
  }
  return relay;
}

TerminalRelay::~TerminalRelay() {
  if (raw_) (void)tcsetattr(0, TCSADRAIN, &before_);  // the terminal may be gone
}

void TerminalRelay::follow_size() {
  auto size = sys::get_window_size(0);
  if (size) (void)sys::set_window_size(master_.get(), *size);  // a size is a courtesy
}

void TerminalRelay::enter_interests() {
  auto events = [](bool in, bool out) { return static_cast<short>((in ? POLLIN : 0) | (out ? POLLOUT : 0)); };
  caller_in_.want(input_open_ && to_container_.size() < kMostHeld ? 0 : -1, POLLIN);
  output_open_ ? master_.want(events(to_caller_.size() < kMostHeld, !to_container_.empty())) : master_.want_nothing();
  caller_out_.want(to_caller_.empty() ? -1 : 1, POLLOUT);
}

void TerminalRelay::attend() {
  if (caller_in_.take_ready() != 0 && !read_some(0, to_container_)) {
    input_open_ = false;
    if (!raw_) to_container_.push_back('\x04');  // the end of piped input, as a terminal says it
  }
  if ((master_.take_ready() & (POLLIN | POLLHUP | POLLERR)) != 0 && !read_some(master_.get(), to_caller_)) output_open_ = false;
  if (!to_container_.empty() && output_open_) write_some(master_.get(), to_container_);
  if (caller_out_.take_ready() != 0) write_some(1, to_caller_);
}

void TerminalRelay::drain() {
  while (output_open_ && read_some(master_.get(), to_caller_)) {
    pollfd more = {master_.get(), POLLIN, 0};
    auto ready = sys::poll(&more, 1, 0);
    if (!ready || *ready == 0) break;
  }
  while (!to_caller_.empty()) write_some(1, to_caller_);
}

}  // namespace ccsand
