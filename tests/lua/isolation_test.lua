-- What a container sees and reaches, and what it must not. Each claim is tested by
-- trying to break it.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local test, sh, out, equal, match, no_match = t.test, t.sh, t.out, t.equal, t.match, t.no_match

test("the command is pid 1 and sees nobody else", function()
  equal(out "echo $$; echo /proc/[0-9]*", "1\n/proc/1", "pids")
end)

test("its mounts are its own: none is on a device of the host's", function()
  local host = {}
  for device in t.read("/proc/self/mountinfo"):gmatch("%d+ %d+ (%d+:%d+) ") do host[device] = true end
  local inside = out "cat /proc/self/mountinfo"
  match(inside, " / / [^\n]* overlay ")
  for line in inside:gmatch("[^\n]+") do
    local device = line:match("^%d+ %d+ (%d+:%d+) ")
    if host[device] then error("a mount of the host: " .. line) end
  end
  no_match(inside, "/%.old", "an old root")
end)

test("no path leads to the host's root", function()
  local secret = t.file("secret", "secret")
  match(t.read(secret), "secret")
  for _, way in ipairs { "", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/..", "/../../../..", "/proc/self/cwd/../.." } do
    equal(sh("cat " .. way .. secret).status, 1, "cat through '" .. way .. "'")
  end
  equal(sh("cd / && cd .. && cat ." .. secret).status, 1, "cd ..")
end)

test("chroot(2) and descriptors do not lead out", function()
  local secret = t.file("secret", "secret")
  local result = t.run_program(([[
    local O_DIRECTORY, O_PATH = 65536, 2097152
    assert(not readable(%q), "visible before")
    local root = ffi.C.open("/", O_DIRECTORY)
    call(83, "/tmp/jail", 448)                       -- mkdir
    assert(call(161, "/tmp/jail") == 0)              -- chroot, with `root` outside of it
    assert(call(81, root) == 0)                      -- fchdir
    for _ = 1, 64 do call(80, "..") end              -- chdir
    assert(call(161, ".") == 0)
    assert(not readable(%q), "out by chroot")
    assert(readable("/proc/self/status"), "lost its own root")
    for fd = 0, 64 do
      for _, up in ipairs { "", "..", "../.." } do
        if call(81, fd) == 0 then
          call(80, up)
          assert(not readable("." .. %q), "out by descriptor " .. fd)
        end
      end
    end
    print "held"]]):format(secret, secret, secret))
  equal(result.stdout, "held\n", result.stderr)
end)

test("the host name is its own", function()
  local before = t.read("/proc/sys/kernel/hostname")
  equal(out("hostname; cat /proc/sys/kernel/domainname", { hostname = "sandy", domainname = "beach" }), "sandy\nbeach")
  equal(out "hostname", "ccsand", "the default")
  equal(t.read("/proc/sys/kernel/hostname"), before, "the host's")
end)

test("it has a loopback interface, up, and no other", function()
  equal(out "ls /sys/class/net", "lo", "interfaces")
  equal(out "cat /sys/class/net/lo/flags", "0x9", "up and loopback")
  match(out "cat /proc/net/fib_trie", "127%.0%.0%.1")
  if #t.host_lines("ls /sys/class/net") > 1 then
    no_match(t.out("cat /proc/net/dev", { network = "host" }), "^lo$", "the host's")
    equal(t.out("wc -l </proc/net/dev", { network = "host" }), tostring(#t.host_lines("cat /proc/net/dev")), "with the host's network")
  end
end)

test("its root is an unprivileged user of the host", function()
  match(out "cat /proc/self/uid_map", "^%s*0%s+100000%s+65536$")
  match(out "cat /proc/self/gid_map", "^%s*0%s+100000%s+65536$")
  local running = t.box():start({ "sleep", "20" })
  local status = t.read("/proc/" .. running:pid() .. "/status")
  running:kill()
  running:wait()
  match(status, "\nUid:\t100000\t100000\t100000\t100000\n")
  match(status, "\nGid:\t100000\t100000\t100000\t100000\n")
  for group in status:match("\nGroups:([^\n]*)"):gmatch("%d+") do
    if tonumber(group) < 100000 or tonumber(group) > 165535 then error("a group of the host's: " .. group) end
  end
end)

test("files on a bind mount belong to whom the mapping says", function()
  local directory = t.mkdir("shared", "777")
  local function owner(name) return t.host_lines(("stat -c %%u:%%g '%s/%s'"):format(directory, name))[1] end
  out("echo a >/mnt/plain", { mounts = { { source = directory, target = "/mnt", writable = true } } })
  equal(owner "plain", "100000:100000", "without id_mapped")
  out("echo a >/mnt/mapped", { mounts = { { source = directory, target = "/mnt", writable = true, id_mapped = true } } })
  equal(owner "mapped", "0:0", "with id_mapped")
  equal(sh("echo a >/mnt/x", { mounts = { { source = directory, target = "/mnt" } } }).status, 1, "a bind mount is read-only")
end)

test("what belongs to the host's root cannot be written, nor read where the mode says so", function()
  local directory = t.mkdir("roots", "755")
  t.write(directory .. "/private", "x")
  os.execute("chmod 600 " .. directory .. "/private")
  local mounts = { { source = directory, target = "/mnt", writable = true } }
  equal(sh("echo a >/mnt/new", { mounts = mounts }).status, 1, "a new file")
  equal(sh("cat /mnt/private", { mounts = mounts }).status, 1, "a private one")
  equal(sh("chown 0:0 /mnt/private", { mounts = mounts }).status, 1, "chown")
  equal(out("stat -c %u /mnt/private", { mounts = mounts }), "65534", "its owner as seen from inside")
end)

test("the image is untouched by what is written", function()
  local function digest()
    return table.concat(t.host_lines(("cd '%s' && find . -printf '%%p %%s %%m %%u %%T@\\n' | sort | sha256sum"):format(t.root)))
  end
  local before = digest()
  equal(out "echo hacked >/etc/passwd; echo x >/new; chmod 777 /etc; chown 7 /root; rm -rf /home /etc/group; cat /new /etc/passwd; ls /home 2>/dev/null || echo gone",
    "x\nhacked\ngone")
  equal(digest(), before, "the image")
  equal(sh("test -e /new").status, 1, "the next container's root")
end)

test("no descriptor but 0, 1, 2", function()
  local ffi = require "ffi"
  local leaked = ffi.C.open("/", 0)
  assert(leaked > 2)
  equal(out "cd /proc/self/fd && for i in *; do test -e $i && echo $i; done; true", "0\n1\n2")
  equal(out("cd /proc/self/fd && for i in *; do test -e $i && echo $i; done; true", { init = true }), "0\n1\n2", "under init")
  equal(out("cd /proc/1/fd && echo *", { init = true, capabilities = { add = { "sys_ptrace" } } }), "0 1 2", "init's own")
  ffi.C.close(leaked)
end)

test("ccsand started with more descriptors passes none of them on", function()
  local code = ([[return require("ccsand").container { image = %q, command = { "/bin/sh", "-c",
    "cd /proc/self/fd && for i in *; do test -e $i && echo $i; done; cat <&7" } }]]):format(t.image)
  local text, status = t.run_recipe(code, "exec 7</ 9</etc/shadow;", "<&9")
  match(text, "^0\n1\n2\n")
  no_match(text, "root:")
  equal(status, 1, "reading from descriptor 7")
end)

test("ccsand started with 0, 1, 2 closed gives the container none of its own files", function()
  local directory = t.mkdir("streams", "777")
  local code = ([[return require("ccsand").container { image = %q, mounts = { { source = %q, target = "/mnt", writable = true } },
    command = { "/bin/sh", "-c", "ls -l /proc/self/fd >/mnt/list; readlink /proc/self/fd/2 >/mnt/two; true" } }]])
    :format(t.image, directory)
  local recipe = t.file(code, "recipe.lua")
  os.execute(("'%s' '%s' <&- >&- 2>&-"):format(t.ccsand, recipe))
  local list = t.read(directory .. "/list") or "(did not run)"
  match(list, "/mnt/list")
  no_match(list, "state%-", "the state file")
  no_match(list, "pidfd")
  no_match(list, "lua", "the recipe")
  match(t.read(directory .. "/two"), "^[^\n]*null")
end)

test("a kept descriptor is passed on, and only that one", function()
  local ffi = require "ffi"
  local path = t.file("kept", "kept")
  local fd, other = ffi.C.open(path, 0), ffi.C.open(path, 0)
  equal(out(("cat <&%d; test -e /proc/self/fd/%d && echo other; true"):format(fd, other), { keep_descriptors = { fd } }), "kept")
  ffi.C.close(fd)
  ffi.C.close(other)
end)

test("a descriptor that is closed, or ccsand's own, is not passed on", function()
  t.fails(function() sh("true", { keep_descriptors = { 900 } }) end, "descriptor 900", "EBADF")
  local own
  for fd = 3, 64 do
    local target = t.readlink("/proc/self/fd/" .. fd)
    if target and target:find("state-", 1, true) then own = fd end
  end
  assert(own, "no state file is open")
  t.fails(function() sh("true", { keep_descriptors = { own } }) end, "descriptor " .. own, "closed on exec")
end)

test("kept descriptors may be named in any order", function()
  local ffi = require "ffi"
  local path = t.file("kept", "kept")
  local a, b = ffi.C.open(path, 0), ffi.C.open(path, 0)
  equal(out(("cat <&%d <&%d"):format(a, b), { keep_descriptors = { math.max(a, b), math.min(a, b) } }), "kept")
  ffi.C.close(a)
  ffi.C.close(b)
end)

test("masked paths are empty and kernel settings cannot be written", function()
  for _, path in ipairs { "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats" } do
    equal(out(("test -e %s || exit 0; cat %s | wc -c"):format(path, path)):gsub("^$", "0"), "0", path)
  end
  equal(out "ls /sys/firmware | wc -l", "0", "/sys/firmware")
  for _, path in ipairs { "/proc/sys/kernel/hostname", "/proc/sys/vm/swappiness", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity",
                          "/sys/class/net/lo/mtu", "/sys/kernel/mm/ksm/run" } do
    match(sh("test -e " .. path .. " || { echo 'Read-only' >&2; exit 1; }; echo 1 >" .. path).stderr, "Read%-only", path)
  end
  equal(sh("cat /opt/x", { masked_paths = { "/etc/passwd" } }).status, 1)
  equal(out("cat /etc/passwd | wc -c", { masked_paths = { "/etc/passwd" } }), "0", "a path of the recipe's")
  equal(sh("echo x >/etc/new", { readonly_paths = { "/etc" } }).status, 1, "a read-only path of the recipe's")
end)

test("a link of the image cannot lead a mount astray", function()
  local root = t.mkdir("hostile", "755")
  os.execute(("cp -a '%s/.' '%s' && rm -rf '%s/mnt' && ln -s ../../../../../../../.. '%s/mnt' && ln -s /proc/1/root '%s/p'")
    :format(t.root, root, root, root, root))
  local lent = t.mkdir("lent", "755")
  t.write(lent .. "/a", "a")
  equal(out("cat /mnt/x/a /x/a", { root = { path = root }, mounts = { { source = lent, target = "/mnt/x" } } }), "aa", "stays in the root")
  t.fails(function() sh("true", { root = { path = root }, mounts = { { source = lent, target = "/p/x" } } }) end, "/p/x")
  equal(os.execute("test -e /x"), 256, "nothing made in the host's root")
end)

test("with proc = \"pids\" /proc has processes and nothing else", function()
  for _, spec in ipairs { {}, { user_namespace = false }, { root = { access = "read_only" } }, { user_namespace = false, namespaces = { pid = "host" } } } do
    spec.proc = "pids"
    local out = t.out([[
      for name in sys net sysrq-trigger kcore keys timer_list meminfo version cpuinfo mounts; do test -e /proc/$name && echo "/proc/$name"; done
      echo 1 2>/dev/null >/proc/sys/kernel/hostname && echo written
      echo 1 2>/dev/null >/proc/self/net/dev && echo "written to net"
      readlink /proc/self >/dev/null || echo "no self"; cat /proc/self/stat >/dev/null || echo "no stat"
      mount -o remount,subset= /proc 2>/dev/null && echo remounted
      true]], spec)
    equal(out:gsub("/proc/net\n?", ""):gsub("/proc/mounts\n?", ""), "") -- links into /proc/self, which go by the same rule
  end
  -- The kernel takes it for a whole one: who may mount could have a whole one, too, which is refused.
  for _, spec in ipairs { { seccomp = "none" }, { seccomp = { allow = { "mount" } } }, { seccomp = { allow = { "fsopen" } } }, { seccomp = { allow = { "fspick" } } }, { capabilities = { add = { "sys_admin" } } } } do
    for _, user in ipairs { true, false } do
      spec.proc, spec.user_namespace = "pids", user
      t.fails(function() t.box(spec) end, "proc", "mount")
    end
  end
  equal(t.sh("unshare -r -m -p -f mount -t proc proc /tmp", { proc = "pids" }).status, 1)
  local plan = t.box({ proc = "pids" }):plan()
  match(plan, "subset=pid")
  assert(not plan:find "mask '/proc", plan)
  t.fails(function() t.box { proc = "pid" } end, "proc", "\"pids\"")
  t.fails(function() t.box { proc = "pids", namespaces = { pid = "host" } } end, "proc", "pid namespace")
end)

return t.finish()
