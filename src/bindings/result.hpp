// Results and statistics as Lua tables.
#pragma once

#include <lua.hpp>

#include "core/running.hpp"

namespace ccsand {
void push_result(lua_State* L, const RunResult& result);
void push_cgroup_stats(lua_State* L, const CgroupStats& stats);
}  // namespace ccsand
