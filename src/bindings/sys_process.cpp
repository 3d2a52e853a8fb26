// ccsand.sys: a process's attributes, and what it becomes by exec.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bindings/sys.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
constexpr Name kIoClasses[] = {{"none", 0}, {"realtime", 1}, {"best_effort", 2}, {"idle", 3}};

// The process that attributes are set on: this one where the argument is left out.
Result<void> read_target(lua_State* L, int index, const char* function, Context& context) {
  if (!lua_isnoneornil(L, index)) context.child = CCSAND_TRY(pid_argument(L, index, function));
  return {};
}

// A limit: a number, a size such as "64M", or "unlimited".
Result<std::uint64_t> limit_value(lua_State* L, int index, const char* what) {
  if (lua_type(L, index) == LUA_TSTRING && std::strcmp(lua_tostring(L, index), "unlimited") == 0) return UINT64_MAX;
  std::size_t size = 0;
  if (lua_type(L, index) != LUA_TSTRING && lua_type(L, index) != LUA_TNUMBER)
    return make_error(EINVAL, "setrlimit", what, "must be a number, text such as \"64M\", or \"unlimited\"");
  lua_pushvalue(L, index);
  const char* text = lua_tolstring(L, -1, &size);
  auto value = parse_size({text, size});
  lua_pop(L, 1);
  if (value) return value;
  return make_error(EINVAL, "setrlimit", what, "must be a number, text such as \"64M\", or \"unlimited\"");
}
// setrlimit(resource, soft, hard, process)
Result<int> setrlimit_body(lua_State* L) {
  OneShot shot;
  SetResourceLimit op;
  op.resource = static_cast<int>(CCSAND_TRY(word_value(L, 1, resource_names(), "setrlimit.resource")));
  op.soft = op.hard = CCSAND_TRY(limit_value(L, 2, "soft"));
  if (!lua_isnoneornil(L, 3)) op.hard = CCSAND_TRY(limit_value(L, 3, "hard"));
  CCSAND_TRY(read_target(L, 4, "setrlimit", shot.context));
  return shot.run(op);
}
// getrlimit(resource): soft, hard
Result<int> getrlimit_body(lua_State* L) {
  auto resource = CCSAND_TRY(word_value(L, 1, resource_names(), "getrlimit.resource"));
  rlimit64 limit = CCSAND_TRY(sys::getrlimit(static_cast<int>(resource), word_of(resource_names(), resource)));
  for (std::uint64_t value : {limit.rlim_cur, limit.rlim_max}) {
    if (value == UINT64_MAX) lua_pushliteral(L, "unlimited");
    else lua_pushnumber(L, static_cast<double>(value));
  }
  return 2;
}
Result<int> nice_body(lua_State* L) {
  OneShot shot;
  SetNice op{static_cast<int>(CCSAND_TRY(integer_argument(L, 1, "nice", -20, 19)))};
  CCSAND_TRY(read_target(L, 2, "nice", shot.context));
  return shot.run(op);
}
Result<int> sched_setscheduler_body(lua_State* L) {
  OneShot shot;
  SetScheduler op;
  op.policy = static_cast<int>(CCSAND_TRY(word_value(L, 1, scheduler_names(), "sched_setscheduler.policy")));
  if (!lua_isnoneornil(L, 2)) op.priority = static_cast<int>(CCSAND_TRY(integer_argument(L, 2, "sched_setscheduler", 0, 99)));
  CCSAND_TRY(read_target(L, 3, "sched_setscheduler", shot.context));
  return shot.run(op);
}
Result<int> sched_setaffinity_body(lua_State* L) {
  OneShot shot;
  SetAffinity op;
  for (std::int64_t cpu : CCSAND_TRY(integers_value(L, 1, "sched_setaffinity", 0, CPU_SETSIZE - 1))) op.cpus.push_back(static_cast<int>(cpu));
  CCSAND_TRY(read_target(L, 2, "sched_setaffinity", shot.context));
  return shot.run(op);
}
Result<int> sched_getaffinity_body(lua_State* L) {
  Context context;
  CCSAND_TRY(read_target(L, 1, "sched_getaffinity", context));
  cpu_set_t cpus = CCSAND_TRY(sys::sched_getaffinity(context.child));
  lua_createtable(L, 8, 0);
  int count = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(static_cast<std::size_t>(cpu), &cpus)) continue;
    lua_pushinteger(L, cpu);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}
Result<int> ioprio_set_body(lua_State* L) {
  OneShot shot;
  SetIoPriority op;
  op.io_class = static_cast<int>(CCSAND_TRY(word_value(L, 1, kIoClasses, "ioprio_set.class")));
  op.level = op.io_class == 1 || op.io_class == 2 ? 4 : 0;
  if (!lua_isnoneornil(L, 2)) op.level = static_cast<int>(CCSAND_TRY(integer_argument(L, 2, "ioprio_set", 0, 7)));
  CCSAND_TRY(read_target(L, 3, "ioprio_set", shot.context));
  return shot.run(op);
}
Result<int> oom_score_adj_body(lua_State* L) {
  OneShot shot;
  SetOomScoreAdj op{static_cast<int>(CCSAND_TRY(integer_argument(L, 1, "oom_score_adj", -1000, 1000)))};
  CCSAND_TRY(read_target(L, 2, "oom_score_adj", shot.context));
  return shot.run(op);
}
Result<int> personality_body(lua_State* L) {
  OneShot shot;
  return shot.run(SetPersonality{CCSAND_TRY(bits_value(L, 1, personality_names(), "personality", false))});
}

// ---- prctl(2)

// set_pdeathsig(signal), or false for none; lasts through exec for a child of sys.clone
Result<int> set_pdeathsig_body(lua_State* L) {
  OneShot shot;
  SetParentDeathSignal op{0, false};
  if (!lua_isboolean(L, 1) || lua_toboolean(L, 1) != 0) op.signal = static_cast<int>(CCSAND_TRY(word_value(L, 1, signal_names(), "set_pdeathsig")));
  CCSAND_TRY(apply(op, shot.context));
  set_child_death_signal(op.signal);
  return 0;
}
Result<bool> boolean_argument(lua_State* L, int index, const char* function, bool otherwise) {
  if (lua_isnoneornil(L, index)) return otherwise;
  if (!lua_isboolean(L, index)) return make_error(EINVAL, function, "", std::string("takes true or false, got ") + luaL_typename(L, index));
  return lua_toboolean(L, index) != 0;
}
Result<int> set_dumpable_body(lua_State* L) {
  OneShot shot;
  return shot.run(SetDumpable{CCSAND_TRY(boolean_argument(L, 1, "set_dumpable", true))});
}
Result<int> set_child_subreaper_body(lua_State* L) {
  OneShot shot;
  return shot.run(SetChildSubreaper{CCSAND_TRY(boolean_argument(L, 1, "set_child_subreaper", true))});
}
Result<int> set_name_body(lua_State* L) {
  OneShot shot;
  SetProcessName op{CCSAND_TRY(text_argument(L, 1, "set_name"))};
  if (op.name.size() > 15) return make_error(EINVAL, "set_name", op.name, "is longer than 15 bytes");
  return shot.run(op);
}
Result<int> setsid_body(lua_State*) {
  OneShot shot;
  return shot.run(StartSession{});
}

// ---- processes

// pidfd_open(pid): a handle
Result<int> pidfd_open_body(lua_State* L) {
  auto pid = static_cast<pid_t>(CCSAND_TRY(integer_argument(L, 1, "pidfd_open", 1, 1 << 30)));
  Process& process = push_process(L);
  process.pidfd = CCSAND_TRY(sys::pidfd_open(pid));
  process.pid = pid;
  return 1;
}
Result<int> getpid_body(lua_State* L) {
  lua_pushinteger(L, sys::getpid());
  return 1;
}
Result<int> getppid_body(lua_State* L) {
  lua_pushinteger(L, ::getppid());
  return 1;
}
Result<int> getuid_body(lua_State* L) {
  lua_pushnumber(L, ::getuid());
  return 1;
}
Result<int> getgid_body(lua_State* L) {
  lua_pushnumber(L, ::getgid());
  return 1;
}

// ---- exec

// NAME=value of the key `env`; this process's own environment where it is not there.
Result<std::vector<std::string>> read_environment(Table* options) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::vector<std::string> env;
  if (options != nullptr && CCSAND_TRY(options->pairs("env", pairs))) {
    for (const auto& [name, value] : pairs) {
      if (name.empty() || name.find('=') != std::string::npos) return options->wrong("env", "has '" + name + "' as a name");
      env.push_back(name + "=" + value);
    }
    return env;
  }
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) env.emplace_back(*entry);
  return env;
}
// path = true: the PATH that the command gets; text: that list of directories.
Result<void> read_path(Table& options, Exec& op) {
  lua_State* L = options.state();
  int at = options.push("path");
  if (lua_type(L, at) == LUA_TSTRING) {
    op.path = lua_tostring(L, at);
  } else if (lua_isboolean(L, at) && lua_toboolean(L, at) != 0) {
    op.path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const std::string& entry : op.env)
      if (entry.starts_with("PATH=")) op.path = entry.substr(5);
  } else if (!lua_isnil(L, at) && !lua_isboolean(L, at)) {
    return options.wrong_type("path", "true or a list of directories such as \"/bin:/usr/bin\"", at);
  }
  return {};
}
// seccomp = the bytes of a compiled program (struct sock_filter, 8 bytes each).
Result<std::optional<LoadFilter>> read_filter(Table& options) {
  lua_State* L = options.state();
  int at = options.push("seccomp");
  if (lua_isnil(L, at)) return std::optional<LoadFilter>();
  if (lua_type(L, at) != LUA_TSTRING) return options.wrong_type("seccomp", "a compiled filter", at);
  auto program = program_value(L, at);
  if (!program) return options.wrong("seccomp", "must be 1 to 4096 BPF instructions of 8 bytes");
  LoadFilter filter;
  filter.program = std::move(*program);
  return std::optional<LoadFilter>(std::move(filter));
}

// exec(argv, { env =, path =, fd =, seccomp = }); the keys may stand in argv, too.
Result<int> exec_body(lua_State* L) {
  Exec op;
  std::optional<LoadFilter> filter;
  op.argv = CCSAND_TRY(texts_value(L, 1, "exec.argv"));
  if (op.argv.empty()) return make_error(EINVAL, "exec", "exec.argv", "is empty");
  bool apart = !lua_isnoneornil(L, 2);
  Table options = CCSAND_TRY(Table::argument(L, apart ? 2 : 1, "exec"));
  if (!apart) options.known("[]");
  op.env = CCSAND_TRY(read_environment(&options));
  CCSAND_TRY(read_path(options, op));
  op.fd = CCSAND_TRY(descriptor_key(options, "fd"));
  filter = CCSAND_TRY(read_filter(options));
  CCSAND_TRY(options.finish());

  Context context;
  context.exec = make_image(op, context.identity);  // nothing is allocated once the filter is loaded
  (void)std::fflush(nullptr);
  CCSAND_TRY(tie_to_parent());
  if (filter) CCSAND_TRY(apply(*filter, context));
  auto done = apply(op, context);
  if (filter) end_with_error(L, done.error());  // no Lua code may run under the filter
  return done.error();
}

constexpr Function kFunctions[] = {{"setrlimit", binding<setrlimit_body>},
                                   {"getrlimit", binding<getrlimit_body>},
                                   {"nice", binding<nice_body>},
                                   {"sched_setscheduler", binding<sched_setscheduler_body>},
                                   {"sched_setaffinity", binding<sched_setaffinity_body>},
                                   {"sched_getaffinity", binding<sched_getaffinity_body>},
                                   {"ioprio_set", binding<ioprio_set_body>},
                                   {"oom_score_adj", binding<oom_score_adj_body>},
                                   {"personality", binding<personality_body>},
                                   {"set_pdeathsig", binding<set_pdeathsig_body>},
                                   {"set_dumpable", binding<set_dumpable_body>},
                                   {"set_child_subreaper", binding<set_child_subreaper_body>},
                                   {"set_name", binding<set_name_body>},
                                   {"setsid", binding<setsid_body>},
                                   {"pidfd_open", binding<pidfd_open_body>},
                                   {"getpid", binding<getpid_body>},
                                   {"getppid", binding<getppid_body>},
                                   {"getuid", binding<getuid_body>},
                                   {"getgid", binding<getgid_body>},
                                   {"exec", binding<exec_body>}};
}  // namespace

void add_process_functions(lua_State* L) { register_functions(L, kFunctions); }

}  // namespace ccsand
