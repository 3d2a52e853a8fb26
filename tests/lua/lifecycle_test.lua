-- Containers as values and as processes: with, start, exec, kill, freeze, hooks, init,
-- namespaces that are joined, and many of them.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local ffi = require "ffi"
local t = require "support"
t.begin()
local test, sh, out, equal, match, fails = t.test, t.sh, t.out, t.equal, t.match, t.fails
local own = ffi.C.getpid()

-- ---- values

test("a container is immutable", function()
  local spec = t.spec { hostname = "one", env = { A = "1" }, command = { "/bin/sh", "-c", "hostname; echo $A" } }
  local box = ccsand.container(spec)
  spec.hostname, spec.env.A, spec.command[3] = "two", "2", "echo changed"
  equal(box:capture().stdout, "one\n1\n", "after its table was changed")
  local other = box:with { hostname = "three" }
  equal(other:capture().stdout, "three\n1\n", "the copy")
  equal(box:capture().stdout, "one\n1\n", "the original")
  fails(function() box.hostname = "x" end, "cannot be changed")
  equal(box:with({ hostname = require("ccsand.container").none }):capture().stdout, "ccsand\n1\n", "a key taken out")
  fails(function() box:with { hostnme = "x" } end, "hostnme")
  fails(function() box.capture() end, "method of a container")
  equal(getmetatable(box), "a container")
  box:capture { "true" }
  equal(box:capture().stdout, "one\n1\n", "a command of a call stays with it")
end)

test("a plan is the same each time and needs no image", function()
  local box = t.box { limits = { pids = 5 }, command = { "/bin/true" } }
  equal(box:plan(), box:plan())
  match(box:plan(), "pivot_root")
  match(ccsand.container({ image = "no-such-image:1", command = { "a" } }):plan(), "clone")
end)

-- ---- processes

test("start, exec and kill", function()
  local running = t.box({ limits = { pids = 20 } }):start { "sleep", "30" }
  equal(running:wait(0.01), nil, "not yet")
  assert(running:pid() > 1)
  local result = running:exec { "/bin/sh", "-c", "echo out; echo err >&2; cat /proc/1/comm; hostname; grep Cap /proc/self/status | sort -u | wc -l; exit 5" }
  equal(result.status, 5, result.stderr)
  match(result.stdout, "^out\nsleep\nccsand\n")
  equal(result.stderr, "err\n")
  equal(running:exec({ "id", "-u" }, { user = 12 }).stdout, "12\n")
  equal(running:exec({ "cat" }, { stdin = "fed" }).stdout, "fed")
  equal(running:exec({ "/bin/sh", "-c", "cd /proc/self/fd && for i in *; do test -e $i && echo $i; done; true" }).stdout, "0\n1\n2\n", "descriptors")
  fails(function() running:exec { "no-such-command" } end, "'no-such-command'")
  fails(function() running:exec { "true", false } end)
  local inside = running:exec({ "/bin/sh", "-c", "for n in mnt pid net uts ipc user cgroup; do readlink /proc/self/ns/$n; done; echo; for n in mnt pid net uts ipc user cgroup; do readlink /proc/1/ns/$n; done" },
    { capabilities = { add = { "sys_ptrace" } } }).stdout
  local first, second = inside:match("^(.-)\n\n(.-)\n$")
  equal(first, second, "namespaces")
  running:kill("TERM")
  equal(running:wait(0.2), nil, "pid 1 without a handler keeps TERM out")
  running:kill()
  local ended = running:wait()
  equal(ended.reason, "signalled")
  equal(ended.signal, "KILL")
  equal(ended.status, 137)
  fails(function() running:exec { "true" } end, "has ended")
  running:kill()
end)

test("freeze, thaw and stats", function()
  local running = t.box({ cgroup = true }):start({ "/bin/sh", "-c", "i=0; while :; do i=$((i+1)); done" })
  running:freeze()
  local before = running:stats().cpu
  os.execute "sleep 0.15"
  local after = running:stats().cpu
  running:thaw()
  assert(after - before < 0.05, ("used %s while frozen"):format(after - before))
  for _ = 1, 100 do
    os.execute "sleep 0.02"
    if running:stats().cpu > after then break end
  end
  assert(running:stats().cpu > after, "did not go on")
  running:freeze()
  running:kill()
  equal(running:wait("5s").signal, "KILL", "a frozen one can be killed")
  fails(function() running:freeze() end)
  local plain = t.box():start { "sleep", "5" }
  fails(function() plain:freeze() end, "no cgroup", "cgroup = true")
  plain:kill()
  plain:wait()
end)

test("a container that nobody holds any more is ended", function()
  local pid
  do
    local running = t.box():start { "sleep", "30" }
    pid = running:pid()
  end
  collectgarbage() collectgarbage()
  equal(t.read("/proc/" .. pid .. "/stat"), nil, "its process")
end)

test("what a container without pid and user namespaces started ends with it", function()
  local result = sh("sleep 43 & sleep 43 & echo $!", { namespaces = { pid = "host" } })
  match(result.stdout, "^%d+\n$")
  match(t.read(("/proc/%d/stat"):format(result.stdout)) or "gone Z", " Z", "a left-over process")
end)

-- ---- hooks

test("hooks run where they say", function()
  local log = t.file("", "log")
  local function note(text)
    local file = assert(io.open(log, "a"))
    file:write(text, "\n")
    file:close()
  end
  local exited
  local lent = t.mkdir("hooks", "777")
  local box = t.box {
    hostname = "hooked", command = { "cat", "/new", "/log/before_exec" },
    mounts = { { source = lent, target = "/log", writable = true } },
    created = function(c) note(("created %s %s %s"):format(c.phase, c.pid > 1, t.readlink("/proc/self/ns/mnt") ~= t.readlink("/proc/" .. c.pid .. "/ns/mnt"))) end,
    setup = function(c)  -- the container's namespaces, and still the host's root
      local f = io.open(lent .. "/setup", "w")
      f:write(c.phase, " ", t.read("/proc/sys/kernel/hostname"), tostring(t.read(log) ~= nil))
      f:close()
    end,
    before_exec = function(c)
      local f = io.open("/log/before_exec", "w")
      f:write(c.phase, " ", tostring(t.read(log)), " ", t.read("/proc/sys/kernel/hostname"))
      f:close()
      f = io.open("/new", "w")
      f:write("made before exec\n")
      f:close()
    end,
    exited = function(result) exited = result end,
  }
  local result = box:capture()
  equal(result.stdout, "made before exec\nbefore_exec nil hooked\n", result.stderr)
  equal(t.read(log), "created created true true\n")
  equal(t.read(lent .. "/setup"), "setup hooked\ntrue")
  equal(exited, result)
end)

test("a hook that fails ends the container before its command, and leaves nothing", function()
  for _, phase in ipairs { "created", "setup", "before_exec" } do
    local lent = t.mkdir("hooks", "777")
    local problem = fails(function()
      sh("touch /log/ran", { cgroup = true, mounts = { { source = lent, target = "/log", writable = true } }, [phase] = function() error("stop in " .. phase) end })
    end, "stop in " .. phase, "call " .. phase, "lifecycle_test.lua")
    equal(t.read(lent .. "/ran"), nil, tostring(problem))
    fails(function() sh("true", { [phase] = function() error {} end }) end, "not text")
    if phase ~= "created" then fails(function() sh("true", { [phase] = function() os.exit(3) end }) end, "before it could exec") end
  end
  t.nothing_left()
end)

-- ---- init

test("init reaps, passes signals on and ends as the command did", function()
  equal(out("echo $$; cat /proc/1/comm", { init = true }), "2\nccsand-init")
  equal(sh("exit 9", { init = true }).status, 9)
  equal(sh("kill -9 $$", { init = true }).status, 137)
  local zombies = out("for i in 1 2 3 4 5; do (sh -c 'exit 0' &) ; done; sleep 0.2; grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l", { init = true })
  equal(zombies, "0", "zombies")
  local running = t.box({ init = true }):start({ "/bin/sh", "-c", "trap 'echo got; exit 33' TERM; echo ready; while :; do sleep 0.05; done" }, { capture = true })
  equal(running:wait(0.3), nil)
  running:kill("TERM")
  local result = running:wait("10s")
  equal(result.status, 33)
  equal(result.stdout, "ready\ngot\n")
end)

-- ---- namespaces that exist

test("namespaces are joined by path and by descriptor", function()
  local first = t.box({ hostname = "first" }):start { "sleep", "30" }
  local at = "/proc/" .. first:pid() .. "/ns/"
  local function inside(kind) return out("readlink /proc/self/ns/" .. kind, { namespaces = { [kind] = at .. kind, user = at .. "user", pid = at .. "pid" } }) end
  for _, kind in ipairs { "net", "ipc", "uts", "pid" } do
    equal(inside(kind), t.readlink(at .. kind), kind)
  end
  local fd = ffi.C.open(at .. "uts", 0)
  equal(out("hostname", { namespaces = { uts = fd, user = at .. "user", pid = at .. "pid" } }), "first", "by descriptor")
  ffi.C.close(fd)
  fails(function() sh("true", { namespaces = { net = at .. "uts" } }) end, "setns")
  first:kill()
  first:wait()
end)

-- ---- many

test("500 one after the other", function()
  local box = t.box { limits = { pids = 20 }, command = { "true" } }
  local before = t.census()
  for i = 1, 500 do
    local result = box:capture()
    if result.status ~= 0 then error("number " .. i .. ": " .. result.stderr) end
  end
  for line in pairs(t.census()) do
    if not before[line] then error("left behind: " .. line) end
  end
end)

test("100 at the same time", function()
  local box = t.box { limits = { pids = 20 } }
  local all = {}
  for i = 1, 100 do all[i] = box:start({ "/bin/sh", "-c", "read x; echo " .. i .. "; exit " .. i }, { stdin = "", capture = true }) end
  local sum = 0
  for i = 100, 1, -1 do
    local result = all[i]:wait("60s")
    equal(result.stdout, i .. "\n")
    sum = sum + result.status
  end
  equal(sum, 5050, "the sum of their statuses")
  for i = 1, 100 do all[i] = box:start { "sleep", "60" } end
  for i = 1, 100 do all[i]:kill() end
  for i = 1, 100 do equal(all[i]:wait("60s").signal, "KILL") end
end)

return t.finish()
