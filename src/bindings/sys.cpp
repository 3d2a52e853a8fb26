// ccsand.sys: the kernel's primitives, each an operation applied at once. Here are the
// module's table and what its files share.
#include "bindings/sys.hpp"

#include <cerrno>
#include <cmath>

#include "bindings/modules.hpp"

namespace ccsand {

OneShot::~OneShot() {
  for (Slot slot : lent_) (void)context.take(slot).release();  // not ours to close
}
Slot OneShot::lend(int fd) {
  if (fd < 0) return kNoSlot;
  Slot slot = out();
  context.fds.back() = fd;
  lent_.push_back(slot);
  return slot;
}
Slot OneShot::out() {
  context.fds.push_back(-1);
  return static_cast<Slot>(context.fds.size() - 1);
}

Result<unsigned> mode_value(lua_State* L, int index, std::string_view what) {
  unsigned mode = 0;
  std::string_view text;
  if (lua_type(L, index) == LUA_TSTRING) text = lua_tostring(L, index);
  for (char c : text) mode = mode < 07777 && c >= '0' && c <= '7' ? mode * 8 + static_cast<unsigned>(c - '0') : 0100000;
  if (text.empty() || mode > 07777)
    return make_error(EINVAL, "", what, "must be octal text such as \"0755\"", "Lua has no octal numbers: put the mode in quotes");
  return mode;
}
Result<bool> mode_key(Table& table, const char* key, unsigned& out) {
  lua_State* L = table.state();
  int at = table.push(key);
  bool there = !lua_isnil(L, at);
  auto mode = there ? mode_value(L, at, table.name_of(key)) : Result<unsigned>(out);
  lua_pop(L, 1);
  out = CCSAND_TRY(mode);
  return there;
}

Result<std::optional<Table>> options_argument(lua_State* L, int index, const char* function) {
  if (lua_isnoneornil(L, index)) return std::optional<Table>();
  return std::optional<Table>(CCSAND_TRY(Table::argument(L, index, function)));
}
Result<int> descriptor_key(Table& table, const char* key) {
  lua_State* L = table.state();
  int at = table.push(key);
  auto fd = lua_isnil(L, at) ? Result<int>(-1) : descriptor_argument(L, at, "");
  lua_pop(L, 1);
  if (fd) return fd;
  Error error = fd.error();
  error.subject = table.name_of(key);
  return error;
}
Result<Place> place_in(OneShot& shot, const std::string& path, Table* options) {
  int root = options != nullptr ? CCSAND_TRY(descriptor_key(*options, "root")) : -1;
  return Place{shot.lend(root), path};
}
Result<void> need(Table& table, const char* key, bool there) {
  if (!there) return table.wrong(key, "is missing");
  return {};
}

Result<std::vector<std::string>> texts_value(lua_State* L, int index, std::string_view what) {
  if (!lua_istable(L, index)) return make_error(EINVAL, "", what, std::string("must be a list of strings, got ") + luaL_typename(L, index));
  std::vector<std::string> list;
  for (std::size_t i = 1; i <= lua_objlen(L, index); ++i) {
    lua_rawgeti(L, index, static_cast<int>(i));
    std::size_t size = 0;
    bool text = lua_type(L, -1) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER;
    const char* data = text ? lua_tolstring(L, -1, &size) : "";
    std::string word(data, size);
    lua_pop(L, 1);
    if (!text || word.find('\0') != std::string::npos)
      return make_error(EINVAL, "", std::string(what) + "[" + std::to_string(i) + "]", "must be a string without a zero byte");
    list.push_back(std::move(word));
  }
  return list;
}
Result<std::vector<std::int64_t>> integers_value(lua_State* L, int index, std::string_view what, std::int64_t least,
                                                 std::int64_t most) {
  Error wrong = make_error(EINVAL, "", what, "must be a list of whole numbers from " + std::to_string(least) + " to " + std::to_string(most));
  if (!lua_istable(L, index)) return wrong;
  std::vector<std::int64_t> list;
  for (std::size_t i = 1; i <= lua_objlen(L, index); ++i) {
    lua_rawgeti(L, index, static_cast<int>(i));
    double value = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : std::nan("");
    lua_pop(L, 1);
    if (!(value == std::floor(value) && value >= static_cast<double>(least) && value <= static_cast<double>(most))) return wrong;
    list.push_back(static_cast<std::int64_t>(value));
  }
  return list;
}

namespace {
void push_words(lua_State* L, std::span<const Name> names, std::uint64_t bits, bool is_set) {
  lua_createtable(L, 8, 0);
  int count = 0;
  for (const Name& name : names) {
    bool in = is_set ? (bits >> name.value & 1) != 0 : name.value != 0 && (bits & name.value) == name.value;
    if (!in) continue;
    push_text(L, name.word);
    lua_rawseti(L, -2, ++count);
  }
}
}  // namespace
void push_words_of_bits(lua_State* L, std::span<const Name> names, std::uint64_t bits) { push_words(L, names, bits, false); }
void push_words_of_set(lua_State* L, std::span<const Name> names, std::uint64_t set) { push_words(L, names, set, true); }

int open_sys(lua_State* L) {
  open_descriptors(L);
  lua_createtable(L, 0, 96);
  add_mount_functions(L);
  add_file_functions(L);
  add_namespace_functions(L);
  add_clone_functions(L);
  add_process_functions(L);
  add_identity_functions(L);
  return 1;
}

}  // namespace ccsand
