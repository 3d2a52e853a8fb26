// Supervision: one loop of poll over all that runs in this process.
#include "core/running.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "core/seccomp/performance.hpp"
#include "core/signals.hpp"
#include "core/state.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

namespace {
std::vector<Running*> all_running;
}

std::int64_t monotonic_ns() {
  timespec time = {};
  (void)clock_gettime(CLOCK_MONOTONIC, &time);  // cannot fail for this clock
  return time.tv_sec * 1'000'000'000L + time.tv_nsec;
}

// ---- the start

Result<void> Running::open_streams(ContainerSpec& spec) {
  auto give = [&](Fd child_end, int number) {
    spec.redirects.emplace_back(child_end.get(), number);
    child_ends_.push_back(std::move(child_end));
  };
  if (options_.stdin_text) {
    sys::Pipe pipe = CCSAND_TRY(sys::pipe2(0));
    input_ = std::move(pipe.write);
    (void)fcntl(input_.get(), F_SETFL, O_WRONLY | O_NONBLOCK);  // our own new pipe
    give(std::move(pipe.read), 0);
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
    outputs_[i] = {std::move(pipe.read), i == 0 ? &result_.out : &result_.err, i == 0 ? &result_.out_cut : &result_.err_cut};
    give(std::move(pipe.write), 1 + i);
  }
  return {};
}

Result<void> Running::begin() {
  started_ns_ = monotonic_ns();
  LaunchOptions launch_options;
  launch_options.trace = options_.trace;
  auto launched = launch(plan_, launch_options);
  child_ends_.clear();
  if (!launched) return launched.error();
  launched_ = std::move(*launched);
  all_running.push_back(this);
  if (plan_.ruleset() != kNoSlot) ruleset_ = launched_.context.fd(plan_.ruleset());
  if (launched_.context.cgroup) cgroup_directory_ = launched_.context.cgroup->clone_into();
  if (options_.supervisor) options_.supervisor->restrict_with(ruleset_, cgroup_directory_);
  if (plan_.listener() != kNoSlot) listener_ = launched_.context.take(plan_.listener());
  if (options_.supervisor)
    for (const seccomp_notif& call : launched_.asked) options_.supervisor->decide(listener_.get(), call);
  if (plan_.terminal() != kNoSlot) relay_ = CCSAND_TRY(TerminalRelay::create(launched_.context.take(plan_.terminal())));
  return {};
}

Result<std::unique_ptr<Running>> Running::start(const ContainerSpec& spec, const RunOptions& options) {
  std::unique_ptr<Running> running(new Running);
  running->options_ = options;
  ContainerSpec wired = spec;
  CCSAND_TRY(running->open_streams(wired));
  // Without a pid namespace of its own, only a cgroup finds all of its processes.
  running->own_pid_namespace_ = wired.pid.kind == NamespaceChoice::fresh;
  if (!running->own_pid_namespace_) wired.cgroup_wanted = true;
  running->filtered_ = !wired.filter.empty();
  running->plan_ = compile(wired);
  CCSAND_TRY(running->begin());
  return running;
}
Result<std::unique_ptr<Running>> Running::exec(Running& target, const ContainerSpec& spec, const RunOptions& options) {
  if (target.ended_) return make_error(ESRCH, "exec", "", "the container has ended");
  std::unique_ptr<Running> running(new Running);
  running->options_ = options;
  ContainerSpec wired = spec;
  CCSAND_TRY(running->open_streams(wired));
  running->own_pid_namespace_ = false;  // it is no pid 1: signals reach it as they are
  running->is_guest_ = true;
  running->filtered_ = !wired.filter.empty();
  running->ruleset_ = target.ruleset_;
  running->cgroup_directory_ = target.cgroup_directory_;
  running->plan_ = compile_exec(wired, {target.pid(), target.pidfd(), target.cgroup(), target.ruleset_});
  CCSAND_TRY(running->begin());
  return running;
}

Running::~Running() {
  if (launched_.pidfd.open() && !ended_) {
    (void)sys::pidfd_send_signal(launched_.pidfd.get(), SIGKILL);  // it may have ended just now
    collect();
  }
  leave_loop();
}

// ---- the loop

void Running::read_output(Output& output) {
  char part[65536];
  for (;;) {
    auto size = sys::read(output.fd.get(), &part[0], sizeof part, "output of the container");
    if (!size && size.error().code == EAGAIN) return;
    if (!size || *size == 0) return output.fd.close();
    std::size_t room = options_.output_limit - std::min<std::uint64_t>(options_.output_limit, output.text->size());
    output.text->append(&part[0], std::min(room, *size));
    if (*size > room) *output.cut = true;
    if (*size < sizeof part) return;
  }
}
void Running::write_input() {
  const std::string& text = *options_.stdin_text;
  bool broken = false, full = false;
  std::uint64_t mask = sys::block_all_signals();  // SIGPIPE is not to end ccsand
  while (input_sent_ < text.size() && !broken && !full) {
    auto size = sys::write(input_.get(), text.data() + input_sent_, text.size() - input_sent_, "input of the container");
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
  if (!full) input_.close();
}

void Running::pass_on(int signal) {
  if (signal == SIGWINCH && relay_) return relay_->follow_size();
  if (signal == SIGWINCH) return;
  // The kernel keeps signals without a handler from pid 1; outside, they would have ended it.
  if (own_pid_namespace_ && ends_by_default(signal) && !has_handler_or_ignores(launched_.pid, signal)) {
    asked_signal_ = signal;
    signal = SIGKILL;
  }
  (void)sys::pidfd_send_signal(launched_.pidfd.get(), signal);  // it may have ended just now
}

void Running::take_notification() {
  auto call = sys::receive_notification(listener_.get());
  if (call && options_.supervisor) return options_.supervisor->decide(listener_.get(), *call);
  if (!call && call.error().code == EAGAIN) return;
  listener_.close();  // nobody is under the filter any more; or it cannot be heard, and calls answer ENOSYS
}

// One turn of the loop: what is waited for, and whose it is.
struct Running::Turn {
  // The polls of a container, in this order; those of its supervisor follow.
  enum Own : std::uint8_t { kProcess, kOutput, kErrors, kInput, kTerminal, kListener = kTerminal + 3, kOwnCount };
  struct Share {
    Running* running;
    std::size_t from, to;  // in `polls`
  };
  std::vector<pollfd> polls;
  std::vector<Share> shares;
};

void Running::add_to(Turn& turn) const {
  std::size_t from = turn.polls.size();
  turn.polls.resize(from + Turn::kOwnCount);
  pollfd* own = &turn.polls[from];
  own[Turn::kProcess] = {launched_.pidfd.get(), POLLIN, 0};
  own[Turn::kOutput] = {outputs_[0].fd.get(), POLLIN, 0};
  own[Turn::kErrors] = {outputs_[1].fd.get(), POLLIN, 0};
  own[Turn::kInput] = {input_.get(), POLLOUT, 0};
  pollfd terminal[3] = {{-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}};
  if (relay_) relay_->add_polls(terminal);
  std::copy(std::begin(terminal), std::end(terminal), &own[Turn::kTerminal]);
  own[Turn::kListener] = {listener_.get(), POLLIN, 0};
  if (options_.supervisor) options_.supervisor->add_polls(turn.polls);
}

std::int64_t Running::due_ns() const {
  std::int64_t due = options_.timeout_ns >= 0 && !timed_out_ ? started_ns_ + options_.timeout_ns : -1;
  std::int64_t supervisor = options_.supervisor ? options_.supervisor->deadline_ns() : -1;
  return due < 0 ? supervisor : supervisor < 0 ? due : std::min(due, supervisor);
}

void Running::attend(std::span<const pollfd> polls) {
  if (polls[Turn::kOutput].revents != 0) read_output(outputs_[0]);
  if (polls[Turn::kErrors].revents != 0) read_output(outputs_[1]);
  if (polls[Turn::kInput].revents != 0) write_input();
  if (relay_) relay_->handle({polls[Turn::kTerminal], polls[Turn::kTerminal + 1], polls[Turn::kTerminal + 2]});
  // A handler may wait for other containers, which comes by here: it must not be entered twice.
  if (!deciding_) {
    deciding_ = true;
    if (options_.supervisor) options_.supervisor->attend(polls.subspan(Turn::kOwnCount));
    short listener = polls[Turn::kListener].revents;
    if ((listener & POLLIN) != 0) take_notification();
    else if (listener != 0) listener_.close();  // nobody is under the filter any more
    deciding_ = false;
  }
  if (ended_) return;
  if (polls[Turn::kProcess].revents != 0) return collect();
  if (options_.timeout_ns >= 0 && !timed_out_ && monotonic_ns() >= started_ns_ + options_.timeout_ns) {
    timed_out_ = true;
    (void)kill(SIGKILL);  // it may have ended just now
  }
}

namespace {
// Until something is ready or `next_ns` has come; an error where a signal asks ccsand to end.
Result<void> await(std::vector<pollfd>& polls, std::int64_t next_ns, const SignalWatch* watch) {
  std::int64_t left = next_ns < 0 ? -1 : std::max<std::int64_t>(0, next_ns - monotonic_ns());
  int milliseconds = left < 0 ? -1 : static_cast<int>(std::min<std::int64_t>((left + 999'999) / 1'000'000, 1'000'000));
  if (watch != nullptr) {
    CCSAND_TRY(sys::poll(polls.data(), polls.size(), milliseconds));
    return {};
  }
  InterruptBlock block;
  if (interrupted() == 0) CCSAND_TRY(sys::poll(polls.data(), polls.size(), milliseconds, &block.mask_before()));
  int signal = interrupted();
  if (signal == 0) return {};
  Error error = make_error(EINTR, "wait", "", "interrupted");
  error.exit_status = 128 + signal;
  return error;
}
}  // namespace

Result<void> Running::pump(std::int64_t deadline_ns, Running& target) {
  // Its memory is kept from turn to turn: a container whose calls are decided here comes by a hundred
  // thousand times a second. A turn within a turn, of a handler that waits, has its own.
  static Turn spare;
  Turn turn = std::exchange(spare, {});
  turn.polls.clear();
  turn.shares.clear();
  std::int64_t next = deadline_ns;
  for (Running* one : all_running) {
    if (one->ended_) continue;
    std::size_t from = turn.polls.size();
    one->add_to(turn);
    turn.shares.push_back({one, from, turn.polls.size()});
    if (std::int64_t due = one->due_ns(); due >= 0) next = next < 0 ? due : std::min(next, due);
  }
  SignalWatch* watch = SignalWatch::current();
  turn.polls.push_back({watch != nullptr ? watch->fd() : -1, POLLIN, 0});
  CCSAND_TRY(await(turn.polls, next, watch));
  if (watch != nullptr && turn.polls.back().revents != 0)
    for (int signal = watch->next(); signal != 0; signal = watch->next()) target.pass_on(signal);
  for (const Turn::Share& share : turn.shares) {
    // What was done for one may have ended another, which then is not in the list, and may be no more.
    if (std::find(all_running.begin(), all_running.end(), share.running) == all_running.end()) continue;
    share.running->attend({&turn.polls[share.from], share.to - share.from});
  }
  spare = std::move(turn);
  return {};
}

Result<bool> Running::wait(std::int64_t deadline_ns) {
  while (!ended_) {
    if (deadline_ns >= 0 && monotonic_ns() >= deadline_ns) return false;
    CCSAND_TRY(pump(deadline_ns, *this));
  }
  return true;
}

// ---- the end

void Running::collect() {
  auto status = sys::waitid(P_PIDFD, launched_.pidfd.get(), WEXITED);
  result_.wall_ns = monotonic_ns() - started_ns_;
  ended_ = true;
  forget_process(launched_.pid);
  if (status) {
    bool exited = status->code == CLD_EXITED;
    result_.signal = exited ? 0 : status->status;
    result_.status = exited ? status->status : 128 + status->status;
    result_.reason = exited ? "exited" : "signalled";
    auto micros = [](const timeval& time) { return time.tv_sec * 1'000'000L + time.tv_usec; };
    result_.user_us = micros(status->usage.ru_utime);
    result_.system_us = micros(status->usage.ru_stime);
    result_.max_rss = static_cast<std::uint64_t>(status->usage.ru_maxrss) * 1024;
  }
  finish();
}

void Running::finish() {
  Context& context = launched_.context;
  if (asked_signal_ != 0 && result_.signal == SIGKILL) {
    result_.signal = asked_signal_;
    result_.status = 128 + asked_signal_;
  }
  if (context.cgroup) {
    if (!own_pid_namespace_) (void)context.cgroup->kill();  // what it left running; remove() waits for their end
    if (auto stats = context.cgroup->stats()) result_.cgroup = *stats;
    if (result_.cgroup && result_.cgroup->oom_kills.value_or(0) > 0 && result_.status != 0) result_.reason = "oom";
    (void)context.cgroup->remove();  // what cannot be removed now is swept by the next start
    context.cgroup.reset();
  }
  if (context.network) {
    result_.egress = context.network->count();
    context.network.reset();
  }
  bool denied = result_.signal == SIGSYS || (result_.signal == SIGKILL && options_.supervisor && options_.supervisor->has_killed());
  if (filtered_ && denied) result_.reason = "denied";
  if (timed_out_) result_.reason = "timeout";
  for (Output& output : outputs_)
    if (output.fd.open()) read_output(output), output.fd.close();
  input_.close();
  if (options_.supervisor) options_.supervisor->end();
  listener_.close();
  if (relay_) relay_->drain();
  relay_.reset();
  context.close_all();
  // Who holds the handle holds the result alone: a loop of many containers would otherwise
  // carry their descriptors, which every clone copies and every exec closes.
  launched_.pidfd.close();
  if (!options_.trace) plan_ = Plan();
  leave_loop();
  bool others = std::any_of(all_running.begin(), all_running.end(), [](const Running* one) { return one->options_.supervisor != nullptr; });
  if (options_.supervisor && !others) Performance::close_workshop();
}
void Running::leave_loop() { all_running.erase(std::remove(all_running.begin(), all_running.end(), this), all_running.end()); }

Result<void> Running::kill(int signal) {
  if (ended_) return {};
  if (signal == SIGKILL && launched_.context.cgroup && !own_pid_namespace_) return launched_.context.cgroup->kill();
  auto done = sys::pidfd_send_signal(launched_.pidfd.get(), signal);
  if (!done && done.error().code == ESRCH) return {};
  return done;
}

namespace {
Error no_cgroup(const char* operation) {
  return make_error(ENOTSUP, operation, "", "the container has no cgroup", "give it limits, or cgroup = true");
}
}  // namespace

Result<void> Running::freeze() { return launched_.context.cgroup ? launched_.context.cgroup->freeze() : no_cgroup("freeze"); }
Result<void> Running::thaw() { return launched_.context.cgroup ? launched_.context.cgroup->thaw() : no_cgroup("thaw"); }
Result<CgroupStats> Running::stats() const {
  if (!launched_.context.cgroup) return no_cgroup("stats");
  return launched_.context.cgroup->stats();
}

}  // namespace ccsand
