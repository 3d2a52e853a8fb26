// The two sides of a launch and how they wait for each other.
//
// Steps have one total order. A side that comes to a step waits until the other
// side has finished all of its steps before it; but for the host's making of links
// (ConnectNetwork), which is awaited by who uses them. Both sides meet in one shared
// page; where no step of the host follows the clone, the kernel does the waiting
// (CLONE_VFORK).
#include "core/executor.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <functional>

#include "core/cgroup.hpp"
#include "core/clock.hpp"
#include "core/generation.hpp"
#include "core/launching.hpp"
#include "core/state.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/namespace.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

namespace launching {

std::uint32_t load(const std::uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }
void store(std::uint32_t& word, std::uint32_t value) { __atomic_store_n(&word, value, __ATOMIC_RELEASE); }

void prepare_order(Launch& launch) {
  const auto& steps = launch.plan.steps();
  launch.other_before.assign(steps.size(), 0);
  launch.hands_over.assign(steps.size(), false);
  launch.filtered_at = steps.size();
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (const auto* filter = std::get_if<LoadFilter>(&steps[i].operation); filter != nullptr && filter->notifies) launch.filtered_at = i;
  std::uint32_t last[2] = {0, 0}, links = 0;
  auto makes_links = [&steps](std::size_t i) { return i < steps.size() && std::holds_alternative<ConnectNetwork>(steps[i].operation); };
  for (std::size_t i = launch.clone_at + 1; i < steps.size(); ++i) {
    auto side = static_cast<std::size_t>(steps[i].side == Side::container);
    // What a recipe's functions see, too, is all that comes before them.
    if (std::holds_alternative<ConfigureNetwork>(steps[i].operation) || std::holds_alternative<CallHook>(steps[i].operation)) last[0] = std::max(last[0], links);
    launch.other_before[i] = last[1 - side];
    if (makes_links(i)) links = static_cast<std::uint32_t>(i + 1);
    else last[side] = static_cast<std::uint32_t>(i + 1);
    launch.hands_over[i] = i + 1 == steps.size() || steps[i + 1].side != steps[i].side || i + 1 == launch.filtered_at || makes_links(i + 1);
  }
}

namespace {
Result<void> run_step(Launch& launch, std::size_t index) {
  std::int64_t start = launch.trace ? monotonic_ns() : 0;
  auto done = apply(launch.plan.steps()[index].operation, *launch.context);
  if (launch.trace && index < kMostTraced) launch.block->trace_ns[index] = monotonic_ns() - start;
  return done;
}

// For the few microseconds until the other side has done its step.
void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// ---- the container's side. From here to exec nothing allocates.

// One that waits must not hold ends of other containers' pipes: who reads there would wait for it.
void close_others(const std::vector<int>& kept) {
  unsigned first = 3;
  for (int fd : kept) {
    auto number = static_cast<unsigned>(fd);
    if (number > first) (void)sys::close_range(first, number - 1, 0);  // they are not needed, whatever becomes of them
    if (number >= first) first = number + 1;
  }
  (void)sys::close_range(first, ~0U, 0);
}
bool calls_hooks(const Plan& plan) {
  for (const Step& step : plan.steps())
    if (step.side == Side::container && std::holds_alternative<CallHook>(step.operation)) return true;
  return false;
}

[[noreturn]] void run_container_side(Launch& launch) {
  Block& block = *launch.block;
  const auto& steps = launch.plan.steps();
  bool lasts = !launch.kept.empty(), late = lasts && calls_hooks(launch.plan);  // a recipe's files are its own until then
  if (lasts && !late) close_others(launch.kept);
  // First of all it ties its life to the supervisor's.
  (void)apply(SetParentDeathSignal{SIGKILL, true}, *launch.context);  // done again, and checked, before exec
  for (std::size_t i = launch.clone_at + 1; i < steps.size(); ++i) {
    if (steps[i].side != Side::container) continue;
    if (i == launch.hold_at) {
      if (late) close_others(launch.kept);
      store(block.holding, 1);
      sys::futex_wake(&block.holding);
      while (load(block.released) == 0) (void)sys::futex_wait(&block.released, 0, -1);  // as below
    }
    for (std::uint32_t seen = load(block.host_done); seen < launch.other_before[i]; seen = load(block.host_done)) {
      if (i > launch.filtered_at) relax();  // the filter may forbid waiting, or ask a supervisor that is not there yet
      else (void)sys::futex_wait(&block.host_done, seen, -1);  // the host's death ends this process (pdeathsig)
    }
    auto done = run_step(launch, i);
    if (!done) {
      block.error = done.error();
      store(block.failed, static_cast<std::uint32_t>(i + 1));
      break;
    }
    store(block.child_done, static_cast<std::uint32_t>(i + 1));
    if (launch.hands_over[i] && i < launch.filtered_at) sys::futex_wake(&block.child_done);
  }
  if (launch.afterwards != nullptr && load(block.failed) == 0) {
    store(block.holding, 1);
    sys::futex_wake(&block.holding);
    launch.afterwards(launch.argument);
  }
  sys::futex_wake(&block.child_done);
  sys::exit_group(125);
}
}  // namespace
void container_entry(void* launch) { run_container_side(*static_cast<Launch*>(launch)); }

// ---- the host's side

bool has_ended(int pidfd) {
  pollfd end = {pidfd, POLLIN, 0};
  auto ready = sys::poll(&end, 1, 0);
  return ready && *ready > 0;
}

namespace {
// In nanoseconds; -1 where there is no end.
std::int64_t time_left(const Launch& launch) {
  return launch.deadline_ns < 0 ? -1 : std::max<std::int64_t>(0, launch.deadline_ns - monotonic_ns());
}
}  // namespace

bool kill_late(Launch& launch, int pidfd) {
  if (launch.late || launch.deadline_ns < 0 || monotonic_ns() < launch.deadline_ns) return launch.late;
  launch.late = true;
  (void)sys::pidfd_send_signal(pidfd, SIGKILL);  // it may have ended just now
  return true;
}

namespace {
bool returns(const Launch& launch) { return launch.return_ns >= 0 && monotonic_ns() >= launch.return_ns; }
// Whether the host waits no longer: it returns, or where it never does, the child's time is over. One that returns comes back until
// a child that it has killed has ended, which may take its time, too.
bool stops_waiting(Launch& launch, int pidfd) {
  bool late = kill_late(launch, pidfd);
  return launch.return_ns < 0 ? late : returns(launch);
}

enum class Awaited : std::uint8_t { done, failed, not_yet };
// Until the child has finished its steps before `index`; failed, where it did or died.
Awaited await_child(Launch& launch, std::size_t index, int pidfd) {
  constexpr std::int64_t kLook = 20'000'000, kShortLook = 1'000'000;  // a child that was killed wakes nobody
  unsigned looks = 0;
  for (;;) {
    std::uint32_t seen = load(launch.block->child_done);
    if (seen >= launch.other_before[index]) return Awaited::done;
    if (load(launch.block->failed) != 0) return Awaited::failed;
    // Once it loads its filter it wakes nobody.
    bool silent = launch.other_before[index] == launch.filtered_at + 1 && seen >= launch.filtered_at;
    if (!returns(launch)) {
      if (silent) {
        sys::yield();
        if (++looks % 256 != 0) continue;
      } else if (sys::futex_wait(&launch.block->child_done, seen, launch.return_ns < 0 ? kLook : kShortLook)) {
        continue;
      }
    }
    if (has_ended(pidfd)) return Awaited::failed;
    if (stops_waiting(launch, pidfd)) return launch.return_ns < 0 ? Awaited::failed : Awaited::not_yet;
  }
}

Error step_error(const Launch& launch, std::size_t index, Error error) {
  FixedText<256> context("step ");
  context.append_number(static_cast<long long>(index + 1)).append("/");
  context.append_number(static_cast<long long>(launch.plan.steps().size())).append(", ");
  context.append(describe(launch.plan.steps()[index].operation));
  return error.in(context.view());
}

}  // namespace

// Undoes what steps of the host changed in this process.
void undo_own_changes(Context& context) {
  for (std::size_t i = 0; i < context.home_namespaces.size(); ++i)
    (void)apply(JoinForChild{context.home_namespaces[i].first, kNoSlot, -1, true}, context);
}

// Who waits for its end next must not wait for ever, whatever became of the signal. (It may have ended already.)
void kill_child(int pidfd) {
  for (int tries = 0; tries < 3; ++tries)
    if (auto sent = sys::pidfd_send_signal(pidfd, SIGKILL); sent || sent.error().code == ESRCH) return;
}

Error child_error(const Launch& launch, int pidfd) {
  std::uint32_t failed = load(launch.block->failed);
  if (failed != 0) kill_child(pidfd);  // it is about to end; unless somebody stops it before
  auto ended = sys::waitid(P_PIDFD, pidfd, WEXITED);
  if (failed == 0) failed = load(launch.block->failed);
  if (failed != 0) return step_error(launch, failed - 1, launch.block->error);
  if (launch.late)
    return make_error(ETIMEDOUT, "set-up", "of the command", "it was not executed in time (ETIMEDOUT)", "it was stopped, or waits for a file system, in the container");
  Error error = make_error(ECHILD, "set-up", "of the container", "its process ended before it could exec (ECHILD)");
  if (ended && ended->code != CLD_EXITED) error.hint = "it was killed from outside, or ran out of memory under its limits";
  return error;
}

void end_child(int pidfd) {
  kill_child(pidfd);
  (void)sys::waitid(P_PIDFD, pidfd, WEXITED);
}

std::vector<int> needed_descriptors(const Plan& plan, const Context& context, const ExecSignal& signal) {
  std::vector<int> all = context.fds;
  all.push_back(own_pidfd());
  all.push_back(signal.write.get());
  for (const Step& step : plan.steps()) {
    if (const auto* redirect = std::get_if<Redirect>(&step.operation))
      for (const auto& pair : redirect->pairs) all.push_back(pair.first);
    if (const auto* closing = std::get_if<CloseDescriptors>(&step.operation)) all.insert(all.end(), closing->keep.begin(), closing->keep.end());
    if (const auto* join = std::get_if<JoinNamespace>(&step.operation)) all.push_back(join->fd);
    if (const auto* restriction = std::get_if<RestrictSelf>(&step.operation)) all.push_back(restriction->fd);
    if (const auto* exec = std::get_if<Exec>(&step.operation)) all.push_back(exec->fd);
  }
  std::sort(all.begin(), all.end());
  all.erase(all.begin(), std::lower_bound(all.begin(), all.end(), 3));
  return all;
}

Result<sys::CloneRequest> prepare_clone(Launch& host, Launch& child_side, Context& child_context, const Cloning& how, ExecSignal& signal) {
  child_context.owns = false;
  child_context.fds = host.context->fds;
  child_context.identity = host.context->identity;
  child_context.network = host.context->network;
  child_context.devices_to_bind = host.context->devices_to_bind;
  std::swap(child_context.exec, host.context->exec);  // only the child needs it
  child_context.child_terminal = host.context->child_terminal = &host.block->terminal;
  child_context.child_listener = host.context->child_listener = &host.block->listener;
  child_context.supervisor_pidfd = own_pidfd();
  child_context.later_words = child_side.hold_at < child_side.plan.steps().size() ? &host.block->words : nullptr;
  child_side.context = &child_context;
  sys::CloneRequest request;
  request.flags = how.op.namespaces;
  request.suspend_parent = how.suspend;
  if (how.op.into_cgroup && host.context->cgroup) request.cgroup = host.context->cgroup->clone_into();
  if (how.tell || (how.op.copies_memory && !how.suspend)) {
    sys::Pipe pipe = CCSAND_TRY(sys::pipe2(0));
    signal = {std::move(pipe.read), std::move(pipe.write)};
  }
  bool lasts = child_side.hold_at < child_side.plan.steps().size() || child_side.afterwards != nullptr || (how.tell && how.op.copies_memory);
  if (lasts && !how.by_zygote) {
    auto needed = needed_descriptors(child_side.plan, *host.context, signal);
    child_side.kept.insert(child_side.kept.end(), needed.begin(), needed.end());
    std::sort(child_side.kept.begin(), child_side.kept.end());
  }
  if (!how.op.copies_memory) {
    host.block->running = 1;
    request.clear_tid = &host.block->running;
  }
  return request;
}
Result<sys::Child> clone_child(Launch& host, Launch& child_side, Context& child_context, const Cloning& how, ExecSignal& signal) {
  sys::CloneRequest request = CCSAND_TRY(prepare_clone(host, child_side, child_context, how, signal));
  if (how.op.copies_memory) (void)std::fflush(nullptr);  // or the child would print it, too
  std::uint64_t mask = sys::block_all_signals();  // none is handled on the child's side before its reset
  Result<sys::Child> child = make_error(EINVAL, "clone", "", "");
  if (how.op.copies_memory) {
    child = sys::clone_copy(request);
    if (child && child->pid == 0) run_container_side(child_side);
  } else {
    child = sys::clone_shared(request, host.arena.stack, kStackSize, container_entry, &child_side);
  }
  sys::set_signal_mask(mask);
  return cloned(host, std::move(child), signal);
}
Result<sys::Child> cloned(const Launch& host, Result<sys::Child> child, ExecSignal& signal) {
  signal.write.close();
  if (child) return child;
  Error error = child.error();
  if (error.code == EPERM || error.code == ENOSPC || error.code == EUSERS)
    error.hint = "check the limits in /proc/sys/user and whether this process may make namespaces: ccsand doctor";
  return step_error(host, host.clone_at, error);
}

namespace {
// The one call that a child makes under its filter is its exec: it was decided by whoever
// started the container, and its words are still in this process's memory.
void let_exec_pass(int listener, const std::function<bool()>& has_executed, std::vector<seccomp_notif>& asked) {
  auto notification = sys::receive_notification(listener);
  if (!notification) return;
  // What came after the exec is not the child's any more, but the command's own.
  if (has_executed()) return asked.push_back(*notification);
  seccomp_notif_resp answer = {};
  answer.id = notification->id;
  bool is_exec = notification->data.nr == SYS_execve || notification->data.nr == SYS_execveat;
  if (is_exec) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  else answer.error = -EPERM;
  (void)sys::answer_notification(listener, answer);  // it may have been killed
}

}  // namespace
bool signalled(const ExecSignal& signal) {
  pollfd end = {signal.read.get(), POLLIN, 0};
  auto closed = sys::poll(&end, 1, 0);
  return !closed || *closed > 0;
}
bool await_exec(Launch& launch, const Clone& op, ExecSignal& signal, int pidfd, int listener, std::vector<seccomp_notif>& asked) {
  constexpr std::int64_t kLook = 1'000'000;  // a futex and a descriptor are not awaited at once
  const bool comes_back = launch.return_ns >= 0;
  if (!op.copies_memory) {
    while (load(launch.block->running) != 0) {
      pollfd asks = {listener, POLLIN, 0};
      if (auto ready = listener < 0 ? Result<int>(0) : sys::poll(&asks, 1, 0); ready && *ready > 0)
        let_exec_pass(listener, [&launch] { return load(launch.block->running) == 0; }, asked);
      else if (!returns(launch)) (void)sys::futex_wait(&launch.block->running, 1, listener < 0 && !comes_back ? time_left(launch) : kLook);
      if (load(launch.block->running) == 0) break;
      if (stops_waiting(launch, pidfd)) return !comes_back;
    }
    return true;
  }
  pollfd ends[3] = {{signal.read.get(), POLLIN, 0}, {pidfd, POLLIN, 0}, {listener, POLLIN, 0}};
  for (;;) {
    std::int64_t left = time_left(launch);
    if (comes_back) left = std::max<std::int64_t>(0, launch.return_ns - monotonic_ns());
    auto ready = sys::poll(&ends[0], 3, left < 0 ? -1 : static_cast<int>((left + 999'999) / 1'000'000));
    if (!ready || ends[0].revents != 0 || ends[1].revents != 0) return true;
    if (*ready == 0 && stops_waiting(launch, pidfd)) return !comes_back;
    if (ends[2].revents != 0)
      let_exec_pass(listener, [&signal] { return signalled(signal); }, asked);
  }
}

Result<std::size_t> run_host_steps(Launch& launch, std::size_t from, std::size_t to, int pidfd) {
  const auto& steps = launch.plan.steps();
  for (std::size_t i = from; i < to; ++i) {
    if (steps[i].side != Side::host) continue;
    Awaited child = pidfd < 0 ? Awaited::done : await_child(launch, i, pidfd);
    if (child == Awaited::failed) return child_error(launch, pidfd);
    if (child == Awaited::not_yet) return i;
    auto done = run_step(launch, i);
    // The links of a child that has failed beside them could not be made.
    if (!done && pidfd >= 0 && load(launch.block->failed) != 0) return child_error(launch, pidfd);
    if (!done) return step_error(launch, i, done.error());
    store(launch.block->host_done, static_cast<std::uint32_t>(i + 1));
    if (pidfd >= 0 && launch.hands_over[i]) sys::futex_wake(&launch.block->host_done);
  }
  return to;
}

namespace {
bool host_steps_follow(const Plan& plan, std::size_t clone_at) {
  for (std::size_t i = clone_at + 1; i < plan.steps().size(); ++i)
    if (plan.steps()[i].side == Side::host) return true;
  return false;
}

}  // namespace

// Whether the child has done all before its last step, which is exec: a hook may end
// it, and so may its limits.
bool came_to_exec(const Launch& launch) {
  const auto& steps = launch.plan.steps();
  for (std::size_t i = steps.size() - 1; i > launch.clone_at + 1; --i)
    if (steps[i - 1].side == Side::container) return load(launch.block->child_done) >= i;
  return true;
}

const Exec* exec_of(const Plan& plan) {
  return plan.steps().empty() ? nullptr : std::get_if<Exec>(&plan.steps().back().operation);
}

Clone clone_of(const Plan& plan) {
  Clone op = std::get<Clone>(plan.steps()[plan.clone_step()].operation);
#ifdef __SANITIZE_ADDRESS__
  op.copies_memory = true;  // its run-time cannot follow two processes in one memory
#endif
  return op;
}

namespace {
Result<void> launch_child(Launch& launch, Launched& out) {
  const Plan& plan = launch.plan;
  CCSAND_TRY(run_host_steps(launch, 0, launch.clone_at, -1));
  if (const Exec* exec = exec_of(plan)) launch.context->exec = make_image(*exec, launch.context->identity);
  Cloning how{clone_of(plan), !host_steps_follow(plan, launch.clone_at) && launch.deadline_ns < 0};
  prepare_order(launch);
  Launch child_side = launch;
  Context child_context;
  ExecSignal signal;
  StateRecord record;
  std::int64_t start = monotonic_ns();
  auto child = CCSAND_TRY(clone_child(launch, child_side, child_context, how, signal));
  record.note(child.pid);
  if (launch.trace) launch.block->trace_ns[launch.clone_at] = monotonic_ns() - start;
  int pidfd = child.pidfd.get();
  launch.context->child = child.pid;
  launch.context->child_pidfd = pidfd;

  Result<void> done;
  if (auto run = run_host_steps(launch, launch.clone_at + 1, plan.steps().size(), pidfd); !run) done = run.error();
  if (done && !how.suspend) (void)await_exec(launch, how.op, signal, pidfd, plan.listener() == kNoSlot ? -1 : launch.context->fd(plan.listener()), out.asked);
  if (done && (launch.late || load(launch.block->failed) != 0 || !came_to_exec(launch))) done = child_error(launch, pidfd);
  if (!done) {
    end_child(pidfd);
    return done.error();
  }
  out.pid = child.pid;
  out.pidfd = std::move(child.pidfd);
  record.keep();
  return {};
}
}  // namespace
}  // namespace launching

bool is_late(const Error& error) { return error.code == ETIMEDOUT && error.context.view().empty(); }  // a step's error has one

Result<Launched> launch(const Plan& plan, const LaunchOptions& options) {
  using namespace launching;
  std::size_t clone_at = plan.clone_step(), none = plan.steps().size();
  if (clone_at == none) return make_error(EINVAL, "plan", "", "has no clone step to start a process with");
  CCSAND_TRY(prepare_process());
  Arena arena = CCSAND_TRY(take_arena());
  Block& block = *arena.block;
  if (options.trace) std::memset(&block.trace_ns[0], 0, sizeof block.trace_ns);

  Launched launched;
  launched.context.fds.assign(static_cast<std::size_t>(plan.slots()), -1);
  Launch state{plan, clone_at, options.trace, arena, &block, &launched.context, {}, {}, none, none};
  state.deadline_ns = options.deadline_ns;
  auto done = launch_child(state, launched);
  undo_own_changes(launched.context);
  return_arena(arena);
  if (!done) return done.error();  // the context's destructor closes and removes the rest
  if (options.trace)
    launched.trace_ns.assign(&block.trace_ns[0], &block.trace_ns[std::min(plan.steps().size(), kMostTraced)]);
  return launched;
}

}  // namespace ccsand
