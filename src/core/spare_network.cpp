// What a network namespace remembers of those who were in it, where they could not configure it: counters,
// and sockets that outlive them (TIME_WAIT; one that was sent elsewhere). proc_net(5)
#include "core/spare_network.hpp"

#include <fcntl.h>
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "sys/file.hpp"
#include "sys/inspect.hpp"

namespace ccsand {

namespace {
// What netstat counts besides are events of packets, each of which dev has counted; reading it takes as long as these.
// The last two count attempts without a packet, too, and nothing shows them but /proc/net itself: rtnetlink(7) has what
// devices count, of packets.
constexpr std::array<const char*, 4> kNames = {"sockstat", "dev", "snmp", "snmp6"};
constexpr std::size_t kSocketFile = 0, kWithoutProc = 2;

// Whether sockstat counts any socket as this namespace's own; words of which the number is the whole machine's
// are passed over.
bool has_sockets(std::string_view text) {
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
  if (!spec.hooks.empty()) return unsuited("created, setup, before_exec", "are functions, which may do anything to the network", "");
  return {};
}

Result<SpareNetwork> SpareNetwork::open(pid_t pid, bool shown) {
  SpareNetwork network;
  network.shown_ = shown;
  FixedText<64> process("/proc/");
  process.append_number(pid);
  auto file = [&process](std::string_view name) {
    FixedText<64> path(process);
    return sys::open(path.append(name).c_str(), O_RDONLY);
  };
  network.namespace_ = CCSAND_TRY(file("/ns/net"));
  for (std::size_t i = 0; i < (shown ? kFiles : kWithoutProc); ++i) {
    auto opened = file(std::string("/net/") + kNames[i]);
    if (opened) network.files_[i] = std::move(*opened);
    else if (opened.error().code != ENOENT) return opened.error();  // without IPv6 there is none of it
  }
  network.counters_ = CCSAND_TRY(network.read_counters());
  return network;
}

Result<std::string_view> SpareNetwork::read_file(std::size_t index) const {
  // At once: each read makes all of the text anew. (Those of a loopback alone have a few thousand bytes.)
  static char text[65536];
  if (!files_[index].open()) return std::string_view();
  std::size_t size = CCSAND_TRY(sys::pread(files_[index].get(), &text[0], sizeof text, 0, kNames[index]));
  if (size == sizeof text) return make_error(E2BIG, "read", kNames[index], "is longer than was thought");
  return std::string_view(&text[0], size);
}
Result<std::string> SpareNetwork::read_counters() const {
  std::string all;
  for (std::size_t i = 0; i < kFiles; ++i)
    if (i != kSocketFile) all += CCSAND_TRY(read_file(i));
  return all;
}

SpareNetwork::State SpareNetwork::look() const {
  auto counters = read_counters();
  if (!counters || *counters != counters_) return State::touched;
  auto sockets = read_file(kSocketFile);
  if (!sockets) return State::touched;
  return has_sockets(*sockets) ? State::has_sockets : State::untouched;
}

}  // namespace ccsand
