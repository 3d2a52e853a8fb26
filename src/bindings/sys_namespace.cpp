// ccsand.sys: namespaces, and the names, ids and interfaces that live in them.
#include <cerrno>
#include <cmath>

#include "bindings/sys.hpp"

namespace ccsand {

namespace {
// unshare { "mount", "uts" } or unshare "mount"
Result<int> unshare_body(lua_State* L) {
  OneShot shot;
  return shot.run(Unshare{CCSAND_TRY(bits_value(L, 1, namespace_names(), "unshare", false))});
}

// setns(descriptor or path or process, kinds)
Result<int> setns_body(lua_State* L) {
  OneShot shot;
  JoinNamespace op;
  if (!lua_isnoneornil(L, 2)) op.kind = CCSAND_TRY(bits_value(L, 2, namespace_names(), "setns.kinds", false));
  if (Process* process = to_process(L, 1)) {
    if (!process->pidfd.open()) return make_error(EBADF, "setns", "process " + std::to_string(process->pid), "the handle is closed");
    if (op.kind == 0) return make_error(EINVAL, "setns", "setns.kinds", "is missing: which of the process's namespaces");
    op.fd = process->pidfd.get();
  } else if (lua_type(L, 1) == LUA_TSTRING) {
    op.path = CCSAND_TRY(text_argument(L, 1, "setns"));
  } else {
    op.fd = CCSAND_TRY(descriptor_argument(L, 1, "setns"));
  }
  return shot.run(op);
}

Result<std::vector<IdRange>> ranges_argument(lua_State* L, int index, const char* function) {
  Error wrong = make_error(EINVAL, function, "ranges", "must be a list of triples { inside, outside, count } of ids from 0 to 4294967294");
  if (!lua_istable(L, index)) return wrong;
  std::size_t count = lua_objlen(L, index);
  if (count == 0 || count > 340) return make_error(EINVAL, function, "ranges", "must be 1 to 340 (user_namespaces(7))");
  std::vector<IdRange> ranges;
  for (std::size_t i = 1; i <= count; ++i) {
    lua_rawgeti(L, index, static_cast<int>(i));
    auto numbers = integers_value(L, lua_gettop(L), "ranges", 0, 4294967294);
    lua_pop(L, 1);
    if (!numbers || numbers->size() != 3 || (*numbers)[2] == 0) return wrong;
    auto id = [&numbers](std::size_t at) { return static_cast<std::uint32_t>((*numbers)[at]); };
    ranges.push_back({id(0), id(1), id(2)});
  }
  return ranges;
}
Result<int> write_id_map(lua_State* L, bool groups) {
  const char* function = groups ? "write_gid_map" : "write_uid_map";
  OneShot shot;
  shot.context.child = CCSAND_TRY(pid_argument(L, 1, function));
  return shot.run(WriteIdMap{groups, CCSAND_TRY(ranges_argument(L, 2, function))});
}
Result<int> write_uid_map_body(lua_State* L) { return write_id_map(L, false); }
Result<int> write_gid_map_body(lua_State* L) { return write_id_map(L, true); }

// open_namespace(process or pid, kind): a descriptor of it
Result<int> open_namespace_body(lua_State* L) {
  OneShot shot;
  OpenNamespace op;
  shot.context.child = CCSAND_TRY(pid_argument(L, 1, "open_namespace"));
  op.kind = CCSAND_TRY(word_value(L, 2, namespace_names(), "open_namespace.kind"));
  op.out = shot.out();
  Descriptor& descriptor = push_descriptor(L);
  return shot.run_into(op, op.out, descriptor);
}

Result<int> sethostname_body(lua_State* L) {
  OneShot shot;
  return shot.run(SetHostname{CCSAND_TRY(text_argument(L, 1, "sethostname"))});
}
Result<int> setdomainname_body(lua_State* L) {
  OneShot shot;
  return shot.run(SetDomainname{CCSAND_TRY(text_argument(L, 1, "setdomainname"))});
}
Result<int> loopback_up_body(lua_State*) {
  OneShot shot;
  return shot.run(BringUpLoopback{});
}

constexpr Function kFunctions[] = {{"unshare", binding<unshare_body>},
                                   {"setns", binding<setns_body>},
                                   {"write_uid_map", binding<write_uid_map_body>},
                                   {"write_gid_map", binding<write_gid_map_body>},
                                   {"open_namespace", binding<open_namespace_body>},
                                   {"sethostname", binding<sethostname_body>},
                                   {"setdomainname", binding<setdomainname_body>},
                                   {"loopback_up", binding<loopback_up_body>}};
}  // namespace

void add_namespace_functions(lua_State* L) { register_functions(L, kFunctions); }

}  // namespace ccsand
