-- JSON, and the profiles of OCI runtimes and Docker: read, written, held against
-- libseccomp's compiler where its library is here. Needs no privileges but for the last test.
--   ccsand tests/lua/oci_test.lua
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ffi = require "ffi"
local t = require "support"
local filter = require "ccsand.filter"
local json = require "ccsand.json"
local seccomp = require "ccsand.seccomp"
local conditions = require "ccsand.seccomp.conditions"
local test, equal, match, no_match, fails = t.test, t.equal, t.match, t.no_match, t.fails

-- ---- JSON

test("JSON comes back as it went", function()
  for _, text in ipairs { "{}", "[]", '{"a":[1,2.5,-3,"x",null,true,false],"b":{},"c":[]}', '"\\u00fc\\n\\"\\\\/"', "[[[]]]", "0.1", "9007199254740992" } do
    local again = json.encode(json.decode(text))
    equal(json.encode(json.decode(again)), again, text)
  end
  equal(json.encode(json.decode ' { "b" : [ 1 , 2 ] , "a" : null } '), '{"a":null,"b":[1,2]}')
  equal(json.encode({ b = 1, a = { 1, {}, json.array() } }, { indent = 2 }), '{\n  "a": [\n    1,\n    {},\n    []\n  ],\n  "b": 1\n}')
  equal(json.encode(0.1), "0.1")
  equal(json.decode("[null]")[1], json.null)
end)

test("integers that a number cannot hold are decimal strings", function()
  local value = json.decode '{"a": 9007199254740992, "b": 9007199254740993, "c": 18446744073709551615, "d": -9223372036854775808, "e": "18446744073709551615 \\" 99999999999999999999"}'
  equal(value.a, 2 ^ 53)
  equal(value.b, "9007199254740993")
  equal(value.c, "18446744073709551615")
  equal(value.d, "-9223372036854775808")
  equal(value.e, '18446744073709551615 " 99999999999999999999')
  equal(json.encode { 18446744073709551615ULL, -5LL }, "[18446744073709551615,-5]")
end)

test("hostile JSON is refused with its place", function()
  local function refused(text, ...) fails(function() json.decode(text) end, "json", ...) end
  refused(("["):rep(100000), "nested deeper than 128", "line 1, column 129")
  refused(('{"a":'):rep(100000), "nested deeper than 128")
  refused('{"a": 1,\n "a": 2}', "duplicate", "line 2")
  refused('{"a":\n  12345678901234567, 12345678901234567 x}', "line 2")
  refused("[18446744073709551616]", "does not fit 64 bits", "column 2")
  refused("[-9223372036854775809]", "does not fit 64 bits")
  refused(("9"):rep(100000), "does not fit 64 bits")
  refused("[1e999]", "overflow")
  refused("[0123456789012345678]", "invalid token")
  refused("{12345678901234567890: 1}", "line 1")
  refused('"\\u0000"', "zero byte")
  refused('{"a\\u0000b": 1}', "zero byte")
  refused('"a\0b"', "control character")
  refused('"\\ud800"', "Unicode")
  for _, text in ipairs { '"\255"', '"\192\128"', '"\237\160\128"', '"\244\144\128\128"', '{"\255": 1}', "\239\187\191{}", "", "[1,]", '{"a":1,}', "[1] x",
                          "nan", "'a'", "[1", '"a', "{", "/**/1", "01", "+1", "[1 2]", "tru", '"\n"' } do refused(text, "line") end
  no_match(tostring(select(2, pcall(json.decode, "\27[31m\1"))), "[\1\27]", "the message")
end)

test("what has no form in JSON is an error", function()
  local function refused(value, ...) fails(function() json.encode(value) end, "json", ...) end
  refused({ 1, nil, 3 }, "list")
  refused({ 1, a = 2 }, "list")
  refused({ [2] = 1 }, "list")
  refused({ [{}] = 1 }, "key")
  refused(print, "function")
  refused(0 / 0, "not-a-number")
  refused(1 / 0, "infinity")
  refused("\255", "UTF-8")
  refused("a\0b", "zero byte")
  refused(ffi.new "char[3]", "cdata")
  local loop = {}
  loop[1] = loop
  refused(loop, "nested deeper")
  fails(function() json.encode(1, { indnt = 2 }) end, "'indent'")
  fails(function() json.decode(5) end, "string")
end)

-- ---- what a profile answers

-- The profile that these entries make, as text; the default is errno 99.
local function profile(entries, more)
  local whole = { defaultAction = "SCMP_ACT_ERRNO", defaultErrnoRet = 99, syscalls = json.array(entries) }
  for k, v in pairs(more or {}) do whole[k] = v end
  return json.encode(whole)
end
local function entry(calls, action, args, more)
  local one = { names = type(calls) == "table" and calls or { calls }, args = args }
  one.action, one.errnoRet = "SCMP_ACT_" .. action:match "^%S+", tonumber(action:match "%d+$")
  for k, v in pairs(more or {}) do one[k] = v end
  return one
end
local function arg(index, op, value, second) return { index = index, op = "SCMP_CMP_" .. op, value = value, valueTwo = second } end

test("entries answer as they say", function()
  local policy, warnings = seccomp.from_oci(profile {
    entry({ "read", "write" }, "ALLOW"), entry("mkdir", "ERRNO"), entry("rmdir", "ERRNO 38"), entry("mount", "KILL"), entry("umount2", "KILL_THREAD"),
    entry("reboot", "KILL_PROCESS"), entry("ptrace", "TRAP"), entry("open", "LOG"), entry("chdir", "TRACE"), entry("chroot", "TRACE 7"),
    entry("link", "NOTIFY"), entry("kill", "ALLOW", { arg(1, "EQ", 9), arg(0, "GT", 1) }),
  })
  equal(#warnings, 0, "warnings")
  for call, answer in pairs { read = "allow", write = "allow", mkdir = "errno EPERM", rmdir = "errno ENOSYS", mount = "kill_thread", umount2 = "kill_thread",
                              reboot = "kill", ptrace = "trap", open = "log", chdir = "trace 1", chroot = "trace 7", link = "notify",
                              fork = "errno EADDRNOTAVAIL" } do
    equal(policy:test(call), answer, call)
  end
  equal(policy:test("kill", 5, 9), "allow")
  equal(policy:test("kill", 1, 9), "errno EADDRNOTAVAIL")
  equal(policy:test("kill", 5, 10), "errno EADDRNOTAVAIL")
  equal(policy:explain("mkdir").where, "OCI profile, entry 2")
  equal(seccomp.from_oci(profile { entry("kill", "ALLOW") }, { name = "web.json" }):explain("kill").where, "web.json, entry 1")
  equal(policy:test(100000), "errno ENOSYS", "a new call")
  equal(seccomp.from_oci('{"defaultAction": "SCMP_ACT_ALLOW"}'):test(100000), "allow", "a new call where all is allowed")
  equal(policy:notifies(), true)
end)

test("a table and a whole config.json are read, too", function()
  local seccomp_part = { defaultAction = "SCMP_ACT_KILL", syscalls = { entry("read", "ALLOW") } }
  equal(seccomp.from_oci(seccomp_part):test "read", "allow")
  equal(seccomp.from_oci(json.encode { ociVersion = "1.0.0", linux = { seccomp = seccomp_part } }):test "write", "kill_thread")
end)

test("args compare without sign, with and without a mask", function()
  local function allows(call, args, ...) return seccomp.from_oci(profile { entry(call, "ALLOW", args) }):test(call, ...) == "allow" end
  for _, case in ipairs { { "NE", 5, { 4, 6 }, { 5 } }, { "LT", 5, { 0, 4 }, { 5, "0x80000000", -1 } }, { "LE", 5, { 5 }, { 6, -1 } }, { "EQ", 5, { 5 }, { 4 } },
                          { "GE", 5, { 5, -1, "0x80000000" }, { 4 } }, { "GT", 5, { 6, -1 }, { 5 } }, { "GT", 0xfffffffe, { -1 }, { 0, 5, -2 } },
                          { "LE", 0xfffffffe, { 0, -2, 5 }, { -1 } }, { "EQ", "18446744073709551615", { -1, "0xffffffff" }, { 0 } } } do
    for _, value in ipairs(case[3]) do equal(allows("close", { arg(0, case[1], case[2]) }, value), true, case[1] .. " " .. value) end
    for _, value in ipairs(case[4]) do equal(allows("close", { arg(0, case[1], case[2]) }, value), false, case[1] .. " " .. value) end
  end
  equal(allows("ptrace", { arg(0, "GT", "9223372036854775807") }, "0x8000000000000000"), true, "64 bits")
  equal(allows("ptrace", { arg(0, "GT", "9223372036854775807") }, "0x7fffffffffffffff"), false, "64 bits")
  equal(allows("clone", { arg(0, "MASKED_EQ", 2114060288, 0) }, "CLONE_VM | SIGCHLD"), true, "a mask")
  equal(allows("clone", { arg(0, "MASKED_EQ", 2114060288) }, "CLONE_VM | CLONE_NEWNET"), false, "a mask")
  equal(allows("clone", { arg(0, "MASKED_EQ", 1, 3) }, 5), true, "the value is masked, too")
  equal(allows("lseek", { arg(2, "EQ", 1), arg(2, "EQ", 2), arg(0, "EQ", 3) }, 9, 9, 2), true, "an argument twice: any of them")
  equal(allows("lseek", { arg(2, "EQ", 1), arg(2, "EQ", 2), arg(0, "EQ", 3) }, 3), true, "an argument twice: any of them")
end)

test("entries are a set", function()
  local function read(...)
    local policy, warnings = seccomp.from_oci(profile { ... })
    return policy, table.concat(warnings, "\n")
  end
  local five = { arg(0, "EQ", 5) }
  for _, turned in ipairs { false, true } do
    local a, b = entry("close", "ALLOW"), entry("close", "ERRNO 2", five)
    local policy, warnings = read(turned and b or a, turned and a or b)
    equal(policy:test("close", 5), "allow", "one without args goes before those with")
    match(warnings, "close is decided by OCI profile, entry " .. (turned and 2 or 1))
  end
  local policy, warnings = read(entry("close", "ALLOW"), entry("close", "ERRNO 2"))
  equal(policy:test "close", "allow", "the first of two without args")
  match(warnings, "entry 2: close is decided by OCI profile, entry 1")
  policy, warnings = read(entry("close", "ALLOW", { arg(0, "GT", 3) }), entry("close", "ERRNO 99", five))
  equal(policy:test("close", 5), "allow", "an entry with the default's action")
  match(warnings, "default action")
  policy, warnings = read(entry("close", "ERRNO 2", five), entry("close", "ALLOW", { arg(0, "GT", 3) }))
  equal(policy:test("close", 5), "errno ENOENT", "the stricter of two that overlap")
  equal(policy:test("close", 6), "allow")
  match(warnings, "entry 1 and OCI profile, entry 2 overlap for close")
  policy, warnings = read(entry("close", "ERRNO 2", five), entry("close", "ALLOW", { arg(0, "GT", 5) }), entry("close", "ALLOW", { arg(0, "LT", 5) }))
  equal(warnings, "", "those that do not overlap")
  equal(policy:test("close", 4), "allow")
end)

test("what is not known is passed over and told, or an error that names the entry", function()
  local policy, warnings = seccomp.from_oci(profile({ entry({ "read", "no_such_call", "nor_this" }, "ALLOW") },
    { architectures = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_S390X" }, flags = { "SECCOMP_FILTER_FLAG_LOG" } }), { architecture = "x86_64" })
  equal(policy:test { "read", architecture = "x86_64" }, "allow")
  equal(policy:test { "read", architecture = "x86" }, "allow")
  equal(policy:test { "read", architecture = "aarch64" }, "kill")
  local text = table.concat(warnings, "\n")
  for _, part in ipairs { "no_such_call, nor_this", "SCMP_ARCH_S390X", "SCMP_ARCH_X32", "flags" } do match(text, part) end

  local function wrong(one, ...) fails(function() seccomp.from_oci(profile { entry("read", "ALLOW"), one }) end, "entry 2", ...) end
  wrong(entry("read", "ALOW"), "'SCMP_ACT_ALOW' is no action", "'SCMP_ACT_ALLOW'")
  wrong({ names = { "read" } }, "action is missing")
  wrong({ names = {}, action = "SCMP_ACT_ALLOW" }, "names no call")
  wrong({ names = { "read" }, name = "write", action = "SCMP_ACT_ALLOW" }, "both name and names")
  wrong({ names = { 5 }, action = "SCMP_ACT_ALLOW" }, "list of strings")
  wrong(entry("read", "ALLOW", nil, { arg = {} }), "'arg' is not a key", "'args'")
  wrong(entry("read", "ALLOW", nil, { errnoRet = 1 }), "takes no errnoRet")
  wrong(entry("read", "ERRNO 70000"), "0 to 4095")
  wrong(entry("read", "ALLOW", { arg(0, "SAME", 1) }), "arg 1", "'SCMP_CMP_SAME' is no operator")
  wrong(entry("read", "ALLOW", { arg(0, "EQ", 1), arg(6, "EQ", 1) }), "arg 2", "index must be from 0 to 5")
  wrong(entry("read", "ALLOW", { arg(0, "EQ", -1) }), "arg 1", "value must be")
  wrong(entry("read", "ALLOW", { arg(0, "EQ", 1.5) }), "value must be")
  wrong(entry("read", "ALLOW", { arg(0, "EQ", "x") }), "value must be")
  wrong(entry("read", "ALLOW", { arg(0, "EQ", "99999999999999999999") }), "value must be")
  wrong(entry("read", "ALLOW", { arg(3, "EQ", 1) }), "read takes 3 arguments", "index 3")
  wrong(entry("read", "ALLOW", { arg(1, "EQ", 5) }), "'buf' is an address")
  wrong(entry("read", "ALLOW", { arg(0, "EQ", 2 ^ 32) }), "does not fit 'fd'")
  wrong(entry("read", "ALLOW", { { index = 0, op = "SCMP_CMP_EQ", value = 1, valuetwo = 2 } }), "'valueTwo'")
  wrong(entry("read", "ALLOW", nil, { includes = { cap = {} } }), "'caps'")
  wrong(entry("read", "ALLOW", nil, { includes = { minKernel = "x" } }), "'x' is no version")
  fails(function() seccomp.from_oci '{"defaultAction": "SCMP_ACT_ALLOW", "syscals": []}' end, "'syscalls'")
  fails(function() seccomp.from_oci "{}" end, "defaultAction", "missing")
  fails(function() seccomp.from_oci "[" end, "json", "line 1")
  fails(function() seccomp.from_oci '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [1]}' end, "list of objects")
  fails(function() seccomp.from_oci '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x86"]}' end, "'x86' is no architecture")
  fails(function() seccomp.from_oci("{}", { capability = {} }) end, "'capabilities'")
  fails(function() seccomp.from_oci(5) end, "takes JSON")
end)

test("many entries of one call end in an error, soon", function()
  local entries = {}
  for i = 1, 1000 do entries[i] = entry("prctl", i % 2 == 0 and "ALLOW" or "ERRNO 2", { arg(0, "NE", i), arg(1, "NE", i), arg(2, "NE", i), arg(3, "NE", i) }) end
  local start = os.clock()
  local _, warnings = seccomp.from_oci(profile(entries))
  fails(function() seccomp.from_oci(profile(entries)):bpf() end, "instructions")
  match(table.concat(warnings, "\n"), "too many entries")
  if os.clock() - start > 20 then error("took " .. os.clock() - start) end
end)

test("Docker's form depends on capabilities, architecture and kernel", function()
  local text = profile({
    entry("reboot", "ALLOW", nil, { includes = { caps = { "CAP_SYS_BOOT" } } }), entry("setns", "ALLOW", nil, { includes = { caps = { "CAP_SYS_ADMIN", "CAP_SYS_CHROOT" } } }),
    entry("clone3", "ERRNO 38", nil, { excludes = { caps = { "CAP_SYS_ADMIN" } }, includes = json.null, comment = "x" }),
    entry("arch_prctl", "ALLOW", nil, { includes = { arches = { "amd64", "x32" } } }), entry("chmod", "ALLOW", nil, { excludes = { arches = { "amd64" } } }),
    entry("ptrace", "ALLOW", nil, { includes = { minKernel = "4.8" } }), entry("chdir", "ALLOW", nil, { excludes = { minKernel = "4.8" } }),
    { name = "mkdir", action = "SCMP_ACT_ALLOW", args = json.null },
    { names = { "rmdir" }, action = "SCMP_ACT_ERRNO", errno = "ENOTDIR", errnoRet = json.null },
  }, { archMap = { { architecture = "SCMP_ARCH_AARCH64", subArchitectures = { "SCMP_ARCH_ARM" } }, { architecture = "SCMP_ARCH_X86_64", subArchitectures = { "SCMP_ARCH_X86" } },
                   { architecture = "SCMP_ARCH_RISCV64", subArchitectures = json.null } } })
  local function answers(options, wanted, architecture)
    options.architecture = architecture or "x86_64"
    local policy = seccomp.from_oci(text, options)
    for call, allowed in pairs(wanted) do
      equal(policy:test { call, architecture = options.architecture } == "allow", allowed, call)
    end
    return policy
  end
  local policy = answers({ capabilities = "none", kernel = "6.1.0-9-amd64" }, { reboot = false, setns = false, arch_prctl = true, chmod = false, ptrace = true, chdir = false, mkdir = true })
  equal(policy:test { "clone3", architecture = "x86_64" }, "errno ENOSYS")
  equal(policy:test { "rmdir", architecture = "x86_64" }, "errno ENOTDIR")
  equal(policy:test { "mkdir", architecture = "x86" }, "allow", "a sub-architecture")
  policy = answers({ capabilities = { "sys_boot", "sys_admin" }, kernel = "4.4" }, { reboot = true, setns = false, ptrace = false, chdir = true })
  equal(policy:test { "clone3", architecture = "x86_64" }, "errno EADDRNOTAVAIL")
  answers({ capabilities = "all" }, { setns = true })
  policy = answers({}, { ptrace = true }, "aarch64")
  equal(policy:test { "fchmod", architecture = "x86_64" }, "kill", "another architecture")
end)

-- ---- samples

local interesting = { "0", "1", "2", "3", "5", "9", "10", "16", "38", "40", "0x7fffffff", "0x80000000", "0xffffffff", "0xfffffffe", "0x100000000",
                      "0x100000005", "0x7fffffffffffffff", "0x8000000000000000", "0xffffffffffffffff", "0xffffffff80000000", "0x5412", "0x541c", "0x20000",
                      "0x7e020000", "0x10000000", "0x20008" }
local function sample()
  if math.random() < 0.8 then return interesting[math.random(#interesting)] end
  return ("0x%x%08x"):format(math.random(0, 0xffff), math.random(0, 2 ^ 31))
end

-- Both programs must answer alike: each call once, those with conditions often.
local function alike(a, b, often, architecture, passed_over)
  local calls = filter.calls()
  for _, call in ipairs(often) do
    for _ = 1, 250 do calls[#calls + 1] = call end
  end
  for _, call in ipairs(calls) do
    if not (passed_over and passed_over(call)) and filter.number(call, architecture) then
      local arguments = { sample(), sample(), sample(), sample(), sample(), sample() }
      local x, y = filter.simulate(a, architecture, call, unpack(arguments)), filter.simulate(b, architecture, call, unpack(arguments))
      if x ~= y then error(("%s(%s): 0x%x and 0x%x"):format(call, table.concat(arguments, ", "), x, y), 2) end
    end
  end
end

-- A condition of a call that has no addresses to compare.
local fields = { socket = { "domain", "type", "protocol" }, lseek = { "fd", "offset", "whence" }, ptrace = { "request", "pid", "data" },
                 prctl = { "option", "arg2", "arg3" }, kill = { "pid", "sig" }, fcntl = { "fd", "cmd", "arg" } }
local function random_value(narrow)
  repeat
    local value = sample()
    local number = tonumber(value)
    if not narrow or number < 2 ^ 32 then return value end
  until false
end
local wide = { offset = true, request = true, data = true, arg2 = true, arg3 = true, arg = true, ["ptrace.pid"] = true }
local function random_comparison(call)
  local field = fields[call][math.random(#fields[call])]
  local narrow = not (wide[field] or wide[call .. "." .. field])
  local op = ({ "==", "!=", "<", "<=", ">", ">=" })[math.random(math.random() < 0.5 and 2 or 6)]
  local mask = math.random() < 0.3 and " & " .. random_value(narrow) or ""
  return ("%s%s %s %s"):format(field, mask, op, random_value(narrow))
end
local function random_policy()
  local actions, calls = { "allow", "errno EPERM", "errno ENOSYS", "trap", "log", "kill" }, {}
  for call in pairs(fields) do calls[#calls + 1] = call end
  table.sort(calls)
  local policy = seccomp.policy { default = actions[math.random(#actions)], unknown = nil, allow = { "read", "write" }, trap = { "mount" } }
  if policy:test(100000) ~= policy:test "fork" then policy = seccomp.policy { from = policy, unknown = policy:test "fork" } end
  for _ = 1, 6 do
    local call, word = calls[math.random(#calls)], actions[math.random(#actions)]
    local when = random_comparison(call)
    if math.random() < 0.4 then when = when .. (math.random() < 0.5 and " and " or " or ") .. random_comparison(call) end
    local list = { [call] = when }
    if word:find "^errno" then policy = policy:errno(word:match "%S+$", math.random() < 0.2 and { call } or list)
    else policy = policy[word](policy, math.random() < 0.2 and { call } or list) end
  end
  return policy, calls
end

-- ---- libseccomp itself: JSON as the runtimes hand it over

local library
do
  local good, found = pcall(ffi.load, "libseccomp.so.2")
  library = good and found or nil
  ffi.cdef [[
    struct scmp_arg_cmp { unsigned arg; int op; uint64_t datum_a, datum_b; };
    void *seccomp_init(uint32_t);
    void seccomp_release(void *);
    int seccomp_rule_add_array(void *, uint32_t, int, unsigned, const struct scmp_arg_cmp *);
    int seccomp_syscall_resolve_name(const char *);
    int seccomp_export_bpf(void *, int);
    int memfd_create(const char *, unsigned);
    long pread(int, void *, size_t, long);
    void __lsan_disable(void);
    void __lsan_enable(void);
  ]]
end
local library_ops = { NE = 1, LT = 2, LE = 3, EQ = 4, GE = 5, GT = 6, MASKED_EQ = 7 }

local function library_knows(call)
  return library.seccomp_syscall_resolve_name(call) >= 0
end

local function compile_with_library(text)
  if not library then t.skip "libseccomp.so.2 is not here" end
  local whole = json.decode(text)
  local action_of = function(one, errno)
    local number = require("ccsand.seccomp.oci_names").actions[one]
    return (one:find "ERRNO" or one:find "TRACE") and number + (errno or 1) or number
  end
  local default = action_of(whole.defaultAction, whole.defaultErrnoRet)
  local context = library.seccomp_init(default)
  for i, one in ipairs(whole.syscalls) do
    local action = action_of(one.action, one.errnoRet)
    local args, count = ffi.new "struct scmp_arg_cmp[6]", 0
    for _, comparison in ipairs(one.args or {}) do
      args[count].arg, args[count].op = comparison.index, library_ops[comparison.op:match "SCMP_CMP_(.*)"]
      args[count].datum_a, args[count].datum_b = conditions.unsigned(comparison.value), conditions.unsigned(comparison.valueTwo or 0)
      count = count + 1
    end
    for _, call in ipairs(one.names) do
      if action ~= default and library_knows(call) then
        local status = library.seccomp_rule_add_array(context, action, library.seccomp_syscall_resolve_name(call), count, args)
        if status ~= 0 then error(("entry %d (%s): libseccomp answers %d"):format(i, call, status)) end
      end
    end
  end
  local fd = ffi.C.memfd_create("filter", 0)
  local status = library.seccomp_export_bpf(context, fd)
  local buffer = ffi.new("char[?]", 65536)
  local size = tonumber(ffi.C.pread(fd, buffer, 65536, 0))
  ffi.C.close(fd)
  library.seccomp_release(context)
  equal(status, 0, "seccomp_export_bpf")
  return ffi.string(buffer, size)
end
-- A build that looks for leaks shall not look for the library's.
local compiled_with_library = compile_with_library
function compile_with_library(text)
  local looks = pcall(function() return ffi.C.__lsan_disable end)
  if looks then ffi.C.__lsan_disable() end
  local good, result = pcall(compiled_with_library, text)
  if looks then ffi.C.__lsan_enable() end
  if not good then error(result, 0) end
  return result
end
local function passed_over(call) return not library_knows(call) end

-- ---- and back

test("the default profile comes back as it went", function()
  for _, capabilities in ipairs { "default", "none", "all", { "sys_admin", "audit_write" } } do
    for _, architectures in ipairs { { "native" }, { "native", filter.architecture() == "x86_64" and "x86" or "arm" } } do
      local policy = seccomp.default { capabilities = capabilities, architectures = architectures }
      local again, warnings = seccomp.from_oci(policy:to_oci())
      equal(#warnings, 0, "warnings")
      for _, architecture in ipairs(architectures) do
        alike(policy:bpf(), again:bpf(), { "socket", "clone", "personality", "ioctl" }, architecture)
      end
    end
  end
end)

test("the default profile, compiled by libseccomp, answers the same", function()
  local policy = seccomp.default()
  alike(policy:bpf(), compile_with_library(policy:to_oci()), { "socket", "clone", "personality", "ioctl" }, "native", passed_over)
end)

test("random policies come back as they went, and libseccomp answers the same", function()
  math.randomseed(20)
  local written = 0
  for _ = 1, 60 do
    local policy, calls = random_policy()
    local good, text = pcall(policy.to_oci, policy)
    if good then
      written = written + 1
      local again, warnings = seccomp.from_oci(text)
      equal(#warnings, 0, "warnings: " .. table.concat(warnings, "; "))
      alike(policy:bpf(), again:bpf(), calls, "native")
      if library then alike(policy:bpf(), compile_with_library(text), calls, "native", passed_over) end
    else
      match(text, "more than 512 entries")
    end
  end
  if written < 40 then error("only " .. written .. " of 60 could be written") end
end)

test("written once or twice is the same", function()
  local text = seccomp.default():to_oci()
  local again = seccomp.from_oci(text)
  alike(again:bpf(), seccomp.from_oci(again:to_oci()):bpf(), { "socket", "clone", "personality", "ioctl" }, "native")
end)

test("what the form cannot say is an error", function()
  local function refused(policy, ...) fails(function() policy:to_oci() end, "to_oci", ...) end
  refused(seccomp.policy { notify = { "mount" } }, "mount", "notify")
  refused(seccomp.policy { default = "notify" }, "notify")
  refused(seccomp.policy { default = "allow", unknown = "errno ENOSYS" }, "new calls are answered errno ENOSYS")
  refused(seccomp.policy { foreign = "errno ENOSYS" }, "other architectures")
  refused(seccomp.from_kafel "TRAP(3) { mount }", "trap 3")
  local odd = {}
  for i = 1, 600 do odd[i] = tostring(i * 7) end
  refused(seccomp.policy { allow = "prctl", deny = { prctl = "option in { " .. table.concat(odd, ", ", 1, 250) .. " } and arg2 != 5 and arg3 != 6" } }, "512 entries")
  if filter.architecture() == "x86_64" then
    refused(seccomp.policy { architectures = { "native", "x86" }, allow = { prctl = "arg2 > 5 and arg2 != 9" } }, "32-bit")
    local policy = seccomp.policy { architectures = { "native", "x86" }, allow = { prctl = "arg2 > 5", socket = "domain != 9" } }
    local again = seccomp.from_oci(policy:to_oci())
    for _, architecture in ipairs { "x86_64", "x86" } do alike(policy:bpf(), again:bpf(), { "prctl", "socket" }, architecture) end
  end
end)

-- ---- the runtimes themselves

local function runtime_takes(name)
  if ffi.C.geteuid() ~= 0 then t.skip "runtimes are started by root" end
  if #t.host_lines("command -v " .. name) == 0 then t.skip(name .. " is not here") end
  if not t.read "/bin/busybox" then t.skip "there is no /bin/busybox" end
  local bundle = t.mkdir "bundle"
  assert(os.execute(("mkdir -p '%s/rootfs/bin' && cp /bin/busybox '%s/rootfs/bin/' && cd '%s' && %s spec >/dev/null"):format(bundle, bundle, bundle, name)) == 0)
  local config = json.decode(t.read(bundle .. "/config.json"))
  config.process.terminal = false
  config.process.args = json.array { "/bin/busybox", "sh", "-c", "busybox unshare -m true 2>&1; busybox grep Seccomp: /proc/self/status" }
  -- crun starts nothing where both kinds of cgroups are mounted.
  local command = ("cd '%s' && unshare -m sh -c '[ ! -d /sys/fs/cgroup/unified ] || mount -t tmpfs none /sys/fs/cgroup/unified; exec timeout 60 %s %s --root %s/state run ccsand-%d'")
    :format(bundle, name, name == "crun" and "--cgroup-manager=disabled" or "", bundle, ffi.C.getpid())
  local function run(profile_text)
    config.linux.seccomp = profile_text and json.decode(profile_text) or nil
    t.write(bundle .. "/config.json", json.encode(config))
    return t.run_host(command)
  end
  local out, status = run(nil)
  if status ~= 0 then t.skip(name .. " starts nothing here: " .. out) end
  out, status = run(seccomp.default():to_oci())
  equal(status, 0, out)
  match(out, "unshare.*not permitted")
  match(out, "Seccomp:%s*2")
end
test("crun takes what is written", function() runtime_takes "crun" end)
test("runc takes what is written", function() runtime_takes "runc" end)

os.execute("rm -rf '" .. t.directory .. "'")
print(("%d passed, %d failed, %d skipped"):format(t.passed, t.failed, t.skipped))
return t.failed == 0 and 0 or 1
