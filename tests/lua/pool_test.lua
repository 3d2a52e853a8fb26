-- Pools: what they keep waiting, that two runs share nothing, and that nothing is left.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local loop = ccsand.loop

local function both(name, f)
  test(name, f)
  test(name .. ", in a task", function() loop.run(f) end)
end
local function children()
  local list = {}
  for pid in (t.read(("/proc/%d/task/%d/children"):format(require("ffi").C.getpid(), require("ffi").C.getpid())) or ""):gmatch "%d+" do list[#list + 1] = tonumber(pid) end
  return list
end

-- Numbers of namespaces come again when one is gone: these are held, so that all are told apart.
local function hold_namespaces(held)
  local C = require("ffi").C
  for _, pid in ipairs(children()) do
    for _, name in ipairs { "mnt", "pid", "net", "uts", "ipc", "user", "cgroup" } do
      local fd = C.open(("/proc/%d/ns/%s"):format(pid, name), 524288)
      if fd >= 0 then held[#held + 1] = fd end
    end
  end
end

both("each run is a container of its own", function()
  local pool = t.box():pool { size = 3 }
  local seen, held = {}, {}
  pool:run({ "true" }, { stdin = "x" }) -- from now on all wait with an input
  for i = 1, 8 do
    pool:refill()
    hold_namespaces(held)
    local result = pool:run({ "/bin/sh", "-c", [[
      test -e /tmp/mark && echo file; test -e /dev/shm/mark && echo memory; ip link 2>/dev/null | grep -q dummy && echo network
      touch /tmp/mark /dev/shm/mark /etc/mark; hostname other 2>/dev/null; ls -d /proc/[0-9]* | wc -l >/tmp/count
      (sleep 60 &) ; cat; echo "$$ $1"; for n in mnt pid net uts ipc user cgroup; do readlink /proc/self/ns/$n; done; exit $1]], "sh", tostring(i) }, { stdin = "in" .. i .. "\n" })
    equal(result.status, i)
    local first, rest = result.stdout:match("^([^\n]*)\n(.*)$")
    equal(first, "in" .. i, result.stderr)
    match(rest, "^1 " .. i .. "\n")
    for namespace in rest:gmatch "(%a+:%[%d+%])" do
      equal(seen[namespace], nil, "shared: " .. namespace)
      if not namespace:find "^cgroup" then seen[namespace] = true end
    end
    equal(#result.stderr, 0, result.stderr)
  end
  pool:close()
  for _, fd in ipairs(held) do require("ffi").C.close(fd) end
end)

both("a run is what a capture is", function()
  local box = t.box { env = { A = "1" }, hostname = "pooled", cwd = "/tmp", user = "nobody", init = true, limits = { pids = 20 }, command = { "/bin/sh", "-c", "echo own" } }
  local pool = box:pool { size = 2 }
  local script = { "/bin/sh", "-c", "echo $A $HOME $(hostname) $(pwd) $(id -u) $$; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; ls /proc/self/fd; cat /proc/self/cgroup | wc -l; echo e >&2" }
  local one, other = pool:run(script), box:capture(script)
  equal(one.stdout, other.stdout) equal(one.stderr, other.stderr) equal(one.reason, other.reason)
  equal(pool:run().stdout, "own\n", "the container's own command")
  assert(one.pids_peak == nil or one.pids_peak > 0)
  pool:close()
  fails(function() pool:run() end, "closed")
  pool:close()
end)

test("filters, handlers and faults are each run's own", function()
  local pool = t.box({ seccomp = { deny = { "mkdir", "mkdirat" } } }):pool { size = 2 }
  for _ = 1, 3 do match(pool:run({ "mkdir", "/tmp/x" }).stderr, "not permitted") end
  pool:close()
  pool = t.box({ faults = { { "EIO on 2nd", calls = { "mkdir", "mkdirat" } } } }):pool { size = 2 }
  for _ = 1, 3 do equal(pool:run({ "/bin/sh", "-c", "for i in 1 2 3; do mkdir /tmp/$i 2>/dev/null && echo $i; done" }).stdout, "1\n3\n") end
  pool:close()
  -- A filter under which nobody can wait for a command.
  local policy = ccsand.seccomp.default():errno("EPERM", "futex")
  pool = t.box({ seccomp = policy }):pool { size = 2 }
  for _ = 1, 3 do equal(pool:run({ "echo", "x" }).stdout, "x\n") end
  pool:close()
  -- Without no_new_privs the filter comes before the rights go.
  pool = t.box({ no_new_privs = false }):pool { size = 2 }
  equal(pool:run({ "id", "-u" }).stdout, "0\n")
  pool:close()
end)

test("functions at phases, a copied memory", function()
  local phases = {}
  local pool = t.box({
    created = function(p) phases[#phases + 1] = p.phase end,
    before_exec = function() local f = io.open("/etc/made", "w") f:write "x" f:close() end,
    exited = function(result) phases[#phases + 1] = result.status end,
  }):pool { size = 1 }
  equal(pool:run({ "/bin/sh", "-c", "cat /etc/made; exit 4" }).stdout, "x")
  equal(table.concat(phases, " "), "created 4")
  for i = 1, 3 do equal(pool:run({ "echo", tostring(i) }).stdout, i .. "\n") end
  pool:close()
end)

both("limits of a run", function()
  local pool = t.box({ cgroup = true }):pool { size = 2 }
  equal(pool:run({ "sleep", "60" }, { timeout = "50ms" }).reason, "timeout")
  equal(pool:run({ "yes" }, { output_limit = 100, limit_output = true }).reason, "output")
  equal(pool:run({ "/bin/sh", "-c", "while :; do :; done" }, { cpu_time = "100ms" }).reason, "cpu_time")
  equal(pool:run({ "/bin/sh", "-c", "echo x; kill -9 $$" }).stdout, "x\n")
  pool:close()
  pool = t.box():pool { size = 1 }
  fails(function() pool:run({ "true" }, { cpu_time = "1s" }) end, "needs a cgroup")
  equal(pool:run({ "true" }).status, 0, "afterwards")
  pool:close()
end)

both("input that others wait with does not stay open", function()
  local pool = t.box():pool { size = 4 }
  local text = ("x"):rep(1000000)
  for _ = 1, 3 do equal(#pool:run({ "cat" }, { stdin = text }).stdout, #text) end
  pool:close()
end)

test("errors: of the set-up, of the command, of what is asked for", function()
  fails(function() t.box({ hostname = "x", before_exec = function() error "not this" end }):pool {} end, "not this", "before_exec")
  fails(function() t.box({ cwd = "/none" }):pool { size = 2 } end, "/none")
  fails(function() t.box({ terminal = true }):pool {} end, "terminal")
  fails(function() t.box():pool { size = 0 } end, "pool.size")
  fails(function() t.box():pool { siez = 1 } end, "siez")
  local pool = t.box():pool { size = 1 }
  local problem = fails(function() pool:run { "no-such-command" } end, "'no-such-command'")
  equal(problem.exit_status, 127)
  fails(function() pool:run { "echo", ("x"):rep(600000) } end, "512 KiB")
  fails(function() pool:run { "a\0b" } end, "zero byte")
  fails(function() pool:run({}) end, "not empty")
  fails(function() pool:run({ "true" }, { stdni = "" }) end, "stdni")
  equal(pool:run({ "echo", ("x"):rep(100000) }).status, 0)
  pool:close()
end)

test("one that was killed while it waited is passed over", function()
  local before = {}
  for _, pid in ipairs(children()) do before[pid] = true end
  local pool = t.box():pool { size = 3 }
  pool:refill()
  equal(pool:waiting(), 3)
  for _, pid in ipairs(children()) do
    if not before[pid] then
      require("ffi").C.kill(pid, 9)
      while not t.read("/proc/" .. pid .. "/stat"):find "%) Z" do os.execute "sleep 0.01" end
      break
    end
  end
  for i = 1, 4 do equal(pool:run({ "echo", tostring(i) }).stdout, i .. "\n") end
  pool:close()
end)

test("many tasks share a pool", function()
  local sum = 0
  loop.run(function()
    local pool = t.box():pool { size = 4 }
    loop.defer(pool.close, pool)
    local tasks = {}
    for i = 1, 60 do
      tasks[i] = loop.spawn(function()
        local printed = tonumber(pool:run({ "echo", tostring(i) }).stdout)
        sum = sum + printed
      end)
    end
    for _, task in ipairs(tasks) do task:wait() end
    local late = loop.spawn(function() pool:run { "sleep", "60" } end)
    loop.sleep(0.05)
    late:cancel()
    pcall(late.wait, late)
  end)
  equal(sum, 1830)
end)

-- ---- the process that a pool's containers are cloned from

local one_root = { root = { path = t.root, access = "read_only" }, user_namespace = false }
local kinds = {
  ["with one root"] = one_root,
  ["with one root, and mounts"] = { root = { path = t.root, access = "read_only" }, user_namespace = false, dev = false, masked_paths = {}, sys = false,
    mounts = { { source = "/etc", target = "/mnt" } } },
  ["that makes its root"] = { user_namespace = false },
  ["in a user namespace"] = { hostname = "x" },
  ["that shares namespaces"] = { user_namespace = false, namespaces = { uts = "host", ipc = "host", cgroup = "host" }, network = "host" },
  ["of a user, with attributes"] = { user = "nobody", umask = "0077", rlimits = { nofile = 77 }, nice = 3, capabilities = {}, no_new_privs = true, init = true, cgroup = true },
}
-- Which of the children are in this process's pid namespace, as containers are not.
local function zygotes()
  collectgarbage() collectgarbage() -- those of pools that nobody holds
  local list = {}
  for _, pid in ipairs(children()) do
    local own = t.readlink "/proc/self/ns/pid"
    if t.readlink(("/proc/%d/ns/pid_for_children"):format(pid)) == own and t.readlink(("/proc/%d/ns/pid"):format(pid)) == own then list[#list + 1] = pid end
  end
  return list
end

-- A sanitizer cannot follow two processes in one memory: its build has no zygotes.
local sanitized = tonumber(t.read("/proc/self/status"):match "VmSize:%s*(%d+)") > 2 ^ 30
for name, spec in pairs(kinds) do
  test("what is cloned from a zygote is what a container is: one " .. name, function()
    local script = { "/bin/sh", "-c", [[
      echo $$ $(hostname) $(pwd) $(umask) $(id) $(ulimit -n) $(nice)
      grep -E '^(Cap|NoNew|Seccomp:|Sig|Uid|Gid|Groups|NSpid)' /proc/self/status
      awk '{ $1 = $2 = $3 = ""; print }' /proc/self/mountinfo | sed 's/ shared:[0-9]*//' | sort
      cut -d' ' -f5-8 /proc/self/stat
      ls /proc/self/fd /dev /mnt; ls -d /proc/[0-9]*; cut -d: -f1 /proc/net/dev; readlink /proc/self/fd/0; echo e >&2]] }
    local box = t.box(spec)
    local pool = box:pool { size = 2 }
    local expected = box:capture(script)
    -- The first of a pool is cloned as a single container is: it takes two to have a zygote.
    for i = 1, 5 do
      local result = pool:run(script)
      local function comparable(text) return (text:gsub("upperdir=[^, ]*", ""):gsub("(pipe:)%[%d+%]", "%1"):gsub("\n[^\n]*cgroup[^\n]*", "")) end
      equal(comparable(result.stdout), comparable(expected.stdout), "run " .. i)
      equal(result.stderr, expected.stderr)
    end
    equal(#zygotes(), sanitized and 0 or 1, "without a zygote")
    pool:close()
    equal(#zygotes(), 0, "outlives its pool")
  end)
end

both("a zygote that is killed is replaced, and what it has cloned goes on", function()
  if sanitized then t.skip "a build with a sanitizer has no zygotes" end
  for _, spec in ipairs { one_root, {} } do
    local pool = t.box(spec):pool { size = 3 }
    pool:refill()
    for i = 1, 3 do
      local all = zygotes()
      equal(#all, 1)
      require("ffi").C.kill(all[1], 9)
      while not t.read("/proc/" .. all[1] .. "/stat"):find "%) Z" do os.execute "sleep 0.01" end
      for k = 1, 5 do equal(pool:run({ "echo", i .. k }).stdout, i .. k .. "\n") end
      pool:refill()
    end
    pool:close()
    equal(#zygotes(), 0, "left")
  end
end)

test("a container cannot get out of the root that it was born in", function()
  local pool = t.box({ root = { path = t.root, access = "read_write" }, user_namespace = false, capabilities = { add = { "sys_chroot", "sys_admin", "dac_read_search", "sys_ptrace" } }, seccomp = "none" }):pool { size = 2 }
  local own = t.readlink "/proc/self/ns/mnt"
  for _ = 1, 3 do
    local result = pool:run { "/bin/sh", "-c", [[
      mkdir -p /tmp/jail; exec 9</
      chroot /tmp/jail /nothing 2>/dev/null
      (cd / && for i in 1 2 3 4 5 6 7 8 9; do cd ..; done; ls -d etc/alpine-release etc/passwd ../../work 2>/dev/null)
      nsenter -t 1 -m ls / >/dev/null 2>&1
      umount -l / 2>/dev/null; umount / 2>/dev/null
      awk '{ print $4, $5 }' /proc/self/mountinfo | sort
      ls -d /proc/[0-9]* | wc -l; readlink /proc/1/ns/mnt; rmdir /tmp/jail]] }
    assert(not result.stdout:find(own, 1, true), "the host's mount namespace")
    for root, where in result.stdout:gmatch "\n(/%S*) (/%S*)" do
      if where == "/" then equal(root:sub(-#t.root), t.root, "another root shows: " .. result.stdout) end
    end
    assert(not result.stdout:find "work", result.stdout)
  end
  pool:close()
end)

both("without an input they read nothing; from the first with one on they have it told", function()
  local pool = t.box({ user_namespace = false }):pool { size = 2 }
  equal(pool:run({ "readlink", "/proc/self/fd/0" }).stdout, "/dev/null\n")
  equal(pool:run({ "cat" }).stdout, "")
  for i = 1, 3 do
    equal(pool:run({ "cat" }, { stdin = "text" .. i }).stdout, "text" .. i)
    equal(pool:run({ "cat" }).stdout, "")
    equal(pool:run({ "cat" }, { stdin = "" }).stdout, "")
  end
  assert(pool:waiting() <= 2)
  pool:close()
end)

test("a command that cannot be executed is an error, in a task and out of it, and the pool goes on", function()
  local function tried()
    local pool = t.box(one_root):pool { size = 2 }
    for i = 1, 3 do
      local problem = fails(function() pool:run { "no-such-command" } end, "'no-such-command'")
      equal(problem.exit_status, 127)
      problem = fails(function() pool:run { "/etc/passwd" } end, "/etc/passwd")
      equal(problem.exit_status, 126)
      equal(pool:run({ "echo", tostring(i) }).stdout, i .. "\n")
    end
    pool:close()
  end
  tried()
  loop.run(tried)
end)

-- ---- network namespaces that are used again

local plain = { user_namespace = false, capabilities = { "chown", "setuid", "setgid", "net_raw", "net_bind_service" } }
local function plain_box(more)
  local spec = {}
  for k, v in pairs(plain) do spec[k] = v end
  for k, v in pairs(more or {}) do spec[k] = v end
  return t.box(spec)
end
-- Runs each script in turn; answers the network namespaces that they were in.
local function networks(scripts, count)
  local pool, list, held = plain_box():pool { size = count or 1, reuse_network = true }, {}, {}
  for i, script in ipairs(scripts) do
    hold_namespaces(held)
    local result = pool:run { "/bin/sh", "-c", "readlink /proc/self/ns/net; cat /proc/net/dev /proc/net/snmp /proc/net/snmp6 >/tmp/told; " .. script }
    list[i] = result.stdout:match "net:%[(%d+)%]"
    assert(list[i], result.stderr)
    pool:refill()
  end
  pool:close()
  for _, fd in ipairs(held) do require("ffi").C.close(fd) end
  return list
end

both("a network namespace is used again where nothing was done in it", function()
  local scripts = {}
  for i = 1, 12 do scripts[i] = ({ "true", "cat /proc/net/tcp", "touch /tmp/x; (sleep 60 &)" })[i % 3 + 1] end
  local different, count = {}, 0
  for _, one in ipairs(networks(scripts)) do
    if not different[one] then count = count + 1 end
    different[one] = true
  end
  -- The kernel counts the socket that brought a loopback up for a moment longer: meanwhile others are made.
  assert(count <= 6, count .. " network namespaces for 12 runs")
end)
both("one in which anything was done is not", function()
  for name, script in pairs {
    ["a packet"] = "ping -c 1 -W 1 127.0.0.1 >/dev/null || nc -w 1 127.0.0.1 9 </dev/null",
    ["a refused connection"] = "nc -w 1 127.0.0.1 9 </dev/null; true",
    ["an attempt that goes nowhere"] = "nc -w 1 10.1.2.3 80 </dev/null; true",
    ["an attempt that goes nowhere, IPv6"] = "nc -w 1 fd00::1:2 80 </dev/null; true",
  } do
    local list = networks { script, "true" }
    assert(list[1] ~= list[2], "used again after " .. name)
  end
end)
both("what is used again tells the next run nothing", function()
  local pool, told = plain_box():pool { size = 1, reuse_network = true }, nil
  for i = 1, 6 do
    local result = pool:run { "/bin/sh", "-c", "cat /proc/net/dev /proc/net/snmp /proc/net/snmp6 /proc/net/tcp /proc/net/udp /proc/net/unix; " ..
      (i % 2 == 0 and "nc -w 1 127.0.0.1 9 </dev/null; nc -w 1 10.1.2.3 80 </dev/null; true" or "true") }
    told = told or result.stdout
    equal(result.stdout, told, "run " .. i)
    pool:refill()
  end
end)
test("a socket that outlives its container keeps the namespace from the next", function()
  local ffi = require "ffi"
  ffi.cdef [[ int setns(int, int); int socket(int, int, int); int open(const char *, int, ...); int close(int); ]]
  local pool = plain_box():pool { size = 1, reuse_network = true }
  local own = ffi.C.open("/proc/self/ns/net", 524288)
  -- A socket of this process in the namespace of the one that waits: as one that its command had sent here.
  local all = children()
  local waiting = all[#all]
  local there = ffi.C.open(("/proc/%d/ns/net"):format(waiting), 524288)
  assert(ffi.C.setns(there, 0x40000000) == 0)
  local socket = ffi.C.socket(1, 524289, 0)
  assert(ffi.C.setns(own, 0x40000000) == 0)
  ffi.C.close(there) ffi.C.close(own)
  local first = pool:run { "readlink", "/proc/self/ns/net" }.stdout
  pool:refill()
  local second = pool:run { "readlink", "/proc/self/ns/net" }.stdout
  ffi.C.close(socket)
  assert(first ~= second, "used again, with a socket in it")
end)
test("what only /proc/net shows is kept from those who see it", function()
  local function first_of(more, script)
    local pool = plain_box(more):pool { size = 1, reuse_network = true }
    local result = pool:run { "/bin/sh", "-c", "readlink /proc/self/ns/net; " .. script }
    return pool, result.stdout
  end
  -- One that sees no counters leaves an attempt behind; its network is not for one that does.
  local narrow, used = first_of({ proc = "pids" }, "nc -w 1 10.1.2.3 80 </dev/null; true")
  local wide, other = first_of({}, "cat /proc/net/snmp >/tmp/x; true")
  assert(used ~= other)
  for _ = 1, 4 do
    wide:refill()
    assert(wide:run({ "readlink", "/proc/self/ns/net" }).stdout ~= used, "it is")
  end
  -- But a packet is told by the device itself.
  narrow:refill()
  local next_one = narrow:run({ "/bin/sh", "-c", "readlink /proc/self/ns/net; ping -c 1 -W 1 127.0.0.1 >/dev/null || nc -w 1 127.0.0.1 9 </dev/null; true" }).stdout
  narrow:refill()
  assert(narrow:run({ "readlink", "/proc/self/ns/net" }).stdout ~= next_one, "used again after a packet")
  narrow:close() wide:close()
end)
test("networks that can be changed are not used again", function()
  local function refused(more, ...) fails(function() plain_box(more):pool { reuse_network = true } end, "reuse_network", ...) end
  fails(function() t.box():pool { reuse_network = true } end, "reuse_network", "user_namespace")
  refused({ network = "host" }, "network")
  refused({ capabilities = { "net_admin" } }, "capabilities")
  refused({ capabilities = { "sys_admin" } }, "capabilities")
  refused({ readonly_paths = {} }, "/proc/sys")
  refused({ mounts = { { source = "/proc", target = "/mnt" } } }, "mounts")
  refused({ mounts = { { source = "/", target = "/mnt" } } }, "mounts")
  refused({ sysctls = { ["net.ipv4.ip_forward"] = "1" } }, "sysctls")
  refused({ setup = function() end }, "setup")
  fails(function() plain_box():pool { reuse_network = "yes" } end, "reuse_network")
end)

test("nobody holds a pool: those that wait are ended", function()
  do
    local pool = t.box():pool { size = 3 }
    pool:run { "true" }
  end
  t.nothing_left()
end)

test("those that wait end with ccsand, whatever way it ends", function()
  local out = t.run_recipe(([[
    local ccsand = require "ccsand"
    local pool = ccsand.container({ image = %q, cgroup = true }):pool { size = 4 }
    pool:refill()
    os.execute "cat /proc/$PPID/task/$PPID/children; kill -9 $PPID"
  ]]):format(t.image))
  local count = 0
  for pid in out:gmatch "%d+" do
    count = count + 1
    for _ = 1, 200 do
      local stat = t.read("/proc/" .. pid .. "/stat")
      if not stat or stat:find "%) Z" then break end
      os.execute "sleep 0.01"
    end
    local stat = t.read("/proc/" .. pid .. "/stat")
    assert(not stat or stat:find "%) Z" or not stat:find "ccsand", "still there: " .. tostring(stat))
  end
  assert(count >= 4, out)
  equal(t.run_recipe "return 0", "", "the sweep of the next start")
end)

return t.finish()
