// ccsand.filter: compiles and simulates filters for ccsand.seccomp, where policies are made.
#include <cerrno>

#include "bindings/binding.hpp"
#include "bindings/modules.hpp"
#include "bindings/table.hpp"
#include "core/seccomp/constants.hpp"
#include "core/seccomp/expression.hpp"
#include "core/seccomp/filter_cache.hpp"
#include "core/seccomp/policy.hpp"
#include "core/seccomp/system_calls.hpp"

namespace ccsand {

namespace {
Result<std::uint32_t> action_key(Table& table, const char* key) {
  std::int64_t action = 0;
  if (!CCSAND_TRY(table.integer(key, action, 0, UINT32_MAX))) return table.wrong(key, "is missing");
  return static_cast<std::uint32_t>(action);
}

// The statements: { { action =, calls = { ... }, when = }, ... }
Result<void> read_statements(Table& table, Policy& policy) {
  lua_State* L = table.state();
  int list = table.push("statements");
  if (!lua_istable(L, list)) return table.wrong_type("statements", "a list", list);
  CCSAND_TRY(table.require_list("statements", list));
  for (int i = 1; i <= static_cast<int>(lua_objlen(L, list)); ++i) {
    lua_rawgeti(L, list, i);
    Table one(L, lua_gettop(L), "statement");
    PolicyStatement statement;
    statement.action = CCSAND_TRY(action_key(one, "action"));
    CCSAND_TRY(one.texts("calls", statement.calls));
    CCSAND_TRY(one.text("when", statement.when));
    CCSAND_TRY(one.finish());
    policy.statements.push_back(std::move(statement));
    lua_settop(L, list);
  }
  return {};
}

Result<Policy> read_policy(lua_State* L, int index) {
  Table table = CCSAND_TRY(Table::argument(L, index, "compile"));
  Policy policy;
  CCSAND_TRY(table.texts("architectures", policy.architectures));
  policy.unnamed = CCSAND_TRY(action_key(table, "unnamed"));
  policy.unknown = CCSAND_TRY(action_key(table, "unknown"));
  policy.foreign = CCSAND_TRY(action_key(table, "foreign"));
  std::vector<std::pair<std::string, std::string>> signatures;
  CCSAND_TRY(table.pairs("signatures", signatures));
  for (auto& [name, text] : signatures) policy.signatures[name] = std::move(text);
  CCSAND_TRY(read_statements(table, policy));
  CCSAND_TRY(table.finish());
  return policy;
}

// compile { ... } -> the program's bytes, as seccomp(2) takes them
Result<int> compile_body(lua_State* L) {
  Policy policy = CCSAND_TRY(read_policy(L, 1));
  Filter filter = CCSAND_TRY(build_filter(policy));
  std::vector<sock_filter> program = CCSAND_TRY(emit(filter));
  lua_pushlstring(L, reinterpret_cast<const char*>(program.data()), program.size() * sizeof(sock_filter));
  return 1;
}

// find(key) -> the program that was kept under it, or nil; keep(key, program)
Result<int> find_body(lua_State* L) {
  auto found = find_filter(CCSAND_TRY(text_argument(L, 1, "find")));
  if (!found) return 0;
  push_text(L, *found);
  return 1;
}
Result<int> keep_body(lua_State* L) {
  std::size_t size = 0;
  const char* bytes = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &size) : nullptr;
  if (bytes == nullptr) return make_error(EINVAL, "keep", "", "takes a compiled filter");
  keep_filter(CCSAND_TRY(text_argument(L, 1, "keep")), {bytes, size});
  return 0;
}

// An argument of a call: a number, the name of a constant, or an expression of constants.
Result<std::uint64_t> call_argument(lua_State* L, int index) {
  if (lua_isnoneornil(L, index)) return std::uint64_t{0};
  if (lua_type(L, index) == LUA_TNUMBER) {
    double number = lua_tonumber(L, index);
    return number < 0 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(number)) : static_cast<std::uint64_t>(number);
  }
  return parse_constant(CCSAND_TRY(text_argument(L, index, "test")));
}

// simulate(program, architecture, call, argument...) -> action (SECCOMP_RET_* with its data)
Result<int> simulate_body(lua_State* L) {
  auto program = program_value(L, 1);
  if (!program) return make_error(EINVAL, "simulate", "", "takes a compiled filter");
  std::string name = CCSAND_TRY(text_argument(L, 2, "simulate"));
  const Architecture* architecture = CCSAND_TRY(require_architecture(name));
  seccomp_data call = {};
  call.arch = architecture->audit;
  if (lua_type(L, 3) == LUA_TNUMBER) {
    call.nr = static_cast<int>(CCSAND_TRY(integer_argument(L, 3, "simulate", INT32_MIN, INT32_MAX)));
  } else {
    std::string word = CCSAND_TRY(text_argument(L, 3, "simulate"));
    auto number = system_call_number(*architecture, word);
    if (!number) return make_error(EINVAL, "seccomp", word, "is no system call of " + std::string(architecture->name));
    call.nr = *number;
  }
  for (int i = 0; i < 6; ++i) call.args[i] = CCSAND_TRY(call_argument(L, 4 + i));
  lua_pushnumber(L, CCSAND_TRY(simulate(*program, call)));
  return 1;
}

// number(call, architecture), name(number, architecture): nil where there is none
Result<int> number_body(lua_State* L) {
  std::string word = CCSAND_TRY(text_argument(L, 1, "number"));
  std::string name = lua_isnoneornil(L, 2) ? "native" : CCSAND_TRY(text_argument(L, 2, "number"));
  const Architecture* architecture = CCSAND_TRY(require_architecture(name));
  auto number = system_call_number(*architecture, word);
  if (!number) return 0;
  lua_pushinteger(L, *number);
  return 1;
}
Result<int> constant_body(lua_State* L) {
  auto value = kernel_constant(CCSAND_TRY(text_argument(L, 1, "constant")));
  if (!value) return 0;
  lua_pushnumber(L, static_cast<double>(*value));
  return 1;
}
// constants(prefix) -> { NAME = value, ... }
Result<int> constants_body(lua_State* L) {
  std::string prefix = CCSAND_TRY(text_argument(L, 1, "constants"));
  lua_createtable(L, 0, 32);
  for (const KernelConstant& constant : kernel_constants()) {
    if (!constant.name.starts_with(prefix)) continue;
    push_text(L, constant.name);
    lua_pushnumber(L, static_cast<double>(constant.value));
    lua_rawset(L, -3);
  }
  return 1;
}
// calls() -> the names of the native architecture's system calls, by number
Result<int> calls_body(lua_State* L) {
  const std::vector<std::string>& names = system_call_names();
  lua_createtable(L, static_cast<int>(names.size()), 0);
  for (std::size_t i = 0; i < names.size(); ++i) {
    push_text(L, names[i]);
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
  return 1;
}
Result<int> architecture_body(lua_State* L) {
  push_text(L, native_architecture().name);
  return 1;
}
// condition(text, signature): an error where the condition makes no sense
Result<int> condition_body(lua_State* L) {
  std::string text = CCSAND_TRY(text_argument(L, 1, "condition")), signature = CCSAND_TRY(text_argument(L, 2, "condition"));
  (void)CCSAND_TRY(parse_condition(text, parse_signature(signature), false));
  return 0;
}

// comparisons(text, signature) -> the condition as alternatives, each a list of comparisons that all hold:
// { index =, op =, bits = 32 or 64, signed =, mask = { high, low }, value = { high, low } }
void push_halves(lua_State* L, const char* key, std::uint64_t value) {
  lua_createtable(L, 2, 0);
  lua_pushnumber(L, static_cast<double>(value >> 32));
  lua_rawseti(L, -2, 1);
  lua_pushnumber(L, static_cast<double>(value & UINT32_MAX));
  lua_rawseti(L, -2, 2);
  lua_setfield(L, -2, key);
}
void push_comparison(lua_State* L, const Comparison& comparison) {
  constexpr const char* kOperators[] = {"==", "!=", "<", "<=", ">", ">="};
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, static_cast<lua_Integer>(comparison.index));
  lua_setfield(L, -2, "index");
  lua_pushstring(L, kOperators[comparison.op]);
  lua_setfield(L, -2, "op");
  lua_pushinteger(L, comparison.wide ? 64 : 32);
  lua_setfield(L, -2, "bits");
  lua_pushboolean(L, static_cast<int>(comparison.has_sign));
  lua_setfield(L, -2, "signed");
  push_halves(L, "mask", comparison.mask);
  push_halves(L, "value", comparison.value);
}
Result<int> comparisons_body(lua_State* L) {
  std::string text = CCSAND_TRY(text_argument(L, 1, "comparisons")), signature = CCSAND_TRY(text_argument(L, 2, "comparisons"));
  auto alternatives = CCSAND_TRY(parse_condition(text, parse_signature(signature), false));
  lua_createtable(L, static_cast<int>(alternatives.size()), 0);
  for (std::size_t i = 0; i < alternatives.size(); ++i) {
    lua_createtable(L, static_cast<int>(alternatives[i].size()), 0);
    for (std::size_t k = 0; k < alternatives[i].size(); ++k) {
      push_comparison(L, alternatives[i][k]);
      lua_rawseti(L, -2, static_cast<int>(k + 1));
    }
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
  return 1;
}

constexpr Function kFunctions[] = {{"compile", binding<compile_body>},     {"simulate", binding<simulate_body>},
                                   {"number", binding<number_body>},       {"constant", binding<constant_body>},
                                   {"constants", binding<constants_body>}, {"calls", binding<calls_body>},
                                   {"architecture", binding<architecture_body>}, {"condition", binding<condition_body>},
                                   {"find", binding<find_body>},           {"keep", binding<keep_body>},
                                   {"comparisons", binding<comparisons_body>}};
}  // namespace

int open_filter(lua_State* L) {
  lua_createtable(L, 0, 8);
  register_functions(L, kFunctions);
  return 1;
}

}  // namespace ccsand
