// What a container runs in, key by key.
#include "bindings/environment_reader.hpp"

#include <cerrno>

#include "bindings/network_reader.hpp"

#include "sys/kernel_abi.hpp"

namespace ccsand {

namespace {

// "new", "host", a path, or a descriptor.
Result<bool> read_namespace(Table& table, const char* key, NamespaceChoice& choice) {
  lua_State* L = table.state();
  int at = table.push(key);
  if (lua_isnil(L, at)) return false;
  if (lua_type(L, at) == LUA_TNUMBER) {
    choice = {NamespaceChoice::joined, {}, static_cast<int>(lua_tointeger(L, at))};
  } else if (lua_type(L, at) == LUA_TSTRING) {
    std::string text = lua_tostring(L, at);
    if (text == "new") choice = {NamespaceChoice::fresh, {}, -1};
    else if (text == "host") choice = {NamespaceChoice::host, {}, -1};
    else if (text.starts_with('/')) choice = {NamespaceChoice::joined, text, -1};
    else return table.wrong(key, "must be \"new\", \"host\", the path of a namespace or a descriptor");
  } else {
    return table.wrong_type(key, "\"new\", \"host\", a path or a descriptor", at);
  }
  return true;
}

Result<void> read_namespaces(Table& container, ContainerSpec& spec) {
  lua_State* L = container.state();
  int at = container.push("namespaces");
  if (lua_isnil(L, at)) return {};
  if (!lua_istable(L, at)) return container.wrong_type("namespaces", "a table", at);
  Table table(L, at, container.name_of("namespaces"));
  CCSAND_TRY(read_namespace(table, "mount", spec.mount));
  CCSAND_TRY(read_namespace(table, "pid", spec.pid));
  bool net_given = CCSAND_TRY(read_namespace(table, "net", spec.net));
  if (net_given && spec.network_named) return table.wrong("net", "and 'network' both say it: leave one out");
  CCSAND_TRY(read_namespace(table, "uts", spec.uts));
  CCSAND_TRY(read_namespace(table, "ipc", spec.ipc));
  CCSAND_TRY(read_namespace(table, "cgroup", spec.cgroup));
  CCSAND_TRY(read_namespace(table, "time", spec.time));
  bool user_given = CCSAND_TRY(read_namespace(table, "user", spec.user));
  if (user_given && spec.user_namespace_named) return table.wrong("user", "and 'user_namespace' both say it: leave one out");
  return table.finish();
}

Result<void> read_ranges(Table& table, const char* key, std::vector<IdRange>& out) {
  lua_State* L = table.state();
  int at = table.push(key);
  if (lua_isnil(L, at)) return {};
  if (!lua_istable(L, at)) return table.wrong_type(key, "a list of { inside, outside, count }", at);
  out.clear();
  for (std::size_t i = 1; i <= lua_objlen(L, at); ++i) {
    lua_rawgeti(L, at, static_cast<int>(i));
    if (!lua_istable(L, -1) || lua_objlen(L, -1) != 3) return table.wrong(key, "must hold triples { inside, outside, count }");
    std::uint32_t numbers[3] = {};
    for (int n = 0; n < 3; ++n) {
      lua_rawgeti(L, -1, n + 1);
      double value = lua_tonumber(L, -1);
      if (lua_type(L, -1) != LUA_TNUMBER || value < 0 || value > 4294967294.0) return table.wrong(key, "must hold ids from 0 to 4294967294");
      numbers[n] = static_cast<std::uint32_t>(value);
      lua_pop(L, 1);
    }
    if (numbers[2] == 0) return table.wrong(key, "has a range of no ids");
    out.push_back({numbers[0], numbers[1], numbers[2]});
    lua_pop(L, 1);
  }
  if (out.empty() || out.size() > 340) return table.wrong(key, "must hold 1 to 340 ranges (user_namespaces(7))");
  return {};
}

Result<void> read_user_namespace(Table& container, ContainerSpec& spec) {
  lua_State* L = container.state();
  spec.uid_map = spec.gid_map = default_id_map();
  int at = container.push("user_namespace");
  if (lua_isnil(L, at)) return {};
  spec.user_namespace_named = true;
  if (lua_isboolean(L, at)) {
    spec.user.kind = lua_toboolean(L, at) != 0 ? NamespaceChoice::fresh : NamespaceChoice::host;
    return {};
  }
  if (!lua_istable(L, at)) return container.wrong_type("user_namespace", "true, false or a table", at);
  Table table(L, at, container.name_of("user_namespace"));
  CCSAND_TRY(read_ranges(table, "uid_map", spec.uid_map));
  CCSAND_TRY(read_ranges(table, "gid_map", spec.gid_map));
  spec.user.kind = NamespaceChoice::fresh;
  return table.finish();
}

constexpr Name kAccess[] = {{"layer", RootSpec::layer}, {"read_only", RootSpec::read_only}, {"read_write", RootSpec::read_write}};

Result<void> read_root(Table& container, ContainerSpec& spec) {
  lua_State* L = container.state();
  RootSpec& root = spec.root;
  int at = container.push("root");
  if (lua_type(L, at) == LUA_TSTRING) {
    root.path = lua_tostring(L, at);
  } else if (lua_istable(L, at)) {
    Table table(L, at, container.name_of("root"));
    std::uint64_t access = root.access;
    CCSAND_TRY(table.text("path", root.path));
    CCSAND_TRY(table.boolean("host_view", root.host_view));
    bool given = CCSAND_TRY(table.word("access", kAccess, access));
    root.access = static_cast<RootSpec::Access>(access);
    CCSAND_TRY(table.boolean("id_mapped", root.id_mapped));
    std::uint64_t size = 0;
    if (CCSAND_TRY(table.size("layer_size", size))) root.layer_size = std::to_string(size);
    CCSAND_TRY(table.finish());
    if (root.host_view) {
      if (!root.path.empty()) return table.wrong("host_view", "is a root of its own: leave 'path' out");
      if (given && root.access != RootSpec::read_only) return table.wrong("access", "of a view of the host is read_only");
      root.path = "/";
      root.access = RootSpec::read_only;
      root.id_mapped = false;
    }
  } else if (!lua_isnil(L, at)) {
    return container.wrong_type("root", "a path or a table", at);
  }
  if (root.path.empty() && spec.mount.kind == NamespaceChoice::fresh)
    return container.wrong("root", "is missing: name an image, a directory, or root = { host_view = true }");
  return {};
}

Result<void> read_mount(lua_State* L, int at, const std::string& name, MountSpec& mount) {
  Table table(L, at, name);
  CCSAND_TRY(table.text("type", mount.type));
  CCSAND_TRY(table.text("source", mount.source));
  CCSAND_TRY(table.text("target", mount.target));
  CCSAND_TRY(table.bits("flags", mount_attribute_names(), mount.attributes));
  bool writable = false;
  if (CCSAND_TRY(table.boolean("writable", writable)) && mount.type != "bind")
    return table.wrong("writable", "is for bind mounts; a filesystem of one's own is writable unless flags say \"ro\"");
  CCSAND_TRY(table.pairs("options", mount.options));
  CCSAND_TRY(table.boolean("recursive", mount.recursive));
  CCSAND_TRY(table.boolean("id_mapped", mount.id_mapped));
  CCSAND_TRY(table.boolean("optional", mount.optional));
  CCSAND_TRY(table.finish());
  if (mount.target.empty()) return table.wrong("target", "is missing");
  mount.attributes |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  if (mount.type == "bind" && !writable) mount.attributes |= MOUNT_ATTR_RDONLY;  // what the host lends is lent to read
  for (auto& [key, value] : mount.options)
    if (value == "true") value.clear();
  return {};
}

Result<void> read_mounts(Table& container, ContainerSpec& spec) {
  lua_State* L = container.state();
  int at = container.push("mounts");
  if (lua_isnil(L, at)) return {};
  if (!lua_istable(L, at)) return container.wrong_type("mounts", "a list of tables", at);
  CCSAND_TRY(container.require_list("mounts", at));
  for (std::size_t i = 1; i <= lua_objlen(L, at); ++i) {
    lua_rawgeti(L, at, static_cast<int>(i));
    std::string name = container.name_of("mounts") + "[" + std::to_string(i) + "]";
    if (!lua_istable(L, -1)) return make_error(EINVAL, "", name, "must be a table");
    MountSpec mount;
    CCSAND_TRY(read_mount(L, lua_gettop(L), name, mount));
    spec.mounts.push_back(std::move(mount));
    lua_pop(L, 1);
  }
  return {};
}

// true, false or "pids"
Result<void> read_proc(Table& table, ContainerSpec& spec) {
  lua_State* L = table.state();
  int at = table.push("proc");
  if (lua_isnil(L, at)) return {};
  if (lua_isboolean(L, at)) {
    spec.proc = lua_toboolean(L, at) != 0;
    return {};
  }
  spec.only_pids = lua_type(L, at) == LUA_TSTRING && std::string_view(lua_tostring(L, at)) == "pids";
  return spec.only_pids ? Result<void>() : Result<void>(table.wrong("proc", "must be true, false or \"pids\""));
}

Result<void> read_filesystems(Table& table, ContainerSpec& spec) {
  CCSAND_TRY(read_root(table, spec));
  CCSAND_TRY(read_mounts(table, spec));
  CCSAND_TRY(read_proc(table, spec));
  CCSAND_TRY(table.boolean("sys", spec.sys));
  CCSAND_TRY(table.boolean("dev", spec.dev));
  auto beneath = [&spec](const std::string& path) {
    return !(path.starts_with("/proc") && (!spec.proc || spec.only_pids)) && !(path.starts_with("/sys") && !spec.sys);
  };
  for (const std::string& path : default_masked_paths())
    if (beneath(path)) spec.masked_paths.push_back(path);
  for (const std::string& path : default_readonly_paths())
    if (beneath(path)) spec.readonly_paths.push_back(path);
  CCSAND_TRY(table.texts("masked_paths", spec.masked_paths));
  CCSAND_TRY(table.texts("readonly_paths", spec.readonly_paths));
  CCSAND_TRY(table.pairs("sysctls", spec.sysctls));
  return {};
}

}  // namespace

Result<void> read_environment(Table& container, ContainerSpec& spec) {
  CCSAND_TRY(read_network(container, spec));
  CCSAND_TRY(read_user_namespace(container, spec));
  CCSAND_TRY(read_namespaces(container, spec));
  return read_filesystems(container, spec);
}

}  // namespace ccsand
