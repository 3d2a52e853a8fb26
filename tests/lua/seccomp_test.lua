-- Policies as values, asked without privileges: what they answer, explain and change.
-- What containers do under them is in policies_test.lua and notify_test.lua.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local seccomp = require "ccsand.seccomp"
local t = require "support"
local test, equal, match, fails = t.test, t.equal, t.match, t.fails

local function small(more)
  local spec = { name = "small", allow = { "@basic-io", socket = "domain == AF_UNIX or (domain == AF_INET and type & SOCK_STREAM != 0)" } }
  for k, v in pairs(more or {}) do spec[k] = v end
  return seccomp.policy(spec)
end

test("a policy answers", function()
  local p = small { kill = { "ptrace" }, errno = { ENOSYS = { "clone3" }, EACCES = { openat = "flags & O_CREAT != 0" } }, log = { "openat" },
    trap = { "reboot" }, kill_thread = { "swapon" }, trace = { "acct" }, notify = { "mount" } }
  for call, answer in pairs { read = "allow", ptrace = "kill", clone3 = "errno ENOSYS", openat = "log", getpid = "errno EPERM", reboot = "trap",
    swapon = "kill_thread", acct = "trace", mount = "notify" } do
    equal(p:test(call), answer, call)
  end
  equal(p:test("openat", -100, 0, "O_CREAT | O_WRONLY"), "errno EACCES")
  equal(p:test("socket", "AF_UNIX", "SOCK_DGRAM"), "allow")
  equal(p:test("socket", "AF_INET", "SOCK_DGRAM"), "errno EPERM")
  equal(p:test("socket", "AF_INET", "SOCK_STREAM | SOCK_CLOEXEC"), "allow")
  equal(p:test(9999), "errno ENOSYS")
  equal(p:test { "read", architecture = "aarch64" }, "kill")
  assert(p:notifies() and not small():notifies())
end)

test("the filters that were compiled with ccsand are those of the policies", function()
  local core = require "ccsand.core"
  local sets, hits = { "none", "all", "default" }, 0
  for _, name in ipairs(core.capabilities { capabilities = "all" }) do
    sets[#sets + 1] = { name }
    sets[#sets + 1] = { name, "sys_chroot", "audit_write" }
  end
  for _, capabilities in ipairs(sets) do
    local shipped = core.shipped_filter({ capabilities = capabilities }, "default")
    local shown = type(capabilities) == "table" and table.concat(capabilities, ",") or capabilities
    if shipped then
      hits = hits + 1
      assert(shipped == seccomp.default({ capabilities = capabilities }):bpf(), shown)
    end
    assert(shipped or capabilities ~= "default" and capabilities ~= "none", shown .. " is not there")
  end
  assert(hits > 40 and hits < #sets, hits)
  for _, name in ipairs { "no-network", "build", "server" } do
    assert(core.shipped_filter({}, name) == seccomp.named(name):bpf(), name)
  end
  equal(core.shipped_filter({}, "strict"), nil) -- it is decided at run time what its exec is
end)

test("what stands later wins, and nothing is changed in place", function()
  local p = small()
  local q = p:allow("mount", "@network"):deny { mount = "mountflags & MS_BIND != 0" }:errno("ENOSYS", "socket"):kill "bpf"
  equal(p:test "mount", "errno EPERM")
  equal(q:test "mount", "allow")
  equal(q:test("mount", 0, 0, 0, "MS_BIND | MS_REC"), "errno EPERM")
  equal(q:test("socket", "AF_UNIX"), "errno ENOSYS")
  equal(q:only({ socket = "domain == AF_UNIX" }):test("socket", "AF_UNIX"), "allow")
  equal(q:only({ socket = "domain == AF_UNIX" }):test("socket", "AF_INET"), "errno EPERM")
  equal(p:with(q):test "bpf", "kill")
  assert(p == small() and p ~= q and p:allow "read" == p)
  fails(function() p.name = 1 end, "cannot be changed")
  equal(tostring(p:named "other"), "policy other")
end)

test("which line decides", function()
  local p = small():deny "ptrace"
  match(p:explain("ptrace").where, "seccomp_test.lua:%d+")
  equal(p:explain("ptrace").action, "errno EPERM")
  local open = p:explain "socket"
  equal(open.action, "allow")
  equal(open.otherwise.action, "errno EPERM")
  match(open.text, "^allow socket where domain == AF_UNIX or .*, .*seccomp_test.lua:%d+$")
  equal(p:explain("socket", "AF_VSOCK").where, "the policy's default")
  equal(p:explain("socket", "AF_UNIX").where, open.where)
end)

test("differences and text", function()
  local p = small()
  equal(tostring(p:diff(p)), "")
  local changes = p:diff(p:allow "mount":kill "read")
  equal(#changes, 2)
  equal(tostring(changes), "mount: errno EPERM -> allow\nread: allow -> kill\n")
  match(p:pseudo_code(), "\nsocket: allow where domain == AF_UNIX or [^\n]*; else errno EPERM\n")
  match(p:pseudo_code(), "\nother calls: errno EPERM\n")
end)

test("a policy that allows by default", function()
  local p = seccomp.policy { name = "open", default = "allow", deny = { "ptrace" } }
  equal(p:test "mount", "allow")
  equal(p:test "ptrace", "errno EPERM")
  equal(p:test(9999), "allow")
  if require("ccsand.filter").architecture() == "x86_64" then
    equal(p:test(0x40000000 + 101), "errno ENOSYS", "ptrace by its x32 number")
    equal(p:test { "ptrace", architecture = "x86" }, "kill", "ptrace of 32 bits")
    local both = seccomp.policy { name = "both", default = "allow", deny = { "ptrace" }, architectures = { "native", "x86" } }
    equal(both:test { "ptrace", architecture = "x86" }, "errno EPERM")
  end
end)

test("the default profile", function()
  local p = seccomp.default()
  for _, call in ipairs { "read", "openat", "execve", "futex", "clone", "socket", "ptrace", "rt_sigreturn", "exit_group", "statx", "epoll_pwait2", "futex_waitv" } do
    equal(p:test(call), "allow", call)
  end
  for _, call in ipairs { "mount", "bpf", "keyctl", "unshare", "setns", "init_module", "kexec_load", "reboot", "swapon", "open_by_handle_at",
    "perf_event_open", "userfaultfd", "pivot_root", "fsopen", "move_mount", "quotactl", "syslog", "settimeofday" } do
    match(p:test(call), "^errno ", call)
  end
  for _, flags in ipairs { "CLONE_NEWUSER", "CLONE_NEWNS", "CLONE_NEWNET | SIGCHLD", "CLONE_NEWPID" } do equal(p:test("clone", flags), "errno EPERM", flags) end
  equal(p:test("clone3", 0, 88), "errno ENOSYS")
  equal(p:test("io_uring_setup"), "errno ENOSYS")
  match(p:test("socket", "AF_VSOCK"), "^errno")
  match(p:test("socket", "AF_ALG"), "^errno")
  equal(p:test("ioctl", 0, "TIOCSTI"), "errno EPERM")
  equal(p:test("ioctl", 0, "(1 << 32) | TIOCSTI"), "errno EPERM", "with a bit that the kernel ignores")
  local with = seccomp.default { capabilities = { add = { "sys_admin", "sys_ptrace", "sys_time" } } }
  equal(with:test "mount", "allow")
  equal(with:test "settimeofday", "allow")
  equal(with:test("clone", "CLONE_NEWNS"), "allow")
end)

test("what makes no sense is told with what was meant", function()
  fails(function() seccomp.policy { allow = { "opneat" } } end, "'opneat'", "did you mean 'openat'?")
  fails(function() seccomp.policy { allow = { "@netwrk" } } end, "'@netwrk'", "did you mean '@network'?")
  fails(function() seccomp.policy { alow = {} } end, "'alow' is not a key", "did you mean 'allow'?")
  fails(function() seccomp.policy { allow = { socket = "domian == AF_UNIX" } } end, "socket", "did you mean 'domain'?", "at character 1")
  fails(function() seccomp.policy { allow = { socket = "domain == AF_UNIXX" } } end, "did you mean 'AF_UNIX'?")
  fails(function() seccomp.policy { allow = { openat = "pathname == 5" } } end, "is an address")
  fails(function() seccomp.policy { allow = { openat = 5 } } end, "must be a string")
  fails(function() seccomp.policy { default = "permit" } end, "'permit' is no action")
  fails(function() seccomp.policy { errno = { ENOSUCH = { "read" } } } end, "'ENOSUCH' is no error number")
  fails(function() seccomp.policy { architectures = { "z80" } } end, "z80")
  fails(function() seccomp.policy { from = 5 } end, "'from' is a policy")
  fails(function() small():only { "socket" } end, "only")
  fails(function() small():allow() end, "names no call")
  fails(function() small():test "opneat" end, "is no system call")
  fails(function() small():test("socket", "AF_UNX") end, "did you mean 'AF_UNIX'?")
end)

test("thousands of conditions are too many, and told", function()
  local many = {}
  for i = 1, 3000 do many[i] = "fd == " .. i * 3 end
  fails(function() seccomp.policy({ name = "many", allow = { close = many } }):bpf() end, "the kernel takes 4096")
end)

test("a container's policy is the one that it was given", function()
  local ccsand = require "ccsand"
  local mine = seccomp.policy { name = "mine", default = "allow", deny = { "ptrace" } }
  local function loaded(spec)
    spec.root = "/srv"
    return ccsand.container(spec):plan():match "load seccomp filter '([^']*)'"
  end
  equal(loaded { seccomp = mine }, "mine")
  equal(loaded { seccomp = { name = "more", from = mine, kill = { "bpf" } } }, "more")
  equal(loaded {}, "default")
  equal(loaded { seccomp = "strict" }, "strict")
  equal(loaded { seccomp = "none" }, nil)
  equal(loaded { seccomp = false }, nil)
  equal(ccsand.container({ root = "/srv" }):with({ seccomp = mine }):plan():match "load seccomp filter '([^']*)'", "mine")
  match(loaded { seccomp = { deny = { "uname" } } }, "^default, changed by .*seccomp_test.lua:%d+$")
end)

print(("%d passed, %d failed, %d skipped"):format(t.passed, t.failed, t.skipped))
os.execute("rm -rf '" .. t.directory .. "'")
os.exit(t.failed == 0 and 0 or 1)
