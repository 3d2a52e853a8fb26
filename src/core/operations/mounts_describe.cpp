// Describing operations on mounts.
#include <linux/mount.h>

#include "core/names.hpp"
#include "core/operations/describe.hpp"
#include "core/operations/mounts.hpp"

namespace ccsand {

namespace {
std::string attributes(std::uint64_t bits) { return also(words_of_bits(mount_attribute_names(), bits)); }
}  // namespace

std::string describe(const Place& place) {
  if (place.base == kNoSlot) return quoted(place.path);
  return quoted(place.path) + " in " + slot_name(place.base);
}
std::string describe(const OpenTree& op) {
  return "open_tree " + describe(op.source) + (op.recursive ? " recursive" : "") + (op.optional ? " optional" : "") +
         " as " + slot_name(op.out);
}
std::string describe(const MountFilesystem& op) {
  std::string line = "mount " + op.type;
  if (!op.source.empty()) line += " " + quoted(op.source);
  if (!op.target.path.empty()) line += " on " + describe(op.target);
  line += attributes(op.attributes);
  for (const auto& [key, value] : op.options) line += " " + key + (value.empty() ? "" : "=" + value);
  if (op.out != kNoSlot) line += " as " + slot_name(op.out);
  return line;
}
std::string describe(const AttachMount& op) {
  return "mount " + op.name + " (" + slot_name(op.tree) + ") on " + describe(op.target);
}
std::string describe(const BindMount& op) {
  return "bind " + describe(op.source) + " on " + describe(op.target) + (op.recursive ? " recursive" : "") +
         attributes(op.attributes) + (op.optional ? " optional" : "");
}
std::string describe(const SetMountAttributes& op) {
  std::string line = "mount_setattr " + (op.tree != kNoSlot ? slot_name(op.tree) : describe(op.target));
  line += attributes(op.set);
  if (op.clear != 0) line += " clear" + attributes(op.clear);
  if (op.propagation != 0) line += also(word_of(propagation_names(), op.propagation));
  if (op.user_namespace != kNoSlot) line += " idmap=" + slot_name(op.user_namespace);
  return line + (op.recursive ? " recursive" : "");
}
std::string describe(const LockMounts& op) {
  std::string line = "lock attributes of";
  for (Slot tree : op.trees) line += " " + slot_name(tree);
  return line;
}
std::string describe(const MoveMount& op) { return "move mount " + describe(op.source) + " to " + describe(op.target); }
std::string describe(const MaskPath& op) { return "mask " + describe(op.target); }
std::string describe(const OpenDeviceTree& op) { return "open device tree as " + slot_name(op.out); }
std::string describe(const BindDevices& op) { return "bind devices in " + describe(op.tree) + " where none could be made"; }
std::string describe(const Unmount& op) {
  return "umount " + quoted(op.path) + also(words_of_bits(unmount_names(), op.flags));
}
std::string describe(const PivotRoot& op) { return "pivot_root " + quoted(op.new_root) + " " + quoted(op.put_old); }

}  // namespace ccsand
