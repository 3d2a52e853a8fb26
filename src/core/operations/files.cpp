// Files and directories. All of it may run between clone and exec: it allocates
// nothing, and reaches what is in a container by descriptor.
#include "core/operations/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "core/operations/describe.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand {

namespace {
// The directory that a place is in, and its last name.
struct Leaf {
  Fd parent;
  FixedText<256> name;
};

Result<Fd> open_in(const Place& place, const Context& context, const char* path, int flags) {
  if (place.base == kNoSlot) return sys::openat2(AT_FDCWD, path, flags);
  return sys::openat2(context.fd(place.base), path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

Result<Leaf> leaf_of(const Place& place, const Context& context) {
  std::string_view path = place.path;
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  std::size_t slash = path.rfind('/');
  std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  std::string_view above = slash == std::string_view::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  if (name.empty() || name == "." || name == ".." || name.size() > 255 || above.size() > 4095)
    return make_error(EINVAL, "path", place.path, "does not end in a name");
  FixedText<4096> parent(above);
  Leaf leaf;
  leaf.parent = CCSAND_TRY(open_in(place, context, parent.c_str(), O_PATH | O_DIRECTORY));
  leaf.name.append(name);
  return leaf;
}

bool exists(const Error& error) { return error.code == EEXIST; }

// Makes the directories of a path from the top; each is resolved anew, so that a
// link of the image stays in its root.
Result<void> make_directories(const Place& place, const Context& context, unsigned mode) {
  auto there = open_in(place, context, place.path.c_str(), O_PATH | O_DIRECTORY);
  if (there) return {};
  if (there.error().code != ENOENT) return there.error();
  FixedText<4096> prefix;
  std::string_view rest = place.path;
  Fd above = CCSAND_TRY(open_in(place, context, rest.starts_with('/') ? "/" : ".", O_PATH | O_DIRECTORY));
  if (rest.starts_with('/')) prefix.append("/");
  while (!rest.empty()) {
    std::size_t end = rest.find('/');
    std::string_view name = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (name.empty() || name == ".") continue;
    FixedText<256> word(name);
    prefix.append(name);
    auto made = sys::mkdirat(above.get(), word.c_str(), rest.empty() ? mode : 0755);
    if (!made && !exists(made.error())) return made.error();
    above = CCSAND_TRY(open_in(place, context, prefix.c_str(), O_PATH | O_DIRECTORY));
    prefix.append("/");
  }
  return {};
}

Result<void> make_file(const Place& place, const Context& context, unsigned mode) {
  auto there = open_in(place, context, place.path.c_str(), O_PATH);
  if (there) return {};
  Leaf leaf = CCSAND_TRY(leaf_of(place, context));
  auto made = sys::mknodat(leaf.parent.get(), leaf.name.c_str(), S_IFREG | mode, 0);
  if (!made && !exists(made.error())) return made.error();
  return {};
}
}  // namespace

Result<void> apply(const MakeDirectory& op, Context& context) {
  if (op.parents) return make_directories(op.place, context, op.mode);
  Leaf leaf = CCSAND_TRY(leaf_of(op.place, context));
  return sys::mkdirat(leaf.parent.get(), leaf.name.c_str(), op.mode);
}
Result<void> apply(const MakeFile& op, Context& context) { return make_file(op.place, context, op.mode); }
Result<void> apply(const MakeMountPoint& op, Context& context) {
  if (op.like != kNoSlot) {
    if (context.fd(op.like) < 0) return {};  // an optional source that was not there
    auto status = CCSAND_TRY(sys::fstatat(context.fd(op.like), "", AT_EMPTY_PATH));
    if (!S_ISDIR(status.st_mode)) {
      std::size_t slash = op.place.path.rfind('/');
      if (slash != std::string::npos && slash > 0) {
        FixedText<4096> parent(std::string_view(op.place.path).substr(0, slash));
        auto above = open_in(op.place, context, parent.c_str(), O_PATH | O_DIRECTORY);
        if (!above && above.error().code == ENOENT)
          return make_error(ENOENT, "mount point", op.place.path,
                            "the directory of a file's mount point does not exist",
                            "mount a directory there first, or name one that exists");
      }
      return make_file(op.place, context, 0644);
    }
  }
  auto made = make_directories(op.place, context, 0755);
  if (!made && made.error().code == EROFS) {
    Error error = made.error();
    error.hint = "the root is read-only: give it a writable layer (access = \"layer\"), or make the mount point in it";
    return error;
  }
  return made;
}
Result<void> apply(const MakeNode& op, Context& context) {
  Leaf leaf = CCSAND_TRY(leaf_of(op.place, context));
  auto made = sys::mknodat(leaf.parent.get(), leaf.name.c_str(), op.mode, makedev(op.major, op.minor));
  if (!made && made.error().code == EPERM && (S_ISCHR(op.mode) || S_ISBLK(op.mode))) {
    Error error = made.error();
    error.hint = "device nodes cannot be made in a user namespace; bind the host's node instead";
    return error;
  }
  return made;
}
Result<void> apply(const MakeSymlink& op, Context& context) {
  Leaf leaf = CCSAND_TRY(leaf_of(op.place, context));
  return sys::symlinkat(op.target.c_str(), leaf.parent.get(), leaf.name.c_str());
}
Result<void> apply(const UnlinkSymlink& op, Context& context) {
  Leaf leaf = CCSAND_TRY(leaf_of(op.place, context));
  auto status = sys::fstatat(leaf.parent.get(), leaf.name.c_str(), AT_SYMLINK_NOFOLLOW);
  if (!status || !S_ISLNK(status->st_mode)) return {};
  return sys::unlinkat(leaf.parent.get(), leaf.name.c_str(), 0);
}
Result<void> apply(const ChangeOwner& op, Context& context) {
  Leaf leaf = CCSAND_TRY(leaf_of(op.place, context));
  return sys::fchownat(leaf.parent.get(), leaf.name.c_str(), op.uid, op.gid, AT_SYMLINK_NOFOLLOW);
}
Result<void> apply(const ChangeMode& op, Context& context) {
  Leaf leaf = CCSAND_TRY(leaf_of(op.place, context));
  return sys::fchmodat(leaf.parent.get(), leaf.name.c_str(), op.mode);
}
Result<void> apply(const WriteFile& op, Context& context) {
  Fd file = CCSAND_TRY(open_in(op.place, context, op.place.path.c_str(), O_WRONLY));
  CCSAND_TRY(sys::write(file.get(), op.text.data(), op.text.size(), op.place.path));
  return {};
}
Result<void> apply(const ChangeDirectory& op, Context& context) {
  if (op.place.path.empty()) return sys::fchdir(context.fd(op.place.base), "the directory of the slot");
  if (op.place.base == kNoSlot) return sys::chdir(op.place.path.c_str());
  Fd directory = CCSAND_TRY(resolve(op.place, context, O_DIRECTORY));
  return sys::fchdir(directory.get(), op.place.path);
}
Result<void> apply(const ChangeRoot& op, Context&) { return sys::chroot(op.path.c_str()); }

namespace {
std::string octal(unsigned mode) {
  std::string text;
  for (unsigned rest = mode & 07777; rest != 0; rest >>= 3) text.insert(text.begin(), static_cast<char>('0' + (rest & 7)));
  return "0" + text;
}
}  // namespace

std::string describe(const MakeDirectory& op) {
  return "mkdir " + describe(op.place) + " " + octal(op.mode) + (op.parents ? " with parents" : "");
}
std::string describe(const MakeFile& op) { return "make file " + describe(op.place) + " " + octal(op.mode); }
std::string describe(const MakeMountPoint& op) { return "make mount point " + describe(op.place); }
std::string describe(const MakeNode& op) {
  return "mknod " + describe(op.place) + " " + octal(op.mode) + " " + number(op.major) + ":" + number(op.minor);
}
std::string describe(const MakeSymlink& op) { return "symlink " + describe(op.place) + " to " + quoted(op.target); }
std::string describe(const UnlinkSymlink& op) { return "remove " + describe(op.place) + " where it is a link"; }
std::string describe(const ChangeOwner& op) {
  return "chown " + describe(op.place) + " " + number(op.uid) + ":" + number(op.gid);
}
std::string describe(const ChangeMode& op) { return "chmod " + describe(op.place) + " " + octal(op.mode); }
std::string describe(const WriteFile& op) { return "write " + quoted(op.text) + " to " + describe(op.place); }
std::string describe(const ChangeDirectory& op) {
  return "chdir " + (op.place.path.empty() ? slot_name(op.place.base) : describe(op.place));
}
std::string describe(const ChangeRoot& op) { return "chroot " + quoted(op.path); }

}  // namespace ccsand
