// Containers that are assembled before anybody has a command for them: pools.
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "core/exec_service.hpp"
#include "core/held_launch.hpp"
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

Result<std::unique_ptr<Running>> Running::prepare(const ContainerSpec& spec, const RunOptions& options) {
  if (spec.terminal) return make_error(EINVAL, "pool", "terminal", "a container with a terminal of its own cannot wait for its command");
  if (!options.name.empty())
    return make_error(EINVAL, "pool", "name", "is one container's, and a pool has many", "name one that runs: running:name(\"web\")");
  std::unique_ptr<Running> running(new Running);
  running->options_ = options;
  running->options_.keep_stdin = true;
  ContainerSpec wired = spec;
  // The container's process makes them itself, beside this one. A function at `created` and what is
  // put into a network from outside want them before.
  wired.late_namespaces = wired.hooks.empty() && wired.network.interfaces.empty() && wired.network.rules.empty();
  CCSAND_TRY(running->open_streams(wired));
  running->describe(wired);
  running->plan_ = compile(wired);
  running->held_ = CCSAND_TRY(HeldLaunch::begin(running->plan_));
  ++waiting;
  running->child_ends_.clear();
  return running;
}

Result<void> Running::get_ready() {
  if (!held_) return make_error(EINVAL, "pool", "", "the container does not wait for a command");
  CCSAND_TRY(held_->ready());
  FixedText<64> path("/proc/");
  path.append_number(held_->pid()).append("/ns/mnt");
  mounts_ = CCSAND_TRY(sys::open(path.c_str(), O_RDONLY));
  // What it was made of is in its own namespaces now: every further clone would copy these descriptors.
  for (Slot slot = 0; slot < plan_.slots(); ++slot)
    if (slot != plan_.ruleset() && slot != plan_.listener()) held_->context().take(slot).close();
  return {};
}
bool Running::is_waiting() const { return held_ && held_->is_alive(); }

Result<void> Running::release(const std::vector<std::string>& argv, const std::string& input) {
  if (!held_) return make_error(EINVAL, "pool", "", "the container does not wait for a command");
  if (options_.cpu_time_ns >= 0 && !held_->context().cgroup)
    return make_error(EINVAL, "pool", "cpu_time", "needs a cgroup", "make the pool of a container with cpu_time, limits or cgroup = true");
  if (options_.trace) options_.trace = false;
  input_text_ = input;
  input_ends_ = true;
  if (input_text_.empty()) input_.close();
  started_ns_ = monotonic_ns();
  auto launched = held_->release(argv);
  let_go();
  if (!launched) return launched.error();
  return adopt(std::move(*launched));
}

void Running::bury() { buried.clear(); }
void Running::lay_aside_mounts() {
  if (!mounts_.open()) return;
  buried.push_back(std::move(mounts_));
  if (waiting == 0) bury();
}
void Running::let_go() {
  if (!held_) return;
  held_.reset();
  if (--waiting == 0) bury();
}

}  // namespace ccsand
