-- Calls that Lua decides while the container runs: every answer, and the attacks on what
-- lies between a check and its use. Those on the process that performs are in performer_test.lua.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ffi = require "ffi"
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local test, sh, out, equal, match, fails, ran = t.test, t.sh, t.out, t.equal, t.match, t.fails, t.program_output

ffi.cdef "struct notify_time { long seconds, nanoseconds; }; int clock_gettime(int, struct notify_time *);"
local time = ffi.new "struct notify_time"
local function now()
  ffi.C.clock_gettime(1, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

local function quiet(f) -- what a failing handler tells goes to stderr, which is not this test's
  local real = io.stderr
  local told = {}
  rawset(io, "stderr", { write = function(_, ...) told[#told + 1] = table.concat { ... } end })
  local good, problem = pcall(f)
  rawset(io, "stderr", real)
  if not good then error(problem, 0) end
  return table.concat(told)
end

-- ---- answers

test("an errno, a number, true, nothing", function()
  local seen = {}
  local answers = {
    getpriority = function(call) seen[#seen + 1] = call:text() return 33 end,
    setpriority = function() return "ENOMEM" end,
    sched_yield = function() return true end,
    getrusage = function() end,
  }
  equal(ran([[print(call(140, 0, 0), call(141, 0, 0, 5)) print(call(24)) print(call(98, 0, 0))]], { notify = answers }),
    "33\t-1\tCannot allocate memory\n0\tnil\n-1\tOperation not permitted")
  equal(seen[1], "getpriority(which=PRIO_PROCESS, who=0)")
end)

test("a function that fails denies, and is told", function()
  local told = quiet(function()
    equal(ran("print(call(140, 0, 0))", { notify = { getpriority = function() error "oh no" end } }), "-1\tOperation not permitted")
  end)
  match(told, "notify.getpriority failed, the call is denied: .*oh no")
end)

test("a wrong answer denies", function()
  quiet(function()
    for _, wrong in ipairs { {}, "ENOSUCH", function() end } do
      equal(ran("print(call(140, 0, 0))", { notify = { getpriority = function() return wrong end } }), "-1\tOperation not permitted")
    end
  end)
end)

test("who asks, and its memory", function()
  local who, bytes, gone
  ran([[local b = ffi.new("char[6]", "hello") print(call(140, ffi.cast("long", b), 5))]], { user = 1234, notify = { getpriority = function(call)
    who, bytes = call:who(), call:read(call.args.which % 2 ^ 31, 1)
    gone = select(2, call:read(8, 4))
    return 1
  end } })
  equal(who.uid, 101234)
  equal(gone, "EFAULT")
end)

test("a descriptor is given", function()
  local sys = require "ccsand.sys"
  local path = t.file "from the host"
  equal(ran([[local fd = call(2, "/nowhere", 0) local b = ffi.new "char[32]" local n = ffi.C.read(fd, b, 32) print(n > 0 and ffi.string(b, n))]],
    { notify = { open = function(call)
      if call.args.pathname ~= "/nowhere" then return true end
      local file = sys.open(path, { "rdonly" })
      call:inject(file, true)
      file:close()
    end } }), "from the host")
end)

test("a call that is slow blocks its caller alone", function()
  local before = now()
  local started = {}
  local slow = t.box { notify = { sched_yield = function() end, uname = function(call)
    started[#started + 1] = now()
    call:sleep(0.3)
    return true
  end } }
  local a = slow:start({ "/bin/sh", "-c", "uname; true" }, { capture = true })
  local b = slow:start({ "/bin/sh", "-c", "uname; true" }, { capture = true })
  local quick = out "echo quick"
  equal(quick, "quick")
  a:wait() b:wait()
  -- Each makes the call twice; one after the other they would take four times as long.
  local took = now() - before
  assert(took > 0.5 and took < 1.1, ("the slow calls took %.2f s"):format(took))
end)

-- ---- performing

test("files are opened in the container's root, with its rights", function()
  local seen = {}
  local spec = {
    files = function(call)
      seen[#seen + 1] = call.args.pathname
      if call.args.pathname:find "forbidden" then return "EACCES" end
      return true
    end,
  }
  local r = sh([[cat /etc/passwd | head -n 1; echo new >/tmp/made; cat /tmp/made; cat /tmp/forbidden; ln -s /../../etc/shadow-of-host /tmp/link
    cat /tmp/link; mkdir /tmp/d; cd /tmp/d; echo rel >rel; cat ./rel; cat ../made; stat -c %a /tmp/made; cat /proc/self/status | grep -c Name]], spec)
  match(r.stdout, "^root:[^\n]*\nnew\nrel\nnew\n644\n1\n", "output, with " .. r.stderr)
  match(r.stderr, "forbidden'?: Permission denied")
  match(r.stderr, "link'?: No such file")
  assert(#seen > 5)
end)

test("a user's rights are the caller's, not ccsand's", function()
  local spec = { files = function() return true end, mounts = { { type = "tmpfs", target = "/mnt", options = { mode = "0755" } } } }
  local box = t.box(spec)
  local script = "echo x >/mnt/x 2>&1 || echo denied; cat /etc/shadow >/dev/null 2>&1 && echo read || echo unread"
  equal(box:with({ user = 1000 }):capture({ "/bin/sh", "-c", script }).stdout:match "denied\n.*$" ~= nil, true)
  match(box:with({ user = 1000 }):capture({ "/bin/sh", "-c", script }).stdout, "unread")
  match(box:capture({ "/bin/sh", "-c", script }).stdout, "read")
  -- Root in the container without dac_override is no more than it is.
  local dropped = box:with({ capabilities = "none" }):capture({ "/bin/sh", "-c", "touch /tmp/f; chmod 0 /tmp/f; cat /tmp/f && echo read || echo unread" })
  match(dropped.stdout, "unread", dropped.stderr)
  local other = t.run_program([[print(call(257, -100, "/proc/1/root/etc/shadow", 0, 0))]], { files = function() return true end })
  match(other.stdout, "^%-1", "magic links")
end)

test("umask, flags and close-on-exec are the caller's", function()
  equal(ran([[
    call(95, 63) -- umask 077
    local fd = call(257, -100, "/tmp/u", 0x80041, 511) -- O_CLOEXEC | O_CREAT | O_WRONLY
    print(call(72, fd, 1), call(72, fd, 3) % 4) -- F_GETFD, F_GETFL
    local plain = call(257, -100, "/tmp/u", 0, 0)
    print(call(72, plain, 1))
    local f = io.popen("stat -c %a /tmp/u") print(f:read "*l")]], { files = function() return true end,
    mounts = { { type = "tmpfs", target = "/tmp", options = { mode = "1777" } } } }), "1\t1\n0\tnil\n700")
end)

test("other arguments can take the place of the caller's", function()
  local r = sh("cat /etc/secret; cat /etc/hostname 2>/dev/null; true", { files = function(call)
    if call.args.pathname == "/etc/secret" then return call:perform { pathname = "/etc/passwd" } end
    return true
  end })
  match(r.stdout, "^root:")
end)

test("what lies in memory cannot change between check and use", function()
  -- One process calls open on a path in shared memory, another writes there all the time.
  local opened = 0
  local attack = [[
    ffi.cdef "void *mmap(void*, size_t, int, int, int, long); int fork(void); int kill(int, int); int waitpid(int, int*, int); void _exit(int);"
    local p = ffi.cast("char*", ffi.C.mmap(nil, 4096, 3, 0x21, -1, 0))
    local good, bad = "/etc/hosts_", "/etc/passwd"
    ffi.copy(p, good)
    local f = io.open("/tmp/hosts", "w") f:close()
    local child = ffi.C.fork()
    if child == 0 then for i = 1, 1e15 do ffi.copy(p, i % 2 == 0 and good or bad, 11) end ffi.C._exit(0) end
    local got, opened, refused = 0, 0, 0
    local b = ffi.new "char[64]"
    for i = 1, 40000 do -- until both have been reached often: where one CPU is all there is, that takes its time
      if i > 400 and opened > 50 and refused > 50 then break end
      local fd = ffi.C.syscall(257, ffi.cast("long", -100), p, ffi.cast("long", 0), ffi.cast("long", 0))
      if fd < 0 and ffi.errno() == 13 then refused = refused + 1 else opened = opened + 1 end
      if fd >= 0 then
        local n = ffi.C.read(tonumber(fd), b, 64)
        if ffi.string(b, n):find "root" then got = got + 1 end
        ffi.C.close(tonumber(fd))
      end
    end
    ffi.C.kill(child, 9) ffi.C.waitpid(child, nil, 0)
    print("reached " .. got)]]
  equal(ran(attack, { root = { host_view = true }, timeout = "120s", files = function(call)
    if call.args.pathname == "/etc/passwd" then return "EACCES" end
    opened = opened + 1
    return true
  end, mounts = { { type = "tmpfs", target = "/tmp", options = { mode = "1777" } } } }), "reached 0")
  assert(opened > 50, "the attack did not reach both paths")
end)

test("what was looked at is never left to the kernel", function()
  local told = quiet(function()
    equal(sh("cat /etc/passwd >/dev/null 2>&1 && echo read", { notify = { openat = function(call)
      if call.args.pathname == "/etc/passwd" then return call:continue() end
      return call:perform()
    end, open = function(call)
      if call.args.pathname == "/etc/passwd" then return call:continue() end
      return call:perform()
    end } }).stdout, "")
  end)
  match(told, "lies in the container's memory")
  match(told, "call:perform")
end)

test("nodes and mounts that a list allows", function()
  local spec = { notify = {
    mknod = function(call) return call.args.dev == 259 and true or "EPERM" end,
    mknodat = function(call) return call.args.dev == 259 and true or "EPERM" end,
    mount = function(call) return call.args.filesystemtype == "tmpfs" and true or "EPERM" end,
  } }
  spec.mounts = { { type = "tmpfs", target = "/srv" } } -- an overlay's nodes are made by who mounted it
  local text = out([[mknod /srv/null c 1 3 && stat -c '%t:%T %u' /srv/null; mknod /srv/mem c 1 1 2>/dev/null || echo no
    mount -t tmpfs none /mnt && grep -c ' /mnt tmpfs.*nosuid.*nodev' /proc/mounts; mount -t proc none /mnt 2>/dev/null || echo no]], spec)
  equal(text, "1:3 0\nno\n1\nno")
end)

test("Landlock's rules hold for what is performed", function()
  if require("ccsand.sys").landlock_abi() < 5 then t.skip "this kernel's Landlock is older than ABI 5" end
  local r = sh("cat /etc/passwd >/dev/null 2>&1 && echo read; cat /etc/group >/dev/null 2>&1 && echo group", { files = function() return true end,
    landlock = { execute = { "/bin" }, paths = { ["/lib"] = { "read", "execute", optional = true }, ["/usr"] = { "read", "execute", optional = true }, ["/etc/group"] = "read_file",
      ["/dev/null"] = { "read_file", "write_file" } } } })
  equal(r.stdout, "group\n", r.stderr)
end)

test("lists of files and of what is executed", function()
  if require("ccsand.sys").landlock_abi() < 5 then t.skip "this kernel's Landlock is older than ABI 5" end
  local base = { "/bin", "/lib", "/usr", "/dev/null" }
  local there = {}
  for _, path in ipairs(base) do
    if path == "/dev/null" or os.execute(("test -e '%s%s'"):format(t.root, path)) == 0 then there[#there + 1] = path end
  end
  local read = { "/etc/passwd", unpack(there) }
  local script = "cat /etc/passwd >/dev/null && echo passwd; cat /etc/group 2>/dev/null || echo no; echo x >/tmp/x && cat /tmp/x; echo y 2>/dev/null >/etc/y || echo no"
  equal(out(script, { files = { read = read, write = { "/tmp", "/dev/null" } } }), "passwd\nno\nx\nno")
  local tools = {}
  for _, path in ipairs(there) do
    if path ~= "/dev/null" then tools[#tools + 1] = path end
  end
  equal(out("cp /bin/busybox /tmp/true && /tmp/true 2>/dev/null || echo no; cat /etc/group >/dev/null && echo read", { exec = tools }), "no\nread")
  equal(out("cp /bin/busybox /tmp/true && /tmp/true && echo yes"), "yes")
end)

test("functions for what is read and what is written", function()
  local read, written = {}, {}
  local spec = { files = { read = function(call) read[call.args.pathname] = true return true end,
    write = function(call) written[call.args.pathname] = true return call.args.pathname ~= "/tmp/no" end } }
  match(sh("cat /etc/passwd >/dev/null; echo x >/tmp/yes; echo x >/tmp/no; ls /tmp", spec).stdout, "^yes\n$")
  assert(read["/etc/passwd"] and written["/tmp/yes"] and written["/tmp/no"] and not written["/etc/passwd"])
end)

-- ---- connections

local server = [[
  ffi.cdef "int socket(int,int,int); int bind(int, const void*, unsigned); int listen(int,int); int connect(int, const void*, unsigned); long sendto(int, const void*, size_t, int, const void*, unsigned); int getsockname(int, void*, unsigned*);"
  local function inet(a, b, c, d, port) return string.char(2, 0, math.floor(port / 256), port % 256, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0) end
  local function inet6(text, port) return string.char(10, 0, math.floor(port / 256), port % 256, 0, 0, 0, 0) .. text .. string.char(0, 0, 0, 0) end
  local function unix(path) return string.char(1, 0) .. path .. string.rep("\0", 108 - #path) end
  local function try(family, kind, address)
    local s = ffi.C.socket(family, kind, 0)
    local r = ffi.C.connect(s, address, #address)
    local why = r < 0 and ffi.string(ffi.C.strerror(ffi.errno())) or "connected"
    ffi.C.close(s)
    return why
  end
  for _, port in ipairs { 8080, 8081 } do
    local s = ffi.C.socket(2, 1, 0)
    assert(ffi.C.bind(s, inet(0, 0, 0, 0, port), 16) == 0)
    ffi.C.listen(s, 50)
    local s6 = ffi.C.socket(10, 1, 0)
    ffi.C.bind(s6, inet6(string.rep("\0", 15) .. "\1", port), 28)
    ffi.C.listen(s6, 50)
  end
]]
test("connections go where the list says", function()
  local spec = { connect = { "127.0.0.0/8:8080", "unix:/run/allowed" } }
  equal(ran(server .. [[
    print(try(2, 1, inet(127, 0, 0, 1, 8080)), try(2, 1, inet(127, 0, 0, 1, 8081)), try(2, 1, inet(10, 0, 0, 1, 8080)))
    print(try(10, 1, inet6(string.rep("\0", 10) .. "\255\255\127\0\0\1", 8080)), try(10, 1, inet6(string.rep("\0", 10) .. "\255\255\127\0\0\1", 8081)))
    print(try(10, 1, inet6(string.rep("\0", 15) .. "\1", 8080)))
    print(try(1, 1, unix "/run/allowed"), try(1, 1, unix "/run/other"), try(1, 1, unix "\0abstract"))
    local u = ffi.C.socket(2, 2, 0)
    print(tonumber(ffi.C.sendto(u, "x", 1, 0, inet(127, 0, 0, 1, 9999), 16)), ffi.string(ffi.C.strerror(ffi.errno())))]], spec),
    "connected\tConnection refused\tConnection refused\nconnected\tConnection refused\nConnection refused\n" ..
    "No such file or directory\tConnection refused\tConnection refused\n-1\tOperation not permitted")
end)

test("a connection as it is asked for, by a function", function()
  local asked = {}
  equal(ran(server .. [[print(try(2, 1, inet(127, 0, 0, 1, 8081)))]], { connect = function(call)
    asked[#asked + 1] = call:text():gsub("sockfd=%d+", "sockfd=N")
    return true
  end }), "connected")
  equal(asked[1], "connect(sockfd=N, addr=127.0.0.1:8081, addrlen=16)")
end)

test("an address cannot change between check and use", function()
  local attack = server .. [[
    ffi.cdef "void *mmap(void*, size_t, int, int, int, long); int fork(void); int kill(int, int); int waitpid(int, int*, int); void _exit(int); int getpeername(int, void*, unsigned*);"
    local p = ffi.cast("char*", ffi.C.mmap(nil, 4096, 3, 0x21, -1, 0))
    ffi.copy(p, inet(127, 0, 0, 1, 8080), 16)
    local child = ffi.C.fork()
    if child == 0 then for i = 1, 1e9 do p[3] = i % 2 == 0 and 0x90 or 0x91 end ffi.C._exit(0) end
    local wrong, right = 0, 0
    for i = 1, 45 do
      local s = ffi.C.socket(2, 1, 0)
      if ffi.C.syscall(42, ffi.cast("long", s), p, ffi.cast("long", 16)) == 0 then
        local peer, size = ffi.new "unsigned char[16]", ffi.new("unsigned[1]", 16)
        ffi.C.getpeername(s, peer, size)
        if peer[3] == 0x91 then wrong = wrong + 1 else right = right + 1 end
      end
      ffi.C.close(s)
    end
    ffi.C.kill(child, 9) ffi.C.waitpid(child, nil, 0)
    print("wrong " .. wrong, right > 0)]]
  equal(ran(attack, { connect = { "127.0.0.1:8080" } }), "wrong 0\ttrue")
end)

test("a call that blocks for ever ends with its container", function()
  local before = now()
  local result = t.box({ timeout = "1s", files = function() return true end }):capture { "/bin/sh", "-c", "mkfifo /tmp/f; cat /tmp/f & echo x; cat /tmp/f" }
  equal(result.reason, "timeout")
  assert(now() - before < 5)
end)

-- ---- execution and denial

test("what is executed is asked for, but for the command itself", function()
  local seen = {}
  local result = sh("/bin/true && echo one; /bin/false-friend; /bin/ls / >/dev/null || echo denied", { exec = function(call)
    seen[#seen + 1] = call.args.argv and call.args.argv[1]
    return call.args.pathname ~= "/bin/ls"
  end })
  match(result.stdout, "one\n.*denied")
  equal(seen[1], "/bin/true")
end)

test("a policy that kills: the reason is 'denied'", function()
  local result = ccsand.container(t.program("call(140, 0, 0) print 'alive'", { seccomp = { kill = { "getpriority" } } })):capture()
  equal(result.reason, "denied")
  equal(result.stdout, "")
  local by_call = ccsand.container(t.program("call(140, 0, 0) print 'alive'", { notify = { getpriority = function(call) call:kill() end } })):capture()
  equal(by_call.reason, "denied")
  equal(by_call.stdout, "")
end)

test("each denial is told with its line, and what would allow it", function()
  local told = {}
  local code = [[print(call(140, 0, 0)) print(call(41, 16, 3, 0)) print(call(41, 1, 1, 0) >= 0) print(call(99, 0))]]
  local result = t.run_program(code, {
    seccomp = { deny = { "getpriority" }, errno = { EAFNOSUPPORT = { socket = "domain == AF_NETLINK" } } },
    on_denied = function(denial) told[#told + 1] = denial end,
  })
  match(result.stdout, "^%-1\tOperation not permitted\n%-1\tAddress family not supported by protocol\ntrue\n")
  local found = {}
  for _, denial in ipairs(told) do found[denial.call] = denial end
  match(found.getpriority.where, "support.lua:%d+")
  equal(found.getpriority.change, 'allow = { "getpriority" }')
  match(found.socket.text, "^socket%(domain=AF_NETLINK, type=SOCK_RAW, protocol=0%)$")
  equal(found.socket.action, "errno EAFNOSUPPORT")
  match(found.socket.change, 'allow = { socket = "domain == AF_NETLINK')
  match(tostring(found.socket), "^denied: .*%[%d+%]: socket")
end)

test("a kill that is watched still kills", function()
  local told = 0
  local result = ccsand.container(t.program("call(140, 0, 0) print 'alive'", {
    seccomp = { kill = { "getpriority" } }, on_denied = function(denial) told = told + 1 equal(denial.action, "kill") end,
  })):capture()
  equal(result.reason, "denied")
  equal(result.stdout, "")
  equal(told, 1)
end)

test("--show-denied on the command line", function()
  local text = t.run_recipe(("return require('ccsand').container { root = %q, command = { '/bin/sh', '-c', 'mount -t tmpfs x /mnt' } }"):format(t.root), "", "")
  t.no_match(text, "ccsand: denied")
  local shown = t.run_host(("'%s' --show-denied '%s'"):format(t.ccsand,
    t.file(("return require('ccsand').container { root = %q, command = { '/bin/sh', '-c', 'mount -t tmpfs x /mnt' } }"):format(t.root), "r.lua")))
  match(shown, "ccsand: denied: mount%[%d+%]: mount%(.*by the default profile.*allow = { \"mount\" }")
end)

test("a further command is asked for as well", function()
  local seen = 0
  local box = t.box({ notify = { uname = function() seen = seen + 1 return true end } }):start({ "/bin/sh", "-c", "sleep 30" })
  local result = box:exec { "/bin/uname" }
  box:kill()
  box:wait()
  equal(result.status, 0, result.stderr)
  assert(seen > 0, "it was not asked for")
end)

-- ---- attacks on what is told

test("what the kernel does not look at, handlers do not see", function()
  -- The upper half of an int: the kernel ignores it, and a double would lose bits below it.
  local seen = {}
  equal(ran([[print((tonumber(ffi.C.syscall(41, ffi.cast("long", 0x7fffffff00000010LL), ffi.cast("long", 3), ffi.cast("long", 0)))))]],
    { notify = { socket = function(call)
      seen[#seen + 1] = call.args.domain
      if call.args.domain == 16 then return "EACCES" end
      return call:continue()
    end } }), "-1")
  equal(seen[1], 16)
  local told = {}
  local result = t.run_program([[print((tonumber(ffi.C.syscall(41, ffi.cast("long", 0x7fffffff00000028LL), ffi.cast("long", 1), ffi.cast("long", 0)))))]],
    { on_denied = function(denial) told[#told + 1] = denial.text end })
  match(result.stdout, "^%-1\n")
  match(told[1], "^socket%(domain=AF_VSOCK")
end)

test("what is told holds no control characters", function()
  local told = {}
  t.run_program([[call(165, "a\27[31m\nccsand: denied", "/mnt\194\155", "tmpfs", 0, 0)]], { on_denied = function(denial) told[#told + 1] = tostring(denial) end })
  match(told[1], "mount")
  t.no_match(table.concat(told), "[%c\127-\255]")
end)

test("a huge argv is not copied whole", function()
  local seen
  ran([[
    local big = ("x"):rep(60000)
    local argv = ffi.new("const char*[300]")
    for i = 0, 298 do argv[i] = big end
    print(ffi.C.syscall(59, "/bin/none", argv, argv))]], { exec = function(call) seen = call.args.argv == nil return false end })
  equal(seen, true)
end)

-- ---- attacks on what decides

test("what would go past the functions is not there", function()
  for _, key in ipairs { "files", "exec", "connect" } do
    match(ran([[print(call(425, 8, 0))]], { seccomp = "none", [key] = function() return true end }), "Function not implemented", key)
  end
  equal(ran([[
    local s = call(41, 2, 2, 0)
    print(call(54, s, 0, 4, "\131\7\4\10\0\0\1\0", 8), call(54, s, 1, 2, ffi.new("int[1]", 1), 4))]], { capabilities = "all", connect = { "*:53" } }),
    "-1\t0\tnil")
end)

test("a call that is kept after its answer is harmless", function()
  local kept = {}
  equal(ran("print(call(2, '/kept', 0)) print(call(2, '/kept', 64))", { notify = { open = function(call)
    if call.args.pathname ~= "/kept" then return true end
    kept[#kept + 1] = call
    return "ENOTDIR"
  end } }), "-1\tNot a directory\n-1\tNot a directory")
  equal(#kept, 2)
  equal(kept[1].name, "open")
  equal(kept[1].args.pathname, "/kept")
  equal(kept[2].args.flags, 64)
  match(kept[2]:text(), 'open%(pathname="/kept", flags=O_CREAT')
  for _, method in ipairs { "deny", "answer", "continue", "kill", "who" } do
    match(select(2, pcall(kept[1][method], kept[1], method == "continue" and { racy = true } or nil)), "the call has its answer", method)
  end
end)

test("thousands of calls leave nothing", function()
  local count, most = 0, 0
  local function descriptors() return #t.host_lines("ls /proc/" .. ffi.C.getpid() .. "/fd") end
  local before = descriptors()
  out("i=0; while [ $i -lt 1000 ]; do : </etc/passwd; i=$((i+1)); done", { timeout = "300s", files = function()
    count = count + 1
    if count % 100 == 0 then most = math.max(most, descriptors() - before) end
    return true
  end })
  assert(count >= 1000)
  assert(most < 40, most .. " more descriptors while it ran")
end)

-- What makes one decided call after the other must not keep the rest of ccsand from its turn.
test("calls that block for a container that has ended keep nobody, nor its cgroup", function()
  local result = t.sh("mkfifo /tmp/f; for i in 1 2 3 4; do cat /tmp/f & done; sleep 0.2", { limits = { pids = 300 }, files = function() return true end })
  equal(result.status, 0)
  local groups = ("find /sys/fs/cgroup -type d -path '*/ccsand/%d-*' 2>/dev/null"):format(require("ccsand.sys").getpid())
  equal(table.concat(t.host_lines(groups), " "), "")
end)

test("a row of calls without end does not hide a time-out", function()
  local seen = 0
  local result = t.box({ notify = { umask = function() seen = seen + 1 return 18 end } })
    :capture({ "/bin/sh", "-c", "while :; do umask 022; done" }, { timeout = "1s" })
  equal(result.reason, "timeout")
  assert(seen > 100, "no row of calls")
end)
test("a row of calls without end does not hide a signal", function()
  local text = t.run_recipe(([[
    local ccsand, ffi = require "ccsand", require "ffi"
    ffi.cdef "int kill(int, int); int getpid(void);"
    local seen = 0
    local box = ccsand.container { root = %q, timeout = "60s", notify = { umask = function()
      seen = seen + 1
      if seen == 1000 then ffi.C.kill(ffi.C.getpid(), 15) end
      return 18
    end } }
    local result = box:run { "/bin/sh", "-c", "while :; do umask 022; done" }
    print(result.reason, result.signal)]]):format(t.root), "", "")
  match(text, "signalled%s+TERM")
end)
test("a handler's text for the program that asks reaches it in the middle of a row", function()
  local running
  local box = ccsand.container(t.program("local n = 0 repeat n = n + 1 local r = call(140, 0, 0) until r == 7 print(io.read())", {
    notify = { getpriority = function()
      if not running then return 1 end
      running:write(("x"):rep(200000) .. "\n")  -- more than a pipe holds
      running:close_stdin()
      running = nil
      return 7
    end } }))
  local started = box:start(nil, { interactive = true })
  running = started
  equal(#(started:read_line(60) or ""), 200000)
  equal(started:wait("60s").status, 0)
end)

test("input that makes no sense", function()
  fails(function() t.box { notify = { openat = "yes" } } end, "container.notify.openat: must be a function")
  fails(function() t.box { notify = { opneat = function() end } } end, "'opneat'", "did you mean 'openat'?")
  fails(function() t.box { connect = { "10.0.0.1:99999" } } end, "10.0.0.1:99999", "port")
  fails(function() t.box { connect = { "example.org:80" } } end, "names are not looked up")
  fails(function() t.box { seccomp = "strcit" } end, "there is no policy 'strcit'")
  fails(function() t.box { files = { reed = {} } } end, "'reed' is not a key")
  fails(function() t.box { files = { read = {}, write = function() end } } end, "files.read: must be a function")
  fails(function() t.box { files = { read = 5 } } end, "container.files.read")
  fails(function() t.box { exec = { 5 } } end, "container.exec: lists paths")
  fails(function() t.box { seccomp = 5 } end, "container.seccomp")
  fails(function() t.box { no_new_privs = false, notify = { openat = function() end } } end, "no_new_privs")
end)

return t.finish()
