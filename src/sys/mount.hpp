// Mounts: the calls of the new mount API (Linux 5.2 to 5.12), pivot_root and the
// two old calls that have no successor. No policy.
#pragma once

#include <cstdint>
#include <string_view>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::sys {

// open_tree(2), Linux 5.2: `flags` are OPEN_TREE_CLONE, AT_RECURSIVE, AT_EMPTY_PATH, ...
Result<Fd> open_tree(int dir, const char* path, unsigned flags);
// move_mount(2), Linux 5.2. The names are for the message only.
Result<void> move_mount(int from_dir, const char* from, int to_dir, const char* to, unsigned flags,
                        std::string_view from_name, std::string_view to_name);
Result<Fd> fsopen(const char* type);
Result<Fd> fspick(int dir, const char* path, unsigned flags);
Result<void> fsconfig_set_flag(int fs, const char* key);
Result<void> fsconfig_set_string(int fs, const char* key, const char* value);
Result<void> fsconfig_set_fd(int fs, const char* key, int value);
Result<void> fsconfig_create(int fs, std::string_view name);
Result<void> fsconfig_reconfigure(int fs, std::string_view name);
// fsmount(2), Linux 5.2: `attributes` are MOUNT_ATTR_*.
Result<Fd> fsmount(int fs, unsigned attributes);
// mount_setattr(2), Linux 5.12. `flags` are AT_EMPTY_PATH, AT_RECURSIVE.
struct MountAttributes {
  std::uint64_t set = 0;          // MOUNT_ATTR_*
  std::uint64_t clear = 0;        // MOUNT_ATTR_*
  std::uint64_t propagation = 0;  // MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE or 0
  int user_namespace = -1;        // for MOUNT_ATTR_IDMAP
};
Result<void> mount_setattr(int dir, const char* path, unsigned flags, const MountAttributes& attributes,
                           std::string_view name);
Result<void> umount2(const char* path, int flags);
Result<void> pivot_root(const char* new_root, const char* put_old);
// mount(2) with MS_MOVE or MS_REMOUNT | MS_BIND, for hosts whose root cannot be pivoted.
Result<void> mount(const char* source, const char* target, const char* type, unsigned long flags, const char* data);

}  // namespace ccsand::sys
