// Applying operations on mounts. All of it may run between clone and exec: it
// allocates nothing.
#include "core/operations/mounts.hpp"

#include "core/operations/files.hpp"

#include <fcntl.h>
#include <sys/mount.h>

#include <cerrno>

#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/mount.hpp"

namespace ccsand {

Result<Fd> resolve(const Place& place, const Context& context, int flags) {
  const char* path = place.path.empty() ? "." : place.path.c_str();
  if (place.base == kNoSlot) return sys::openat2(AT_FDCWD, path, flags | O_PATH);
  return sys::openat2(context.fd(place.base), path, flags | O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

namespace {
// Mounting over a descriptor's own place needs the empty-path flag; a resolved
// place is always one.
constexpr unsigned kOntoDescriptor = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

Result<void> attach_to(int tree, int where, const Place& target, std::string_view name) {
  return sys::move_mount(tree, "", where, "", kOntoDescriptor, name, target.path);
}
Result<void> attach(int tree, const Place& target, Context& context, std::string_view name, bool make_target) {
  auto where = resolve(target, context, 0);
  if (!where && make_target && where.error().code == ENOENT) {
    CCSAND_TRY(apply(MakeDirectory{target, 0755, true}, context));
    where = resolve(target, context, 0);
  }
  if (!where) {
    Error error = where.error();
    error.operation = "mount point";
    if (error.code == ENOENT)
      error.hint = "a mount point must exist where the root is read-only; give the root a writable layer, or make it";
    return error;
  }
  return attach_to(tree, where->get(), target, name);
}

// A copy of the mount at a place that was resolved already.
Result<Fd> clone_of_open(int place, const Place& source, bool recursive) {
  unsigned flags = OPEN_TREE_CLONE | AT_EMPTY_PATH | (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
  auto tree = sys::open_tree(place, "", flags);
  if (!tree) {
    Error error = tree.error();
    error.subject.clear();
    error.subject.append("'").append(source.path).append("'");
    return error;
  }
  return tree;
}
Result<Fd> clone_of(const Place& source, const Context& context, bool recursive) {
  if (source.base == kNoSlot) return sys::open_tree(AT_FDCWD, source.path.c_str(), OPEN_TREE_CLONE | (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U));
  Fd place = CCSAND_TRY(resolve(source, context, 0));
  return clone_of_open(place.get(), source, recursive);
}
bool missing(const Error& error) { return error.code == ENOENT || error.code == ENOTDIR; }
}  // namespace

Result<void> apply(const OpenTree& op, Context& context) {
  auto tree = clone_of(op.source, context, op.recursive);
  if (!tree) {
    if (op.optional && missing(tree.error())) return {};
    Error error = tree.error();
    if (error.code == EINVAL)
      error.hint = "a mount that is unbindable, or below one that is not shown here, cannot be copied";
    return error;
  }
  context.put(op.out, std::move(*tree));
  return {};
}

Result<void> apply(const MountFilesystem& op, Context& context) {
  Fd fs = CCSAND_TRY(sys::fsopen(op.type.c_str()));
  // What /proc/mounts shows in the first column.
  CCSAND_TRY(sys::fsconfig_set_string(fs.get(), "source", op.source.empty() ? op.type.c_str() : op.source.c_str()));
  for (const auto& [key, value] : op.options) {
    if (value.empty()) CCSAND_TRY(sys::fsconfig_set_flag(fs.get(), key.c_str()));
    else CCSAND_TRY(sys::fsconfig_set_string(fs.get(), key.c_str(), value.c_str()));
  }
  auto made = sys::fsconfig_create(fs.get(), op.type);
  if (!made) {
    Error error = made.error();
    if (error.code == EPERM && (op.type == "proc" || op.type == "sysfs"))
      error.hint = "in a user namespace a new proc or sysfs needs one that is fully visible already (mount_namespaces(7))";
    return error;
  }
  Fd mount = CCSAND_TRY(sys::fsmount(fs.get(), static_cast<unsigned>(op.attributes)));
  if (!op.target.path.empty()) CCSAND_TRY(attach(mount.get(), op.target, context, op.type, op.make_target));
  if (op.out != kNoSlot) context.put(op.out, std::move(mount));
  return {};
}

Result<void> apply(const AttachMount& op, Context& context) {
  if (context.fd(op.tree) < 0) return {};  // an optional source that was not there
  auto done = attach(context.fd(op.tree), op.target, context, op.name, op.make_target);
  if (!done && op.optional && done.error().code == ENOENT) return {};
  return done;
}

Result<void> apply(const BindMount& op, Context& context) {
  Fd itself;  // the place, where one is mounted onto itself
  if (op.source.base != kNoSlot && op.source.base == op.target.base && op.source.path == op.target.path) {
    auto place = resolve(op.source, context, 0);
    if (!place) return op.optional && missing(place.error()) ? Result<void>() : Result<void>(place.error());
    itself = std::move(*place);
  }
  auto tree = itself.open() ? clone_of_open(itself.get(), op.source, op.recursive) : clone_of(op.source, context, op.recursive);
  if (!tree) {
    if (op.optional && missing(tree.error())) return {};
    return tree.error();
  }
  if (op.attributes != 0) {
    sys::MountAttributes attributes;
    attributes.set = op.attributes;
    unsigned flags = AT_EMPTY_PATH | (op.recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
    CCSAND_TRY(sys::mount_setattr(tree->get(), "", flags, attributes, op.target.path));
  }
  if (itself.open()) return attach_to(tree->get(), itself.get(), op.target, op.source.path);
  return attach(tree->get(), op.target, context, op.source.path, false);
}

Result<void> apply(const SetMountAttributes& op, Context& context) {
  sys::MountAttributes attributes;
  attributes.set = op.set;
  attributes.clear = op.clear;
  attributes.propagation = op.propagation;
  if (((op.set | op.clear) & MOUNT_ATTR__ATIME) != 0) attributes.clear |= MOUNT_ATTR__ATIME;
  if (op.user_namespace != kNoSlot) {
    attributes.set |= MOUNT_ATTR_IDMAP;
    attributes.user_namespace = context.fd(op.user_namespace);
  }
  unsigned recursive = op.recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U;
  Result<void> done;
  if (op.tree != kNoSlot) {
    if (context.fd(op.tree) < 0) return {};
    done = sys::mount_setattr(context.fd(op.tree), "", AT_EMPTY_PATH | recursive, attributes, "of the detached tree");
  } else if (op.target.base == kNoSlot) {
    done = sys::mount_setattr(AT_FDCWD, op.target.path.c_str(), recursive, attributes, op.target.path);
  } else {
    Fd place = CCSAND_TRY(resolve(op.target, context, 0));
    done = sys::mount_setattr(place.get(), "", AT_EMPTY_PATH | recursive, attributes, op.target.path);
  }
  if (!done && done.error().code == EINVAL && op.user_namespace != kNoSlot) {
    Error error = done.error();
    error.hint = "this filesystem cannot be id-mapped; copy the tree to another one, or run with user_namespace = false";
    return error;
  }
  return done;
}

Result<void> apply(const MoveMount& op, Context& context) {
  Fd from = CCSAND_TRY(resolve(op.source, context, 0));
  return attach(from.get(), op.target, context, op.source.path, false);
}

Result<void> apply(const MaskPath& op, Context& context) {
  auto place = resolve(op.target, context, 0);
  if (!place) {
    if (missing(place.error())) return {};
    return place.error();
  }
  auto status = CCSAND_TRY(sys::fstatat(place->get(), "", AT_EMPTY_PATH));
  const char* cover = S_ISDIR(status.st_mode) ? "shm" : "null";
  Fd copy = CCSAND_TRY(sys::open_tree(context.fd(op.devices), cover, OPEN_TREE_CLONE));
  return sys::move_mount(copy.get(), "", place->get(), "", kOntoDescriptor, "a mask", op.target.path);
}

Result<void> apply(const Unmount& op, Context&) { return sys::umount2(op.path.c_str(), static_cast<int>(op.flags)); }

Result<void> apply(const PivotRoot& op, Context&) {
  auto done = sys::pivot_root(op.new_root.c_str(), op.put_old.c_str());
  if (!done && done.error().code == EINVAL) {
    Error error = done.error();
    error.hint = "the current root may be the initial ramdisk, which cannot be pivoted, or a shared mount";
    return error;
  }
  return done;
}

}  // namespace ccsand
