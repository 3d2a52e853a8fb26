// ccsand.sys.clone: a child that goes on with a Lua function.
//
// It is a plain copy of this process (fork), with the JIT off. Two channels join it to
// its parent: `go`, on which it waits for process:go(), and `report`, a close-on-exec
// pipe that tells the parent of exec (it closes) or of the error that came before it.
// It leaves by exec or by exit_group(2): what the parent has yet to do at its exit
// (destructors, atexit, buffers flushed before the clone) is the parent's alone.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>

#include "bindings/sys.hpp"
#include "core/clock.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/namespace.hpp"
#include "sys/process.hpp"
#include "sys/socket.hpp"

namespace ccsand {

namespace {
constexpr const char* kParentType = "ccsand.parent";

// What a child knows of its parent; empty in a process that sys.clone did not make.
struct ChildSide {
  Fd go, report, parent;  // `parent` is a pidfd
  int death_signal = 0;
};
ChildSide child_side;

struct CloneOptions {
  std::uint64_t namespaces = 0;
  const Cgroup* cgroup = nullptr;
  EnterTimeNamespace time;
  int death_signal = SIGKILL;
};

Result<CloneOptions> read_clone_options(lua_State* L, int index) {
  CloneOptions options;
  bool plain = lua_type(L, index) == LUA_TSTRING || lua_isnil(L, index);
  if (lua_istable(L, index)) {
    lua_rawgeti(L, index, 1);
    plain = !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  if (plain) {
    if (!lua_isnil(L, index)) options.namespaces = CCSAND_TRY(bits_value(L, index, namespace_names(), "clone.namespaces", false));
    return options;
  }
  Table table = CCSAND_TRY(Table::argument(L, index, "clone"));
  CCSAND_TRY(table.bits("namespaces", namespace_names(), options.namespaces));
  int at = table.push("cgroup");
  if (!lua_isnil(L, at)) options.cgroup = CCSAND_TRY(cgroup_argument(L, at, "clone"));
  at = table.push("time_offsets");
  if (!lua_isnil(L, at)) {
    if (!lua_istable(L, at)) return table.wrong_type("time_offsets", "a table", at);
    Table offsets(L, at, "clone.time_offsets");
    CCSAND_TRY(offsets.duration_ns("monotonic", options.time.monotonic_ns));
    CCSAND_TRY(offsets.duration_ns("boottime", options.time.boottime_ns));
    CCSAND_TRY(offsets.finish());
    options.namespaces |= CLONE_NEWTIME;
  }
  at = table.push("pdeathsig");
  if (lua_isboolean(L, at) && lua_toboolean(L, at) == 0) options.death_signal = 0;
  else if (!lua_isnil(L, at)) options.death_signal = static_cast<int>(CCSAND_TRY(word_value(L, at, signal_names(), "clone.pdeathsig")));
  CCSAND_TRY(table.finish());
  return options;
}

// ---- the child

// A byte from the parent: 'a' once the cgroup is complete, 'g' from process:go().
Result<void> await_parent(char wanted) {
  pollfd readable = {child_side.go.get(), POLLIN, 0};
  while (CCSAND_TRY(sys::poll(&readable, 1, -1)) == 0)
    if (wanted == 'g') return make_error(EINTR, "parent:wait", "", "a signal ended the wait");
  char byte = 0;
  auto message = CCSAND_TRY(sys::receive_message(child_side.go.get(), &byte, 1));
  if (message.size == 1 && byte == wanted) return {};
  return make_error(EPIPE, "parent:wait", "", "the parent has ended, or closed the process's handle, before process:go()");
}

[[noreturn]] void leave(int status) {
  (void)std::fflush(nullptr);  // nobody is left to tell
  sys::exit_group(status);
}
void report(std::string_view text) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)sys::write_all(child_side.report.get(), text, "the report");  // a parent that is gone asks for none
}
// Reports the error value on top of the stack and ends.
[[noreturn]] void leave_with_error(lua_State* L) {
  std::string text = encode_report(L);
  int status = report_status(L);
  report(text);
  leave(status);
}

// Ends without exec, and says so.
[[noreturn]] void leave_returned(int status) {
  report("R");
  leave(status);
}

// The exit status that a value stands for: nothing and true are 0, false is 1.
Result<int> status_value(lua_State* L, int index) {
  if (lua_isnoneornil(L, index)) return 0;
  if (lua_isboolean(L, index)) return lua_toboolean(L, index) != 0 ? 0 : 1;
  return static_cast<int>(CCSAND_TRY(integer_argument(L, index, "exit status", 0, 255)));
}
// os.exit of a child.
Result<int> exit_body(lua_State* L) {
  int status = CCSAND_TRY(status_value(L, 1));
  leave_returned(status);
}

Result<void> begin_child(lua_State* L, const CloneOptions& options) {
  (void)luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
  child_side.death_signal = options.death_signal;
  CCSAND_TRY(tie_to_parent());
  if ((options.namespaces & CLONE_NEWTIME) != 0) {
    Context context;
    CCSAND_TRY(apply(options.time, context));
  }
  if (options.cgroup != nullptr && options.cgroup->needs_attach()) CCSAND_TRY(await_parent('a'));
  lua_getglobal(L, "os");
  if (lua_istable(L, -1)) {
    lua_pushcfunction(L, binding<exit_body>);
    lua_setfield(L, -2, "exit");
  }
  lua_pop(L, 1);
  return {};
}

// The function is below the parent's handle on top of the stack.
[[noreturn]] void run_child(lua_State* L, const CloneOptions& options) {
  if (auto begun = begin_child(L, options); !begun) end_with_error(L, begun.error());
  if (lua_pcall(L, 1, 1, 0) != 0) leave_with_error(L);
  auto status = status_value(L, lua_gettop(L));
  if (!status) end_with_error(L, status.error());
  leave_returned(*status);
}

// ---- the parent

struct Channels {
  sys::SocketPair go;
  sys::Pipe report;
  Fd self;
};
Result<Channels> open_channels() {
  Channels channels;
  channels.go = CCSAND_TRY(sys::socketpair(SOCK_SEQPACKET));
  channels.report = CCSAND_TRY(sys::pipe2(O_NONBLOCK));  // the report fits into the pipe
  channels.self = CCSAND_TRY(sys::pidfd_open(sys::getpid()));
  return channels;
}

Result<sys::Child> clone_process(const CloneOptions& options) {
  sys::CloneRequest request;
  request.flags = options.namespaces & ~static_cast<std::uint64_t>(CLONE_NEWTIME);  // which the child makes itself
  if (options.cgroup != nullptr) request.cgroup = options.cgroup->clone_into();
  return sys::clone_copy(request);
}

Error explained(Error error) {
  if (error.code == EPERM || error.code == ENOSPC || error.code == EUSERS)
    error.hint = "check the limits in /proc/sys/user and whether this process may make namespaces: ccsand doctor";
  return error;
}

// clone(kinds, function) or clone({ namespaces =, cgroup =, time_offsets =, pdeathsig = }, function)
Result<int> clone_body(lua_State* L) {
  lua_settop(L, 2);
  CloneOptions options = CCSAND_TRY(read_clone_options(L, 1));
  if (!lua_isfunction(L, 2)) return make_error(EINVAL, "clone", "", std::string("takes a function as its second argument, got ") + luaL_typename(L, 2));
  Process& process = push_process(L);
  lua_pushvalue(L, 2);
  (void)lua_newuserdata(L, 1);  // the child's handle of its parent
  luaL_getmetatable(L, kParentType);
  lua_setmetatable(L, -2);

  Channels channels = CCSAND_TRY(open_channels());
  (void)std::fflush(nullptr);  // so that the child has nothing of ours to flush
  auto child = clone_process(options);
  if (!child) return explained(child.error());
  if (child->pid == 0) {
    channels.go.first.close();
    channels.report.read.close();
    abandon_processes();
    child_side = {std::move(channels.go.second), std::move(channels.report.write), std::move(channels.self), 0};
    run_child(L, options);
  }
  process.pid = child->pid;
  process.pidfd = std::move(child->pidfd);
  process.go = std::move(channels.go.first);
  process.report = std::move(channels.report.read);
  process.child = true;
  if (options.cgroup != nullptr && options.cgroup->needs_attach()) {
    auto attached = options.cgroup->attach(process.pid);
    if (!attached) {
      process.close();
      return attached.error();
    }
    (void)sys::send_message(process.go.get(), "a");  // a child that has ended tells why itself
  }
  lua_pop(L, 2);
  return 1;
}

// ---- the parent's handle, in the child

Result<int> wait_body(lua_State* L) {
  if (userdata_of(L, 1, kParentType) == nullptr) return make_error(EINVAL, "wait", "", "is a method: parent:wait()");
  if (!child_side.go.open()) return make_error(EINVAL, "parent:wait", "", "is for the child alone");
  CCSAND_TRY(await_parent('g'));
  return 0;
}
int parent_to_string(lua_State* L) {
  lua_pushliteral(L, "the parent");
  return 1;
}
int collect_nothing(lua_State*) { return 0; }

constexpr Function kFunctions[] = {{"clone", binding<clone_body>}};
constexpr Function kParentMethods[] = {{"wait", binding<wait_body>}};
}  // namespace

Result<void> tie_to_parent() {
  if (child_side.death_signal == 0 || !child_side.parent.open()) return {};
  Context context;
  context.supervisor_pidfd = child_side.parent.get();
  return apply(SetParentDeathSignal{child_side.death_signal, true}, context);
}
void set_child_death_signal(int signal) { child_side.death_signal = signal; }

void end_with_error(lua_State* L, const Error& error) {
  if (child_side.report.open()) {
    push_error(L, error);
    leave_with_error(L);
  }
  std::string text = "ccsand: " + error.message() + "\n";
  (void)sys::write_all(2, text, "stderr");  // the last that this process can say
  leave(error.exit_status);
}

void add_clone_functions(lua_State* L) {
  begin_type(L, kParentType, collect_nothing, parent_to_string, "the parent");
  register_functions(L, kParentMethods);
  end_type(L);
  register_functions(L, kFunctions);
}

}  // namespace ccsand
