#include "core/spare_network.hpp"

#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "sys/inspect.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand {

namespace {
constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

Error unsuited(const char* key, const char* why, const char* hint) { return make_error(EINVAL, "pool: reuse_network", key, why, hint); }

// In which a network can be changed, or marked: by its settings, and the owners and modes of its files.
bool is_kernels(const std::string& path) {
  auto status = sys::statfs(path.c_str());
  return status && (status->type == PROC_SUPER_MAGIC || status->type == SYSFS_MAGIC);
}
Result<void> suits(const MountSpec& mount) {
  constexpr std::array<std::string_view, 4> kPlain = {"tmpfs", "devpts", "mqueue", "ramfs"};
  bool writable = (mount.attributes & MOUNT_ATTR_RDONLY) == 0;
  if (mount.type != "bind") {
    bool plain = std::find(kPlain.begin(), kPlain.end(), mount.type) != kPlain.end();
    return plain ? Result<void>() : unsuited("mounts", "of filesystems must be tmpfs, devpts, mqueue or ramfs: others may show the network", "");
  }
  if (writable && mount.recursive)
    return unsuited("mounts", "that are writable must not be recursive: there could be a /proc or a /sys below", "recursive = false");
  if (writable && is_kernels(mount.source)) return unsuited("mounts", "must not show a writable /proc or /sys, where the network can be changed", "");
  return {};
}
}  // namespace

Result<void> suits_spare_network(const ContainerSpec& spec) {
  if (spec.user.kind != NamespaceChoice::host)
    return unsuited("user_namespace", "owns the network namespaces that are made in it, and ends with its container", "needs user_namespace = false");
  if (spec.net.kind != NamespaceChoice::fresh || !spec.network.interfaces.empty() || !spec.network.rules.empty())
    return unsuited("network", "must be \"none\": a loopback and nothing else", "");
  if (spec.pid.kind != NamespaceChoice::fresh)
    return unsuited("namespaces.pid", "lets processes outlive the container, in its network", "needs a new one");
  if (spec.mount.kind != NamespaceChoice::fresh) return unsuited("namespaces.mount", "has whatever mounts it has", "needs a new one");
  if (spec.filter_notifies) return unsuited("seccomp", "has calls that a function decides, which may do anything to the network", "");
  constexpr std::uint64_t changing = bit(CAP_NET_ADMIN) | bit(CAP_SYS_ADMIN) | bit(CAP_SYS_MODULE) | bit(CAP_SYS_PTRACE) | bit(CAP_BPF);
  if (((spec.capabilities | spec.ambient | spec.inheritable) & changing) != 0)
    return unsuited("capabilities", "let it change the network", "leave out net_admin, sys_admin, sys_module, sys_ptrace and bpf");
  for (const MountSpec& mount : spec.mounts) CCSAND_TRY(suits(mount));
  if (spec.root.access == RootSpec::read_write && is_kernels(spec.root.path)) return unsuited("root", "must not be a writable /proc or /sys", "");
  for (const auto& [key, value] : spec.sysctls)
    if (key.starts_with("net")) return unsuited("sysctls", "change the network", "");
  if (!spec.hooks.empty()) return unsuited("created, setup, before_exec", "are functions, which may do anything to the network", "");
  return {};
}

}  // namespace ccsand
