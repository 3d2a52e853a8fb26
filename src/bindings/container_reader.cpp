// The table of a container, key by key: who runs in it, what, and with which limits.
// What it runs in is read in environment_reader.cpp.
#include "bindings/container_reader.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "bindings/environment_reader.hpp"
#include "bindings/landlock_reader.hpp"
#include "bindings/sys.hpp"
#include "bindings/table.hpp"
#include "core/container_name.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand {

// "default", "none", "all", a list of words, or { add = ..., drop = ... } on the default.
Result<void> read_capabilities(Table& container, ContainerSpec& spec) {
  lua_State* L = container.state();
  spec.capabilities = default_capabilities();
  int at = container.push("capabilities");
  if (lua_isnil(L, at)) return {};
  if (lua_type(L, at) == LUA_TSTRING) {
    std::string_view word = lua_tostring(L, at);
    if (word == "none") spec.capabilities = 0;
    else if (word == "all") spec.capabilities = (std::uint64_t{1} << capability_names().size()) - 1;
    else if (word != "default") return container.wrong("capabilities", "must be \"default\", \"none\", \"all\", a list, or { add = ..., drop = ... }");
    return {};
  }
  if (!lua_istable(L, at)) return container.wrong_type("capabilities", "a word or a table", at);
  if (lua_objlen(L, at) > 0) {
    spec.capabilities = CCSAND_TRY(bits_value(L, at, capability_names(), container.name_of("capabilities"), true));
    return {};
  }
  Table table(L, at, container.name_of("capabilities"));
  std::uint64_t add = 0, drop = 0;
  CCSAND_TRY(table.set("add", capability_names(), add));
  CCSAND_TRY(table.set("drop", capability_names(), drop));
  if ((add & drop) != 0) return table.wrong("drop", "names a capability that 'add' names, too");
  CCSAND_TRY(table.set("ambient", capability_names(), spec.ambient));
  spec.capabilities = (spec.capabilities | add | spec.ambient) & ~drop;
  return table.finish();
}

namespace {

Result<void> read_groups(Table& table, ContainerSpec& spec) {
  std::vector<std::int64_t> groups;
  if (!CCSAND_TRY(table.integers("groups", groups, 0, 4294967294))) return {};
  spec.command_groups.emplace();
  for (std::int64_t group : groups) spec.command_groups->push_back(static_cast<gid_t>(group));
  return {};
}

// A string, or a number as one.
Result<void> read_id(Table& table, const char* key, std::string& out) {
  lua_State* L = table.state();
  int at = table.push(key);
  if (lua_type(L, at) != LUA_TNUMBER) return table.text(key, out) ? Result<void>() : table.wrong_type(key, "a name or a number", at);
  std::int64_t number = 0;
  CCSAND_TRY(table.integer(key, number, 0, 4294967294));
  out = std::to_string(number);
  return {};
}

Result<void> read_identity(Table& table, ContainerSpec& spec) {
  CCSAND_TRY(read_id(table, "user", spec.command_user));
  CCSAND_TRY(read_id(table, "group", spec.command_group));
  CCSAND_TRY(read_groups(table, spec));
  CCSAND_TRY(read_capabilities(table, spec));
  CCSAND_TRY(table.bits("securebits", securebit_names(), spec.securebits));
  CCSAND_TRY(table.boolean("no_new_privs", spec.no_new_privs));
  lua_State* L = table.state();
  int rules = table.push("landlock");
  if (!lua_isnil(L, rules) && !lua_istable(L, rules)) return table.wrong_type("landlock", "a table", rules);
  if (lua_istable(L, rules)) spec.landlock = CCSAND_TRY(read_landlock(L, rules, table.name_of("landlock")));
  int at = table.push("seccomp");
  if (lua_isnil(L, at)) return {};
  if (!lua_istable(L, at)) return table.wrong_type("seccomp", "a table", at);
  Table seccomp(L, at, table.name_of("seccomp"));
  // A compiled program as seccomp(2) takes it: instructions of eight bytes.
  int bytes = seccomp.push("bpf");
  auto program = program_value(L, bytes);
  if (!program) return seccomp.wrong("bpf", "must be a program of 1 to 4096 instructions of eight bytes each");
  spec.filter = std::move(*program);
  spec.filter_name = "bpf";
  CCSAND_TRY(seccomp.text("name", spec.filter_name));
  CCSAND_TRY(seccomp.boolean("notifies", spec.filter_notifies));
  return seccomp.finish();
}

// { nofile = 1024 } or { nofile = { soft, hard } }, "unlimited" for none.
Result<void> read_rlimits(Table& container, ContainerSpec& spec) {
  lua_State* L = container.state();
  int at = container.push("rlimits");
  if (lua_isnil(L, at)) return {};
  if (!lua_istable(L, at)) return container.wrong_type("rlimits", "a table", at);
  Table table(L, at, container.name_of("rlimits"));
  for (const Name& name : resource_names()) {
    std::string key(name.word);
    int value = table.push(name.word.data());
    if (lua_isnil(L, value)) continue;
    std::uint64_t pair[2] = {};
    for (int i = 0; i < 2; ++i) {
      if (lua_istable(L, value)) lua_rawgeti(L, value, i + 1);
      else lua_pushvalue(L, value);
      bool unlimited = lua_type(L, -1) == LUA_TSTRING && std::string_view(lua_tostring(L, -1)) == "unlimited";
      auto size = unlimited ? Result<std::uint64_t>(UINT64_MAX)
                  : lua_type(L, -1) == LUA_TNUMBER || lua_type(L, -1) == LUA_TSTRING ? parse_size(lua_tostring(L, -1))
                  : Result<std::uint64_t>(make_error(EINVAL, "", "", "must be a number, a size, \"unlimited\" or { soft, hard }"));
      if (!size) return table.wrong(key.c_str(), size.error().message());
      pair[i] = *size;
      lua_pop(L, 1);
    }
    if (pair[0] > pair[1]) return table.wrong(key.c_str(), "has a soft limit above its hard one");
    spec.rlimits.push_back({static_cast<int>(name.value), pair[0], pair[1]});
  }
  return table.finish();
}

Result<void> read_scheduling(Table& table, ContainerSpec& spec) {
  std::int64_t value = 0;
  if (CCSAND_TRY(table.integer("nice", value, -20, 19))) spec.nice = static_cast<int>(value);
  if (CCSAND_TRY(table.integer("oom_score_adj", value, -1000, 1000))) spec.oom_score_adj = static_cast<int>(value);
  CCSAND_TRY(mode_key(table, "umask", spec.umask));
  std::vector<std::int64_t> cpus;
  if (CCSAND_TRY(table.integers("cpu_affinity", cpus, 0, 1023)))
    for (std::int64_t cpu : cpus) spec.cpu_affinity.push_back(static_cast<int>(cpu));
  std::uint64_t word = 0;
  if (CCSAND_TRY(table.word("scheduler", scheduler_names(), word))) spec.scheduler = SetScheduler{static_cast<int>(word), 0};
  if (CCSAND_TRY(table.integer("scheduler_priority", value, 1, 99))) {
    if (!spec.scheduler) return table.wrong("scheduler_priority", "needs a scheduler");
    spec.scheduler->priority = static_cast<int>(value);
  }
  static constexpr Name kClasses[] = {{"realtime", 1}, {"best_effort", 2}, {"idle", 3}};
  if (CCSAND_TRY(table.word("ioprio", kClasses, word))) spec.ioprio = SetIoPriority{static_cast<int>(word), 4};
  if (CCSAND_TRY(table.integer("ioprio_level", value, 0, 7))) {
    if (!spec.ioprio) return table.wrong("ioprio_level", "needs an ioprio");
    spec.ioprio->level = static_cast<int>(value);
  }
  if (CCSAND_TRY(table.bits("personality", personality_names(), word))) spec.personality = word;
  return {};
}

Result<void> read_limits_of(Table& container, ContainerSpec& spec) {
  lua_State* L = container.state();
  int at = container.push("limits");
  if (!lua_isnil(L, at)) {
    if (!lua_istable(L, at)) return container.wrong_type("limits", "a table", at);
    spec.limits = CCSAND_TRY(read_limits(L, at, "container.limits"));
  }
  CCSAND_TRY(container.boolean("cgroup", spec.cgroup_wanted));
  CCSAND_TRY(read_rlimits(container, spec));
  return read_scheduling(container, spec);
}

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

Result<void> read_command(Table& table, ContainerRequest& request) {
  ContainerSpec& spec = request.spec;
  CCSAND_TRY(table.texts("command", spec.argv));
  if (spec.argv.empty()) spec.argv = {"/bin/sh"};
  spec.path = kDefaultPath;
  std::vector<std::pair<std::string, std::string>> env;
  CCSAND_TRY(table.pairs("env", env));
  bool clear = false;
  CCSAND_TRY(table.boolean("clear_env", clear));
  bool path = clear, term = clear, home = clear;
  for (const auto& [name, value] : env) {
    if (name.empty() || name.find('=') != std::string::npos) return table.wrong("env", "has a name that is empty or holds '='");
    path = path || name == "PATH";
    term = term || name == "TERM";
    home = home || name == "HOME";
    if (name == "PATH") spec.path = value;
    spec.env.push_back(name + "=" + value);
  }
  if (!path) spec.env.push_back(std::string("PATH=") + kDefaultPath);
  spec.home_from_user = !home;
  if (spec.mount.kind == NamespaceChoice::joined) {  // no files to look anything up in
    spec.home_from_user = false;
    if (spec.command_user.empty()) spec.command_user = "0";
    if (spec.command_group.empty()) spec.command_group = "0";
    if (!spec.command_groups) spec.command_groups.emplace();
  }
  CCSAND_TRY(table.text("cwd", spec.cwd));
  CCSAND_TRY(table.boolean("init", spec.init));
  CCSAND_TRY(table.boolean("new_session", spec.new_session));
  std::string automatic;
  int at = table.push("terminal");
  if (lua_type(table.state(), at) == LUA_TSTRING) {
    CCSAND_TRY(table.text("terminal", automatic));
    if (automatic != "auto") return table.wrong("terminal", "must be true, false or \"auto\"");
    request.terminal_if_interactive = true;
  } else {
    CCSAND_TRY(table.boolean("terminal", spec.terminal));
  }
  std::vector<std::int64_t> kept;
  CCSAND_TRY(table.integers("keep_descriptors", kept, 3, 1 << 20));
  for (std::int64_t fd : kept) spec.kept_descriptors.push_back(static_cast<int>(fd));
  std::sort(spec.kept_descriptors.begin(), spec.kept_descriptors.end());
  if (!term) {
    const char* name = getenv("TERM");
    if (name != nullptr && (spec.terminal || request.terminal_if_interactive)) spec.env.push_back(std::string("TERM=") + name);
  }
  return {};
}

Result<void> read_run_options(Table& table, ContainerRequest& request) {
  RunOptions& options = request.options;
  if (CCSAND_TRY(table.text("name", options.name))) {
    auto good = check_container_name(options.name);
    if (!good) return table.wrong("name", good.error().reason.view());
  }
  if (CCSAND_TRY(table.duration_ns("timeout", options.timeout_ns)) && options.timeout_ns <= 0)
    return table.wrong("timeout", "must be more than nothing");
  if (CCSAND_TRY(table.duration_ns("cpu_time", options.cpu_time_ns)) && options.cpu_time_ns <= 0)
    return table.wrong("cpu_time", "must be more than nothing");
  CCSAND_TRY(table.size("output_limit", options.output_limit));
  CCSAND_TRY(table.boolean("limit_output", options.limit_output));
  std::int64_t offset = 0;
  lua_State* L = table.state();
  int at = table.push("time_offsets");
  if (lua_isnil(L, at)) return {};
  if (!lua_istable(L, at)) return table.wrong_type("time_offsets", "a table", at);
  Table offsets(L, at, table.name_of("time_offsets"));
  if (CCSAND_TRY(offsets.duration_ns("monotonic", offset))) request.spec.monotonic_offset_ns = offset;
  if (CCSAND_TRY(offsets.duration_ns("boottime", offset))) request.spec.boottime_offset_ns = offset;
  if (request.spec.time.kind == NamespaceChoice::joined) return table.wrong("time_offsets", "need a new time namespace");
  request.spec.time.kind = NamespaceChoice::fresh;
  return offsets.finish();
}

}  // namespace

Result<ContainerRequest> read_container(lua_State* L, int index) {
  Table table = CCSAND_TRY(Table::argument(L, index, "container"));
  ContainerRequest request;
  ContainerSpec& spec = request.spec;
  table.known("image");  // the Lua side has made a root of it
  for (const char* key : {"image_fallback", "created", "setup", "before_exec", "exited"}) table.known(key);
  CCSAND_TRY(read_environment(table, spec));
  CCSAND_TRY(table.text("hostname", spec.hostname));
  CCSAND_TRY(table.text("domainname", spec.domainname));
  CCSAND_TRY(read_identity(table, spec));
  CCSAND_TRY(read_limits_of(table, spec));
  CCSAND_TRY(read_command(table, request));
  CCSAND_TRY(read_run_options(table, request));
  CCSAND_TRY(table.finish());
  spec.network.host_name = is_host_name(spec.hostname) ? spec.hostname : std::string();  // that which was asked for
  if (spec.hostname.empty() && spec.uts.kind == NamespaceChoice::fresh) spec.hostname = "ccsand";
  CCSAND_TRY(validate(spec));
  return request;
}

}  // namespace ccsand
