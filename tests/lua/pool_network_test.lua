-- Network namespaces that the containers of pools have one after the other.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local t = require "support"
t.begin()
local support = require "pool_support"
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local both, children, hold_namespaces = support.both, support.children, support.hold_namespaces

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

return t.finish()
