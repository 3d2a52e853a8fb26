// Containers that are assembled before anybody has a command for them, and what used ones leave: pools.
#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "core/background_launch.hpp"
#include "core/clock.hpp"
#include "core/container_pool.hpp"
#include "core/exec_service.hpp"
#include "core/running.hpp"
#include "core/seccomp/no_sockets.hpp"
#include "core/spare_network.hpp"
#include "core/zygote.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {
// What ended containers leave: their mount namespaces, which go with their last descriptors (as long as a good
// part of the container's run), and networks that the next may have.
std::vector<Fd> buried, used_networks;
int pools = 0, all_waiting = 0;  // of this process: where there is none, nobody comes to take them down
bool nobody_comes() { return pools == 0 && all_waiting == 0; }

Fd take_spare_network() {
  if (used_networks.empty()) return {};
  Fd network = std::move(used_networks.back());
  used_networks.pop_back();
  return network;
}
Error not_waiting() { return make_error(EINVAL, "pool", "", "the container does not wait for a command"); }
}  // namespace

ContainerPool::ContainerPool() { ++pools; }
ContainerPool::~ContainerPool() {
  --pools;
  if (nobody_comes()) Running::bury();
}

Result<std::unique_ptr<ContainerPool>> ContainerPool::create(ContainerSpec spec, RunOptions options) {
  if (spec.terminal) return make_error(EINVAL, "pool", "terminal", "a container with a terminal of its own cannot wait for its command");
  if (!options.name.empty())
    return make_error(EINVAL, "pool", "name", "is one container's, and a pool has many", "name one that runs: running:name(\"web\")");
  if (options.reuse_network) CCSAND_TRY(suits_spare_network(spec));
  if (options.reuse_network) CCSAND_TRY(no_sockets_filter());
  std::unique_ptr<ContainerPool> pool(new ContainerPool);
  pool->spec_ = std::move(spec);
  pool->options_ = std::move(options);
  return pool;
}

// Its clones make no sockets, where networks are used again: it takes one to bring up the loopback of a new network.
bool ContainerPool::clones(bool spare_network) const { return spare_network || !options_.reuse_network; }
std::shared_ptr<const Plan> ContainerPool::compile_as(bool spare_network) const {
  Assembly assembly;
  assembly.late_namespaces = Running::can_be_late(spec_);
  assembly.from_zygote = zygote_ && clones(spare_network);
  assembly.spare_network = spare_network;
  assembly.guards_network = options_.reuse_network;
  assembly.streams = {0, 1, 2};
  return std::make_shared<const Plan>(compile(spec_, assembly));
}
// From the second container on; and again, where somebody has killed it.
Result<void> ContainerPool::start_zygote() {
  bool wanted = std::exchange(reused_, true) && !options_.supervisor;
  if (plan_ && !wanted) return {};
  if (plan_ && (zygote_ ? zygote_->is_of_use() : tried_zygote_)) return {};
  zygote_.reset();
  if (wanted) zygote_ = CCSAND_TRY(Zygote::start(spec_, options_.reuse_network)), tried_zygote_ = true;
  plan_ = compile_as(false);
  networked_ = compile_as(true);
  return {};
}

Result<std::unique_ptr<Running>> ContainerPool::prepare(bool with_input) {
  auto made = prepare_one(with_input);
  constexpr int kTries = 4;  // where somebody kills the zygote, and the next
  for (int i = 1; i < kTries && !made && made.error().code == ECHILD; ++i) {
    zygote_.reset();
    plan_.reset();
    made = prepare_one(with_input);
  }
  return made;
}
Result<std::unique_ptr<Running>> ContainerPool::prepare_one(bool with_input) {
  std::unique_ptr<Running> running(new Running);
  running->options_ = options_;
  running->describe(spec_);
  running->options_.keep_stdin = with_input;
  running->options_.stdin_null = !with_input;
  CCSAND_TRY(start_zygote());
  CCSAND_TRY(running->open_streams(spec_));
  if (options_.reuse_network) running->network_ = take_spare_network();
  running->plan_ = running->network_.open() ? networked_ : plan_;
  BackgroundLaunch::Waiting waiting;
  for (std::size_t i = 0; i < running->child_ends_.size(); ++i)
    waiting.given.emplace_back(running->plan_->streams()[i], std::move(running->child_ends_[i].first));
  running->child_ends_.clear();
  if (running->network_.open()) waiting.given.emplace_back(running->plan_->spare_network(), CCSAND_TRY(sys::dup_cloexec(running->network_.get())));
  if (zygote_ && clones(running->network_.open())) {
    waiting.leftovers = std::exchange(buried, {});
    waiting.zygote = zygote_;
  }
  running->pending_ = CCSAND_TRY(BackgroundLaunch::begin_waiting(*running->plan_, std::move(waiting)));
  running->waits_ = true;
  ++all_waiting;
  return running;
}

Result<bool> Running::get_ready() {
  if (!waits_) return not_waiting();
  auto assembled = pending_->ready();
  if (!assembled && assembled.error().code != ECHILD && !is_late(assembled.error())) return assembled.error();
  if (!assembled) return false;
  auto taken = take_namespaces();
  if (taken) return true;
  // One that is about to end has lost its namespaces before it can be seen to have.
  if (taken.error().code == ENOENT || taken.error().code == ESRCH || !pending_->is_alive()) return false;
  return taken.error();
}
Result<void> Running::take_namespaces() {
  if (auto mounts = sys::mount_namespace_of(pending_->pid(), pending_->pidfd())) mounts_ = std::move(*mounts);
  if (options_.reuse_network && !network_.open()) {
    FixedText<64> path("/proc/");
    network_ = CCSAND_TRY(sys::open(path.append_number(pending_->pid()).append("/ns/net").c_str(), O_RDONLY));
  }
  // What it was made of is in its own namespaces now: every further clone would copy these descriptors.
  for (Slot slot = 0; slot < plan_->slots(); ++slot)
    if (slot != plan_->ruleset() && slot != plan_->listener()) pending_->context().take(slot).close();
  return {};
}
bool Running::is_assembled() const { return waits_ && pending_->is_ready(); }
bool Running::is_waiting() const { return waits_ && pending_->is_alive(); }

Result<void> Running::release(const std::vector<std::string>& argv, const std::string& input) {
  if (!waits_) return not_waiting();
  if (options_.cpu_time_ns >= 0 && !pending_->context().cgroup)
    return make_error(EINVAL, "pool", "cpu_time", "needs a cgroup", "make the pool of a container with cpu_time, limits or cgroup = true");
  if (!input.empty() && !options_.keep_stdin) return make_error(EINVAL, "pool", "stdin", "the container was prepared without an input");
  options_.trace = false;
  input_text_ = input;
  input_ends_ = true;
  if (input_text_.empty()) input_.close();
  started_ns_ = monotonic_ns();
  CCSAND_TRY(pending_->release(argv));
  stop_waiting();
  auto launched = pending_->hand_over();
  if (!launched) return await_start();
  unproven_ = std::move(pending_);
  enter_loop();
  return adopt(std::move(*launched));
}

void Running::bury() {
  buried.clear();
  if (nobody_comes()) used_networks.clear();
}
// When its last process has ended.
void Running::lay_aside_namespaces() {
  if (network_.open()) used_networks.push_back(std::move(network_));
  if (mounts_.open()) buried.push_back(std::move(mounts_));
  if (nobody_comes()) bury();
}
void Running::stop_waiting() {
  if (!std::exchange(waits_, false)) return;
  --all_waiting;
  if (nobody_comes()) bury();
}

}  // namespace ccsand
