// What the files of ccsand.sys share. A primitive reads its arguments into an
// operation and applies it at once, in this process.
#pragma once

#include <lua.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bindings/binding.hpp"
#include "bindings/descriptor.hpp"
#include "bindings/table.hpp"
#include "core/cgroup.hpp"
#include "core/operation.hpp"

namespace ccsand {

// The context of one operation. Descriptors that are lent to it stay their owner's.
class OneShot {
 public:
  OneShot() = default;
  ~OneShot();
  OneShot(const OneShot&) = delete;
  OneShot& operator=(const OneShot&) = delete;

  Slot lend(int fd);  // kNoSlot for -1
  Slot out();
  template <typename Op>
  Result<int> run(const Op& op) {  // the body of a primitive without results
    CCSAND_TRY(apply(op, context));
    return 0;
  }
  template <typename Op>
  Result<int> run_into(const Op& op, Slot slot, Descriptor& descriptor) {  // with one descriptor
    CCSAND_TRY(apply(op, context));
    descriptor.fd = context.take(slot);
    return 1;
  }

  Context context;

 private:
  std::vector<Slot> lent_;
};

// A mode is octal text ("0755"): Lua has no octal numbers, and 755 would be another mode.
Result<unsigned> mode_value(lua_State* L, int index, std::string_view what);
Result<bool> mode_key(Table& table, const char* key, unsigned& out);
// The table of options at `index`, or none where it is nil.
Result<std::optional<Table>> options_argument(lua_State* L, int index, const char* function);
// A descriptor as the value of a key; -1 where it is not there.
Result<int> descriptor_key(Table& table, const char* key);
// A path, looked up in the directory that the key `root` of the options lends, where it does.
Result<Place> place_in(OneShot& shot, const std::string& path, Table* options);
Result<void> need(Table& table, const char* key, bool there);  // "is missing"
Result<std::vector<std::string>> texts_value(lua_State* L, int index, std::string_view what);
Result<std::vector<std::int64_t>> integers_value(lua_State* L, int index, std::string_view what, std::int64_t least,
                                                 std::int64_t most);
void push_words_of_bits(lua_State* L, std::span<const Name> names, std::uint64_t bits);
void push_words_of_set(lua_State* L, std::span<const Name> names, std::uint64_t set);

// The group of a value of ccsand.cgroup that this process made.
Result<Cgroup*> cgroup_argument(lua_State* L, int index, const char* function);

// In a child of sys.clone: re-arms the parent-death signal, which the kernel forgets when
// users change. Elsewhere does nothing.
Result<void> tie_to_parent();
void set_child_death_signal(int signal);  // 0 for none
// Ends this process as a child of sys.clone ends that failed: the error is the parent's.
[[noreturn]] void end_with_error(lua_State* L, const Error& error);

// Each sets its functions in the table on top of the stack.
void add_mount_functions(lua_State* L);
void add_file_functions(lua_State* L);
void add_namespace_functions(lua_State* L);
void add_clone_functions(lua_State* L);
void add_process_functions(lua_State* L);
void add_identity_functions(lua_State* L);

}  // namespace ccsand
