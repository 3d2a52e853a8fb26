// The bridge between a filter's notifications and Lua. What the calls mean is decided in
// lua/ccsand/notify.lua; here are their memory, their answers and what is done for them.
#include "bindings/call_supervisor.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "bindings/binding.hpp"
#include "bindings/descriptor.hpp"
#include "bindings/table.hpp"
#include "core/running.hpp"
#include "core/seccomp/constants.hpp"
#include "core/seccomp/filter.hpp"
#include "core/seccomp/performance.hpp"
#include "core/seccomp/system_calls.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

namespace {
constexpr const char* kCallType = "ccsand.call";
constexpr const char* kIdle = "ccsand.call.idle";
constexpr std::size_t kLongestString = 64 * 1024, kMostBytes = 1 << 20;

// A call that waits. Lua and the supervisor hold it together.
struct Call {
  std::int64_t token = 0;  // its name for Lua
  int listener = -1;
  seccomp_notif notification = {};
  bool answered = false, deferred = false;
  std::unique_ptr<Performance> performance;
};
using SharedCall = std::shared_ptr<Call>;

struct Timer {
  std::int64_t due_ns;
  int function;  // a reference of Lua's registry
};

void answer(Call& call, int error, std::int64_t value, std::uint32_t flags = 0) {
  if (call.answered) return;
  call.answered = true;
  seccomp_notif_resp response = {};
  response.id = call.notification.id;
  response.error = -error;
  response.val = value;
  response.flags = flags;
  (void)sys::answer_notification(call.listener, response);  // its process may have been killed
}
void answer_descriptor(Call& call, int fd, bool close_on_exec) {
  auto given = sys::answer_with_descriptor(call.listener, call.notification.id, fd, close_on_exec);
  if (!given) return answer(call, given.error().code, 0);  // EMFILE: its table is full
  call.answered = true;
}

class LuaCallSupervisor;

// What Lua's one value for all calls of a supervisor holds.
struct Hub {
  LuaCallSupervisor* supervisor = nullptr;  // null once it has ended
};
using SharedHub = std::shared_ptr<Hub>;

class LuaCallSupervisor final : public CallSupervisor {
 public:
  LuaCallSupervisor(lua_State* L, int index) {
    // A stack of its own: the one that started the container may have ended.
    state_ = lua_newthread(L);
    thread_ = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, index);
    function_ = luaL_ref(L, LUA_REGISTRYINDEX);
    hub_->supervisor = this;
    new (lua_newuserdata(L, sizeof(SharedHub))) SharedHub(hub_);
    luaL_getmetatable(L, kCallType);
    lua_setmetatable(L, -2);
    handle_ = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_createtable(L, 0, 0);
    names_ = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, LUA_REGISTRYINDEX, kIdle);
    idle_ = lua_tothread(L, -1);
    lua_pop(L, 1);
  }
  ~LuaCallSupervisor() override { hub_->supervisor = nullptr; }  // the state may be closing: references are its own

  // A handler of this one may be in the middle of its work: its stack is left alone.
  [[nodiscard]] std::shared_ptr<CallSupervisor> another() const override {
    lua_rawgeti(idle_, LUA_REGISTRYINDEX, function_);
    auto other = std::make_shared<LuaCallSupervisor>(idle_, lua_gettop(idle_));
    lua_pop(idle_, 1);
    return other;
  }
  void decide(int listener, const seccomp_notif& notification) override;
  void enter_interests(bool wanted) override {
    for (const SharedCall& call : calls_)
      if (call->performance) call->performance->enter_interest(wanted);
  }
  [[nodiscard]] std::int64_t deadline_ns() const override {
    std::int64_t next = -1;
    for (const Timer& timer : timers_)
      if (next < 0 || timer.due_ns < next) next = timer.due_ns;
    if (performances() > 0 && (next < 0 || next_look_ns_ < next)) next = next_look_ns_;
    return next;
  }
  void attend() override;
  void end() override {
    for (const SharedCall& call : calls_) {
      call->answered = true;  // for those that Lua still holds
      call->performance.reset();
    }
    calls_.clear();
    for (const Timer& timer : timers_) luaL_unref(state_, LUA_REGISTRYINDEX, timer.function);
    timers_.clear();
    for (int* reference : {&handle_, &function_, &names_}) luaL_unref(state_, LUA_REGISTRYINDEX, std::exchange(*reference, LUA_NOREF));
    ended_ = true;
    if (depth_ == 0) release_thread();
  }
  void restrict_with(int ruleset, int cgroup) override { ruleset_ = ruleset, cgroup_ = cgroup; }
  [[nodiscard]] int ruleset() const { return ruleset_; }
  [[nodiscard]] int cgroup() const { return cgroup_; }
  [[nodiscard]] std::size_t performances() const {
    return static_cast<std::size_t>(std::count_if(calls_.begin(), calls_.end(), [](const SharedCall& call) { return call->performance != nullptr; }));
  }
  // Ends what is performed for callers that were killed meanwhile.
  void forget_gone() {
    for (const SharedCall& call : calls_) {
      if (!call->performance || sys::notification_is_valid(call->listener, call->notification.id)) continue;
      call->answered = true;
      call->performance.reset();
    }
    next_look_ns_ = monotonic_ns() + 1'000'000'000;
  }
  [[nodiscard]] bool has_killed() const override { return killed_; }
  void note_killed() { killed_ = true; }
  [[nodiscard]] SharedCall find(std::int64_t token) const {
    for (const SharedCall& call : calls_)
      if (call->token == token) return call;
    return nullptr;
  }
  void add_timer(std::int64_t due_ns, int function) { timers_.push_back({due_ns, function}); }

 private:
  void push_name(const seccomp_data& data, const Architecture* architecture);
  // Calls what is on the stack with its arguments; a failure is told.
  bool call_lua(int arguments, int results) {
    ++depth_;
    bool good = lua_pcall(state_, arguments, results, 0) == 0;
    --depth_;
    if (good) return true;
    lua_getglobal(state_, "tostring");
    lua_insert(state_, -2);
    const char* text = lua_pcall(state_, 1, 1, 0) == 0 && lua_isstring(state_, -1) ? lua_tostring(state_, -1) : "?";
    (void)std::fprintf(stderr, "ccsand: a function that decides calls failed, the call is denied: %s\n", text);
    lua_settop(state_, 0);
    return false;
  }
  // A handler may have waited for the container's own end: the stack that it runs on is let go of after it.
  void release_thread() { luaL_unref(state_, LUA_REGISTRYINDEX, std::exchange(thread_, LUA_NOREF)); }
  void settle_end() {
    if (ended_ && depth_ == 0) release_thread();
  }
  void forget_answered() {
    calls_.erase(std::remove_if(calls_.begin(), calls_.end(), [](const SharedCall& call) { return call->answered; }), calls_.end());
  }

  lua_State* state_;
  lua_State* idle_;  // the registry's; nothing runs on it
  int thread_ = 0, function_ = 0, handle_ = 0, names_ = 0;  // in Lua's registry; the last: calls' numbers -> names
  SharedHub hub_ = std::make_shared<Hub>();
  std::int64_t last_token_ = 0;
  std::vector<SharedCall> calls_;  // without an answer yet
  std::vector<Timer> timers_;
  bool killed_ = false, ended_ = false;
  int depth_ = 0;  // of Lua's functions that are at work on `state_`
  int ruleset_ = -1, cgroup_ = -1;
  std::int64_t next_look_ns_ = 0;
};

constexpr std::int64_t kNoNumber = std::int64_t{1} << 53;  // from here on, not every number is one of Lua's

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

// The names of the native architecture are looked up once each.
void LuaCallSupervisor::push_name(const seccomp_data& data, const Architecture* architecture) {
  lua_State* L = state_;
  bool native = architecture == &native_architecture();
  lua_rawgeti(L, LUA_REGISTRYINDEX, names_);
  if (native) {
    lua_rawgeti(L, -1, data.nr);
    if (!lua_isnil(L, -1)) return lua_remove(L, -2);
    lua_pop(L, 1);
  }
  auto name = architecture != nullptr ? system_call_name(*architecture, data.nr) : std::nullopt;
  push_text(L, name ? *name : std::to_string(data.nr));
  if (native && name) {
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, data.nr);
  }
  lua_remove(L, -2);
}

void LuaCallSupervisor::decide(int listener, const seccomp_notif& notification) {
  auto call = std::make_shared<Call>();
  call->token = ++last_token_;
  call->listener = listener;
  call->notification = notification;
  calls_.push_back(call);
  lua_State* L = state_;
  const seccomp_data& data = call->notification.data;
  const Architecture* architecture = nullptr;
  for (const Architecture& one : architectures())
    if (one.audit == data.arch) architecture = &one;
  lua_rawgeti(L, LUA_REGISTRYINDEX, function_);
  lua_rawgeti(L, LUA_REGISTRYINDEX, handle_);
  lua_pushnumber(L, static_cast<double>(call->token));
  push_name(data, architecture);
  lua_pushinteger(L, static_cast<lua_Integer>(notification.pid));
  push_text(L, architecture != nullptr ? architecture->name : "?");
  // A double cannot hold 64 bits: where one is too large, the halves of all besides, which are exact.
  bool exact = true;
  for (std::uint64_t argument : data.args) {
    auto value = static_cast<std::int64_t>(argument);
    exact = exact && value > -kNoNumber && value < kNoNumber;
    lua_pushnumber(L, static_cast<double>(value));
  }
  if (!exact) push_halves(L, data);
  bool good = call_lua(exact ? 11 : 12, 1);
  // Lua's function answers with a number itself; all other answers are methods.
  if (good && lua_type(L, -1) == LUA_TNUMBER) answer(*call, 0, static_cast<std::int64_t>(lua_tonumber(L, -1)));
  else if (!good || (!call->performance && !call->deferred)) answer(*call, EPERM, 0);  // no effect on one that has an answer
  if (good) lua_pop(L, 1);
  forget_answered();
  settle_end();
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
    int function = timers_[i].function;
    timers_.erase(timers_.begin() + static_cast<std::ptrdiff_t>(i));
    lua_rawgeti(state_, LUA_REGISTRYINDEX, function);
    luaL_unref(state_, LUA_REGISTRYINDEX, function);
    (void)call_lua(0, 0);  // the Lua side denies a call whose handler failed
  }
  forget_answered();
  settle_end();
}

// ---- methods

// A call that waits, and who decides it. Methods are called as handle:method(token, ...).
struct CallHandle {
  SharedCall call;
  LuaCallSupervisor* supervisor;
};
Result<CallHandle> handle_argument(lua_State* L, const char* method) {
  auto* hub = static_cast<SharedHub*>(userdata_of(L, 1, kCallType));
  if (hub == nullptr || lua_type(L, 2) != LUA_TNUMBER) return make_error(EINVAL, method, "", "is a method of calls: call:" + std::string(method) + "(...)");
  SharedCall call = (*hub)->supervisor != nullptr ? (*hub)->supervisor->find(static_cast<std::int64_t>(lua_tonumber(L, 2))) : nullptr;
  if (!call || call->answered || call->performance) return make_error(EALREADY, method, "", "the call has its answer");
  return CallHandle{std::move(call), (*hub)->supervisor};
}
Result<double> number_argument(lua_State* L, int index, const char* method) {
  if (lua_type(L, index) != LUA_TNUMBER) return make_error(EINVAL, method, "", "takes a number");
  return lua_tonumber(L, index);
}
Result<std::uint64_t> address_argument(lua_State* L, int index, const char* method) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(CCSAND_TRY(number_argument(L, index, method))));
}

Result<int> push_memory(lua_State* L, const CallHandle& handle, Result<std::string> bytes) {
  // It counts only if it was still this call's process when it was read.
  if (bytes && !sys::notification_is_valid(handle.call->listener, handle.call->notification.id)) bytes = make_error(ESRCH, "read", "", "");
  if (bytes) return push_text(L, *bytes), 1;
  lua_pushnil(L);
  push_text(L, error_name(bytes.error().code));
  return 2;
}
// string(address, limit), bytes(address, size): nil and the errno's name where they cannot be read
Result<int> string_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "string"));
  auto limit = CCSAND_TRY(integer_argument(L, 4, "string", 1, kLongestString));
  std::uint64_t address = CCSAND_TRY(address_argument(L, 3, "string"));
  return push_memory(L, handle, read_string(static_cast<pid_t>(handle.call->notification.pid), address, static_cast<std::size_t>(limit)));
}
Result<int> bytes_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "bytes"));
  auto size = CCSAND_TRY(integer_argument(L, 4, "bytes", 0, kMostBytes));
  std::uint64_t address = CCSAND_TRY(address_argument(L, 3, "bytes"));
  return push_memory(L, handle, read_bytes(static_cast<pid_t>(handle.call->notification.pid), address, static_cast<std::size_t>(size)));
}
// simulate(program): what a filter answers to this very call
Result<int> simulate_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "simulate"));
  auto program = program_value(L, 3);
  if (!program) return make_error(EINVAL, "simulate", "", "takes a compiled filter");
  lua_pushnumber(L, CCSAND_TRY(simulate(*program, handle.call->notification.data)));
  return 1;
}

// errno("EPERM" or number)
Result<int> errno_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "errno"));
  std::int64_t number = 0;
  if (lua_type(L, 3) == LUA_TSTRING) {
    auto constant = kernel_constant(lua_tostring(L, 3));
    if (!constant || *constant == 0 || *constant > 4095) return make_error(EINVAL, "errno", lua_tostring(L, 3), "is no error number, such as \"EPERM\"");
    number = static_cast<std::int64_t>(*constant);
  } else {
    number = CCSAND_TRY(integer_argument(L, 3, "errno", 1, 4095));
  }
  answer(*handle.call, static_cast<int>(number), 0);
  return 0;
}
Result<int> value_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "value"));
  answer(*handle.call, 0, static_cast<std::int64_t>(CCSAND_TRY(number_argument(L, 3, "value"))));
  return 0;
}
Result<int> continue_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "continue"));
  answer(*handle.call, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  return 0;
}
// inject(descriptor, close_on_exec): the call returns the number of a copy
Result<int> inject_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "inject"));
  int fd = CCSAND_TRY(descriptor_argument(L, 3, "inject"));
  answer_descriptor(*handle.call, fd, lua_toboolean(L, 4) != 0);
  return 0;
}
// later(seconds, function): the answer comes from the function, or after it
Result<int> later_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "later"));
  double seconds = CCSAND_TRY(number_argument(L, 3, "later"));
  if (!(seconds >= 0 && seconds <= 86400)) return make_error(EINVAL, "later", "seconds", "must be 0 to 86400");
  if (lua_type(L, 4) != LUA_TFUNCTION) return make_error(EINVAL, "later", "", "takes a function");
  lua_pushvalue(L, 4);
  handle.call->deferred = true;
  handle.supervisor->add_timer(monotonic_ns() + static_cast<std::int64_t>(seconds * 1e9), luaL_ref(L, LUA_REGISTRYINDEX));
  return 0;
}
// kill(): its process, before the call is made
Result<int> kill_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "kill"));
  const Call& call = *handle.call;
  auto caller = examine_caller(static_cast<pid_t>(call.notification.pid));
  auto process = caller ? sys::pidfd_open(caller->process) : Result<Fd>(caller.error());
  if (process && sys::notification_is_valid(call.listener, call.notification.id)) {
    handle.supervisor->note_killed();
    (void)sys::pidfd_send_signal(process->get(), SIGKILL);  // it may have been killed already
  }
  answer(*handle.call, EPERM, 0);
  return 0;
}
// who(): its ids as ccsand sees them, its pid as the container does
Result<int> who_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "who"));
  auto caller = examine_caller(static_cast<pid_t>(handle.call->notification.pid));
  if (!caller || !sys::notification_is_valid(handle.call->listener, handle.call->notification.id)) return 0;
  lua_createtable(L, 0, 4);
  auto set = [L](const char* key, std::uint32_t value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
  };
  set("uid", caller->fsuid);
  set("gid", caller->fsgid);
  set("pid", static_cast<std::uint32_t>(caller->inner_process));
  set("host_pid", static_cast<std::uint32_t>(caller->process));
  return 1;
}

constexpr Name kDeeds[] = {{"open", PerformRequest::open}, {"connect", PerformRequest::connect}, {"bind", PerformRequest::bind},
                           {"make_node", PerformRequest::make_node}, {"mount", PerformRequest::mount}};
constexpr std::size_t kMostPerformances = 64;  // of one container at once: each is a process, and two descriptors

Result<std::uint64_t> number_key(Table& table, const char* key) {
  std::int64_t number = 0;
  CCSAND_TRY(table.integer(key, number, INT32_MIN, std::int64_t{1} << 40));
  return static_cast<std::uint64_t>(number);
}

Result<Deed> read_deed(Table& table, const Caller& caller) {
  Deed deed;
  std::uint64_t kind = PerformRequest::open;
  CCSAND_TRY(table.word("kind", kDeeds, kind));
  deed.kind = static_cast<PerformRequest::Kind>(kind);
  CCSAND_TRY(table.text("path", deed.path));
  int address = table.push("address");  // bytes, of which many are zero
  if (lua_type(table.state(), address) == LUA_TSTRING) {
    std::size_t size = 0;
    const char* bytes = lua_tolstring(table.state(), address, &size);
    deed.address.assign(bytes, size);
  }
  CCSAND_TRY(table.text("source", deed.source));
  CCSAND_TRY(table.text("type", deed.type));
  CCSAND_TRY(table.text("data", deed.data));
  deed.flags = CCSAND_TRY(number_key(table, "flags"));
  deed.mode = CCSAND_TRY(number_key(table, "mode"));
  deed.resolve = CCSAND_TRY(number_key(table, "resolve"));
  deed.device = CCSAND_TRY(number_key(table, "device"));
  std::int64_t object = -1, directory = AT_FDCWD;
  CCSAND_TRY(table.integer("object", object, -1, INT32_MAX));
  CCSAND_TRY(table.integer("directory", directory, INT32_MIN, INT32_MAX));
  CCSAND_TRY(table.finish());
  if (object >= 0) deed.object = CCSAND_TRY(descriptor_of(caller, static_cast<int>(object)));
  bool beneath = (deed.resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) != 0;
  if (directory != AT_FDCWD && (beneath || !deed.path.starts_with('/'))) deed.start = CCSAND_TRY(directory_of(caller, static_cast<int>(directory)));
  return deed;
}

// perform{ kind = "open", path =, flags =, ... }: the call gets the result. Whatever the
// caller's process lacks (a descriptor, its /proc) is its answer.
Result<int> perform_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "perform"));
  Table table = CCSAND_TRY(Table::argument(L, 3, "perform"));
  bool close_on_exec = false;
  CCSAND_TRY(table.boolean("close_on_exec", close_on_exec));
  SharedCall call = handle.call;
  auto caller = examine_caller(static_cast<pid_t>(call->notification.pid));
  if (!caller) return answer(*call, caller.error().code == ENOENT ? ESRCH : caller.error().code, 0), 0;
  auto deed = read_deed(table, *caller);
  if (!deed && deed.error().code == EINVAL) return deed.error();
  if (!deed) return answer(*call, deed.error().code, 0), 0;
  // All of it was read of the process that waits, not of one that has its number by now.
  if (!sys::notification_is_valid(call->listener, call->notification.id)) return answer(*call, ESRCH, 0), 0;
  deed->ruleset = handle.supervisor->ruleset();
  deed->cgroup = handle.supervisor->cgroup();
  handle.supervisor->forget_gone();
  if (handle.supervisor->performances() >= kMostPerformances) return answer(*call, EAGAIN, 0), 0;
  Call* waiting = call.get();  // which owns the performance that calls back
  auto started = Performance::start(*caller, *deed, [waiting, close_on_exec](long result, Fd opened) {
    if (opened.open()) answer_descriptor(*waiting, opened.get(), close_on_exec);
    else answer(*waiting, result < 0 ? static_cast<int>(-result) : 0, result < 0 ? 0 : result);
  });
  if (!started) return answer(*call, started.error().code, 0), 0;
  call->performance = std::move(*started);
  return 0;
}

int collect_call(lua_State* L) {
  std::destroy_at(static_cast<SharedHub*>(lua_touserdata(L, 1)));
  return 0;
}

constexpr Function kMethods[] = {{"string", binding<string_body>}, {"bytes", binding<bytes_body>},
                                 {"errno", binding<errno_body>},   {"value", binding<value_body>}, {"continue", binding<continue_body>},
                                 {"inject", binding<inject_body>}, {"later", binding<later_body>}, {"who", binding<who_body>},
                                 {"perform", binding<perform_body>}, {"kill", binding<kill_body>},
                                 {"simulate", binding<simulate_body>}};
}  // namespace

std::shared_ptr<CallSupervisor> make_call_supervisor(lua_State* L, int index) {
  if (luaL_newmetatable(L, kCallType) != 0) {
    lua_createtable(L, 0, 10);
    register_functions(L, kMethods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, collect_call);
    lua_setfield(L, -2, "__gc");
    (void)lua_newthread(L);
    lua_setfield(L, LUA_REGISTRYINDEX, kIdle);
  }
  lua_pop(L, 1);
  return std::make_shared<LuaCallSupervisor>(L, index);
}

}  // namespace ccsand
