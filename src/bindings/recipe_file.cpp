// Recipes are trusted code that runs as root: the file must deserve it.
#include "bindings/recipe_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "bindings/lua_tree.hpp"
#include "ccsand/host.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {
bool is_trusted_owner(uid_t owner) {
  if (owner == 0 || owner == geteuid()) return true;
  const char* text = std::getenv("SUDO_UID");  // who could become root by sudo anyway
  if (text == nullptr || geteuid() != 0) return false;
  uid_t caller = 0;
  std::string_view digits = text;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), caller);
  return error == std::errc() && end == digits.data() + digits.size() && owner == caller;
}

Result<void> check_trust(const std::string& name, const struct stat& status, const char* what) {
  constexpr const char* kHint = "recipes run as root: chown it to yourself or root, and chmod go-w";
  if (!is_trusted_owner(status.st_uid))
    return make_error(EACCES, "recipe", name, std::string(what) + " belongs to user " + std::to_string(status.st_uid), kHint);
  bool sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  if ((status.st_mode & 022) != 0 && !sticky)
    return make_error(EACCES, "recipe", name, std::string(what) + " can be written by others", kHint);
  return {};
}

Result<std::string> read_trusted(const std::string& name, Fd file) {
  auto status = CCSAND_TRY(sys::fstatat(file.get(), "", AT_EMPTY_PATH));
  if (S_ISDIR(status.st_mode)) return make_error(EISDIR, "recipe", name, "is a directory");
  if (!S_ISREG(status.st_mode)) return make_error(EINVAL, "recipe", name, "is not a regular file");
  CCSAND_TRY(check_trust(name, status, "it"));
  std::size_t slash = name.rfind('/');
  std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : name.substr(0, slash);
  auto above = CCSAND_TRY(sys::fstatat(AT_FDCWD, directory.c_str(), 0));
  CCSAND_TRY(check_trust(name, above, "its directory"));
  std::string text;
  char part[16384];
  for (;;) {
    std::size_t size = CCSAND_TRY(sys::read(file.get(), &part[0], sizeof part, name));
    if (size == 0) return text;
    text.append(&part[0], size);
  }
}

const LuaFile* shipped(std::string name) {
  if (!name.ends_with(".lua")) name += ".lua";
  if (!name.starts_with("recipes/")) name = "recipes/" + name;
  for (const LuaFile& file : lua_tree())
    if (file.path == name) return &file;
  return nullptr;
}
}  // namespace

std::vector<std::string> shipped_recipes() {
  std::vector<std::string> names;
  for (const LuaFile& file : lua_tree())
    if (file.path.starts_with("recipes/")) names.emplace_back(file.path);
  return names;
}

Result<std::string> read_source(const std::string& name) {
  auto file = sys::open(name.c_str(), O_RDONLY | O_NOCTTY | O_NONBLOCK);
  if (!file) return file.error().in("recipe");
  std::string text = CCSAND_TRY(read_trusted(name, std::move(*file)));
  if (text.starts_with("\x1bLJ")) return make_error(EINVAL, "recipe", name, "is bytecode: only Lua source is taken");
  return text;
}

Result<RecipeSource> find_recipe(const std::string& name, bool shipped_only) {
  if (shipped_only)
    if (const LuaFile* found = shipped(name)) return RecipeSource{"@" + std::string(found->path), std::string(found->bytecode), true};
  auto text = read_source(name);
  if (text) return RecipeSource{"@" + name, std::move(*text), false};
  if (text.error().code != ENOENT) return text.error();
  if (const LuaFile* found = shipped(name)) return RecipeSource{"@" + std::string(found->path), std::string(found->bytecode), true};
  return make_error(ENOENT, "recipe", name, "there is no such file, and no shipped recipe of that name",
                    "'ccsand recipes' lists those that ship");
}

}  // namespace ccsand
