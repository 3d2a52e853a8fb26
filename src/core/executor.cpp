// The two sides of a launch and how they wait for each other.
//
// Steps have one total order. A side that comes to a step waits until the other
// side has finished all of its steps before it. Both sides meet in one shared
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
#include "core/generation.hpp"
#include "core/state.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/namespace.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kMostTraced = 1024;
constexpr std::size_t kStackSize = 256 * 1024;

// What both sides see. Nothing in it points anywhere but to string literals.
struct Block {
  std::uint32_t host_done;   // the number of the last step that the host finished, counted from 1
  std::uint32_t child_done;  // the same of the child
  std::uint32_t running;     // cleared by the kernel when a child that shares memory execs or ends
  std::uint32_t failed;      // 1 + the index of the child's failed step
  int terminal, listener;
  Error error;
  std::int64_t trace_ns[kMostTraced];
};

// Made once in a process: one launch at a time uses them.
struct Arena {
  Block* block = nullptr;
  char* stack = nullptr;
  int own_pidfd = -1;   // lives as long as the process
  std::uint64_t owner = 0;  // a forked copy makes its own: the block is shared
};
Arena arena;

Result<void> make_arena() {
  if (arena.block != nullptr && arena.owner == process_generation()) return {};
  void* block = mmap(nullptr, sizeof(Block), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return make_error(ENOMEM, "mmap", "the page shared with the container", "out of memory");
  // The lowest page stays without access: an overflow ends the child, not the parent's heap.
  void* stack = mmap(nullptr, kStackSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED || mprotect(static_cast<char*>(stack) + 4096, kStackSize - 4096, PROT_READ | PROT_WRITE) != 0) {
    (void)munmap(block, sizeof(Block));  // ours, just made
    return make_error(ENOMEM, "mmap", "the container's stack", "out of memory");
  }
  arena = {static_cast<Block*>(block), static_cast<char*>(stack), CCSAND_TRY(sys::pidfd_open(sys::getpid())).release(), process_generation()};
  return {};
}

std::int64_t now_ns() {
  timespec time = {};
  (void)clock_gettime(CLOCK_MONOTONIC, &time);  // cannot fail for this clock
  return time.tv_sec * 1'000'000'000L + time.tv_nsec;
}

std::uint32_t load(const std::uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }
void store(std::uint32_t& word, std::uint32_t value) { __atomic_store_n(&word, value, __ATOMIC_RELEASE); }

// One launch, as both sides know it.
struct Launch {
  const Plan& plan;
  std::size_t clone_at;
  bool trace;
  Block* block;
  Context* context;                        // this side's
  std::vector<std::uint32_t> other_before; // by step: what the other side must have finished
  std::vector<bool> hands_over;            // by step: the other side's step comes next
  std::size_t filtered_at;                 // the container's step from which on it may make no system call but exec
};

void prepare_order(Launch& launch) {
  const auto& steps = launch.plan.steps();
  launch.other_before.assign(steps.size(), 0);
  launch.hands_over.assign(steps.size(), false);
  launch.filtered_at = steps.size();
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (const auto* filter = std::get_if<LoadFilter>(&steps[i].operation); filter != nullptr && filter->notifies) launch.filtered_at = i;
  std::uint32_t last[2] = {0, 0};
  for (std::size_t i = launch.clone_at + 1; i < steps.size(); ++i) {
    auto side = static_cast<std::size_t>(steps[i].side == Side::container);
    launch.other_before[i] = last[1 - side];
    last[side] = static_cast<std::uint32_t>(i + 1);
    launch.hands_over[i] = i + 1 == steps.size() || steps[i + 1].side != steps[i].side || i + 1 == launch.filtered_at;
  }
}

Result<void> run_step(Launch& launch, std::size_t index) {
  std::int64_t start = launch.trace ? now_ns() : 0;
  auto done = apply(launch.plan.steps()[index].operation, *launch.context);
  if (launch.trace && index < kMostTraced) launch.block->trace_ns[index] = now_ns() - start;
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

[[noreturn]] void run_container_side(Launch& launch) {
  Block& block = *launch.block;
  const auto& steps = launch.plan.steps();
  // First of all it ties its life to the supervisor's.
  (void)apply(SetParentDeathSignal{SIGKILL, true}, *launch.context);  // done again, and checked, before exec
  for (std::size_t i = launch.clone_at + 1; i < steps.size(); ++i) {
    if (steps[i].side != Side::container) continue;
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
  sys::futex_wake(&block.child_done);
  sys::exit_group(125);
}
void shared_entry(void* launch) { run_container_side(*static_cast<Launch*>(launch)); }

// ---- the host's side

bool has_ended(int pidfd) {
  pollfd end = {pidfd, POLLIN, 0};
  auto ready = sys::poll(&end, 1, 0);
  return ready && *ready > 0;
}

// Until the child has finished its steps before `index`; false where it failed or died.
bool await_child(Launch& launch, std::size_t index, int pidfd) {
  constexpr std::int64_t kLook = 20'000'000;  // a child that was killed wakes nobody
  unsigned looks = 0;
  for (;;) {
    std::uint32_t seen = load(launch.block->child_done);
    if (seen >= launch.other_before[index]) return true;
    if (load(launch.block->failed) != 0) return false;
    // Once it loads its filter it wakes nobody.
    if (launch.other_before[index] == launch.filtered_at + 1 && seen >= launch.filtered_at) {
      sys::yield();
      if (++looks % 256 == 0 && has_ended(pidfd)) return false;
      continue;
    }
    if (!sys::futex_wait(&launch.block->child_done, seen, kLook) && has_ended(pidfd)) return false;
  }
}

Error step_error(const Launch& launch, std::size_t index, Error error) {
  FixedText<256> context("step ");
  context.append_number(static_cast<long long>(index + 1)).append("/");
  context.append_number(static_cast<long long>(launch.plan.steps().size())).append(", ");
  context.append(describe(launch.plan.steps()[index].operation));
  return error.in(context.view());
}

// Undoes what steps of the host changed in this process.
void undo_own_changes(Context& context) {
  for (std::size_t i = 0; i < context.home_namespaces.size(); ++i)
    (void)apply(JoinForChild{context.home_namespaces[i].first, kNoSlot, -1, true}, context);
  if (context.time_prepared) (void)apply(PrepareTimeNamespace{0, 0, true}, context);
}

Error child_error(const Launch& launch, int pidfd) {
  auto ended = sys::waitid(P_PIDFD, pidfd, WEXITED);
  if (std::uint32_t failed = load(launch.block->failed); failed != 0)
    return step_error(launch, failed - 1, launch.block->error);
  Error error = make_error(ECHILD, "set-up", "of the container", "its process ended before it could exec (ECHILD)");
  if (ended && ended->code != CLD_EXITED) error.hint = "it was killed from outside, or ran out of memory under its limits";
  return error;
}

void end_child(int pidfd) {
  (void)sys::pidfd_send_signal(pidfd, SIGKILL);  // it may have ended already
  (void)sys::waitid(P_PIDFD, pidfd, WEXITED);
}

// The pipe that tells when a child with memory of its own has exec'd.
struct ExecSignal {
  Fd read, write;
};

Result<sys::Child> clone_child(Launch& launch, const Clone& op, Context& child_context, ExecSignal& signal,
                               bool suspend) {
  sys::CloneRequest request;
  request.flags = op.namespaces;
  request.suspend_parent = suspend;
  if (op.into_cgroup && launch.context->cgroup) request.cgroup = launch.context->cgroup->clone_into();
  Context* host_context = launch.context;
  if (!op.copies_memory) {
    launch.context = &child_context;
    launch.block->running = 1;
    request.clear_tid = &launch.block->running;
    // The host's own view is another Launch: see launch().
    return sys::clone_shared(request, arena.stack, kStackSize, shared_entry, &launch);
  }
  if (!suspend) {
    sys::Pipe pipe = CCSAND_TRY(sys::pipe2(0));
    signal = {std::move(pipe.read), std::move(pipe.write)};
  }
  (void)std::fflush(nullptr);  // or the child would print it, too
  auto child = sys::clone_copy(request);
  if (child && child->pid == 0) {
    launch.context = &child_context;
    run_container_side(launch);
  }
  launch.context = host_context;
  return child;
}

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

void await_exec(Launch& launch, const Clone& op, ExecSignal& signal, int pidfd, int listener, std::vector<seccomp_notif>& asked) {
  constexpr std::int64_t kLook = 1'000'000;  // a futex and a descriptor are not awaited at once
  if (!op.copies_memory) {
    while (load(launch.block->running) != 0) {
      pollfd asks = {listener, POLLIN, 0};
      if (auto ready = listener < 0 ? Result<int>(0) : sys::poll(&asks, 1, 0); ready && *ready > 0)
        let_exec_pass(listener, [&launch] { return load(launch.block->running) == 0; }, asked);
      else (void)sys::futex_wait(&launch.block->running, 1, listener < 0 ? -1 : kLook);
    }
    return;
  }
  signal.write.close();
  pollfd ends[3] = {{signal.read.get(), POLLIN, 0}, {pidfd, POLLIN, 0}, {listener, POLLIN, 0}};
  for (;;) {
    auto ready = sys::poll(&ends[0], 3, -1);
    if (!ready || ends[0].revents != 0 || ends[1].revents != 0) return;
    if (ends[2].revents != 0)
      let_exec_pass(listener, [&signal] {
        pollfd end = {signal.read.get(), POLLIN, 0};
        auto closed = sys::poll(&end, 1, 0);
        return !closed || *closed > 0;
      }, asked);
  }
}

Result<void> run_host_steps(Launch& launch, std::size_t from, std::size_t to, int pidfd) {
  const auto& steps = launch.plan.steps();
  for (std::size_t i = from; i < to; ++i) {
    if (steps[i].side != Side::host) continue;
    if (pidfd >= 0 && !await_child(launch, i, pidfd)) return child_error(launch, pidfd);
    auto done = run_step(launch, i);
    if (!done) return step_error(launch, i, done.error());
    store(launch.block->host_done, static_cast<std::uint32_t>(i + 1));
    if (pidfd >= 0 && launch.hands_over[i]) sys::futex_wake(&launch.block->host_done);
  }
  return {};
}

bool host_steps_follow(const Plan& plan, std::size_t clone_at) {
  for (std::size_t i = clone_at + 1; i < plan.steps().size(); ++i)
    if (plan.steps()[i].side == Side::host) return true;
  return false;
}

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

Result<void> launch_child(Launch& launch, Launched& out) {
  const Plan& plan = launch.plan;
  CCSAND_TRY(run_host_steps(launch, 0, launch.clone_at, -1));
  if (const Exec* exec = exec_of(plan)) launch.context->exec = make_image(*exec, launch.context->identity);
  Clone op = std::get<Clone>(plan.steps()[launch.clone_at].operation);
#ifdef __SANITIZE_ADDRESS__
  op.copies_memory = true;  // its run-time cannot follow two processes in one memory
#endif
  prepare_order(launch);
  Launch child_side = launch;
  Context child_context;
  child_context.fds = launch.context->fds;
  child_context.identity = launch.context->identity;
  child_context.network = launch.context->network;
  child_context.devices_to_bind = launch.context->devices_to_bind;
  std::swap(child_context.exec, launch.context->exec);  // only the child needs it
  child_context.child_terminal = &launch.block->terminal;
  child_context.supervisor_pidfd = arena.own_pidfd;
  launch.context->child_terminal = &launch.block->terminal;
  child_context.child_listener = launch.context->child_listener = &launch.block->listener;

  bool suspend = !host_steps_follow(plan, launch.clone_at);
  ExecSignal signal;
  StateRecord record;
  std::int64_t start = now_ns();
  std::uint64_t mask = sys::block_all_signals();  // none is handled on the child's side before its reset
  auto child = clone_child(child_side, op, child_context, signal, suspend);
  sys::set_signal_mask(mask);
  child_context.fds.clear();  // numbers in the child's table, or the host's own
  if (!child) {
    Error error = child.error();
    if (error.code == EPERM || error.code == ENOSPC || error.code == EUSERS)
      error.hint = "check the limits in /proc/sys/user and whether this process may make namespaces: ccsand doctor";
    return step_error(launch, launch.clone_at, error);
  }
  record.note(child->pid);
  if (launch.trace) launch.block->trace_ns[launch.clone_at] = now_ns() - start;
  int pidfd = child->pidfd.get();
  launch.context->child = child->pid;
  launch.context->child_pidfd = pidfd;

  auto done = run_host_steps(launch, launch.clone_at + 1, plan.steps().size(), pidfd);
  if (done && !suspend) await_exec(launch, op, signal, pidfd, plan.listener() == kNoSlot ? -1 : launch.context->fd(plan.listener()), out.asked);
  if (done && (load(launch.block->failed) != 0 || !came_to_exec(launch))) done = child_error(launch, pidfd);
  if (!done) {
    end_child(pidfd);
    return done.error();
  }
  out.pid = child->pid;
  out.pidfd = std::move(child->pidfd);
  record.keep();
  return {};
}
}  // namespace

Result<Launched> launch(const Plan& plan, const LaunchOptions& options) {
  CCSAND_TRY(make_arena());
  Block& block = *arena.block;
  block.host_done = block.child_done = block.running = block.failed = 0;
  block.terminal = block.listener = -1;
  if (options.trace) std::memset(&block.trace_ns[0], 0, sizeof block.trace_ns);

  Launched launched;
  launched.context.fds.assign(static_cast<std::size_t>(plan.slots()), -1);
  Launch state{plan, plan.clone_step(), options.trace, &block, &launched.context, {}, {}, 0};
  if (state.clone_at == plan.steps().size())
    return make_error(EINVAL, "plan", "", "has no clone step to start a process with");
  auto done = launch_child(state, launched);
  undo_own_changes(launched.context);
  if (!done) return done.error();  // the context's destructor closes and removes the rest
  if (options.trace)
    launched.trace_ns.assign(&block.trace_ns[0], &block.trace_ns[std::min(plan.steps().size(), kMostTraced)]);
  return launched;
}

}  // namespace ccsand
