// Watching signals.
#include "core/signals.hpp"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include <cerrno>
#include <charconv>
#include <csignal>

#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
SignalWatch* current_watch = nullptr;

constexpr std::uint64_t bit(int signal) { return std::uint64_t{1} << (signal - 1); }
constexpr std::uint64_t kPassedOn = bit(SIGINT) | bit(SIGTERM) | bit(SIGHUP) | bit(SIGQUIT) | bit(SIGUSR1) |
                                    bit(SIGUSR2) | bit(SIGWINCH) | bit(SIGALRM) | bit(SIGCONT) | bit(SIGPIPE);

std::uint64_t mask_in(std::string_view status, std::string_view key) {
  std::size_t at = status.find(key);
  if (at == std::string_view::npos) return 0;
  std::string_view rest = status.substr(at + key.size());
  while (rest.starts_with('\t') || rest.starts_with(' ')) rest.remove_prefix(1);
  std::uint64_t mask = 0;
  (void)std::from_chars(rest.data(), rest.data() + rest.size(), mask, 16);  // the kernel's own number
  return mask;
}
}  // namespace

SignalWatch* SignalWatch::current() { return current_watch; }

Result<void> SignalWatch::begin(SignalWatch& watch) {
  std::uint64_t before = sys::block_all_signals();
  sys::set_signal_mask(before | kPassedOn);
  auto fd = sys::signal_fd(kPassedOn & ~bit(SIGPIPE));
  if (!fd) {
    sys::set_signal_mask(before);
    return fd.error();
  }
  watch.fd_ = std::move(*fd);
  watch.mask_before_ = before;
  current_watch = &watch;
  return {};
}
SignalWatch::~SignalWatch() {
  if (current_watch != this) return;
  current_watch = nullptr;
  // A broken pipe of our own while we watched was told by EPIPE already.
  while (next() != 0) {
  }
  sys::set_signal_mask(mask_before_);
}
int SignalWatch::next() {
  signalfd_siginfo info = {};
  auto size = sys::read(fd_.get(), &info, sizeof info, "signalfd");
  return size && *size == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

namespace {
volatile std::sig_atomic_t interrupt_noted = 0;
}
void note_interrupt(int signal) { interrupt_noted = signal; }
int interrupted() { return interrupt_noted; }
int take_interrupt() {
  int signal = interrupt_noted;
  interrupt_noted = 0;  // another one ends ccsand: the handler is gone
  return signal;
}

InterruptBlock::InterruptBlock() : mask_before_(sys::block_all_signals()) {
  sys::set_signal_mask(mask_before_ | bit(SIGINT) | bit(SIGTERM) | bit(SIGHUP));
}
InterruptBlock::~InterruptBlock() { sys::set_signal_mask(mask_before_); }

bool ends_by_default(int signal) {
  switch (signal) {
    case SIGCHLD: case SIGCONT: case SIGURG: case SIGWINCH: case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU:
      return false;
    default:
      return true;
  }
}
namespace {
// Whether a process sits in sigtimedwait(2): what it awaits counts as not blocked meanwhile.
bool awaits_signals(pid_t pid) {
  FixedText<64> path("/proc/");
  path.append_number(pid).append("/syscall");
  auto file = sys::open(path.c_str(), O_RDONLY);
  char text[32] = {};
  auto size = file ? sys::read(file->get(), &text[0], sizeof text - 1, path.view()) : Result<std::size_t>(file.error());
  long number = -1;
  if (size) (void)std::from_chars(&text[0], &text[*size], number);  // "running" has no number
  return number == SYS_rt_sigtimedwait;
}
}  // namespace

bool has_handler_or_ignores(pid_t pid, int signal) {
  FixedText<64> path("/proc/");
  path.append_number(pid).append("/status");
  auto file = sys::open(path.c_str(), O_RDONLY);
  if (!file) return false;
  char text[4096];
  auto size = sys::read(file->get(), &text[0], sizeof text, path.view());
  if (!size) return false;
  std::string_view status(&text[0], *size);
  // What is blocked is waited for, in one way or another: an init does so with all of them.
  if (awaits_signals(pid)) return true;
  return ((mask_in(status, "\nSigCgt:") | mask_in(status, "\nSigIgn:") | mask_in(status, "\nSigBlk:")) & bit(signal)) != 0;
}

}  // namespace ccsand
