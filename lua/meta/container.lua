---@meta ccsand.container

--- Containers. Recipes say `ccsand.container { … }`, which is `new` of this module.
---@class ccsand.container
--- The value that takes a key out in `box:with { key = container.none }`.
---@field none userdata
local container = {}

--- The same as `ccsand.container(spec)`.
---@param spec ccsand.ContainerSpec
---@return ccsand.Container
function container.new(spec) end

--- Whether a value is a container.
---@param value any
---@return boolean
function container.is(value) end

---@alias ccsand.Size integer|string bytes, or text with a unit: "64K", "256M", "1.5G", "1T" (powers of 1024), "10MB" (powers of 1000)
---@alias ccsand.Duration number|string seconds, or text with a unit: "1.5s", "200ms", "50us", "2m", "1h"
---@alias ccsand.NamespaceChoice
---| "new" # a namespace of its own
---| "host" # the one of ccsand
---| string # the path of a namespace, such as "/proc/123/ns/net"
---| integer # a descriptor of a namespace

--- The table that describes a container. Keys that are not here are errors. What is left
--- out has the default; every key is optional but a root: `image` or `root`.
---@class ccsand.ContainerSpec
--- Root from an image of this name (docs/images.md). `root` may then still hold `access`, `id_mapped` and `layer_size`.
---@field image? string
--- Image to use, with a line on standard error, where `image` can be had neither from the store nor from files nor from the network.
---@field image_fallback? string
--- Root directory of the host: a path, or a table. pivot_root(2)
---@field root? string|ccsand.RootSpec
--- What is mounted into it, in this order, after /proc, /sys and /dev. A missing mount point is made where the root can be written to. mount(8)
---@field mounts? ccsand.MountSpec[]
--- Whether /proc is mounted (nosuid, nodev, noexec). "pids": with processes and nothing else, no /proc/sys, no /proc/meminfo: less to attack,
--- and nothing for the default lists of paths to hide; it needs a pid namespace of its own where there is a user namespace, and a filter
--- that denies mount, fsopen and fspick: the default one, without sys_admin.
--- Default true. proc(5) `subset=pid`, Linux 5.8
---@field proc? boolean|"pids"
--- Whether /sys is mounted, read-only. Default true. sysfs(5)
---@field sys? boolean
--- Whether /dev is populated: null, zero, full, random, urandom, tty, a devpts of its own, shm of 64 MiB, mqueue. Default true. devpts(4)
---@field dev? boolean
--- Paths hidden behind something empty; replaces the default list (docs/containers.md). Those that do not exist are passed over.
---@field masked_paths? string[]
--- Paths made read-only; replaces the default list (docs/containers.md). Those that do not exist are passed over.
---@field readonly_paths? string[]
--- Kernel parameters by dotted name. Only those of the container's own net, ipc and uts namespaces: net.*, kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*, kernel.domainname. sysctl(8)
---@field sysctls? table<string, string|number>
--- Name of the host in its uts namespace, at most 64 bytes. Default "ccsand". sethostname(2)
---@field hostname? string
--- NIS domain name, at most 64 bytes. setdomainname(2)
---@field domainname? string
--- "none": a network namespace with loopback up and nothing else. "host": the host's own network. "nat": an address on a bridge that all such containers share, with the host's way out. "user": the outside by slirp4netns(1), without rights on the host's network. The path of a namespace: joined. A network of ccsand.network, or a list of interfaces. Default "none". network_namespaces(7), docs/network.md
---@field network? "none"|"host"|"nat"|"user"|string|ccsand.Network|("nat"|"user"|ccsand.Network|ccsand.InterfaceSpec)[]
--- Ports of the host that reach the container, on "nat", a bridge that is not isolated, or "user": "8080:80", "127.0.0.1:53:53/udp", "[2001:db8::1]:80:80"; "80" is "80:80". Without an address: every address of the host's, both families. On "user" of IPv4 alone, and UDP not on the host's loopback.
---@field ports? string[]
--- What the container may send. Not with the capabilities net_admin, net_raw or sys_admin, which would undo it.
---@field egress? ccsand.EgressSpec
--- Which namespaces are new, the host's, or joined. namespaces(7)
---@field namespaces? ccsand.Namespaces
--- Whether there is a user namespace, or its id maps. Default true: root is host user and group 100000, and 65536 ids are mapped (CCSAND_SUBID_START in the environment moves the 100000). user_namespaces(7)
---@field user_namespace? boolean|ccsand.IdMaps
--- Clocks of a new time namespace, which this key asks for. time_namespaces(7), Linux 5.6
---@field time_offsets? ccsand.TimeOffsets
--- User of the command: a number from 0 to 4294967294, or a name of the container's own /etc/passwd. Default 0.
---@field user? string|integer
--- Its group: a number, or a name of the container's /etc/group. Default: the user's own.
---@field group? string|integer
--- Its supplementary groups, by number. Default: those that /etc/group names the user in.
---@field groups? integer[]
--- What root in the container may do; other users get the ambient ones alone. Default "default" (docs/containers.md). capabilities(7)
---@field capabilities? "default"|"none"|"all"|string[]|ccsand.CapabilityChange
--- Securebits, such as { "noroot", "noroot_locked" }. capabilities(7)
---@field securebits? string|string[]
--- Whether set-user-ID programs and file capabilities give nothing. Default true. prctl(2), PR_SET_NO_NEW_PRIVS
---@field no_new_privs? boolean
--- What may be done with files and TCP ports, whatever capabilities say, by paths of the container. Default: no rules. landlock(7)
---@field landlock? ccsand.Landlock
--- The policy for system calls: a policy, the name of one that ships, a table that changes the default profile
--- (`{ deny = { "socket" } }`) or, with `default` or `from`, stands for itself; "none" or false for no filter. Default
--- "default": what the container engines allow, by the capabilities granted. docs/policies.md; seccomp(2)
---@field seccomp? "default"|"none"|string|false|ccsand.Policy|ccsand.PolicySpec|ccsand.SeccompFilter
--- Functions that decide system calls while the container runs, by the call's name; the calls wait meanwhile. Needs
--- `no_new_privs`. docs/policies.md; seccomp_unotify(2), Linux 5.14
---@field notify? table<string, ccsand.CallHandler>
--- Where connect(2) may go: a list such as { "10.0.0.0/8:443", "[::1]:80", "*:53", "unix:/run/x.sock" }, all else is refused,
--- and so is sending to an address without a connection; or a function.
---@field connect? string[]|ccsand.CallHandler
--- What may be opened. Lists of paths are Landlock's to keep; functions are asked for each open(2), openat(2), openat2(2)
--- and creat(2), and true opens the file in the container's root, with its rights.
---@field files? { read: string[], write: string[] }|{ read: ccsand.CallHandler, write: ccsand.CallHandler }|ccsand.CallHandler
--- What may be executed. A list of paths is Landlock's to keep. A function is asked for each execve(2) and execveat(2) after
--- the first; it cannot promise against a thread that changes the words meanwhile, which the list can.
---@field exec? string[]|ccsand.CallHandler
--- Called with each system call that the policy denies, before the call gets its answer. With --show-denied they are printed.
---@field on_denied? fun(denial: ccsand.Denial)
--- System calls that fail, for tests: by the call's name, or { "EIO", calls = { "open", "openat" } } in the list. What the policy
--- denies stays denied, and is not counted; the recipe's own handlers are asked for what does not fail. Needs `no_new_privs`.
--- docs/testing.md
---@field faults? ccsand.Faults
--- Limits of the container's cgroup. Default none. cgroups(7)
---@field limits? ccsand.Limits
--- Whether there is a cgroup even without limits: to freeze, and for statistics. Default false; always true with `namespaces.pid` other than "new".
---@field cgroup? boolean
--- Limits of the process, by name without RLIMIT_. getrlimit(2)
---@field rlimits? ccsand.Rlimits
--- -20 (first) to 19. Default: that of ccsand. nice(2)
---@field nice? integer
--- -1000 (never killed) to 1000 (killed first). Default: that of ccsand. proc_pid_oom_score_adj(5)
---@field oom_score_adj? integer
--- File mode creation mask, 0 to 511. Lua has no octal numbers: 18, the default, is 022; `tonumber("077", 8)`. umask(2)
---@field umask? integer
--- CPUs on which it may run, 0 to 1023. sched_setaffinity(2)
---@field cpu_affinity? integer[]
--- Scheduling policy. sched(7)
---@field scheduler? "other"|"batch"|"idle"|"fifo"|"rr"
--- Priority under "fifo" and "rr", 1 to 99. sched(7)
---@field scheduler_priority? integer
--- Class of input and output. ioprio_set(2)
---@field ioprio? "realtime"|"best_effort"|"idle"
--- Level within the class, 0 (first) to 7. Default 4. ioprio_set(2)
---@field ioprio_level? integer
--- Execution domain: "linux", "linux32", "addr_no_randomize", "read_implies_exec", "uname26". personality(2)
---@field personality? string|string[]
--- The command and its arguments. A name without "/" is looked for in PATH. Default { "/bin/sh" }. execve(2)
---@field command? string[]
--- Environment, on top of PATH, HOME and, with a terminal, TERM. Nothing else of ccsand's own environment gets in. `true` is an empty value, `false` leaves the name out. environ(7)
---@field env? table<string, string|number|boolean>
--- Whether `env` is all there is. Default false.
---@field clear_env? boolean
--- Working directory. Default "/". chdir(2)
---@field cwd? string
--- Whether pid 1 is ccsand-init, which starts the command, reaps orphans and passes signals on. Default false: the command is pid 1. pid_namespaces(7)
---@field init? boolean
--- Whether it leads a session of its own. Default true. setsid(2)
---@field new_session? boolean
--- A pty of its own, relayed to ccsand's terminal: for `run` alone. "auto" is true where standard input and output are terminals. Default false. pty(7)
---@field terminal? boolean|"auto"
--- Descriptors of ccsand from 3 on that the command inherits; they must not be close-on-exec. Default none. close_range(2)
---@field keep_descriptors? integer[]
--- It is killed after this time, of which its set-up is a part (in pools, from the command on), and the result's reason is "timeout". More than 0. Default none.
---@field timeout? ccsand.Duration
--- It is killed when all of its processes together have used this much CPU time, and the result's reason is "cpu_time". It makes a cgroup. Default none.
---@field cpu_time? ccsand.Duration
--- Whether it is killed when it prints more than `output_limit`; the result's reason is "output". Default false.
---@field limit_output? boolean
--- Bytes kept of each captured output; what is beyond is read and dropped. Default 64 MiB.
---@field output_limit? ccsand.Size
--- A name by which other processes run commands in it, with `ccsand exec`, while it runs: 1 to 63 letters, digits, ".", "_" and "-",
--- beginning with a letter or a digit, and no number. EEXIST where a container that runs has it. Default none.
---@field name? string
--- Called in ccsand, outside: the process exists, its ids are mapped, its cgroup holds it; nothing else is done yet.
---@field created? fun(phase: ccsand.Phase)
--- Called in the container's process: the root is assembled, pivot_root comes next.
---@field setup? fun(phase: ccsand.Phase)
--- Called in the container's process, in its root, as root and before rights are dropped.
---@field before_exec? fun(phase: ccsand.Phase)
--- Called in ccsand when the result is there.
---@field exited? fun(result: ccsand.RunResult)

--- One interface. Exactly one of `bridge`, `macvlan` and `device` says what it is.
---@class ccsand.InterfaceSpec
--- On a bridge: "nat" or a network.
---@field bridge? "nat"|ccsand.Network
--- A link of the host's below a macvlan of the container's own.
---@field macvlan? string
--- Of macvlan: default "bridge". ip-link(8)
---@field mode? "private"|"vepa"|"bridge"|"passthru"
--- A device of the host's that is moved in. The kernel gives it back at the end, if it is no virtual one.
---@field device? string
--- Name in the container. Default "eth0", "eth1", ...
---@field name? string
--- On a bridge: the very addresses, of its subnets, "10.1.0.5"; default: some that are free. Else with their prefix, "10.0.0.5/24".
---@field address? string|string[]
--- Default route, one of each family. Default: the bridge's own address; none where it is isolated.
---@field gateway? string|string[]
--- Whether it gives the default route. Default true; of several interfaces the first does.
---@field default_route? boolean
--- Further routes.
---@field routes? ccsand.RouteSpec[]
--- Hardware address. Default: made of the Internet address.
---@field mac? string
--- Largest packet in bytes, 68 to 65535.
---@field mtu? integer

---@class ccsand.RouteSpec
--- Network such as "10.2.0.0/16", or "default". Required.
---@field to string
--- Router; without one the network is on the link itself.
---@field via? string

--- Rules for what the container sends: `deny` goes before `allow`, what is in neither is the default's. Each
--- is "10.0.0.0/8:443", "[fd00::/8]:53/udp", "*:8000-8010/tcp", "192.0.2.1", "dns" or "icmp". Answers to who connected
--- to the container, and its own loopback, are always let through.
---@class ccsand.EgressSpec
---@field allow? string[]
---@field deny? string[]
--- For everything else. Default "drop".
---@field default? "drop"|"reject"|"accept"

--- How often a rule of `egress` applied.
---@class ccsand.RuleCount
--- Such as "allow 10.0.0.0/8:443", "default drop".
---@field rule string
---@field packets integer
---@field bytes integer

--- A root directory and how it is used.
---@class ccsand.RootSpec
--- Absolute path of a directory of the host.
---@field path? string
--- The host's own tree, read-only, with a /tmp and a /run of its own, in place of `path`. Default false.
---@field host_view? boolean
--- "layer": writes go to a tmpfs that ends with the container. "read_only". "read_write": writes go to the directory. Default "layer"; "read_only" for a view of the host. Kernel documentation: filesystems/overlayfs
---@field access? "layer"|"read_only"|"read_write"
--- Whether owners are shifted into the container's user namespace, so that files of root are root's in it. Default true; false for a view of the host. mount_setattr(2), Linux 5.12
---@field id_mapped? boolean
--- Size of the layer's tmpfs. Default: half of the memory. tmpfs(5)
---@field layer_size? ccsand.Size

--- One mount. nosuid and nodev always hold.
---@class ccsand.MountSpec
--- "bind", or a filesystem's name, such as "tmpfs". Default "bind". filesystems(5)
---@field type? string
--- Of a bind mount: an absolute path of the host. Else what the filesystem takes.
---@field source? string
--- Absolute path in the container, not "/", without "..". Required. Links in the root do not lead out of it.
---@field target string
--- Of a bind mount: whether it may be written to. Default false.
---@field writable? boolean
--- More of "ro", "noexec", "noatime", "nodiratime", "strictatime", "nosymfollow". mount_setattr(2)
---@field flags? string|string[]
--- The filesystem's own: { size = "10m", mode = "1777" }; `true` is a flag. Not for bind mounts.
---@field options? table<string, string|number|boolean>
--- Of a bind mount: whether what is mounted below it comes along. Default true.
---@field recursive? boolean
--- Of a bind mount: whether owners are shifted as the root's are. Default false. mount_setattr(2), Linux 5.12
---@field id_mapped? boolean
--- Of a bind mount: whether it is passed over where the source does not exist. Default false.
---@field optional? boolean

--- Each is "new" but `time`, which is "host". To join one while the user namespace is new is
--- not permitted by the kernel: set `user_namespace = false`.
---@class ccsand.Namespaces
--- mount_namespaces(7). Never "host".
---@field mount? ccsand.NamespaceChoice
--- pid_namespaces(7)
---@field pid? ccsand.NamespaceChoice
--- network_namespaces(7)
---@field net? ccsand.NamespaceChoice
--- uts_namespaces(7)
---@field uts? ccsand.NamespaceChoice
--- ipc_namespaces(7)
---@field ipc? ccsand.NamespaceChoice
--- cgroup_namespaces(7)
---@field cgroup? ccsand.NamespaceChoice
--- time_namespaces(7), Linux 5.6
---@field time? ccsand.NamespaceChoice
--- user_namespaces(7)
---@field user? ccsand.NamespaceChoice

--- Which host ids the container's are: lists of { inside, outside, count }, 1 to 340 each.
---@class ccsand.IdMaps
--- Users. Default { { 0, 100000, 65536 } }.
---@field uid_map? integer[][]
--- Groups. Default { { 0, 100000, 65536 } }.
---@field gid_map? integer[][]

--- What is added to the host's clocks; may be negative.
---@class ccsand.TimeOffsets
--- CLOCK_MONOTONIC
---@field monotonic? ccsand.Duration
--- CLOCK_BOOTTIME, which /proc/uptime shows
---@field boottime? ccsand.Duration

--- A change of the default capabilities. Names with or without CAP_, in any case.
---@class ccsand.CapabilityChange
--- On top of the default.
---@field add? string|string[]
--- Not even though it is in the default.
---@field drop? string|string[]
--- Kept by a command that is not root, too; implies `add`. capabilities(7), Linux 4.3
---@field ambient? string|string[]

--- A fault: "EIO" always, "EIO on 3rd", "EIO first 2", "ENOSPC after 10", "EAGAIN every 5th", "EINTR 10%"; or a function of the call and
--- its number that returns the errno or nil. Counts are of all processes of a run.
---@alias ccsand.Fault string|(fun(call: ccsand.Call, number: integer): string?)

--- Faults by system call, or in a list; `seed` (a number, default 1) makes another run of what goes by chance.
---@alias ccsand.Faults table<string|integer, ccsand.Fault|ccsand.FaultOf|number>

---@class ccsand.FaultOf
--- The fault itself.
---@field [1] ccsand.Fault
--- The calls that are counted together.
---@field calls? string[]
--- Which of the calls are meant, as in a policy: "count > 4096".
---@field when? string
--- Which are meant by their path, as the call has it; with a "/" at its end, all that begin with it.
---@field path? string

---@alias ccsand.LandlockRight
---| "read" # read_file and read_dir
---| "write" # write_file, truncate, refer, and all of remove_… and make_…
---| "execute" # execve(2), which needs read_file, too; not mmap(2)
---| "read_file" # to open a file to read
---| "write_file" # to open a file to write
---| "truncate" # truncate(2), O_TRUNC. Linux 6.2
---| "read_dir" # to list a directory
---| "remove_dir" # rmdir(2), rename(2)
---| "remove_file" # unlink(2), rename(2)
---| "make_char" # mknod(2), and to link or rename one, as for the next six
---| "make_block"
---| "make_dir"
---| "make_reg" # regular files
---| "make_sock" # unix sockets
---| "make_fifo"
---| "make_sym" # symbolic links
---| "refer" # link(2), rename(2) to or from another directory. Linux 5.19
---| "ioctl_dev" # ioctl(2) of devices. Linux 6.10

--- A path is of a file, or of a directory and all beneath it; it has to exist when the command starts, links are followed
--- (but for those of /proc). Where any of `read`, `write`, `execute` and `paths` is given, what they do not allow is
--- denied; rights add up, nothing takes one away again further down. What the kernel cannot keep is an
--- error. Needs `no_new_privs`. landlock(7)
---@class ccsand.Landlock
--- Paths to read: files and lists of directories.
---@field read? string[]
--- Paths to read and to write: the rights "read" and "write".
---@field write? string[]
--- Paths to read and to execute: the rights "read" and "execute".
---@field execute? string[]
--- Rights by path: { ["/dev/tty"] = { "read_file", "ioctl_dev", optional = true } }. `optional` passes over a path that does not exist.
---@field paths? table<string, ccsand.LandlockRight|ccsand.LandlockRight[]>
--- TCP ports to connect to, 0 to 65535; no other. Linux 6.7
---@field connect? integer[]
--- TCP ports to bind to, 0 to 65535; no other. 0 is a port that the kernel picks. Linux 6.7
---@field bind? integer[]
--- What reaches no further than its own processes: connecting to "abstract_unix_socket", sending of a "signal". Linux 6.12
---@field scope? string|string[]
--- The oldest ABI that will do, 1 to 7. Default for files: 5 (Linux 6.10), which can deny all of the rights above. With an older one what it does not know stays allowed: "ioctl_dev" before 5, "truncate" before 3.
---@field least_abi? integer

--- A compiled filter for system calls. It needs `no_new_privs`. seccomp(2)
---@class ccsand.SeccompFilter
--- The program as the kernel takes it: 1 to 4096 instructions (struct sock_filter) of eight bytes.
---@field bpf string
--- Its name in the plan. Default "bpf".
---@field name? string
--- Whether it answers SECCOMP_RET_USER_NOTIF. Set by ccsand.
---@field notifies? boolean

--- Decides a call: true performs it (or lets it go on, where it holds no address), false or nil denies it with EPERM, a string
--- is the errno, a number the result, a descriptor is given to the caller. A function that fails denies.
---@alias ccsand.CallHandler fun(call: ccsand.Call): boolean|string|integer|userdata|nil

--- A system call that waits for its answer.
---@class ccsand.Call
--- The kernel's name of the call.
---@field name string
--- Its arguments by the names of the man page. Paths, addresses and argv are copies, read once when they are first looked at;
--- nil where they cannot be read. Socket addresses are tables: family, address and port, or path, or abstract.
---@field args table<string, any>
--- The thread, in ccsand's pid namespace.
---@field pid integer
--- "x86_64", "x86", ...
---@field architecture string
local Call = {}

--- The call as text: `connect(sockfd=3, addr=10.0.0.1:443, addrlen=16)`.
---@return string
function Call:text() end

--- Who asks: ids as the host has them, the pid in the container and on the host. nil if it has ended.
---@return { uid: integer, gid: integer, pid: integer, host_pid: integer }?
function Call:who() end

--- Bytes of its memory, at most 1 MiB; nil and the errno's name where they are not there. process_vm_readv(2)
---@param address integer
---@param size integer
---@return string? bytes
---@return string? errno
function Call:read(address, size) end

--- The call fails.
---@param errno? string|integer default "EPERM"
function Call:deny(errno) end

--- The call returns this number; nothing is done.
---@param value? integer default 0
function Call:answer(value) end

--- The call returns the number of a copy of this descriptor. Linux 5.14
---@param descriptor ccsand.Descriptor|integer
---@param close_on_exec? boolean
function Call:inject(descriptor, close_on_exec) end

--- ccsand makes the call on its copy of the arguments, in the container's root and with the caller's rights: open, openat,
--- openat2, creat, connect, bind; and with ccsand's own rights mknod, mknodat and mount (nosuid, nodev). A call that blocks
--- blocks its caller alone.
---@param changes? table<string, any> arguments that are others: { pathname = "/other" }
function Call:perform(changes) end

--- The kernel goes on with the call. An error where something in the caller's memory was looked at, unless `racy` says that
--- the check protects nothing. seccomp_unotify(2)
---@param options? { racy: boolean }
function Call:continue(options) end

--- The flags of an openat2(2), which are in memory; nil where they cannot be read, and for other calls.
---@return integer?
function Call:open_flags() end

--- Ends the process before the call is made; the result's reason is "denied" where that ends the container.
function Call:kill() end

--- Waits, while everything else goes on.
---@param seconds number 0 to 86400
function Call:sleep(seconds) end

--- A call that the policy denied. tostring() is one line of text.
---@class ccsand.Denial
--- The name of the call, and the call with its arguments.
---@field call string
---@field text string
--- What it was answered: "errno EPERM", "kill", ...
---@field action string
--- "FILE:LINE" of the policy, or the name of the profile; and the statement itself.
---@field where string
---@field rule string
--- The thread on the host, and its name.
---@field pid integer
---@field command string
--- The smallest change of the policy that would allow it: `allow = { "mount" }`.
---@field change string

--- Limits of the cgroup, with v2 and v1 alike where nothing else is said. A controller that
--- the host lacks is an error. cgroups(7); kernel documentation: admin-guide/cgroup-v2
---@class ccsand.Limits
--- Memory; beyond it the group's OOM killer. At least 4096. Swap comes on top unless `swap` is set.
---@field memory? ccsand.Size
--- Swap on top of memory; 0 is none. With v1 `memory` must be set, too.
---@field swap? ccsand.Size
--- Throttled and reclaimed beyond it. At least 4096. v2 only.
---@field memory_high? ccsand.Size
--- Protected from reclaim; with v1 the soft limit.
---@field memory_low? ccsand.Size
--- Whether an OOM kill takes all of the group. Default false. v2 only.
---@field memory_oom_group? boolean
--- Processes and threads, at least 1.
---@field pids? integer
--- CPUs' worth of time, at least 1 ms in a period: 1.5 is 150 ms of every 100 ms.
---@field cpus? number
--- Over which `cpus` is counted, 1 ms to 1 s. Default 100 ms.
---@field cpu_period? ccsand.Duration
--- Share when CPUs are contended, 1 to 10000. Default 100.
---@field cpu_weight? integer
--- CPUs, such as "0-3,6". cpuset(7)
---@field cpuset_cpus? string
--- NUMA nodes, such as "0-1". cpuset(7)
---@field cpuset_mems? string
--- Share when a disk is contended, 1 to 10000. Default 100. Needs BFQ or, with v2, io.cost; with v1 at most 1000 counts.
---@field io_weight? integer
--- Rates by device.
---@field io? ccsand.IoLimit[]
--- Bytes by size of page: { ["2MB"] = "64M" }.
---@field hugetlb? table<string, ccsand.Size>
--- Files of the group and their values, written last: { ["memory.swap.high"] = "64M" }. The names of v1 and v2 differ.
---@field raw? table<string, string|number>

--- Rates of one device; at least one, and none of them 0.
---@class ccsand.IoLimit
--- "major:minor" of the whole device, such as "8:0". Required.
---@field device string
--- Bytes read a second.
---@field rbps? ccsand.Size
--- Bytes written a second.
---@field wbps? ccsand.Size
--- Reads a second.
---@field riops? integer
--- Writes a second.
---@field wiops? integer

---@alias ccsand.Rlimit integer|string|(integer|string)[] a number, a size, "unlimited", or { soft, hard }

--- Limits of the process. What is left out is as ccsand has it. getrlimit(2)
---@class ccsand.Rlimits
--- Bytes of address space.
---@field as? ccsand.Rlimit
--- Bytes of a core dump.
---@field core? ccsand.Rlimit
--- Seconds of CPU time.
---@field cpu? ccsand.Rlimit
--- Bytes of data.
---@field data? ccsand.Rlimit
--- Bytes of a file.
---@field fsize? ccsand.Rlimit
--- File locks; of no effect since Linux 2.4.25.
---@field locks? ccsand.Rlimit
--- Bytes of locked memory.
---@field memlock? ccsand.Rlimit
--- Bytes of POSIX message queues.
---@field msgqueue? ccsand.Rlimit
--- 20 minus the lowest nice value.
---@field nice? ccsand.Rlimit
--- Open files.
---@field nofile? ccsand.Rlimit
--- Processes and threads of the user, in the user namespace.
---@field nproc? ccsand.Rlimit
--- Of no effect since Linux 2.4.30.
---@field rss? ccsand.Rlimit
--- Real-time priority.
---@field rtprio? ccsand.Rlimit
--- Microseconds of real-time scheduling without a pause.
---@field rttime? ccsand.Rlimit
--- Queued signals.
---@field sigpending? ccsand.Rlimit
--- Bytes of stack.
---@field stack? ccsand.Rlimit

--- What a function of the recipe gets at a phase. In the container's process Lua runs
--- without the JIT compiler, on a copy of the recipe's state: what it changes there
--- nobody else sees.
---@class ccsand.Phase
--- "created", "setup" or "before_exec".
---@field phase string
--- Of the container's process, as the host counts; at `created` alone.
---@field pid? integer

--- A container: an immutable value.
---@class ccsand.Container
local Container = {}

--- A changed copy. Tables are taken whole; `require("ccsand.container").none` takes a key out.
---@param changes ccsand.ContainerSpec
---@return ccsand.Container
function Container:with(changes) end

--- Validates it once more, without touching the kernel. Raises or returns true.
---@return true
function Container:check() end

--- The plan that would assemble it: one line a step. Needs no privileges and no image.
---@return string text
function Container:plan() end

--- Runs it to its end on the caller's terminal and streams. Signals that ccsand gets
--- meanwhile are the container's.
---@param command? string[] in place of its own
---@param options? ccsand.RunOptions
---@return ccsand.RunResult
function Container:run(command, options) end

---@class ccsand.RunOptions
--- What it reads from standard input. Default: the caller's.
---@field stdin? string
--- Whether each step is printed to standard error with its time, after the end. Default false.
---@field trace? boolean
--- As the keys of the container, for this run.
---@field timeout? ccsand.Duration
---@field cpu_time? ccsand.Duration
---@field output_limit? ccsand.Size
---@field limit_output? boolean

--- Runs it to its end; the result holds what it printed.
---@param command? string[] in place of its own
---@param options? ccsand.CaptureOptions
---@return ccsand.RunResult
function Container:capture(command, options) end

---@class ccsand.CaptureOptions
--- What it reads from standard input. Default: nothing (/dev/null).
---@field stdin? string
--- A file of the host, opened by ccsand, to read from.
---@field stdin_file? string
--- A file of the host that gets its standard output, emptied or made (0600).
---@field stdout_file? string
--- As the keys of the container, for this run.
---@field timeout? ccsand.Duration
---@field cpu_time? ccsand.Duration
---@field output_limit? ccsand.Size
---@field limit_output? boolean

--- Starts it and returns when its command has been executed. A running container that is
--- garbage-collected is killed: keep it.
---@param command? string[] in place of its own
---@param options? ccsand.StartOptions
---@return ccsand.Running
function Container:start(command, options) end

--- Keeps assembled containers waiting, so that a run of one costs little more than to execute its command.
---@param options? ccsand.PoolOptions
---@return ccsand.Pool
function Container:pool(options) end

---@class ccsand.PoolOptions
--- How many wait: 1 to 256, default 4.
---@field size? integer
--- A container gets the network namespace of one before it: making one takes the kernel longer than all the rest of a container. For
--- containers that can do nothing in it: they have a loopback and nothing else (`network = "none"`), get no sockets (EPERM) and a read-only
--- /proc, and cannot change it: `user_namespace = false`, pid and mount namespaces of their own, none of net_admin, sys_admin, sys_module,
--- sys_ptrace and bpf, no functions, no writable mount that could show a /proc or a /sys. Default: false. seccomp(2)
---@field reuse_network? boolean

--- Containers that wait for their commands. Each runs one, and is thrown away: two runs share neither files nor
--- processes, memory or network, as far as the container's table does not say so. A pool that nobody holds is ended.
---@class ccsand.Pool
local Pool = {}

--- Runs a command in one of them, to its end; the result holds what it printed. Times count from here, CPU times from its
--- assembly.
---@param command? string[] in place of the container's own
---@param options? ccsand.PoolRunOptions
---@return ccsand.RunResult
function Pool:run(command, options) end

---@class ccsand.PoolRunOptions
--- What it reads from standard input. Default: nothing (/dev/null). The first run with one lets those that wait go: from then on all are
--- assembled with a pipe to read from.
---@field stdin? string
--- As the keys of the container, for this run. `cpu_time` needs a cgroup.
---@field timeout? ccsand.Duration
---@field cpu_time? ccsand.Duration
---@field output_limit? ccsand.Size
---@field limit_output? boolean

--- Fills it up, and takes down what used ones left: for who knows that there is time. In a loop that is done by itself, when other tasks
--- wait; outside of one before a run, when half of it is used.
function Pool:refill() end

--- How many wait, or are being assembled.
---@return integer
function Pool:waiting() end

--- Ends those that wait.
function Pool:close() end

---@class ccsand.StartOptions
--- Whether the result holds what it printed. Default false: it prints to ccsand's own streams.
---@field capture? boolean
--- What it reads from standard input. Default: nothing (/dev/null).
---@field stdin? string
--- Whether it reads ccsand's standard input. Default false.
---@field inherit_stdin? boolean
--- Whether its standard input stays open for `write`, and its output is at hand for `read_line` and `expect`; of a
--- container with a terminal that is its terminal (24 lines of 80). Default false.
---@field interactive? boolean
--- Called with each line of its standard output, without its end: while it is waited for, and in a loop whenever they come. A line
--- of more than a mebibyte comes in pieces of that size. While the function waits, the container's output does, too: it may
--- not wait for more than a mebibyte of it itself (EDEADLK). An error of it is raised where the container is waited for next.
---@field on_stdout? fun(line: string)
--- The same of its standard error.
---@field on_stderr? fun(line: string)
--- As the keys of the container, for this run.
---@field timeout? ccsand.Duration
---@field cpu_time? ccsand.Duration
---@field output_limit? ccsand.Size
---@field limit_output? boolean

--- What `wait_for` waits for.
---@class ccsand.Awaited
--- A line on standard output or error that has this text; nothing is used up. The output has to be at hand: `interactive`, `on_stdout`, `on_stderr` or `capture`.
---@field line? string
--- Whether `line` is a Lua pattern, looked for in the first 4 KiB of each line. Default false.
---@field pattern? boolean
--- A path in the container. Links do not lead out of its root.
---@field file? string
--- A TCP port that is listened on in its network namespace.
---@field port? integer
--- Default 10 s.
---@field within? ccsand.Duration

--- A running container. Output of all of them is read, and time-outs are kept, while any is
--- waited for.
---@class ccsand.Running
local Running = {}

--- The result once it has ended; nil after `timeout`.
---@param timeout? ccsand.Duration default: as long as it takes
---@return ccsand.RunResult? result
function Running:wait(timeout) end

--- Its network interfaces, of those that its table asked for: the name in it, the host's end, where there is one, the addresses, and the
--- network they are on.
---@return { name: string, link: string?, addresses: string[], network: any }[]
function Running:interfaces() end

--- Sends bytes to its standard input, as it reads them. An error where that is closed.
---@param text string
function Running:write(text) end

--- The end of its standard input, when all is sent; on a terminal its end-of-file character.
function Running:close_stdin() end

--- The next line of its standard output, without its end; nil at the end of the output. ETIMEDOUT after `within`. Of what nobody
--- has read yet the last mebibyte is kept.
---@param within? ccsand.Duration default 10 s
---@return string?
function Running:read_line(within) end

--- Waits for a text on its standard output; what is up to its end is used up. An error with what was printed instead: ETIMEDOUT after
--- `within`, EPIPE where no more output comes. The last mebibyte is searched; a
--- pattern is looked for in 4 KiB at a time, for what it takes may grow with the square of what the container prints.
---@param text string
---@param options? { within: ccsand.Duration, pattern: boolean } default 10 s; with `pattern` it is a Lua pattern
---@return string ... what was found, or the pattern's captures
function Running:expect(text, options) end

--- Waits until all of these are there. Returns the line. ETIMEDOUT after `within`, ESRCH or EPIPE where the container ends before.
---@param what ccsand.Awaited
---@return string? line
function Running:wait_for(what) end

--- Copies a file of the host, or a text, into the container: it is opened as the container's root would open it,
--- and belongs to it. Only regular files. On the host it is opened with ccsand's rights.
---@param source string|{ text: string }
---@param path string absolute, in the container
---@param options? { mode: integer, limit: ccsand.Size } default 420 (0644), 64 MiB
---@return integer bytes
function Running:copy_in(source, path, options) end

--- Copies a file out of the container: its bytes, or into a file of the host (0600). Opened as the container's root would open
--- it. Only regular files.
---@param path string absolute, in the container
---@param host_path? string
---@param options? { limit: ccsand.Size } default 64 MiB
---@return string|integer text or the number of bytes
function Running:copy_out(path, host_path, options) end

--- Whether it has ended, as far as ccsand has looked.
---@return boolean
function Running:ended() end

--- Ends it with all of its processes, and returns its result.
---@return ccsand.RunResult
function Running:close() end

--- Sends a signal to its pid 1. The kernel drops those that pid 1 has no handler for, except
--- KILL and STOP: give the container `init = true` to end it with TERM. signal(7)
---@param signal? string|integer such as "TERM" or 15. Default "KILL"
function Running:kill(signal) end

--- Stops all of its processes. Needs a cgroup.
function Running:freeze() end

--- Lets them go on.
function Running:thaw() end

--- What it has used so far. Needs a cgroup.
---@return ccsand.Stats
function Running:stats() end

--- Its name for `ccsand exec`, nil where it has none or has ended. With an argument it gets one: EEXIST where a container that runs has
--- it, or where this one has another. Commands are served while ccsand waits, as output is read.
---@param name? string as in the container's table
---@return string?
function Running:name(name) end

--- Process number of its pid 1, as the host counts.
---@return integer
function Running:pid() end

--- Its network interfaces, but for loopback.
---@return ccsand.Interface[]
function Running:interfaces() end

--- An interface of a running container.
---@class ccsand.Interface
--- In the container.
---@field name string
--- Of a bridge: the host's end, where the bridge is.
---@field link? string
--- Without their prefixes.
---@field addresses string[]
--- Of a bridge: the network.
---@field network? ccsand.Network

--- Runs a further command in it, to its end: in its namespaces and its cgroup, with its
--- credentials and attributes.
---@param command string[]
---@param options? ccsand.ExecOptions
---@return ccsand.RunResult
function Running:exec(command, options) end

---@class ccsand.ExecOptions
--- What it reads from standard input. Default: nothing (/dev/null).
---@field stdin? string
--- Whether it runs on the caller's streams, without capture. Default false.
---@field foreground? boolean
--- As in the container's table, in place of the container's own.
---@field user? string|integer
--- As in the container's table.
---@field group? string|integer
--- As in the container's table.
---@field groups? integer[]
--- As in the container's table; replaces the container's own.
---@field env? table<string, string|number|boolean>
--- As in the container's table.
---@field cwd? string
--- As in the container's table.
---@field capabilities? "default"|"none"|"all"|string[]|ccsand.CapabilityChange
--- As in the container's table. Default none.
---@field timeout? ccsand.Duration

--- What a cgroup has used since it was made. What this kernel or this group cannot tell is
--- nil: a group has the controllers that its limits ask for.
---@class ccsand.Stats
--- Bytes in use. v2: memory.current
---@field memory? integer
--- The most of it, in bytes. v2: memory.peak, Linux 5.19
---@field memory_peak? integer
--- Bytes of swap in use.
---@field swap? integer
--- Processes that the OOM killer took.
---@field oom_kills? integer
--- How often the memory limit was hit.
---@field memory_max_events? integer
--- Processes and threads.
---@field pids? integer
--- The most of them. Linux 6.1
---@field pids_peak? integer
--- Forks that the limit refused.
---@field pids_max_events? integer
--- Seconds of CPU time.
---@field cpu? number
--- Of them outside the kernel.
---@field cpu_user? number
--- Of them in the kernel.
---@field cpu_system? number
--- Periods in which it was throttled.
---@field cpu_throttled? integer
--- Seconds for which it was.
---@field cpu_throttled_time? number
--- Bytes read from block devices.
---@field io_read? integer
--- Bytes written to block devices.
---@field io_write? integer
--- v2, with PSI in the kernel; so the two that follow.
---@field cpu_pressure? ccsand.Pressures
---@field memory_pressure? ccsand.Pressures
---@field io_pressure? ccsand.Pressures

---@class ccsand.Pressures
--- Some tasks waited.
---@field some? ccsand.Pressure
--- All of them did.
---@field full? ccsand.Pressure

--- Kernel documentation: accounting/psi
---@class ccsand.Pressure
--- Percent of the last 10 seconds.
---@field avg10 number
--- Percent of the last 60 seconds.
---@field avg60 number
--- Percent of the last 300 seconds.
---@field avg300 number
--- Seconds in all.
---@field total number

--- How a container ended and what it used. With a cgroup it has the fields of
--- ccsand.Stats, too.
---@class ccsand.RunResult: ccsand.Stats
--- Exit status, 0 to 255; 128 + signal where a signal ended it.
---@field status integer
--- Name of the signal that ended it, such as "KILL". With `init = true` a signal that ends the command shows in `status` alone.
---@field signal? string
--- "oom": its cgroup's OOM killer took a process, and its status is not 0.
---@field reason "exited"|"signalled"|"timeout"|"oom"
--- What it printed; "" where that was not captured.
---@field stdout string
--- The same of standard error.
---@field stderr string
--- true where it printed more than `output_limit`.
---@field stdout_cut? true
--- The same of standard error.
---@field stderr_cut? true
--- Seconds from the start to the end.
---@field wall number
--- Seconds of CPU time outside the kernel, of pid 1 and the children that it waited for. getrusage(2)
---@field user number
--- Seconds of CPU time in the kernel, of the same.
---@field system number
--- Most memory in bytes that one of them had at a time. getrusage(2)
---@field max_rss integer
--- With `egress`: its rules, in their order, and how often each applied.
---@field egress? ccsand.RuleCount[]

return container
