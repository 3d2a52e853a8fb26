-- Landlock: each right, port and scope is attacked from inside; a kernel that cannot keep
-- a rule is an error.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local sys = require "ccsand.sys"
local t = require "support"
t.begin()
local test, sh, out, equal, match, fails = t.test, t.sh, t.out, t.equal, t.match, t.fails

local abi = sys.landlock_abi()
local function need(least)
  if abi < least then t.skip(("this kernel's Landlock has ABI %d, and this takes ABI %d"):format(abi, least)) end
end

-- What a shell needs, and more.
local function rules(more)
  local list = {
    execute = { "/bin" },
    paths = {
      ["/lib"] = { "read", "execute", optional = true }, ["/usr"] = { "read", "execute", optional = true },
      ["/dev/null"] = { "read_file", "write_file" },
    },
  }
  for key, value in pairs(more or {}) do
    if key == "paths" then for path, rights in pairs(value) do list.paths[path] = rights end
    else list[key] = value end
  end
  return list
end
local function under(more, spec)
  local all = { landlock = rules(more) }
  for key, value in pairs(spec or {}) do all[key] = value end
  return all
end

-- Attacks that are programs of ccsand's own: a sanitizer in it reads /proc, which the rules deny.
local starts, why_not
local function need_own_start()
  if starts == nil then
    local paths = { ["/run"] = { "read", "execute" } }
    for _, path in ipairs { "/bin", "/lib", "/lib64", "/usr", "/etc/ld.so.cache" } do paths[path] = { "read", "execute", optional = true } end
    local result = t.run_program("print 'starts'", { landlock = { paths = paths } })
    starts, why_not = result.stdout == "starts\n", result.stderr:match "[^\n]*Sanitizer[^\n]*"
  end
  if not starts and why_not then t.skip("this build of ccsand does not run without /proc: " .. why_not) end
end
local function run_program(code, more)
  need_own_start()
  return t.run_program(code, more)
end
local function program_spec(code, more)
  need_own_start()
  return t.program(code, more)
end

-- ---- files

test("what no rule names is out of reach", function()
  need(5)
  local place = { { type = "tmpfs", target = "/mnt", options = { mode = "1777" } } }
  local kinds = {
    usual = {}, ["no user namespace"] = { user_namespace = false }, ["a user"] = { user = 1000 }, ["an init"] = { init = true },
    ["all capabilities"] = { capabilities = "all" }, ["a read-only root"] = { root = { access = "read_only" }, mounts = place },
    ["a function before exec"] = { before_exec = function() end }, ["a filter"] = { seccomp = { bpf = "\6\0\0\0\0\0\255\127" } },
    ["mounted places"] = { mounts = place },
  }
  for name, spec in pairs(kinds) do
    local result = sh("cat /etc/passwd; echo x >/mnt/x; ls /; ls /proc; /bin/true && echo allowed", under({}, spec))
    equal(result.stdout, "allowed\n", name)
    local _, denied = result.stderr:gsub("Permission denied", "")
    equal(denied, 4, name .. ": " .. result.stderr)
    local free = sh("cat /etc/passwd >/dev/null && ls / >/dev/null && ls /proc >/dev/null && echo reached", spec)
    equal(free.stdout, "reached\n", name .. ", without rules")
  end
end)

test("the rules hold in a view of the host", function()
  need(5)
  local attack = [[print(readable "/etc/passwd", readable "/usr/bin/env", (select(2, io.open("/tmp/x", "w"))))]]
  local list = { execute = { "/usr" }, read = { "/run/attack.lua" }, paths = { ["/run/ccsand-test"] = { "read", "execute" } } }
  for _, path in ipairs { "/lib", "/lib64", "/bin" } do list.paths[path] = { "read", "execute", optional = true } end
  equal(run_program(attack, { landlock = list }).stdout, "false\ttrue\t/tmp/x: Permission denied\n")
  equal(run_program(attack).stdout, "true\ttrue\tnil\n", "without rules")
end)

-- Everything but one right, in a place of its own: what needs that right fails, and nothing else does.
local rights = { "execute", "write_file", "read_file", "read_dir", "remove_dir", "remove_file", "make_char", "make_dir", "make_reg",
                 "make_sock", "make_fifo", "make_block", "make_sym", "refer", "truncate", "ioctl_dev" }
-- Kernels need several at once for these: execve reads, link makes, rename removes and makes.
local also = { read_file = { "execute" }, make_reg = { "refer", "rename" }, remove_file = { "rename" }, refer = { "rename" } }
local attack = [[
local work = "/tmp/place/"
local function opened(path, flags)
  local fd, why = call(2, path, flags, 0)
  if fd >= 0 then ffi.C.close(fd) end
  return fd, why
end
local S_IFREG, S_IFSOCK, S_IFIFO, S_IFCHR, S_IFBLK = 0x8000, 0xC000, 0x1000, 0x2000, 0x6000
local attempts = {
  { "execute", function() return os.execute(work .. "program 2>/dev/null") == 0 and 0 or -1, "Permission denied" end },
  { "write_file", function() return opened(work .. "file", 1) end },
  { "read_file", function() return opened(work .. "file", 0) end },
  { "read_dir", function() return opened(work .. "from", 0x10000) end },
  { "truncate", function() return call(76, work .. "file", 1) end },
  { "remove_dir", function() return call(84, work .. "empty") end },
  { "remove_file", function() return call(87, work .. "old") end },
  { "make_char", function() return call(133, work .. "char", S_IFCHR, 0) end },
  { "make_block", function() return call(133, work .. "block", S_IFBLK, 0) end },
  { "make_dir", function() return call(83, work .. "dir", 511) end },
  { "make_reg", function() return call(133, work .. "reg", S_IFREG, 0) end },
  { "make_sock", function() return call(133, work .. "sock", S_IFSOCK, 0) end },
  { "make_fifo", function() return call(133, work .. "fifo", S_IFIFO, 0) end },
  { "make_sym", function() return call(88, "file", work .. "sym") end },
  { "refer", function() return call(86, work .. "from/a", work .. "to/linked") end },
  { "rename", function() return call(82, work .. "from/b", work .. "to/renamed") end },
  { "ioctl_dev", function()
    local fd = call(2, "/dev/null", 0, 0)
    return call(16, fd, 0x5401, ffi.new "char[64]")                 -- TCGETS, which null does not have
  end },
}
for _, attempt in ipairs(attempts) do
  local result, why = attempt[2]()
  local denied = result < 0 and (why == "Permission denied" or why == "Invalid cross-device link")
  print(attempt[1], denied and "denied" or "allowed", result, why)
end]]
local function prepare()
  local place = "/tmp/place"
  for _, name in ipairs { "", "/from", "/to", "/empty" } do sys.mkdir(place .. name, "0777") end
  for _, name in ipairs { "/file", "/old", "/from/a", "/from/b", "/program" } do
    local file = sys.open(place .. name, { "wronly", "creat" }, { mode = "0755" })
    file:write "#!/bin/true\n"
    file:close()
  end
end
local function attempts_with(allowed)
  local device = { "read_file", "write_file" }
  for _, right in ipairs(allowed) do if right == "ioctl_dev" then device[3] = right end end
  local list = { paths = { ["/tmp/place"] = allowed, ["/dev/null"] = device, ["/run"] = { "read", "execute" } } }
  for _, path in ipairs { "/bin", "/lib", "/lib64", "/usr", "/etc/ld.so.cache" } do list.paths[path] = { "read", "execute", optional = true } end
  local result = run_program(attack, { landlock = list, before_exec = prepare })
  local denied = {}
  for name, state in result.stdout:gmatch "([%w_]+)\t(%w+)[^\n]*\n" do if state == "denied" then denied[#denied + 1] = name end end
  equal(select(2, result.stdout:gsub("\n", "")), 17, "attempts: " .. result.stdout .. result.stderr)
  table.sort(denied)
  return table.concat(denied, " "), result.stdout
end

test("with all rights all is allowed", function()
  need(5)
  local denied, text = attempts_with(rights)
  equal(denied, "", text)
  denied, text = attempts_with { "read", "write", "execute", "ioctl_dev" }
  equal(denied, "", "the sets: " .. text)
end)
for _, right in ipairs(rights) do
  test("without " .. right .. " nothing gets it done", function()
    need(5)
    local allowed, wanted = {}, { right }
    for _, other in ipairs(rights) do if other ~= right then allowed[#allowed + 1] = other end end
    for _, more in ipairs(also[right] or {}) do wanted[#wanted + 1] = more end
    table.sort(wanted)
    local denied, text = attempts_with(allowed)
    equal(denied, table.concat(wanted, " "), text)
  end)
end

test("the lists are what they say", function()
  need(5)
  local place = { mounts = { { type = "tmpfs", target = "/mnt", options = { mode = "1777" } } },
                  before_exec = function() local f = io.open("/mnt/a", "w") f:write "#!/bin/true\n" f:close() sys.chmod("/mnt/a", "0755") end }
  local script = "cat /mnt/a >/dev/null 2>&1 && ls /mnt >/dev/null 2>&1 && echo read; (echo '#!/bin/true' >/mnt/a) 2>/dev/null && mkdir /mnt/d 2>/dev/null && rmdir /mnt/d && echo write; /mnt/a 2>/dev/null && echo execute; true"
  equal(out(script, under({ read = { "/mnt" } }, place)), "read")
  equal(out(script, under({ write = { "/mnt" } }, place)), "read\nwrite")
  equal(out(script, under({ execute = { "/bin", "/mnt" } }, place)), "read\nexecute")
  equal(out(script, under({ execute = { "/bin", "/mnt" }, write = { "/mnt" } }, place)), "read\nwrite\nexecute")
end)

test("a rule on a file takes what files have of its rights, and is of that file alone", function()
  need(5)
  local script = "cat /etc/passwd >/dev/null && echo read; cat /etc/group 2>/dev/null || echo denied"
  equal(out(script, under { read = { "/etc/passwd" } }), "read\ndenied")
  equal(sh("echo x >>/etc/passwd && tail -n 1 /etc/passwd; echo x >/etc/group; echo x >/etc/new", under { write = { "/etc/passwd" } }).stdout, "x\n")
  local problem = fails(function() sh("true", under { paths = { ["/etc/passwd"] = { "make_dir", "read_dir" } } }) end, "'/etc/passwd'", "no directory")
  equal(problem.code, "ENOTDIR")
end)

test("links of the image are followed, those of /proc are not", function()
  need(5)
  local spec = { before_exec = function() sys.symlink("/etc", "/opt/etc") end }
  equal(out("cat /etc/passwd >/dev/null && echo read", under({ read = { "/opt/etc" } }, spec)), "read")
  local problem = fails(function() sh("true", under { read = { "/proc/self/root/etc" } }) end, "'/proc/self/root/etc'", "not followed")
  equal(problem.code, "ELOOP")
end)

test("a path that does not exist is an error, unless it is optional", function()
  need(5)
  local problem = fails(function() sh("true", under { read = { "/no/such/place" } }) end, "landlock", "'/no/such/place'", "step ", "optional")
  equal(problem.code, "ENOENT")
  problem = fails(function() sh("true", under { read = { "/etc/passwd/x" } }) end, "'/etc/passwd/x'")
  equal(problem.code, "ENOTDIR")
  equal(out("echo runs", under { paths = { ["/no/such/place"] = { "read", optional = true }, ["/etc/passwd/x"] = { "read", optional = true } } }), "runs")
end)

test("nothing allowed is nothing done, not even the command", function()
  need(5)
  for _, list in ipairs { { paths = {} }, { read = {} }, { read = { "/" } } } do
    local problem = fails(function() sh("true", { landlock = list }) end, "exec", "/bin/sh", "landlock does not allow")
    equal(problem.code, "EACCES")
    equal(problem.exit_status, 126)
  end
end)

test("what is mounted can neither be changed nor left", function()
  need(5)
  local result = sh("mount -t tmpfs none /mnt; umount /proc; chroot / /bin/true && echo in the same root", under({}, { capabilities = "all" }))
  match(result.stderr, "mount: [^\n]*[Pp]erm")
  match(result.stderr, "umount: [^\n]*[Pp]erm")
  equal(result.stdout, "in the same root\n")
end)

-- ---- TCP

local network = [[
ffi.cdef "struct address { unsigned short family; unsigned char port[2]; unsigned char ip[4]; char zero[8]; };"
local function address(port)
  return ffi.new("struct address", 2, { math.floor(port / 256), port % 256 }, { 127, 0, 0, 1 })
end
local function tcp() return (call(41, 2, 1, 0)) end
local function try(n, fd, port)
  local result, why = call(n, fd, address(port), 16)
  return result == 0 and "done" or why
end
local server = tcp()
print("bind 8080", try(49, server, 8080))
call(50, server, 5)
print("bind 8081", try(49, tcp(), 8081))
print("bind 8082", try(49, tcp(), 8082))
print("connect 8080", try(42, tcp(), 8080))
print("connect 8083", try(42, tcp(), 8083))
print("udp", try(49, (call(41, 2, 2, 0)), 8081), try(42, (call(41, 2, 2, 0)), 8083))]]
local function network_under(list)
  local result = run_program(network, { landlock = list })
  return (result.stdout:gsub("Permission denied", "denied"):gsub("Connection refused", "refused"):gsub("\t", " "))
end

test("TCP ports that no rule names are denied", function()
  need(4)
  equal(network_under(nil), "bind 8080 done\nbind 8081 done\nbind 8082 done\nconnect 8080 done\nconnect 8083 refused\nudp done done\n", "without rules")
  equal(network_under { bind = { 8080, 8082 }, connect = { 8080 } },
    "bind 8080 done\nbind 8081 denied\nbind 8082 done\nconnect 8080 done\nconnect 8083 denied\nudp done done\n")
  equal(network_under { connect = {} },
    "bind 8080 done\nbind 8081 done\nbind 8082 done\nconnect 8080 denied\nconnect 8083 denied\nudp done done\n", "no connect")
  equal(network_under { bind = {} },
    "bind 8080 denied\nbind 8081 denied\nbind 8082 denied\nconnect 8080 refused\nconnect 8083 refused\nudp done done\n", "no bind")
end)

-- ---- scopes

local sockets = [[
ffi.cdef "struct unix_address { unsigned short family; char name[108]; };"
local function address()
  local value = ffi.new "struct unix_address"
  value.family = 1
  ffi.copy(value.name + 1, "ccsand", 6)
  return value
end
local fd = call(41, 1, 1, 0)
if arg[1] == "listen" then
  assert(call(49, fd, address(), 9) == 0 and call(50, fd, 5) == 0)
  print((call(42, call(41, 1, 1, 0), address(), 9)))                -- its own it may connect to
  io.stdout:flush()
  io.open("/tmp/ready", "w"):close()
  call(34)                                                          -- pause
end
local result, why = call(42, fd, address(), 9)
print(why or result)]]
local function connect_under(list)
  local spec = program_spec(sockets, { landlock = list })
  local running = ccsand.container(spec):start({ "/run/ccsand-test", "/run/attack.lua", "listen" }, { capture = true })
  for _ = 1, 200 do
    if running:exec({ "/bin/sh", "-c", "test -e /tmp/ready" }).status == 0 then break end
    os.execute "sleep 0.01"
  end
  local result = running:exec({ "/run/ccsand-test", "/run/attack.lua" })
  running:kill()
  return running:wait().stdout .. result.stdout .. result.stderr
end

test("abstract unix sockets of others are out of scope", function()
  need(6)
  equal(connect_under(nil), "0\n0\n", "without rules")
  equal(connect_under { scope = "signal" }, "0\n0\n", "another scope")
  equal(connect_under { scope = "abstract_unix_socket" }, "0\nOperation not permitted\n")
end)

test("others are out of a signal's scope", function()
  need(6)
  local script = "kill -0 1 2>/dev/null && echo other; sleep 9 & kill -0 $! && echo own; kill $!"
  for list, wanted in pairs { [{ scope = "signal" }] = "own\n", [{ scope = "abstract_unix_socket" }] = "other\nown\n",
                              [{ scope = { "signal", "abstract_unix_socket" } }] = "own\n" } do
    local running = t.box({ landlock = list }):start({ "sleep", "20" })
    equal(running:exec({ "/bin/sh", "-c", script }).stdout, wanted)
    running:kill()
    equal(running:wait().signal, "KILL", "ccsand's own signals get there")
  end
end)

-- ---- further commands

test("a further command is under the rules of its container", function()
  need(5)
  local running = t.box(under { write = { "/tmp" }, connect = {} }):start({ "sleep", "20" })
  for _, options in ipairs { {}, { user = 1000 }, { capabilities = "all" } } do
    local result = running:exec({ "/bin/sh", "-c", "cat /etc/passwd; echo x >/root/x; echo y >/tmp/y$$ && echo allowed" }, options)
    equal(result.stdout, "allowed\n", result.stderr)
    equal(select(2, result.stderr:gsub("denied", "")), 2, result.stderr)
  end
  running:kill()
  running:wait()
end)

test("what a container puts in the place of a path is nothing to a further command", function()
  need(5)
  for _, trick in ipairs { "rm -r /tmp/own && ln -s / /tmp/own", "rm -r /tmp/own && ln -s /etc /tmp/own" } do
    local spec = under({ write = { "/tmp" }, paths = { ["/tmp/own"] = { "read", "execute" } } }, { before_exec = function() sys.mkdir("/tmp/own", "0777") end })
    local running = t.box(spec):start({ "/bin/sh", "-c", trick .. "; : >/tmp/ready; exec sleep 20" })
    for _ = 1, 200 do
      if running:exec({ "/bin/sh", "-c", "test -e /tmp/ready" }).status == 0 then break end
    end
    local result = running:exec({ "/bin/sh", "-c", "readlink /tmp/own >/dev/null && echo replaced; cat /etc/passwd; ls /tmp/own/" })
    running:kill()
    running:wait()
    equal(result.stdout, "replaced\n", trick)
  end
end)

-- ---- the primitive

-- What f returns in a child, which it may restrict for good.
local function in_child(f)
  local reader, writer = sys.pipe()
  local child = sys.clone({}, function()
    reader:close()
    writer:write(tostring(f()))
  end)
  writer:close()
  local good, problem = pcall(child.wait, child, 20)
  local text = reader:read "*a"
  reader:close()
  child:close()
  if not good then error(problem, 0) end
  return text
end
local function can_read(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

test("sys.landlock restricts the process at once, and what it starts", function()
  need(5)
  equal(in_child(function()
    local before = can_read "/etc/passwd"
    sys.landlock { execute = { "/usr", "/bin" }, paths = { ["/lib"] = { "read", "execute", optional = true }, ["/lib64"] = { "read", "execute", optional = true } } }
    local pipe = io.popen "cat /etc/passwd 2>&1; true"
    local text = pipe:read "*a"
    pipe:close()
    return ("%s %s %s"):format(before, can_read "/etc/passwd", text:match "Permission denied")
  end), "true false Permission denied")
  equal(in_child(function() return can_read "/etc/passwd" end), "true", "its parent")
end)

test("rules add up to what all of them allow", function()
  need(5)
  equal(in_child(function()
    sys.landlock { read = { "/etc", "/usr" } }
    sys.landlock { read = { "/etc/passwd", "/usr" } }
    return ("%s %s %s"):format(can_read "/etc/passwd", can_read "/etc/group", can_read "/usr/bin/env")
  end), "true false true")
  local problem = fails(function()
    in_child(function()
      for _ = 1, 17 do sys.landlock { scope = "signal", least_abi = 6 } end
    end)
  end, "16 rulesets")
  equal(problem.code, "E2BIG")
end)

test("who could gain rights by exec cannot restrict itself", function()
  need(5)
  local function as_nobody(prepare)
    return in_child(function()
      sys.setgroups {}
      sys.setgid(65534)
      sys.setuid(65534)
      prepare()
      sys.landlock { read = { "/usr" } }
      return can_read "/etc/passwd"
    end)
  end
  local problem = fails(function() as_nobody(function() end) end, "landlock_restrict_self", "no_new_privs")
  equal(problem.code, "EPERM")
  equal(as_nobody(sys.no_new_privs), "false")
end)

-- ---- mistakes, which need no kernel

local function wrong(list, ...) return fails(function() ccsand.container { root = "/", landlock = list } end, ...) end

test("an unknown word names the nearest that is known", function()
  wrong({ reed = { "/" } }, "container.landlock.reed", "is not a key", "'read'")
  wrong({ pathes = {} }, "container.landlock.pathes", "'paths'")
  wrong({ paths = { ["/x"] = "reed" } }, "container.landlock.paths['/x']", "'reed'", "'read'")
  wrong({ paths = { ["/x"] = { "read", "make_dirs" } } }, "'make_dirs'", "'make_dir'")
  wrong({ paths = { ["/x"] = { "read", optinal = true } } }, "paths['/x'].optinal", "'optional'")
  wrong({ scope = "signals" }, "container.landlock.scope", "'signals'", "'signal'")
  fails(function() sys.landlock { reed = { "/" } } end, "landlock.reed", "'read'")
end)

test("what makes no sense is refused", function()
  fails(function() ccsand.container { root = "/", landlock = true } end, "container.landlock", "must be a table", "boolean")
  fails(function() sys.landlock "x" end, "takes a table, got string")
  wrong({}, "container.landlock", "restricts nothing")
  wrong({ least_abi = 3 }, "restricts nothing")
  wrong({ read = "/usr" }, "container.landlock.read", "must be a list")
  wrong({ read = { "usr" } }, "paths['usr']", "absolute")
  wrong({ read = { "/usr/../etc" } }, "'/usr/../etc'", "'..'")
  wrong({ paths = { "/usr" } }, "container.landlock.paths", "paths as keys")
  wrong({ paths = { ["/usr"] = {} } }, "'/usr'", "allows nothing")
  wrong({ paths = { ["/usr"] = { "read", nil, "write" } } }, "'/usr'", "without holes")
  wrong({ paths = { ["/usr"] = true } }, "'/usr'", "must be")
  wrong({ connect = { 65536 } }, "container.landlock.connect", "65535")
  wrong({ bind = { "80" } }, "container.landlock.bind", "whole numbers")
  wrong({ connect = 80 }, "container.landlock.connect", "must be a list")
  wrong({ scope = {} }, "container.landlock.scope", "names none")
  wrong({ scope = { signal = true } }, "container.landlock.scope", "must be a list")
  wrong({ read = { "/" }, least_abi = 8 }, "container.landlock.least_abi", "7")
  fails(function() ccsand.container { root = "/", landlock = { read = { "/" } }, no_new_privs = false } end, "container.landlock", "no_new_privs")
end)

test("the plan says what is allowed", function()
  local text = ccsand.container { root = "/srv", landlock = { execute = { "/usr" }, write = { "/usr" }, connect = { 443, 80 }, bind = {},
    paths = { ["/dev/tty"] = { "read_file", "ioctl_dev", optional = true } }, scope = { "signal" } } }:plan()
  match(text, "^  1  host       landlock ruleset as @0: files tcp_connect=443,80 tcp_bind=none scope=signal %(ABI 6 or newer%)\n")
  match(text, "landlock @0 allow read,write,execute in '/usr'\n")
  match(text, "landlock @0 allow read_file,ioctl_dev in '/dev/tty' if it exists\n")
  text = ccsand.container { root = "/srv", landlock = { read = { "/a" }, paths = { ["/a"] = { "make_dir", optional = true } } } }:plan()
  match(text, "allow read,make_dir in '/a'\n", "who names it twice needs it")
  match(text, "landlock restrict to @0\n *%d+  container  load seccomp filter 'default' [^\n]+\n *%d+  container  exec ")
end)

test("a kernel that cannot keep the rules says so before anything is made", function()
  if abi >= 7 then t.skip "this kernel has all that ccsand knows" end
  local problem = fails(function() sh("true", { landlock = { read = { "/" }, least_abi = 7 } }) end, "step 1/", "needs ABI 7 (Linux 6.15)")
  equal(problem.code, "EOPNOTSUPP")
end)

return t.finish()
