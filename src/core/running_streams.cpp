// What a container reads and prints, and the limits of a run.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>

#include "core/background_launch.hpp"
#include "core/clock.hpp"
#include "core/exec_service.hpp"
#include "core/running.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"

namespace ccsand {

Result<void> Running::open_streams(ContainerSpec& spec) {
  auto give = [&](Fd child_end, int number) { child_ends_.emplace_back(std::move(child_end), number); };
  outputs_[0].text = &result_.out, outputs_[0].cut = &result_.out_cut;
  outputs_[1].text = &result_.err, outputs_[1].cut = &result_.err_cut;
  if (spec.terminal && !options_.own_terminal && !options_.lend_terminal)
    if (auto size = sys::get_window_size(0)) spec.terminal_rows = size->rows, spec.terminal_columns = size->columns;
  if (options_.own_terminal) {  // all three are the container's end of its pty
    input_text_ = options_.stdin_text.value_or("");
    return {};
  }
  if (options_.stdin_text || options_.keep_stdin) {
    input_text_ = options_.stdin_text.value_or("");
    input_ends_ = !options_.keep_stdin;
    sys::Pipe pipe = CCSAND_TRY(sys::pipe2(0));
    input_ = std::move(pipe.write);
    (void)fcntl(input_.get(), F_SETFL, O_WRONLY | O_NONBLOCK);  // our own new pipe
    give(std::move(pipe.read), 0);
    if (input_text_.empty() && input_ends_) input_.close();
  } else if (!options_.stdin_file.empty()) {
    give(CCSAND_TRY(sys::open(options_.stdin_file.c_str(), O_RDONLY)), 0);
  } else if (options_.stdin_null) {
    give(CCSAND_TRY(sys::open("/dev/null", O_RDONLY)), 0);
  }
  if (!options_.stdout_file.empty())
    give(CCSAND_TRY(sys::open(options_.stdout_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600)), 1);
  for (int i = 0; i < 2; ++i) {
    if (!(i == 0 ? options_.capture_stdout : options_.capture_stderr)) continue;
    sys::Pipe pipe = CCSAND_TRY(sys::pipe2(0));
    (void)fcntl(pipe.read.get(), F_SETFL, O_RDONLY | O_NONBLOCK);  // our own new pipe
    outputs_[i].fd = std::move(pipe.read);
    give(std::move(pipe.write), 1 + i);
  }
  return {};
}
void Running::redirect_streams(ContainerSpec& spec) const {
  for (const auto& [end, number] : child_ends_) spec.redirects.emplace_back(end.get(), number);
}

Result<void> Running::take_terminal(Fd master) {
  (void)fcntl(master.get(), F_SETFL, O_RDWR | O_NONBLOCK);  // ours: the container has the other end
  input_ = CCSAND_TRY(sys::dup_cloexec(master.get()));
  input_ends_ = false;
  outputs_[0].fd = std::move(master);
  return {};
}

namespace {
constexpr int kMostReads = 32;                 // at once, more than the largest pipe holds
constexpr std::size_t kMostFresh = 1U << 20;   // not taken yet: then the container waits
}  // namespace

void Running::enter_interests() {
  if (pending_) return started_.want(pending_->event(), POLLIN);
  process_.want(launched_.pidfd.get(), POLLIN);
  for (Output& output : outputs_) output.fresh.size() < kMostFresh ? output.fd.want(POLLIN) : output.fd.want_nothing();
  input_text_.empty() ? input_.want_nothing() : input_.want(POLLOUT);
  if (relay_) relay_->enter_interests();
  if (service_) service_->enter_interests();
  // While a handler waits, the calls that come meanwhile do, too.
  deciding_ ? listener_.want_nothing() : listener_.want(POLLIN);
  if (options_.supervisor) options_.supervisor->enter_interests(!deciding_);
}
void Running::read_output(Output& output) {
  char part[65536];
  tell();
  // Not for ever: what a container prints without end must not keep the others waiting.
  for (int reads = 0; reads < kMostReads; ++reads) {
    auto size = sys::read(output.fd.get(), &part[0], sizeof part, "output of the container");
    if (!size && size.error().code == EAGAIN) return;
    if (!size || *size == 0) return output.fd.close();  // EIO: the last process closed the pty
    std::uint64_t room = options_.output_limit - std::min(options_.output_limit, output.total);
    output.total += *size;
    if (options_.keep_output) output.text->append(&part[0], std::min<std::uint64_t>(room, *size));
    if (options_.stream) output.fresh.append(&part[0], *size);
    if (*size > room) *output.cut = true;
    if (*size > room && options_.limit_output && !output_exceeded_) {
      output_exceeded_ = true;
      (void)kill(SIGKILL);  // it may have ended just now
    }
    // A terminal gives less at once than there is.
    if (*size < sizeof part && !options_.own_terminal) return;
  }
}
std::string Running::take_output(int which, bool& open) {
  open = outputs_[which].fd.open();
  note_change();
  return std::exchange(outputs_[which].fresh, {});
}
std::string_view Running::kept_output(int which, std::size_t from, bool& open) const {
  open = outputs_[which].fd.open();
  std::string_view all = which == 0 ? result_.out : result_.err;
  return all.substr(std::min(from, all.size()));
}

void Running::write_input() {
  bool broken = false, full = false;
  std::uint64_t mask = sys::block_all_signals();  // SIGPIPE is not to end ccsand
  while (input_sent_ < input_text_.size() && !broken && !full) {
    auto size = sys::write(input_.get(), input_text_.data() + input_sent_, input_text_.size() - input_sent_, "input of the container");
    if (size) input_sent_ += *size;
    else (size.error().code == EAGAIN ? full : broken) = true;  // EPIPE: it does not want to read any more
  }
  if (broken) {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    timespec now = {};
    (void)sigtimedwait(&pipe, nullptr, &now);  // there is none where the error was another one
  }
  sys::set_signal_mask(mask);
  if (broken || input_sent_ > input_text_.size() / 2) {  // not at each write, which would move all the rest each time
    input_text_.erase(0, broken ? std::string::npos : input_sent_);
    input_sent_ = 0;
  }
  if (broken || (input_ends_ && input_text_.empty())) input_.close();
}
Result<void> Running::write(std::string_view text) {
  if (ended_ || !input_.open())
    return make_error(EPIPE, "write", "", "the container's standard input is closed", ended_ ? "it has ended" : "start it with interactive = true");
  note_change();
  input_text_.append(text);
  write_input();
  return {};
}
void Running::close_input() {
  if (!input_.open()) return;
  note_change();
  if (options_.own_terminal) {
    input_text_.push_back('\x04');
    return write_input();
  }
  input_ends_ = true;
  if (input_text_.empty()) input_.close();
}

Result<bool> Running::await_news(std::int64_t deadline_ns) {
  const bool open[2] = {outputs_[0].fd.open(), outputs_[1].fd.open()};
  const std::uint64_t read = outputs_[0].total + outputs_[1].total;
  auto news = [this, &open, read] {
    return ended_ || outputs_[0].total + outputs_[1].total != read || !outputs_[0].fresh.empty() || !outputs_[1].fresh.empty() || open[0] != outputs_[0].fd.open() || open[1] != outputs_[1].fd.open();
  };
  while (!news()) {
    if (deadline_ns >= 0 && monotonic_ns() >= deadline_ns) return false;
    CCSAND_TRY(pump(deadline_ns, this));
  }
  return true;
}

// ---- limits

std::int64_t Running::next_limit_ns() const {
  std::int64_t next = options_.timeout_ns >= 0 && !timed_out_ ? started_ns_ + options_.timeout_ns : -1;
  if (options_.cpu_time_ns >= 0 && !cpu_exceeded_ && (next < 0 || next_cpu_look_ns_ < next)) next = next_cpu_look_ns_;
  return next;
}
bool Running::beyond_cpu_time(const CgroupStats& stats) const {
  return options_.cpu_time_ns >= 0 && stats.cpu_us.value_or(0) * 1000 >= static_cast<std::uint64_t>(options_.cpu_time_ns);
}
void Running::keep_limits() {
  if (options_.timeout_ns < 0 && options_.cpu_time_ns < 0) return;
  std::int64_t now = monotonic_ns();
  if (options_.timeout_ns >= 0 && !timed_out_ && now >= started_ns_ + options_.timeout_ns) {
    timed_out_ = true;
    (void)kill(SIGKILL);  // it may have ended just now
  }
  if (options_.cpu_time_ns < 0 || cpu_exceeded_ || now < next_cpu_look_ns_) return;
  auto used = stats();
  if (used && used->cpu_us && !beyond_cpu_time(*used)) {
    // No sooner than all CPUs together can have used up the rest.
    cpu_set_t cpus = sys::sched_getaffinity(0).has_value() ? *sys::sched_getaffinity(0) : cpu_set_t{};
    std::int64_t rest = options_.cpu_time_ns - static_cast<std::int64_t>(*used->cpu_us) * 1000;
    next_cpu_look_ns_ = now + std::max<std::int64_t>(rest / std::max(1, CPU_COUNT(&cpus)), 10'000'000);
    return;
  }
  cpu_exceeded_ = true;  // what cannot be counted is not allowed to go on
  (void)kill(SIGKILL);   // it may have ended just now
}

}  // namespace ccsand
