-- The default profile: what the container engines of 2025 let a program do that is no
-- engine itself, and a little less. As theirs, it depends on the capabilities: a call
-- that is useless without one is allowed only with it.
--
-- Known calls are denied with EPERM, and new ones that programs try first with ENOSYS, so
-- that a libc falls back to the older call. What no statement names is the policy's
-- `unnamed`; it should answer ENOSYS, too.

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  return list
end

local allowed = words [[
  _llseek _newselect accept accept4 access adjtimex alarm arch_prctl arm_fadvise64_64 arm_sync_file_range bind breakpoint
  brk cacheflush cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres
  clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect
  copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2
  epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64
  fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
  flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
  futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area get_tls
  getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer
  getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit
  getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch
  inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64
  io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule landlock_create_ruleset
  landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr
  lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir
  mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify mq_open
  mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv
  msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open
  pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2
  prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv
  recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2
  restart_syscall riscv_flush_icache riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
  rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max
  sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
  sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp
  select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto
  set_robust_list set_thread_area set_tid_address set_tls setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
  setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32
  setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown
  sigaltstack signalfd signalfd4 sigprocmask sigreturn socketpair splice stat stat64 statfs statfs64 statmount statx
  swapcontext symlink symlinkat sync sync_file_range sync_file_range2 syncfs sysinfo tee tgkill time timer_create
  timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
  timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
  uname unlink unlinkat uprobe uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid
  write writev ]]

-- Allowed with any of the capabilities, denied with EPERM without.
local gated = {
  { "sys_admin", "fanotify_init lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr quotactl quotactl_fd",
    "looks at more of the host than the container" },
  { "sys_admin", [[fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root
    umount umount2]], "a container's mounts are made before it starts" },
  { "sys_admin", "setdomainname sethostname", "a container's name is set before it starts" },
  { "sys_admin", "setns unshare", "the code of namespaces has been the way out of many a container" },
  { "sys_admin bpf", "bpf", "programs of the caller in the kernel" },
  { "sys_admin perfmon", "perf_event_open", "tells addresses of the kernel, and what others do" },
  { "sys_admin syslog", "syslog", "the host's kernel log tells addresses of the kernel" },
  { "sys_boot", "reboot", "in a pid namespace it ends only that, but who needs it has the capability" },
  { "sys_chroot", "chroot", "a way out of a chroot that was meant to hold" },
  { "sys_module", "delete_module finit_module init_module query_module", "code of the caller in the kernel" },
  { "sys_nice", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node", "the nodes' memory is shared by all containers" },
  { "sys_pacct", "acct", "writes what the whole host runs" },
  { "sys_ptrace", "kcmp pidfd_getfd process_madvise", "reach into other processes; kcmp tells the order of kernel addresses" },
  { "sys_rawio", "ioperm iopl", "the host's devices by their ports" },
  { "sys_time", "clock_settime clock_settime64 settimeofday stime", "the host's clock" },
  { "sys_tty_config", "vhangup", "takes a terminal away from its other users" },
  { "dac_read_search", "open_by_handle_at", "opens any file of the file system, also outside of the container" },
}

local namespaces = "CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP"

--- The statements for a set of capabilities, { sys_admin = true }: { action, calls, when, note },
--- of which the later ones win where their `when` holds.
return function(capabilities)
  local statements = {}
  local function add(action, calls, note, when)
    if type(calls) == "string" then calls = words(calls) end
    statements[#statements + 1] = { action = action, calls = calls, when = when, note = note }
  end

  add("allow", allowed, "what programs need")
  add("allow", "process_vm_readv process_vm_writev ptrace",
    "within the container; since Linux 4.8 a tracer cannot change a call after the filter has seen it")

  for _, gate in ipairs(gated) do
    local granted = false
    for capability in gate[1]:gmatch "%S+" do granted = granted or capabilities[capability] == true end
    add(granted and "allow" or "errno EPERM", gate[2], gate[3])
  end

  if capabilities.sys_admin then
    add("allow", "clone clone3", "with namespaces")
  else
    add("errno EPERM", "clone", "new namespaces, and so user namespaces within the container")
    add("allow", "clone", "processes and threads", ("flags & (%s) == 0"):format(namespaces))
    add("errno ENOSYS", "clone3", "its flags are in memory, where a filter cannot look: libc falls back to clone")
  end

  add("errno EPERM", "personality", "others weaken address space randomization, or wake old code in the kernel")
  add("allow", "personality", "to ask (0xffffffff), and to build for 32 bits",
    "persona in { PER_LINUX, PER_LINUX32, UNAME26, PER_LINUX32 | UNAME26, 0xffffffff }")

  add("allow", "socket", "all families but those below")
  add("errno EAFNOSUPPORT", "socket",
    "VSOCK reaches the hypervisor past the network namespace; ALG is a large attack surface for what libraries do better",
    "domain in { AF_VSOCK, AF_ALG }")
  if not capabilities.audit_write then
    add("errno EINVAL", "socket", "programs take EINVAL for a kernel without auditing and go on",
      "domain == AF_NETLINK and protocol == NETLINK_AUDIT")
  end
  add("allow", "socketcall",
    "libc for 32-bit x86 has no other way. Its arguments are in memory: there, the families above are not held back")

  -- Where this is stricter than the engines.
  add("errno EPERM", "ioctl",
    "type into the terminal, for whoever reads there after the container; the engines leave it to the kernel's setting",
    "request in { TIOCSTI, TIOCLINUX }")
  add("errno EPERM", "add_key keyctl request_key", "keyrings know no namespaces; podman allows keyctl")

  add("errno ENOSYS", "io_uring_enter io_uring_register io_uring_setup",
    "a second way to most calls that no filter sees; with ENOSYS, programs use epoll")
  add("errno ENOSYS", "file_getattr file_setattr", "too new to judge (Linux 6.17); programs have the ioctl")
  add("errno EPERM", "userfaultfd", "stops the kernel in the middle of a copy, which makes its races easy to win")
  add("errno EPERM", "kexec_file_load kexec_load swapoff swapon", "the whole host's, with whatever capability")
  add("errno EPERM", "migrate_pages move_pages", "tell where memory is, and move that of others")
  add("errno EPERM", "nfsservctl pciconfig_iobase pciconfig_read pciconfig_write rtas spu_create spu_run subpage_prot " ..
    "switch_endian sys_debug_setcontext vm86 vm86old", "for kernel developers, firmware and old machines")
  add("errno EPERM", "_sysctl bdflush create_module get_kernel_syms nice oldfstat oldlstat oldolduname oldstat olduname " ..
    "readdir sgetmask sigaction signal sigpending sigsuspend ssetmask sysfs uselib ustat",
    "obsolete: no libc of today calls them")
  return statements
end
