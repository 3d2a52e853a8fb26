// The bridge between a filter's notifications and Lua: who runs the functions that decide
// calls. What the calls mean is decided in lua/ccsand/notify.lua.
#include "bindings/call_supervisor.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bindings/waiting_call.hpp"
#include "core/clock.hpp"
#include "core/printable.hpp"
#include "core/running.hpp"
#include "core/seccomp/system_calls.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kMostIdle = 16;
constexpr double kLongestWait = 86400;               // seconds
constexpr int kArchitectureName = -1;                // a key of the table of names, beside the numbers of calls
constexpr std::int64_t kNoNumber = std::int64_t{1} << 53;  // from here on, not every number is one of Lua's

int collect_hub(lua_State* L) {
  std::destroy_at(static_cast<SharedHub*>(lua_touserdata(L, 1)));
  return 0;
}

// The low halves of the arguments, then the high ones, in a table.
void push_halves(lua_State* L, const seccomp_data& data) {
  lua_createtable(L, 12, 0);
  for (int i = 0; i < 6; ++i) {
    lua_pushnumber(L, static_cast<double>(data.args[i] & UINT32_MAX));
    lua_rawseti(L, -2, 1 + i);
    lua_pushnumber(L, static_cast<double>(data.args[i] >> 32));
    lua_rawseti(L, -2, 7 + i);
  }
}

// The six arguments; and, where a double cannot hold one's 64 bits, the halves of all, which are exact.
int push_arguments(lua_State* L, const seccomp_data& data) {
  bool exact = true;
  for (std::uint64_t argument : data.args) {
    auto value = static_cast<std::int64_t>(argument);
    exact = exact && value > -kNoNumber && value < kNoNumber;
    lua_pushnumber(L, static_cast<double>(value));
  }
  if (!exact) push_halves(L, data);
  return exact ? 6 : 7;
}

std::string name_of(const seccomp_data& data, const Architecture* architecture) {
  auto name = architecture != nullptr ? system_call_name(*architecture, data.nr) : std::nullopt;
  return name ? std::string(*name) : std::to_string(data.nr);
}
const Architecture* architecture_of(const seccomp_data& data) {
  for (const Architecture& one : architectures())
    if (one.audit == data.arch) return &one;
  return nullptr;
}

void keep_names(lua_State* L, int table, int number) {
  lua_pushvalue(L, -2);
  lua_rawseti(L, table, number);
  lua_pushvalue(L, -1);
  lua_rawseti(L, table, kArchitectureName);
}

// (error value, the call's name): said where Lua's io.stderr leads, which a recipe may have turned.
int say_failure(lua_State* L) {
  lua_getglobal(L, "io");
  lua_getfield(L, -1, "stderr");
  lua_getfield(L, -1, "write");
  lua_pushvalue(L, -2);
  lua_getglobal(L, "tostring");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  std::size_t size = 0;
  const char* text = lua_tolstring(L, -1, &size);
  push_text(L, "ccsand: notify." + std::string(lua_tostring(L, 2)) + " failed, the call is denied: " + printable({text, size}) + "\n");
  lua_remove(L, -2);
  lua_call(L, 2, 0);
  return 0;
}
// Takes the error value from the top of the stack.
void report_failure(lua_State* L, const seccomp_data& data) {
  lua_pushcfunction(L, say_failure);
  lua_insert(L, -2);
  push_text(L, name_of(data, architecture_of(data)));
  if (lua_pcall(L, 2, 0, 0) != 0) lua_pop(L, 1);  // nothing can be said
}
}  // namespace

// ---- calls

void WaitingCall::answer(int error, std::int64_t value, std::uint32_t flags) {
  if (answered) return;
  answered = true;
  seccomp_notif_resp response = {};
  response.id = notification.id;
  response.error = -error;
  response.val = value;
  response.flags = flags;
  (void)sys::answer_notification(listener, response);  // its process may have been killed
}
void WaitingCall::answer_descriptor(int fd, bool close_on_exec) {
  auto given = sys::answer_with_descriptor(listener, notification.id, fd, close_on_exec);
  if (!given) return answer(given.error().code, 0);  // EMFILE: its table is full
  answered = true;
}

SharedCall LuaCallSupervisor::find(std::int64_t token) const {
  for (const SharedCall& call : calls_)
    if (call->token == token) return call;
  return nullptr;
}
SharedCall LuaCallSupervisor::admit(int listener, const seccomp_notif& notification) {
  SharedCall call = std::exchange(spare_, nullptr);
  if (!call || call.use_count() > 1) call = std::make_shared<WaitingCall>();
  call->token = ++last_token_;
  call->listener = listener;
  call->notification = notification;
  call->answered = call->deferred = false;
  calls_.push_back(call);
  return call;
}
void LuaCallSupervisor::forget_answered() {
  if (calls_.size() == 1 && calls_.front()->answered && !calls_.front()->performance) {
    spare_ = std::move(calls_.front());  // of a row of calls, each of which has its answer before the next comes
    return calls_.clear();
  }
  std::erase_if(calls_, [](const SharedCall& call) { return call->answered; });
}

// ---- performances

std::size_t LuaCallSupervisor::performances() const {
  return static_cast<std::size_t>(std::count_if(calls_.begin(), calls_.end(), [](const SharedCall& call) { return call->performance != nullptr; }));
}
void LuaCallSupervisor::enter_interests(bool wanted) {
  for (const SharedCall& call : calls_)
    if (call->performance) call->performance->enter_interest(wanted);
}
void LuaCallSupervisor::forget_gone() {
  for (const SharedCall& call : calls_) {
    if (!call->performance || sys::notification_is_valid(call->listener, call->notification.id)) continue;
    call->answered = true;
    call->performance.reset();
  }
  next_look_ns_ = monotonic_ns() + 1'000'000'000;
}
std::int64_t LuaCallSupervisor::deadline_ns() const {
  std::int64_t next = -1;
  for (const Timer& timer : timers_)
    if (next < 0 || timer.due_ns < next) next = timer.due_ns;
  if (!calls_.empty() && performances() > 0 && (next < 0 || next_look_ns_ < next)) next = next_look_ns_;
  return next;
}

// ---- the functions that decide

LuaCallSupervisor::LuaCallSupervisor(lua_State* L, int index) {
  // A stack of its own: the one that started the container may have ended.
  state_ = lua_newthread(L);
  thread_ = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, index);
  function_ = luaL_ref(L, LUA_REGISTRYINDEX);
  hub_->supervisor = this;
  hub_value_ = new (lua_newuserdata(L, sizeof(SharedHub))) SharedHub(hub_);
  luaL_getmetatable(L, kCallType);
  lua_setmetatable(L, -2);
  handle_ = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_createtable(L, 0, 0);
  names_ = luaL_ref(L, LUA_REGISTRYINDEX);
}

std::shared_ptr<CallSupervisor> LuaCallSupervisor::another() const {
  lua_rawgeti(state_, LUA_REGISTRYINDEX, function_);
  auto other = std::make_shared<LuaCallSupervisor>(state_, lua_gettop(state_));
  lua_pop(state_, 1);
  return other;
}

LuaCallSupervisor::Worker LuaCallSupervisor::take_worker() {
  if (!idle_.empty()) {
    Worker worker = idle_.back();
    idle_.pop_back();
    return worker;
  }
  Worker worker;
  worker.state = lua_newthread(state_);
  worker.reference = luaL_ref(state_, LUA_REGISTRYINDEX);
  lua_rawgeti(worker.state, LUA_REGISTRYINDEX, function_);
  return worker;
}
void LuaCallSupervisor::lay_aside(Worker worker) {
  if (ended_ || idle_.size() >= kMostIdle) return drop(worker);
  lua_settop(worker.state, 0);
  idle_.push_back(worker);
}

// The call's name and its architecture's. Those of the native one are looked up once each.
void LuaCallSupervisor::push_names(lua_State* L, const seccomp_data& data) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, names_);
  int names = lua_gettop(L);
  bool native = data.arch == native_architecture().audit;
  if (native) {
    lua_rawgeti(L, names, data.nr);
    lua_rawgeti(L, names, kArchitectureName);
  }
  if (!native || lua_isnil(L, -2)) {
    lua_settop(L, names);
    const Architecture* architecture = architecture_of(data);
    push_text(L, name_of(data, architecture));
    push_text(L, architecture != nullptr ? architecture->name : "?");
    if (native) keep_names(L, names, data.nr);
  }
  lua_remove(L, names);
}

void LuaCallSupervisor::decide(int listener, const seccomp_notif& notification) {
  SharedCall call = admit(listener, notification);
  Worker worker = take_worker();
  lua_State* L = worker.state;
  lua_rawgeti(L, LUA_REGISTRYINDEX, handle_);
  lua_pushnumber(L, static_cast<double>(call->token));
  push_names(L, notification.data);
  lua_pushnumber(L, notification.pid);
  resume(worker, call, 5 + push_arguments(L, notification.data));
  forget_answered();
}

// The function yields (calls, answer) when it has decided, to get the next call; or, where its
// handler waits, how long in seconds. An answer is a number, the cheapest; all others are methods.
void LuaCallSupervisor::resume(Worker worker, const SharedCall& call, int arguments) {
  lua_State* L = worker.state;
  call->deferred = false;
  ++depth_;
  int status = lua_resume(L, arguments);
  --depth_;
  if (status == LUA_YIELD && lua_touserdata(L, 1) == hub_value_) {
    if (lua_type(L, 2) == LUA_TNUMBER) call->answer(0, static_cast<std::int64_t>(lua_tonumber(L, 2)));
    lay_aside(worker);
  } else if (status == LUA_YIELD && !ended_) {
    double seconds = std::clamp(lua_tonumber(L, 1), 0.0, kLongestWait);
    lua_settop(L, 0);
    call->deferred = true;
    timers_.push_back({monotonic_ns() + static_cast<std::int64_t>(seconds * 1e9), worker, call});
  } else {
    if (status != LUA_YIELD) {
      lua_xmove(L, state_, 1);
      report_failure(state_, call->notification.data);
    }
    drop(worker);
  }
  settle_end();
  if (!call->performance && !call->deferred) call->answer(EPERM, 0);  // no effect on one that has an answer
}

void LuaCallSupervisor::attend() {
  if (calls_.empty() && timers_.empty()) return;  // as before each of a row of calls that are answered at once
  std::vector<SharedCall> present = calls_;
  for (const SharedCall& call : present) {
    if (!call->performance || !call->performance->take_answered()) continue;
    call->performance->attend();  // it calls back
    // Lua may hold the call for long; the caller's root and namespaces are not to be held with it.
    call->performance.reset();
  }
  if (monotonic_ns() >= next_look_ns_) forget_gone();
  for (std::size_t i = 0; i < timers_.size();) {
    if (timers_[i].due_ns > monotonic_ns()) {
      ++i;
      continue;
    }
    Timer timer = std::move(timers_[i]);
    timers_.erase(timers_.begin() + static_cast<std::ptrdiff_t>(i));
    resume(timer.worker, timer.call, 0);
  }
  forget_answered();
}

// A handler may be at work on a container whose end it waited for: what it runs on is let go of when it returns.
void LuaCallSupervisor::settle_end() {
  if (ended_ && depth_ == 0) luaL_unref(state_, LUA_REGISTRYINDEX, std::exchange(thread_, LUA_NOREF));
}
void LuaCallSupervisor::end() {
  ended_ = true;
  for (const SharedCall& call : calls_) {
    call->answered = true;  // for those that Lua still holds
    call->performance.reset();
  }
  calls_.clear();
  for (const Timer& timer : std::exchange(timers_, {})) drop(timer.worker);
  for (const Worker& worker : std::exchange(idle_, {})) drop(worker);
  for (int* reference : {&handle_, &function_, &names_}) luaL_unref(state_, LUA_REGISTRYINDEX, std::exchange(*reference, LUA_NOREF));
  settle_end();
}

std::shared_ptr<CallSupervisor> make_call_supervisor(lua_State* L, int index) {
  if (luaL_newmetatable(L, kCallType) != 0) {
    lua_createtable(L, 0, 10);
    register_call_methods(L);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, collect_hub);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
  return std::make_shared<LuaCallSupervisor>(L, index);
}

}  // namespace ccsand
