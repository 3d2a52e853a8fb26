// The child's stack and its block are its own until it has executed its command. One that is held does all
// of its steps but the last ones, and waits on a futex: memory that both share tells it the command.
#include "core/background_launch.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/cgroup.hpp"
#include "core/clock.hpp"
#include "core/generation.hpp"
#include "core/launching.hpp"
#include "core/seccomp/filter.hpp"
#include "core/seccomp/system_calls.hpp"
#include "core/zygote.hpp"
#include "sys/process.hpp"

namespace ccsand {

using namespace launching;

struct BackgroundLaunch::State {
  explicit State(const Plan& plan, const Arena& arena)
      : host{plan, plan.clone_step(), false, arena, arena.block, &launched.context, {}, {}, plan.steps().size(), plan.steps().size()}, child_side(host) {}
  Launched launched;
  Launch host, child_side;
  Context child_context;
  ExecSignal signal;
  Clone op;
  std::size_t next = 0;   // the host's next step
  pid_t pid = 0;
  std::uint64_t owner = process_generation();
  bool handed_over = false;
  std::shared_ptr<Zygote> zygote;  // until it has cloned the process
  Birth birth;
  bool unborn = false;             // the zygote was asked for it
  std::vector<Fd> leftovers;
  StateRecord record;    // from before it is born
};

namespace {
// Whether a child under this filter can still wait for its command.
bool lets_wait(const LoadFilter& filter, const Block& block) {
  if (filter.notifies) return false;
  seccomp_data data = {};
  data.nr = SYS_futex;
  data.arch = native_architecture().audit;
  data.args[0] = reinterpret_cast<std::uint64_t>(&block.released);
  data.args[1] = FUTEX_WAIT;
  auto answer = simulate(filter.program, data);
  return answer && *answer == SECCOMP_RET_ALLOW;
}
// As late as can be: the exec alone is left, or the filter from which on it could not wait.
std::size_t place_to_hold(const Plan& plan, const Block& block) {
  const auto& steps = plan.steps();
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (const auto* filter = std::get_if<LoadFilter>(&steps[i].operation); filter != nullptr && !lets_wait(*filter, block)) return i;
  return steps.size() - 1;
}

// Copies the words of a command into the memory that both sides see.
class WordWriter {
 public:
  explicit WordWriter(Block& block) : at_(reinterpret_cast<char*>(&block + 1)), end_(at_ + kExecSpace) {}
  const char* const* list(const std::vector<const char*>& words) {  // ends with nullptr
    auto** pointers = reinterpret_cast<const char**>(take(words.size() * sizeof(char*)));
    for (std::size_t i = 0; pointers != nullptr && i < words.size(); ++i) {
      if (words[i] == nullptr) {
        pointers[i] = nullptr;
        continue;
      }
      std::size_t size = std::strlen(words[i]) + 1;
      char* copy = take(size);
      if (copy == nullptr) return nullptr;
      std::memcpy(copy, words[i], size);
      pointers[i] = copy;
    }
    return pointers;
  }

 private:
  char* take(std::size_t size) {
    size = (size + 7) & ~std::size_t{7};
    if (size > static_cast<std::size_t>(end_ - at_)) return nullptr;
    char* taken = at_;
    at_ += size;
    return taken;
  }
  char *at_, *end_;
};
}  // namespace

void BackgroundLaunch::born(sys::Child child) {
  State& state = *state_;
  state.record.note(child.pid);
  state.record.keep();
  state.pid = state.host.context->child = child.pid;
  state.launched.pidfd = std::move(child.pidfd);
  state.host.context->child_pidfd = state.launched.pidfd.get();
}

BackgroundLaunch::BackgroundLaunch() = default;
BackgroundLaunch::~BackgroundLaunch() {
  if (state_ && state_->owner != process_generation()) (void)state_.release();  // a forked copy: not its to end
  if (!state_) return;
  (void)await_birth();  // what is not born now never will be
  if (state_->pid != 0 && !state_->handed_over) {
    end_child(state_->launched.pidfd.get());  // or did so, if it has failed
    forget_process(state_->pid);
  }
  return_arena(state_->host.arena);
}

Result<std::unique_ptr<BackgroundLaunch>> BackgroundLaunch::make(const Plan& plan) {
  if (plan.clone_step() == plan.steps().size()) return make_error(EINVAL, "plan", "", "has no clone step to start a process with");
  CCSAND_TRY(prepare_process());
  std::unique_ptr<BackgroundLaunch> made(new BackgroundLaunch);
  made->state_ = std::make_unique<State>(plan, CCSAND_TRY(take_arena()));
  made->state_->launched.context.fds.assign(static_cast<std::size_t>(plan.slots()), -1);
  return made;
}

Result<std::unique_ptr<BackgroundLaunch>> BackgroundLaunch::begin(const Plan& plan) {
  auto held = CCSAND_TRY(make(plan));
  CCSAND_TRY(held->start());
  return held;
}
Result<std::unique_ptr<BackgroundLaunch>> BackgroundLaunch::begin_waiting(const Plan& plan, Waiting waiting) {
  auto held = CCSAND_TRY(make(plan));
  State& state = *held->state_;
  for (auto& [slot, fd] : waiting.given) state.host.context->put(slot, std::move(fd));
  state.host.hold_at = place_to_hold(plan, *state.host.block);
  if (waiting.zygote != nullptr) {
    state.host.context->identity = waiting.zygote->identity();
    state.zygote = std::move(waiting.zygote);
    state.leftovers = std::move(waiting.leftovers);
  }
  CCSAND_TRY(held->start());
  return held;
}
Result<std::unique_ptr<BackgroundLaunch>> BackgroundLaunch::begin_own(const Plan& plan, int fd, void (*afterwards)(void*), void* argument) {
  auto held = CCSAND_TRY(make(plan));
  State& state = *held->state_;
  state.host.afterwards = afterwards;
  state.host.argument = argument;
  state.child_side.kept = {fd};
  CCSAND_TRY(held->start());
  return held;
}

Result<void> BackgroundLaunch::start() {
  State& state = *state_;
  Launch& host = state.host;
  const Plan& plan = host.plan;
  auto begun = [&]() -> Result<void> {
    CCSAND_TRY(run_host_steps(host, 0, host.clone_at, -1));
    bool waits = host.hold_at < plan.steps().size();
    if (const Exec* exec = exec_of(plan); exec != nullptr && !waits) host.context->exec = make_image(*exec, host.context->identity);
    prepare_order(host);
    Launch& child_side = state.child_side;
    child_side.other_before = host.other_before;
    child_side.hands_over = host.hands_over;
    child_side.filtered_at = host.filtered_at;
    child_side.hold_at = host.hold_at;
    child_side.afterwards = host.afterwards;
    child_side.argument = host.argument;
    state.op = clone_of(plan);
    state.next = host.clone_at + 1;
    Cloning how{state.op, false, !waits && host.afterwards == nullptr, state.zygote != nullptr};
    auto follows = [&](std::size_t step) { return step < plan.steps().size() && plan.steps()[step].side == Side::host && host.other_before[step] == 0; };
    if (state.zygote != nullptr) {
      CCSAND_TRY(ask_for_birth(how));
      if (!follows(state.next)) return {};  // nor is it waited for
      CCSAND_TRY(await_birth());
    } else {
      auto child = CCSAND_TRY(clone_child(host, child_side, state.child_context, how, state.signal));
      born(std::move(child));
    }
    // What waits for none of the child's steps.
    std::size_t last = state.next;
    while (follows(last)) ++last;
    CCSAND_TRY(run_host_steps(host, state.next, last, pidfd()));
    state.next = last;
    return {};
  }();
  undo_own_changes(*host.context);
  return begun;
}

// Where a zygote clones it: with the descriptors that it needs, and those that it is the last to close.
Result<void> BackgroundLaunch::ask_for_birth(const launching::Cloning& how) {
  State& state = *state_;
  Birth& birth = state.birth;
  std::vector<Fd> leftovers = std::exchange(state.leftovers, {});
  birth.request = CCSAND_TRY(prepare_clone(state.host, state.child_side, state.child_context, how, state.signal));
  birth.stack = state.host.arena.stack;
  birth.child_side = &state.child_side;
  for (int& fd : state.child_context.fds)
    if (fd >= 0) birth.places.push_back(&fd);
  if (birth.request.cgroup >= 0) birth.places.push_back(&birth.request.cgroup);
  CCSAND_TRY(state.zygote->ask(birth, leftovers));
  state.unborn = true;
  return {};
}
Result<void> BackgroundLaunch::await_birth() {
  State& state = *state_;
  if (!state.unborn) return {};
  CCSAND_TRY(state.zygote->await(state.birth));
  state.unborn = false;
  state.zygote.reset();
  auto child = CCSAND_TRY(cloned(state.host, std::move(state.birth.child), state.signal));
  born(std::move(child));
  return {};
}

Result<void> BackgroundLaunch::ready() {
  CCSAND_TRY(await_birth());
  State& state = *state_;
  int pidfd = state.launched.pidfd.get();
  constexpr std::int64_t kLook = 20'000'000;  // a child that was killed wakes nobody
  constexpr std::int64_t kPatience = 30'000'000'000;  // with one that was stopped, say
  if (state.host.deadline_ns < 0) state.host.deadline_ns = monotonic_ns() + kPatience;
  CCSAND_TRY(run_host_steps(state.host, state.next, state.host.hold_at, pidfd));
  state.next = std::max(state.next, state.host.hold_at);
  while (load(state.host.block->holding) == 0) {
    if (load(state.host.block->failed) != 0) return child_error(state.host, pidfd);
    bool over = !sys::futex_wait(&state.host.block->holding, 0, kLook) && (has_ended(pidfd) || kill_late(state.host, pidfd));
    if (over) return child_error(state.host, pidfd);
  }
  state.host.deadline_ns = -1;
  return {};
}

bool BackgroundLaunch::is_ready() const { return load(state_->host.block->holding) != 0 || load(state_->host.block->failed) != 0; }

Result<void> BackgroundLaunch::release(const std::vector<std::string>& argv) {
  State& state = *state_;
  Launch& host = state.host;
  Exec exec = *exec_of(host.plan);
  if (!argv.empty()) {
    bool init = exec.slot != kNoSlot;
    exec.argv = argv;
    if (init) exec.argv.insert(exec.argv.begin(), "ccsand-init");
  }
  ExecImage image = make_image(exec, host.context->identity);
  WordWriter writer(*host.block);
  ExecWords words{writer.list(image.argv), writer.list(image.envp), writer.list(image.paths)};
  if (words.argv == nullptr || words.envp == nullptr || words.paths == nullptr)
    return make_error(E2BIG, "pool", "the command", "has more than 512 KiB of words and environment");
  host.block->words = words;
  store(host.block->released, 1);
  sys::futex_wake(&host.block->released);
  return {};
}

int BackgroundLaunch::event() const {
  const auto& steps = state_->host.plan.steps();
  for (std::size_t i = state_->next; i < steps.size(); ++i)
    if (steps[i].side == Side::host) return -1;
  return state_->host.plan.listener() == kNoSlot ? state_->signal.read.get() : -1;
}

Result<std::optional<Launched>> BackgroundLaunch::finish(std::int64_t deadline_ns, std::int64_t return_ns) {
  State& state = *state_;
  Launch& host = state.host;
  host.deadline_ns = deadline_ns;
  host.return_ns = return_ns;
  const Plan& plan = host.plan;
  state.next = CCSAND_TRY(run_host_steps(host, state.next, plan.steps().size(), pidfd()));
  if (state.next < plan.steps().size()) return std::optional<Launched>();
  int listener = plan.listener() == kNoSlot ? -1 : host.context->fd(plan.listener());
  if (!await_exec(host, state.op, state.signal, pidfd(), listener, state.launched.asked)) return std::optional<Launched>();
  CCSAND_TRY(outcome(pidfd()));
  state.handed_over = true;
  state.launched.pid = state.pid;
  return std::optional<Launched>(std::move(state.launched));
}
std::optional<Launched> BackgroundLaunch::hand_over() {
  State& state = *state_;
  const auto& steps = state.host.plan.steps();
  bool host_has_more = std::any_of(steps.begin() + static_cast<std::ptrdiff_t>(state.next), steps.end(), [](const Step& step) { return step.side == Side::host; });
  if (host_has_more) return {};
  state.handed_over = true;
  state.launched.pid = state.pid;
  return std::move(state.launched);
}
// A child that ends clears the word, too, or closes its end of the pipe.
bool BackgroundLaunch::has_executed() const {
  const Launch& host = state_->host;
  bool gone = state_->op.copies_memory ? signalled(state_->signal) : load(host.block->running) == 0;
  return gone && load(host.block->failed) == 0 && came_to_exec(host);
}
Result<void> BackgroundLaunch::outcome(int pidfd) const {
  if (state_->host.late || load(state_->host.block->failed) != 0 || !came_to_exec(state_->host)) return child_error(state_->host, pidfd);
  return {};
}

pid_t BackgroundLaunch::pid() const { return state_->pid; }
int BackgroundLaunch::pidfd() const { return state_->launched.pidfd.get(); }
bool BackgroundLaunch::is_alive() const { return !has_ended(state_->launched.pidfd.get()); }
Context& BackgroundLaunch::context() { return state_->launched.context; }

}  // namespace ccsand
