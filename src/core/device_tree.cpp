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

Result<void> populate(int tree) {
  for (const Node& node : kNodes) {
    CCSAND_TRY(sys::mknodat(tree, node.name, S_IFCHR | 0666, makedev(node.major, node.minor)));
  }
  for (const Link& link : kLinks) CCSAND_TRY(sys::symlinkat(link.target, tree, link.name));
  for (const char* directory : {"pts", "shm", "mqueue"}) CCSAND_TRY(sys::mkdirat(tree, directory, 0755));
  return sys::mknodat(tree, "console", S_IFREG | 0600, 0);
}

Result<Fd> make_device_tree() {
  Fd fs = CCSAND_TRY(sys::fsopen("tmpfs"));
  CCSAND_TRY(sys::fsconfig_set_string(fs.get(), "size", "64k"));
  CCSAND_TRY(sys::fsconfig_set_string(fs.get(), "mode", "0755"));
  CCSAND_TRY(sys::fsconfig_create(fs.get(), "tmpfs"));
  Fd tree = CCSAND_TRY(sys::fsmount(fs.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  mode_t mask = sys::umask(0);
  auto populated = populate(tree.get());
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
  bool cannot_copy = false;
};
Template device_template;
}  // namespace

Result<void> apply(const OpenDeviceTree& op, Context& context) {
  if (device_template.cannot_copy) {
    context.put(op.out, CCSAND_TRY(make_device_tree()));
    return {};
  }
  if (!device_template.tree.open()) device_template.tree = CCSAND_TRY(make_device_tree());
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

}  // namespace ccsand
