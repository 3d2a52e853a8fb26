// A start that goes on in the background.
#include <csignal>
#include <utility>

#include "core/background_launch.hpp"
#include "core/clock.hpp"
#include "core/exec_service.hpp"
#include "core/running.hpp"

namespace ccsand {

Running::Running() = default;

// Whether the container's process may make its namespaces itself, beside this one. A function at `created` and
// what is put into a network from outside want them before.
bool Running::can_be_late(const ContainerSpec& spec) {
  return spec.hooks.empty() && spec.network.interfaces.empty() && spec.network.rules.empty();
}

Result<void> Running::begin_in_background() {
  started_ns_ = monotonic_ns();
  pending_ = CCSAND_TRY(BackgroundLaunch::begin(*plan_));
  child_ends_.clear();
  return await_start();
}
namespace {
constexpr std::int64_t kGuestPatience = 10'000'000'000;  // with a start that processes of a container can stop
constexpr std::int64_t kStartTime = 20'000'000;          // what a start takes that nobody disturbs: so long others wait for it
constexpr std::int64_t kStartLook = 10'000'000;          // then it is looked at, so often
}  // namespace

std::int64_t Running::start_deadline_ns() const {
  std::int64_t patience = options_.timeout_ns;
  if (is_guest_ && (patience < 0 || patience > kGuestPatience)) patience = kGuestPatience;
  return patience < 0 ? -1 : started_ns_ + patience;
}
// In the loop, where its caller lets it be; else here.
Result<void> Running::await_start() {
  enter_loop();
  if (options_.background && pending_->event() >= 0) return {};
  finish_start();
  return start_error_ ? Result<void>(*start_error_) : Result<void>();
}
void Running::finish_start() {
  std::int64_t now = monotonic_ns(), return_ns = -1;
  if (options_.background) return_ns = next_start_look_ns_ < 0 && pending_->event() < 0 ? now + kStartTime : now;
  auto launched = pending_->finish(start_deadline_ns(), return_ns);
  if (launched && !*launched) {
    next_start_look_ns_ = monotonic_ns() + kStartLook;
    return note_change();
  }
  started_.forget();
  pending_.reset();
  if (launched) {
    auto adopted = adopt(std::move(**launched));
    if (adopted) return;
    start_error_ = adopted.error();
    return close();
  }
  if (auto lost = lose_start(launched.error()); !lost) start_error_ = lost.error();
}
// The time of a run is its start's, too.
void Running::attend_start() {
  std::int64_t due = due_ns();
  if (started_.take_ready() != 0 || (due >= 0 && monotonic_ns() >= due)) finish_start();
}
// Without a process any more. What had no more time has a result, and no error.
Result<void> Running::lose_start(const Error& error) {
  timed_out_ = options_.timeout_ns >= 0 && is_late(error) && monotonic_ns() >= started_ns_ + options_.timeout_ns;
  abandon_start();
  return timed_out_ ? Result<void>() : Result<void>(error);
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
  result_.reason = timed_out_ ? "timeout" : "signalled";
  result_.wall_ns = monotonic_ns() - started_ns_;
  tell();
  leave_loop();
}

}  // namespace ccsand
