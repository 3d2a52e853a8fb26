-- Descriptors, clone, exec, process handles and control groups by the primitives.
--   ccsand tests/lua/sys_test.lua
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local sys = require "ccsand.sys"
local cgroup = require "ccsand.cgroup"
local t = require "sys_support"
local test, raised, expect, equal, inside, succeeds, read = t.test, t.raised, t.expect, t.equal, t.inside, t.succeeds, t.read

-- ---- descriptors

test("a descriptor closes once, and says so", function()
  local r, w = sys.pipe()
  w:write "hello"
  equal(r:read(3), "hel")
  local number = r:fileno()
  equal(tostring(r), "descriptor " .. number)
  w:close()
  equal(r:read "*a", "lo")
  equal(r:read(), "")
  r:close()
  r:close()
  expect(raised(r.read, r), { code = "EBADF", operation = "read", like = "is closed" })
  expect(raised(r.fileno, {}), { code = "EINVAL", operation = "fileno" })
end)

test("a descriptor that is collected is closed", function()
  local r, w = sys.pipe()
  w = nil
  collectgarbage()
  collectgarbage()
  equal(r:read(), "")
  r:close()
end)

test("a broken pipe is an error", function()
  local r, w = sys.pipe()
  r:close()
  expect(raised(w.write, w, "x"), { code = "EPIPE", operation = "write", subject = "'descriptor " .. w:fileno() .. "'" })
  w:close()
end)

test("descriptors travel over a socket", function()
  local a, b = sys.socketpair()
  local r, w = sys.pipe()
  sys.send_descriptor(a, w, "the write end")
  local copy, text = sys.receive_descriptor(b)
  equal(text, "the write end")
  w:close()
  copy:write "x"
  copy:close()
  equal(r:read "*a", "x")
  a:close()
  equal(sys.receive_descriptor(b), nil)
  b:close()
  r:close()
  local c, d = sys.socketpair()
  d:close()
  expect(raised(sys.send_descriptor, c, 0), { code = "EPIPE", operation = "sendmsg" })
  c:close()
end)

-- ---- clone

test("a child's return value is its exit status", function()
  equal(inside({}, function() return 7 end).status, 7)
  equal(inside({}, function() end).status, 0)
  equal(inside({}, function() return false end).status, 1)
  equal(inside({}, function() os.exit(9) end).status, 9)
  equal(inside({}, function() os.exit(true) end).status, 0)
  expect(raised(inside, {}, function() return 300 end), { code = "EINVAL", operation = "exit status" })
end)

test("the namespaces that were asked for, and no others", function()
  local function ns(name)
    local pipe = io.popen("readlink /proc/" .. sys.getpid() .. "/ns/" .. name)
    local text = pipe:read "*l"
    pipe:close()
    return text
  end
  local uts, net, mnt = ns "uts", ns "net", ns "mnt"
  succeeds({ "uts", "mount" }, function()
    assert(ns "uts" ~= uts and ns "mnt" ~= mnt)
    equal(ns "net", net)
    sys.sethostname "within"
    sys.setdomainname "domain"
    equal(sys.sysctl "kernel.hostname", "within")
    equal(sys.sysctl "kernel/domainname", "domain")
  end)
  assert(sys.sysctl "kernel.hostname" ~= "within")
end)

test("parent:wait() holds the child until process:go()", function()
  local r, w = sys.pipe()
  local process = sys.clone({ "pid" }, function(parent)
    parent:wait()
    w:write "gone"
    equal(sys.getpid(), 1)
  end)
  w:close()
  equal(process:wait(0.05), nil)
  process:go()
  equal(r:read "*a", "gone")
  equal(process:wait(5).status, 0)
  expect(raised(process.go, process), { code = "EINVAL", operation = "go" })
  r:close()
  process:close()
end)

test("a child whose handle is closed before go() is ended", function()
  local process = sys.clone({}, function(parent) parent:wait() end)
  local pid = process:pid()
  process:close()
  process:close()
  expect(raised(sys.pidfd_open, pid), { code = "ESRCH", operation = "pidfd_open", subject = tostring(pid) })
  expect(raised(process.wait, process), { code = "EBADF", operation = "wait" })
end)

test("an unwaited child that is collected is killed and reaped", function()
  local pid = sys.clone({}, function() while true do end end):pid()
  collectgarbage()
  collectgarbage()
  expect(raised(sys.pidfd_open, pid), { code = "ESRCH" })
end)

test("a child's failure is raised as the parent's own", function()
  local e = expect(raised(inside, { "mount" }, function()
    sys.umount("/proc/self/nowhere", { "detach" })
  end), { code = "ENOENT", errno = 2, operation = "umount", subject = "'/proc/self/nowhere'" })
  assert(e.where:find "sys_test.lua:%d+", e.where)
  assert(tostring(e):find("umount '/proc/self/nowhere': No such file or directory (ENOENT)", 1, true))
  expect(raised(inside, {}, function() error("plain text", 0) end), { code = "ECANCELED", message = "plain text" })
  expect(raised(inside, {}, function() error({ 1 }) end), { like = "not text: table" })
  expect(raised(inside, {}, function() error(("x"):rep(100000), 0) end), { message = ("x"):rep(4096) })
end)

test("wait_exec tells exec from failure and from return", function()
  local process = sys.clone({}, function() sys.exec({ "sleep", "60" }, { path = true }) end)
  equal(process:wait_exec(10), true)
  equal(process:wait(0.01), nil)
  process:kill "TERM"
  local status = process:wait(10)
  equal(status.reason, "signalled")
  equal(status.signal, "TERM")
  equal(status.status, 143)
  expect(raised(process.kill, process), { code = "ESRCH", operation = "pidfd_send_signal" })
  process:close()

  process = sys.clone({}, function() sys.exec { "/nowhere/at/all" } end)
  expect(raised(process.wait_exec, process), { code = "ENOENT", operation = "execve", subject = "'/nowhere/at/all'", exit_status = 127 })
  expect(raised(process.wait, process), { code = "ENOENT" })
  process:close()

  process = sys.clone({}, function() return 3 end)
  equal(process:wait_exec(10), false)
  equal(process:wait().status, 3)
  process:close()

  process = sys.clone({}, function() sys.exec({ "true" }, { path = true }) end)
  equal(process:wait(10).status, 0)  -- ended and reaped before anybody asked
  equal(process:wait_exec(), true)
  process:close()
end)

test("go() to a child that failed raises the child's error", function()
  local process = sys.clone({}, function() error("too early", 0) end)
  local pid = process:pid()
  t.eventually(function() return read("/proc/" .. pid .. "/stat"):find "%) Z" end)
  expect(raised(process.go, process), { message = "too early" })
  process:close()
end)

test("a parent's handle does nothing in a child", function()
  local sleeper = sys.clone({}, function() sys.exec({ "sleep", "60" }, { path = true }) end)
  local group = cgroup.create()
  sleeper:wait_exec()
  succeeds({}, function()
    expect(raised(sleeper.kill, sleeper), { code = "ECHILD", operation = "kill", like = "another process's" })
    expect(raised(group.remove, group), { code = "ECHILD", operation = "remove" })
    sleeper:close()
    sleeper, group = nil, nil
    collectgarbage()
    collectgarbage()
  end)
  equal(sleeper:wait(0.05), nil)
  equal(group:oom_kills() or 0, 0)
  group:remove()
  sleeper:close()
end)

test("handles are told apart where both processes are pid 1", function()
  succeeds({ "pid" }, function()
    equal(sys.getpid(), 1)
    local sleeper = sys.clone({}, function() sys.exec({ "sleep", "60" }, { path = true }) end)
    sleeper:wait_exec()
    local second = sys.clone({ "pid" }, function()
      equal(sys.getpid(), 1)
      expect(raised(sleeper.kill, sleeper), { code = "ECHILD" })
    end)
    equal(second:wait(10).status, 0)
    equal(sleeper:wait(0.05), nil)
    sleeper:close()
  end)
end)

test("the death of the parent ends the child", function()
  local r, w = sys.pipe()
  local middle = sys.clone({}, function()
    local inner = sys.clone({}, function() while true do end end)
    w:write(tostring(inner:pid()))
    while true do end
  end)
  local pid = tonumber(r:read())
  middle:kill "KILL"
  middle:wait()
  w:close()
  equal(r:read(), "")  -- the inner one has ended, too: nobody has the write end
  middle:close()
  r:close()
  assert(pid)
end)

test("what was buffered before the clone is written once", function()
  local path = os.tmpname()
  local file = io.open(path, "w")
  file:write "once\n"
  inside({}, function() file:write "child\n" end)
  file:close()
  equal(read(path), "once\nchild\n")
  os.remove(path)
end)

test("misspelt words and keys name the nearest", function()
  expect(raised(sys.clone, { "mounts" }, print), { code = "EINVAL", subject = "clone.namespaces", like = "did you mean 'mount'?" })
  expect(raised(sys.clone, { namespace = {} }, print), { like = "did you mean 'namespaces'?" })
  expect(raised(sys.clone, {}), { operation = "clone", like = "takes a function" })
  expect(raised(sys.mount, { type = "tmpfs", taget = "/" }), { like = "did you mean 'target'?" })
  expect(raised(sys.mount, { type = "tmpfs" }), { subject = "mount.target", like = "is missing" })
  expect(raised(sys.mkdir, "/tmp/x", 755), { subject = "mkdir.mode", like = "octal text" })
  expect(raised(sys.capset, { effective = { "chwon" } }), { like = "did you mean 'chown'?" })
  expect(raised(sys.setrlimit, "nofiles", 1), { like = "did you mean 'nofile'?" })
  expect(raised(cgroup.create, { memry = 1 }), { subject = "limits.memry", like = "did you mean 'memory'?" })
end)

-- ---- exec

test("exec: argv, environment, search, redirection", function()
  local r, w = sys.pipe()
  local process = sys.clone({}, function()
    sys.dup2(w, 1)
    sys.exec({ "sh", "-c", "echo $0 $A; echo ${HOME-none}", "zero" }, { path = true, env = { A = "b", PATH = "/usr/bin:/bin" } })
  end)
  w:close()
  equal(r:read "*a", "zero b\nnone\n")
  equal(process:wait().status, 0)
  process:close()
  r:close()
  equal(inside({}, function() sys.exec { "sh", "-c", "exit 4", path = "/usr/bin:/bin" } end).status, 4)
  local program = sys.open("/bin/sh", "path")
  equal(inside({}, function() sys.exec({ "sh", "-c", "exit 6" }, { fd = program }) end).status, 6)
  program:close()
  expect(raised(inside, {}, function() sys.exec { "/etc" } end), { code = "EACCES", operation = "execve", exit_status = 126 })
  expect(raised(sys.exec, {}), { subject = "exec.argv" })
  expect(raised(sys.exec, { "x", envv = {} }), { like = "did you mean 'env'?" })
end)

test("exec closes what close_range says, and keeps the rest", function()
  local r, w = sys.pipe()
  local process = sys.clone({}, function()
    sys.dup2(w, 1)
    sys.dup2(w, 7)
    sys.dup2(w, 9)
    sys.close_range(3, { keep = { 9 } })
    sys.exec({ "sh", "-c", "for i in 7 9; do test -e /proc/self/fd/$i && echo $i; done" }, { path = true })
  end)
  w:close()
  equal(r:read "*a", "9\n")
  process:close()
  r:close()
end)

test("a filter is loaded right before exec", function()
  local function instruction(code, jt, jf, k)
    local function bytes(n, count)
      local text = ""
      for _ = 1, count do
        text = text .. string.char(n % 256)
        n = math.floor(n / 256)
      end
      return text
    end
    return bytes(code, 2) .. string.char(jt, jf) .. bytes(k, 4)
  end
  local allow = instruction(0x06, 0, 0, 0x7fff0000)
  equal(inside({}, function() sys.exec({ "true" }, { path = true, seccomp = allow }) end).status, 0)
  local kill = instruction(0x06, 0, 0, 0x80000000)
  local status = inside({}, function() sys.exec({ "true" }, { path = true, seccomp = kill }) end)
  equal(status.signal, "SYS")
  expect(raised(inside, {}, function() sys.exec({ "nonesuch" }, { path = true, seccomp = allow }) end), { code = "ENOENT", operation = "execve" })
  expect(raised(sys.exec, { "true" }, { seccomp = "1234567" }), { subject = "exec.seccomp" })
end)

-- ---- processes and groups

test("any process by its pid", function()
  local child = sys.clone({}, function() while true do end end)
  local process = sys.pidfd_open(child:pid())
  equal(process:pid(), child:pid())
  process:kill(0)
  local pidfd = process:pidfd()
  assert(pidfd:fileno() ~= process:fileno())
  pidfd:close()
  process:kill "KILL"
  equal(process:wait(10).signal, "KILL")
  process:close()
  equal(child:wait(10).reason, "ended")  -- it was reaped through the other handle
  child:close()
  expect(raised(process.kill, process), { code = "EBADF" })
  local init = sys.pidfd_open(sys.getppid())
  equal(init:wait(0.01), nil)
  init:close()
end)

test("a control group: clone into it, freeze, statistics, kill, remove", function()
  local group = cgroup.create { pids = 5, memory = "64M" }
  assert(group:path():find(group:name(), 1, true))
  local process = sys.clone({ cgroup = group }, function()
    local inner = sys.clone({}, function() while true do end end)
    inner:wait()
  end)
  t.eventually(function() return group:stats().pids == 2 end)
  assert(read("/proc/" .. process:pid() .. "/cgroup"):find(group:name(), 1, true))
  group:freeze()
  equal(process:wait(0.05), nil)
  group:thaw()
  equal(group:oom_kills(), 0)
  expect(raised(inside, { cgroup = group }, function()
    local kept = {}
    for i = 1, 8 do kept[i] = sys.clone({}, function() while true do end end) end
  end), { code = "EAGAIN", operation = "clone3" })
  group:kill()
  equal(process:wait(10).signal, "KILL")
  process:close()
  t.eventually(function() return group:stats().pids == 0 end)
  local later = sys.clone({}, function(parent) parent:wait() end)
  group:attach(later)
  equal(group:stats().pids, 1)
  later:close()
  group:remove()
  group:remove()
  expect(raised(group.stats, group), { operation = "use cgroup", like = "removed" })
  expect(raised(cgroup.create, "a/b"), { code = "EINVAL" })
  expect(raised(sys.clone, { cgroup = "x" }, print), { subject = "cgroup" })
end)

-- ---- all of it at once

test("the handmade recipe runs a command, gives its status and leaves nothing", function()
  local support, image = require "support", require "ccsand.image"
  local archive = image.catalogue["alpine:3.20"].file
  local there = image.has "alpine:3.20"
  for directory in (os.getenv "CCSAND_IMAGE_PATH" or ""):gmatch "[^:]+" do
    there = there or support.read(directory .. "/" .. archive) ~= nil
  end
  if not there then t.skip "CCSAND_IMAGE_PATH has no alpine" end
  local text, status = support.run_host(support.ccsand .. [[ recipes/handmade.lua -- /bin/sh -c '
    id -u; hostname; echo $$; ls /.old /host 2>/dev/null; touch /tmp/x /root/x && echo writable
    touch /dev/x 2>/dev/null || echo sealed; mknod /root/null c 1 3 2>/dev/null || echo no nodes
    mount -t tmpfs none /mnt 2>/dev/null || echo no mounts; echo 1 >/dev/null; exit 5']])
  equal(text, "0\nhandmade\n1\nwritable\nsealed\nno nodes\nno mounts\n")
  equal(status, 5)
  text, status = support.run_host(support.ccsand .. " recipes/handmade.lua -- /nowhere")
  equal(status, 127, text)
  support.match(text, "execve '/nowhere': No such file or directory %(ENOENT%)")
end)

return t.finish()
