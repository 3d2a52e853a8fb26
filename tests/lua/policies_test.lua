-- The policies that ship: what each is for works in a container, and what each claims to
-- deny is attacked from inside.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local policy = require "ccsand.policy"
local seccomp = require "ccsand.seccomp"
local t = require "support"
t.begin()
local test, equal, match, fails = t.test, t.equal, t.match, t.fails

local abi = ccsand.sys.landlock_abi()
local function need(least)
  if abi < least then t.skip(("this kernel's Landlock has ABI %d, and this takes ABI %d"):format(abi, least)) end
end
local function both(a, b)
  local all = {}
  for k, v in pairs(a) do all[k] = v end
  for k, v in pairs(b or {}) do all[k] = v end
  return all
end

-- ---- without a container

test("each has a name, and a wrong one is told those that ship", function()
  for _, name in ipairs { "strict", "no-network", "build", "server", "default" } do
    local one = seccomp.named(name)
    equal(one:name(), name)
    equal(one:test("read", 0), "allow", name)
    equal(one:test { "read", architecture = "x86" }, "kill", name)
    for _, call in ipairs { "ptrace", "mount", "add_key", "init_module", "kexec_load", "bpf", "io_uring_setup", "userfaultfd", "setns", "open_by_handle_at" } do
      if call ~= "ptrace" or (name ~= "default" and name ~= "no-network") then match(one:test(call), "^errno", name .. ": " .. call) end
    end
  end
  fails(function() seccomp.named "strct" end, "there is no policy 'strct'", "build, default, no-network, server, strict")
end)

test("strict, call by call", function()
  local strict = seccomp.named "strict"
  for _, call in ipairs { "read", "write", "readv", "writev", "lseek", "close" } do
    for fd = 0, 2 do equal(strict:test(call, fd), "allow", call) end
    for _, fd in ipairs { 3, -1, -100, 4096 } do equal(strict:test(call, fd), "errno EPERM", call .. " of " .. fd) end
  end
  equal(strict:test("mmap", 0, 4096, "PROT_READ | PROT_WRITE", "MAP_PRIVATE | MAP_ANONYMOUS"), "allow")
  equal(strict:test("mmap", 0, 4096, "PROT_READ | PROT_EXEC", "MAP_PRIVATE | MAP_ANONYMOUS"), "errno EPERM")
  equal(strict:test("mmap", 0, 4096, "PROT_READ", "MAP_PRIVATE"), "errno EPERM", "a file")
  equal(strict:test("mprotect", 0, 4096, "PROT_READ | PROT_EXEC"), "errno EPERM")
  equal(strict:test("mprotect", 0, 4096, "PROT_READ"), "allow")
  equal(strict:test("prlimit64", 0, "RLIMIT_NOFILE", 0, 4096), "allow")
  equal(strict:test("prlimit64", 0, "RLIMIT_NOFILE", 4096, 0), "errno EPERM")
  equal(strict:test("execve"), "notify")
  for _, call in ipairs { "open", "openat", "openat2", "socket", "clone", "clone3", "fork", "vfork", "kill", "tgkill", "ioctl", "dup", "fcntl",
                          "pkey_mprotect", "personality", "memfd_create", "prctl", "shmat", "sendfile", "splice", "pread64", "newfstatat", "recvmsg" } do
    equal(strict:test(call), "errno EPERM", call)
  end
end)

test("no-network and build know unix sockets alone, server TCP", function()
  for _, name in ipairs { "no-network", "build" } do
    local one = seccomp.named(name)
    equal(one:test("socket", "AF_UNIX", "SOCK_STREAM"), "allow")
    equal(one:test("socketpair", "AF_UNIX", "SOCK_STREAM"), "allow")
    for _, family in ipairs { "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG", "AF_BLUETOOTH", "AF_XDP", 45, 4294967295 } do
      match(one:test("socket", family, "SOCK_RAW"), "^errno", name .. " " .. family)
      match(one:test("socketpair", family, "SOCK_STREAM"), "^errno", name .. " " .. family)
    end
  end
  local server = seccomp.named "server"
  equal(server:test("socket", "AF_INET", "SOCK_STREAM | SOCK_CLOEXEC", 0), "allow")
  equal(server:test("socket", "AF_INET6", "SOCK_STREAM | SOCK_NONBLOCK", "IPPROTO_TCP"), "allow")
  equal(server:test("socket", "AF_UNIX", "SOCK_DGRAM", 0), "allow")
  equal(server:test("socket", "AF_INET", "SOCK_STREAM", "IPPROTO_MPTCP"), "errno EAFNOSUPPORT", "MPTCP, which Landlock does not hold")
  equal(server:test("socket", "AF_INET", "SOCK_STREAM", "IPPROTO_SCTP"), "errno EAFNOSUPPORT")
  equal(server:test("socket", "AF_INET", "SOCK_DGRAM", 0), "errno EAFNOSUPPORT")
  equal(server:test("socket", "AF_INET", "SOCK_RAW", 1), "errno EAFNOSUPPORT")
  equal(server:test("socket", "AF_NETLINK", "SOCK_RAW", 0), "errno EAFNOSUPPORT")
  equal(server:test("sendto", 3, 0, 0, "MSG_FASTOPEN"), "errno EPERM")
  equal(server:test("sendmsg", 3, 0, "MSG_FASTOPEN | MSG_NOSIGNAL"), "errno EPERM")
  equal(server:test("sendto", 3, 0, 0, "MSG_NOSIGNAL"), "allow")
end)

test("whole policies check their options", function()
  fails(function() policy.build { directry = "/x" } end, "policy.build: 'directry' is not an option; did you mean 'directory'?")
  fails(function() policy.build { tools = "/usr" } end, "'tools' is a table, got string")
  fails(function() policy.server {} end, "'ports' is missing")
  fails(function() policy.server { ports = { 65536 } } end, "'ports' lists ports")
  fails(function() policy.server { ports = { "80" } } end, "'ports' lists ports")
  fails(function() policy.strict { x = 1 } end, "policy.strict: 'x' is not an option")
  equal(table.concat(policy.server({ ports = { 8080 } }).capabilities, " "), "setgid setuid")
  equal(table.concat(policy.server({ ports = { 80, 443 } }).capabilities, " "), "setgid setuid net_bind_service")
  local plan = ccsand.container({ root = "/srv" }):with(policy.server { ports = { 80 } }):plan()
  match(plan, "tcp_connect=none tcp_bind=80")
  plan = ccsand.container({ root = "/srv" }):with(policy.build { directory = "/work" }):plan()
  match(plan, "allow read,write,execute in '/work'\n")
end)

-- ---- strict

local function static_box(more)
  local _, problem = ccsand.try(ccsand.image.get, "busybox:host")
  if problem then t.skip(tostring(problem)) end
  return ccsand.container(both({ image = "busybox:host", timeout = "20s" }, more)):with(policy.strict())
end

test("strict: a static program computes", function()
  local box = static_box()
  equal(box:capture({ "cat" }, { stdin = "through" }).stdout, "through")
  equal(box:capture({ "md5sum" }, { stdin = "in" }).stdout:sub(1, 8), "13b5bfe9")
  equal(box:capture({ "awk", "BEGIN { for (i = 1; i <= 100; i++) sum += i; print sum }" }).stdout, "5050\n")
  equal(box:capture({ "sh", "-c", "while read x; do echo got $x; done" }, { stdin = "a\nb\n" }).stdout, "got a\ngot b\n")
end)

test("strict: nothing is opened, executed, made or reached", function()
  local box = static_box()
  for _, attack in ipairs {
    "cat /etc/passwd", "exec cat /etc/passwd", "read x </etc/passwd", ": >/tmp/x", "(echo child); true && exec true", "echo a | cat",
    "kill -9 1", "cd /tmp && ls", "ulimit -n 10", "exec /bin/true", "exec /bin/sh -c true",
  } do
    local result = box:capture { "sh", "-c", attack }
    if result.status == 0 then error(("%s was allowed: %s"):format(attack, result.stdout)) end
    match(result.stderr, "ermi", attack)
    equal(result.stdout, "", attack)
  end
  equal(box:capture({ "sh", "-c", "exec 3>&1" }).status ~= 0, true, "a descriptor more")
  equal(box:capture({ "nc", "127.0.0.1", "1" }).status, 1)
  equal(box:capture({ "ls", "/" }).stdout, "")
  equal(box:capture({ "dd", "if=/etc/passwd" }).stdout, "")
  -- A further command is the first of its own, and no more.
  local running = box:start({ "sleep", "10" })
  equal(running:exec({ "echo", "further" }).stdout, "further\n")
  match(running:exec({ "sh", "-c", "exec /bin/true" }).stderr, "permitted")
  running:kill()
  running:wait()
end)

-- ---- no-network, build, server: calls that succeed or fail otherwise where they are made

-- name -> number of x86-64 and arguments; without a policy none of them is EPERM or ENOSYS, given the capabilities.
local reach = {
  { "ptrace", 101, "0, 0, 0, 0" }, { "process_vm_readv", 310, "own, 0, 0, 0, 0, 0" }, { "process_vm_writev", 311, "own, 0, 0, 0, 0, 0" },
  { "mount", 165, "0, 0, 0, 0, 0" }, { "umount2", 166, "0, 0" }, { "pivot_root", 155, "0, 0" }, { "open_tree", 428, "-1, 0, 1 * 0" },
  { "fsopen", 430, "0, 0" }, { "mount_setattr", 442, "-1, 0, 0, 0, 0" },
  { "unshare", 272, "0" }, { "setns", 308, "-1, 0" }, { "keyctl", 250, "4660, 0, 0, 0, 0" }, { "add_key", 248, "0, 0, 0, 0, 0" },
  { "userfaultfd", 323, "-1" }, { "kcmp", 312, "-1, -1, 0, 0, 0" }, { "pidfd_getfd", 438, "-1, 0, 0" }, { "name_to_handle_at", 303, "-100, 0, 0, 0, 0" },
  { "process_madvise", 440, "-1, 0, 0, 0, 0" }, { "sethostname", 170, "0, 1" }, { "chroot", 161, "0" },
}

local function attempt(list, more)
  local code = { "local own = call(39)" }
  for _, one in ipairs(list) do code[#code + 1] = ("print(%q, (select(2, call(%d, %s)) or 'done'))"):format(one[1], one[2], one[3]) end
  local result = t.run_program(table.concat(code, "\n"), more)
  local answers = {}
  for name, answer in result.stdout:gmatch "(%S+)\t([^\n]*)" do answers[name] = answer end
  if next(answers) == nil then error("the program printed nothing: " .. result.stderr) end
  return answers
end

test("build and server deny what reaches out, with every capability", function()
  local free = attempt(reach, { seccomp = false, capabilities = "all" })
  for _, name in ipairs { "build", "server" } do
    local answers = attempt(reach, { seccomp = name, capabilities = "all" })
    for _, one in ipairs(reach) do
      if free[one[1]] ~= "Operation not permitted" and free[one[1]] ~= "Function not implemented" then
        equal(answers[one[1]], "Operation not permitted", name .. ": " .. one[1])
      end
    end
  end
  equal(free.unshare, "done")
  equal(free.mount, "Bad address")
  equal(free.ptrace, "done")
end)

local sockets = [[
  local function try(what, ...) local r, why = call(...) print(what, r >= 0 and "done" or why) return r end
  for family = 0, 45 do
    for _, kind in ipairs { 1, 2, 3, 5 } do
      if (call(41, family, kind, 0)) >= 0 then print("family " .. family, kind) end
    end
  end
  try("x32", 0x40000000 + 41, 2, 1, 0)
  try("io_uring", 425, 1, 0)
  try("mptcp", 41, 2, 1, 262)
  local pair = ffi.new "int[2]"
  try("unix pair", 53, 1, 1, 0, pair)
  try("inet pair", 53, 2, 1, 0, pair)
]]

test("no-network and build: no family, type or detour gives a network socket", function()
  for _, name in ipairs { "no-network", "build" } do
    local lines = t.run_program(sockets, { seccomp = name, capabilities = "all", network = "host" }).stdout
    for line in ("\n" .. lines):gmatch "\n(family[^\n]*)" do match(line, "^family 1\t", name) end
    match(lines, "^family 1\t1\n")
    match(lines, "unix pair\tdone")
    match(lines, "inet pair\tAddress family not supported")
    match(lines, "mptcp\tAddress family not supported")
    match(lines, "io_uring\tFunction not implemented")
    match(lines, "x32\t%u")
    t.no_match(lines, "x32\tdone")
  end
  local free = t.run_program(sockets, { seccomp = false, network = "host" }).stdout
  match(free, "family 2\t1\n")
end)

test("no-network: the whole policy", function()
  equal(t.box(policy.no_network()):capture({ "sh", "-c", "echo hi | cat; ls / >/dev/null && mkdir /tmp/x && echo works" }).stdout, "hi\nworks\n")
  match(t.box(policy.no_network()):capture({ "nc", "127.0.0.1", "1" }).stderr, "not supported")
end)

test("build: works in its directory, and nowhere else", function()
  need(5)
  local places = { { type = "tmpfs", target = "/work", options = { mode = "755" } }, { type = "tmpfs", target = "/mnt", options = { mode = "1777" } } }
  local box = t.box { mounts = places, cwd = "/work" }
  local built = box:with(policy.build { directory = "/work" })
  local work = [[cd /work; mkdir -p a/b; printf '#!/bin/sh\necho run\n' >a/b/s; chmod +x a/b/s; mv a/b/s a/s; ln a/s t; ./t
    chown 1000 t; rm -r a; ls; echo x >/tmp/x; cat /tmp/x; echo >/dev/null; head -c 1 /dev/zero | wc -c]]
  local result = built:capture { "sh", "-c", work }
  equal(result.stdout, "run\nt\nx\n1\n", result.stderr)
  for attack, reason in pairs {
    ["echo x >/mnt/x"] = "denied", ["ls /mnt"] = "denied", ["echo x >/etc/x"] = "denied", ["rm /bin/sh"] = "denied",
    ["mkdir /new"] = "denied", ["ls /home"] = "denied",
    ["cp /bin/busybox /tmp/b; /tmp/b true"] = "denied", ["cd /work; ln /bin/busybox b"] = "", ["mount -t tmpfs x /mnt"] = "ermi",
    ["chroot /work /bin/true"] = "not permitted",
    ["nc 127.0.0.1 1"] = "not supported", ["unshare -m true"] = "not permitted", ["cp /etc/passwd /mnt"] = "denied", ["cd /work; mknod n c 1 3"] = "not permitted",
  } do
    local denied = built:capture { "sh", "-c", attack }
    if denied.status == 0 then error(attack .. " was allowed") end
    match(denied.stderr, reason, attack)
  end
  -- Directories and tools of one's own.
  local own = box:with(policy.build { directories = { "/work", "/mnt" }, tools = { "/bin", "/lib" } })
  local has_lib = t.box():capture({ "test", "-d", "/lib" }).status == 0
  if has_lib then
    equal(own:capture({ "/bin/sh", "-c", "echo x >/mnt/x && cat /mnt/x" }).stdout, "x\n")
    if t.box():capture({ "test", "-x", "/usr/bin/env" }).status == 0 and t.box():capture({ "readlink", "-f", "/usr/bin/env" }).stdout:find "^/usr" then
      match(own:capture({ "/bin/sh", "-c", "/usr/bin/env" }).stderr, "denied")
    end
  end
end)

local serving = [[
  local function try(what, ...) local r, why = call(...) print(what, r >= 0 and "done" or why) return r end
  local function address(port)
    local bytes = ffi.new("uint8_t[16]", { 2, 0, math.floor(port / 256), port % 256, 127, 0, 0, 1 })
    return bytes, 16
  end
  local server = try("socket", 41, 2, 1, 0)
  try("bind 8080", 49, server, address(8080))
  try("listen", 50, server, 5)
  try("bind 8081", 49, call(41, 2, 1, 0), address(8081))
  try("bind 0", 49, call(41, 2, 1, 0), address(0))
  try("connect 8080", 42, call(41, 2, 1, 0), address(8080))
  try("connect 9", 42, call(41, 2, 1, 0), address(9))
  local bytes, size = address(8080)
  try("fast open", 44, call(41, 2, 1, 0), "x", 1, 0x20000000, bytes, size)
  try("udp", 41, 2, 2, 0)
  try("raw", 41, 2, 3, 1)
  try("mptcp", 41, 2, 1, 262)
  try("unix", 41, 1, 1, 0)
  try("chroot", 161, "/tmp")
  try("setgid", 106, 1)
  try("setuid", 105, 1)
]]
local function served(options)
  local lines = t.run_program(serving, policy.server(options))
  local answers = {}
  for name, answer in lines.stdout:gmatch "([^\t\n]+)\t([^\n]*)" do answers[name] = answer end
  if not answers.socket then error(lines.stderr) end
  return answers
end

test("server: its ports and TCP, and nothing that goes past them", function()
  need(4)
  local answers = served { ports = { 8080 } }
  for _, name in ipairs { "socket", "bind 8080", "listen", "unix", "setgid", "setuid" } do equal(answers[name], "done", name) end
  for _, name in ipairs { "bind 8081", "bind 0", "connect 8080", "connect 9" } do equal(answers[name], "Permission denied", name) end
  for _, name in ipairs { "fast open", "chroot" } do equal(answers[name], "Operation not permitted", name) end
  for _, name in ipairs { "udp", "raw", "mptcp" } do equal(answers[name], "Address family not supported by protocol", name) end
  answers = served { ports = { 8080, 8081 }, connect = { 8080 }, udp = true }
  for _, name in ipairs { "bind 8081", "connect 8080", "udp" } do equal(answers[name], "done", name) end
  equal(answers["connect 9"], "Permission denied")
  equal(answers.mptcp, "Address family not supported by protocol")
end)

test("server: files are held by the rules that are given", function()
  need(5)
  local box = t.box(policy.server { ports = { 80 }, files = { execute = { "/bin", "/lib" }, read = { "/usr" }, paths = { ["/tmp"] = { "read_dir" } } } })
  if t.box():capture({ "test", "-d", "/usr" }).status ~= 0 or t.box():capture({ "test", "-d", "/lib" }).status ~= 0 then t.skip "the image has no /usr" end
  equal(box:capture({ "/bin/sh", "-c", "ls /tmp; echo x >/tmp/x || cat /etc/passwd || echo held" }).stdout, "held\n")
end)

-- ---- recipes

test("the recipes that use them can be checked and planned by anybody", function()
  local place = t.mkdir("anybody", "755")
  for _, name in ipairs { "recipes/strict.lua", "recipes/build.lua", "recipes/no-network.lua", "recipes/server.lua" } do
    for _, mode in ipairs { "check", "plan" } do
      local as_user = ("cd '%s' && unset CCSAND_STORE && setpriv --reuid 65534 --regid 65534 --clear-groups '%s' %s %s"):format(place, t.ccsand, mode, name)
      local text, status = t.run_host(as_user)
      if text:find "setpriv: not found" or text:find "ermission denied" then t.skip(text) end
      equal(status, 0, text)
    end
  end
end)

test("the recipes run", function()
  local place = t.mkdir("project", "755")
  local text, status = t.run_host(("cd '%s' && echo abc | '%s' recipes/strict.lua -- md5sum"):format(place, t.ccsand))
  if text:find "no static busybox" then t.skip(text) end
  match(text, "%x%x%x%x%x%x%x%x")
  equal(status, 0, text)
  need(5)
  text, status = t.run_host(("'%s' recipes/build.lua --directory='%s'"):format(t.ccsand, place))
  equal(status, 0, text)
  equal(text, "built and run\n")
  text, status = t.run_host(("'%s' recipes/build.lua --directory='%s' -- sh -c 'echo x >made; cat /root/.profile'"):format(t.ccsand, place))
  equal(status, 1)
  match(text, "ermission denied")
  equal(t.read(place .. "/made"), "x\n")
  equal(#t.host_lines("ls -A " .. place), 1, "what is left in the directory")
end)

test("the recipe without a network runs", function()
  local text, status = t.run_host(("'%s' recipes/no-network.lua"):format(t.ccsand))
  if text:find "no static busybox" then t.skip(text) end
  match(text, "\nno network\n$")
  equal(status, 0, text)
end)

test("the recipe of a server serves, and nothing but its port and its files", function()
  need(4)
  local place = t.mkdir("www", "755")
  t.write(place .. "/page", "a page\n")
  -- Any free port of the host's: nobody listens where a connection is refused. The shell asks until the server is up.
  local text, status = t.run_host(([[bash -c '
    for try in $(seq 50); do
      port=$((20000 + RANDOM %% 12000))
      (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null || break
    done
    "%s" recipes/server.lua --port=$port --directory=%s & server=$!
    until exec 3<>/dev/tcp/127.0.0.1/$port || ! kill -0 $server; do :; done 2>/dev/null
    printf "GET /page HTTP/1.0\r\n\r\n" >&3
    cat <&3
    kill $server
    wait $server']]):format(t.ccsand, place))
  if text:find "no static busybox" or text:find "applet not found" then t.skip(text) end
  match(text, "200 OK.*a page\n")
  equal(status, 143, text)
  -- Another port, another's port, other files.
  text = t.run_host(([['%s' recipes/server.lua --port=20001 --directory='%s' -- sh -c '
    httpd -f -p 20002 -h /srv; nc 127.0.0.1 20001; cat /srv/page; echo x >/srv/page; cat /proc/self/status']]):format(t.ccsand, place))
  match(text, "bind[^\n]*ermission denied.*nc[^\n]*ermission denied.*a page\n.*/srv/page[^\n]*\n.*/proc/self/status[^\n]*ermission denied")
  equal(t.read(place .. "/page"), "a page\n")
end)

return t.finish()
