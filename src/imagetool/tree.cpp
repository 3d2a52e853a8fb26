// The tree that is being unpacked, reached by descriptors only.
#include "imagetool/tree.hpp"

#include <fcntl.h>
#include <linux/openat2.h>

#include <algorithm>
#include <cerrno>

#include "imagetool/calls.hpp"
#include "imagetool/path.hpp"
#include "imagetool/remove.hpp"
#include "sys/file.hpp"

namespace ccsand::imagetool {

namespace {
constexpr std::uint64_t kInRoot = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
constexpr std::uint64_t kNoLinks = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

// What finish() must know of the directories is all that grows with an archive.
constexpr std::uint64_t kMaxRememberedBytes = 64U << 20;
constexpr std::uint64_t kDirectoryCost = 192;  // a node of the map, roughly

Error parent_error(const Error& error, const std::string& entry) {
  if (error.code == ENOTDIR) return refusal(entry, "a parent of it is not a directory");
  if (error.code == EEXIST) return refusal(entry, "a parent of it is a link to nothing");
  if (error.code == ELOOP) return refusal(entry, "a parent of it is a loop of links");
  return error;
}
}  // namespace

Result<Tree> Tree::open(int directory, std::uint64_t max_inodes) {
  Fd root = CCSAND_TRY(sys::openat2(directory, ".", kOpenDirectory));
  struct stat status = CCSAND_TRY(fstat(root.get(), "."));
  if (!CCSAND_TRY(is_empty(root.get()))) {
    return make_error(ENOTEMPTY, "", "the directory to unpack into", "not empty");
  }
  return Tree(std::move(root), status.st_dev, status.st_ino, max_inodes);
}

Result<Fd> Tree::open_directory(const std::string& path, int flags) const {
  return sys::openat2(root_.get(), path.empty() ? "." : path.c_str(), flags | O_DIRECTORY, 0, kInRoot);
}

// Implied directories count, too: one entry can name two thousand of them.
Result<void> Tree::count_inode(const std::string& path) {
  if (inodes_left_ == 0) return refusal(path, "more files and directories than --max-entries");
  --inodes_left_;
  return {};
}

Result<Fd> Tree::make_parents(const std::string& path, const std::string& entry) {
  // From the longest path up: what is missing gets made, so it is paid for by the limit.
  std::string present = path;
  Result<Fd> opened = open_directory(present, O_PATH);
  while (!opened && opened.error().code == ENOENT && !present.empty()) {
    present = parent_of(present);
    opened = open_directory(present, O_PATH);
  }
  if (!opened) return parent_error(opened.error(), entry);
  std::string missing = path.substr(present.empty() || present == path ? present.size() : present.size() + 1);
  Fd current = std::move(opened.value());
  while (!missing.empty()) {
    std::size_t slash = std::min(missing.find('/'), missing.size());
    std::string name = missing.substr(0, slash);
    CCSAND_TRY(count_inode(entry));
    if (auto made = sys::mkdirat(current.get(), name.c_str(), 0755); !made)
      return parent_error(made.error(), entry);
    current = CCSAND_TRY(sys::openat2(current.get(), name.c_str(), O_PATH | O_DIRECTORY, 0, kNoLinks));
    missing.erase(0, slash + 1);
  }
  return current;
}

Result<Tree::Place> Tree::place(const std::string& path) {
  if (path.empty()) return refusal("/", "the root can only be a directory");
  return Place{CCSAND_TRY(make_parents(parent_of(path), path)), last_of(path)};
}

// Removes what is in a place, except for a directory: that may only be kept. Whether it was.
Result<bool> Tree::clear(const Place& place, const std::string& path, bool keep_directory) {
  auto found = sys::fstatat(place.parent.get(), place.name.c_str(), AT_SYMLINK_NOFOLLOW);
  if (!found && found.error().code == ENOENT) return false;
  if (!found) return found.error();
  if (S_ISDIR(found->st_mode)) {
    if (keep_directory) return true;
    return refusal(path, "it would replace a directory by something else");
  }
  CCSAND_TRY(sys::unlinkat(place.parent.get(), place.name.c_str(), 0));
  return false;
}

Result<Fd> Tree::create_file(const std::string& path) {
  Place at = CCSAND_TRY(place(path));
  CCSAND_TRY(clear(at, path, false));
  CCSAND_TRY(count_inode(path));
  return sys::openat2(at.parent.get(), at.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
                      kNoLinks);
}

Result<void> Tree::make_directory(const std::string& path, const Attributes& attributes) {
  if (path.empty()) return remember(root_.get(), path, attributes);
  Place at = CCSAND_TRY(place(path));
  if (!CCSAND_TRY(clear(at, path, true))) {
    CCSAND_TRY(count_inode(path));
    CCSAND_TRY(sys::mkdirat(at.parent.get(), at.name.c_str(), 0700));
  }
  Fd made = CCSAND_TRY(sys::openat2(at.parent.get(), at.name.c_str(), kOpenDirectory, 0, kNoLinks));
  return remember(made.get(), path, attributes);
}

Result<void> Tree::remember(int fd, const std::string& path, const Attributes& attributes) {
  struct stat status = CCSAND_TRY(fstat(fd, path));
  remembered_bytes_ += path.size() + kDirectoryCost;
  for (const Xattr& xattr : attributes.xattrs) remembered_bytes_ += xattr.name.size() + xattr.value.size();
  if (remembered_bytes_ > kMaxRememberedBytes) {
    return refusal(path, "the directories' names and attributes take more than 64 MiB");
  }
  directories_[path] = {attributes, status.st_dev, status.st_ino};
  return {};
}

Result<bool> Tree::is_root(int fd) const {
  struct stat status = CCSAND_TRY(fstat(fd, ".."));
  return status.st_dev == device_ && status.st_ino == inode_;
}

// Counted from where the link really is, which differs from what the entry's path says
// where that leads through another link.
Result<void> Tree::check_climb(const Place& place, const std::string& path, const std::string& target) const {
  std::size_t levels = levels_climbed(target);
  bool outside = target.starts_with('/') && levels > 0;
  Fd held;
  int at = place.parent.get();
  for (; levels > 0 && !outside; --levels) {
    outside = CCSAND_TRY(is_root(at));
    held = CCSAND_TRY(sys::openat2(at, "..", O_PATH | O_DIRECTORY));
    at = held.get();
  }
  if (outside) return refusal(path, "the link leads out of the root with '..'");
  return {};
}

Result<void> Tree::make_symlink(const std::string& path, const std::string& target,
                                const Attributes& attributes) {
  if (target.empty()) return refusal(path, "a link with an empty target");
  if (target.size() > kMaxPath) return refusal(path, "a link target longer than 4095 bytes");
  Place at = CCSAND_TRY(place(path));
  CCSAND_TRY(check_climb(at, path, target));
  CCSAND_TRY(clear(at, path, false));
  CCSAND_TRY(count_inode(path));
  CCSAND_TRY(sys::symlinkat(target.c_str(), at.parent.get(), at.name.c_str()));
  CCSAND_TRY(lchownat(at.parent.get(), at.name.c_str(), attributes.uid, attributes.gid, path));
  // A link has no mode of its own, and the kernel lets it have no user.* attributes.
  return set_link_times(at.parent.get(), at.name.c_str(), attributes.mtime, path);
}

Result<void> Tree::make_hard_link(const std::string& path, const std::string& target) {
  const char* const kMissing = "its hard link's target was not unpacked before it";
  auto target_parent = open_directory(parent_of(target), O_PATH);
  if (!target_parent) return refusal(path, kMissing);
  std::string target_name = target.empty() ? "." : last_of(target);
  auto source = sys::fstatat(target_parent->get(), target_name.c_str(), AT_SYMLINK_NOFOLLOW);
  if (!source) return refusal(path, kMissing);
  if (!S_ISREG(source->st_mode)) return refusal(path, "its hard link's target is not a regular file");
  Place at = CCSAND_TRY(place(path));
  auto present = sys::fstatat(at.parent.get(), at.name.c_str(), AT_SYMLINK_NOFOLLOW);
  // To clear this place would remove the target itself.
  if (present && present->st_ino == source->st_ino && present->st_dev == source->st_dev) return {};
  CCSAND_TRY(clear(at, path, false));
  CCSAND_TRY(count_inode(path));
  return linkat(target_parent->get(), target_name.c_str(), at.parent.get(), at.name.c_str(), path);
}

Result<void> Tree::finish() {
  // Backwards, so that a parent closes itself only after its children.
  for (auto at = directories_.rbegin(); at != directories_.rend(); ++at) {
    const auto& [path, directory] = *at;
    auto opened = open_directory(path, O_RDONLY);
    if (!opened && opened.error().code != ENOENT && opened.error().code != ENOTDIR) return opened.error();
    struct stat status = {};
    if (opened) status = CCSAND_TRY(fstat(opened->get(), path));
    if (!opened || status.st_dev != directory.device || status.st_ino != directory.inode) {
      return refusal(path, "a link on the way to this directory was replaced later");
    }
    CCSAND_TRY(apply_attributes(opened->get(), directory.attributes, path));
  }
  directories_.clear();
  return {};
}

Result<void> Tree::discard() { return remove_contents(root_.get()); }

}  // namespace ccsand::imagetool
