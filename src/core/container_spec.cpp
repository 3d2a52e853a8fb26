// Defaults of containers, and what makes no sense in one.
#include "core/container_spec.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "core/seccomp/proof.hpp"

namespace ccsand {

namespace {
constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }
Error nonsense(std::string_view key, std::string_view reason, const char* hint = "") {
  return make_error(EINVAL, "", "container." + std::string(key), reason, hint);
}
bool absolute_and_plain(const std::string& path) {
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos) return false;
  std::string_view rest = path;
  while (!rest.empty()) {
    std::size_t slash = rest.find('/');
    if (rest.substr(0, slash) == "..") return false;
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  }
  return true;
}
}  // namespace

std::uint64_t default_capabilities() {
  // chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, setfcap
  return bit(0) | bit(1) | bit(3) | bit(4) | bit(5) | bit(6) | bit(7) | bit(8) | bit(10) | bit(18) | bit(31);
}
const std::vector<std::string>& default_masked_paths() {
  static const std::vector<std::string> paths = {
      "/proc/acpi",       "/proc/kcore",       "/proc/keys",  "/proc/latency_stats", "/proc/timer_list",
      "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",       "/sys/devices/virtual/powercap"};
  return paths;
}
const std::vector<std::string>& default_readonly_paths() {
  static const std::vector<std::string> paths = {"/proc/asound", "/proc/bus", "/proc/fs",
                                                 "/proc/irq",    "/proc/sys", "/proc/sysrq-trigger"};
  return paths;
}
std::vector<IdRange> default_id_map() {
  std::uint32_t start = 100000;
  if (const char* text = std::getenv("CCSAND_SUBID_START")) {
    std::string_view view = text;
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
    if (error == std::errc() && end == view.data() + view.size() && value >= 1000) start = value;
  }
  return {{0, start, 65536}};
}

namespace {
Result<void> validate_mounts(const ContainerSpec& spec) {
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
    const MountSpec& mount = spec.mounts[i];
    std::string key = "mounts[" + std::to_string(i + 1) + "]";
    if (!absolute_and_plain(mount.target) || mount.target == "/")
      return nonsense(key + ".target", "must be an absolute path below '/', without '..'");
    if (mount.type == "bind" && (mount.source.empty() || mount.source[0] != '/'))
      return nonsense(key + ".source", "a bind mount needs an absolute source");
    if (mount.type != "bind" && mount.id_mapped) return nonsense(key + ".id_mapped", "is for bind mounts");
    if (mount.type != "bind" && mount.optional) return nonsense(key + ".optional", "is for bind mounts");
    if (mount.type == "bind" && !mount.options.empty()) return nonsense(key + ".options", "are for filesystems; a bind mount has flags");
  }
  for (const auto* paths : {&spec.masked_paths, &spec.readonly_paths})
    for (const std::string& path : *paths)
      if (!absolute_and_plain(path) || path == "/")
        return nonsense(paths == &spec.masked_paths ? "masked_paths" : "readonly_paths",
                        "must be absolute paths below '/', without '..'");
  return {};
}

// Only sysctls that a namespace of the container owns: the others would change the host.
Result<void> validate_sysctls(const ContainerSpec& spec) {
  auto fresh = [](const NamespaceChoice& choice) { return choice.kind == NamespaceChoice::fresh; };
  for (const auto& [key, value] : spec.sysctls) {
    std::string_view name = key;
    bool ipc = name.starts_with("kernel.shm") || name.starts_with("kernel.msg") || name == "kernel.sem" ||
               name.starts_with("fs.mqueue.");
    bool own = (ipc && fresh(spec.ipc)) || (name.starts_with("net.") && fresh(spec.net)) ||
               (name == "kernel.domainname" && fresh(spec.uts));
    if (name.find('/') != std::string_view::npos || name.find("..") != std::string_view::npos || !own)
      return nonsense("sysctls." + key, "does not belong to a new namespace of this container: it would change the host");
  }
  return {};
}

// The rules are in the container's own namespace, where these capabilities would undo them or go past them.
Result<void> validate_egress(const ContainerSpec& spec) {
  constexpr std::uint64_t kNetAdmin = bit(12), kNetRaw = bit(13), kSysAdmin = bit(21);
  if (spec.network.rules.empty()) return {};
  if (((spec.capabilities | spec.ambient | spec.inheritable) & (kNetAdmin | kNetRaw | kSysAdmin)) != 0)
    return nonsense("egress", "cannot hold a container that has net_admin, net_raw or sys_admin", "drop these capabilities, or filter outside of the container");
  return {};
}

Result<void> validate_namespaces(const ContainerSpec& spec) {
  if (spec.mount.kind == NamespaceChoice::host)
    return nonsense("namespaces.mount", "must be new or joined: the host's mounts are never changed");
  if (spec.time.kind != NamespaceChoice::fresh && (spec.monotonic_offset_ns != 0 || spec.boottime_offset_ns != 0))
    return nonsense("time_offsets", "need a new time namespace");
  if (spec.user.kind == NamespaceChoice::fresh && (spec.uid_map.empty() || spec.gid_map.empty()))
    return nonsense("user_namespace", "needs ranges for users and for groups");
  if (spec.only_pids && spec.user.kind != NamespaceChoice::host && spec.pid.kind != NamespaceChoice::fresh)
    return make_error(EINVAL, "container", "proc", "\"pids\" needs a pid namespace of its own in a user namespace", "the host's /proc can only be shown as it is");
  if (spec.user.kind == NamespaceChoice::joined && spec.pid.kind == NamespaceChoice::fresh)
    return nonsense("namespaces.user", "joining one needs pid = \"host\" or a joined one: a new pid namespace would not belong to it");
  if (spec.mount.kind == NamespaceChoice::joined) {
    if (spec.user.kind == NamespaceChoice::fresh)
      return nonsense("namespaces.mount", "joining one needs user_namespace = false, or the user namespace that owns it");
    auto numeric = [](const std::string& text) { return text.find_first_not_of("0123456789") == std::string::npos; };
    if (!spec.root.path.empty() || !spec.mounts.empty())
      return nonsense("namespaces.mount", "a joined one has its root and its mounts already");
    if (!numeric(spec.command_user) || !numeric(spec.command_group))
      return nonsense("user", "must be a number where the mount namespace is joined: there is no root to look names up in");
  }
  if (spec.net.kind != NamespaceChoice::fresh && !spec.network.interfaces.empty())
    return nonsense("network", "needs a new network namespace");
  if (spec.network.interfaces.empty() && !spec.network.rules.empty() && spec.net.kind != NamespaceChoice::fresh)
    return nonsense("egress", "needs a new network namespace: it would change the host's rules");
  CCSAND_TRY(validate(spec.network));
  CCSAND_TRY(validate_egress(spec));
  if (spec.uts.kind != NamespaceChoice::fresh && (!spec.hostname.empty() || !spec.domainname.empty()))
    return nonsense("hostname", "needs a new uts namespace: it would rename the host");
  return {};
}
}  // namespace

Result<void> validate(const ContainerSpec& spec) {
  CCSAND_TRY(validate_namespaces(spec));
  if (spec.mount.kind == NamespaceChoice::fresh && !absolute_and_plain(spec.root.path))
    return nonsense("root", "must be an absolute path");
  if (spec.hostname.size() > 64) return nonsense("hostname", "is longer than 64 bytes");
  if (spec.domainname.size() > 64) return nonsense("domainname", "is longer than 64 bytes");
  if (spec.argv.empty() || spec.argv[0].empty()) return nonsense("command", "is empty");
  if (!absolute_and_plain(spec.cwd)) return nonsense("cwd", "must be an absolute path, without '..'");
  if (spec.terminal && !spec.dev) return nonsense("terminal", "needs dev = true");
  if (spec.terminal && !spec.new_session) return nonsense("terminal", "needs a session of its own");
  if ((spec.ambient & ~spec.capabilities) != 0) return nonsense("ambient", "must be among the capabilities");
  if (spec.filter_notifies && !spec.no_new_privs) return nonsense("seccomp", "decisions at run time need no_new_privs = true");
  // Of a whole /proc the kernel knows that parts are covered, and lets nobody below have it anew; subset=pid it takes for whole.
  if (spec.only_pids && may_mount_filesystems(spec.filter))
    return make_error(EINVAL, "container", "proc", "\"pids\" needs a filter that denies mount, fsopen and fspick: who may mount, in a user namespace of its own, too, could have a whole /proc",
                      "keep the default of seccomp, without sys_admin; or use proc = true, or false");
  if (spec.landlock) {
    if (!spec.no_new_privs) return nonsense("landlock", "needs no_new_privs = true");
    CCSAND_TRY(validate(*spec.landlock, "container.landlock"));
  }
  CCSAND_TRY(validate_mounts(spec));
  CCSAND_TRY(validate_sysctls(spec));
  return validate(spec.limits);
}

}  // namespace ccsand
