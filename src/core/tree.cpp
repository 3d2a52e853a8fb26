// Removing trees.
#include "core/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <string>

#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand {

namespace {
struct Closer {
  void operator()(DIR* stream) const { (void)closedir(stream); }  // read only
};

Result<void> empty_directory(Fd directory);

Result<void> remove_entry(int dir, const char* name) {
  auto gone = sys::unlinkat(dir, name, 0);
  if (gone || gone.error().code == ENOENT) return {};
  if (gone.error().code != EISDIR) return gone;
  auto below = sys::openat2(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_NO_XDEV);
  if (!below) return below.error();
  CCSAND_TRY(empty_directory(std::move(*below)));
  auto removed = sys::unlinkat(dir, name, AT_REMOVEDIR);
  if (!removed && removed.error().code != ENOENT) return removed;
  return {};
}

Result<void> empty_directory(Fd directory) {
  int number = directory.release();
  std::unique_ptr<DIR, Closer> stream(fdopendir(number));
  if (!stream) {
    Fd closing(number);
    return make_error(ENOMEM, "fdopendir", "", "cannot read a directory");
  }
  while (const dirent* entry = readdir(stream.get())) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") CCSAND_TRY(remove_entry(number, entry->d_name));
  }
  return {};
}
}  // namespace

Result<void> remove_tree(int dir, const char* path) { return remove_entry(dir, path); }

}  // namespace ccsand
