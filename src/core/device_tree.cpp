// The tree of devices that becomes a container's /dev. The host makes it, because
// device nodes cannot be made in a user namespace; no container can write to it,
// because the filesystem itself is read-only and belongs to the host.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "core/operations/mounts.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/mount.hpp"

namespace ccsand {

namespace {
struct Node {
  const char* name;
  unsigned minor;
  unsigned major;
};
constexpr Node kNodes[] = {{"null", 3, 1},   {"zero", 5, 1},    {"full", 7, 1},
                           {"random", 8, 1}, {"urandom", 9, 1}, {"tty", 0, 5}};
struct Link {
  const char* name;
  const char* target;
};
constexpr Link kLinks[] = {{"fd", "/proc/self/fd"},
                           {"stdin", "/proc/self/fd/0"},
                           {"stdout", "/proc/self/fd/1"},
                           {"stderr", "/proc/self/fd/2"},
                           {"ptmx", "pts/ptmx"}};

// In a user namespace there is no right to make nodes: then places to bind the host's to.
Result<void> populate(int tree, bool& without_nodes) {
  for (const Node& node : kNodes) {
    auto made = without_nodes ? sys::mknodat(tree, node.name, S_IFREG | 0666, 0) : sys::mknodat(tree, node.name, S_IFCHR | 0666, makedev(node.major, node.minor));
    if (!made && made.error().code == EPERM && !without_nodes) {
      without_nodes = true;
      made = sys::mknodat(tree, node.name, S_IFREG | 0666, 0);
    }
    if (!made) return made;
  }
  for (const Link& link : kLinks) CCSAND_TRY(sys::symlinkat(link.target, tree, link.name));
  for (const char* directory : {"pts", "shm", "mqueue"}) CCSAND_TRY(sys::mkdirat(tree, directory, 0755));
  return sys::mknodat(tree, "console", S_IFREG | 0600, 0);
}

Result<Fd> make_device_tree(bool& without_nodes) {
  Fd fs = CCSAND_TRY(sys::fsopen("tmpfs"));
  CCSAND_TRY(sys::fsconfig_set_string(fs.get(), "size", "64k"));
  CCSAND_TRY(sys::fsconfig_set_string(fs.get(), "mode", "0755"));
  CCSAND_TRY(sys::fsconfig_create(fs.get(), "tmpfs"));
  Fd tree = CCSAND_TRY(sys::fsmount(fs.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  mode_t mask = sys::umask(0);
  auto populated = populate(tree.get(), without_nodes);
  (void)sys::umask(mask);
  if (!populated) return populated.error().in("device tree");
  CCSAND_TRY(sys::fsconfig_set_flag(fs.get(), "ro"));
  CCSAND_TRY(sys::fsconfig_reconfigure(fs.get(), "tmpfs"));
  return tree;
}

// Kept for the containers to come, for as long as this process lives and where its
// detached mount can be copied.
struct Template {
  Fd tree;
  bool cannot_copy = false, without_nodes = false;
};
Template device_template;
}  // namespace

Result<void> apply(const OpenDeviceTree& op, Context& context) {
  if (device_template.cannot_copy) {
    context.put(op.out, CCSAND_TRY(make_device_tree(device_template.without_nodes)));
    context.devices_to_bind = device_template.without_nodes;
    return {};
  }
  if (!device_template.tree.open()) device_template.tree = CCSAND_TRY(make_device_tree(device_template.without_nodes));
  context.devices_to_bind = device_template.without_nodes;
  auto copy = sys::open_tree(device_template.tree.get(), "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
  if (!copy) {
    // Before Linux 6.15 a detached mount cannot be copied: each container gets one of its own.
    if (copy.error().code != EINVAL) return copy.error();
    device_template.cannot_copy = true;
    context.put(op.out, std::move(device_template.tree));
    return {};
  }
  context.put(op.out, std::move(*copy));
  return {};
}

Result<void> apply(const BindDevices& op, Context& context) {
  if (!context.devices_to_bind) return {};
  Fd tree = CCSAND_TRY(resolve(op.tree, context, O_DIRECTORY));
  for (const Node& node : kNodes) {
    FixedText<32> path("/dev/");
    path.append(node.name);
    Fd own = CCSAND_TRY(sys::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    CCSAND_TRY(sys::move_mount(own.get(), "", tree.get(), node.name, MOVE_MOUNT_F_EMPTY_PATH, path.view(), node.name));
  }
  return {};
}

}  // namespace ccsand
