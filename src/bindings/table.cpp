// Strict tables.
#include "bindings/table.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

namespace ccsand {

namespace {
std::string_view view(lua_State* L, int index) {
  std::size_t size = 0;
  const char* data = lua_tolstring(L, index, &size);
  return {data, size};
}
bool is_text(lua_State* L, int index) { return lua_type(L, index) == LUA_TSTRING; }

// Pops what a reader pushed, whatever way it leaves.
struct Popper {
  lua_State* L;
  int top;
  explicit Popper(lua_State* state) : L(state), top(lua_gettop(state)) {}
  Popper(const Popper&) = delete;
  Popper& operator=(const Popper&) = delete;
  ~Popper() { lua_settop(L, top); }
};

Error unknown_word(std::string_view what, std::string_view word, std::span<const Name> names) {
  std::string reason = "'" + std::string(word) + "' is not known";
  if (std::string_view near = nearest(word, names); !near.empty()) reason += "; did you mean '" + std::string(near) + "'?";
  return make_error(EINVAL, "", what, reason);
}
}  // namespace

Table::Table(lua_State* L, int index, std::string path)
    : L_(L), index_(index < 0 ? lua_gettop(L) + index + 1 : index), path_(std::move(path)) {}

Result<Table> Table::argument(lua_State* L, int index, const char* function) {
  if (lua_type(L, index) != LUA_TTABLE)
    return make_error(EINVAL, function, "", std::string("takes a table, got ") + luaL_typename(L, index));
  return Table(L, index, function);
}

std::string Table::name_of(const char* key) const { return path_.empty() ? key : path_ + "." + key; }
Error Table::wrong(const char* key, std::string_view reason) const { return make_error(EINVAL, "", name_of(key), reason); }
Error Table::wrong_type(const char* key, const char* wanted, int at) const {
  return wrong(key, std::string("must be ") + wanted + ", got " + luaL_typename(L_, at));
}

int Table::push(const char* key) {
  known(key);
  luaL_checkstack(L_, 8, "too many keys");
  lua_pushstring(L_, key);
  lua_rawget(L_, index_);
  return lua_gettop(L_);
}

Result<bool> Table::text(const char* key, std::string& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  if (!is_text(L_, at)) return wrong_type(key, "a string", at);
  std::string_view text = view(L_, at);
  if (text.find('\0') != std::string_view::npos) return wrong(key, "holds a zero byte");
  out = text;
  return true;
}
Result<bool> Table::boolean(const char* key, bool& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  if (!lua_isboolean(L_, at)) return wrong_type(key, "true or false", at);
  out = lua_toboolean(L_, at) != 0;
  return true;
}
Result<bool> Table::number(const char* key, double& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  if (lua_type(L_, at) != LUA_TNUMBER) return wrong_type(key, "a number", at);
  out = lua_tonumber(L_, at);
  return true;
}
Result<bool> Table::integer(const char* key, std::int64_t& out, std::int64_t least, std::int64_t most) {
  double value = 0;
  if (!CCSAND_TRY(number(key, value))) return false;
  if (value != std::floor(value) || value < static_cast<double>(least) || value > static_cast<double>(most))
    return wrong(key, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  out = static_cast<std::int64_t>(value);
  return true;
}
Result<bool> Table::size(const char* key, std::uint64_t& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  if (lua_type(L_, at) != LUA_TNUMBER && !is_text(L_, at)) return wrong_type(key, "a size in bytes or text such as \"256M\"", at);
  auto parsed = parse_size(view(L_, at));
  if (!parsed) return wrong(key, parsed.error().message());
  out = *parsed;
  return true;
}
Result<bool> Table::duration_ns(const char* key, std::int64_t& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  if (lua_type(L_, at) != LUA_TNUMBER && !is_text(L_, at)) return wrong_type(key, "a time in seconds or text such as \"1.5s\"", at);
  auto parsed = parse_duration_ns(view(L_, at));
  if (!parsed) return wrong(key, parsed.error().message());
  out = *parsed;
  return true;
}
Result<void> Table::require_list(const char* key, int at) {
  std::size_t count = 0, length = 0;
  for (lua_pushnil(L_); lua_next(L_, at) != 0; lua_pop(L_, 1))
    if (lua_type(L_, -2) != LUA_TNUMBER || lua_tonumber(L_, -2) > 0) ++count;  // `arg` has the recipe at 0
  for (;; ++length) {  // the border that lua_objlen picks may lie behind a hole
    lua_rawgeti(L_, at, static_cast<int>(length + 1));
    bool end = lua_isnil(L_, -1);
    lua_pop(L_, 1);
    if (end) break;
  }
  if (count == length) return {};
  return wrong(key, "must be a list without holes or named keys");
}
Result<bool> Table::texts(const char* key, std::vector<std::string>& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  if (!lua_istable(L_, at)) return wrong_type(key, "a list of strings", at);
  CCSAND_TRY(require_list(key, at));
  std::vector<std::string> list;
  for (std::size_t i = 1; i <= lua_objlen(L_, at); ++i) {
    lua_rawgeti(L_, at, static_cast<int>(i));
    if (lua_type(L_, -1) != LUA_TSTRING && lua_type(L_, -1) != LUA_TNUMBER) {
      return wrong((std::string(key) + "[" + std::to_string(i) + "]").c_str(),
                   std::string("must be a string, got ") + luaL_typename(L_, -1));
    }
    std::string_view text = view(L_, -1);
    if (text.find('\0') != std::string_view::npos) return wrong(key, "holds a zero byte");
    list.emplace_back(text);
    lua_pop(L_, 1);
  }
  out = std::move(list);
  return true;
}
Result<bool> Table::integers(const char* key, std::vector<std::int64_t>& out, std::int64_t least, std::int64_t most) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  if (!lua_istable(L_, at)) return wrong_type(key, "a list of numbers", at);
  CCSAND_TRY(require_list(key, at));
  out.clear();
  for (std::size_t i = 1; i <= lua_objlen(L_, at); ++i) {
    lua_rawgeti(L_, at, static_cast<int>(i));
    double value = lua_type(L_, -1) == LUA_TNUMBER ? lua_tonumber(L_, -1) : std::nan("");
    if (!(value == std::floor(value) && value >= static_cast<double>(least) && value <= static_cast<double>(most)))
      return wrong(key, "must hold whole numbers from " + std::to_string(least) + " to " + std::to_string(most));
    out.push_back(static_cast<std::int64_t>(value));
    lua_pop(L_, 1);
  }
  return true;
}

Result<std::uint64_t> word_value(lua_State* L, int index, std::span<const Name> names, std::string_view what) {
  if (!is_text(L, index)) return make_error(EINVAL, "", what, std::string("must be a word, got ") + luaL_typename(L, index));
  std::optional<std::uint64_t> value = value_of(names, view(L, index));
  if (!value) return unknown_word(what, view(L, index), names);
  return *value;
}
Result<std::uint64_t> bits_value(lua_State* L, int index, std::span<const Name> names, std::string_view what, bool as_set) {
  auto bit = [as_set](std::uint64_t value) { return as_set ? std::uint64_t{1} << value : value; };
  if (is_text(L, index)) return bit(CCSAND_TRY(word_value(L, index, names, what)));
  if (!lua_istable(L, index))
    return make_error(EINVAL, "", what, std::string("must be a list of words, got ") + luaL_typename(L, index));
  std::uint64_t bits = 0;
  for (std::size_t i = 1; i <= lua_objlen(L, index); ++i) {
    lua_rawgeti(L, index, static_cast<int>(i));
    auto value = word_value(L, lua_gettop(L), names, what);
    lua_pop(L, 1);
    if (!value) return value.error();
    bits |= bit(*value);
  }
  return bits;
}
Result<bool> Table::bits(const char* key, std::span<const Name> names, std::uint64_t& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  out = CCSAND_TRY(bits_value(L_, at, names, name_of(key), false));
  return true;
}
Result<bool> Table::set(const char* key, std::span<const Name> names, std::uint64_t& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  out = CCSAND_TRY(bits_value(L_, at, names, name_of(key), true));
  return true;
}
Result<bool> Table::word(const char* key, std::span<const Name> names, std::uint64_t& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  out = CCSAND_TRY(word_value(L_, at, names, name_of(key)));
  return true;
}

Result<bool> Table::pairs(const char* key, std::vector<std::pair<std::string, std::string>>& out) {
  Popper popper(L_);
  int at = push(key);
  if (lua_isnil(L_, at)) return false;
  if (!lua_istable(L_, at)) return wrong_type(key, "a table of names and values", at);
  out.clear();
  for (lua_pushnil(L_); lua_next(L_, at) != 0; lua_pop(L_, 1)) {
    if (!is_text(L_, -2)) return wrong(key, "must have names as keys");
    std::string name(view(L_, -2));
    std::string value;
    if (lua_isboolean(L_, -1)) {
      if (lua_toboolean(L_, -1) == 0) continue;
    } else if (lua_type(L_, -1) == LUA_TSTRING || lua_type(L_, -1) == LUA_TNUMBER) {
      lua_pushvalue(L_, -1);  // tolstring changes numbers in place
      value = view(L_, -1);
      lua_pop(L_, 1);
    } else {
      return wrong((std::string(key) + "." + name).c_str(), std::string("must be a string or a number, got ") + luaL_typename(L_, -1));
    }
    if (name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) return wrong(key, "holds a zero byte");
    out.emplace_back(std::move(name), std::move(value));
  }
  std::sort(out.begin(), out.end());
  return true;
}

Result<void> Table::finish() {
  Popper popper(L_);
  for (lua_pushnil(L_); lua_next(L_, index_) != 0; lua_pop(L_, 1)) {
    if (!is_text(L_, -2)) {
      if (std::find(known_.begin(), known_.end(), "[]") != known_.end() && lua_type(L_, -2) == LUA_TNUMBER) continue;
      return make_error(EINVAL, "", path_, std::string("takes named keys only, got a ") + luaL_typename(L_, -2) + " as a key");
    }
    std::string_view key = view(L_, -2);
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    std::string reason = "is not a key";
    if (std::string_view near = nearest(key, known_); !near.empty()) reason += "; did you mean '" + std::string(near) + "'?";
    return make_error(EINVAL, "", (path_.empty() ? "" : path_ + ".") + std::string(key), reason);
  }
  return {};
}

Result<std::string> text_argument(lua_State* L, int index, const char* function) {
  if (!is_text(L, index))
    return make_error(EINVAL, function, "", "argument " + std::to_string(index) + " must be a string, got " + luaL_typename(L, index));
  std::string_view text = view(L, index);
  if (text.find('\0') != std::string_view::npos) return make_error(EINVAL, function, "", "an argument holds a zero byte");
  return std::string(text);
}
std::optional<std::vector<sock_filter>> program_value(lua_State* L, int index) {
  if (lua_type(L, index) != LUA_TSTRING) return std::nullopt;
  std::string_view bytes = view(L, index);
  if (bytes.empty() || bytes.size() % sizeof(sock_filter) != 0 || bytes.size() / sizeof(sock_filter) > BPF_MAXINSNS) return std::nullopt;
  std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.data(), bytes.size());
  return program;
}
Result<std::int64_t> integer_argument(lua_State* L, int index, const char* function, std::int64_t least, std::int64_t most) {
  double value = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : std::nan("");
  if (!(value == std::floor(value) && value >= static_cast<double>(least) && value <= static_cast<double>(most)))
    return make_error(EINVAL, function, "", "argument " + std::to_string(index) + " must be a whole number from " +
                                                std::to_string(least) + " to " + std::to_string(most));
  return static_cast<std::int64_t>(value);
}

}  // namespace ccsand
