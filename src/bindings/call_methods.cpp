// What Lua does with a call that waits: its caller's memory, its answer, and what is done for it.
#include <fcntl.h>
#include <linux/openat2.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "bindings/descriptor.hpp"
#include "bindings/table.hpp"
#include "bindings/waiting_call.hpp"
#include "core/running.hpp"
#include "core/seccomp/constants.hpp"
#include "core/seccomp/filter.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kLongestString = 64 * 1024, kMostBytes = 1 << 20;

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
  handle.call->answer(static_cast<int>(number), 0);
  return 0;
}
Result<int> value_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "value"));
  handle.call->answer(0, static_cast<std::int64_t>(CCSAND_TRY(number_argument(L, 3, "value"))));
  return 0;
}
Result<int> continue_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "continue"));
  handle.call->answer(0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  return 0;
}
// inject(descriptor, close_on_exec): the call returns the number of a copy
Result<int> inject_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "inject"));
  int fd = CCSAND_TRY(descriptor_argument(L, 3, "inject"));
  handle.call->answer_descriptor(fd, lua_toboolean(L, 4) != 0);
  return 0;
}
// kill(): its process, before the call is made
Result<int> kill_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "kill"));
  const WaitingCall& call = *handle.call;
  auto caller = examine_caller(static_cast<pid_t>(call.notification.pid));
  auto process = caller ? sys::pidfd_open(caller->process) : Result<Fd>(caller.error());
  if (process && sys::notification_is_valid(call.listener, call.notification.id)) {
    handle.supervisor->note_killed();
    (void)sys::pidfd_send_signal(process->get(), SIGKILL);  // it may have been killed already
  }
  handle.call->answer(EPERM, 0);
  return 0;
}
// who(): its ids as ccsand sees them, its pid as the container does
Result<int> who_body(lua_State* L) {
  CallHandle handle = CCSAND_TRY(handle_argument(L, "who"));
  auto caller = examine_caller(static_cast<pid_t>(handle.call->notification.pid));
  if (!caller || !sys::notification_is_valid(handle.call->listener, handle.call->notification.id)) return 0;
  lua_createtable(L, 0, 4);
  set_field(L, "uid", static_cast<double>(caller->fsuid));
  set_field(L, "gid", static_cast<double>(caller->fsgid));
  set_field(L, "pid", static_cast<double>(caller->inner_process));
  set_field(L, "host_pid", static_cast<double>(caller->process));
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
  if (!caller) return call->answer(caller.error().code == ENOENT ? ESRCH : caller.error().code, 0), 0;
  auto deed = read_deed(table, *caller);
  if (!deed && deed.error().code == EINVAL) return deed.error();
  if (!deed) return call->answer(deed.error().code, 0), 0;
  // All of it was read of the process that waits, not of one that has its number by now.
  if (!sys::notification_is_valid(call->listener, call->notification.id)) return call->answer(ESRCH, 0), 0;
  deed->ruleset = handle.supervisor->ruleset();
  deed->cgroup = handle.supervisor->cgroup();
  handle.supervisor->forget_gone();
  if (handle.supervisor->performances() >= kMostPerformances) return call->answer(EAGAIN, 0), 0;
  WaitingCall* waiting = call.get();  // which owns the performance that calls back
  auto started = Performance::start(*caller, *deed, [waiting, close_on_exec](long result, Fd opened) {
    if (opened.open()) waiting->answer_descriptor(opened.get(), close_on_exec);
    else waiting->answer(result < 0 ? static_cast<int>(-result) : 0, result < 0 ? 0 : result);
  });
  if (!started) return call->answer(started.error().code, 0), 0;
  call->performance = std::move(*started);
  return 0;
}

constexpr Function kMethods[] = {{"string", binding<string_body>}, {"bytes", binding<bytes_body>},
                                 {"errno", binding<errno_body>},   {"value", binding<value_body>}, {"continue", binding<continue_body>},
                                 {"inject", binding<inject_body>}, {"who", binding<who_body>},
                                 {"perform", binding<perform_body>}, {"kill", binding<kill_body>},
                                 {"simulate", binding<simulate_body>}};
}  // namespace

void register_call_methods(lua_State* L) { register_functions(L, kMethods); }

}  // namespace ccsand
