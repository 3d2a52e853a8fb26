// ccsand.cgroup: control groups as Lua values.
#include <cerrno>
#include <memory>

#include "bindings/container_reader.hpp"
#include "bindings/modules.hpp"
#include "bindings/result.hpp"
#include "bindings/sys.hpp"

namespace ccsand {

namespace {
constexpr const char* kGroupType = "ccsand.cgroup";

struct Group {
  std::unique_ptr<Cgroup> cgroup;
  std::uint64_t owner = process_generation();
};

Group* to_group(lua_State* L, int index) { return static_cast<Group*>(userdata_of(L, index, kGroupType)); }
Result<Cgroup*> own(lua_State* L, const char* method) {
  if (to_group(L, 1) == nullptr) return make_error(EINVAL, method, "", "is a method of groups: group:" + std::string(method) + "(...)");
  return cgroup_argument(L, 1, method);
}

// create(name, limits), create(limits), create(name) or create()
Result<int> create_body(lua_State* L) {
  OneShot shot;
  CreateCgroup op;
  std::string name;
  int at = 1;
  if (lua_type(L, 1) == LUA_TSTRING) name = CCSAND_TRY(text_argument(L, at++, "create"));
  else if (lua_isnil(L, 1)) ++at;
  if (!lua_isnoneornil(L, at)) {
    CCSAND_TRY(Table::argument(L, at, "create"));
    op.limits = CCSAND_TRY(read_limits(L, at, "limits"));
  }
  auto* group = new (lua_newuserdata(L, sizeof(Group))) Group;
  luaL_getmetatable(L, kGroupType);
  lua_setmetatable(L, -2);
  if (name.empty()) {
    CCSAND_TRY(apply(op, shot.context));
    group->cgroup = std::move(shot.context.cgroup);
  } else {
    group->cgroup = std::make_unique<Cgroup>(CCSAND_TRY(Cgroup::create(name, op.limits)));
  }
  return 1;
}

// attach(process or pid): any process, into all hierarchies of the group
Result<int> attach_body(lua_State* L) {
  OneShot shot;
  AdoptIntoCgroup op{CCSAND_TRY(own(L, "attach"))};
  shot.context.child = CCSAND_TRY(pid_argument(L, 2, "attach"));
  return shot.run(op);
}
Result<int> stats_body(lua_State* L) {
  Cgroup* cgroup = CCSAND_TRY(own(L, "stats"));
  push_cgroup_stats(L, CCSAND_TRY(cgroup->stats()));
  return 1;
}
Result<int> oom_kills_body(lua_State* L) {
  auto count = CCSAND_TRY(own(L, "oom_kills"))->oom_kills();
  if (count) lua_pushnumber(L, static_cast<double>(*count));
  else lua_pushnil(L);
  return 1;
}
Result<int> freeze_body(lua_State* L) {
  Cgroup* cgroup = CCSAND_TRY(own(L, "freeze"));
  CCSAND_TRY(cgroup->freeze());
  return 0;
}
Result<int> thaw_body(lua_State* L) {
  Cgroup* cgroup = CCSAND_TRY(own(L, "thaw"));
  CCSAND_TRY(cgroup->thaw());
  return 0;
}
Result<int> kill_body(lua_State* L) {
  Cgroup* cgroup = CCSAND_TRY(own(L, "kill"));
  CCSAND_TRY(cgroup->kill());
  return 0;
}
Result<int> remove_body(lua_State* L) {
  Cgroup* cgroup = CCSAND_TRY(own(L, "remove"));
  CCSAND_TRY(cgroup->remove());
  return 0;
}
Result<int> path_body(lua_State* L) {
  push_text(L, CCSAND_TRY(own(L, "path"))->path());
  return 1;
}
Result<int> name_body(lua_State* L) {
  push_text(L, CCSAND_TRY(own(L, "name"))->name());
  return 1;
}

int group_to_string(lua_State* L) {
  Group* group = to_group(L, 1);
  lua_pushfstring(L, "cgroup %s", group != nullptr && group->cgroup ? group->cgroup->name().c_str() : "?");
  return 1;
}
int collect_group(lua_State* L) {
  Group* group = to_group(L, 1);
  if (group == nullptr) return 0;
  if (group->owner == process_generation()) group->cgroup.reset();  // kills what is left in it
  else (void)group->cgroup.release();  // a forked child's copy: not its to remove
  return 0;
}

constexpr Function kMethods[] = {{"attach", binding<attach_body>}, {"stats", binding<stats_body>},
                                 {"freeze", binding<freeze_body>}, {"thaw", binding<thaw_body>},
                                 {"kill", binding<kill_body>},     {"remove", binding<remove_body>},
                                 {"path", binding<path_body>},     {"name", binding<name_body>},
                                 {"oom_kills", binding<oom_kills_body>}};
constexpr Function kFunctions[] = {{"create", binding<create_body>}};
}  // namespace

Result<Cgroup*> cgroup_argument(lua_State* L, int index, const char* function) {
  Group* group = to_group(L, index);
  if (group == nullptr || !group->cgroup)
    return make_error(EINVAL, function, "cgroup", std::string("must be a group of ccsand.cgroup, got ") + luaL_typename(L, index));
  if (group->owner != process_generation())
    return make_error(ECHILD, function, "cgroup " + group->cgroup->name(), "is another process's to handle");
  return group->cgroup.get();
}

int open_cgroup(lua_State* L) {
  begin_type(L, kGroupType, collect_group, group_to_string, "a cgroup");
  register_functions(L, kMethods);
  end_type(L);
  lua_createtable(L, 0, 1);
  register_functions(L, kFunctions);
  return 1;
}

}  // namespace ccsand
