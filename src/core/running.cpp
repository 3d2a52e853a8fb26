// Supervision: one loop of epoll over all that runs in this process.
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

#include "core/exec_service.hpp"
#include "core/generation.hpp"
#include "core/held_launch.hpp"
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
std::uint64_t departures = 0;  // from it, ever
std::vector<std::unique_ptr<Running>> discarded;  // closed, and still deciding
std::vector<std::uint64_t> kept_news;
bool keeps_news = false;

// Who runs in this process: those of a forked copy are its parent's.
std::vector<Running*>& everyone() {
  static std::uint64_t owner = 0;
  if (owner == process_generation()) return all_running;
  owner = process_generation();
  all_running.clear();
  kept_news.clear();
  return all_running;
}
}  // namespace

std::uint64_t Running::next_id() {
  static std::uint64_t last = 0;
  return ++last;
}
void Running::keep_news(bool keep) {
  keeps_news = keep;
  kept_news.clear();
  for (Running* one : everyone()) one->told_ = false;
}
void Running::tell() {
  if (!keeps_news || told_) return;
  told_ = true;
  kept_news.push_back(id_);
}
Result<void> Running::step(std::int64_t deadline_ns, std::vector<pollfd>& extra, std::vector<std::uint64_t>& news) {
  if (!kept_news.empty()) deadline_ns = 0;
  auto done = pump(deadline_ns, nullptr, &extra);
  news = std::exchange(kept_news, {});
  for (Running* one : everyone()) one->told_ = false;
  return done;
}

std::int64_t monotonic_ns() {
  timespec time = {};
  (void)clock_gettime(CLOCK_MONOTONIC, &time);  // cannot fail for this clock
  return time.tv_sec * 1'000'000'000L + time.tv_nsec;
}

// ---- the start

namespace {
// Processes of a container can stop what joins them, and nobody else goes on meanwhile.
constexpr std::int64_t kGuestPatience = 10'000'000'000;
}  // namespace

Result<void> Running::begin() {
  started_ns_ = monotonic_ns();
  LaunchOptions launch_options;
  launch_options.trace = options_.trace;
  if (is_guest_) launch_options.patience_ns = kGuestPatience;
  auto launched = launch(plan_, launch_options);
  child_ends_.clear();
  if (!launched) return launched.error();
  return adopt(std::move(*launched));
}
Result<void> Running::adopt(Launched launched) {
  launched_ = std::move(launched);
  everyone().push_back(this);
  if (plan_.ruleset() != kNoSlot) ruleset_ = launched_.context.fd(plan_.ruleset());
  if (launched_.context.cgroup) cgroup_directory_ = launched_.context.cgroup->clone_into();
  if (options_.supervisor) options_.supervisor->restrict_with(ruleset_, cgroup_directory_);
  if (plan_.listener() != kNoSlot) listener_ = launched_.context.take(plan_.listener());
  deciding_ = true;
  for (const seccomp_notif& call : launched_.asked)
    if (options_.supervisor && !ended_) options_.supervisor->decide(listener_.get(), call);
  deciding_ = false;
  if (ended_) return {};  // while a handler waited for others
  if (options_.lend_terminal && plan_.terminal() != kNoSlot) {
    lent_terminal_ = launched_.context.take(plan_.terminal());
    return {};
  }
  if (options_.own_terminal && plan_.terminal() != kNoSlot) return take_terminal(launched_.context.take(plan_.terminal()));
  if (plan_.terminal() != kNoSlot) relay_ = CCSAND_TRY(TerminalRelay::create(launched_.context.take(plan_.terminal())));
  return {};
}

void Running::describe(ContainerSpec& spec) {
  // Without a pid namespace of its own, only a cgroup finds all of its processes.
  own_pid_namespace_ = spec.pid.kind == NamespaceChoice::fresh;
  if (!own_pid_namespace_ || options_.cpu_time_ns >= 0) spec.cgroup_wanted = true;
  own_user_namespace_ = spec.user.kind != NamespaceChoice::host;
  filtered_ = !spec.filter.empty();
}

Result<std::unique_ptr<Running>> Running::start(const ContainerSpec& spec, const RunOptions& options) {
  std::unique_ptr<Running> running(new Running);
  running->options_ = options;
  std::optional<ContainerName> name;  // first of all: it may be somebody's
  if (!options.name.empty()) name.emplace(CCSAND_TRY(ContainerName::take(options.name)));
  ContainerSpec wired = spec;
  CCSAND_TRY(running->open_streams(wired));
  running->describe(wired);
  running->plan_ = compile(wired);
  CCSAND_TRY(running->begin());
  if (name && !running->ended_) CCSAND_TRY(running->serve_as(std::move(*name), spec));
  return running;
}
Result<std::unique_ptr<Running>> Running::exec(Running& target, const ContainerSpec& spec, const RunOptions& options) {
  if (target.ended_) return make_error(ESRCH, "exec", "", "the container has ended");
  if (target.frozen_) return make_error(EBUSY, "exec", "", "the container is frozen", "thaw it first");
  std::unique_ptr<Running> running(new Running);
  running->options_ = options;
  ContainerSpec wired = spec;
  CCSAND_TRY(running->open_streams(wired));
  running->own_pid_namespace_ = false;  // it is no pid 1: signals reach it as they are
  running->is_guest_ = true;
  running->host_id_ = target.id_;
  running->filtered_ = !wired.filter.empty();
  running->own_user_namespace_ = target.own_user_namespace_;
  running->ruleset_ = target.ruleset_;
  running->cgroup_directory_ = target.cgroup_directory_;
  running->plan_ = compile_exec(wired, {target.pid(), target.pidfd(), target.cgroup(), target.ruleset_});
  CCSAND_TRY(running->begin());
  return running;
}

Running::~Running() {
  close();
  leave_loop();
}
bool Running::is_at_work() const { return deciding_ || (service_ && service_->is_busy()); }
void Running::discard(std::unique_ptr<Running> running) {
  if (!running) return;
  running->close();
  if (running->is_at_work()) discarded.push_back(std::move(running));
}
void Running::close() {
  let_go();
  if (!launched_.pidfd.open() || ended_) return;
  (void)sys::pidfd_send_signal(launched_.pidfd.get(), SIGKILL);  // it may have ended just now
  end_guests();
  collect();
}
// A pid namespace ends when all in it have been waited for, and further commands are this process's to wait for.
void Running::end_guests() {
  std::vector<Running*> guests;
  for (Running* one : everyone())
    if (one->is_guest_ && one->host_id_ == id_) guests.push_back(one);
  for (Running* guest : guests)  // what is told at the end of one may have let go of another
    if (std::find(all_running.begin(), all_running.end(), guest) != all_running.end()) guest->close();
}

// ---- the loop

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

std::int64_t Running::due_ns() const {
  std::int64_t due = next_limit_ns();
  std::int64_t supervisor = options_.supervisor && !deciding_ ? options_.supervisor->deadline_ns() : -1;
  std::int64_t service = service_ ? service_->due_ns() : -1;
  for (std::int64_t other : {supervisor, service})
    if (other >= 0 && (due < 0 || other < due)) due = other;
  return due;
}

// A handler may wait for other containers, which comes by here: it must not be entered twice.
void Running::attend_calls() {
  if (deciding_) return;
  deciding_ = true;
  if (options_.supervisor) options_.supervisor->attend();
  short listener = listener_.take_ready();
  if ((listener & POLLIN) != 0) take_notification();
  else if (listener != 0) listener_.close();  // nobody is under the filter any more
  deciding_ = false;
}

void Running::attend() {
  for (Output& output : outputs_)
    if (output.fd.take_ready() != 0) read_output(output);
  if (input_.take_ready() != 0) write_input();
  if (relay_) relay_->attend();
  attend_calls();
  if (service_) service_->attend();
  if (ended_ && service_ && !service_->is_busy()) service_.reset();
  if (ended_) return;
  if (process_.take_ready() != 0) return collect();
  keep_limits();
}

namespace {
// Until something is ready or `next_ns` has come; an error where a signal asks ccsand to end.
Result<void> await(std::int64_t next_ns, const SignalWatch* watch, std::vector<pollfd>* others) {
  std::int64_t left = next_ns < 0 ? -1 : std::max<std::int64_t>(0, next_ns - monotonic_ns());
  int milliseconds = left < 0 ? -1 : static_cast<int>(std::min<std::int64_t>((left + 999'999) / 1'000'000, 1'000'000));
  if (watch != nullptr) return wait_for_events(milliseconds, nullptr, others);
  InterruptBlock block;
  if (interrupted() == 0) CCSAND_TRY(wait_for_events(milliseconds, &block.mask_before(), others));
  int signal = interrupted();
  if (signal == 0) return {};
  Error error = make_error(EINTR, "wait", "", "interrupted");
  error.exit_status = 128 + signal;
  return error;
}
}  // namespace

Result<void> Running::pump(std::int64_t deadline_ns, Running* target, std::vector<pollfd>* extra) {
  std::int64_t next = deadline_ns;
  for (Running* one : everyone()) {
    one->enter_interests();
    if (std::int64_t due = one->due_ns(); due >= 0) next = next < 0 ? due : std::min(next, due);
  }
  SignalWatch* watch = SignalWatch::current();
  if (watch != nullptr) watch->enter_interest();
  CCSAND_TRY(await(next, watch, extra));
  if (watch != nullptr && watch->take_ready())
    for (int signal = watch->next(); signal != 0; signal = watch->next())
      if (target != nullptr) target->pass_on(signal);
  // The list's memory is kept from turn to turn: a container whose calls are decided here comes by a hundred
  // thousand times a second. A turn within a turn, of a handler that waits, has its own.
  static std::vector<Running*> spare;
  std::vector<Running*> present = std::exchange(spare, {});
  present.assign(all_running.begin(), all_running.end());
  const std::uint64_t before = departures;
  for (Running* one : present) {
    // What was done for one may have ended another, which then is not in the list, and may be no more.
    if (departures == before || std::find(all_running.begin(), all_running.end(), one) != all_running.end()) one->attend();
  }
  spare = std::move(present);
  if (!discarded.empty()) std::erase_if(discarded, [](const std::unique_ptr<Running>& one) { return !one->is_at_work(); });
  return {};
}

Result<bool> Running::wait(std::int64_t deadline_ns) {
  while (!ended_) {
    if (deadline_ns >= 0 && monotonic_ns() >= deadline_ns) return false;
    CCSAND_TRY(pump(deadline_ns, this));
  }
  return true;
}

// ---- the end

void Running::collect() {
  auto status = sys::waitid(P_PIDFD, launched_.pidfd.get(), WEXITED);
  result_.wall_ns = monotonic_ns() - started_ns_;
  ended_ = true;
  tell();
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
  end_guests();  // those of a container without a pid namespace of its own
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
  if (cpu_exceeded_ || (result_.cgroup && beyond_cpu_time(*result_.cgroup))) result_.reason = "cpu_time";
  if (output_exceeded_) result_.reason = "output";
  if (timed_out_) result_.reason = "timeout";
  for (Output& output : outputs_)
    if (output.fd.open()) read_output(output), output.fd.close();
  input_text_.clear();
  input_.close();
  if (options_.supervisor) options_.supervisor->end();
  listener_.close();
  if (relay_) relay_->drain();
  relay_.reset();
  context.close_all();
  // Who holds the handle holds the result alone: a loop of many containers would otherwise
  // carry their descriptors, which every clone copies and every exec closes.
  process_.forget();
  launched_.pidfd.close();
  lay_aside_mounts();
  if (!options_.trace) plan_ = Plan();
  leave_loop();
  bool others = std::any_of(all_running.begin(), all_running.end(), [](const Running* one) { return one->options_.supervisor != nullptr; });
  if (options_.supervisor && !others) Performance::close_workshop();
  if (service_ && !service_->is_busy()) service_.reset();
  if (options_.on_end) options_.on_end(result_);
}
void Running::leave_loop() { departures += std::erase(all_running, this); }

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

Result<void> Running::freeze() {
  if (!launched_.context.cgroup) return no_cgroup("freeze");
  CCSAND_TRY(launched_.context.cgroup->freeze());
  frozen_ = true;
  return {};
}
Result<void> Running::thaw() {
  if (!launched_.context.cgroup) return no_cgroup("thaw");
  frozen_ = false;
  return launched_.context.cgroup->thaw();
}
Result<CgroupStats> Running::stats() const {
  if (!launched_.context.cgroup) return no_cgroup("stats");
  return launched_.context.cgroup->stats();
}

}  // namespace ccsand
