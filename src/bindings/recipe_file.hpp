// Finding a recipe and making sure that nobody else could have written it.
#pragma once

#include <string>

#include "ccsand/result.hpp"

namespace ccsand {

struct RecipeSource {
  std::string chunk_name;  // for Lua: "@path"
  std::string text;        // Lua source, or bytecode of the shipped tree
  bool shipped = false;
};
// The file `name`, else "recipes/x.lua" of the shipped tree (".lua" may be left out
// there). EACCES where others than root, the caller and sudo's caller may write it.
// With `shipped_only` no file is looked for.
Result<RecipeSource> find_recipe(const std::string& name, bool shipped_only);
// The text of a file of Lua source that is to be run, on the same conditions.
Result<std::string> read_source(const std::string& name);

}  // namespace ccsand
