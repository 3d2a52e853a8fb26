// Descriptors as Lua values, and what they share with processes.
#include "bindings/descriptor.hpp"

#include <poll.h>
#include <sys/mman.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <new>

#include "bindings/binding.hpp"
#include "bindings/table.hpp"
#include "core/clock.hpp"
#include "core/running.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {
constexpr const char* kDescriptorType = "ccsand.descriptor";

Result<Descriptor*> self(lua_State* L, const char* method) {
  Descriptor* descriptor = to_descriptor(L, 1);
  if (descriptor == nullptr) return make_error(EINVAL, method, "", "is a method of descriptors: descriptor:" + std::string(method) + "(...)");
  return descriptor;
}
Result<int> open_self(lua_State* L, const char* method) {
  Descriptor* descriptor = CCSAND_TRY(self(L, method));
  if (!descriptor->fd.open()) return make_error(EBADF, method, "descriptor", "is closed");
  return descriptor->fd.get();
}
std::string name_of(int fd) { return "descriptor " + std::to_string(fd); }

Result<int> close_body(lua_State* L) {
  CCSAND_TRY(self(L, "close"))->fd.close();
  return 0;
}
Result<int> fileno_body(lua_State* L) {
  lua_pushinteger(L, CCSAND_TRY(open_self(L, "fileno")));
  return 1;
}
// read(n): at most n bytes (64 KiB), "" at the end. read("*a"): all to the end.
Result<int> read_body(lua_State* L) {
  constexpr std::int64_t kMost = 1 << 30;
  int fd = CCSAND_TRY(open_self(L, "read"));
  bool all = lua_type(L, 2) == LUA_TSTRING && (std::string_view(lua_tostring(L, 2)) == "*a" || std::string_view(lua_tostring(L, 2)) == "a");
  std::int64_t most = 65536;
  if (!all && !lua_isnoneornil(L, 2)) most = CCSAND_TRY(integer_argument(L, 2, "read", 1, kMost));
  std::string text, part(static_cast<std::size_t>(most), '\0');
  do {
    pollfd readable = {fd, POLLIN, 0};
    if (CCSAND_TRY(sys::poll(&readable, 1, -1)) == 0) return lua_pushnil(L), 1;  // a signal: Lua raises it
    std::size_t size = CCSAND_TRY(sys::read(fd, part.data(), part.size(), name_of(fd)));
    if (size == 0) break;
    text.append(part, 0, size);
  } while (all);
  push_text(L, text);
  return 1;
}
Result<int> write_body(lua_State* L) {
  int fd = CCSAND_TRY(open_self(L, "write"));
  if (lua_type(L, 2) != LUA_TSTRING) return make_error(EINVAL, "write", "", "takes a string");
  std::size_t size = 0;
  const char* data = lua_tolstring(L, 2, &size);
  auto before = std::signal(SIGPIPE, SIG_IGN);  // a broken pipe is an error, not the end of this process
  auto done = sys::write_all(fd, {data, size}, name_of(fd));
  (void)std::signal(SIGPIPE, before);  // what it was
  CCSAND_TRY(done);
  return 0;
}
int descriptor_to_string(lua_State* L) {
  Descriptor* descriptor = to_descriptor(L, 1);
  if (descriptor == nullptr || !descriptor->fd.open()) lua_pushliteral(L, "descriptor (closed)");
  else lua_pushfstring(L, "descriptor %d", descriptor->fd.get());
  return 1;
}
int collect_descriptor(lua_State* L) {
  // Empty afterwards, so that a call by a later finalizer finds it closed.
  if (Descriptor* descriptor = to_descriptor(L, 1)) descriptor->fd.close();
  return 0;
}
constexpr Function kMethods[] = {{"close", binding<close_body>},
                                 {"fileno", binding<fileno_body>},
                                 {"read", binding<read_body>},
                                 {"write", binding<write_body>}};
}  // namespace

void* userdata_of(lua_State* L, int index, const char* type) {
  void* data = lua_touserdata(L, index);
  if (data == nullptr || lua_getmetatable(L, index) == 0) return nullptr;
  luaL_getmetatable(L, type);
  bool right = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  return right ? data : nullptr;
}

Descriptor& push_descriptor(lua_State* L) {
  auto* descriptor = new (lua_newuserdata(L, sizeof(Descriptor))) Descriptor;
  luaL_getmetatable(L, kDescriptorType);
  lua_setmetatable(L, -2);
  return *descriptor;
}
Descriptor* to_descriptor(lua_State* L, int index) {
  return static_cast<Descriptor*>(userdata_of(L, index, kDescriptorType));
}
Result<int> descriptor_argument(lua_State* L, int index, const char* function) {
  if (Descriptor* descriptor = to_descriptor(L, index)) {
    if (!descriptor->fd.open()) return make_error(EBADF, function, "descriptor", "is closed");
    return descriptor->fd.get();
  }
  double number = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : -1;
  if (!(number >= 0 && number <= (1 << 30) && number == std::floor(number)))
    return make_error(EINVAL, function, "", std::string("takes a descriptor, got ") + luaL_typename(L, index));
  return static_cast<int>(number);
}
Result<std::int64_t> deadline_argument(lua_State* L, int index, const char* function) {
  if (lua_isnoneornil(L, index)) return std::int64_t{-1};
  std::size_t size = 0;
  if (lua_type(L, index) != LUA_TNUMBER && lua_type(L, index) != LUA_TSTRING)
    return make_error(EINVAL, function, "timeout", "must be a time in seconds or text such as \"1.5s\"");
  const char* text = lua_tolstring(L, index, &size);
  std::int64_t time = CCSAND_TRY(parse_duration_ns({text, size}));
  if (time < 0) return make_error(EINVAL, function, "timeout", "must not be negative");
  std::int64_t end = 0;
  if (__builtin_add_overflow(monotonic_ns(), time, &end)) return std::int64_t{-1};
  return end;
}

void begin_type(lua_State* L, const char* type, lua_CFunction collect, lua_CFunction to_string, const char* shown) {
  luaL_newmetatable(L, type);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, to_string);
  lua_setfield(L, -2, "__tostring");
  lua_pushstring(L, shown);
  lua_setfield(L, -2, "__metatable");
  lua_createtable(L, 0, 8);
}

void end_type(lua_State* L) {
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
void open_descriptors(lua_State* L) {
  begin_type(L, kDescriptorType, collect_descriptor, descriptor_to_string, "a descriptor");
  register_functions(L, kMethods);
  end_type(L);
  open_processes(L);
}

}  // namespace ccsand
