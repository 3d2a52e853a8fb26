// Methods of running containers for what goes in and out: streams and files.
#include "bindings/running_streams.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cmath>

#include "bindings/container_reader.hpp"
#include "bindings/table.hpp"
#include "core/container_file.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {

Result<std::string_view> bytes_argument(lua_State* L, int index, const char* function) {
  if (lua_type(L, index) != LUA_TSTRING) return make_error(EINVAL, function, "", "takes text");
  std::size_t size = 0;
  const char* data = lua_tolstring(L, index, &size);
  return std::string_view(data, size);
}
Result<std::uint64_t> limit_argument(lua_State* L, int index, const char* function) {
  double limit = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : -1;
  if (!(limit >= 0 && limit <= 9e15)) return make_error(EINVAL, function, "limit", "must be a number of bytes");
  return static_cast<std::uint64_t>(limit);
}

Result<int> write_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "write"));
  std::string_view text = CCSAND_TRY(bytes_argument(L, 2, "write"));
  CCSAND_TRY(handle->running->write(text));
  return 0;
}
Result<int> close_stdin_body(lua_State* L) {
  CCSAND_TRY(running_argument(L, "close_stdin"))->running->close_input();
  return 0;
}
// take(1 or 2): what came since, and whether more can come
Result<int> take_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "take"));
  auto which = CCSAND_TRY(integer_argument(L, 2, "take", 1, 2));
  bool open = false;
  push_text(L, handle->running->take_output(static_cast<int>(which) - 1, open));
  lua_pushboolean(L, open);
  return 2;
}
// kept(1 or 2, from): what is kept for the result and came after `from` bytes, and whether more can come
Result<int> kept_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "kept"));
  auto which = CCSAND_TRY(integer_argument(L, 2, "kept", 1, 2));
  auto from = CCSAND_TRY(integer_argument(L, 3, "kept", 0, std::int64_t{1} << 52));
  bool open = false;
  push_text(L, handle->running->kept_output(static_cast<int>(which) - 1, static_cast<std::size_t>(from), open));
  lua_pushboolean(L, open);
  return 2;
}
// await_news(deadline): outside of a loop
Result<int> await_news_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "await_news"));
  std::int64_t deadline = lua_type(L, 2) == LUA_TNUMBER ? static_cast<std::int64_t>(std::ceil(lua_tonumber(L, 2) * 1e9)) : -1;
  lua_pushboolean(L, CCSAND_TRY(handle->running->await_news(deadline)));
  return 1;
}

// serve(name, container): other processes run commands in it, which get the credentials of this table
Result<int> serve_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "name"));
  if (lua_type(L, 2) != LUA_TSTRING) return make_error(EINVAL, "name", "", std::string("takes text, got ") + luaL_typename(L, 2));
  std::string name = CCSAND_TRY(text_argument(L, 2, "name"));
  ContainerRequest request = CCSAND_TRY(read_container(L, 3));
  CCSAND_TRY(handle->running->serve(name, request.spec));
  return 0;
}
// name(): nil where it has none
Result<int> name_body(lua_State* L) {
  std::string name = CCSAND_TRY(running_argument(L, "name"))->running->name();
  if (name.empty()) return 0;
  push_text(L, name);
  return 1;
}

// ---- files

constexpr int kNew = O_WRONLY | O_CREAT | O_TRUNC;

// put_text(path, text, mode)
Result<int> put_text_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "copy_in"));
  std::string path = CCSAND_TRY(text_argument(L, 2, "copy_in"));
  std::string_view text = CCSAND_TRY(bytes_argument(L, 3, "copy_in"));
  auto mode = static_cast<unsigned>(CCSAND_TRY(integer_argument(L, 4, "copy_in", 0, 07777)));
  Fd file = CCSAND_TRY(open_in_container(*handle->running, path, kNew, mode));
  CCSAND_TRY(sys::write_all(file.get(), text, path));
  lua_pushnumber(L, static_cast<double>(text.size()));
  return 1;
}
// put_file(path, host path, mode, limit)
Result<int> put_file_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "copy_in"));
  std::string path = CCSAND_TRY(text_argument(L, 2, "copy_in"));
  std::string source = CCSAND_TRY(text_argument(L, 3, "copy_in"));
  auto mode = static_cast<unsigned>(CCSAND_TRY(integer_argument(L, 4, "copy_in", 0, 07777)));
  std::uint64_t limit = CCSAND_TRY(limit_argument(L, 5, "copy_in"));
  Fd from = CCSAND_TRY(sys::open(source.c_str(), O_RDONLY));
  Fd file = CCSAND_TRY(open_in_container(*handle->running, path, kNew, mode));
  lua_pushnumber(L, static_cast<double>(CCSAND_TRY(copy_bytes(from.get(), file.get(), limit, source))));
  return 1;
}
// get_text(path, limit)
Result<int> get_text_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "copy_out"));
  std::string path = CCSAND_TRY(text_argument(L, 2, "copy_out"));
  std::uint64_t limit = CCSAND_TRY(limit_argument(L, 3, "copy_out"));
  Fd file = CCSAND_TRY(open_in_container(*handle->running, path, O_RDONLY, 0));
  std::string text;
  char part[65536];
  for (;;) {
    std::size_t size = CCSAND_TRY(sys::read(file.get(), &part[0], sizeof part, path));
    if (size == 0) break;
    text.append(&part[0], size);
    if (text.size() > limit)
      return make_error(EFBIG, "copy_out", "'" + path + "'", "has more than " + std::to_string(limit) + " bytes", "raise it: { limit = \"1G\" }");
  }
  push_text(L, text);
  return 1;
}
// get_file(path, host path, limit)
Result<int> get_file_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "copy_out"));
  std::string path = CCSAND_TRY(text_argument(L, 2, "copy_out"));
  std::string target = CCSAND_TRY(text_argument(L, 3, "copy_out"));
  std::uint64_t limit = CCSAND_TRY(limit_argument(L, 4, "copy_out"));
  Fd file = CCSAND_TRY(open_in_container(*handle->running, path, O_RDONLY, 0));
  auto to = sys::open(target.c_str(), kNew | O_EXCL, 0600);
  const bool made = to.has_value();
  if (!made && to.error().code == EEXIST) to = sys::open(target.c_str(), kNew, 0600);
  if (!to) return to.error();
  auto copied = copy_bytes(file.get(), to->get(), limit, path);
  if (!copied && made) (void)sys::unlinkat(AT_FDCWD, target.c_str(), 0);  // half a file is worth nothing
  if (!copied) return copied.error();
  lua_pushnumber(L, static_cast<double>(*copied));
  return 1;
}
Result<int> exists_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "wait_for"));
  lua_pushboolean(L, exists_in_container(*handle->running, CCSAND_TRY(text_argument(L, 2, "wait_for"))));
  return 1;
}

// ---- of those that wait for their command

Result<int> get_ready_body(lua_State* L) {
  RunningHandle* handle = CCSAND_TRY(running_argument(L, "pool"));
  lua_pushboolean(L, CCSAND_TRY(handle->running->get_ready()));
  return 1;
}
Result<int> is_assembled_body(lua_State* L) {
  lua_pushboolean(L, CCSAND_TRY(running_argument(L, "pool"))->running->is_assembled());
  return 1;
}
Result<int> is_waiting_body(lua_State* L) {
  lua_pushboolean(L, CCSAND_TRY(running_argument(L, "pool"))->running->is_waiting());
  return 1;
}
// release(command or nil, { stdin =, timeout =, ..., background = })
Result<int> release_body(lua_State* L) {
  Running& running = *CCSAND_TRY(running_argument(L, "pool"))->running;
  Table table = CCSAND_TRY(Table::argument(L, 3, "pool"));
  RunOptions& options = running.options();
  std::string input;
  int at = table.push("stdin");
  if (lua_type(L, at) == LUA_TSTRING) {
    std::size_t size = 0;
    const char* data = lua_tolstring(L, at, &size);
    input.assign(data, size);
  } else if (!lua_isnil(L, at)) {
    return table.wrong_type("stdin", "a string", at);
  }
  if (CCSAND_TRY(table.duration_ns("timeout", options.timeout_ns)) && options.timeout_ns <= 0) return table.wrong("timeout", "must be more than nothing");
  if (CCSAND_TRY(table.duration_ns("cpu_time", options.cpu_time_ns)) && options.cpu_time_ns <= 0) return table.wrong("cpu_time", "must be more than nothing");
  CCSAND_TRY(table.size("output_limit", options.output_limit));
  CCSAND_TRY(table.boolean("limit_output", options.limit_output));
  CCSAND_TRY(table.boolean("background", options.background));
  CCSAND_TRY(table.finish());
  std::vector<std::string> argv;
  if (lua_istable(L, 2)) {
    for (int i = 1; i <= static_cast<int>(lua_objlen(L, 2)); ++i) {
      lua_rawgeti(L, 2, i);
      argv.push_back(CCSAND_TRY(text_argument(L, -1, "command")));
      lua_pop(L, 1);
    }
    if (argv.empty()) return make_error(EINVAL, "pool", "command", "must be a list of strings that is not empty");
  }
  for (const std::string& word : argv)
    if (word.find('\0') != std::string::npos) return make_error(EINVAL, "pool", "command", "has a word with a zero byte");
  CCSAND_TRY(running.release(argv, input));
  return 0;
}
Result<int> bury_body(lua_State*) {
  Running::bury();
  return 0;
}

constexpr Function kMethods[] = {{"write", binding<write_body>},       {"close_stdin", binding<close_stdin_body>},
                                 {"take", binding<take_body>},         {"await_news", binding<await_news_body>}, {"kept", binding<kept_body>},
                                 {"put_text", binding<put_text_body>}, {"put_file", binding<put_file_body>},
                                 {"get_text", binding<get_text_body>}, {"get_file", binding<get_file_body>},
                                 {"exists", binding<exists_body>},     {"get_ready", binding<get_ready_body>},
                                 {"is_assembled", binding<is_assembled_body>},
                                 {"is_waiting", binding<is_waiting_body>}, {"release", binding<release_body>},
                                 {"bury", binding<bury_body>},         {"serve", binding<serve_body>},
                                 {"name", binding<name_body>}};
}  // namespace

void register_stream_methods(lua_State* L) { register_functions(L, kMethods); }

}  // namespace ccsand
