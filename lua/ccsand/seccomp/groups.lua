-- System calls by purpose, in the manner of systemd's sets and under their names, so that
-- what is known of SystemCallFilter= holds here. A group lists calls and other groups.
local signatures = require "ccsand.seccomp.signatures"

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  table.sort(list)
  return list
end

local groups = {
  -- what every program needs before and after its own work
  ["@default"] = words [[
    arch_prctl brk cacheflush clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 execve exit exit_group futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake
    get_robust_list get_thread_area get_tls getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32
    getpgid getpgrp getpid getppid getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getsid gettid
    gettimeofday getuid getuid32 map_shadow_stack membarrier mmap mmap2 mprotect mseal munmap nanosleep pause prlimit64
    restart_syscall riscv_flush_icache riscv_hwprobe rseq rt_sigreturn sched_getaffinity sched_yield set_robust_list
    set_thread_area set_tid_address set_tls sigreturn time ugetrlimit ]],

  ["@aio"] = words [[
    io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit io_uring_enter
    io_uring_register io_uring_setup ]],

  ["@basic-io"] = words [[
    _llseek close close_range dup dup2 dup3 lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readv write
    writev ]],

  ["@chown"] = words "chown chown32 fchown fchown32 fchownat lchown lchown32",

  ["@clock"] = words "adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday stime",

  ["@cpu-emulation"] = words "modify_ldt subpage_prot switch_endian vm86 vm86old",

  ["@debug"] = words [[
    breakpoint kcmp lookup_dcookie perf_event_open pidfd_getfd process_vm_readv process_vm_writev ptrace rtas sys_debug_setcontext
    uprobe uretprobe ]],

  ["@file-system"] = words [[
    access cachestat chdir chmod close creat faccessat faccessat2 fallocate fchdir fchmod fchmodat fchmodat2 fcntl
    fcntl64 fgetxattr file_getattr file_setattr flistxattr fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs
    fstatfs64 ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch
    inotify_init inotify_init1 inotify_rm_watch lgetxattr link linkat listmount listxattr listxattrat llistxattr
    lremovexattr lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat newfstatat oldfstat oldlstat oldstat open openat
    openat2 readlink readlinkat removexattr removexattrat rename renameat renameat2 rmdir setxattr setxattrat stat
    stat64 statfs statfs64 statmount statx symlink symlinkat truncate truncate64 umask unlink unlinkat utime utimensat
    utimensat_time64 utimes ]],

  ["@io-event"] = words [[
    _newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
    eventfd eventfd2 poll ppoll ppoll_time64 pselect6 pselect6_time64 select ]],

  ["@ipc"] = words [[
    ipc memfd_create mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget semop semtimedop
    semtimedop_time64 shmat shmctl shmdt shmget ]],

  ["@keyring"] = words "add_key keyctl request_key",

  ["@memlock"] = words "memfd_secret mlock mlock2 mlockall munlock munlockall",

  ["@module"] = words "create_module delete_module finit_module get_kernel_syms init_module query_module",

  ["@mount"] = words [[
    chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root umount
    umount2 ]],

  ["@network-io"] = words [[
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
    send sendmmsg sendmsg sendto setsockopt shutdown socket socketcall socketpair ]],

  ["@obsolete"] = words [[
    _sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock mpx multiplexer
    nfsservctl prof profil putpmsg query_module security sgetmask ssetmask stty sysfs tuxcall ulimit uselib usr26 usr32
    ustat vserver ]],

  ["@pkey"] = words "pkey_alloc pkey_free pkey_mprotect",

  -- Needs a capability for what it is mostly called for; the @groups among them whole.
  ["@privileged"] = words [[
    @chown @clock @module @mount @raw-io @reboot @setuid @swap _sysctl acct bpf capset fanotify_init fanotify_mark
    lsm_set_self_attr nfsservctl open_by_handle_at perf_event_open quotactl quotactl_fd setdomainname setfsgid
    setfsgid32 setfsuid setfsuid32 sethostname syslog vhangup ]],

  ["@process"] = words [[
    capget clone clone3 execve execveat fork getrusage kill pidfd_open pidfd_send_signal prctl process_madvise
    process_mrelease rt_sigqueueinfo rt_tgsigqueueinfo setns setpgid setsid swapcontext tgkill times tkill unshare
    vfork wait4 waitid waitpid ]],

  ["@raw-io"] = words "ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write",

  ["@reboot"] = words "kexec_file_load kexec_load reboot",

  ["@resources"] = words [[
    get_mempolicy getpriority ioprio_get ioprio_set mbind migrate_pages move_pages nice sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler set_mempolicy set_mempolicy_home_node setpriority setrlimit ]],

  -- by which a program gives up rights of its own
  ["@sandbox"] = words "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp",

  ["@setuid"] = words [[
    setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
    setreuid32 setuid setuid32 ]],

  ["@signal"] = words [[
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 sigaction
    sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigsuspend ]],

  ["@swap"] = words "swapoff swapon",

  ["@sync"] = words [[
    arm_sync_file_range fdatasync fsync msync sync sync_file_range sync_file_range2 syncfs ]],

  -- A reasonable start for a service: no @clock, @mount, @swap, @reboot, @module, ... Unlike
  -- systemd's, without userfaultfd, which makes races in the kernel easy to win.
  ["@system-service"] = words [[
    @aio @basic-io @chown @default @file-system @io-event @ipc @keyring @memlock @network-io @pkey @process @resources
    @sandbox @setuid @signal @sync @timer arm_fadvise64_64 capset copy_file_range fadvise64 fadvise64_64 flock getcpu
    ioctl kcmp lsm_get_self_attr lsm_list_modules madvise mincore mremap name_to_handle_at oldolduname olduname
    personality readahead readdir remap_file_pages sched_get_priority_max sched_get_priority_min sched_getattr
    sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sendfile sendfile64 setfsgid
    setfsgid32 setfsuid setfsuid32 splice sysinfo tee uname vmsplice ]],

  ["@timer"] = words [[
    alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
    timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times ]],
}

groups["@known"] = {}
for name in pairs(signatures) do table.insert(groups["@known"], name) end
table.sort(groups["@known"])

groups["@file"] = { "@file-system" }
groups["@network"] = { "@network-io" }

local expanded = {} -- group -> its calls

--- The calls of a group, sorted, each once. Not to be changed by the caller.
local function expand(name)
  if expanded[name] then return expanded[name] end
  if type(groups[name]) ~= "table" then error(("'%s' is no group of system calls"):format(tostring(name)), 0) end
  local found, list = {}, {}
  local function add(call)
    if not found[call] then found[call], list[#list + 1] = true, call end
  end
  for _, member in ipairs(groups[name]) do
    if member:sub(1, 1) == "@" then
      for _, call in ipairs(expand(member)) do add(call) end
    else
      add(member)
    end
  end
  table.sort(list)
  expanded[name] = list
  return list
end

-- `expand` is a function among tables, and no group: those begin with "@".
groups.expand = expand
return groups
