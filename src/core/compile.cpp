// From a container's description to the plan that assembles it: namespaces, identity,
// attributes and the order of it all. What makes up its root is in compile_root.cpp.
#include <sys/mount.h>

#include <algorithm>
#include <csignal>

#include "core/plan_builder.hpp"
#include "core/seccomp/no_sockets.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand {

namespace {

// What the child makes itself, beside others. A zygote's clone is beside them already, but for what takes long.
std::uint64_t late_namespaces(const Assembly& assembly) {
  if (!assembly.late_namespaces) return 0;
  return assembly.from_zygote ? CLONE_NEWNET : CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC;
}

std::uint64_t fresh_namespaces(const PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  std::uint64_t flags = 0;
  auto add = [&flags](const NamespaceChoice& choice, std::uint64_t flag) {
    if (choice.kind == NamespaceChoice::fresh) flags |= flag;
  };
  add(spec.mount, CLONE_NEWNS);
  add(spec.pid, CLONE_NEWPID);
  if (!b.assembly.spare_network) add(spec.net, CLONE_NEWNET);
  add(spec.uts, CLONE_NEWUTS);
  add(spec.ipc, CLONE_NEWIPC);
  add(spec.user, CLONE_NEWUSER);
  return flags;  // a cgroup namespace is made when the child is in its group; one of time before, by EnterTimeNamespace
}

bool wants_cgroup(const ContainerSpec& spec) { return spec.cgroup_wanted || !spec.limits.empty(); }

bool has_container_hooks(const ContainerSpec& spec) {
  for (const CallHook& call : spec.hooks)
    if (call.phase == Phase::setup || call.phase == Phase::before_exec) return true;
  return false;
}

// Whether processes that are there already will see the child: until it execs it must
// not share the host's memory, nor let anybody trace it.
bool joins_any(const ContainerSpec& spec) {
  for (const NamespaceChoice* choice : {&spec.mount, &spec.pid, &spec.net, &spec.uts, &spec.ipc, &spec.user, &spec.cgroup, &spec.time})
    if (choice->kind == NamespaceChoice::joined) return true;
  return false;
}

// Whether an out of memory in the container's cgroup may find the child before its exec: the kernel kills all who share the
// memory of the one that it chooses. What a start takes in that cgroup is a fraction of this, words and environment may have 6 MiB;
// but each rule and each mount is the kernel's memory, too.
bool is_short_of_memory(const ContainerSpec& spec) {
  constexpr std::uint64_t kEnough = 16U << 20;
  constexpr std::size_t kMany = 256;
  const CgroupLimits& limits = spec.limits;
  std::size_t parts = spec.mounts.size() + spec.masked_paths.size() + spec.readonly_paths.size() + spec.network.rules.size() +
                      spec.network.interfaces.size() + (spec.landlock ? spec.landlock->rules.size() : 0);
  if (limits.memory && (*limits.memory < kEnough || parts > kMany)) return true;
  return std::any_of(limits.raw.begin(), limits.raw.end(), [](const auto& one) { return one.first.starts_with("memory."); });
}

// Whether the child is to have a copy of this process's memory, which takes longer to make. One that shares it cannot enter a
// time namespace, nor run Lua; and oom_score_adj belongs to the memory: to all who share it. proc_pid_oom_score_adj(5)
bool needs_own_memory(const ContainerSpec& spec) {
  return has_container_hooks(spec) || spec.time.kind != NamespaceChoice::host || joins_any(spec) || spec.oom_score_adj || is_short_of_memory(spec);
}

void call_hooks(PlanBuilder& b, Phase phase) {
  for (const CallHook& call : b.spec.hooks) {
    if (call.phase != phase) continue;
    if (phase == Phase::created) {
      b.plan.host(call);
    } else {
      CallHook placed = call;
      if (phase == Phase::setup) placed.root = b.root;
      b.plan.container(placed);
    }
  }
}

// ---- the host's side, before the clone: all that must be opened with its rights

// With the host's rights, because the child may have lost them when it comes to join.
void open_joined(PlanBuilder& b) {
  auto open = [&b](const NamespaceChoice& choice, std::uint64_t kind) {
    if (choice.kind != NamespaceChoice::joined || choice.fd >= 0) return;
    Slot slot = b.plan.new_slot();
    b.plan.host(OpenNamespacePath{choice.path, slot});
    b.joined.emplace_back(kind, slot);
  };
  open(b.spec.pid, CLONE_NEWPID);
  open(b.spec.net, CLONE_NEWNET);
  open(b.spec.uts, CLONE_NEWUTS);
  open(b.spec.ipc, CLONE_NEWIPC);
  open(b.spec.cgroup, CLONE_NEWCGROUP);
  open(b.spec.time, CLONE_NEWTIME);
  open(b.spec.mount, CLONE_NEWNS);
  open(b.spec.user, CLONE_NEWUSER);
}

// A child in a new user namespace could not join what belongs to the host's: it is
// born in those.
bool born_in(const PlanBuilder& b, std::uint64_t kind) { return b.own_user || kind == CLONE_NEWPID; }

void join_for_child(PlanBuilder& b, bool restore) {
  auto join = [&b, restore](const NamespaceChoice& choice, std::uint64_t kind) {
    if (choice.kind == NamespaceChoice::joined && born_in(b, kind))
      b.plan.host(JoinForChild{kind, restore ? kNoSlot : b.joined_slot(kind), restore ? -1 : choice.fd, restore});
  };
  join(b.spec.net, CLONE_NEWNET);
  join(b.spec.uts, CLONE_NEWUTS);
  join(b.spec.ipc, CLONE_NEWIPC);
  join(b.spec.cgroup, CLONE_NEWCGROUP);
  join(b.spec.time, CLONE_NEWTIME);
  join(b.spec.pid, CLONE_NEWPID);
}

void prepare_network(PlanBuilder& b) {
  const NetworkSpec& network = b.spec.network;
  if (network.interfaces.empty() && network.rules.empty()) return;
  b.network = std::make_shared<const NetworkSpec>(network);
  b.plan.host(PrepareNetwork{b.network});
  bool has_names = std::any_of(network.interfaces.begin(), network.interfaces.end(),
                               [](const InterfaceSpec& one) { return one.kind == InterfaceSpec::bridge || one.kind == InterfaceSpec::user; });
  if (!has_names || b.spec.mount.kind != NamespaceChoice::fresh) return;
  b.plan.host(OpenNameFiles{b.hosts = b.plan.new_slot(), b.resolver = b.plan.new_slot()});
  for (Slot slot : {b.hosts, b.resolver}) {
    SetMountAttributes attributes;
    attributes.tree = slot;
    attributes.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    attributes.propagation = MS_PRIVATE;
    b.plan.host(attributes);
  }
}

void look_up_user(PlanBuilder& b, Slot root) {
  const ContainerSpec& spec = b.spec;
  b.plan.host(LookUpUser{root, spec.command_user, spec.command_group, spec.command_groups, spec.home_from_user});
}

void prepare_host(PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  if (spec.landlock)  // first of all: it may be more than this kernel can keep
    b.plan.host(MakeRuleset{*spec.landlock, b.restriction.ruleset = b.plan.new_slot()});
  open_joined(b);
  if (b.assembly.spare_network) b.plan.set_spare_network(b.plan.new_slot());
  for (std::size_t i = 0; i < b.assembly.streams.size(); ++i) b.plan.add_stream(b.plan.new_slot());
  if (spec.mount.kind != NamespaceChoice::joined) {
    if (!b.has_root()) open_root(b);
    open_sources(b);
  }
  if (spec.init) b.plan.host(OpenInit{b.init = b.plan.new_slot()});
  prepare_network(b);
  if (!b.has_root()) look_up_user(b, b.root_tree);
  if (wants_cgroup(spec)) b.plan.host(CreateCgroup{spec.limits});
  join_for_child(b, false);
}

void clone_and_attend(PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  Clone clone;
  clone.namespaces = fresh_namespaces(b) & ~late_namespaces(b.assembly);
  // In a joined user namespace the others are made after it: they belong to it.
  if (spec.user.kind == NamespaceChoice::joined) clone.namespaces &= CLONE_NEWPID;
  clone.into_cgroup = wants_cgroup(spec);
  clone.copies_memory = needs_own_memory(spec);
  b.plan.host(clone);
  if (b.own_user) {
    b.plan.host(WriteIdMap{false, spec.uid_map});
    b.plan.host(WriteIdMap{true, spec.gid_map});
    bool mapped_mounts = spec.root.id_mapped || b.devices != kNoSlot;
    for (const MountSpec& mount : spec.mounts) mapped_mounts = mapped_mounts || mount.id_mapped;
    if (mapped_mounts) b.plan.host(OpenNamespace{CLONE_NEWUSER, b.user_namespace = b.plan.new_slot()});
    auto map = [&b](Slot tree, bool recursive) {
      SetMountAttributes attributes;
      attributes.tree = tree;
      attributes.user_namespace = b.user_namespace;
      attributes.recursive = recursive;
      b.plan.host(attributes);
    };
    if (spec.root.id_mapped) map(b.root_tree, false);
    if (b.devices != kNoSlot) map(b.devices, false);
    for (std::size_t i = 0; i < spec.mounts.size(); ++i)
      if (spec.mounts[i].id_mapped && b.sources[i] != kNoSlot) map(b.sources[i], spec.mounts[i].recursive);
  }
  if (wants_cgroup(spec)) b.plan.host(AttachCgroup{});
  bool born = b.network && b.born_networked(), hooked = std::any_of(spec.hooks.begin(), spec.hooks.end(), [](const CallHook& call) { return call.phase == Phase::created; });
  if (born && hooked) b.plan.host(ConnectNetwork{b.network});  // the hooks may look at it
  if (spec.oom_score_adj) b.plan.host(SetOomScoreAdj{*spec.oom_score_adj});
  call_hooks(b, Phase::created);
  join_for_child(b, true);
  if (born && !hooked) b.plan.host(ConnectNetwork{b.network});  // beside what the child does until it needs it
}

// ---- the container's side

void join_one(PlanBuilder& b, const NamespaceChoice& choice, std::uint64_t kind) {
  if (choice.kind != NamespaceChoice::joined || born_in(b, kind)) return;
  b.plan.container(JoinNamespace{kind, {}, choice.fd, b.joined_slot(kind)});
}

void join_namespaces(PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  join_one(b, spec.net, CLONE_NEWNET);
  join_one(b, spec.uts, CLONE_NEWUTS);
  join_one(b, spec.ipc, CLONE_NEWIPC);
  join_one(b, spec.cgroup, CLONE_NEWCGROUP);
  join_one(b, spec.time, CLONE_NEWTIME);
  // The mount and the user namespace last: with the host's user go the rights to join others.
  join_one(b, spec.mount, CLONE_NEWNS);
  join_one(b, spec.user, CLONE_NEWUSER);
  if (b.own_user || spec.user.kind == NamespaceChoice::joined)
    b.plan.container(SetIdentity{0, 0, std::vector<gid_t>{}, false, false});
  if (spec.user.kind == NamespaceChoice::joined)
    if (std::uint64_t rest = fresh_namespaces(b) & ~std::uint64_t{CLONE_NEWPID}; rest != 0) b.plan.container(Unshare{rest});
  if (std::uint64_t late = fresh_namespaces(b) & late_namespaces(b.assembly); spec.user.kind != NamespaceChoice::joined && late != 0)
    b.plan.container(Unshare{late});
  if (b.assembly.spare_network) b.plan.container(JoinNamespace{CLONE_NEWNET, "", -1, b.plan.spare_network()});
  if (spec.cgroup.kind == NamespaceChoice::fresh) b.plan.container(Unshare{CLONE_NEWCGROUP});
}

void set_sysctls(PlanBuilder& b) {
  for (const auto& [key, value] : b.spec.sysctls) {
    std::string path = "/proc/sys/" + key;
    for (std::size_t i = 10; i < path.size(); ++i)
      if (path[i] == '.') path[i] = '/';
    b.plan.container(WriteFile{{kNoSlot, path}, value});
  }
}

// Rights to raise limits and priorities end at the user namespace: there the host
// sets them on the child.
void set_attributes(PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  auto step = [&b](auto operation) {
    if (b.own_user) b.plan.host(std::move(operation));
    else b.plan.container(std::move(operation));
  };
  for (const SetResourceLimit& limit : spec.rlimits) step(limit);
  if (spec.nice) step(SetNice{*spec.nice});
  if (spec.scheduler) step(*spec.scheduler);
  if (!spec.cpu_affinity.empty()) step(SetAffinity{spec.cpu_affinity});
  if (spec.ioprio) step(*spec.ioprio);
  if (spec.personality) b.plan.container(SetPersonality{*spec.personality});
  b.plan.container(SetUmask{spec.umask});
}

void limit_capabilities(PlanBuilder& b) {
  SetCapabilities bounding;
  bounding.bounding = b.spec.capabilities;
  b.plan.container(bounding);
}

void drop_rights(PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  if (spec.securebits != 0) b.plan.container(SetSecurebits{spec.securebits});
  if (!b.assembly.from_zygote || b.own_user) limit_capabilities(b);
  b.plan.container(SetIdentity{{}, {}, {}, true, spec.ambient != 0});
  // As before: a change of ids may have set it (proc_sys_fs(5), suid_dumpable). Then only are its rights those that others have.
  b.plan.container(SetDumpable{false});
  SetCapabilities sets;
  sets.effective = sets.permitted = spec.capabilities;
  sets.inheritable = spec.inheritable | spec.ambient;
  sets.ambient = spec.ambient;
  sets.only_for_root = true;
  b.plan.container(sets);
  if (spec.no_new_privs) b.plan.container(SetNoNewPrivs{});
}

// Under which nobody does anything to a network; a zygote's clones have it from birth.
void deny_sockets(PlanBuilder& b) {
  if (auto filter = no_sockets_filter()) b.plan.container(LoadFilter{**filter, 0, "no sockets", false});
}

void load_filter(PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  if (b.assembly.guards_network && !b.assembly.from_zygote) deny_sockets(b);
  if (spec.filter.empty()) return;
  b.plan.container(LoadFilter{spec.filter, 0, spec.filter_name, spec.filter_notifies});
  if (!spec.filter_notifies) return;
  b.plan.set_listener(b.plan.new_slot());
  b.plan.host(TakeListener{b.plan.listener()});
}

void exec_command(PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  b.plan.container(SetParentDeathSignal{SIGKILL, true});  // a change of credentials cleared it
  b.plan.container(CloseDescriptors{3, spec.kept_descriptors});
  if (!b.assembly.from_zygote) b.plan.container(ResetSignals{});
  bool landlocked = b.restriction.ruleset != kNoSlot || b.restriction.fd >= 0;
  if (landlocked) b.plan.container(b.restriction);
  if (spec.no_new_privs) load_filter(b);
  Exec exec{spec.argv, spec.env, spec.path, spec.home_from_user, -1, b.init, landlocked};
  if (b.init != kNoSlot) exec.argv.insert(exec.argv.begin(), "ccsand-init");
  b.plan.container(exec);
}

void finish_command(PlanBuilder& b) {
  set_attributes(b);
  // Without no_new_privs the kernel asks for CAP_SYS_ADMIN, which goes with the rights: the
  // steps after it are under the filter, too.
  if (!b.spec.no_new_privs) load_filter(b);
  drop_rights(b);
  if (b.spec.cwd != "/") b.plan.container(ChangeDirectory{{kNoSlot, b.spec.cwd}});
  exec_command(b);
}

// By the host's /proc, which is there until the roots are swapped.
void configure_network(PlanBuilder& b) {
  if (!b.network) return;
  b.plan.container(ConfigureNetwork{b.network});
  set_sysctls(b);  // of its links, too
}

void enter_root(PlanBuilder& b) {
  if (b.spec.mount.kind == NamespaceChoice::joined) {
    configure_network(b);
    b.plan.container(ChangeDirectory{{kNoSlot, "/"}});
    call_hooks(b, Phase::setup);
    return;
  }
  if (b.has_root()) {
    b.plan.container(OpenProcessRoot{0, b.root = b.plan.new_slot()});
    return assemble_mounts(b);
  }
  assemble_tree(b);
  assemble_mounts(b);
  configure_network(b);  // as late as this: meanwhile the host makes its links
  call_hooks(b, Phase::setup);
  swap_roots(b);
}

void open_terminal(PlanBuilder& b) {
  if (!b.spec.terminal) return;
  b.terminal = b.plan.new_slot();
  b.plan.container(OpenTerminal{kNoSlot, b.terminal});
  if (b.devices != kNoSlot)  // not for a further command: the console is the first one's
    b.plan.container(BindMount{{kNoSlot, "/dev/pts/0"}, {kNoSlot, "/dev/console"}, false, 0, true});
  b.plan.host(ReceiveTerminal{b.terminal, b.spec.terminal_rows, b.spec.terminal_columns});
}

// With the rights of root, which the command may not have: to name a place is not to enter it.
void allow_paths(PlanBuilder& b) {
  if (!b.spec.landlock) return;
  for (const LandlockRule& rule : b.spec.landlock->rules) b.plan.container(AllowPath{rule, b.restriction.ruleset});
}

void redirect(PlanBuilder& b) {
  Redirect redirect{b.spec.redirects, kNoSlot, {}};
  for (std::size_t i = 0; i < b.plan.streams().size(); ++i) redirect.slots.emplace_back(b.plan.streams()[i], b.assembly.streams[i]);
  if (!redirect.pairs.empty() || !redirect.slots.empty()) b.plan.container(std::move(redirect));
}

void container_side(PlanBuilder& b) {
  const ContainerSpec& spec = b.spec;
  if (joins_any(spec)) b.plan.container(SetDumpable{false});
  // Before the user changes: keys of root are not counted against a small quota.
  b.plan.container(NewSessionKeyring{});
  if (spec.time.kind == NamespaceChoice::fresh) b.plan.container(EnterTimeNamespace{spec.monotonic_offset_ns, spec.boottime_offset_ns});
  join_namespaces(b);
  if (spec.new_session) b.plan.container(StartSession{});
  redirect(b);
  if (!spec.hostname.empty()) b.plan.container(SetHostname{spec.hostname});
  if (!spec.domainname.empty()) b.plan.container(SetDomainname{spec.domainname});
  if (b.network) {
    if (!b.born_networked()) b.plan.host(ConnectNetwork{b.network});
  } else {
    if (spec.net.kind == NamespaceChoice::fresh && !b.assembly.spare_network) b.plan.container(BringUpLoopback{});
    set_sysctls(b);
  }
  enter_root(b);
  open_terminal(b);
  call_hooks(b, Phase::before_exec);
  allow_paths(b);
  finish_command(b);
}

}  // namespace

Plan compile(const ContainerSpec& spec, const Assembly& assembly) {
  PlanBuilder b(spec, assembly);
  prepare_host(b);
  clone_and_attend(b);
  container_side(b);
  b.plan.set_terminal(b.terminal);
  b.plan.set_ruleset(b.restriction.ruleset);
  return std::move(b.plan);
}

bool can_have_zygote(const ContainerSpec& spec) {
  // What copies memory is not for one that shares it; it has none of a recipe's descriptors; and whom kill(0) reaches would be
  // all of its children.
  if (!spec.hooks.empty() || needs_own_memory(spec) || !spec.new_session) return false;
  constexpr std::size_t kMostMounts = 128;  // each has a descriptor, and a message may carry 253
  if (!spec.redirects.empty() || !spec.kept_descriptors.empty() || spec.mounts.size() > kMostMounts) return false;
  bool plain_network = spec.network.interfaces.empty() && spec.network.rules.empty();
  return plain_network && spec.mount.kind == NamespaceChoice::fresh && spec.pid.kind == NamespaceChoice::fresh;
}

Plan compile_zygote(const ContainerSpec& spec, bool guards_network) {
  const Assembly as_it_comes;
  PlanBuilder b(spec, as_it_comes);
  bool with_root = is_root_shared(spec);
  if (with_root) {
    open_root(b);
    look_up_user(b, b.root_tree);
  } else {
    open_kernel_filesystems(b);
  }
  if (spec.dev) b.plan.host(OpenDeviceTree{b.plan.new_slot()});  // it shows whether nodes can be made: Zygote::start
  b.plan.host(Clone{CLONE_NEWNS, false, false});
  b.plan.container(StartSession{});
  with_root ? assemble_tree(b) : assemble_bare(b);
  swap_roots(b);
  if (!b.own_user) limit_capabilities(b);
  b.plan.container(ResetSignals{});
  if (guards_network) deny_sockets(b);
  return std::move(b.plan);
}

Plan compile_exec(const ContainerSpec& spec, const RunningContainer& container) {
  const Assembly as_it_comes;
  PlanBuilder b(spec, as_it_comes);
  b.restriction.fd = container.ruleset;
  b.own_user = b.own_user || spec.user.kind == NamespaceChoice::joined;
  Slot root = b.plan.new_slot();
  b.plan.host(OpenProcessRoot{container.pid, root});
  look_up_user(b, root);
  bool own_pid = spec.pid.kind != NamespaceChoice::host;
  if (own_pid) b.plan.host(JoinForChild{CLONE_NEWPID, kNoSlot, container.pidfd, false});
  b.plan.host(Clone{0, false, true});
  if (own_pid) b.plan.host(JoinForChild{CLONE_NEWPID, kNoSlot, -1, true});
  if (container.cgroup != nullptr) b.plan.host(AdoptIntoCgroup{container.cgroup});
  b.plan.container(SetDumpable{false});  // hostile processes watch from here on
  b.plan.container(NewSessionKeyring{});
  if (spec.new_session) b.plan.container(StartSession{});
  redirect(b);
  std::uint64_t joined = CLONE_NEWNS;
  auto add = [&joined](const NamespaceChoice& choice, std::uint64_t kind) {
    if (choice.kind != NamespaceChoice::host) joined |= kind;
  };
  add(spec.net, CLONE_NEWNET);
  add(spec.uts, CLONE_NEWUTS);
  add(spec.ipc, CLONE_NEWIPC);
  add(spec.cgroup, CLONE_NEWCGROUP);
  add(spec.time, CLONE_NEWTIME);
  add(spec.user, CLONE_NEWUSER);
  b.plan.container(JoinNamespace{joined, {}, container.pidfd, kNoSlot});
  if (b.own_user) b.plan.container(SetIdentity{0, 0, std::vector<gid_t>{}, false, false});
  b.plan.container(ChangeDirectory{{kNoSlot, "/"}});
  open_terminal(b);
  finish_command(b);
  b.plan.set_terminal(b.terminal);
  return std::move(b.plan);
}

}  // namespace ccsand
