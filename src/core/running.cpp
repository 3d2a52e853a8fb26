// A container's start and end.
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

#include "core/clock.hpp"
#include "core/exec_service.hpp"
#include "core/generation.hpp"
#include "core/background_launch.hpp"
#include "core/launching.hpp"
#include "core/seccomp/performance.hpp"
#include "core/signals.hpp"
#include "core/state.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

// ---- the start

Result<void> Running::begin() {
  started_ns_ = monotonic_ns();
  LaunchOptions launch_options;
  launch_options.trace = options_.trace;
  launch_options.deadline_ns = start_deadline_ns();
  auto launched = launch(*plan_, launch_options);
  child_ends_.clear();
  if (!launched) return lose_start(launched.error());
  enter_loop();
  return adopt(std::move(*launched));
}
Result<void> Running::adopt(Launched launched) {
  launched_ = std::move(launched);
  if (plan_->ruleset() != kNoSlot) ruleset_ = launched_.context.fd(plan_->ruleset());
  if (launched_.context.cgroup) cgroup_directory_ = launched_.context.cgroup->clone_into();
  if (options_.supervisor) options_.supervisor->restrict_with(ruleset_, cgroup_directory_);
  if (plan_->listener() != kNoSlot) listener_ = launched_.context.take(plan_->listener());
  deciding_ = true;
  for (const seccomp_notif& call : launched_.asked)
    if (options_.supervisor && !ended_) options_.supervisor->decide(listener_.get(), call);
  deciding_ = false;
  if (ended_) return {};  // while a handler waited for others
  if (options_.lend_terminal && plan_->terminal() != kNoSlot) {
    lent_terminal_ = launched_.context.take(plan_->terminal());
    return {};
  }
  if (options_.own_terminal && plan_->terminal() != kNoSlot) return take_terminal(launched_.context.take(plan_->terminal()));
  if (plan_->terminal() != kNoSlot) relay_ = CCSAND_TRY(TerminalRelay::create(launched_.context.take(plan_->terminal())));
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
  running->redirect_streams(wired);
  running->describe(wired);
  bool background = options.background && !options.trace && !name;  // a trace times the steps of a start that is waited for
  Assembly assembly;
  assembly.late_namespaces = background && can_be_late(wired);
  running->plan_ = std::make_shared<const Plan>(compile(wired, assembly));
  CCSAND_TRY(background ? running->begin_in_background() : running->begin());
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
  running->redirect_streams(wired);
  running->own_pid_namespace_ = false;  // it is no pid 1: signals reach it as they are
  running->is_guest_ = true;
  running->host_id_ = target.id_;
  running->filtered_ = !wired.filter.empty();
  running->own_user_namespace_ = target.own_user_namespace_;
  running->ruleset_ = target.ruleset_;
  running->cgroup_directory_ = target.cgroup_directory_;
  running->plan_ = std::make_shared<const Plan>(compile_exec(wired, {target.pid(), target.pidfd(), target.cgroup(), target.ruleset_}));
  running->options_.background = !options.foreground;
  CCSAND_TRY(options.foreground ? running->begin() : running->begin_in_background());
  return running;
}

Running::~Running() {
  close();
  leave_loop();
}
void Running::close() {
  stop_waiting();
  if (pending_ && !ended_) return abandon_start();
  if (!launched_.pidfd.open() || ended_) return;
  launching::kill_child(launched_.pidfd.get());
  end_guests();
  collect();
}
// ---- the end

void Running::collect() {
  auto status = sys::waitid(P_PIDFD, launched_.pidfd.get(), WEXITED);
  result_.wall_ns = monotonic_ns() - started_ns_;
  ended_ = true;
  tell();
  forget_process(launched_.pid);
  if (auto unproven = std::exchange(unproven_, nullptr))
    if (auto outcome = unproven->outcome(launched_.pidfd.get()); !outcome && !timed_out_) start_error_ = outcome.error();
  if (status) {
    bool exited = status->code == CLD_EXITED;
    result_.signal = exited ? 0 : status->status;
    result_.status = exited ? status->status : 128 + status->status;
    result_.reason = exited ? "exited" : "signalled";
    auto micros = [](const timeval& time) { return time.tv_sec * 1'000'000L + time.tv_usec; };
    result_.user_us = micros(status->usage.ru_utime);
    result_.system_us = micros(status->usage.ru_stime);
    result_.max_rss = static_cast<std::uint64_t>(status->usage.ru_maxrss) * 1024;
  } else if (!start_error_) {
    start_error_ = status.error();  // somebody else has waited for it: how it ended is not known
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
  if (options_.supervisor) options_.supervisor->end();  // its processes, which may block in calls, are in the cgroup
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
  listener_.close();
  if (relay_) relay_->drain();
  relay_.reset();
  context.close_all();
  // Who holds the handle holds the result alone: a loop of many containers would otherwise
  // carry their descriptors, which every clone copies and every exec closes.
  process_.forget();
  launched_.pidfd.close();
  lay_aside_namespaces();
  if (!options_.trace) plan_ = std::make_shared<const Plan>();
  leave_loop();
  if (options_.supervisor && !any_supervised()) Performance::close_workshop();
  if (service_ && !service_->is_busy()) service_.reset();
  if (options_.on_end) options_.on_end(result_);
}
Result<void> Running::kill(int signal) {
  if (ended_) return {};
  if (pending_) return sys::pidfd_send_signal(pending_->pidfd(), signal);
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
