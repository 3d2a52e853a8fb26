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

-- ---- what hostile containers could do to those that wait, and to ccsand

-- One with a view of the host's processes, the same user and as many rights as those have that wait. In a process of its own:
-- here other containers' users have made the memory private already.
test("nobody can look into a container that waits, or into ccsand, whose memory it has", function()
  local out = t.run_recipe(([[
    local ccsand, ffi = require "ccsand", require "ffi"
    ffi.cdef "int getpid(void);"
    local function box(more)
      local spec = { image = %q, user_namespace = false, capabilities = {}, seccomp = "none" }
      if more.root then spec.image = nil end
      for k, v in pairs(more) do spec[k] = v end
      return ccsand.container(spec)
    end
    local seeing = { namespaces = { pid = "host" } }
    local function look()
      local pids = { ffi.C.getpid() }
      for pid in io.open(("/proc/%%d/task/%%d/children"):format(pids[1], pids[1])):read("*a"):gmatch "%%d+" do pids[#pids + 1] = pid end
      local script = "for pid in " .. table.concat(pids, " ") .. [=[; do
        echo seen $(cat /proc/$pid/comm)
        for what in mem maps environ auxv; do dd if=/proc/$pid/$what of=/dev/null bs=1 count=1 2>/dev/null && echo "read $what of $pid"; done
        ( : <>/proc/$pid/mem ) 2>/dev/null && echo "opened the memory of $pid"
        readlink /proc/$pid/fd/*
        ls /proc/$pid/root/ >/dev/null 2>&1 && echo "root of $pid"
        readlink /proc/$pid/cwd
      done; true]=]
      io.write(box(seeing):capture({ "/bin/sh", "-c", script }).stdout)
    end
    for _, more in ipairs { {}, { root = { path = %q, access = "read_only" } }, seeing, { user_namespace = true }, { before_exec = function() end } } do
      local pool = box(more):pool { size = 2 }
      for _ = 1, 3 do pool:run { "true" } end
      pool:refill()
      look()
      pool:close()
    end]]):format(t.image, t.root))
  local rest, count = out:gsub("seen ccsand\n", "")
  assert(count >= 5 * 3, "it does not see them: " .. out)
  equal(rest, "")
end)

-- In a process of its own: it would be killed.
test("who runs out of memory before its command has begun takes nobody with it", function()
  local out, status = t.run_recipe(([[
    local ccsand = require "ccsand"
    local long = { "/bin/sh", "-c", "exit 7" }
    for i = 1, 4 do long[i + 3] = ("x"):rep(100000) end
    for _, memory in ipairs { "256k", "512k", "1M" } do
      for _, user in ipairs { true, false } do
        local box = ccsand.container { image = %q, user_namespace = user, limits = { memory = memory, swap = 0 } }
        pcall(box.capture, box, long)
        pcall(function()
          local pool = box:pool { size = 2 }
          for _ = 1, 4 do pcall(pool.run, pool, long) end
          pool:close()
        end)
      end
    end
    print "survived"]]):format(t.image))
  equal(status, 0, out)
  equal(out, "survived\n")
end)

test("oom_score_adj is the container's own", function()
  local function mine() return t.read "/proc/self/oom_score_adj" end
  local before = mine()
  local other = t.box():pool { size = 2 }
  local box = t.box { oom_score_adj = 700 }
  local pool = box:pool { size = 2 }
  for _ = 1, 3 do equal(pool:run({ "cat", "/proc/self/oom_score_adj" }).stdout, "700\n") end
  equal(box:capture({ "cat", "/proc/self/oom_score_adj" }).stdout, "700\n")
  equal(mine(), before)
  for _ = 1, 3 do equal(other:run({ "cat", "/proc/self/oom_score_adj" }).stdout, before) end
  pool:close() other:close()
end)

test("without a session of its own one of a pool is in ccsand's, as any other", function()
  loop.run(function()
    local pool = t.box({ user_namespace = false, new_session = false }):pool { size = 2 }
    loop.defer(pool.close, pool)
    for _ = 1, 3 do pool:run { "true" } end
    local task = loop.spawn(function() pool:run({ "sleep", "60" }) end)
    local function group_and_session(pid) return t.read("/proc/" .. pid .. "/stat"):match "%) %S+ %S+ (%S+ %S+)" end
    local found
    while not found do
      loop.sleep(0.01)
      for _, pid in ipairs(children()) do
        if (t.read("/proc/" .. pid .. "/comm") or "") == "sleep\n" then found = pid end
      end
    end
    equal(group_and_session(found), group_and_session "self")
    task:cancel()
    pcall(task.wait, task)
  end)
end)

both("a zygote that is stopped is given up", function()
  if sanitized then t.skip "a build with a sanitizer has no zygotes" end
  local pool = t.box(one_root):pool { size = 2 }
  for _ = 1, 3 do pool:run { "true" } end
  pool:refill()
  local all = zygotes()
  equal(#all, 1)
  require("ffi").C.kill(all[1], 19)
  for i = 1, 5 do equal(pool:run({ "echo", tostring(i) }).stdout, i .. "\n") end
  pool:refill()
  assert(zygotes()[1] ~= all[1], "it is still there")
  pool:close()
  equal(#zygotes(), 0)
end)

test("a zygote that is killed at any moment fails no run", function()
  if sanitized then t.skip "a build with a sanitizer has no zygotes" end
  loop.run(function()
    for _, spec in ipairs { one_root, { user_namespace = false } } do
      local pool = t.box(spec):pool { size = 6 }
      loop.defer(pool.close, pool)
      pool:refill()
      local running = 3
      for task = 1, 3 do
        loop.spawn(function()
          for i = 1, 40 do equal(pool:run({ "echo", task .. i }).stdout, task .. i .. "\n") end
          running = running - 1
        end)
      end
      local killed = 0
      while running > 0 do
        loop.sleep(0.003)
        for _, pid in ipairs(zygotes()) do
          require("ffi").C.kill(pid, 9)
          killed = killed + 1
        end
      end
      assert(killed >= 5, killed .. " were killed")
    end
  end)
  equal(#zygotes(), 0)
end)

test("where parts of /proc are covered, a container of a pool gets no more of it than another", function()
  local recipe = t.file(([[
    local ccsand = require "ccsand"
    local try = { "/bin/sh", "-c", "mkdir /tmp/p; unshare -r -m -p -f /bin/sh -c 'mount -t proc proc /tmp/p && echo mounted' 2>&1" }
    for _, covers in ipairs { true, false } do
      local box = ccsand.container { image = %q, seccomp = "none", masked_paths = not covers and {} or nil, readonly_paths = not covers and {} or nil }
      local function told(good, text) return good and "ran: " .. text or "not made: " .. tostring(text):match "%%((E%%u+)%%)" .. "\n" end
      io.write(told(pcall(function() return box:capture(try).stdout end)))
      io.write(told(pcall(function()
        local pool = box:pool { size = 2 }
        for _ = 1, 3 do pool:run(try) end
        return pool:run(try).stdout
      end)))
    end]]):format(t.image), "covered.lua")
  local script = t.file(("mount -t tmpfs none /proc/irq && exec %s %s 2>&1"):format(t.ccsand, recipe), "covered.sh")
  local lines = t.host_lines("unshare -m /bin/sh " .. script)
  equal(#lines, 4, table.concat(lines, "\n"))
  for i = 1, 3, 2 do
    equal(lines[i + 1], lines[i], "in a pool")
    match(lines[i], "EPERM")
  end
end)

-- ---- network namespaces that are used again

local plain = { user_namespace = false, capabilities = { "chown", "setuid", "setgid", "net_bind_service" }, seccomp = "no-network" }
local function plain_box(more)
  local spec = {}
  for k, v in pairs(plain) do spec[k] = v end
  for k, v in pairs(more or {}) do spec[k] = v end
  return t.box(spec)
end

both("a network namespace is used again, and tells the next run nothing", function()
  local pool = plain_box():pool { size = 1, reuse_network = true }
  local different, count, told, held = {}, 0, nil, {}
  for i = 1, 12 do
    hold_namespaces(held)
    local result = pool:run { "/bin/sh", "-c", "readlink /proc/self/ns/net; cat /proc/net/dev /proc/net/snmp /proc/net/snmp6 /proc/net/igmp6 /proc/net/tcp /proc/net/udp /proc/net/unix;" ..
      ({ "true", "touch /tmp/x; (sleep 60 &)", "(nc -w 1 127.0.0.1 9; ping -c 1 -W 1 127.0.0.1; ip link set lo down) </dev/null >/dev/null; true" })[i % 3 + 1] }
    local network, rest = result.stdout:match "net:%[(%d+)%]\n(.*)$"
    assert(network, result.stderr)
    told = told or rest
    equal(rest, told, "run " .. i)
    if not different[network] then count = count + 1 end
    different[network] = true
    pool:refill()
  end
  pool:close()
  for _, fd in ipairs(held) do require("ffi").C.close(fd) end
  assert(count <= 6, count .. " network namespaces for 12 runs")
end)
test("all pools share the networks, and no other container has one", function()
  local one, other = plain_box():pool { size = 1, reuse_network = true }, plain_box({ proc = "pids" }):pool { size = 1, reuse_network = true }
  local outsider = t.box({ user_namespace = false }):pool { size = 1 }
  local seen = {}
  for _ = 1, 6 do
    for _, pool in ipairs { one, other } do
      seen[pool:run({ "readlink", "/proc/self/ns/net" }).stdout] = true
      pool:refill()
    end
    assert(not seen[outsider:run({ "readlink", "/proc/self/ns/net" }).stdout])
    outsider:refill()
  end
  one:close() other:close() outsider:close()
end)
test("a unix socket that outlives its container keeps the namespace from the next", function()
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
  pool:close()
end)
test("networks in which something can be done are not used again", function()
  local function refused(more, ...) fails(function() plain_box(more):pool { reuse_network = true } end, "reuse_network", ...) end
  fails(function() t.box():pool { reuse_network = true } end, "reuse_network", "user_namespace")
  local seccomp = require "ccsand.seccomp"
  local refusing = { "socket", "socketpair", "io_uring_setup" }
  for name, policy in pairs {
    ["no filter"] = "none", ["the default"] = "default",
    ["one that allows pairs of all families"] = seccomp.policy { default = "allow", deny = { "socket", "io_uring_setup" } },
    ["one that allows io_uring"] = seccomp.policy { default = "allow", deny = { "socket", "socketpair" } },
    ["one that only logs them"] = seccomp.policy { default = "allow", log = refusing },
    ["one that looks at another argument"] = seccomp.policy { default = "allow", deny = { "socketpair", "io_uring_setup", socket = "type == SOCK_STREAM" } },
    ["one that leaves out a family"] = seccomp.policy { default = "allow", deny = { "socketpair", "io_uring_setup", socket = "domain != AF_NETLINK" } },
    ["one that allows other architectures"] = seccomp.policy { default = "allow", deny = refusing, foreign = "allow" },
    ["one of several architectures"] = seccomp.policy { default = "allow", architectures = { "native", "x86", "arm" }, deny = refusing },
  } do
    local good, problem = pcall(function() return plain_box({ seccomp = policy }):pool { reuse_network = true } end)
    assert(not good, name .. " is taken")
    match(tostring(problem), "reuse_network")
    match(tostring(problem), "socket")
  end
  for _, policy in ipairs {
    seccomp.policy { default = "allow", deny = refusing },
    seccomp.policy { default = "allow", kill = { "io_uring_setup", socket = "domain != AF_UNIX", socketpair = "domain != AF_UNIX" } },
    seccomp.policy { default = "allow", architectures = { "native", "x86", "arm" }, deny = { "socket", "socketpair", "socketcall", "io_uring_setup" } },
    "build",
  } do
    local pool = plain_box({ seccomp = policy }):pool { size = 1, reuse_network = true }
    equal(pool:run({ "echo", "x" }).stdout, "x\n")
    pool:close()
  end
  refused({ faults = { { "EIO on 2nd", calls = { "mkdir" } } } }, "function")
  refused({ network = "host" }, "network")
  refused({ namespaces = { pid = "host" } }, "namespaces.pid")
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
