// Probes. Each asks the kernel for the thing itself, never for a version.
#include "core/host_check.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/cgroup_layout.hpp"
#include "core/network/batch.hpp"
#include "core/network/firewall.hpp"
#include "core/operations/landlock.hpp"
#include "core/state.hpp"
#include "sys/call.hpp"
#include "sys/credentials.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/mount.hpp"
#include "sys/namespace.hpp"
#include "sys/netlink.hpp"
#include "sys/process.hpp"

namespace ccsand {

Result<void> require_privileges() {
  auto sets = CCSAND_TRY(sys::capget());
  if ((sets.effective >> CAP_SYS_ADMIN & 1) == 0)
    return make_error(EPERM, "start", "", "assembling a container needs root (CAP_SYS_ADMIN)",
                      "run it as root, or with sudo; 'ccsand plan' needs no privileges");
  // Its own children's memory is nobody's to look into, but for who may trace anybody: it reads their /proc itself.
  if ((sets.effective >> CAP_SYS_PTRACE & 1) == 0)
    return make_error(EPERM, "start", "", "assembling a container needs CAP_SYS_PTRACE, which this root does not have",
                      "give it to the container that ccsand runs in, besides CAP_SYS_ADMIN");
  return {};
}

namespace {
std::string first_line(const char* path) {
  auto file = sys::open(path, O_RDONLY);
  if (!file) return {};
  char text[256];
  auto size = sys::read(file->get(), &text[0], sizeof text, path);
  if (!size) return {};
  std::string_view line(&text[0], *size);
  return std::string(line.substr(0, line.find('\n')));
}

// Whether a child can be born in a new namespace of that kind.
HostFeature probe_namespace(const char* name, std::uint64_t flag) {
  HostFeature feature{HostFeature::absent, name, {}, {}, true};
  sys::CloneRequest request;
  request.flags = flag;
  auto child = sys::clone_copy(request);
  if (child && child->pid == 0) sys::exit_group(0);
  if (child) {
    (void)sys::waitid(P_PIDFD, child->pidfd.get(), WEXITED);  // it ends at once
    feature.state = HostFeature::present;
    feature.found = "works";
  } else {
    feature.found = error_name(child.error().code);
    feature.remedy = "run as root; check /proc/sys/user/max_*_namespaces and the limits of a container around this one";
  }
  return feature;
}

HostFeature probe_filesystem(const char* name, const char* type, bool required, const char* remedy) {
  HostFeature feature{HostFeature::absent, name, {}, remedy, required};
  auto fs = sys::fsopen(type);
  feature.found = fs ? "works" : error_name(fs.error().code);
  if (fs) feature.state = HostFeature::present, feature.remedy.clear();
  return feature;
}

HostFeature probe_id_mapping() {
  HostFeature feature{HostFeature::absent, "id-mapped mounts", {}, "Linux 5.12 or newer; else use user_namespace = false", false};
  sys::MountAttributes attributes;
  attributes.set = MOUNT_ATTR_IDMAP;
  attributes.user_namespace = 0x7fffffff;  // no such descriptor: EBADF where the kernel got that far
  auto done = sys::mount_setattr(-1, "", AT_EMPTY_PATH, attributes, "");
  int code = done ? 0 : done.error().code;
  feature.found = code == ENOSYS || code == EINVAL ? error_name(code) : "works";
  if (code != ENOSYS && code != EINVAL) feature.state = HostFeature::present, feature.remedy.clear();
  return feature;
}

enum Lack { kNoLinks = 1, kNoRules = 2, kNoCuts = 4, kNoRates = 8, kNoDelays = 16 };

// In a network namespace of its own: what it lacks.
int try_networks(const Mnl& mnl) {
  auto socket = sys::netlink_socket(NETLINK_ROUTE);
  if (!socket) return kNoLinks;
  auto change = [&mnl, &socket](const NetworkChange& one) { return bool(send_changes(mnl, socket->get(), {&one, 1})); };
  AddLink veth, bridge;
  veth.name = "probe0", veth.kind = "veth", veth.peer = "probe1";
  bridge.name = "probe2", bridge.kind = "bridge";
  int lacks = change(veth) && change(bridge) ? 0 : kNoLinks;
  const BridgeRules rules{"probe2", {}, true, false};
  if (!run_nft(table_of(rules))) lacks |= kNoRules;
  if (!run_nft(cuts_table("probe2"))) lacks |= kNoCuts;
  auto index = sys::interface_index(socket->get(), "probe0");
  SetQueue slow, late;
  if (index) slow.link = late.link = *index;
  slow.rate = 1'000'000;
  late.delay_ns = 1'000'000;
  if (!change(slow)) lacks |= kNoRates;
  if (!change(late)) lacks |= kNoDelays;
  return lacks;
}
// Whether a network can be made: tried in a child's new network namespace, which ends with it.
HostFeature probe_networks() {
  HostFeature feature{HostFeature::absent, "networks", {}, {}, false};
  auto mnl = load_mnl();
  auto nft = mnl ? run_nft("") : Result<std::string>(mnl.error());
  if (!mnl || !nft) {
    feature.found = nft.error().message();
    feature.remedy = "install Debian's packages libmnl0 and libnftables1: needed for \"nat\" and bridges";
    return feature;
  }
  sys::CloneRequest request;
  request.flags = CLONE_NEWNET;
  auto child = sys::clone_copy(request);
  if (child && child->pid == 0) sys::exit_group(try_networks(**mnl));
  if (!child) {
    feature.found = error_name(child.error().code);
    return feature;
  }
  auto ended = sys::waitid(P_PIDFD, child->pidfd.get(), WEXITED);
  int lacks = ended ? ended->status : kNoLinks;
  feature.state = (lacks & (kNoLinks | kNoRules)) == 0 ? HostFeature::present : HostFeature::absent;
  feature.found = lacks == 0 ? "works" : "without";
  if ((lacks & kNoLinks) != 0) feature.found += " veth and bridge";
  if ((lacks & kNoRules) != 0) feature.found += " nf_tables with nat";
  if ((lacks & kNoCuts) != 0) feature.found += " cuts (NF_TABLES_BRIDGE)";
  if ((lacks & kNoRates) != 0) feature.found += " rates (NET_SCH_TBF)";
  if ((lacks & kNoDelays) != 0) feature.found += " delays (NET_SCH_NETEM)";
  if (feature.state == HostFeature::absent) feature.remedy = "a kernel with CONFIG_VETH, BRIDGE, NF_TABLES_INET, NFT_NAT, NFT_MASQ, NFT_FIB_INET; or load the modules";
  return feature;
}

HostFeature probe_call(const char* name, long number, const char* remedy) {
  // Arguments that make no sense: a kernel that knows the call says so, and does nothing.
  long result = sys::call(number, -1, nullptr, -1, -1, -1);
  bool known = result != -ENOSYS;
  return {known ? HostFeature::present : HostFeature::absent, name, known ? "works" : "ENOSYS", known ? "" : remedy, false};
}

HostFeature probe_landlock() {
  auto abi = host_landlock_abi();
  if (abi && *abi > 0) return {HostFeature::present, "landlock", "ABI " + std::to_string(*abi), "", false};
  return {HostFeature::absent, "landlock", abi ? "absent" : error_name(abi.error().code), "Linux 5.13 or newer, with landlock in lsm=", false};
}

HostFeature probe_cgroups() {
  HostFeature feature{HostFeature::absent, "cgroups", {}, "mount cgroup2 on /sys/fs/cgroup: needed for limits", false};
  auto layout = CgroupLayout::host();
  if (!layout) {
    feature.found = layout.error().message();
    return feature;
  }
  static constexpr const char* kModes[] = {"none", "unified (v2)", "hybrid (v1 and v2)", "legacy (v1)"};
  feature.found = kModes[static_cast<std::size_t>((*layout)->mode())];
  if ((*layout)->mode() == CgroupMode::none) return feature;
  feature.state = HostFeature::present;
  feature.remedy.clear();
  return feature;
}

HostFeature probe_privileges() {
  auto privileged = require_privileges();
  return {privileged ? HostFeature::present : HostFeature::absent, "privileges", privileged ? "CAP_SYS_ADMIN, CAP_SYS_PTRACE" : std::string(privileged.error().reason.view()),
          privileged ? "" : std::string(privileged.error().hint), true};
}

HostFeature probe_state_directory() {
  std::string directory = run_directory();
  auto state = open_state();
  HostFeature feature{HostFeature::present, "state directory", directory, "", false};
  if (!state) {
    feature.state = HostFeature::absent;
    feature.found = state.error().message();
    feature.remedy = "make /run writable, or name a directory in CCSAND_RUN_DIR: else what a killed ccsand leaves is not swept";
  }
  close_state();
  return feature;
}
}  // namespace

std::vector<HostFeature> check_host() {
  std::vector<HostFeature> features;
  features.push_back({HostFeature::present, "kernel", first_line("/proc/sys/kernel/osrelease"), {}, false});
  features.push_back(probe_privileges());
  features.push_back(probe_namespace("mount namespace", CLONE_NEWNS));
  features.push_back(probe_namespace("pid namespace", CLONE_NEWPID));
  features.push_back(probe_namespace("net namespace", CLONE_NEWNET));
  features.push_back(probe_namespace("uts namespace", CLONE_NEWUTS));
  features.push_back(probe_namespace("ipc namespace", CLONE_NEWIPC));
  features.push_back(probe_namespace("user namespace", CLONE_NEWUSER));
  features.push_back(probe_namespace("cgroup namespace", CLONE_NEWCGROUP));
  HostFeature time{HostFeature::absent, "time namespace", first_line("/proc/self/timens_offsets").empty() ? "absent" : "works", {}, false};
  if (time.found == "works") time.state = HostFeature::present;
  features.push_back(time);
  features.push_back(probe_filesystem("overlay", "overlay", true, "load the module overlay: needed for throw-away layers"));
  features.push_back(probe_filesystem("tmpfs", "tmpfs", true, "a kernel with tmpfs"));
  features.push_back(probe_id_mapping());
  features.push_back(probe_call("pidfd_getfd", SYS_pidfd_getfd, "Linux 5.6 or newer: needed for terminals"));
  features.push_back(probe_call("close_range", SYS_close_range, "Linux 5.9 or newer"));
  features.push_back(probe_landlock());
  features.push_back(probe_call("seccomp", SYS_seccomp, "a kernel with CONFIG_SECCOMP_FILTER"));
  features.push_back(probe_networks());
  features.push_back(probe_cgroups());
  features.push_back(probe_state_directory());
  return features;
}

}  // namespace ccsand
