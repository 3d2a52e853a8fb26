// What a container's root is made of, from the trees that the host opens to pivot_root.
#include <sys/mount.h>

#include "core/plan_builder.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand {

namespace {
// With sys_admin a container can change the attributes of mounts that are not locked.
void lock_sources(PlanBuilder& b) {
  constexpr std::uint64_t kSysAdmin = std::uint64_t{1} << 21;
  const ContainerSpec& spec = b.spec;
  if (spec.user.kind == NamespaceChoice::host || ((spec.capabilities | spec.ambient | spec.inheritable) & kSysAdmin) == 0) return;
  LockMounts lock;
  if (spec.root.access != RootSpec::layer) lock.trees.push_back(b.root_tree);  // a layer's own is out of reach
  for (Slot source : b.sources)
    if (source != kNoSlot) lock.trees.push_back(source);
  if (!lock.trees.empty()) b.plan.host(lock);
}

SetMountAttributes everything_private() {
  SetMountAttributes attributes;
  attributes.target = {kNoSlot, "/"};
  attributes.propagation = MS_PRIVATE;
  attributes.recursive = true;
  return attributes;
}

// The old root's own place carries what the new root is made of: it is covered
// until pivot_root and gone with the old root after it, and no directory of the
// host is needed.
const Place kOldRoot = {kNoSlot, "/"};

void assemble_layer(PlanBuilder& b) {
  ++b.covers;
  Slot stage = b.plan.new_slot();
  MountFilesystem scratch{"tmpfs", {{"mode", "0755"}}, MOUNT_ATTR_NODEV, kOldRoot, stage, {}, false};
  if (!b.spec.root.layer_size.empty()) scratch.options.push_back({"size", b.spec.root.layer_size});
  b.plan.container(scratch);
  b.plan.container(ChangeDirectory{{stage, ""}});
  for (const char* name : {"lower", "upper", "work", "root"})
    b.plan.container(MakeDirectory{{kNoSlot, name}, 0755, false});
  b.plan.container(AttachMount{b.root_tree, {kNoSlot, "lower"}, "root tree", false});
  b.root = b.plan.new_slot();
  MountFilesystem overlay{"overlay",
                          {{"lowerdir", "lower"}, {"upperdir", "upper"}, {"workdir", "work"}},
                          MOUNT_ATTR_NODEV,
                          {kNoSlot, "root"},
                          b.root,
                          {},
                          false};
  // A user namespace cannot write "trusted." attributes: overlay keeps its own in "user.".
  if (b.own_user) overlay.options.push_back({"userxattr", ""});
  b.plan.container(overlay);
}

MountFilesystem filesystem(const char* type, std::uint64_t attributes, Place target,
                           std::vector<std::pair<std::string, std::string>> options = {}) {
  return {type, std::move(options), attributes, std::move(target), kNoSlot, {}, false};
}

void mount_devices(PlanBuilder& b) {
  constexpr std::uint64_t kPlain = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  b.plan.container(filesystem("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, b.in_root("/dev/pts"),
                              {{"newinstance", ""}, {"ptmxmode", "0666"}, {"mode", "0620"}}));
  b.plan.container(filesystem("tmpfs", kPlain, b.in_root("/dev/shm"), {{"mode", "1777"}, {"size", "64m"}}));
  if (b.spec.ipc.kind == NamespaceChoice::fresh)
    b.plan.container(filesystem("mqueue", kPlain, b.in_root("/dev/mqueue")));
}

void mount_kernel_filesystems(PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  constexpr std::uint64_t kPlain = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const std::uint64_t of_proc = b.assembly.guards_network ? MOUNT_ATTR_RDONLY : 0;
  bool can_make = spec.root.access == RootSpec::layer || spec.root.access == RootSpec::read_write;
  // A user namespace may mount these only for namespaces that it owns; of the host's
  // it gets the host's own mount.
  auto mount_or_bind = [&](const char* type, const char* path, const NamespaceChoice& subject, std::uint64_t more) {
    if (b.own_user && subject.kind != NamespaceChoice::fresh) {
      if (can_make) b.plan.container(MakeDirectory{b.in_root(path), 0755, true});
      b.plan.container(BindMount{{kNoSlot, path}, b.in_root(path), true, kPlain | more, false});
      return;
    }
    MountFilesystem mount = filesystem(type, kPlain | more, b.in_root(path));
    mount.make_target = can_make;
    b.plan.container(mount);
  };
  if (spec.only_pids) {
    MountFilesystem mount = filesystem("proc", kPlain | of_proc, b.in_root("/proc"), {{"subset", "pid"}});
    mount.make_target = can_make;
    b.plan.container(mount);
  } else if (spec.proc) {
    mount_or_bind("proc", "/proc", spec.pid, of_proc);
  }
  if (spec.sys) mount_or_bind("sysfs", "/sys", spec.net, MOUNT_ATTR_RDONLY);
  if (spec.root.host_view) {
    b.plan.container(filesystem("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, b.in_root("/tmp"), {{"mode", "1777"}}));
    b.plan.container(filesystem("tmpfs", kPlain, b.in_root("/run"), {{"mode", "0755"}}));
  }
  if (spec.dev) {
    b.plan.container(AttachMount{b.devices, b.in_root("/dev"), "device tree", can_make});
    b.plan.container(BindDevices{b.in_root("/dev")});
  } else if (b.devices != kNoSlot) {
    b.plan.container(AttachMount{b.devices, kOldRoot, "device tree", false});  // for the masks alone
    ++b.covers;
  }
}

void restrict_paths(PlanBuilder& b) {
  for (const std::string& path : b.spec.masked_paths) b.plan.container(MaskPath{b.in_root(path), b.devices});
  for (const std::string& path : b.spec.readonly_paths)
    b.plan.container(BindMount{b.in_root(path), b.in_root(path), true, MOUNT_ATTR_RDONLY, true});
}

void mount_users(PlanBuilder& b) {
  // A view of the host has a /tmp and a /run of its own to make mount points in.
  bool can_make = b.spec.root.access != RootSpec::read_only || b.spec.root.host_view;
  for (std::size_t i = 0; i < b.spec.mounts.size(); ++i) {
    const MountSpec& mount = b.spec.mounts[i];
    if (can_make) b.plan.container(MakeMountPoint{b.in_root(mount.target), b.sources[i]});
    if (b.sources[i] != kNoSlot)
      b.plan.container(AttachMount{b.sources[i], b.in_root(mount.target), mount.source, false});
    else
      b.plan.container(MountFilesystem{mount.type, mount.options, mount.attributes, b.in_root(mount.target), kNoSlot, mount.source, false});
  }
}

// By which the container finds names: made, never the image's.
void mount_names(PlanBuilder& b) {
  if (b.hosts == kNoSlot) return;
  const RootSpec& root = b.spec.root;
  auto mount = [&](Slot tree, const char* path, const char* name) {
    if (root.access == RootSpec::layer) b.plan.container(UnlinkSymlink{b.in_root(path)});
    if (root.access != RootSpec::read_only) b.plan.container(MakeMountPoint{b.in_root(path), tree});
    b.plan.container(AttachMount{tree, b.in_root(path), name, false, root.host_view});
  };
  if (root.access != RootSpec::read_only) b.plan.container(MakeDirectory{b.in_root("/etc"), 0755, true});
  mount(b.hosts, "/etc/hosts", "hosts");
  mount(b.resolver, "/etc/resolv.conf", "resolv.conf");
}

}  // namespace

// Whether the root is the same mount for each of a pool's containers, and nothing else of the host's mounts is
// needed when that has been taken for one: proc in a user namespace, the host's /proc/sys, a place for the device tree.
bool is_root_shared(const ContainerSpec& spec) {
  return spec.user.kind == NamespaceChoice::host && spec.root.access != RootSpec::layer && spec.sysctls.empty() && (spec.dev || spec.masked_paths.empty());
}

void open_root(PlanBuilder& b) {
  const RootSpec& root = b.spec.root;
  b.root_tree = b.plan.new_slot();
  b.plan.host(OpenTree{{kNoSlot, root.path}, root.host_view, b.root_tree, false});
  SetMountAttributes attributes;
  attributes.tree = b.root_tree;
  attributes.recursive = root.host_view;
  attributes.set = MOUNT_ATTR_NODEV;
  if (root.host_view) attributes.set |= MOUNT_ATTR_NOSUID;
  // The lower layer of an overlay is never written to: no attribute is needed for that.
  if (root.access == RootSpec::read_only) attributes.set |= MOUNT_ATTR_RDONLY;
  attributes.propagation = MS_PRIVATE;
  b.plan.host(attributes);
}

void open_sources(PlanBuilder& b) {
  for (const MountSpec& mount : b.spec.mounts) {
    b.sources.push_back(kNoSlot);
    if (mount.type != "bind") continue;
    Slot slot = b.sources.back() = b.plan.new_slot();
    b.plan.host(OpenTree{{kNoSlot, mount.source}, mount.recursive, slot, mount.optional});
    SetMountAttributes bind;
    bind.tree = slot;
    bind.recursive = mount.recursive;
    bind.set = mount.attributes;
    bind.propagation = MS_PRIVATE;
    b.plan.host(bind);
  }
  lock_sources(b);
  if (b.spec.dev || !b.spec.masked_paths.empty()) {
    b.devices = b.plan.new_slot();
    b.plan.host(OpenDeviceTree{b.devices});
  }
}

void assemble_tree(PlanBuilder& b) {
  b.plan.container(everything_private());
  if (b.spec.root.access == RootSpec::layer) {
    assemble_layer(b);
  } else {
    b.plan.container(AttachMount{b.root_tree, kOldRoot, "root tree", false});
    b.root = b.root_tree;
  }
}

// With all that covers parts of them here, where ccsand itself is in a container, say: the kernel lets a user namespace
// mount no more than it sees.
void open_kernel_filesystems(PlanBuilder& b) {
  b.plan.host(OpenTree{{kNoSlot, "/proc"}, true, b.host_proc = b.plan.new_slot(), true});
  b.plan.host(OpenTree{{kNoSlot, "/sys"}, true, b.host_sys = b.plan.new_slot(), true});
}
void assemble_bare(PlanBuilder& b) {
  b.plan.container(everything_private());
  b.root = b.plan.new_slot();
  constexpr std::uint64_t kPlain = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  b.plan.container(MountFilesystem{"tmpfs", {{"mode", "0755"}, {"size", "16k"}}, kPlain, kOldRoot, b.root, {}, false});
  b.plan.container(MakeDirectory{b.in_root("/proc"), 0555, false});
  b.plan.container(MakeDirectory{b.in_root("/sys"), 0555, false});
  b.plan.container(AttachMount{b.host_proc, b.in_root("/proc"), "proc", false});
  b.plan.container(AttachMount{b.host_sys, b.in_root("/sys"), "sysfs", false});
  b.plan.container(everything_private());  // what came along
}

void assemble_mounts(PlanBuilder& b) {
  mount_kernel_filesystems(b);
  mount_names(b);
  mount_users(b);
  restrict_paths(b);
  if (b.spec.dev) mount_devices(b);
}

void swap_roots(PlanBuilder& b) {
  b.plan.container(ChangeDirectory{{b.root, ""}});
  b.plan.container(PivotRoot{".", "."});
  // The old root now lies on the new one, and what covered it on top: one by one they go.
  for (int i = 0; i <= b.covers; ++i) b.plan.container(Unmount{".", MNT_DETACH});
  b.plan.container(ChangeDirectory{{kNoSlot, "/"}});
}

}  // namespace ccsand
