// Containers that start beside whoever wants them; and those that are assembled before anybody has a
// command for them: pools.
#include <fcntl.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "core/background_launch.hpp"
#include "core/clock.hpp"
#include "core/running.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {
// Mount namespaces of containers that have ended: with its last descriptor goes a namespace, which
// takes as long as a good part of the container's run.
std::vector<Fd> buried;
int waiting = 0;  // of this process: where none does, nobody comes to take them down
}  // namespace

Running::Running() = default;

// Whether the container's process may make its namespaces itself, beside this one. A function at `created` and
// what is put into a network from outside want them before.
bool Running::can_be_late(const ContainerSpec& spec) {
  return spec.hooks.empty() && spec.network.interfaces.empty() && spec.network.rules.empty();
}

Result<std::unique_ptr<Running>> Running::prepare(const ContainerSpec& spec, const RunOptions& options) {
  if (spec.terminal) return make_error(EINVAL, "pool", "terminal", "a container with a terminal of its own cannot wait for its command");
  std::unique_ptr<Running> running(new Running);
  running->options_ = options;
  running->options_.keep_stdin = true;
  ContainerSpec wired = spec;
  wired.late_namespaces = can_be_late(wired);
  CCSAND_TRY(running->open_streams(wired));
  running->describe(wired);
  running->plan_ = compile(wired);
  running->pending_ = CCSAND_TRY(BackgroundLaunch::begin(running->plan_, BackgroundLaunch::Until::command));
  running->waits_ = true;
  ++waiting;
  running->child_ends_.clear();
  return running;
}

namespace {
Error not_waiting() { return make_error(EINVAL, "pool", "", "the container does not wait for a command"); }
}  // namespace

Result<void> Running::get_ready() {
  if (!waits_) return not_waiting();
  CCSAND_TRY(pending_->ready());
  FixedText<64> path("/proc/");
  path.append_number(pending_->pid()).append("/ns/mnt");
  mounts_ = CCSAND_TRY(sys::open(path.c_str(), O_RDONLY));
  // What it was made of is in its own namespaces now: every further clone would copy these descriptors.
  for (Slot slot = 0; slot < plan_.slots(); ++slot)
    if (slot != plan_.ruleset() && slot != plan_.listener()) pending_->context().take(slot).close();
  return {};
}
bool Running::is_waiting() const { return waits_ && pending_->is_alive(); }

Result<void> Running::release(const std::vector<std::string>& argv, const std::string& input) {
  if (!waits_) return not_waiting();
  if (options_.cpu_time_ns >= 0 && !pending_->context().cgroup)
    return make_error(EINVAL, "pool", "cpu_time", "needs a cgroup", "make the pool of a container with cpu_time, limits or cgroup = true");
  options_.trace = false;
  input_text_ = input;
  input_ends_ = true;
  if (input_text_.empty()) input_.close();
  started_ns_ = monotonic_ns();
  CCSAND_TRY(pending_->release(argv));
  stop_waiting();
  return await_start();
}

// ---- a start that goes on in the background

Result<void> Running::begin_in_background() {
  started_ns_ = monotonic_ns();
  pending_ = CCSAND_TRY(BackgroundLaunch::begin(plan_, BackgroundLaunch::Until::exec));
  child_ends_.clear();
  return await_start();
}
// In the loop, where the plan and its caller let it be; else here.
Result<void> Running::await_start() {
  enter_loop();
  if (options_.background && pending_->event() >= 0) return {};
  finish_start();
  return start_error_ ? Result<void>(*start_error_) : Result<void>();
}
void Running::finish_start() {
  started_.forget();
  auto launched = pending_->finish();
  pending_.reset();
  if (launched) {
    auto adopted = adopt(std::move(*launched));
    if (adopted) return;
    start_error_ = adopted.error();
    return close();
  }
  start_error_ = launched.error();
  abandon_start();
}
// It has ended without having been started: there is nothing of it to collect.
void Running::abandon_start() {
  started_.forget();
  pending_.reset();
  for (Output& output : outputs_) output.fd.close();
  input_.close();
  if (options_.supervisor) options_.supervisor->end();
  ended_ = true;
  result_.status = 128 + SIGKILL;
  result_.signal = SIGKILL;
  result_.reason = "signalled";
  tell();
  leave_loop();
}

// ---- what used ones have left

void Running::bury() { buried.clear(); }
void Running::lay_aside_mounts() {
  if (!mounts_.open()) return;
  buried.push_back(std::move(mounts_));
  if (waiting == 0) bury();
}
void Running::stop_waiting() {
  if (std::exchange(waits_, false) && --waiting == 0) bury();
}

}  // namespace ccsand
