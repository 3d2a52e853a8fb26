-- Attacks on the process that performs the calls that Lua allows: what it has, what is left of it, and who can reach it.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ffi = require "ffi"
local t = require "support"
t.begin()
local test, equal, match, ran = t.test, t.equal, t.match, t.program_output

test("mounts that are none of those allowed", function()
  local spec = { notify = { mount = function(call) return call.args.filesystemtype == "tmpfs" end } }
  equal(ran([[
    local function mount(source, target, kind, flags) return call(165, source, target, kind, flags, 0) end
    print(mount("none", "/proc/sys", "tmpfs", 0x1020), mount("/", "/mnt", "tmpfs", 0x1000), mount("/proc", "/mnt", "tmpfs", 0x2000), mount("x", "/mnt", "tmpfs", 0x20))
    print(mount("x", "/proc/self/root/tmp", "tmpfs", 0) ~= 0)]], spec):gsub("\tOperation not permitted", ""), "-1\t-1\t-1\t-1\ntrue")
end)

test("of who performs there is nothing to be had", function()
  -- With the host's pids, /proc/self is the performing process, whatever it is called.
  equal(ran([[
    local function whole(path)
      local fd = call(257, -100, path, 0, 0)
      if fd < 0 then return "none" end
      local b = ffi.new "char[8192]"
      local n = ffi.C.read(fd, b, 8192)
      return n > 0 and ffi.string(b, n) or "empty"
    end
    print(whole "/proc/./self/environ")
    local text = whole "/proc/./self/cmdline"
    print(text == "none" or text == "empty" or text:find "^ccsand%-performer" ~= nil)
    ffi.cdef "int chdir(const char*);"
    ffi.C.chdir "/proc"
    print(whole "self/environ")]], { namespaces = { pid = "host" }, user_namespace = false, capabilities = "none",
    env = { SECRET = "mine" }, files = function() return true end }):gsub("none", "empty"), "empty\ntrue\nempty")
end)

test("callers that are killed leave nobody who performs", function()
  local function descriptors() return #t.host_lines("ls /proc/" .. ffi.C.getpid() .. "/fd") end
  local before = descriptors()
  local box = t.box({ files = function() return true end, limits = { pids = 20 } }):start({ "/bin/sh", "-c", [[
    mkfifo /tmp/f; i=0
    while [ $i -lt 150 ]; do cat /tmp/f & p=$!; sleep 0.01; kill -9 $p; wait $p 2>/dev/null; i=$((i+1)); done; sleep 2; echo done >/tmp/x]] }, { capture = true })
  local most = 0
  while not box:wait(0.1) do most = math.max(most, descriptors() - before) end
  assert(most < 200, most .. " descriptors for calls of the dead")
end)

test("who performs has the namespaces of the caller", function()
  equal(ran([[
    local function whole(path)
      local f = io.open(path)
      local text = f and f:read "*a" or "none"
      if f then f:close() end
      return text
    end
    print(whole "/proc/sys/kernel/hostname")
    print((whole "/proc/sysvipc/shm"):gsub("[^\n]*\n", "", 1))]], { hostname = "within", files = function() return true end }), "within\n\n\t1")
end)

test("who performs cannot be looked into, at any moment", function()
  -- The worst case: the host's pids, the host's root, all that a container may have but sys_ptrace. Who performs has the next pid,
  -- and is looked into again and again as long as it lives: process_vm_readv(2) of address 1 fails with EPERM, or had the right to.
  local attack = [[
    ffi.cdef "int fork(void); int waitpid(int, int*, int); void _exit(int);"
    local child = ffi.C.fork()
    if child == 0 then
      local calls, till = 0, os.time() + 3
      while calls < 4000 and os.time() < till do calls = calls + 1 ffi.C.close(ffi.C.open("/etc/passwd", 0)) end
      ffi.C._exit(0)
    end
    local buffer = ffi.new("char[8]")
    local here, there = ffi.new("uint64_t[2]", ffi.cast("uint64_t", ffi.cast("void *", buffer)), 8), ffi.new("uint64_t[2]", 1, 8)
    local seen, reached, rounds, last = 0, 0, 0, child
    while true do
      local found
      for pid = last, last + 4 do
        if pid ~= child and ffi.C.syscall(310, ffi.cast("int64_t", pid), here, 1LL, there, 1LL, 0LL) < 0 and ffi.errno() ~= 3 then
          if ffi.errno() ~= 1 then reached = reached + 1 end
          if pid ~= last then seen = seen + 1 end
          last, found = pid, true
        end
      end
      rounds = rounds + 1
      if not found then last = last + 1 end
      if last > child + 6000 then last = child end
      if rounds % 64 == 0 and ffi.C.waitpid(child, nil, 1) == child then break end
    end
    print((seen > 0 and "seen" or "not seen") .. ", reached " .. reached)]]
  local found
  for _ = 1, 3 do
    found = ran(attack, { namespaces = { pid = "host" }, user_namespace = false, capabilities = "none", seccomp = "none", files = function() return true end })
    if found ~= "not seen, reached 0" then break end -- that machine is busy with others
  end
  if found == "not seen, reached 0" and t.host_lines("nproc")[1] == "1" then t.skip "on one CPU who performs is never seen at work" end
  equal(found, "seen, reached 0")
end)

test("who performs can be killed by whom it performs for, and no more", function()
  -- With the host's pids, a caller with the same ids reaches it. It waits for a writer that never comes.
  local opened = 0
  local text = ran([[
    ffi.cdef "int fork(void); int kill(int, int); int waitpid(int, int*, int); void _exit(int); int mkfifo(const char*, unsigned);"
    local supervisor, me = tonumber(os.getenv "SUPERVISOR"), tonumber(ffi.C.syscall(39))
    local function performer()
      for pid = me - 2, me + 3000 do
        local f = io.open("/proc/" .. pid .. "/stat")
        local parent = f and f:read("*a"):match "%) %a (%d+)"
        if f then f:close() end
        if pid ~= me and tonumber(parent) == supervisor then return pid end
      end
    end
    ffi.C.mkfifo("/tmp/f", 384)
    local child = ffi.C.fork()
    if child == 0 then
      local fd, why = call(2, "/tmp/f", 0)
      print(fd, why)
      io.stdout:flush()
      ffi.C._exit(0)
    end
    local pid
    repeat pid = performer() until pid
    ffi.C.kill(pid, 9)
    ffi.C.waitpid(child, nil, 0)
    print(call(2, "/tmp/g", 66, 384) >= 0)]], { namespaces = { pid = "host" }, user_namespace = false, capabilities = "none",
    env = { SUPERVISOR = tostring(ffi.C.getpid()), ASAN_OPTIONS = "detect_leaks=0" }, notify = { open = function(call)
      local path = call.args.pathname
      if path ~= "/tmp/f" and path ~= "/tmp/g" then return call:continue { racy = true } end
      opened = opened + 1
      return true
    end } })
  match(text, "^%-1\t[^\n]*ermitted\ntrue$")
  equal(opened, 2)
end)

return t.finish()
