-- Policies in kafel's language: what they answer, and where their mistakes are.
-- Needs no privileges.
--   ccsand tests/lua/kafel_test.lua
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local t = require "support"
local filter = require "ccsand.filter"
local seccomp = require "ccsand.seccomp"
local test, equal, match, fails = t.test, t.equal, t.match, t.fails

local function answers(text, wanted, options)
  local policy = seccomp.from_kafel(text, options)
  for _, case in ipairs(wanted) do
    local call = { unpack(case, 2) }
    equal(policy:test(unpack(call)), case[1], table.concat(call, " "))
  end
  return policy
end

test("policies, actions and the default", function()
  local policy = answers([[
    // what it reads
    POLICY io { ALLOW { read, write } }
    /* and
       what it may not */
    POLICY rest {
      KILL { mount }, DENY { umount2 }, KILL_PROCESS { reboot }, ERRNO(2) { mkdir, rmdir }, ERRNO(EPERM) { chmod }, TRAP(3) { chown }, TRACE(0x10) { link },
      LOG { symlink }, USER_NOTIF { unlink }, KILL_THREAD { rename }
    }
    USE io, rest DEFAULT ERRNO(38)
  ]], { { "allow", "read" }, { "kill_thread", "mount" }, { "kill_thread", "umount2" }, { "kill", "reboot" }, { "errno ENOENT", "rmdir" }, { "errno EPERM", "chmod" },
        { "trap 3", "chown" }, { "trace 16", "link" }, { "log", "symlink" }, { "notify", "unlink" }, { "kill_thread", "rename" }, { "errno ENOSYS", "fork" } })
  equal(policy:explain("mkdir").where, "kafel policy:6")
  equal(policy:notifies(), true)
  answers("ALLOW { read }", { { "allow", "read" }, { "kill_thread", "write" }, { "kill_thread", 100000 } })
  answers("", { { "kill_thread", "read" } })
  answers("POLICY a {} POLICY b { USE a, ALLOW {} } USE b DEFAULT ALLOW", { { "allow", "read" } })
  answers("POLICY a { ALLOW { read } } POLICY b { ALLOW { write } } USE a, USE b, LOG { open, } DEFAULT KILL_PROCESS",
    { { "allow", "read" }, { "allow", "write" }, { "log", "open" }, { "kill", "fork" } })
end)

test("the first rule that matches decides", function()
  answers("ALLOW { write { fd == 1 } } ERRNO(1) { write } KILL { write } DEFAULT TRAP(0)", { { "allow", "write", 1 }, { "errno EPERM", "write", 2 } })
  answers("ALLOW { write { fd == 1 } } ERRNO(1) { write { fd < 5 } } DEFAULT TRAP(0)", { { "allow", "write", 1 }, { "errno EPERM", "write", 2 }, { "trap", "write", 5 } })
  answers("ERRNO(1) { write } ALLOW { write { fd == 1 } }", { { "errno EPERM", "write", 1 } })
  answers("POLICY a { ALLOW { write } } KILL_PROCESS { write } USE a", { { "kill", "write" } })
end)

test("conditions", function()
  local function allows(rule, ...) return seccomp.from_kafel("ALLOW { " .. rule .. " }"):test(...) == "allow" end
  for _, case in ipairs {
    { "write { fd == 1 }", { "write", 1 }, { "write", 2 } },
    { "write { 1 == fd }", { "write", 1 }, { "write", 2 } },
    { "write { 5 > fd }", { "write", 4 }, { "write", 5 } },
    { "write { fd < 5 }", { "write", 4 }, { "write", -1 } },
    { "write { fd > 5 }", { "write", -1 }, { "write", 5 } },
    { "write { fd >= 0x80000000 }", { "write", -1 }, { "write", 5 } },
    { "write { fd == -1 }", { "write", "0xffffffff" }, { "write", 1 } },
    { "write { fd == 1 && count < 10 }", { "write", 1, 0, 9 }, { "write", 1, 0, 10 } },
    { "write { fd == 1 || fd == 2 && count == 3 }", { "write", 1, 0, 9 }, { "write", 2, 0, 9 } },
    { "write { fd == 1, fd == 2 && count == 3 }", { "write", 2, 0, 3 }, { "write", 2, 0, 9 } },
    { "write { (fd == 1 || fd == 2) && count == 3 }", { "write", 2, 0, 3 }, { "write", 1, 0, 9 } },
    { "write { !(fd == 1 || fd == 2) }", { "write", 3 }, { "write", 2 } },
    { "write { !fd == 1 }", { "write", 3 }, { "write", 1 } },
    { "write { fd != 0b101 && fd != 010 }", { "write", 3 }, { "write", 8 } },
    { "mmap { (prot & PROT_EXEC) == 0 }", { "mmap", 0, 0, "PROT_READ" }, { "mmap", 0, 0, "PROT_EXEC" } },
    { "mmap { prot & 4 & 6 != 4 }", { "mmap", 0, 0, 3 }, { "mmap", 0, 0, 4 } },
    { "mmap { ((4 & prot)) == (0) }", { "mmap", 0, 0, 3 }, { "mmap", 0, 0, 4 } },
    { "open { flags == O_RDONLY|O_CLOEXEC }", { "open", 0, "O_CLOEXEC" }, { "open", 0, "O_RDWR" } },
    { "clone { clone_flags & CLONE_NEWUSER == 0 }", { "clone", "CLONE_VM" }, { "clone", "CLONE_NEWUSER" } },
    { "socket { family == AF_UNIX }", { "socket", "AF_UNIX" }, { "socket", "AF_INET" } },
    { "ioctl { cmd != TIOCSTI }", { "ioctl", 0, "TIOCGWINSZ" }, { "ioctl", 0, "TIOCSTI" } },
    { "write(a, b, c) { c == 3 }", { "write", 0, 0, 3 }, { "write", 3, 3, 4 } },
    { "newfstat, newuname", { "fstat" }, { "stat" } },
  } do
    equal(allows(case[1], unpack(case[2])), true, case[1])
    equal(allows(case[1], unpack(case[3])), false, case[1])
  end
end)

test("constants and numbers of calls", function()
  local getpid = filter.number "getpid"
  answers(("#define STDOUT 1 // text\n#define STDOUT 0x1\n#define MY %d\nALLOW { write { fd == STDOUT }, MY, SYSCALL[%d] }\n#define LATER 2; ERRNO(LATER) { mkdir }")
    :format(getpid, filter.number "kill"), { { "allow", "write", 1 }, { "kill_thread", "write", 2 }, { "allow", "getpid" }, { "allow", "kill" }, { "errno ENOENT", "mkdir" } })
  answers(("ALLOW { SYSCALL[%d](a, b) { b == 9 } }"):format(filter.number "kill"), { { "allow", "kill", 1, 9 }, { "kill_thread", "kill", 9, 1 } })
end)

test("ON keeps a rule for some architectures", function()
  local other = filter.architecture() == "x86_64" and "aarch64" or "x86_64"
  answers(("ALLOW { read ON %s, write ON { %s, %s }, open ON %s }"):format(filter.architecture(), filter.architecture(), other, other),
    { { "allow", "read" }, { "allow", "write" }, { "kill_thread", "close" } })
  equal(seccomp.from_kafel(("ALLOW { close ON %s }"):format(other)):test "close", "kill_thread")
  fails(function() seccomp.from_kafel(("ALLOW { close ON %s }"):format(other), { architectures = { "native", other } }) end, "1:15", "all architectures")
end)

test("#include takes texts that are given, and no files", function()
  local texts = { ["a.inc"] = "#define Y 2\n", ["b.inc"] = "POLICY q { ALLOW { write { fd == Y } } }\nDEFAULT KILL_PROCESS", loop = '#include "loop"', bad = "\n ALLOW { reed }" }
  answers('#include "a.inc" "b.inc"; USE q', { { "allow", "write", 2 }, { "kill", "write", 3 } }, { include = texts })
  fails(function() seccomp.from_kafel '#include "/etc/passwd"\n' end, "1:10", "no files are read")
  fails(function() seccomp.from_kafel('#include "loop"', { include = texts }) end, "loop:1:10", "nested too deep")
  fails(function() seccomp.from_kafel('#include "bad"', { include = texts }) end, "bad:2:10", "'reed'")
end)

test("mistakes are told with line and column", function()
  local function wrong(text, ...) fails(function() seccomp.from_kafel(text, { name = "web.policy" }) end, "web.policy:", ...) end
  wrong("POLICY a {\n  ALLOW { reed }\n}", ":2:11", "'reed'", "'read'")
  wrong("ALLOW { read", ":1:13", "'}' is missing")
  wrong("ALLOW { read }\n  @", ":2:3", "'@'")
  wrong("ALLOW { read } /* x\n", ":1:16", "the comment has no end")
  wrong("/*\n*/ FOO", ":2:4", "'FOO'")
  wrong("ALLOW { write { fd == } }", ":1:23", "argument or a number")
  wrong("ALLOW { write { fd } }", ":1:20", "a comparison is missing")
  wrong("ALLOW { write { (fd & 1) } }", "a comparison is missing")
  wrong("ALLOW { write { 1 == 1 } }", "compares two numbers")
  wrong("ALLOW { write { fd == count } }", ":1:20", "two arguments")
  wrong("ALLOW { write { fd & count == 0 } }", "cannot be combined")
  wrong("ALLOW { write { fd | 1 == 1 } }", "'|' joins numbers")
  wrong("ALLOW { write { nofd == 1 } }", ":1:17", "'nofd'", "fd, buf, count")
  wrong("ALLOW { write { buf == 5 } }", "is an address")
  wrong("ALLOW { write { fd == 0x1ffffffff } }", "does not fit 'fd'")
  wrong("ALLOW { write { fd & 0x80000000 < 5 } }", "has a sign")
  wrong("ALLOW { read(a, b, c, d) { d == 1 } }", "read takes 3 arguments")
  wrong("ALLOW { read(a, a) }", ":1:17", "declared twice")
  wrong("ALLOW { SYSCALL[9999] }", ":1:9", "number 9999")
  wrong("ALLOW { SYSCALL[-1] }", "no call of number")
  wrong("ERRNO { read }", "'(' is missing")
  wrong("ERRNO(5000) { read }", "0 to 4095")
  wrong("TRAP(70000) { read }", "0 to 65535")
  wrong("ERRNO(NOPE) { read }", "'NOPE' is no constant")
  wrong("USE x", ":1:5", "no policy 'x' above")
  wrong("POLICY a {} POLICY a {}", ":1:20", "defined already")
  wrong("POLICY a { USE a }", "no policy 'a' above")
  wrong("POLICY a { read }", "an action or USE is missing")
  wrong("DEFAULT KILL DEFAULT ALLOW", "there is a DEFAULT already")
  wrong("DEFAULT", "is no action")
  wrong("#define A 1\n#define A 2\n", ":2:9", "another value")
  wrong("#define A\nALLOW {}", ":1:10", "value is missing")
  wrong("#define A 18446744073709551616\n", "no number of 64 bits")
  wrong("#define A 1x\n", "no number")
  wrong("#pragma x\n", "#pragma is no directive")
  wrong('#include "x\n', "the string has no end")
end)

test("hostile sources end in an error, soon", function()
  local start = os.clock()
  for _, text in ipairs { ("("):rep(100000), ("!"):rep(100000), ("(fd == 1 || "):rep(100000) } do
    fails(function() seccomp.from_kafel("ALLOW { write { " .. text .. " fd == 1 } }") end, "nested too deep")
  end
  fails(function() seccomp.from_kafel("ALLOW { write { " .. ("(fd == 1 || fd == 2) && "):rep(30) .. "fd == 1 } }") end, "256 alternatives")
  local doubled = { "POLICY p0 { ALLOW { read, write } }" }
  for i = 1, 40 do doubled[i + 1] = ("POLICY p%d { USE p%d, USE p%d }"):format(i, i - 1, i - 1) end
  fails(function() seccomp.from_kafel(table.concat(doubled, "\n")) end, "more than 20000 rules")
  fails(function() seccomp.from_kafel "\0" end, "1:1")
  fails(function() seccomp.from_kafel "\255\27" end, "1:1")
  fails(function() seccomp.from_kafel(5) end, "takes a string")
  fails(function() seccomp.from_kafel("", { inclde = {} }) end, "'inclde'")
  math.randomseed(3)
  local words = { "POLICY", "a", "{", "}", "ALLOW", "read", ",", "(", ")", "fd", "==", "1", "&&", "||", "!", "#", "define", "USE", "DEFAULT", "\n", "/*", "*/", "ERRNO", "[", "SYSCALL" }
  for _ = 1, 2000 do
    local text = {}
    for i = 1, math.random(1, 14) do text[i] = words[math.random(#words)] end
    local good, problem = pcall(seccomp.from_kafel, table.concat(text, " "))
    if not good and type(problem) ~= "table" then error(("%s: %s"):format(table.concat(text, " "), tostring(problem))) end
  end
  if os.clock() - start > 20 then error("took " .. os.clock() - start) end
end)

test("a kafel policy goes to an OCI runtime", function()
  local policy = seccomp.from_kafel "ALLOW { read, write { fd == 1 || fd == 2 } } ERRNO(1) { write } DEFAULT KILL_PROCESS"
  local again = seccomp.from_oci(policy:to_oci())
  for fd = 0, 4 do equal(again:test("write", fd), policy:test("write", fd)) end
  match(policy:to_oci(), "SCMP_ACT_KILL_PROCESS")
end)

os.execute("rm -rf '" .. t.directory .. "'")
print(("%d passed, %d failed, %d skipped"):format(t.passed, t.failed, t.skipped))
return t.failed == 0 and 0 or 1
