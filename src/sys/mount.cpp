// Mounts.
#include "sys/mount.hpp"

#include <fcntl.h>

#include <cerrno>

#include "sys/call.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand::sys {

namespace {
// A context of fsopen keeps the kernel's own words on what was wrong ("e overlay:
// ..."): the errno alone is nearly always EINVAL.
Error explained(Error error, int fs) {
  char words[256];
  long size = call(SYS_read, fs, &words[0], sizeof words);
  if (size <= 2 || words[0] != 'e') return error;
  std::string_view text(&words[2], static_cast<std::size_t>(size) - 2);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  error.reason.append("the kernel says: ").append(text).append(" (").append(error_name(error.code)).append(")");
  return error;
}
Result<void> configure(int fs, unsigned command, const char* key, const void* value, int auxiliary,
                       std::initializer_list<std::string_view> subject) {
  long result = call(SYS_fsconfig, fs, command, key, value, auxiliary);
  if (result < 0) return explained(failure(result, "fsconfig", subject), fs);
  return {};
}
}  // namespace

Result<Fd> open_tree(int dir, const char* path, unsigned flags) {
  long result = call(SYS_open_tree, dir, path, flags | OPEN_TREE_CLOEXEC);
  if (result < 0) return failure(result, "open_tree", {"'", path, "'"});
  return Fd(static_cast<int>(result));
}
Result<void> move_mount(int from_dir, const char* from, int to_dir, const char* to, unsigned flags,
                        std::string_view from_name, std::string_view to_name) {
  long result = call(SYS_move_mount, from_dir, from, to_dir, to, flags);
  if (result < 0) return failure(result, "mount", {from_name, " on '", to_name, "'"});
  return {};
}
Result<Fd> fsopen(const char* type) {
  long result = call(SYS_fsopen, type, FSOPEN_CLOEXEC);
  if (result < 0) return failure(result, "fsopen", {"'", type, "'"});
  return Fd(static_cast<int>(result));
}
Result<Fd> fspick(int dir, const char* path, unsigned flags) {
  long result = call(SYS_fspick, dir, path, flags | FSPICK_CLOEXEC);
  if (result < 0) return failure(result, "fspick", {"'", path, "'"});
  return Fd(static_cast<int>(result));
}
Result<void> fsconfig_set_flag(int fs, const char* key) {
  return configure(fs, FSCONFIG_SET_FLAG, key, nullptr, 0, {"'", key, "'"});
}
Result<void> fsconfig_set_string(int fs, const char* key, const char* value) {
  return configure(fs, FSCONFIG_SET_STRING, key, value, 0, {"'", key, "=", value, "'"});
}
Result<void> fsconfig_set_fd(int fs, const char* key, int value) {
  return configure(fs, FSCONFIG_SET_FD, key, nullptr, value, {"'", key, "'"});
}
Result<void> fsconfig_create(int fs, std::string_view name) {
  return configure(fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0, {"create '", name, "'"});
}
Result<void> fsconfig_reconfigure(int fs, std::string_view name) {
  return configure(fs, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0, {"reconfigure '", name, "'"});
}
Result<Fd> fsmount(int fs, unsigned attributes) {
  long result = call(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
  if (result < 0) return explained(failure(result, "fsmount", {}), fs);
  return Fd(static_cast<int>(result));
}
Result<void> mount_setattr(int dir, const char* path, unsigned flags, const MountAttributes& attributes,
                           std::string_view name) {
  mount_attr wire = {};
  wire.attr_set = attributes.set;
  wire.attr_clr = attributes.clear;
  wire.propagation = attributes.propagation;
  if ((attributes.set & MOUNT_ATTR_IDMAP) != 0)
    wire.userns_fd = static_cast<__u64>(attributes.user_namespace);
  long result = call(SYS_mount_setattr, dir, path, flags, &wire, sizeof wire);
  if (result < 0) return failure(result, "mount_setattr", {name});
  return {};
}
Result<void> umount2(const char* path, int flags) {
  long result = call(SYS_umount2, path, flags);
  if (result < 0) return failure(result, "umount", {"'", path, "'"});
  return {};
}
Result<void> pivot_root(const char* new_root, const char* put_old) {
  long result = call(SYS_pivot_root, new_root, put_old);
  if (result < 0) return failure(result, "pivot_root", {"'", new_root, "' with the old root on '", put_old, "'"});
  return {};
}
Result<void> mount(const char* source, const char* target, const char* type, unsigned long flags, const char* data) {
  long result = call(SYS_mount, source, target, type, flags, data);
  if (result < 0)
    return failure(result, "mount", {type != nullptr ? type : source != nullptr ? source : "", " on '", target, "'"});
  return {};
}

}  // namespace ccsand::sys
