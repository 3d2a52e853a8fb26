-- Where kafel says the kernel's names, and the man page has others.
local names = {}

names.calls = { newstat = "stat", newfstat = "fstat", newlstat = "lstat", newuname = "uname" }

-- By call: the kernel's names of its parameters, in order; "" where they are the same or of no use in conditions.
local texts = {
  accept = "fd", accept4 = "fd", bind = "fd", connect = "fd", getpeername = "fd", getsockname = "fd", listen = "fd",
  recvfrom = "fd", recvmmsg = "fd", recvmsg = "fd", sendmmsg = "fd", sendmsg = "fd", sendto = "fd", shutdown = "fd",
  getsockopt = "fd", setsockopt = "fd",
  socket = "family", socketpair = "family",
  clone = "clone_flags newsp parent_tidptr child_tidptr", unshare = "unshare_flags", setns = "- flags",
  open = "filename", openat = "dfd filename", openat2 = "dfd filename", access = "filename",
  faccessat = "dfd filename", faccessat2 = "dfd filename", fchmodat = "dfd filename", fchownat = "dfd filename user - flag",
  newfstatat = "dfd filename - flag", statx = "dfd filename", unlinkat = "dfd - flag", mkdirat = "dfd", mknodat = "dfd filename",
  utimensat = "dfd filename", linkat = "olddfd oldname newdfd newname", symlinkat = "oldname newdfd newname",
  renameat = "olddfd oldname newdfd newname", renameat2 = "olddfd oldname newdfd newname", readlinkat = "dfd",
  chmod = "filename", chown = "filename user", lchown = "filename user", fchown = "- user",
  execve = "filename", execveat = "fd filename", exit = "error_code", exit_group = "error_code",
  ioctl = "- cmd arg", flock = "- cmd", dup = "fildes", lseek = "- - origin",
  mmap = "- len - - - pgoff", mprotect = "start", munmap = "- len", mremap = "addr old_len new_len - new_addr",
  madvise = "start len_in behavior", msync = "start len", mlock = "start", munlock = "start", mlock2 = "start",
  pkey_mprotect = "start", brk = "brk", remap_file_pages = "start", mincore = "start len",
  keyctl = "option", personality = "personality", rt_sigaction = "sig act oact",
  rt_sigprocmask = "- nset oset", clock_gettime = "which_clock", clock_getres = "which_clock", clock_settime = "which_clock",
  clock_nanosleep = "which_clock - rqtp rmtp", clock_adjtime = "which_clock utx", timer_create = "which_clock",
  futex = "- op - utime", getrandom = "- count", eventfd2 = "count", eventfd = "count",
  mount = "dev_name dir_name type flags", umount2 = "name", seccomp = "op - uargs", semctl = "- - - arg",
  wait4 = "upid stat_addr - ru", waitid = "which upid", setpriority = "- - niceval", syslog = "- buf",
  prlimit64 = "- - new_rlim old_rlim", tkill = "pid",
}
names.parameters = {}
for call, text in pairs(texts) do
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word == "-" and "" or word end
  names.parameters[call] = list
end

return names
