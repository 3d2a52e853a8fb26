// ccsand.sys: users, groups, capabilities, and the rules that a process sets on itself.
#include <sys/prctl.h>

#include <cerrno>

#include "bindings/landlock_reader.hpp"
#include "bindings/sys.hpp"
#include "sys/credentials.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
constexpr std::int64_t kMostId = 4294967294;

Result<std::uint32_t> id_argument(lua_State* L, int index, const char* function, std::int64_t least = 0) {
  return static_cast<std::uint32_t>(CCSAND_TRY(integer_argument(L, index, function, least, kMostId)));
}
Result<int> setuid_body(lua_State* L) {
  OneShot shot;
  SetIdentity op;
  op.uid = CCSAND_TRY(id_argument(L, 1, "setuid"));
  return shot.run(op);
}
Result<int> setgid_body(lua_State* L) {
  OneShot shot;
  SetIdentity op;
  op.gid = CCSAND_TRY(id_argument(L, 1, "setgid"));
  return shot.run(op);
}
// -1 leaves an id as it is.
Result<int> setresuid_body(lua_State* L) {
  std::uint32_t ids[3] = {};
  for (int i = 0; i < 3; ++i) ids[i] = CCSAND_TRY(id_argument(L, i + 1, "setresuid", -1));
  CCSAND_TRY(sys::setresuid(ids[0], ids[1], ids[2]));
  return 0;
}
Result<int> setresgid_body(lua_State* L) {
  std::uint32_t ids[3] = {};
  for (int i = 0; i < 3; ++i) ids[i] = CCSAND_TRY(id_argument(L, i + 1, "setresgid", -1));
  CCSAND_TRY(sys::setresgid(ids[0], ids[1], ids[2]));
  return 0;
}
Result<int> setgroups_body(lua_State* L) {
  OneShot shot;
  SetIdentity op;
  op.groups.emplace();
  for (std::int64_t group : CCSAND_TRY(integers_value(L, 1, "setgroups", 0, kMostId))) op.groups->push_back(static_cast<gid_t>(group));
  return shot.run(op);
}

// The capabilities of this kernel for which `in` answers true.
Result<std::uint64_t> ask_each(Result<bool> (*in)(int)) {
  std::uint64_t set = 0;
  for (int capability = 0; capability < 64; ++capability) {
    auto there = in(capability);
    if (!there && there.error().code == EINVAL) break;  // past the last that this kernel knows
    if (CCSAND_TRY(there)) set |= std::uint64_t{1} << capability;
  }
  return set;
}
Result<int> capget_body(lua_State* L) {
  sys::CapabilitySets sets = CCSAND_TRY(sys::capget());
  std::uint64_t bounding = CCSAND_TRY(ask_each(sys::in_bounding));
  std::uint64_t ambient = CCSAND_TRY(ask_each(sys::in_ambient));
  lua_createtable(L, 0, 5);
  auto add = [L](const char* key, std::uint64_t set) {
    push_words_of_set(L, capability_names(), set);
    lua_setfield(L, -2, key);
  };
  add("effective", sets.effective);
  add("permitted", sets.permitted);
  add("inheritable", sets.inheritable);
  add("bounding", bounding);
  add("ambient", ambient);
  return 1;
}
Result<int> capset_body(lua_State* L) {
  Table table = CCSAND_TRY(Table::argument(L, 1, "capset"));
  OneShot shot;
  SetCapabilities op;
  auto read = [&table](const char* key, std::optional<std::uint64_t>& out) -> Result<void> {
    std::uint64_t set = 0;
    if (CCSAND_TRY(table.set(key, capability_names(), set))) out = set;
    return {};
  };
  CCSAND_TRY(read("effective", op.effective));
  CCSAND_TRY(read("permitted", op.permitted));
  CCSAND_TRY(read("inheritable", op.inheritable));
  CCSAND_TRY(read("bounding", op.bounding));
  CCSAND_TRY(read("ambient", op.ambient));
  CCSAND_TRY(table.finish());
  return shot.run(op);
}

// securebits(): the words; securebits(words): sets them
Result<int> securebits_body(lua_State* L) {
  if (lua_isnoneornil(L, 1)) {
    auto bits = CCSAND_TRY(sys::prctl_get(PR_GET_SECUREBITS, 0, "PR_GET_SECUREBITS"));
    push_words_of_bits(L, securebit_names(), static_cast<std::uint64_t>(bits));
    return 1;
  }
  OneShot shot;
  return shot.run(SetSecurebits{CCSAND_TRY(bits_value(L, 1, securebit_names(), "securebits", false))});
}
Result<int> no_new_privs_body(lua_State*) {
  OneShot shot;
  return shot.run(SetNoNewPrivs{});
}
Result<int> new_session_keyring_body(lua_State*) {
  OneShot shot;
  return shot.run(NewSessionKeyring{});
}

Result<int> landlock_body(lua_State* L) {
  CCSAND_TRY(Table::argument(L, 1, "landlock"));
  LandlockPolicy policy = CCSAND_TRY(read_landlock(L, 1, "landlock"));
  OneShot shot;
  Slot ruleset = shot.out();
  CCSAND_TRY(apply(MakeRuleset{policy, ruleset}, shot.context));
  for (const LandlockRule& rule : policy.rules) CCSAND_TRY(apply(AllowPath{rule, ruleset}, shot.context));
  return shot.run(RestrictSelf{ruleset});
}
Result<int> landlock_abi_body(lua_State* L) {
  lua_pushinteger(L, CCSAND_TRY(host_landlock_abi()));
  return 1;
}

constexpr Function kFunctions[] = {{"setuid", binding<setuid_body>},
                                   {"setgid", binding<setgid_body>},
                                   {"setresuid", binding<setresuid_body>},
                                   {"setresgid", binding<setresgid_body>},
                                   {"setgroups", binding<setgroups_body>},
                                   {"capget", binding<capget_body>},
                                   {"capset", binding<capset_body>},
                                   {"securebits", binding<securebits_body>},
                                   {"no_new_privs", binding<no_new_privs_body>},
                                   {"new_session_keyring", binding<new_session_keyring_body>},
                                   {"landlock", binding<landlock_body>},
                                   {"landlock_abi", binding<landlock_abi_body>}};
}  // namespace

void add_identity_functions(lua_State* L) { register_functions(L, kFunctions); }

}  // namespace ccsand
