// Signals that become errors of Lua code, by a hook: the handler itself may do no more
// than ask for it.
#include "bindings/interrupt.hpp"

#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include "bindings/binding.hpp"
#include "bindings/hook.hpp"
#include "core/clock.hpp"
#include "core/generation.hpp"
#include "core/running.hpp"
#include "core/signals.hpp"

namespace ccsand {

namespace {

constexpr int kWatchSignal = SIGVTALRM;
constexpr std::int64_t kGraceNs = 1'000'000'000;  // for the tear-down of what got the first error
constexpr std::int64_t kInterruptGraceNs = 300'000'000;

lua_State* interruptible = nullptr;
lua_State* loop_thread = nullptr;
bool interrupt_raised = false;

struct Watch {
  timer_t timer = {};
  std::uint64_t owner = 0;  // by generation: a forked copy has no timers
  int reference = LUA_NOREF;
  int raised = 0;           // how often since it was set
};
Watch watch;
volatile std::sig_atomic_t watch_expired = 0;

void arm(std::int64_t deadline_ns) {
  itimerspec time = {};
  time.it_value = {deadline_ns / 1'000'000'000, deadline_ns % 1'000'000'000};
  (void)timer_settime(watch.timer, TIMER_ABSTIME, &time, nullptr);  // a timer of our own
}

void raise_watch(lua_State* L) {
  // What outlives its grace gets the error at every instruction, until it is back in the loop.
  if (watch.raised++ == 0) {
    lua_sethook(L, nullptr, 0, 0);
    watch_expired = 0;
    arm(monotonic_ns() + kGraceNs);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, watch.reference);
  lua_call(L, 0, 1);
  (void)lua_error(L);  // it does not return
}

void raise_pending(lua_State* L, lua_Debug*) {
  if (L == loop_thread) return static_cast<void>(lua_sethook(L, nullptr, 0, 0));
  if (interrupted() == 0 && watch_expired != 0) return raise_watch(L);
  if (interrupted() == 0) return static_cast<void>(lua_sethook(L, nullptr, 0, 0));
  // Code that swallows it gets it at every instruction when its grace is over, as with deadlines.
  if (!interrupt_raised || watch_expired == 0) {
    lua_sethook(L, nullptr, 0, 0);
    if (watch.reference != LUA_NOREF && watch.owner == process_generation()) arm(monotonic_ns() + kInterruptGraceNs);
  }
  interrupt_raised = true;
  push_interrupt(L, interrupted());
  (void)lua_error(L);  // it does not return
}
void ask_for_hook() {
  if (interruptible != nullptr) lua_sethook(interruptible, raise_pending, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}
void on_interrupt(int signal) {
  (void)std::signal(signal, SIG_DFL);
  note_interrupt(signal);
  ask_for_hook();
}
void on_deadline(int) {
  watch_expired = 1;
  ask_for_hook();
}

Result<void> make_timer() {
  if (watch.owner == process_generation()) return {};
  struct sigaction action = {};
  action.sa_handler = on_deadline;
  action.sa_flags = SA_RESTART;
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = kWatchSignal;
  if (sigaction(kWatchSignal, &action, nullptr) != 0 || timer_create(CLOCK_MONOTONIC, &event, &watch.timer) != 0)
    return make_error(EAGAIN, "timer_create", "", "the kernel gives no timer");
  watch.owner = process_generation();
  return {};
}
}  // namespace

void begin_interruptible(lua_State* L) {
  interruptible = L;
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) (void)std::signal(signal, on_interrupt);
}
void end_interruptible() { interruptible = nullptr; }

Result<int> call_interruptible(lua_State* L, lua_CFunction function, void* argument, lua_CFunction explain) {
  begin_interruptible(L);
  int before = lua_gettop(L);
  if (explain != nullptr) lua_pushcfunction(L, explain);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  int failed = lua_pcall(L, 1, 1, explain != nullptr ? -3 : 0);
  end_interruptible();
  // What ccsand itself raises carries the operation and the line: its text is the message.
  Result<int> status = failed != 0 ? Result<int>(error_from_lua(L, "")) : Result<int>(static_cast<int>(lua_tointeger(L, -1)));
  lua_settop(L, before);
  return status;
}
void push_interrupt(lua_State* L, int signal) {
  Error error = make_error(EINTR, "", "", "interrupted");
  error.exit_status = 128 + signal;
  push_error(L, error);
}
void forget_interrupt_hook(lua_State* L) { lua_sethook(L, nullptr, 0, 0); }

bool take_interrupt_raised() { return std::exchange(interrupt_raised, false); }

void set_loop_thread(lua_State* L) { loop_thread = L; }

Result<void> watch_deadline(std::int64_t deadline_ns, int reference) {
  if (deadline_ns < 0 && watch.owner != process_generation()) return {};
  CCSAND_TRY(make_timer());
  watch.reference = reference;
  watch.raised = 0;
  if (deadline_ns >= 0) return arm(deadline_ns), Result<void>();
  itimerspec none = {};
  (void)timer_settime(watch.timer, 0, &none, nullptr);  // a timer of our own
  if (watch_expired != 0 && interruptible != nullptr && interrupted() == 0) lua_sethook(interruptible, nullptr, 0, 0);
  watch_expired = 0;
  return {};
}

}  // namespace ccsand
