// Reading Lua tables strictly: every key is known or an error that names the
// nearest one, every value has its type or an error that names the key.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <lua.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ccsand/result.hpp"
#include "core/names.hpp"

namespace ccsand {

// Values with units: bytes ("256M", "1.5G", "64KiB", 4096), nanoseconds from
// seconds ("1.5s", "200ms", 2).
Result<std::uint64_t> parse_size(std::string_view text);
Result<std::int64_t> parse_duration_ns(std::string_view text);

// A table that is read key by key. Every reader answers whether the key is there,
// and leaves `out` alone where it is not.
class Table {
 public:
  // `path` names the table in errors: "container", "limits", ...
  Table(lua_State* L, int index, std::string path);
  static Result<Table> argument(lua_State* L, int index, const char* function);

  Result<bool> text(const char* key, std::string& out);
  Result<bool> boolean(const char* key, bool& out);
  Result<bool> integer(const char* key, std::int64_t& out, std::int64_t least, std::int64_t most);
  Result<bool> number(const char* key, double& out);
  Result<bool> size(const char* key, std::uint64_t& out);
  Result<bool> duration_ns(const char* key, std::int64_t& out);
  Result<bool> texts(const char* key, std::vector<std::string>& out);           // an array of strings
  Result<bool> integers(const char* key, std::vector<std::int64_t>& out, std::int64_t least, std::int64_t most);
  // A list of words, or one word, of a table of names: the bits joined, or a set of bit numbers.
  Result<bool> bits(const char* key, std::span<const Name> names, std::uint64_t& out);
  Result<bool> set(const char* key, std::span<const Name> names, std::uint64_t& out);
  Result<bool> word(const char* key, std::span<const Name> names, std::uint64_t& out);
  // { name = "value" or number or boolean }, sorted by name.
  Result<bool> pairs(const char* key, std::vector<std::pair<std::string, std::string>>& out);
  // An error unless the table at `at` is a list without holes or named keys (but 0).
  Result<void> require_list(const char* key, int at);
  // Leaves the value of a key on the stack (nil where it is not there) and marks it known.
  int push(const char* key);
  // Marks a key known without reading it.
  void known(const char* key) { known_.push_back(key); }
  // An error if there is any key that nobody asked for.
  Result<void> finish();

  [[nodiscard]] lua_State* state() const { return L_; }
  [[nodiscard]] int index() const { return index_; }
  [[nodiscard]] std::string name_of(const char* key) const;
  [[nodiscard]] Error wrong(const char* key, std::string_view reason) const;
  [[nodiscard]] Error wrong_type(const char* key, const char* wanted, int at) const;

 private:
  lua_State* L_;
  int index_;
  std::string path_;
  std::vector<std::string_view> known_;
};

// Single values, for the elements of arrays and plain arguments.
Result<std::string> text_argument(lua_State* L, int index, const char* function);
Result<std::int64_t> integer_argument(lua_State* L, int index, const char* function, std::int64_t least, std::int64_t most);
// A compiled filter, as seccomp(2) takes it: 1 to 4096 instructions. None where it is anything else.
std::optional<std::vector<sock_filter>> program_value(lua_State* L, int index);
Result<std::uint64_t> word_value(lua_State* L, int index, std::span<const Name> names, std::string_view what);
Result<std::uint64_t> bits_value(lua_State* L, int index, std::span<const Name> names, std::string_view what, bool as_set);

}  // namespace ccsand
