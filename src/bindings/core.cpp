// ccsand.core: plans, starts and supervises the containers that ccsand.container
// describes. Recipes use ccsand.container.
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "bindings/binding.hpp"
#include "bindings/call_supervisor.hpp"
#include "bindings/container_reader.hpp"
#include "bindings/hook.hpp"
#include "bindings/interrupt.hpp"
#include "bindings/modules.hpp"
#include "bindings/network_reader.hpp"
#include "bindings/result.hpp"
#include "bindings/running_streams.hpp"
#include "bindings/table.hpp"
#include "core/clock.hpp"
#include "core/container_pool.hpp"
#include "core/generation.hpp"
#include "core/host_check.hpp"
#include "core/printable.hpp"
#include "core/seccomp/constants.hpp"
#include "core/seccomp/shipped_filters.hpp"
#include "core/signals.hpp"
#include "core/state.hpp"
#include "sys/device.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
constexpr const char* kRunningType = "ccsand.running";
}

Result<RunningHandle*> running_argument(lua_State* L, const char* function) {
  void* data = lua_touserdata(L, 1);
  if (data == nullptr || lua_getmetatable(L, 1) == 0) return make_error(EINVAL, function, "", "takes a running container");
  luaL_getmetatable(L, kRunningType);
  bool right = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  auto* handle = static_cast<RunningHandle*>(data);
  if (!right || !handle->running || handle->owner != process_generation())
    return make_error(EINVAL, function, "", "takes a running container of this process");
  return handle;
}
RunningHandle& push_running(lua_State* L) {
  auto* handle = new (lua_newuserdata(L, sizeof(RunningHandle))) RunningHandle;
  luaL_getmetatable(L, kRunningType);
  lua_setmetatable(L, -2);
  handle->owner = process_generation();
  return *handle;
}

namespace {

using Handle = RunningHandle;
constexpr auto handle_argument = running_argument;

Result<int> check_body(lua_State* L) {
  ContainerRequest request = CCSAND_TRY(read_container(L, 1));
  CCSAND_TRY(read_hooks(L, 1, request.spec));
  return 0;
}

Result<int> plan_body(lua_State* L) {
  ContainerRequest request = CCSAND_TRY(read_container(L, 1));
  CCSAND_TRY(read_hooks(L, 1, request.spec));
  push_text(L, compile(request.spec).text());
  return 1;
}

Result<void> read_start_options(lua_State* L, int index, ContainerRequest& request) {
  Table table = CCSAND_TRY(Table::argument(L, index, "options"));
  RunOptions& options = request.options;
  bool capture = false, null = false;
  CCSAND_TRY(table.boolean("capture", capture));
  options.capture_stdout = options.capture_stderr = capture;
  bool show = false;
  CCSAND_TRY(table.boolean("show_stderr", show));
  if (show) options.capture_stderr = false;
  CCSAND_TRY(table.boolean("foreground", options.foreground));
  CCSAND_TRY(table.boolean("trace", options.trace));
  CCSAND_TRY(table.boolean("background", options.background));
  CCSAND_TRY(table.boolean("reuse_network", options.reuse_network));
  CCSAND_TRY(table.boolean("stdin_null", null));
  options.stdin_null = null;
  CCSAND_TRY(table.text("stdin_file", options.stdin_file));
  if (CCSAND_TRY(table.text("stdout_file", options.stdout_file))) options.capture_stdout = false;
  bool interactive_start = false;
  CCSAND_TRY(table.boolean("stream", options.stream));
  options.keep_output = capture || !options.stream;
  if (options.stream) options.capture_stdout = options.capture_stderr = true;
  CCSAND_TRY(table.boolean("interactive", interactive_start));
  options.keep_stdin = interactive_start;
  options.own_terminal = interactive_start && request.spec.terminal;
  int at = table.push("stdin");
  if (lua_type(L, at) == LUA_TSTRING) {
    std::size_t size = 0;
    const char* data = lua_tolstring(L, at, &size);
    options.stdin_text.emplace(data, size);
  } else if (!lua_isnil(L, at)) {
    return table.wrong_type("stdin", "a string", at);
  }
  at = table.push("on_call");
  if (lua_type(L, at) == LUA_TFUNCTION) options.supervisor = make_call_supervisor(L, at);
  else if (!lua_isnil(L, at)) return table.wrong_type("on_call", "a function", at);
  if (request.spec.filter_notifies && !options.supervisor) return make_error(EINVAL, "", "seccomp", "a filter that notifies needs on_call");
  CCSAND_TRY(table.finish());
  bool interactive = options.foreground && !capture && !options.stdin_text;
  if (request.terminal_if_interactive) request.spec.terminal = interactive && sys::is_terminal(0) && sys::is_terminal(1);
  if (request.spec.terminal && !interactive && !options.own_terminal)
    return make_error(EINVAL, "", "terminal", "a container with a terminal of its own is run in the foreground, without capture",
                      "or started with interactive = true, which holds its terminal for read_line, expect and write");
  return {};
}

Result<ContainerRequest> read_request(lua_State* L) {
  ContainerRequest request = CCSAND_TRY(read_container(L, 1));
  CCSAND_TRY(read_hooks(L, 1, request.spec));
  CCSAND_TRY(read_start_options(L, 2, request));
  CCSAND_TRY(require_privileges());
  (void)open_state();  // without it containers end by their parent-death signal alone
  return request;
}
Result<int> start_body(lua_State* L) {
  ContainerRequest request = CCSAND_TRY(read_request(L));
  Handle& handle = push_running(L);
  handle.running = CCSAND_TRY(Running::start(request.spec, request.options));
  return 1;
}

// ---- pools

struct PoolHandle {
  std::unique_ptr<ContainerPool> pool;
};
constexpr const char* kPoolType = "ccsand.pool";
// pool(container, options): what its containers have in common
Result<int> pool_body(lua_State* L) {
  ContainerRequest request = CCSAND_TRY(read_request(L));
  auto* handle = new (lua_newuserdata(L, sizeof(PoolHandle))) PoolHandle;
  luaL_getmetatable(L, kPoolType);
  lua_setmetatable(L, -2);
  handle->pool = CCSAND_TRY(ContainerPool::create(std::move(request.spec), std::move(request.options)));
  return 1;
}
Result<PoolHandle*> pool_argument(lua_State* L, const char* method) {
  void* data = lua_touserdata(L, 1);
  if (data == nullptr || lua_getmetatable(L, 1) == 0) return make_error(EINVAL, method, "", "is a method of pools");
  luaL_getmetatable(L, kPoolType);
  bool good = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  auto* handle = static_cast<PoolHandle*>(data);
  if (!good || !handle->pool) return make_error(EINVAL, method, "", "is a method of open pools");
  return handle;
}
// prepare(with_input): one that waits for its command
Result<int> prepare_body(lua_State* L) {
  PoolHandle* pool = CCSAND_TRY(pool_argument(L, "prepare"));
  Handle& handle = push_running(L);
  handle.running = CCSAND_TRY(pool->pool->prepare(lua_toboolean(L, 2) != 0));
  return 1;
}
Result<int> close_pool_body(lua_State* L) {
  CCSAND_TRY(pool_argument(L, "close"))->pool.reset();
  return 0;
}
int collect_pool(lua_State* L) {
  static_cast<PoolHandle*>(lua_touserdata(L, 1))->~PoolHandle();
  return 0;
}

// Runs in the foreground: signals for ccsand are the container's until it has ended.
Result<int> run_body(lua_State* L) {
  SignalWatch watch;
  CCSAND_TRY(SignalWatch::begin(watch));
  CCSAND_TRY(start_body(L));
  auto* handle = static_cast<Handle*>(lua_touserdata(L, -1));
  CCSAND_TRY(handle->running->wait(-1));
  return 1;
}

Result<int> wait_body(lua_State* L) {
  Handle* handle = CCSAND_TRY(handle_argument(L, "wait"));
  std::int64_t deadline = -1;
  if (!lua_isnoneornil(L, 2)) {
    std::size_t size = 0;
    if (lua_type(L, 2) != LUA_TNUMBER && lua_type(L, 2) != LUA_TSTRING)
      return make_error(EINVAL, "wait", "timeout", "must be a time in seconds or text such as \"1.5s\"");
    const char* text = lua_tolstring(L, 2, &size);
    deadline = monotonic_ns() + CCSAND_TRY(parse_duration_ns({text, size}));
  }
  auto ended = handle->running->wait(deadline);
  if (!ended && ended.error().code == EINTR) forget_interrupt_hook(L);  // the interrupt has its error already
  if (!CCSAND_TRY(std::move(ended))) return 0;
  push_result(L, handle->running->result());
  return 1;
}

Result<int> kill_body(lua_State* L) {
  Handle* handle = CCSAND_TRY(handle_argument(L, "kill"));
  std::uint64_t signal = SIGKILL;
  if (lua_type(L, 2) == LUA_TNUMBER) signal = static_cast<std::uint64_t>(CCSAND_TRY(integer_argument(L, 2, "kill", 1, 64)));
  else if (!lua_isnoneornil(L, 2)) signal = CCSAND_TRY(word_value(L, 2, signal_names(), "signal"));
  CCSAND_TRY(handle->running->kill(static_cast<int>(signal)));
  return 0;
}
Result<int> freeze_body(lua_State* L) {
  Handle* handle = CCSAND_TRY(handle_argument(L, "freeze"));
  CCSAND_TRY(handle->running->freeze());
  return 0;
}
Result<int> thaw_body(lua_State* L) {
  Handle* handle = CCSAND_TRY(handle_argument(L, "thaw"));
  CCSAND_TRY(handle->running->thaw());
  return 0;
}
Result<int> stats_body(lua_State* L) {
  Handle* handle = CCSAND_TRY(handle_argument(L, "stats"));
  push_cgroup_stats(L, CCSAND_TRY(handle->running->stats()));
  return 1;
}
Result<int> pid_body(lua_State* L) {
  Handle* handle = CCSAND_TRY(handle_argument(L, "pid"));
  lua_pushinteger(L, handle->running->pid());
  return 1;
}
Result<int> id_body(lua_State* L) {
  Handle* handle = CCSAND_TRY(handle_argument(L, "id"));
  lua_pushnumber(L, static_cast<double>(handle->running->id()));
  return 1;
}
Result<int> ended_body(lua_State* L) {
  lua_pushboolean(L, CCSAND_TRY(handle_argument(L, "ended"))->running->ended());
  return 1;
}
Result<int> close_body(lua_State* L) {
  CCSAND_TRY(handle_argument(L, "close"))->running->close();
  return 0;
}
Result<int> exec_body(lua_State* L) {
  Handle* target = CCSAND_TRY(handle_argument(L, "exec"));
  ContainerRequest request = CCSAND_TRY(read_container(L, 2));
  CCSAND_TRY(read_start_options(L, 3, request));
  push_running(L).running = CCSAND_TRY(Running::exec(*target->running, request.spec, request.options));
  return 1;
}

// The lines of the plan with each step's time in microseconds.
Result<int> trace_body(lua_State* L) {
  Handle* handle = CCSAND_TRY(handle_argument(L, "trace"));
  const Running& running = *handle->running;
  std::string text;
  for (std::size_t i = 0; i < running.trace_ns().size(); ++i) {
    char time[32];
    (void)snprintf(time, sizeof time, "%9.1f us  ", static_cast<double>(running.trace_ns()[i]) / 1000);
    text += time + running.plan().line(i) + "\n";
  }
  push_text(L, text);
  return 1;
}

int collect_handle(lua_State* L) {
  auto* handle = static_cast<Handle*>(lua_touserdata(L, 1));
  if (handle->owner == process_generation()) Running::discard(std::move(handle->running));
  else (void)handle->running.release();  // a forked child's copy: not its to end
  handle->~Handle();
  return 0;
}

Result<int> is_terminal_body(lua_State* L) {
  lua_pushboolean(L, sys::is_terminal(static_cast<int>(CCSAND_TRY(integer_argument(L, 1, "is_terminal", 0, 1 << 20)))));
  return 1;
}

// An error value of the Lua side's own: message, hint, and the name of an errno (EINVAL).
Result<int> error_body(lua_State* L) {
  std::string message = CCSAND_TRY(text_argument(L, 1, "error"));
  auto code = lua_type(L, 3) == LUA_TSTRING ? kernel_constant(lua_tostring(L, 3)) : std::nullopt;
  push_error(L, make_error(code ? static_cast<int>(*code) : EINVAL, "", "", message));
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "hint");
  }
  return 1;
}

// printable(text): without what controls a terminal, for text of containers
Result<int> printable_body(lua_State* L) {
  if (lua_type(L, 1) != LUA_TSTRING) return make_error(EINVAL, "printable", "", "takes text");
  std::size_t size = 0;
  const char* text = lua_tolstring(L, 1, &size);
  push_text(L, printable({text, size}));
  return 1;
}

// nearest(word, { candidate, ... }): nil where none is near
Result<int> nearest_body(lua_State* L) {
  std::string word = CCSAND_TRY(text_argument(L, 1, "nearest"));
  std::vector<std::string> candidates;
  for (int i = 1; i <= static_cast<int>(lua_objlen(L, 2)); ++i) {
    lua_rawgeti(L, 2, i);
    if (lua_type(L, -1) == LUA_TSTRING) candidates.emplace_back(lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  std::vector<std::string_view> views(candidates.begin(), candidates.end());
  std::string_view near = nearest(word, views);
  if (near.empty()) return 0;
  push_text(L, near);
  return 1;
}
// capabilities(container's table) -> the names of those that it grants
Result<int> capabilities_body(lua_State* L) {
  Table table = CCSAND_TRY(Table::argument(L, 1, "container"));
  ContainerSpec spec;
  CCSAND_TRY(read_capabilities(table, spec));
  lua_createtable(L, 16, 0);
  int count = 0;
  for (const Name& name : capability_names()) {
    if ((spec.capabilities >> name.value & 1) == 0) continue;
    push_text(L, name.word);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}
// shipped_filter(container's table, profile) -> the program that was compiled with ccsand, or nil
Result<int> shipped_filter_body(lua_State* L) {
  Table table = CCSAND_TRY(Table::argument(L, 1, "container"));
  ContainerSpec spec;
  CCSAND_TRY(read_capabilities(table, spec));
  std::string profile = CCSAND_TRY(text_argument(L, 2, "shipped_filter"));
  // Another Lua tree may have another profile of that name.
  if (const char* path = std::getenv("CCSAND_LUA_PATH"); path != nullptr && *path != '\0') return 0;
  for (const ShippedFilter& one : shipped_filters())
    if (one.profile == profile && (spec.capabilities & one.relevant) == one.capabilities) return push_text(L, one.program), 1;
  return 0;
}
Result<int> caller_body(lua_State* L) {
  std::string position = caller_position(L);
  if (position.empty()) return 0;
  push_text(L, position);
  return 1;
}

// interfaces(): { name =, link = the host's end, addresses =, network = } of each
Result<int> interfaces_body(lua_State* L) {
  Handle* handle = CCSAND_TRY(handle_argument(L, "interfaces"));
  lua_createtable(L, 1, 0);
  const NetworkAttachment* network = handle->running->network();
  if (network == nullptr) return 1;
  int count = 0;
  for (const NetworkAttachment::Interface& one : network->interfaces()) {
    lua_createtable(L, 0, 4);
    push_text(L, one.spec->name);
    lua_setfield(L, -2, "name");
    if (one.network) {
      push_text(L, one.host_end);
      lua_setfield(L, -2, "link");
      push_bridge(L, one.network);
      lua_setfield(L, -2, "network");
    }
    lua_createtable(L, 2, 0);
    int addresses = 0;
    for (const IpPrefix& address : one.network ? one.lease.addresses : one.spec->addresses) {
      push_text(L, address.address.text().view());
      lua_rawseti(L, -2, ++addresses);
    }
    lua_setfield(L, -2, "addresses");
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

constexpr Function kMethods[] = {{"wait", binding<wait_body>},     {"kill", binding<kill_body>},
                                 {"freeze", binding<freeze_body>}, {"thaw", binding<thaw_body>},
                                 {"stats", binding<stats_body>},   {"pid", binding<pid_body>},
                                 {"interfaces", binding<interfaces_body>},
                                 {"exec", binding<exec_body>},     {"trace", binding<trace_body>},
                                 {"id", binding<id_body>},
                                 {"ended", binding<ended_body>},   {"close", binding<close_body>}};
constexpr Function kPoolMethods[] = {{"prepare", binding<prepare_body>}, {"close", binding<close_pool_body>}};
constexpr Function kFunctions[] = {{"check", binding<check_body>},
                                   {"plan", binding<plan_body>},
                                   {"start", binding<start_body>},
                                   {"pool", binding<pool_body>},
                                   {"run", binding<run_body>},
                                   {"error", binding<error_body>},
                                   {"caller", binding<caller_body>},
                                   {"printable", binding<printable_body>},
                                   {"nearest", binding<nearest_body>},
                                   {"capabilities", binding<capabilities_body>},
                                   {"shipped_filter", binding<shipped_filter_body>},
                                   {"is_terminal", binding<is_terminal_body>}};
}  // namespace

int open_core(lua_State* L) {
  luaL_newmetatable(L, kRunningType);
  lua_pushcfunction(L, collect_handle);
  lua_setfield(L, -2, "__gc");
  lua_createtable(L, 0, 8);
  register_functions(L, kMethods);
  register_stream_methods(L);
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, "a running container");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  luaL_newmetatable(L, kPoolType);
  lua_pushcfunction(L, collect_pool);
  lua_setfield(L, -2, "__gc");
  lua_createtable(L, 0, 2);
  register_functions(L, kPoolMethods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_createtable(L, 0, 8);
  register_functions(L, kFunctions);
  return 1;
}

}  // namespace ccsand
