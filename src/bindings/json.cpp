// ccsand.json: text to tables and back. jansson reads whole texts and writes the scalars.
//
// Lua has one kind of number, exact to 2^53: larger integers are decimal text in Lua.
// What comes here may be hostile: depth and size of numbers are bounded before jansson
// sees the text, repeated keys and zero bytes are refused.
#include <jansson.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "bindings/binding.hpp"
#include "bindings/modules.hpp"
#include "bindings/table.hpp"

namespace ccsand {

namespace {
constexpr int kDeepest = 128;
constexpr double kExact = 9007199254740992.0;  // 2^53: above it, doubles skip integers
constexpr const char* kArray = "ccsand.json.array";

struct JsonRelease {
  void operator()(json_t* value) const { json_decref(value); }
};
using Json = std::unique_ptr<json_t, JsonRelease>;

// ---- before jansson: integers that a double cannot hold become strings

class Preparation {
 public:
  explicit Preparation(std::string_view text) : text_(text) {}

  Result<std::string> run() {
    std::string out;
    out.reserve(text_.size());
    std::size_t copied = 0;
    int depth = 0;
    for (std::size_t at = 0; at < text_.size();) {
      char c = text_[at];
      if (c == '"') {
        at = end_of_string(at);
      } else if (c == '-' || is_digit(c)) {
        std::size_t end = end_of_number(at);
        if (is_large_integer(text_.substr(at, end - at)) && !is_key(end)) {
          if (!fits(text_.substr(at, end - at))) return wrong(at, "the integer does not fit 64 bits");
          out.append(text_.substr(copied, at - copied)).append("\"").append(text_.substr(at, end - at)).append("\"");
          copied = end;
          quoted_.push_back(end);
        }
        at = end;
      } else {
        if ((c == '[' || c == '{') && ++depth > kDeepest) return wrong(at, "is nested deeper than " + std::to_string(kDeepest));
        if (c == ']' || c == '}') --depth;
        ++at;
      }
    }
    return out.append(text_.substr(copied));
  }

  // The error at a place in the text as it was; `position` is jansson's, in the text as it is now.
  [[nodiscard]] Error wrong_at(std::size_t position, const std::string& what) const {
    std::size_t at = position;
    for (std::size_t end : quoted_)
      if (at >= end + 2) at -= 2;
    return wrong(std::min(at, text_.size()), what);
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> quoted_;  // where quoted integers end, in the text as it was

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  [[nodiscard]] Error wrong(std::size_t at, const std::string& what) const {
    std::string_view before = text_.substr(0, at);
    auto line = std::count(before.begin(), before.end(), '\n') + 1;
    std::size_t start = before.rfind('\n');  // npos + 1 is 0
    return make_error(EINVAL, "json", "", what + ", at line " + std::to_string(line) + ", column " + std::to_string(at - (start + 1) + 1));
  }
  [[nodiscard]] std::size_t end_of_string(std::size_t at) const {
    for (++at; at < text_.size(); ++at) {
      if (text_[at] == '\\') ++at;
      else if (text_[at] == '"') return at + 1;
    }
    return text_.size();
  }
  [[nodiscard]] std::size_t end_of_number(std::size_t at) const {
    while (at < text_.size() && (is_digit(text_[at]) || std::string_view("+-.eE").find(text_[at]) != std::string_view::npos)) ++at;
    return at;
  }
  static bool is_large_integer(std::string_view token) {
    std::string_view digits = token.substr(token[0] == '-' ? 1 : 0);
    if (digits.size() < 16 || digits[0] == '0') return false;
    if (!std::all_of(digits.begin(), digits.end(), is_digit)) return false;
    return digits.size() > 16 || digits > "9007199254740992";
  }
  static bool fits(std::string_view token) {
    bool negative = token[0] == '-';
    std::string_view digits = token.substr(negative ? 1 : 0), most = negative ? "9223372036854775808" : "18446744073709551615";
    return digits.size() < most.size() || (digits.size() == most.size() && digits <= most);
  }
  [[nodiscard]] bool is_key(std::size_t at) const {
    while (at < text_.size() && std::string_view(" \t\r\n").find(text_[at]) != std::string_view::npos) ++at;
    return at < text_.size() && text_[at] == ':';
  }
};

// ---- text to tables

void push_null(lua_State* L) { lua_pushlightuserdata(L, nullptr); }

void push_json(lua_State* L, const json_t* value) {
  luaL_checkstack(L, 8, "the text is nested too deep");
  switch (json_typeof(value)) {
    case JSON_OBJECT: {
      auto* object = const_cast<json_t*>(value);  // jansson's iterators take no const
      lua_createtable(L, 0, static_cast<int>(json_object_size(value)));
      for (void* at = json_object_iter(object); at != nullptr; at = json_object_iter_next(object, at)) {
        push_text(L, {json_object_iter_key(at), json_object_iter_key_len(at)});
        push_json(L, json_object_iter_value(at));
        lua_rawset(L, -3);
      }
      return;
    }
    case JSON_ARRAY:
      lua_createtable(L, static_cast<int>(json_array_size(value)), 0);
      for (std::size_t i = 0; i < json_array_size(value); ++i) {
        push_json(L, json_array_get(value, i));
        lua_rawseti(L, -2, static_cast<int>(i + 1));
      }
      luaL_getmetatable(L, kArray);
      lua_setmetatable(L, -2);
      return;
    case JSON_STRING: return push_text(L, {json_string_value(value), json_string_length(value)});
    case JSON_INTEGER: return lua_pushnumber(L, static_cast<double>(json_integer_value(value)));
    case JSON_REAL: return lua_pushnumber(L, json_real_value(value));
    case JSON_TRUE: return lua_pushboolean(L, 1);
    case JSON_FALSE: return lua_pushboolean(L, 0);
    case JSON_NULL: return push_null(L);
  }
}

// What jansson says may quote the text: only what is printable goes on.
std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

// decode(text) -> value
Result<int> decode_body(lua_State* L) {
  if (lua_type(L, 1) != LUA_TSTRING)
    return make_error(EINVAL, "json", "", std::string("decode takes a string, got ") + luaL_typename(L, 1));
  std::size_t size = 0;
  const char* data = lua_tolstring(L, 1, &size);
  Preparation preparation({data, size});
  std::string prepared = CCSAND_TRY(preparation.run());
  json_error_t problem = {};
  Json value(json_loadb(prepared.data(), prepared.size(), JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem));
  if (!value) {
    bool zero = json_error_code(&problem) == json_error_null_character || json_error_code(&problem) == json_error_null_byte_in_key;
    return preparation.wrong_at(static_cast<std::size_t>(std::max(problem.position, 0)),
                                zero ? "a string holds a zero byte" : printable(problem.text));
  }
  push_json(L, value.get());
  return 1;
}

// ---- tables to text

class Writer {
 public:
  Writer(lua_State* L, int indent) : L_(L), indent_(indent) {}

  // Writes the value on top of the stack, and leaves it there.
  Result<void> write(int depth) {
    if (depth > kDeepest) return make_error(EINVAL, "json", "", "the table is nested deeper than " + std::to_string(kDeepest));
    luaL_checkstack(L_, 8, "the table is nested too deep");
    switch (lua_type(L_, -1)) {
      case LUA_TTABLE: return write_table(depth);
      case LUA_TSTRING: return write_text(-1);
      case LUA_TNUMBER: return write_number(lua_tonumber(L_, -1));
      case LUA_TBOOLEAN: text += lua_toboolean(L_, -1) != 0 ? "true" : "false"; return {};
      case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L_, -1) != nullptr) break;
        text += "null";
        return {};
      case kCData: return write_cdata();
      default: break;
    }
    return make_error(EINVAL, "json", "", std::string("a ") + luaL_typename(L_, -1) + " has no form in JSON");
  }

  std::string text;

 private:
  static constexpr int kCData = 10;  // LuaJIT's, which lua.h does not name
  lua_State* L_;
  int indent_;

  void new_line(int depth) {
    if (indent_ == 0) return;
    text += '\n';
    text.append(static_cast<std::size_t>(indent_ * depth), ' ');
  }
  using Written = std::unique_ptr<char, decltype(&std::free)>;
  static Written dump(const Json& value, std::size_t flags = 0) {
    return {value ? json_dumps(value.get(), JSON_ENCODE_ANY | flags) : nullptr, &std::free};
  }
  Result<void> add(const Written& written, const char* problem) {
    if (!written) return make_error(EINVAL, "json", "", problem);
    text += written.get();
    return {};
  }
  Result<void> write_text(int index) {
    std::size_t size = 0;
    const char* data = lua_tolstring(L_, index, &size);
    if (std::string_view(data, size).find('\0') != std::string_view::npos)
      return make_error(EINVAL, "json", "", "a string holds a zero byte");
    return add(dump(Json(json_stringn(data, size))), "a string is not UTF-8");
  }
  Result<void> write_number(double number) {
    if (!std::isfinite(number)) return make_error(EINVAL, "json", "", "infinity and not-a-number have no form in JSON");
    if (number == std::floor(number) && std::abs(number) <= kExact)
      return add(dump(Json(json_integer(static_cast<json_int_t>(number)))), "a number cannot be written");
    Json real(json_real(number));
    Written shorter = dump(real, JSON_REAL_PRECISION(15));  // 0.1 rather than 0.10000000000000001
    if (shorter && std::strtod(shorter.get(), nullptr) == number) return add(shorter, "");
    return add(dump(real), "a number cannot be written");
  }
  // 64-bit integers of LuaJIT: 18446744073709551615ULL
  Result<void> write_cdata() {
    lua_getglobal(L_, "tostring");
    lua_pushvalue(L_, -2);
    lua_call(L_, 1, 1);
    std::string_view word = lua_tostring(L_, -1);
    std::size_t digits = word.find_first_not_of("-0123456789");
    bool integer = digits != 0 && digits != std::string_view::npos && (word.substr(digits) == "ULL" || word.substr(digits) == "LL");
    if (integer) text += word.substr(0, digits);
    lua_pop(L_, 1);
    if (!integer) return make_error(EINVAL, "json", "", "a cdata that is no integer has no form in JSON");
    return {};
  }

  Result<void> write_table(int depth) {
    bool is_array = false;
    if (lua_getmetatable(L_, -1) != 0) {
      luaL_getmetatable(L_, kArray);
      is_array = lua_rawequal(L_, -1, -2) != 0;
      lua_pop(L_, 2);
    }
    std::vector<std::string> keys;
    std::size_t elements = 0;
    for (lua_pushnil(L_); lua_next(L_, -2) != 0; lua_pop(L_, 1)) {
      if (lua_type(L_, -2) == LUA_TSTRING) {
        std::size_t size = 0;
        const char* data = lua_tolstring(L_, -2, &size);
        keys.emplace_back(data, size);
      } else if (lua_type(L_, -2) == LUA_TNUMBER) {
        ++elements;
      } else {
        return make_error(EINVAL, "json", "", std::string("a table has a key that is a ") + luaL_typename(L_, -2));
      }
    }
    if (elements != lua_objlen(L_, -1) || (!keys.empty() && (elements != 0 || is_array)))
      return make_error(EINVAL, "json", "", "a table is neither a list without holes nor has only named keys");
    if (elements != 0 || is_array) return write_array(elements, depth);
    std::sort(keys.begin(), keys.end());
    return write_object(keys, depth);
  }
  Result<void> write_array(std::size_t elements, int depth) {
    text += '[';
    for (std::size_t i = 1; i <= elements; ++i) {
      if (i != 1) text += ',';
      new_line(depth + 1);
      lua_rawgeti(L_, -1, static_cast<int>(i));
      CCSAND_TRY(write(depth + 1));
      lua_pop(L_, 1);
    }
    if (elements != 0) new_line(depth);
    text += ']';
    return {};
  }
  Result<void> write_object(const std::vector<std::string>& keys, int depth) {
    text += '{';
    for (const std::string& key : keys) {
      if (&key != keys.data()) text += ',';
      new_line(depth + 1);
      push_text(L_, key);
      CCSAND_TRY(write_text(-1));
      text += indent_ == 0 ? ":" : ": ";
      lua_rawget(L_, -2);
      CCSAND_TRY(write(depth + 1));
      lua_pop(L_, 1);
    }
    if (!keys.empty()) new_line(depth);
    text += '}';
    return {};
  }
};

// encode(value, { indent = 2 }) -> text
Result<int> encode_body(lua_State* L) {
  std::int64_t indent = 0;
  if (!lua_isnoneornil(L, 2)) {
    Table options = CCSAND_TRY(Table::argument(L, 2, "encode"));
    (void)CCSAND_TRY(options.integer("indent", indent, 0, 8));  // 0 where it is not there
    CCSAND_TRY(options.finish());
  }
  if (lua_gettop(L) == 0) return make_error(EINVAL, "json", "", "encode takes a value");
  lua_settop(L, 1);
  Writer writer(L, static_cast<int>(indent));
  CCSAND_TRY(writer.write(0));
  push_text(L, writer.text);
  return 1;
}

// array(table) -> the same table, which is an array from now on, also where it is empty
Result<int> array_body(lua_State* L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_createtable(L, 0, 0);
  }
  if (!lua_istable(L, 1)) return make_error(EINVAL, "json", "", std::string("array takes a table, got ") + luaL_typename(L, 1));
  lua_settop(L, 1);
  luaL_getmetatable(L, kArray);
  lua_setmetatable(L, 1);
  return 1;
}

constexpr Function kFunctions[] = {{"decode", binding<decode_body>}, {"encode", binding<encode_body>}, {"array", binding<array_body>}};
}  // namespace

int open_json(lua_State* L) {
  luaL_newmetatable(L, kArray);
  lua_pop(L, 1);
  lua_createtable(L, 0, 4);
  register_functions(L, kFunctions);
  push_null(L);
  lua_setfield(L, -2, "null");
  return 1;
}

}  // namespace ccsand
