// The store of images.
#include "core/image_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "core/cgroup.hpp"
#include "core/state.hpp"
#include "core/tree.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {
bool good_word(std::string_view word) {
  if (word.empty() || word.size() > 128 || word[0] == '.' || word[0] == '-') return false;
  for (char c : word)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
      return false;
  return true;
}
bool good_name(std::string_view name) {
  std::size_t colon = name.find(':');
  return good_word(name.substr(0, colon)) && (colon == std::string_view::npos || good_word(name.substr(colon + 1)));
}

Result<void> make_directory(const std::string& path, unsigned mode) {
  auto made = sys::mkdirat(AT_FDCWD, path.c_str(), mode);
  if (made || made.error().code == EEXIST) return {};
  return made;
}
Result<void> make_store() {
  std::string store = store_directory();
  for (std::size_t slash = store.find('/', 1); slash != std::string::npos; slash = store.find('/', slash + 1))
    CCSAND_TRY(make_directory(store.substr(0, slash), 0755));
  CCSAND_TRY(make_directory(store, 0700));
  // Not for the host's users: a set-user-ID program of an image is not theirs to run.
  CCSAND_TRY(make_directory(store + "/images", 0700));
  return make_directory(store + "/tmp", 0700);
}

void sweep_unfinished() {
  std::string path = store_directory() + "/tmp";
  DIR* stream = opendir(path.c_str());
  if (stream == nullptr) return;
  while (const dirent* entry = readdir(stream)) {
    auto maker = CgroupName::parse(entry->d_name);
    if (maker && !is_alive({maker->supervisor, maker->start}))
      (void)remove_tree(dirfd(stream), entry->d_name);  // another sweep may have been first
  }
  (void)closedir(stream);  // read only
}
}  // namespace

std::string store_directory() {
  const char* directory = std::getenv("CCSAND_STORE");
  return directory != nullptr && *directory == '/' ? directory : "/var/lib/ccsand";
}
Result<std::string> image_root(std::string_view name) {
  if (!good_name(name))
    return make_error(EINVAL, "image", name, "is not an image's name: name or name:tag, in letters, digits, '.', '_' and '-'");
  return store_directory() + "/images/" + std::string(name) + "/root";
}
bool has_image(std::string_view name) {
  auto root = image_root(name);
  return root && sys::fstatat(AT_FDCWD, root->c_str(), 0).has_value();
}

Result<std::string> begin_image() {
  static std::uint64_t count = 0;
  CCSAND_TRY(make_store());
  sweep_unfinished();
  const ProcessKey& key = own_key();
  std::string directory = store_directory() + "/tmp/" + CgroupName{key.pid, key.start, ++count}.text();
  CCSAND_TRY(sys::mkdirat(AT_FDCWD, directory.c_str(), 0700));
  auto root = sys::mkdirat(AT_FDCWD, (directory + "/root").c_str(), 0755);
  if (!root) {
    (void)discard_image(directory);  // the error that counts is the one above
    return root.error();
  }
  return directory;
}
Result<void> commit_image(const std::string& directory, std::string_view name) {
  std::string root = CCSAND_TRY(image_root(name));
  std::string place = root.substr(0, root.size() - 5);
  auto renamed = sys::renameat2(AT_FDCWD, directory.c_str(), AT_FDCWD, place.c_str(), RENAME_NOREPLACE);
  if (renamed) return {};
  (void)discard_image(directory);
  return renamed.error().code == EEXIST ? Result<void>() : renamed;
}
Result<void> discard_image(const std::string& directory) {
  if (!directory.starts_with(store_directory() + "/tmp/"))
    return make_error(EINVAL, "image", directory, "is not a directory of the store's own");
  return remove_tree(AT_FDCWD, directory.c_str());
}
Result<void> remove_image(std::string_view name) {
  std::string root = CCSAND_TRY(image_root(name));
  std::string place = root.substr(0, root.size() - 5);
  std::string directory = CCSAND_TRY(begin_image());
  // Out of sight in one step; then at leisure.
  auto moved = sys::renameat2(AT_FDCWD, place.c_str(), AT_FDCWD, (directory + "/old").c_str(), 0);
  CCSAND_TRY(discard_image(directory));
  return moved;
}

}  // namespace ccsand
