// What keeps a network namespace as it was: who is in it cannot configure it, nor has a socket. proc_net(5)
#include "core/spare_network.hpp"

#include <fcntl.h>
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "core/seccomp/proof.hpp"
#include "sys/file.hpp"
#include "sys/inspect.hpp"

namespace ccsand {

namespace {
// Whether sockstat counts any socket as this namespace's own; words of which the number is the whole machine's
// are passed over.
bool counts_sockets(std::string_view text) {
  std::string_view word;
  while (!text.empty()) {
    std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    std::string_view next = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    bool machine_wide = word == "orphan" || word == "alloc" || word == "mem";
    if (!machine_wide && !next.empty() && next.find_first_not_of("0123456789") == std::string_view::npos && next != "0") return true;
    word = next;
  }
  return false;
}

bool shows_proc(const MountSpec& mount) {
  auto below = [&mount](std::string_view top) {
    return mount.source == top || (mount.source.starts_with(top) && mount.source[top.size()] == '/');
  };
  return mount.type == "proc" || mount.type == "sysfs" || mount.source == "/" || below("/proc") || below("/sys");
}
constexpr std::uint64_t bit(int capability) { return std::uint64_t{1} << capability; }

Error unsuited(const char* key, const char* why, const char* hint) { return make_error(EINVAL, "pool: reuse_network", key, why, hint); }
}  // namespace

Result<void> SpareNetwork::suits(const ContainerSpec& spec) {
  if (spec.user.kind != NamespaceChoice::host)
    return unsuited("user_namespace", "owns the network namespaces that are made in it, and ends with its container", "needs user_namespace = false");
  if (spec.net.kind != NamespaceChoice::fresh || !spec.network.interfaces.empty() || !spec.network.rules.empty())
    return unsuited("network", "must be \"none\": a loopback and nothing else", "");
  if (spec.pid.kind != NamespaceChoice::fresh)
    return unsuited("namespaces.pid", "lets processes outlive the container, in its network", "needs a new one");
  if (may_make_other_sockets(spec.filter))
    return unsuited("seccomp", "lets it make sockets, by which one run could leave something for the next",
                    "use seccomp = \"no-network\", or another policy that denies sockets (those of AF_UNIX may be allowed)");
  constexpr std::uint64_t changing = bit(CAP_NET_ADMIN) | bit(CAP_SYS_ADMIN) | bit(CAP_SYS_MODULE) | bit(CAP_SYS_PTRACE) | bit(CAP_BPF);
  if ((spec.capabilities & changing) != 0)
    return unsuited("capabilities", "let it change the network", "leave out net_admin, sys_admin, sys_module, sys_ptrace and bpf");
  auto covered = [&spec](const char* path) {
    auto has = [path](const std::vector<std::string>& list) { return std::find(list.begin(), list.end(), path) != list.end(); };
    return has(spec.readonly_paths) || has(spec.masked_paths);
  };
  if (spec.proc && !spec.only_pids && !covered("/proc/sys") && !covered("/proc"))
    return unsuited("readonly_paths", "must have /proc/sys, where the network can be changed", "");
  if (std::any_of(spec.mounts.begin(), spec.mounts.end(), shows_proc))
    return unsuited("mounts", "must not show another /proc or /sys, where the network can be changed", "");
  for (const auto& [key, value] : spec.sysctls)
    if (key.starts_with("net")) return unsuited("sysctls", "change the network", "");
  if (spec.filter_notifies) return unsuited("seccomp", "has calls that a function decides, which may do anything to the network", "");
  if (!spec.hooks.empty()) return unsuited("created, setup, before_exec", "are functions, which may do anything to the network", "");
  return {};
}

Result<SpareNetwork> SpareNetwork::open(pid_t pid, bool makes_unix_sockets) {
  SpareNetwork network;
  FixedText<64> process("/proc/");
  process.append_number(pid);
  network.namespace_ = CCSAND_TRY(sys::open(FixedText<64>(process).append("/ns/net").c_str(), O_RDONLY));
  if (makes_unix_sockets) network.sockets_ = CCSAND_TRY(sys::open(process.append("/net/sockstat").c_str(), O_RDONLY));
  return network;
}

bool SpareNetwork::has_sockets() const {
  if (!sockets_.open()) return false;
  char text[2048];  // at once: each read makes all of the text anew
  auto size = sys::pread(sockets_.get(), &text[0], sizeof text, 0, "sockstat");
  return !size || *size == sizeof text || counts_sockets({&text[0], *size});
}

}  // namespace ccsand
