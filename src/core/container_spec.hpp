// What a container is, as plain values: what a recipe's table, command-line flags
// or another front end fills in. compile() turns it into a plan.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/cgroup_limits.hpp"
#include "core/network/attachment.hpp"
#include "core/plan.hpp"

namespace ccsand {

// A namespace of the container: a new one, the host's, or one that exists.
struct NamespaceChoice {
  enum Kind { fresh, host, joined } kind = fresh;
  std::string path;  // joined: by path,
  int fd = -1;       // or by descriptor
};

struct RootSpec {
  enum Access { layer, read_only, read_write } access = layer;
  std::string path;              // a directory of the host
  bool host_view = false;        // the host's own tree, read-only: `path` is "/"
  bool id_mapped = true;         // owners are shifted into the container's user namespace
  std::string layer_size;        // of the throw-away layer: a tmpfs size such as "256m"; "" is half of memory
};

struct MountSpec {
  std::string type = "bind";     // or a filesystem's name
  std::string source;            // of a bind mount
  std::string target;            // absolute, in the container
  std::uint64_t attributes = 0;  // MOUNT_ATTR_*
  std::vector<std::pair<std::string, std::string>> options;
  bool recursive = true;         // a bind mount takes what is mounted below along
  bool id_mapped = false;        // a bind mount's owners are shifted as the root's
  bool optional = false;         // passed over where the source does not exist
};

struct ContainerSpec {
  bool network_named = false, user_namespace_named = false;  // by keys of their own
  NamespaceChoice mount, pid, net, uts, ipc, user, cgroup, time = {NamespaceChoice::host, {}, -1};
  std::int64_t monotonic_offset_ns = 0, boottime_offset_ns = 0;  // of a new time namespace
  std::vector<IdRange> uid_map, gid_map;                         // of a new user namespace

  NetworkSpec network;                                           // of a new network namespace

  RootSpec root;
  bool proc = true, sys = true, dev = true;
  bool only_pids = false;                  // in /proc: subset=pid, Linux 5.8
  std::vector<MountSpec> mounts;
  std::vector<std::string> masked_paths, readonly_paths;
  std::vector<std::pair<std::string, std::string>> sysctls;  // "net.ipv4.ip_forward"
  std::string hostname, domainname;

  std::string command_user, command_group;  // names or numbers; "" is root and its group
  std::optional<std::vector<gid_t>> command_groups;
  std::uint64_t capabilities = 0;          // bounding, permitted and effective
  std::uint64_t inheritable = 0, ambient = 0;
  std::uint64_t securebits = 0;
  bool no_new_privs = true;
  std::vector<sock_filter> filter;         // the seccomp program; policies come on top
  std::string filter_name;
  bool filter_notifies = false;            // some calls are decided by the supervisor
  std::optional<LandlockPolicy> landlock;  // its paths are the container's

  CgroupLimits limits;
  bool cgroup_wanted = false;              // a group even without limits: to freeze, to count
  std::vector<SetResourceLimit> rlimits;
  std::optional<int> nice;
  std::optional<SetScheduler> scheduler;
  std::vector<int> cpu_affinity;
  std::optional<SetIoPriority> ioprio;
  std::optional<int> oom_score_adj;
  std::optional<std::uint64_t> personality;
  unsigned umask = 022;

  std::vector<std::string> argv;
  std::vector<std::string> env;            // NAME=value
  bool home_from_user = true;              // HOME is the looked-up user's
  std::string path;                        // PATH, to find argv[0]
  std::string cwd = "/";
  bool terminal = false;                   // a pty of its own
  unsigned short terminal_rows = 24, terminal_columns = 80;  // at first
  bool init = false;                       // ccsand's init as pid 1
  bool new_session = true;
  std::vector<std::pair<int, int>> redirects;  // from the host's descriptor to the container's
  std::vector<int> kept_descriptors;       // ascending, all above 2

  std::vector<CallHook> hooks;             // functions at phases
};

// The default set: what programs that expect root in a container need, and nothing
// that reaches beyond it.
std::uint64_t default_capabilities();
const std::vector<std::string>& default_masked_paths();
const std::vector<std::string>& default_readonly_paths();
// Root is host user and group 100000 and on, or the ranges of CCSAND_SUBID_START.
std::vector<IdRange> default_id_map();

// Refuses what makes no sense in itself or together. The subject of an error is
// the key of the container's table.
Result<void> validate(const ContainerSpec& spec);

// How a container comes about, which makes no difference to what it is.
struct Assembly {
  bool late_namespaces = false;  // its own process makes those that it can
  bool from_zygote = false;      // it is born where compile_zygote()'s plan has led
  bool spare_network = false;    // it joins the namespace of Plan::spare_network(), where a loopback is up already
  bool guards_network = false;   // its network is the next one's: it makes no sockets, and its /proc is read-only
  std::vector<int> streams;      // what the descriptors in Plan::streams() become, after the spec's redirects
};

// The plan of a valid spec. Touches no kernel.
Plan compile(const ContainerSpec& spec, const Assembly& assembly = {});

// What is the same for each of many containers is done once, by a process that they are born from: it has the
// signals and, where no user namespace gives them anew, the capabilities of all; and a mount namespace with nothing in it but
// their root or, where each has to make its own, what they need to make one. Not for all kinds.
bool can_have_zygote(const ContainerSpec& spec);
Plan compile_zygote(const ContainerSpec& spec, bool guards_network);

// A container that runs, as a further command needs it.
struct RunningContainer {
  pid_t pid = 0;
  int pidfd = -1;
  const Cgroup* cgroup = nullptr;
  int ruleset = -1;  // of Landlock, that its command is under
};
// The plan of another command in a running container: namespaces, cgroup and ruleset are
// the container's, credentials and attributes are the spec's.
Plan compile_exec(const ContainerSpec& spec, const RunningContainer& container);

}  // namespace ccsand
