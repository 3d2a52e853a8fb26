// ccsand.file: what a runner of Lua files needs of the filesystem and the terminal.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "bindings/binding.hpp"
#include "bindings/modules.hpp"
#include "bindings/recipe_file.hpp"
#include "bindings/table.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)closedir(directory); }
};

const char* kind_of(mode_t mode) { return S_ISDIR(mode) ? "folder" : S_ISREG(mode) ? "file" : "other"; }

// list(path): { name = "file" | "folder" | "link" | "other" }
Result<int> list_body(lua_State* L) {
  std::string path = CCSAND_TRY(text_argument(L, 1, "list"));
  Fd opened = CCSAND_TRY(sys::open(path.c_str(), O_RDONLY | O_DIRECTORY));
  std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(opened.get()));
  if (!directory) return make_error(ENOMEM, "opendir", path, "");
  (void)opened.release();  // it is the stream's
  lua_createtable(L, 0, 8);
  while (const dirent* entry = readdir(directory.get())) {
    std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    const char* kind = entry->d_type == DT_DIR ? "folder" : entry->d_type == DT_REG ? "file" : entry->d_type == DT_LNK ? "link" : "other";
    if (entry->d_type == DT_UNKNOWN) {  // this filesystem does not say
      auto status = sys::fstatat(dirfd(directory.get()), entry->d_name, AT_SYMLINK_NOFOLLOW);
      if (!status) continue;  // it has just gone
      kind = S_ISLNK(status->st_mode) ? "link" : kind_of(status->st_mode);
    }
    push_text(L, name);
    lua_pushstring(L, kind);
    lua_rawset(L, -3);
  }
  return 1;
}
// kind(path): "file", "folder" or "other", of what a link leads to; nil where there is nothing
Result<int> kind_body(lua_State* L) {
  std::string path = CCSAND_TRY(text_argument(L, 1, "kind"));
  auto status = sys::fstatat(AT_FDCWD, path.c_str(), 0);
  if (!status && (status.error().code == ENOENT || status.error().code == ENOTDIR)) return 0;
  lua_pushstring(L, kind_of(CCSAND_TRY(std::move(status)).st_mode));
  return 1;
}
// source(path): the text of a file that is to be run, unless others could have written it
Result<int> source_body(lua_State* L) {
  std::string path = CCSAND_TRY(text_argument(L, 1, "source"));
  push_text(L, CCSAND_TRY(read_source(path)));
  return 1;
}
// columns(): of the terminal that standard output is; nil where it is none
Result<int> columns_body(lua_State* L) {
  auto size = sys::get_window_size(1);
  if (!size) return 0;
  lua_pushinteger(L, size->columns == 0 ? 80 : size->columns);
  return 1;
}

constexpr Function kFunctions[] = {{"list", binding<list_body>}, {"kind", binding<kind_body>}, {"source", binding<source_body>},
                                   {"columns", binding<columns_body>}};
}  // namespace

int open_file(lua_State* L) {
  lua_createtable(L, 0, 4);
  register_functions(L, kFunctions);
  return 1;
}

}  // namespace ccsand
