// Process handles: waiting with a time-out, signals, and the child's own error.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <vector>

#include "bindings/binding.hpp"
#include "bindings/descriptor.hpp"
#include "bindings/table.hpp"
#include "core/clock.hpp"
#include "core/running.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"

namespace ccsand {

namespace {
constexpr const char* kProcessType = "ccsand.process";
constexpr int kUnknownEnd = 0;  // WaitStatus::code of a process that is not this one's child

std::vector<Process*>& live() {
  static std::vector<Process*> processes;
  return processes;
}

int milliseconds_to(std::int64_t deadline_ns) {
  if (deadline_ns < 0) return -1;
  std::int64_t left = (deadline_ns - monotonic_ns() + 999'999) / 1'000'000;
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30));
}
Result<bool> readable(int fd, int milliseconds) {
  pollfd wanted = {fd, POLLIN, 0};
  return CCSAND_TRY(sys::poll(&wanted, 1, milliseconds)) > 0;
}

// Whether a process has called exec since its fork; told of zombies, too. The flags
// are field 9 of /proc/PID/stat, PF_FORKNOEXEC is 0x40. Without a /proc of this process's
// pid namespace a closed report has to do: true.
bool has_executed(pid_t pid) {
  char self[24];
  auto length = sys::readlinkat(AT_FDCWD, "/proc/self", &self[0], sizeof self);
  if (!length || FixedText<24>().append_number(sys::getpid()).view() != std::string_view(&self[0], *length)) return true;
  FixedText<64> path("/proc/");
  path.append_number(pid).append("/stat");
  auto file = sys::open(path.c_str(), O_RDONLY);
  char data[1024];
  auto size = file ? sys::read(file->get(), &data[0], sizeof data, path.view()) : Result<std::size_t>(file.error());
  if (!size) return true;
  std::string_view text(&data[0], *size);
  text.remove_prefix(std::min(text.size(), text.rfind(')') + 1));
  for (int spaces = 0; !text.empty() && spaces < 7; text.remove_prefix(1)) spaces += text.front() == ' ' ? 1 : 0;
  unsigned long flags = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), flags);  // the kernel's own number
  return (flags & 0x40) == 0;
}

// ---- methods

Result<Process*> own(lua_State* L, const char* method) {
  Process* process = to_process(L, 1);
  if (process == nullptr) return make_error(EINVAL, method, "", "is a method of processes: process:" + std::string(method) + "(...)");
  std::string subject = "process " + std::to_string(process->pid);
  if (process->foreign()) return make_error(ECHILD, method, subject, "is another process's to handle");
  if (!process->pidfd.open()) return make_error(EBADF, method, subject, "the handle is closed");
  return process;
}

double seconds(const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; }

void push_status(lua_State* L, const sys::WaitStatus& end) {
  lua_createtable(L, 0, 6);
  if (end.code == kUnknownEnd) return set_field(L, "reason", "ended");
  bool exited = end.code == CLD_EXITED;
  set_field(L, "reason", exited ? "exited" : "signalled");
  set_field(L, "status", static_cast<double>(exited ? end.status : 128 + end.status));
  if (!exited) {
    std::string_view name = word_of(signal_names(), static_cast<std::uint64_t>(end.status));
    set_field(L, "signal", name.empty() ? std::to_string(end.status) : std::string(name));
  }
  set_field(L, "user", seconds(end.usage.ru_utime));
  set_field(L, "system", seconds(end.usage.ru_stime));
  set_field(L, "max_rss", static_cast<double>(end.usage.ru_maxrss) * 1024);
}

constexpr int kRaise = -1;  // of a body: the error value is on top of the stack

// wait(timeout): the status once it has ended, nil after the time; the child's own
// error where it failed before it could exec.
Result<int> wait_body(lua_State* L) {
  Process* process = CCSAND_TRY(own(L, "wait"));
  std::int64_t deadline = CCSAND_TRY(deadline_argument(L, 2, "wait"));
  if (!CCSAND_TRY(process->await(deadline))) return lua_pushnil(L), 1;
  if (push_report(L, process->report_text)) return kRaise;
  push_status(L, *process->end);
  return 1;
}
// wait_exec(timeout): true once it has exec'd, false where it ended without, nil after the time.
Result<int> wait_exec_body(lua_State* L) {
  Process* process = CCSAND_TRY(own(L, "wait_exec"));
  if (!process->child) return make_error(EINVAL, "wait_exec", "process " + std::to_string(process->pid), "is not a child of sys.clone");
  std::int64_t deadline = CCSAND_TRY(deadline_argument(L, 2, "wait_exec"));
  if (!CCSAND_TRY(process->await_exec(deadline))) return lua_pushnil(L), 1;
  if (push_report(L, process->report_text)) return kRaise;
  lua_pushboolean(L, process->executed);
  return 1;
}
Result<int> go_body(lua_State* L) {
  Process* process = CCSAND_TRY(own(L, "go"));
  if (!process->go.open()) return make_error(EINVAL, "go", "process " + std::to_string(process->pid), "has been told to go already, or is not a child of sys.clone");
  auto sent = sys::send_message(process->go.get(), "g");
  if (sent) {
    process->go.close();
    return 0;
  }
  // It ended before it came to parent:wait(): its own error says more.
  if (sent.error().code == EPIPE && CCSAND_TRY(process->await(monotonic_ns() + 1'000'000'000)) && push_report(L, process->report_text))
    return kRaise;
  return sent.error();
}
Result<int> kill_body(lua_State* L) {
  Process* process = CCSAND_TRY(own(L, "kill"));
  std::uint64_t signal = SIGKILL;
  if (lua_type(L, 2) == LUA_TNUMBER) signal = static_cast<std::uint64_t>(CCSAND_TRY(integer_argument(L, 2, "kill", 0, 64)));
  else if (!lua_isnoneornil(L, 2)) signal = CCSAND_TRY(word_value(L, 2, signal_names(), "signal"));
  auto sent = sys::pidfd_send_signal(process->pidfd.get(), static_cast<int>(signal));
  if (sent) return 0;
  Error error = sent.error();
  error.subject.append("process ").append_number(process->pid);
  return error;
}
Result<int> pid_body(lua_State* L) {
  Process* process = to_process(L, 1);
  if (process == nullptr) return make_error(EINVAL, "pid", "", "is a method of processes: process:pid()");
  lua_pushinteger(L, process->pid);
  return 1;
}
Result<int> fileno_body(lua_State* L) {
  lua_pushinteger(L, CCSAND_TRY(own(L, "fileno"))->pidfd.get());
  return 1;
}
Result<int> pidfd_body(lua_State* L) {
  Process* process = CCSAND_TRY(own(L, "pidfd"));
  Descriptor& copy = push_descriptor(L);
  copy.fd = CCSAND_TRY(sys::dup_cloexec(process->pidfd.get()));
  return 1;
}
Result<int> close_body(lua_State* L) {
  Process* process = to_process(L, 1);
  if (process == nullptr) return make_error(EINVAL, "close", "", "is a method of processes: process:close()");
  process->close();
  return 0;
}

int process_to_string(lua_State* L) {
  Process* process = to_process(L, 1);
  if (process == nullptr) lua_pushliteral(L, "a process");
  else lua_pushfstring(L, "process %d%s", process->pid, process->pidfd.open() ? "" : " (closed)");
  return 1;
}
int collect_process(lua_State* L) {
  if (Process* process = to_process(L, 1)) process->~Process();
  return 0;
}

constexpr Function kMethods[] = {{"wait", binding<wait_body>},   {"wait_exec", binding<wait_exec_body>},
                                 {"go", binding<go_body>},       {"kill", binding<kill_body>},
                                 {"pid", binding<pid_body>},     {"fileno", binding<fileno_body>},
                                 {"pidfd", binding<pidfd_body>}, {"close", binding<close_body>}};
}  // namespace

Process::Process() { live().push_back(this); }
Process::~Process() {
  close();
  std::erase(live(), this);
}

void Process::close() {
  if (!foreign() && child && !end && pidfd.open()) {
    (void)sys::pidfd_send_signal(pidfd.get(), SIGKILL);  // it may have ended already
    (void)reap();
  }
  pidfd.close();
  go.close();
  report.close();
}

Result<void> Process::reap() {
  read_report();
  if (child && !report_closed) executed = report_text.empty() && has_executed(pid);  // while there is a zombie to ask
  auto status = sys::waitid(P_PIDFD, pidfd.get(), WEXITED);
  if (!status && status.error().code != ECHILD) return status.error();
  end = status ? *status : sys::WaitStatus{};
  return {};
}

Result<bool> Process::await(std::int64_t deadline_ns) {
  while (!end) {
    if (CCSAND_TRY(readable(pidfd.get(), milliseconds_to(deadline_ns)))) CCSAND_TRY(reap());
    else if (deadline_ns < 0 || monotonic_ns() >= deadline_ns) return false;  // -1: a signal ended the wait
  }
  read_report();
  return true;
}

Result<bool> Process::await_exec(std::int64_t deadline_ns) {
  while (!end && !report_closed) {
    if (CCSAND_TRY(readable(report.get(), milliseconds_to(deadline_ns)))) read_report();
    else if (deadline_ns < 0 || monotonic_ns() >= deadline_ns) return false;
  }
  if (executed || end) return true;
  // What said something, or closed the report without exec, is about to end.
  return await(-1);
}

void Process::read_report() {
  char part[4096];
  while (report.open() && !report_closed) {
    auto size = sys::read(report.get(), &part[0], sizeof part, "the child's report");
    if (!size) return;  // EAGAIN: nothing more as yet
    if (*size == 0) {
      report_closed = true;
      if (!end) executed = report_text.empty() && has_executed(pid);
    } else {
      report_text.append(&part[0], *size);
    }
  }
}

Process& push_process(lua_State* L) {
  auto* process = new (lua_newuserdata(L, sizeof(Process))) Process;
  luaL_getmetatable(L, kProcessType);
  lua_setmetatable(L, -2);
  return *process;
}
Process* to_process(lua_State* L, int index) { return static_cast<Process*>(userdata_of(L, index, kProcessType)); }

Result<pid_t> pid_argument(lua_State* L, int index, const char* function) {
  if (Process* process = to_process(L, index)) return process->pid;
  if (lua_type(L, index) != LUA_TNUMBER)
    return make_error(EINVAL, function, "", std::string("takes a process or a pid, got ") + luaL_typename(L, index));
  return static_cast<pid_t>(CCSAND_TRY(integer_argument(L, index, function, 1, 1 << 30)));
}

void abandon_processes() {
  // The pidfd stays: it says whose namespaces setns is to join. The other end of these
  // is to see when this process's parent closes them.
  for (Process* process : live()) {
    process->go.close();
    process->report.close();
  }
}

void open_processes(lua_State* L) {
  begin_type(L, kProcessType, collect_process, process_to_string, "a process");
  register_functions(L, kMethods);
  end_type(L);
}

}  // namespace ccsand
