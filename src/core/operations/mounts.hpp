// Operations on mounts. Each is a plain struct, a function that applies it with
// bare system calls, and one that describes it in a line.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/context.hpp"

namespace ccsand {

// A path, and where it is looked up. With a base slot the path is resolved inside
// that directory as if it were the root (openat2 RESOLVE_IN_ROOT): no link of an
// image leads out of it.
struct Place {
  Slot base = kNoSlot;
  std::string path;
};
std::string describe(const Place& place);
// An O_PATH descriptor of the place. With an empty path, a duplicate is not made:
// use with_place.
Result<Fd> resolve(const Place& place, const Context& context, int flags);

// open_tree(2): a detached copy of the mount at `source`, kept in `out`.
struct OpenTree {
  Place source;
  bool recursive = false;
  Slot out = kNoSlot;
  bool optional = false;  // a source that does not exist leaves the slot empty
};
// fsopen(2) to fsmount(2): a new filesystem, attached to `target` or, where that
// has no path, kept detached in `out`.
struct MountFilesystem {
  std::string type;
  std::vector<std::pair<std::string, std::string>> options;  // "" as the value of a flag
  std::uint64_t attributes = 0;                              // MOUNT_ATTR_*
  Place target;
  Slot out = kNoSlot;
  std::string source;                                        // a device, or a name; "" is the type's
  bool make_target = false;                                  // a directory that is missing is made (0755)
};
// move_mount(2) of a detached tree onto a place.
struct AttachMount {
  Slot tree = kNoSlot;
  Place target;
  std::string name;          // what is mounted, for the line
  bool make_target = false;  // a directory that is missing is made (0755)
  bool optional = false;     // a target that does not exist is passed over
};
// A bind mount of a place onto another, in one step: open_tree, mount_setattr, move_mount.
struct BindMount {
  Place source, target;
  bool recursive = false;
  std::uint64_t attributes = 0;
  bool optional = false;  // places that do not exist are passed over
};
// mount_setattr(2) on a detached tree (`tree`) or on a place.
struct SetMountAttributes {
  Slot tree = kNoSlot;
  Place target;
  std::uint64_t set = 0, clear = 0;
  std::uint64_t propagation = 0;
  Slot user_namespace = kNoSlot;  // id-mapped to it (MOUNT_ATTR_IDMAP, Linux 5.12)
  bool recursive = false;
};
// Makes the attributes of detached trees final: nobody in a user namespace can take
// "ro", "nodev" or "nosuid" off again, sys_admin or not.
struct LockMounts {
  std::vector<Slot> trees;
};
struct MoveMount {
  Place source, target;
};
// Hides a place: a directory behind an empty one, a file behind /dev/null. Places
// that do not exist are passed over.
struct MaskPath {
  Place target;
  Slot devices = kNoSlot;  // the device tree, attached: its "shm" is empty, its "null" is the device
};
// A detached copy of the tree of devices that containers get as /dev: read-only as
// a filesystem, made once in a process where the kernel can copy it (Linux 6.15).
struct OpenDeviceTree {
  Slot out = kNoSlot;
};
// The host's nodes onto their places in a device tree, where this process may make none of its
// own: in a user namespace. Elsewhere does nothing.
struct BindDevices {
  Place tree;
};
struct Unmount {
  std::string path;
  std::uint64_t flags = 0;  // MNT_*, UMOUNT_NOFOLLOW
};
struct PivotRoot {
  std::string new_root, put_old;
};

Result<void> apply(const OpenTree& op, Context& context);
Result<void> apply(const MountFilesystem& op, Context& context);
Result<void> apply(const AttachMount& op, Context& context);
Result<void> apply(const BindMount& op, Context& context);
Result<void> apply(const SetMountAttributes& op, Context& context);
Result<void> apply(const LockMounts& op, Context& context);
Result<void> apply(const MoveMount& op, Context& context);
Result<void> apply(const MaskPath& op, Context& context);
Result<void> apply(const OpenDeviceTree& op, Context& context);
Result<void> apply(const BindDevices& op, Context& context);
Result<void> apply(const Unmount& op, Context& context);
Result<void> apply(const PivotRoot& op, Context& context);

std::string describe(const OpenTree& op);
std::string describe(const MountFilesystem& op);
std::string describe(const AttachMount& op);
std::string describe(const BindMount& op);
std::string describe(const SetMountAttributes& op);
std::string describe(const LockMounts& op);
std::string describe(const MoveMount& op);
std::string describe(const MaskPath& op);
std::string describe(const OpenDeviceTree& op);
std::string describe(const BindDevices& op);
std::string describe(const Unmount& op);
std::string describe(const PivotRoot& op);

}  // namespace ccsand
