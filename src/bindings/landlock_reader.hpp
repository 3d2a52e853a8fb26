// The table of Landlock's rules: of a container, and of sys.landlock.
#pragma once

#include <lua.hpp>
#include <string>

#include "ccsand/result.hpp"
#include "core/operations/landlock.hpp"

namespace ccsand {

// `name` names the table in errors: "container.landlock".
Result<LandlockPolicy> read_landlock(lua_State* L, int index, const std::string& name);

}  // namespace ccsand
