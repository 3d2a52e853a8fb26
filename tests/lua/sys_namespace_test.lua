-- Namespaces, mounts, files, identity and attributes by the primitives.
--   ccsand tests/lua/sys_namespace_test.lua
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local sys = require "ccsand.sys"
local t = require "sys_support"
local test, raised, expect, equal, inside, succeeds, read, scratch = t.test, t.raised, t.expect, t.equal, t.inside, t.succeeds, t.read, t.scratch

-- ---- namespaces

test("id maps are written from outside", function()
  local process = sys.clone({ "user", "mount" }, function(parent)
    parent:wait()
    sys.setgid(0)
    sys.setuid(0)
    equal(sys.getuid(), 0)
    equal(sys.getgid(), 0)
    equal(read("/proc/self/uid_map"):match "(%d+)%s+(%d+)%s+(%d+)", "0")
  end)
  sys.write_uid_map(process, { { 0, 100000, 10 }, { 10, 200000, 5 } })
  sys.write_gid_map(process:pid(), { { 0, 100000, 10 } })
  expect(raised(sys.write_uid_map, process, { { 0, 100000, 10 } }), { code = "EPERM", operation = "write" })
  expect(raised(sys.write_uid_map, process, { { 0, 1 } }), { code = "EINVAL", operation = "write_uid_map", like = "triples" })
  process:go()
  equal(process:wait(10).status, 0)
  process:close()
  expect(raised(inside, { "user" }, function() sys.setuid(5) end), { code = "EINVAL", operation = "setresuid", subject = "5" })
end)

test("setns by descriptor, by path and by process", function()
  local holder = sys.clone({ "uts", "net" }, function(parent)
    sys.sethostname "holder"
    parent:wait()
  end)
  local uts = sys.open_namespace(holder, "uts")
  t.eventually(function()
    return inside({}, function()
      sys.setns(uts, { "uts" })
      return sys.sysctl "kernel.hostname" == "holder"
    end).status == 0
  end)
  uts:close()
  succeeds({}, function()
    sys.setns("/proc/" .. holder:pid() .. "/ns/uts")
    equal(sys.sysctl "kernel.hostname", "holder")
  end)
  succeeds({}, function()
    sys.setns(holder, { "uts", "net" })
    equal(sys.sysctl "kernel.hostname", "holder")
  end)
  expect(raised(inside, {}, function() sys.setns("/proc/self/ns/uts", "net") end),
    { code = "EINVAL", operation = "setns", subject = "/proc/self/ns/uts" })
  expect(raised(sys.setns, holder), { subject = "setns.kinds" })
  holder:close()
end)

test("a time namespace gets its offsets", function()
  local function uptime() return tonumber(read("/proc/uptime"):match "[%d.]+") end
  local here = uptime()
  if not pcall(sys.open, "/proc/self/ns/time") then t.skip "no time namespaces" end
  succeeds({ time_offsets = { boottime = 100000, monotonic = "2h" } }, function()
    assert(uptime() > here + 99000, uptime())
  end)
  assert(uptime() < here + 1000)
  succeeds({}, function() assert(uptime() < here + 1000) end)
end)

test("unshare, and the loopback interface", function()
  succeeds({}, function()
    sys.unshare { "net", "uts" }
    sys.unshare "ipc"
    sys.sethostname "unshared"
    sys.loopback_up()
    assert(read("/proc/net/fib_trie"):find("127.0.0.1", 1, true), "lo has no address")
    sys.sysctl("net.ipv4.ip_unprivileged_port_start", 80)
    equal(sys.sysctl "net/ipv4/ip_unprivileged_port_start", "80")
  end)
  assert(sys.sysctl "kernel.hostname" ~= "unshared")
  expect(raised(sys.sysctl, "net.nonesuch"), { code = "ENOENT", operation = "open", subject = "'/proc/sys/net/nonesuch'" })
  expect(raised(sys.sysctl, "net/../../../etc/passwd"), { code = "EINVAL", operation = "sysctl" })
end)

-- ---- mounts and files

test("mount, bind, remount, attributes, move and umount", function()
  succeeds({ "mount" }, scratch(function()
    sys.mkdir("/tmp/a/b", "0750", { parents = true })
    sys.mkdir("/tmp/c")
    sys.mount { type = "tmpfs", target = "/tmp/a", source = "label", data = { size = "1m", mode = "0700" }, flags = { "noexec" } }
    assert(read("/proc/self/mounts"):find("label /tmp/a tmpfs rw,noexec,relatime,size=1024k,mode=700", 1, true))
    sys.mount_remount { target = "/tmp/a", data = { size = "2m" } }
    assert(read("/proc/self/mounts"):find("size=2048k", 1, true))
    sys.open("/tmp/a/file", { "creat", "excl", "wronly" }, { mode = "0600" }):close()
    sys.mount_setattr { target = "/tmp/a", set = { "ro" } }
    expect(raised(sys.open, "/tmp/a/other", { "creat", "wronly" }), { code = "EROFS", operation = "open" })
    sys.mount_setattr { target = "/tmp/a", clear = { "ro" } }
    sys.mount_bind { source = "/tmp/a", target = "/tmp/c", flags = { "ro", "nodev" } }
    expect(raised(sys.open, "/tmp/c/file", "wronly"), { code = "EROFS" })
    sys.open("/tmp/a/file", "wronly"):close()
    sys.umount("/tmp/c")
    sys.mount_move("/tmp/a", "/tmp/c")
    sys.open "/tmp/c/file":close()
    sys.umount("/tmp/c", "detach")
    expect(raised(sys.umount, "/tmp/c"), { code = "EINVAL", operation = "umount", subject = "'/tmp/c'" })
  end))
end)

test("detached trees", function()
  succeeds({ "mount" }, scratch(function()
    sys.mkdir "/tmp/a"
    local tree = sys.mount { type = "tmpfs", detached = true }
    sys.mount_setattr { tree = tree, set = { "ro" } }
    sys.move_mount { tree = tree, target = "/tmp/a" }
    expect(raised(sys.mkdir, "/tmp/a/x"), { code = "EROFS", operation = "mkdir" })
    expect(raised(sys.umount, "/tmp/a"), { code = "EBUSY" })  -- the descriptor holds it
    tree:close()
    sys.umount "/tmp/a"
    local copy = sys.open_tree { path = "/proc", recursive = true }
    sys.move_mount { tree = copy, target = "/tmp/a" }
    sys.open "/tmp/a/self/status":close()
  end))
  expect(raised(sys.mount, { type = "tmpfs", target = "/tmp", detached = true }), { subject = "mount.target" })
  expect(raised(sys.mount_setattr, { set = { "ro" } }), { subject = "mount_setattr.target" })
end)

test("an overlay, and what the kernel says of a wrong one", function()
  succeeds({ "mount" }, scratch(function()
    for _, name in ipairs { "lower", "upper", "work", "root" } do sys.mkdir("/tmp/" .. name) end
    sys.open("/tmp/lower/file", { "creat", "wronly" }):close()
    sys.mount { type = "overlay", target = "/tmp/root", data = { lowerdir = "/tmp/lower", upperdir = "/tmp/upper", workdir = "/tmp/work" } }
    sys.mkdir "/tmp/root/new"
    sys.open("/tmp/upper/new", "directory"):close()
    expect(raised(sys.mount, { type = "overlay", target = "/tmp/root", data = { lowerdir = "/tmp/nowhere" } }), { code = "ENOENT" })
  end))
  expect(raised(inside, { "mount" }, function() sys.mount { type = "nonesuchfs", target = "/tmp" } end),
    { code = "ENODEV", operation = "fsopen", subject = "'nonesuchfs'" })
end)

test("a propagation that is private stays private", function()
  succeeds({ "mount" }, scratch(function()
    sys.mkdir "/tmp/a"
    sys.mount_set_propagation("/tmp", "shared")
    assert(read("/proc/self/mountinfo"):find "/ /tmp [^\n]*shared:")
    sys.mount_setattr { target = "/tmp", propagation = "private" }
    assert(not read("/proc/self/mountinfo"):find "/ /tmp [^\n]*shared:")
  end))
  expect(raised(sys.mount_set_propagation, "/", "privat"), { like = "did you mean 'private'?" })
end)

test("pivot_root leaves nothing of the old root", function()
  succeeds({ "mount", "pid" }, scratch(function()
    sys.mkdir "/tmp/root"
    sys.mount { type = "tmpfs", target = "/tmp/root" }
    sys.mkdir "/tmp/root/proc"
    sys.mount { type = "proc", target = "/tmp/root/proc" }
    sys.chdir "/tmp/root"
    sys.pivot_root(".", ".")
    sys.umount(".", "detach")
    sys.chdir "/"
    expect(raised(sys.open, "/etc"), { code = "ENOENT" })
    local _, lines = read("/proc/self/mounts"):gsub("\n", "")
    equal(lines, 2)
  end))
  expect(raised(inside, { "mount" }, function() sys.pivot_root("/etc", "/etc") end), { code = "EBUSY", operation = "pivot_root", subject = "'/etc' with the old root on '/etc'" })
end)

test("a root descriptor holds links back", function()
  succeeds({ "mount" }, scratch(function()
    sys.mkdir "/tmp/root"
    sys.mkdir "/tmp/outside"
    local root = sys.open("/tmp/root", { "path", "directory" })
    sys.symlink("/tmp/outside", "/link", { root = root })
    expect(raised(sys.mkdir, "/link/x", "0755", { root = root }), { code = "ENOENT" })
    sys.mkdir("/tmp/outside/in", "0700", { root = root, parents = true })
    sys.mkdir("/link/x", "0755", { root = root })
    sys.open("/tmp/root/tmp/outside/x", "directory"):close()
    expect(raised(sys.open, "/tmp/outside/x"), { code = "ENOENT" })
    sys.mount { type = "tmpfs", target = "/link", root = root }
    assert(read("/proc/self/mounts"):find("tmpfs /tmp/root/tmp/outside tmpfs", 1, true))
    sys.chdir(root)
    sys.open("link", { "path", "nofollow" }):close()
  end))
end)

test("nodes, owners, modes and masks", function()
  succeeds({ "mount" }, scratch(function()
    sys.mknod("/tmp/null", "char", "0666", 1, 3)
    sys.chmod("/tmp/null", "0640")
    sys.chown("/tmp/null", 1, 2)
    local pipe = io.popen "stat -c '%F %a %u %g' /tmp/null"
    equal(pipe:read "*l", "character special file 640 1 2")
    pipe:close()
    sys.umask "027"
    equal(sys.umask "0022", "0027")
    expect(raised(sys.mknod, "/tmp/null", "fifo", "0600"), { code = "EEXIST", operation = "mknod", subject = "'null'" })
    expect(raised(sys.mknod, "/tmp/x", "pipe", "0600"), { subject = "mknod.kind" })
    sys.chroot "/tmp"
    sys.open("/null", "path"):close()
  end))
  local process = sys.clone({ "user", "mount" }, function(parent)
    parent:wait()
    sys.mount { type = "tmpfs", target = "/tmp" }
    sys.mknod("/tmp/null", "char", "0666", 1, 3)
  end)
  sys.write_uid_map(process, { { 0, 0, 1 } })
  sys.write_gid_map(process, { { 0, 0, 1 } })
  process:go()
  local e = expect(raised(process.wait, process), { code = "EPERM", operation = "mknod" })
  assert(e.hint:find "bind the host's node")
  process:close()
end)

-- ---- identity and attributes

test("users and groups", function()
  succeeds({}, function()
    sys.setgroups { 7, 8 }
    sys.setresgid(-1, 9, -1)
    sys.setgid(10)
    sys.setresuid(11, 11, 11)
    equal(sys.getuid(), 11)
    equal(sys.getgid(), 10)
    assert(read("/proc/self/status"):find "Groups:%s*7 8")
    expect(raised(sys.setuid, 0), { code = "EPERM", operation = "setresuid", subject = "0" })
  end)
end)

test("capabilities, securebits and no_new_privs", function()
  succeeds({}, function()
    local sets = sys.capget()
    assert(#sets.effective > 10 and #sets.bounding > 10)
    local keep = { "chown", "setpcap", "cap_kill" }
    sys.capset { effective = keep, permitted = keep, inheritable = { "chown" }, bounding = { "chown" }, ambient = { "chown" } }
    sets = sys.capget()
    equal(table.concat(sets.effective, ","), "chown,kill,setpcap")
    equal(table.concat(sets.bounding, ","), "chown")
    equal(table.concat(sets.ambient, ","), "chown")
    expect(raised(sys.capset, { permitted = { "sys_admin" } }), { code = "EPERM", operation = "capset" })
    sys.securebits { "noroot", "noroot_locked" }
    equal(table.concat(sys.securebits(), ","), "noroot,noroot_locked")
    sys.no_new_privs()
    assert(read("/proc/self/status"):find "NoNewPrivs:%s*1")
    expect(raised(sys.sethostname, "x"), { code = "EPERM", operation = "sethostname", subject = "'x'" })
  end)
end)

test("limits, priorities and other attributes", function()
  succeeds({}, function()
    sys.setrlimit("nofile", 100, 200)
    local soft, hard = sys.getrlimit "nofile"
    equal(soft, 100)
    equal(hard, 200)
    sys.setrlimit("core", 0)
    sys.setrlimit("fsize", "1M", "unlimited")
    equal(select(2, sys.getrlimit "fsize"), "unlimited")
    sys.nice(5)
    sys.sched_setscheduler "batch"
    sys.sched_setaffinity { sys.sched_getaffinity()[1] }
    equal(#sys.sched_getaffinity(), 1)
    sys.ioprio_set("idle")
    sys.ioprio_set("best_effort", 3)
    sys.oom_score_adj(500)
    equal(read "/proc/self/oom_score_adj", "500\n")
    sys.personality { "addr_no_randomize" }
    sys.set_pdeathsig "TERM"
    sys.set_pdeathsig(false)
    sys.set_dumpable(false)
    sys.set_dumpable()
    sys.set_child_subreaper()
    sys.set_name "a name"
    equal(read "/proc/self/comm", "a name\n")
    sys.setsid()
    expect(raised(sys.setsid), { code = "EPERM", operation = "setsid" })
    expect(raised(sys.sched_setscheduler, "fifo", 0), { code = "EINVAL", operation = "sched_setscheduler" })
    expect(raised(sys.set_name, ("n"):rep(16)), { operation = "set_name" })
  end)
  local process = sys.clone({}, function(parent) parent:wait() end)
  sys.oom_score_adj(300, process)
  sys.setrlimit("nofile", 64, 64, process)
  sys.nice(3, process:pid())
  equal(read("/proc/" .. process:pid() .. "/oom_score_adj"), "300\n")
  process:close()
end)

return t.finish()
