// The embedded Lua tree: lua/ccsand and lua/recipes as bytecode.
#pragma once

#include <span>
#include <string_view>

namespace ccsand {
struct LuaFile {
  std::string_view path;  // "ccsand/container.lua"
  std::string_view bytecode;
};
std::span<const LuaFile> lua_tree();
}  // namespace ccsand
