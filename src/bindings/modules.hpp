// The modules that C++ gives to Lua.
#pragma once

#include <lua.hpp>

namespace ccsand {
int open_core(lua_State* L);    // ccsand.core: what ccsand.container is made of
int open_sys(lua_State* L);     // ccsand.sys: the kernel's primitives
int open_cgroup(lua_State* L);  // ccsand.cgroup: control groups
int open_netlink(lua_State* L);  // ccsand.netlink: links, addresses, routes, rules
int open_store(lua_State* L);   // ccsand.store: the store of images
int open_filter(lua_State* L);  // ccsand.filter: filters for system calls
int open_json(lua_State* L);    // ccsand.json: JSON texts
int open_event(lua_State* L);   // ccsand.event: what ccsand.loop waits with
int open_file(lua_State* L);    // ccsand.file: folders, and files that are trusted as code
}  // namespace ccsand
