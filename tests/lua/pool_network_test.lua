-- Network namespaces that the containers of pools have one after the other.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local t = require "support"
t.begin()
local support = require "pool_support"
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local both, children, hold_namespaces = support.both, support.children, support.hold_namespaces

local plain = { user_namespace = false, capabilities = { "chown", "setuid", "setgid", "net_bind_service" } }
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
test("its containers make no sockets, under whatever filter of their own", function()
  if os.execute "printf 'int main(void){return 0;}' | cc -static -x c -o /dev/null - 2>/dev/null" ~= 0 then t.skip "no cc that links statically" end
  local directory = t.mkdir("sockets", "755")
  t.write(directory .. "/probe.c", [[
    #include <stdio.h>
    #include <errno.h>
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    int main(void) {
      int pair[2];
      for (int family = 0; family < 50; ++family) {
        if (socket(family, SOCK_STREAM, 0) >= 0) printf("socket %d: %d\n", family, errno);
        if (socket(family, SOCK_RAW, 255) >= 0) printf("raw %d: %d\n", family, errno);
        if (socketpair(family, SOCK_DGRAM, 0, pair) >= 0) printf("pair %d: %d\n", family, errno);
      }
      char params[256] = {0};
      if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EPERM) printf("unix: %d\n", errno);
      if (syscall(SYS_io_uring_setup, 4, params) >= 0) printf("io_uring: %d\n", errno);
    #ifdef __x86_64__
      if (syscall(41 | 0x40000000, 1, 1, 0) >= 0) printf("x32: %d\n", errno);
      long result;
      __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
      if (result == getpid()) { // there are calls of 32 bits
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(359), "b"(1), "c"(1), "d"(0) : "memory");
        if (result != -EPERM) printf("32 bits: %ld\n", result);
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(102), "b"(1), "c"(0) : "memory");
        if (result != -EPERM) printf("socketcall: %ld\n", result);
      }
    #endif
      puts("tried");
    }]])
  assert(os.execute(("cc -static -o %s/probe %s/probe.c"):format(directory, directory)) == 0)
  for name, more in pairs { -- the default kills who makes calls of 32 bits
    none = { seccomp = "none" }, default = {}, ["that of 32 bits, too"] = { seccomp = require("ccsand.seccomp").policy { default = "allow", architectures = { "native", "x86", "arm" } } },
    ["with privileges to gain"] = { no_new_privs = false, seccomp = "none" }, ["with a layer"] = { root = { access = "layer" }, seccomp = "none" }, ["with an init"] = { init = true, seccomp = "none" },
    ["with limits"] = { limits = { memory = "8M", pids = 10 }, seccomp = "none" },
  } do
    more.mounts = { { source = directory, target = "/mnt" } }
    if name == "default" then more.root = { path = t.root, access = "read_only" } end
    local pool = plain_box(more):pool { size = 1, reuse_network = true }
    for i = 1, 4 do
      local expected = "tried\n"
      local result = pool:run { "/mnt/probe" }
      if name == "default" and result.status == 159 then expected = "" end
      equal(result.stdout, expected, name .. ", run " .. i)
      pool:refill()
    end
    pool:close()
  end
end)
test("files of a network that is used again take no mark", function()
  for _, more in ipairs { {}, { proc = "pids" }, { readonly_paths = {}, masked_paths = {} }, { root = { host_view = true }, proc = false } } do
    local pool = plain_box(more):pool { size = 1, reuse_network = true }
    local seen = {}
    for _ = 1, 4 do
      local result = pool:run { "/bin/sh", "-c", [[
        for f in /proc/net/dev /proc/self/net/dev /proc/self/net /proc/net/stat /sys/class/net/lo/mtu /sys/class/net/lo/ifalias /proc/self/ns/net /proc/sys/net/ipv4/ip_default_ttl; do
          test -e $f || continue
          stat -L -c "%a %u %g" $f
          chmod 4751 $f 2>/dev/null && echo "chmod $f"
          chown 1234:5678 $f 2>/dev/null && echo "chown $f"
          touch -d 2001-01-01 $f 2>/dev/null && echo "touch $f"
          (echo 77 >$f) 2>/dev/null && echo "wrote $f"
          stat -L -c "%a %u %g" $f
        done; true]] }
      local words = result.stdout:match "[ct]h[^%s]*[^\n]*" or result.stdout:match "wrote[^\n]*"
      equal(words, nil, result.stdout)
      seen[#seen + 1] = result.stdout
      equal(result.stdout, seen[1])
      pool:refill()
    end
    match(seen[1], "%d")
    pool:close()
  end
end)
test("networks in which something can be done are not used again", function()
  local function refused(more, ...) fails(function() plain_box(more):pool { reuse_network = true } end, "reuse_network", ...) end
  fails(function() t.box():pool { reuse_network = true } end, "reuse_network", "user_namespace")
  refused({ faults = { { "EIO on 2nd", calls = { "mkdir" } } } }, "function")
  refused({ network = "host" }, "network")
  refused({ namespaces = { pid = "host" } }, "namespaces.pid")
  refused({ capabilities = { "net_admin" } }, "capabilities")
  refused({ capabilities = { "sys_admin" } }, "capabilities")
  local link = t.directory .. "/proc-link"
  os.execute("ln -s /proc " .. link)
  for _, source in ipairs { "/", "/proc", "/./proc", "/proc/sys/net", "/sys/class", link, t.root } do
    refused({ mounts = { { source = source, target = "/mnt", writable = true } } }, "mounts")
    if source ~= "/" and source ~= t.root then refused({ mounts = { { source = source, target = "/mnt", writable = true, recursive = false } } }, "mounts") end
  end
  os.remove(link)
  refused({ mounts = { { type = "proc", target = "/mnt" } } }, "mounts")
  refused({ root = { path = "/proc", access = "read_write" } }, "root")
  fails(function()
    require("ccsand").container { user_namespace = false, capabilities = {}, namespaces = { mount = "/proc/self/ns/mnt" } }:pool { reuse_network = true }
  end, "reuse_network", "namespaces.mount")
  plain_box({ mounts = { { source = t.root, target = "/mnt", writable = true, recursive = false }, { source = "/proc", target = "/opt" } } }):pool({ size = 1, reuse_network = true }):close()
  refused({ sysctls = { ["net.ipv4.ip_forward"] = "1" } }, "sysctls")
  refused({ setup = function() end }, "setup")
  fails(function() plain_box():pool { reuse_network = "yes" } end, "reuse_network")
end)

return t.finish()
