---@meta ccsand.sys

--- The kernel's primitives: `local sys = require "ccsand.sys"`. Each does one thing, at once, in the
--- calling process, and raises a `ccsand.Error` where it fails: `operation` is the system call,
--- `subject` what it was done to. Arguments that make no sense raise EINVAL before the kernel is
--- touched, and name the nearest word or key. Linux 5.15 is enough where nothing else is said.
---
--- What enters or makes namespaces belongs into a child of `sys.clone`: the process of ccsand itself
--- would stay changed. recipes/handmade.lua is a tutorial.
---
--- Modes are octal text ("0755"), for Lua has no octal numbers. `root`, where a function takes it, is
--- a directory that the path is looked up in as if it were "/": no link leads out of it
--- (openat2(2), RESOLVE_IN_ROOT).
---@class ccsand.sys
local sys = {}

--- A namespace. "time" and "user" as in time_namespaces(7) and user_namespaces(7).
---@alias ccsand.NamespaceWord "mount"|"pid"|"net"|"uts"|"ipc"|"user"|"cgroup"|"time"

--- A flag of one mount: mount_setattr(2). "nosymfollow" from Linux 5.14 on.
---@alias ccsand.MountFlag "ro"|"nosuid"|"nodev"|"noexec"|"noatime"|"strictatime"|"nodiratime"|"nosymfollow"

--- How mounts spread: mount_namespaces(7).
---@alias ccsand.Propagation "private"|"slave"|"shared"|"unbindable"

--- A capability without its CAP_: "net_admin", ... capabilities(7).
---@alias ccsand.Capability string

--- A signal without its SIG ("TERM"), or its number.
---@alias ccsand.Signal string|integer

--- Seconds, or text such as "1.5s", "200ms".
---@alias ccsand.Time number|string

--- What a path is looked up in.
---@class ccsand.sys.RootOption
--- Directory that is the root of the path.
---@field root? ccsand.Descriptor|integer

-- ---- descriptors and processes

--- An open file, directory, socket, tree of mounts or namespace. Closes at exec, and when it is
--- collected; tostring() shows the number. While it is open, the number is its own: close it here only.
---@class ccsand.Descriptor
local Descriptor = {}

--- Closes it. Closing again does nothing.
function Descriptor:close() end

--- Its number. EBADF where it is closed.
---@return integer number
function Descriptor:fileno() end

--- Reads once: read(2). Waits until there is something.
---@param most? integer|string bytes at most, 1 to 2^30; default 65536; "*a" reads to the end
---@return string? text "" at the end; nil where a signal came in
function Descriptor:read(most) end

--- Writes all of it: write(2). EPIPE where nobody can read it.
---@param text string
function Descriptor:write(text) end

--- A process that is watched through a pidfd (pidfd_open(2)). Methods other than pid() and close()
--- raise ECHILD in another process than the one that got the handle.
---@class ccsand.Process
local Process = {}

--- Its number in the pid namespace of the caller of sys.clone or sys.pidfd_open.
---@return integer pid
function Process:pid() end

--- Waits for its end. A child of sys.clone that failed before it could exec ends with an error
--- in its function: that error is raised here, with the child's own code, operation, subject and line.
---@param timeout? ccsand.Time default: no limit
---@return ccsand.sys.Status? status nil after the time, or where a signal for ccsand came in
function Process:wait(timeout) end

--- Waits until a child of sys.clone has called exec. Raises the child's error as wait does.
---@param timeout? ccsand.Time
---@return boolean? executed false where it ended without exec; nil after the time
function Process:wait_exec(timeout) end

--- Lets the child's parent:wait() return. Once; raises the child's error where it failed before.
function Process:go() end

--- Sends a signal by the pidfd, so never to a process that got the same number later:
--- pidfd_send_signal(2). ESRCH where it has ended.
---@param signal? ccsand.Signal default "KILL"; 0 only asks
function Process:kill(signal) end

--- A descriptor of its own of the pidfd.
---@return ccsand.Descriptor pidfd
function Process:pidfd() end

--- The number of the handle's own pidfd.
---@return integer number
function Process:fileno() end

--- Closes the handle. A child of sys.clone that has not been waited for is killed and reaped; so it
--- is when the handle is collected. Closing again, or in another process, ends nobody.
function Process:close() end

--- How a process ended. Times are seconds.
---@class ccsand.sys.Status
--- "ended" where it is not this process's child, or was reaped elsewhere: then nothing else is known.
---@field reason "exited"|"signalled"|"ended"
--- 0 to 255, or 128 + signal.
---@field status? integer
--- Name of the signal that ended it.
---@field signal? string
--- CPU time in user mode, with the children that it waited for.
---@field user? number
--- CPU time in the kernel.
---@field system? number
--- Most memory resident at once, in bytes.
---@field max_rss? integer

--- The parent, as the function of sys.clone gets it.
---@class ccsand.Parent
local Parent = {}

--- Waits for process:go(). EPIPE where the parent has closed the handle instead.
function Parent:wait() end

---@class ccsand.sys.CloneOptions
--- New namespaces; default none.
---@field namespaces? ccsand.NamespaceWord|ccsand.NamespaceWord[]
--- The child starts in this group (CLONE_INTO_CGROUP, Linux 5.7; in v1 it joins before the function is called).
---@field cgroup? ccsand.Cgroup
--- A time namespace with these offsets. time_namespaces(7), Linux 5.6
---@field time_offsets? { monotonic?: ccsand.Time, boottime?: ccsand.Time }
--- Signal that the child gets when this process dies: default "KILL", false for none. PR_SET_PDEATHSIG(2const)
---@field pdeathsig? string|false

--- Makes a child that calls `f`: clone3(2), Linux 5.3. The child is a copy of this process (fork) with
--- Lua's JIT off. It ends by sys.exec, or with the exit status that f returns: a number from 0 to 255;
--- nothing or true is 0, false is 1. os.exit ends it as well. An error in f ends it and is raised in the
--- parent, by wait() or wait_exec(). Descriptors that are open here are open there until exec.
--- EPERM, ENOSPC or EUSERS where namespaces are limited; EAGAIN where processes are.
---@param options ccsand.NamespaceWord|ccsand.NamespaceWord[]|ccsand.sys.CloneOptions
---@param f fun(parent: ccsand.Parent): integer|boolean|nil
---@return ccsand.Process process
function sys.clone(options, f) end

--- A handle of any process: pidfd_open(2), Linux 5.3. ESRCH where there is none.
---@param pid integer
---@return ccsand.Process process
function sys.pidfd_open(pid) end

---@class ccsand.sys.ExecOptions
--- Environment, instead of this process's.
---@field env? table<string, string|number>
--- Where argv[1] is looked for if it has no "/": true for the PATH that the command gets, or text such as "/bin:/usr/bin".
---@field path? boolean|string
--- Executes this file, whatever argv[1] is: execveat(2). A script needs one that does not close at exec.
---@field fd? ccsand.Descriptor|integer
--- A compiled filter: `struct sock_filter`, 8 bytes an instruction, 4096 at most. It is loaded last of
--- all, right before execve; from then on no Lua code can run, so that a failing exec ends the process.
--- Needs sys.no_new_privs or CAP_SYS_ADMIN. seccomp(2)
---@field seccomp? string

--- Becomes another program: execve(2). Returns only by an error, with `exit_status` 127 where the
--- command does not exist, else 126. The options may stand in argv as well: `sys.exec { "sh", path = true }`.
--- Open descriptors of this module close; files of io.open stay open, unless sys.close_range is called.
---@param argv string[]
---@param options? ccsand.sys.ExecOptions
function sys.exec(argv, options) end

-- ---- namespaces

--- Moves this process into new namespaces: unshare(2). "pid" and "time" are for the next children.
---@param kinds ccsand.NamespaceWord|ccsand.NamespaceWord[]
function sys.unshare(kinds) end

--- Joins namespaces: setns(2). Of a process (by its pidfd, Linux 5.8) several at once. EINVAL where it
--- is not of that kind, or is the user namespace that the process is in.
---@param where ccsand.Descriptor|ccsand.Process|integer|string a namespace, a process, or a path such as "/proc/7/ns/net"
---@param kinds? ccsand.NamespaceWord|ccsand.NamespaceWord[] needed for a process; else any kind is right
function sys.setns(where, kinds) end

--- A descriptor of a process's namespace: namespaces(7).
---@param process ccsand.Process|integer
---@param kind ccsand.NamespaceWord
---@return ccsand.Descriptor namespace
function sys.open_namespace(process, kind) end

--- Writes the map of users of a process's user namespace, once: user_namespaces(7). EPERM where it is
--- written already, or the ids are not the caller's to map.
---@param process ccsand.Process|integer
---@param ranges integer[][] 1 to 340 triples { inside, outside, count }, ids from 0 to 4294967294
function sys.write_uid_map(process, ranges) end

--- The same for groups.
---@param process ccsand.Process|integer
---@param ranges integer[][]
function sys.write_gid_map(process, ranges) end

--- Sets the host name of the UTS namespace: sethostname(2).
---@param name string 64 bytes at most
function sys.sethostname(name) end

--- Sets the NIS domain name: setdomainname(2).
---@param name string 64 bytes at most
function sys.setdomainname(name) end

--- Brings up "lo" in the network namespace: netdevice(7).
function sys.loopback_up() end

--- Reads or sets a sysctl of the namespaces that the process is in: proc_sys(5). ENOENT where there is none.
---@param name string with dots, or with slashes where a part has a dot: "net/ipv4/conf/eth0.1/forwarding"
---@param value? string|number
---@return string? text where no value is given, without the last newline
function sys.sysctl(name, value) end

-- ---- mounts

---@class ccsand.sys.MountOptions : ccsand.sys.RootOption
--- Filesystem: "tmpfs", "proc", "overlay", ...
---@field type string
--- A device, or a name for /proc/mounts; default the type.
---@field source? string
--- Mount point; needed unless `detached`.
---@field target? string
--- Makes a missing directory at the target (0755).
---@field make_target? boolean
---@field flags? ccsand.MountFlag|ccsand.MountFlag[]
--- Options of the filesystem; true for one that is a flag.
---@field data? table<string, string|number|boolean>
--- Attaches it nowhere and returns a descriptor of it.
---@field detached? boolean

--- A new filesystem: fsopen(2), fsconfig(2), fsmount(2), move_mount(2). The kernel's own words on a wrong
--- option are in the message. ENODEV: no such filesystem.
---@param options ccsand.sys.MountOptions
---@return ccsand.Descriptor? tree where `detached`
function sys.mount(options) end

---@class ccsand.sys.BindOptions : ccsand.sys.RootOption
--- A file or a directory. `root` does not apply to it.
---@field source string
--- Of the same kind.
---@field target string
--- With the mounts below it.
---@field recursive? boolean
---@field flags? ccsand.MountFlag|ccsand.MountFlag[]

--- Shows a place in another, its flags set before it appears: open_tree(2), mount_setattr(2), move_mount(2).
---@param options ccsand.sys.BindOptions
function sys.mount_bind(options) end

---@class ccsand.sys.RemountOptions
--- Where the filesystem is mounted.
---@field target string
--- Options to change: { size = "2m" }, { ro = true }.
---@field data? table<string, string|number|boolean>

--- Reconfigures a filesystem, in all places that it is mounted on: fspick(2). Flags of one mount are mount_setattr's.
---@param options ccsand.sys.RemountOptions
function sys.mount_remount(options) end

---@class ccsand.sys.SetattrOptions : ccsand.sys.RootOption
--- A mount; this or `tree`.
---@field target? string
--- A detached tree.
---@field tree? ccsand.Descriptor|integer
---@field set? ccsand.MountFlag|ccsand.MountFlag[]
---@field clear? ccsand.MountFlag|ccsand.MountFlag[]
---@field propagation? ccsand.Propagation
--- For the mounts below it, too.
---@field recursive? boolean
--- Shows files' owners as this user namespace maps them, once for a detached tree. Linux 5.12; overlay from 5.19, tmpfs from 6.3 on
---@field user_namespace? ccsand.Descriptor|integer

--- Changes the flags, the propagation or the id mapping of mounts: mount_setattr(2), Linux 5.12.
---@param options ccsand.sys.SetattrOptions
function sys.mount_setattr(options) end

--- Moves a mount: move_mount(2).
---@param source string
---@param target string
function sys.mount_move(source, target) end

---@class ccsand.sys.MoveOptions : ccsand.sys.RootOption
--- What open_tree, or mount with `detached`, returned.
---@field tree ccsand.Descriptor|integer
--- Mount point.
---@field target string
--- Makes a missing directory at the target (0755).
---@field make_target? boolean

--- Attaches a detached tree: move_mount(2). The descriptor stays open, and while it does, umount is EBUSY.
---@param options ccsand.sys.MoveOptions
function sys.move_mount(options) end

--- Sets how a mount spreads: mount_namespaces(7).
---@param target string
---@param word ccsand.Propagation
---@param options? { recursive?: boolean }
function sys.mount_set_propagation(target, word, options) end

---@class ccsand.sys.TreeOptions : ccsand.sys.RootOption
---@field path string
--- With the mounts below it.
---@field recursive? boolean

--- A detached copy of the mount at a path: open_tree(2) with OPEN_TREE_CLONE. EINVAL for an unbindable one.
---@param options ccsand.sys.TreeOptions
---@return ccsand.Descriptor tree
function sys.open_tree(options) end

--- Unmounts: umount2(2). EBUSY while it is used, unless "detach" is given.
---@param path string
---@param flags? string|string[] "detach", "force", "expire", "nofollow"
function sys.umount(path, flags) end

--- Makes a mount the root and puts the old root below or on it: pivot_root(2). `sys.pivot_root(".", ".")`
--- and `sys.umount(".", "detach")` need no directory for the old one. EBUSY, EINVAL: new_root is no mount.
---@param new_root string
---@param put_old string
function sys.pivot_root(new_root, put_old) end

--- Changes where paths begin: chroot(2). No isolation by itself: pivot_root is.
---@param path string
function sys.chroot(path) end

--- Changes the working directory: chdir(2), fchdir(2).
---@param path string|ccsand.Descriptor|integer
---@param options? ccsand.sys.RootOption
function sys.chdir(path, options) end

-- ---- files

---@class ccsand.sys.OpenOptions : ccsand.sys.RootOption
--- Of a file that is made: octal text, default "0600".
---@field mode? string

--- Opens a file: openat2(2), Linux 5.6.
---@param path string
---@param flags? string|string[] "rdonly" (default), "wronly", "rdwr", "creat", "excl", "trunc", "append", "directory", "nofollow", "path", "nonblock", "noctty", "sync", "tmpfile"
---@param options? ccsand.sys.OpenOptions
---@return ccsand.Descriptor descriptor
function sys.open(path, flags, options) end

--- Makes a pipe: pipe(2).
---@return ccsand.Descriptor read
---@return ccsand.Descriptor write
function sys.pipe() end

--- Makes two connected sockets that keep messages apart: socketpair(2), SOCK_SEQPACKET of AF_UNIX.
---@return ccsand.Descriptor first
---@return ccsand.Descriptor second
function sys.socketpair() end

--- Sends a copy of a descriptor: unix(7), SCM_RIGHTS. EPIPE where the other end is closed.
---@param socket ccsand.Descriptor|integer
---@param descriptor ccsand.Descriptor|integer
---@param text? string at most 4096 bytes, default "."
function sys.send_descriptor(socket, descriptor, text) end

--- Receives a descriptor. Waits for one. ENOMSG: a message without.
---@param socket ccsand.Descriptor|integer
---@return ccsand.Descriptor? descriptor nil where the other end is closed
---@return string? text
function sys.receive_descriptor(socket) end

--- Makes a number lead to an open file, also after exec: dup2(2).
---@param from ccsand.Descriptor|integer
---@param to integer
function sys.dup2(from, to) end

--- Closes all descriptors from a number on, at exec: close_range(2) with CLOSE_RANGE_CLOEXEC, Linux 5.11.
---@param first? integer default 3
---@param options? { keep?: integer[] }
function sys.close_range(first, options) end

---@class ccsand.sys.MkdirOptions : ccsand.sys.RootOption
--- Makes what is missing above it, and takes one that exists.
---@field parents? boolean

--- Makes a directory: mkdir(2). EEXIST.
---@param path string
---@param mode? string default "0755", less the umask
---@param options? ccsand.sys.MkdirOptions
function sys.mkdir(path, mode, options) end

--- Makes a node: mknod(2). EPERM for a device in a user namespace: bind the host's.
---@param path string
---@param kind "char"|"block"|"fifo"|"socket"|"file"
---@param mode string
---@param major? integer of a device, 0 to 4095
---@param minor? integer of a device, 0 to 1048575
---@param options? ccsand.sys.RootOption
function sys.mknod(path, kind, mode, major, minor, options) end

--- Makes a symbolic link at `path` that leads to `target`: symlink(2).
---@param target string
---@param path string
---@param options? ccsand.sys.RootOption
function sys.symlink(target, path, options) end

--- Changes the owner, of a link itself: lchown(2).
---@param path string
---@param uid integer -1 leaves it
---@param gid integer -1 leaves it
---@param options? ccsand.sys.RootOption
function sys.chown(path, uid, gid, options) end

--- Changes the mode: chmod(2).
---@param path string
---@param mode string
---@param options? ccsand.sys.RootOption
function sys.chmod(path, mode, options) end

--- Sets the bits that new files do not get: umask(2).
---@param mask string
---@return string before
function sys.umask(mask) end

-- ---- identity

--- Sets the real, effective and saved user: setresuid(2). Ids are 0 to 4294967294; EINVAL for one that is not mapped.
---@param uid integer
function sys.setuid(uid) end

--- The same for the group: setresgid(2).
---@param gid integer
function sys.setgid(gid) end

--- setresuid(2); -1 leaves one as it is.
---@param real integer
---@param effective integer
---@param saved integer
function sys.setresuid(real, effective, saved) end

--- setresgid(2); -1 leaves one as it is.
---@param real integer
---@param effective integer
---@param saved integer
function sys.setresgid(real, effective, saved) end

--- Sets the supplementary groups: setgroups(2).
---@param groups integer[]
function sys.setgroups(groups) end

---@class ccsand.sys.CapabilitySets
---@field effective? ccsand.Capability[]
---@field permitted? ccsand.Capability[]
---@field inheritable? ccsand.Capability[]
--- What exec can give at most.
---@field bounding? ccsand.Capability[]
--- What exec keeps for others than root; each must be permitted and inheritable. Linux 4.3
---@field ambient? ccsand.Capability[]

--- The five sets of this process: capget(2), capabilities(7).
---@return ccsand.sys.CapabilitySets sets
function sys.capget() end

--- Changes those sets that are given: capset(2), PR_CAPBSET_DROP(2const), PR_CAP_AMBIENT(2const). The
--- bounding set only shrinks, and needs "setpcap". EPERM: more than what is permitted.
---@param sets ccsand.sys.CapabilitySets
function sys.capset(sets) end

--- Reads or sets the securebits: PR_SET_SECUREBITS(2const); setting needs "setpcap".
---@param words? string|string[] "noroot", "no_setuid_fixup", "keep_caps", "no_cap_ambient_raise", each also with "_locked"
---@return string[]? words where none are given
function sys.securebits(words) end

--- From here on exec gives no new powers, in this process and its children: PR_SET_NO_NEW_PRIVS(2const).
function sys.no_new_privs() end

--- Restricts this process and what it starts, for good: landlock(7). The paths are looked up now. EPERM without
--- sys.no_new_privs or CAP_SYS_ADMIN; EOPNOTSUPP: this kernel cannot keep the rules; E2BIG: 16 rulesets at most.
---@param rules ccsand.Landlock
function sys.landlock(rules) end

--- The newest ABI of this kernel's Landlock, 1 (Linux 5.13) to 7 (Linux 6.15) or more; 0 where there is none.
---@return integer abi
function sys.landlock_abi() end

--- Joins a new, empty session keyring: session-keyring(7).
function sys.new_session_keyring() end

-- ---- attributes; those that take a process set it on that one instead

--- Sets a resource limit: setrlimit(2), prlimit(2). EPERM: a hard limit above the present one.
---@param resource string "nofile", "nproc", "core", "as", "cpu", ...
---@param soft integer|string a number, text such as "64M", or "unlimited"
---@param hard? integer|string default: as soft
---@param process? ccsand.Process|integer
function sys.setrlimit(resource, soft, hard, process) end

--- A resource limit of this process: getrlimit(2).
---@param resource string
---@return integer|"unlimited" soft
---@return integer|"unlimited" hard
function sys.getrlimit(resource) end

--- Sets, not changes, the nice value: setpriority(2).
---@param value integer -20 to 19
---@param process? ccsand.Process|integer
function sys.nice(value, process) end

--- Sets the scheduling policy: sched_setscheduler(2).
---@param policy "other"|"batch"|"idle"|"fifo"|"rr"
---@param priority? integer 1 to 99 for "fifo" and "rr", else 0 (default)
---@param process? ccsand.Process|integer
function sys.sched_setscheduler(policy, priority, process) end

--- Sets the CPUs that a process may run on: sched_setaffinity(2).
---@param cpus integer[] numbers from 0
---@param process? ccsand.Process|integer
function sys.sched_setaffinity(cpus, process) end

--- The CPUs that a process may run on.
---@param process? ccsand.Process|integer
---@return integer[] cpus
function sys.sched_getaffinity(process) end

--- Sets the I/O priority: ioprio_set(2).
---@param class "none"|"realtime"|"best_effort"|"idle"
---@param level? integer 0 (first) to 7; default 4 for "realtime" and "best_effort", else 0
---@param process? ccsand.Process|integer
function sys.ioprio_set(class, level, process) end

--- Sets how readily the OOM killer takes a process: proc_pid_oom_score_adj(5).
---@param value integer -1000 (never) to 1000
---@param process? ccsand.Process|integer
function sys.oom_score_adj(value, process) end

--- Sets the execution domain: personality(2).
---@param words string|string[] "linux", "linux32", "addr_no_randomize", "read_implies_exec", "uname26"
function sys.personality(words) end

--- Sets the signal that this process gets when its parent dies: PR_SET_PDEATHSIG(2const). The kernel
--- forgets it when users change; sys.exec sets it anew for a child of sys.clone.
---@param signal string|false
function sys.set_pdeathsig(signal) end

--- Whether others may trace this process and it leaves core dumps: PR_SET_DUMPABLE(2const).
---@param dumpable? boolean default true
function sys.set_dumpable(dumpable) end

--- Whether orphaned descendants become this process's children: PR_SET_CHILD_SUBREAPER(2const).
---@param subreaper? boolean default true
function sys.set_child_subreaper(subreaper) end

--- Sets the name that ps shows: PR_SET_NAME(2const).
---@param name string 15 bytes at most
function sys.set_name(name) end

--- Starts a session, without a terminal: setsid(2). EPERM for a leader of a process group.
function sys.setsid() end

---@return integer pid in the caller's pid namespace
function sys.getpid() end

---@return integer pid 0 where the parent is outside of the pid namespace
function sys.getppid() end

---@return integer uid the real one
function sys.getuid() end

---@return integer gid the real one
function sys.getgid() end

return sys
