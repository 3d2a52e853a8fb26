-- What hostile containers could do to those of a pool that wait, and to ccsand, whose memory they have.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local support = require "pool_support"
local test, equal, match = t.test, t.equal, t.match
local children = support.children
local loop = ccsand.loop

-- One with a view of the host's processes, the same user and as many rights as those have that wait. In a process of its own:
-- here other containers' users have made the memory private already.
test("nobody can look into a container that waits, or into ccsand, whose memory it has", function()
  local out = t.run_recipe(([[
    local ccsand, ffi = require "ccsand", require "ffi"
    ffi.cdef "int getpid(void); int prctl(int, long, long, long, long);"
    assert(ffi.C.prctl(3, 0, 0, 0, 0) == 0, "PR_GET_DUMPABLE: from the start on")
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

test("without the right to trace nothing is started: its children's memory would be anybody's", function()
  local out, status = t.run_recipe(([[print(require("ccsand").container { image = %q }:capture({ "true" }).status)]]):format(t.image),
    "setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace")
  match(out, "needs CAP_SYS_PTRACE")
  equal(status, 125)
end)

return t.finish()
