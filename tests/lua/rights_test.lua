-- What a container's processes may do: devices, mounts, capabilities, users, signals
-- and tracing across containers.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local test, sh, out, equal, match = t.test, t.sh, t.out, t.equal, t.match

-- ---- /dev

test("the devices work", function()
  equal(out "head -c 3 /dev/zero | od -An -tx1 | tr -d ' '; echo x >/dev/null; head -c 8 /dev/urandom | wc -c; echo x >/dev/full 2>/dev/null || echo full",
    "000000\n8\nfull")
  equal(out "cd /dev; ls -d fd stdin stdout stderr ptmx pts shm mqueue | tr '\\n' ' '; echo a | cat /dev/stdin; echo x >/dev/shm/a && cat /dev/shm/a",
    "fd mqueue ptmx pts shm stderr stdin stdout a\nx")
end)

test("nothing can be made, changed or removed in /dev", function()
  for _, command in ipairs { "touch /dev/x", "mkdir /dev/x", "ln -s a /dev/x", "rm -f /dev/null", "chmod 0 /dev/null", "mv /dev/zero /dev/z",
                             "chown 1 /dev/tty", "touch -d 2001-01-01 /dev/null", "mknod /dev/p p", "rmdir /dev/mqueue", "echo x >/dev/console" } do
    match(sh(command).stderr, "Read%-only file system", command)
  end
end)

test("device nodes cannot be made", function()
  for _, more in ipairs { {}, { capabilities = { add = { "mknod", "sys_admin" } } } } do
    match(sh("mknod /x c 1 3", more).stderr, "not permitted", "a character device")
    match(sh("mknod /x b 8 0", more).stderr, "not permitted", "a block device")
    match(sh("mknod /dev/shm/x c 1 3", more).stderr, "not permitted", "in /dev/shm")
  end
end)

test("mounting is denied", function()
  for _, command in ipairs { "mount -t tmpfs none /mnt", "mount -o remount,rw /dev", "mount -o remount,rw,bind /sys", "umount /proc/sys", "umount -l /proc",
                             "unshare -m true", "mount --bind / /mnt" } do
    match(sh(command).stderr, "[Pp]ermi", command)
  end
end)

-- ---- with sys_admin in the user namespace, what the host lent stays as it was lent

local admin = { add = { "sys_admin" } }
local function with_admin(more)
  more.capabilities = admin
  return more
end
-- Takes the read-only attribute off, by both calls that can; then tries to write.
local remount = "mount -o remount,rw,bind %s 2>/dev/null; mount -o remount,rw %s 2>/dev/null; umount %s 2>/dev/null; mount -o rw,bind %s /opt 2>/dev/null;"
local function unlock(path) return (remount:gsub("%%s", path)) end

test("sys_admin cannot write to /dev, which containers of one recipe share", function()
  local first = t.box(with_admin {}):start({ "sleep", "20" }, { capture = true })
  local result = sh(unlock "/dev" .. "touch /dev/x; rm -f /dev/null; ln -s x /dev/y; chmod 0 /dev/zero; mount -o remount,rw /dev 2>&1; cat /proc/mounts | grep ' /dev '", with_admin {})
  local seen = first:exec({ "/bin/sh", "-c", "ls /dev/x /dev/y /dev/null 2>/dev/null; stat -c %a /dev/zero" })
  first:kill()
  first:wait()
  equal(seen.stdout, "/dev/null\n666\n", "what the other container sees")
  equal(sh("ls /dev/x", with_admin {}).status, 1, "the next one")
  match(result.stdout, " tmpfs ro,")
end)

test("sys_admin cannot write to a mount that was lent to read", function()
  local lent = t.mkdir("lent", "777")
  t.write(lent .. "/file", "as it was")
  os.execute("chmod 666 " .. lent .. "/file")
  sh(unlock "/mnt" .. "echo changed >/mnt/file; echo changed >/opt/file; touch /mnt/new",
    with_admin { mounts = { { source = lent, target = "/mnt" } } })
  equal(t.read(lent .. "/file"), "as it was", "the file")
  equal(t.host_lines("ls " .. lent)[2], nil, "new files")
end)

test("sys_admin cannot write to the image of a read-only root", function()
  local root = t.mkdir("root", "755")
  os.execute(("cp -a '%s/.' '%s'"):format(t.root, root))
  sh("mount -t tmpfs none /opt;" .. unlock "/" .. "touch /new /opt/new; echo x >>/etc/passwd", with_admin { root = { path = root, access = "read_only" } })
  equal(t.read(root .. "/new"), nil, "a new file in the image")
  equal(t.read(root .. "/etc/passwd"), t.read(t.root .. "/etc/passwd"), "a file of the image")
end)

test("sys_admin cannot write to what a view of the host shows", function()
  local path = "/var/tmp/ccsand-rights-" .. require("ffi").C.getpid()
  t.run_program(([[
    local r, why = call(165, "none", "/", 0, 32 + 4096, 0)   -- mount(2): MS_REMOUNT | MS_BIND
    local f = io.open(%q, "w")
    print(r, why, f)
    if f then f:close() end]]):format(path), { capabilities = admin })
  local written = t.read(path)
  os.remove(path)
  equal(written, nil, "a file in /var/tmp of the host")
end)

-- ---- capabilities

local bits = { chown = 0, dac_override = 1, fowner = 3, fsetid = 4, kill = 5, setgid = 6, setuid = 7, setpcap = 8, net_bind_service = 10, sys_chroot = 18, setfcap = 31 }
local function mask(...)
  local sum = 0
  for _, name in ipairs { ... } do sum = sum + 2 ^ bits[name] end
  return ("%016x"):format(sum)
end
local default = mask("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service", "sys_chroot", "setfcap")
local none = ("0"):rep(16)
local function sets(more)
  local text = out("grep Cap /proc/self/status", more)
  local list = {}
  for _, key in ipairs { "Inh", "Prm", "Eff", "Bnd", "Amb" } do list[#list + 1] = text:match("Cap" .. key .. ":%s*(%x+)") end
  return table.concat(list, " ")
end

test("root has the documented capabilities and no other, in all five sets", function()
  equal(sets(), table.concat({ none, default, default, default, none }, " "), "inheritable, permitted, effective, bounding, ambient")
end)
test("other users have none that works", function()
  equal(sets { user = 1000 }, table.concat({ none, none, none, default, none }, " "))
end)
test("capabilities are given and taken", function()
  equal(sets { capabilities = "none" }, table.concat({ none, none, none, none, none }, " "), "none")
  local two = mask("chown", "kill")
  equal(sets { capabilities = { "chown", "CAP_KILL" } }, table.concat({ none, two, two, two, none }, " "), "a list")
  local less = mask("dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service", "sys_chroot", "setfcap")
  equal(sets { capabilities = { drop = { "chown" } } }, table.concat({ none, less, less, less, none }, " "), "drop")
  local one = mask "net_bind_service"
  equal(sets { user = 1000, capabilities = { ambient = { "net_bind_service" } } }, table.concat({ one, one, one, default, one }, " "), "ambient for a user")
end)
test("capabilities outside of the bounding set cannot be had back", function()
  equal(sets { capabilities = "none" }:find("[1-9a-f]"), nil)
  match(sh("cp /bin/busybox /tmp/mount; chmod 4755 /tmp/mount; /tmp/mount -t tmpfs none /mnt").stderr, "[Pp]ermi")
end)

test("no new privileges, and set-user-id is without effect", function()
  match(out "grep NoNewPrivs /proc/self/status", "1$")
  local running = t.box():start({ "/bin/sh", "-c", "cp /bin/busybox /tmp; chmod 4755 /tmp/busybox; : >/tmp/ready; exec sleep 20" })
  local ready
  for _ = 1, 100 do
    ready = running:exec({ "test", "-e", "/tmp/ready" }).status == 0
    if ready then break end
  end
  local user = running:exec({ "/tmp/busybox", "sh", "-c", "id -u; id -ru" }, { user = 1000 })
  local privileged = running:exec({ "/bin/sh", "-c", "ls -l /tmp/busybox" }, { user = 1000 })
  running:kill()
  running:wait()
  match(privileged.stdout, "^%-rws")
  equal(user.stdout, "1000\n1000\n", "the effective user of a set-user-id program")
  match(out("grep NoNewPrivs /proc/self/status", { no_new_privs = false }), "0$")
end)

-- ---- users

test("users and groups are the image's own", function()
  local root = t.mkdir("users", "755")
  os.execute(("cp -a '%s/.' '%s'"):format(t.root, root))
  t.write(root .. "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nann:x:1001:1002:Ann:/home/ann:/bin/sh\nbroken:x:no:1:x\n:x:5:5:::\n")
  t.write(root .. "/etc/group", "root:x:0:\nann:x:1002:\nclub:x:77:bob,ann\nother:x:78:bob\n")
  local base = { path = root }
  equal(out("id -u; id -g; id -G; echo $HOME", { root = base, user = "ann" }), "1001\n1002\n1002 77\n/home/ann", "by name")
  equal(out("id -u; id -g; id -G", { root = base, user = 1001 }), "1001\n1002\n1002 77", "by number")
  equal(out("id -u; id -g; id -G; echo $HOME", { root = base, user = 4242 }), "4242\n0\n0\n/", "a number that nobody has")
  equal(out("id -u; id -g; id -G", { root = base, user = "ann", group = "club", groups = { 5, 6 } }), "1001\n77\n77 5 6", "group and groups")
  t.fails(function() sh("true", { root = base, user = "broken" }) end, "'broken'", "etc/passwd")
  t.fails(function() sh("true", { root = base, user = "ann", group = "nobody-knows" }) end, "'nobody-knows'", "etc/group")
  t.fails(function() sh("true", { root = base, user = 70000 }) end, "not mapped")
end)

test("a hostile passwd neither leads out, nor hangs, nor fills memory", function()
  local root = t.mkdir("passwd", "755")
  os.execute(("cp -a '%s/.' '%s'"):format(t.root, root))
  local path = root .. "/etc/passwd"
  local function with(command)
    os.execute(("rm -rf '%s'; %s"):format(path, command:gsub("PASSWD", "'" .. path .. "'")))
    return ccsand.try(sh, "id -u", { root = { path = root }, user = "evil" })
  end
  local outside = t.file("evil:x:1234:1234::/:/bin/sh\n", "outside")
  for _, command in ipairs { "ln -s " .. outside .. " PASSWD", "ln -s ../../../../../../../.." .. outside .. " PASSWD", "ln -s /proc/self/environ PASSWD",
                             "mkfifo PASSWD", "mkdir PASSWD", "mknod PASSWD c 1 5", "ln -s passwd PASSWD", "truncate -s 8G PASSWD",
                             "head -c 3000000 /dev/zero | tr '\\0' a >PASSWD", "printf 'evil\\0:x:0:0::/:\\n' >PASSWD",
                             "printf 'evil:x:4294967295:0::/:\\n' >PASSWD", "printf 'evil:x:-1:0::/:\\n' >PASSWD" } do
    local result, problem = with(command)
    equal(result, nil, command)
    match(problem, "passwd", command)
  end
end)

-- ---- other containers, and the host

test("a container cannot end or trace what is outside", function()
  local other = t.box():start({ "sleep", "20" })
  local attack = ([[
    local pid, own = %d, %d
    for _, target in ipairs { pid, own } do
      print(call(62, target, 9))                            -- kill
      print((call(101, 16, target, 0, 0)))                  -- ptrace(PTRACE_ATTACH)
      print((call(434, target, 0)))                         -- pidfd_open
      print(readable("/proc/" .. target .. "/mem"), readable("/proc/" .. target .. "/environ"))
    end]]):format(other:pid(), require("ffi").C.getpid())
  local result = t.run_program(attack)
  local gone = "-1\tNo such process\n-1\n-1\nfalse\tfalse\n"
  equal(result.stdout, gone .. gone, result.stderr)
  -- In the host's pid namespace they can be seen, and still not be traced or read.
  result = t.run_program(attack:gsub("print%(call%(62[^\n]*", ""), { namespaces = { pid = "host" }, capabilities = { add = { "sys_ptrace", "kill" } } })
  local seen = "-1\n%d+\nfalse\tfalse\n"
  match(result.stdout, "^" .. seen:gsub("%-", "%%-") .. seen:gsub("%-", "%%-") .. "$", result.stderr)
  equal(other:wait(0.01), nil, "the other container has ended")
  other:kill()
  equal(other:wait().signal, "KILL")
end)

test("a view of the host shows no secret of root's and takes no writes", function()
  local result = t.run_program([[
    print(readable "/etc/shadow", readable "/etc/passwd")
    for _, path in ipairs { "/etc/x", "/var/tmp/x", "/x", "/usr/x" } do print((select(2, io.open(path, "w")))) end
    print(readable "/dev/sda", readable "/dev/vda", readable "/dev/mem")]])
  match(result.stdout, "^false\ttrue\n")
  for line in result.stdout:gmatch("[^\n]*: [^\n]*") do match(line, "Read%-only file system") end
  match(result.stdout, "false\tfalse\tfalse\n$")
end)

return t.finish()
