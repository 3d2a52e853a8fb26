// Landlock's rules, key by key.
#include "bindings/landlock_reader.hpp"

#include <cerrno>
#include <map>

#include "bindings/table.hpp"

namespace ccsand {

namespace {
// By path: what several keys allow in one place is allowed together.
using Rules = std::map<std::string, LandlockRule>;

void allow(Rules& rules, const std::string& path, std::uint64_t rights, bool optional) {
  auto [at, fresh] = rules.try_emplace(path, LandlockRule{path, 0, optional});
  at->second.rights |= rights;
  at->second.optional = at->second.optional && optional;
}

std::uint64_t rights_of(std::string_view word) { return value_of(landlock_right_names(), word).value_or(0); }

// One word, a list of words, or such a list with optional = true.
Result<LandlockRule> read_rights(lua_State* L, int at, const std::string& name) {
  LandlockRule rule;
  if (lua_istable(L, at)) {
    std::size_t numbered = 0;
    for (lua_pushnil(L); lua_next(L, at) != 0; lua_pop(L, 1)) numbered += lua_type(L, -2) == LUA_TNUMBER ? 1U : 0U;
    if (numbered != lua_objlen(L, at)) return make_error(EINVAL, "", name, "must be a list of words without holes");
    Table table(L, at, name);
    table.known("[]");
    CCSAND_TRY(table.boolean("optional", rule.optional));
    CCSAND_TRY(table.finish());
  }
  rule.rights = CCSAND_TRY(bits_value(L, at, landlock_right_names(), name, false));
  return rule;
}

Result<bool> read_paths(Table& policy, Rules& rules) {
  lua_State* L = policy.state();
  int at = policy.push("paths");
  if (lua_isnil(L, at)) return false;
  if (!lua_istable(L, at)) return policy.wrong_type("paths", "a table of paths and what is allowed there", at);
  for (lua_pushnil(L); lua_next(L, at) != 0; lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) return policy.wrong("paths", "must have paths as keys, such as { [\"/usr\"] = \"read\" }");
    std::size_t size = 0;
    const char* data = lua_tolstring(L, -2, &size);
    std::string path(data, size);
    LandlockRule rule = CCSAND_TRY(read_rights(L, lua_gettop(L), policy.name_of("paths") + "['" + path + "']"));
    allow(rules, path, rule.rights, rule.optional);
  }
  return true;
}

Result<bool> read_list(Table& policy, const char* key, std::uint64_t rights, Rules& rules) {
  std::vector<std::string> paths;
  bool given = CCSAND_TRY(policy.texts(key, paths));
  for (const std::string& path : paths) allow(rules, path, rights, false);
  return given;
}

Result<void> read_ports(Table& policy, const char* key, std::optional<std::vector<std::uint16_t>>& out) {
  std::vector<std::int64_t> ports;
  if (!CCSAND_TRY(policy.integers(key, ports, 0, 65535))) return {};
  out.emplace();
  for (std::int64_t port : ports) out->push_back(static_cast<std::uint16_t>(port));
  return {};
}

Result<void> read_scope(Table& policy, std::uint64_t& scopes) {
  lua_State* L = policy.state();
  int at = policy.push("scope");
  if (lua_istable(L, at)) CCSAND_TRY(policy.require_list("scope", at));  // a word as a key would do nothing
  bool given = CCSAND_TRY(policy.bits("scope", landlock_scope_names(), scopes));
  if (given && scopes == 0) return policy.wrong("scope", "names none: leave it out");
  return {};
}
}  // namespace

Result<LandlockPolicy> read_landlock(lua_State* L, int index, const std::string& name) {
  int top = lua_gettop(L);
  Table table(L, index, name);
  LandlockPolicy policy;
  Rules rules;
  // Hardly anything writes or executes without reading: the lists take it in.
  bool read = CCSAND_TRY(read_list(table, "read", rights_of("read"), rules));
  bool write = CCSAND_TRY(read_list(table, "write", rights_of("read") | rights_of("write"), rules));
  bool execute = CCSAND_TRY(read_list(table, "execute", rights_of("read") | rights_of("execute"), rules));
  bool paths = CCSAND_TRY(read_paths(table, rules));
  policy.files = read || write || execute || paths;
  for (auto& [path, rule] : rules) policy.rules.push_back(std::move(rule));
  CCSAND_TRY(read_ports(table, "connect", policy.connect));
  CCSAND_TRY(read_ports(table, "bind", policy.bind));
  CCSAND_TRY(read_scope(table, policy.scopes));
  std::int64_t least = 0;
  if (CCSAND_TRY(table.integer("least_abi", least, 1, 7))) policy.least_abi = static_cast<int>(least);
  CCSAND_TRY(table.finish());
  lua_settop(L, top);
  CCSAND_TRY(validate(policy, name));
  return policy;
}

}  // namespace ccsand
