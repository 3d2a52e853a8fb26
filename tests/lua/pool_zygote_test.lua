-- Zygotes, the processes that a pool's containers are cloned from: what is cloned is what a container is, and they may die.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local support = require "pool_support"
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local both, zygotes, sanitized, one_root = support.both, support.zygotes, support.sanitized, support.one_root
local loop = ccsand.loop

local kinds = {
  ["with one root"] = one_root,
  ["with one root, and mounts"] = { root = { path = t.root, access = "read_only" }, user_namespace = false, dev = false, masked_paths = {}, sys = false,
    mounts = { { source = "/etc", target = "/mnt" } } },
  ["that makes its root"] = { user_namespace = false },
  ["in a user namespace"] = { hostname = "x" },
  ["that shares namespaces"] = { user_namespace = false, namespaces = { uts = "host", ipc = "host", cgroup = "host" }, network = "host" },
  ["of a user, with attributes"] = { user = "nobody", umask = "0077", rlimits = { nofile = 77 }, nice = 3, capabilities = {}, no_new_privs = true, init = true, cgroup = true },
}
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

return t.finish()
