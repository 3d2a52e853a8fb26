-- The policies for system calls that ship, by name. Each says what it is for, what it denies
-- and what it leaves to others; tests/lua/policies_test.lua attacks each claim.
-- ccsand.policy has them together with what belongs to them: Landlock, capabilities, network.
local policies = {}

-- Reach into other processes, watch the machine, or change what is not the program's own.
-- The default profile denies most of it without the capability; these deny it with one, too.
local function without_reach(policy)
  return policy:deny("@debug", "@keyring", "@module", "@mount", "@raw-io", "@reboot", "@swap", "setns", "unshare", "bpf",
    "fanotify_init", "open_by_handle_at", "name_to_handle_at", "process_madvise", "userfaultfd", "acct", "quotactl", "quotactl_fd", "syslog")
end

local function without_network(policy, reason)
  return policy:errno(reason, "socket", "socketpair", "socketcall"):allow { socket = "domain == AF_UNIX", socketpair = "domain == AF_UNIX" }
end

--- Computes: memory, time, and input and output on the descriptors 0, 1 and 2. Nothing is opened, no process
--- and no thread is made, no memory is both new and executable. For static programs: a loader opens libraries.
--- The command's own execution is the one that ccsand lets pass; every later one is denied.
function policies.strict(seccomp)
  return seccomp.policy {
    name = "strict", default = "errno EPERM", unknown = "errno ENOSYS",
    allow = {
      -- to begin and to end
      "arch_prctl", "exit", "exit_group", "rseq", "set_robust_list", "set_tid_address", "restart_syscall", "rt_sigreturn",
      prlimit64 = "pid == 0 and new_limit == 0", -- to ask
      -- input and output
      read = "fd in { 0, 1, 2 }", readv = "fd in { 0, 1, 2 }", write = "fd in { 0, 1, 2 }", writev = "fd in { 0, 1, 2 }",
      lseek = "fd in { 0, 1, 2 }", fstat = "fd in { 0, 1, 2 }", close = "fd in { 0, 1, 2 }",
      -- memory
      "brk", "munmap", "madvise", "mremap",
      mmap = "prot & PROT_EXEC == 0 and flags & MAP_ANONYMOUS != 0", mprotect = "prot & PROT_EXEC == 0",
      -- itself, and the time
      "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getrandom", "clock_gettime", "clock_getres",
      "gettimeofday", "time", "nanosleep", "clock_nanosleep", "sched_yield", "futex", "poll", "ppoll", "select", "pselect6", "rt_sigaction", "rt_sigprocmask", "sigaltstack",
    },
    -- The command's comes first, and before any code of its own: the program that starts it answers it.
    notify = { "execve", "execveat" },
  }
end

--- The default profile without sockets but unix ones. Existing descriptors stay: give it none of a network.
policies["no-network"] = function(seccomp)
  local policy = without_network(seccomp.default(), "EAFNOSUPPORT")
  return seccomp.policy { name = "no-network", from = policy }
end

--- A compiler in a directory: processes, files, memory of all kinds; no network, no looking into other
--- processes, no mounts, no namespaces, no keyrings.
function policies.build(seccomp)
  local policy = without_network(without_reach(seccomp.default()), "EAFNOSUPPORT"):deny("@clock", "vhangup", "sethostname", "setdomainname")
  return seccomp.policy { name = "build", from = policy }
end

--- Listens, answers, reads and writes its files: TCP over IPv4 and IPv6 and unix sockets, and no other
--- family, type or protocol. Which ports is Landlock's matter: connections that would go past it are denied.
function policies.server(seccomp)
  local policy = without_reach(seccomp.default()):deny("@clock", "@obsolete", "chroot", "modify_ldt", "vhangup", "sethostname", "setdomainname",
      "mknod", "mknodat", "mlockall", "sched_setscheduler", "sched_setattr", "personality", "io_setup", "io_submit", "remap_file_pages")
    -- What Landlock does not take for TCP would not be held by its rules: MPTCP, SCTP, UDP.
    :errno("EAFNOSUPPORT", "socket", "socketcall")
    :allow { socket = { "domain == AF_UNIX",
      "domain in { AF_INET, AF_INET6 } and type & 15 == SOCK_STREAM and protocol in { IPPROTO_IP, IPPROTO_TCP }" } }
    -- With it, sending connects.
    :deny { sendto = "flags & MSG_FASTOPEN != 0", sendmsg = "flags & MSG_FASTOPEN != 0", sendmmsg = "flags & MSG_FASTOPEN != 0" }
  return seccomp.policy { name = "server", from = policy }
end

return policies
