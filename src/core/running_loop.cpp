// Supervision: one loop of epoll over all that runs in this process.
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/background_launch.hpp"
#include "core/clock.hpp"
#include "core/exec_service.hpp"
#include "core/generation.hpp"
#include "core/running.hpp"
#include "core/signals.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

namespace {
std::vector<Running*> all_running;
// What came and went, ever, and what else changed that a turn looks at before it waits.
std::uint64_t changes = 0;
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
  note_change();
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

// ---- who is in it

void Running::enter_loop() {
  everyone().push_back(this);
  note_change();
}
void Running::leave_loop() { changes += std::erase(all_running, this); }
void Running::note_change() { ++changes; }
bool Running::any_supervised() {
  return std::any_of(all_running.begin(), all_running.end(), [](const Running* one) { return one->options_.supervisor != nullptr; });
}
bool Running::is_at_work() const { return deciding_ || (service_ && service_->is_busy()); }
void Running::discard(std::unique_ptr<Running> running) {
  if (!running) return;
  running->close();
  if (running->is_at_work()) discarded.push_back(std::move(running));
}
// A pid namespace ends when all in it have been waited for, and further commands are this process's to wait for.
void Running::end_guests() {
  std::vector<Running*> guests;
  for (Running* one : everyone())
    if (one->is_guest_ && one->host_id_ == id_) guests.push_back(one);
  for (Running* guest : guests)  // what is told at the end of one may have let go of another
    if (std::find(all_running.begin(), all_running.end(), guest) != all_running.end()) guest->close();
}

// ---- what is ready

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
  if (pending_) return next_start_look_ns_ >= 0 ? next_start_look_ns_ : start_deadline_ns();
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

// One call after the other of a single container, a hundred thousand a second: as long as there is nothing else to
// attend to and each has its answer at once, a turn is not gone through for each. False: it must be now.
bool Running::attend_call_in_a_row(std::int64_t next_ns) {
  if (deciding_ || events_ready() != 1 || listener_.peek_ready() != POLLIN) return false;
  const std::uint64_t before = changes;
  (void)listener_.take_ready();
  deciding_ = true;
  take_notification();
  deciding_ = false;
  return changes == before && !ended_ && listener_.open() && options_.supervisor->deadline_ns() < 0 && (next_ns < 0 || monotonic_ns() < next_ns);
}

void Running::attend() {
  if (pending_) return attend_start();
  if (unproven_ && unproven_->has_executed()) unproven_.reset();
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
  Running* alone = all_running.size() == 1 && extra == nullptr ? all_running.front() : nullptr;
  do CCSAND_TRY(await(next, watch, extra));
  while (alone != nullptr && alone->attend_call_in_a_row(next));
  if (watch != nullptr && watch->take_ready())
    for (int signal = watch->next(); signal != 0; signal = watch->next())
      if (target != nullptr) target->pass_on(signal);
  // The list's memory is kept from turn to turn. A turn within a turn, of a handler that waits, has its own.
  static std::vector<Running*> spare;
  std::vector<Running*> present = std::exchange(spare, {});
  present.assign(all_running.begin(), all_running.end());
  const std::uint64_t before = changes;
  for (Running* one : present) {
    // What was done for one may have ended another, which then is not in the list, and may be no more.
    if (changes == before || std::find(all_running.begin(), all_running.end(), one) != all_running.end()) one->attend();
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
  if (start_error_) return *start_error_;
  return true;
}

}  // namespace ccsand
