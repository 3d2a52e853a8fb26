-- Pools: what they keep waiting, that two runs share nothing, and that nothing is left.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local support = require "pool_support"
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local both, children, hold_namespaces, one_root = support.both, support.children, support.hold_namespaces, support.one_root
local loop = ccsand.loop

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

-- Whose memory is shared by what waits, or starts beside it, could not leave a time namespace again.
test("clocks of its own, beside containers that wait and others that start", function()
  local sys = require "ccsand.sys"
  if not pcall(sys.open, "/proc/self/ns/time") then t.skip "no time namespaces" end
  local uptime = { "cut", "-d.", "-f1", "/proc/uptime" }
  local here = tonumber(t.box():capture(uptime).stdout)
  local moved = t.box { time_offsets = { boottime = 1000000 } }
  local pool, moved_pool = t.box():pool { size = 2 }, moved:pool { size = 2 }
  local function is_moved(result) assert(tonumber(result.stdout) >= here + 1000000, result.stderr) end
  local function is_here(result) assert(tonumber(result.stdout) < here + 1000, result.stderr) end
  for _ = 1, 3 do
    is_here(pool:run(uptime)) is_moved(moved:capture(uptime)) is_moved(moved_pool:run(uptime))
    local child = sys.clone({ time_offsets = { boottime = 1000000 } }, function()
      return tonumber(t.read("/proc/uptime"):match "^%d+") >= here + 1000000
    end)
    equal(child:wait().status, 0)
  end
  loop.run(function()
    local tasks = {}
    for i = 1, 12 do
      tasks[i] = loop.spawn(function()
        if i % 2 == 0 then is_moved(moved:capture(uptime)) else is_here(t.box():capture(uptime)) end
      end)
    end
    for _, task in ipairs(tasks) do task:wait() end
  end)
  pool:close() moved_pool:close()
  is_here(t.box():capture(uptime))
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

both("one that is stopped while it waits is killed by its time-out", function()
  local kinds = { {}, { oom_score_adj = 500 }, { connect = function() return "EPERM" end } } -- the second has memory of its own, the third is answered
  for _, kind in ipairs(kinds) do
    local before, pool = {}, nil
    for _, pid in ipairs(children()) do before[pid] = true end
    pool = t.box(kind):pool { size = 1 }
    pool:refill()
    for _, pid in ipairs(children()) do
      if not before[pid] then require("ffi").C.kill(pid, 19) end
    end
    equal(pool:run({ "true" }, { timeout = "200ms" }).reason, "timeout")
    equal(pool:run({ "true" }).status, 0)
    pool:close()
  end
end)

test("those that wait are killed at any moment, and no run fails", function()
  local C = require("ffi").C
  loop.run(function()
    local pool = t.box({ user_namespace = false }):pool { size = 6 }
    loop.defer(pool.close, pool)
    local running, wrong = 3, 0
    for _ = 1, 3 do
      loop.spawn(function()
        for _ = 1, 60 do
          local result = pool:run { "true" }
          if result.reason ~= "exited" then wrong = wrong + 1 end -- it had its command already
        end
        running = running - 1
      end)
    end
    while running > 0 do
      loop.sleep(0.004)
      local all = children()
      C.kill(all[#all], 9)
    end
    assert(wrong < 180, "all of them")
  end)
end)

test("how they end is known where whoever started ccsand ignores SIGCHLD", function()
  local code = ([[
    local box = require("ccsand").container { image = %q }
    local pool = box:pool { size = 2 }
    io.write(box:capture({ "/bin/sh", "-c", "exit 3" }).status, " ")
    for i = 4, 7 do io.write(pool:run({ "/bin/sh", "-c", "exit " .. i }).status, " ") end]]):format(t.image)
  equal((t.run_recipe(code, "env --ignore-signal=CHLD")), "3 4 5 6 7 ")
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
