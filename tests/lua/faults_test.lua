-- System calls that fail where a test says so, and that no policy is weakened by it.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local test, equal, match, fails = t.test, t.equal, t.match, t.fails

-- Makes directories one after the other: libcs differ in the call.
local script = "for i in 1 2 3 4 5 6; do mkdir /tmp/d$i 2>/tmp/err && echo -n $i || { echo -n '('; sed 's/.*: //' /tmp/err | tr -d '\\n'; echo -n ')'; }; done"
local function directories(fault, more, options)
  local spec = { faults = { { fault, calls = { "mkdir", "mkdirat" } } } }
  for k, v in pairs(more or {}) do spec[k] = v end
  return t.sh(script, spec, options).stdout
end
local io_error, no_space = "(I/O error)", "(No space left on device)"
do -- libcs differ in their words, too
  local probe = t.sh("mkdir /tmp/x", { faults = { { "EIO", calls = { "mkdir", "mkdirat" } } } })
  if probe.stderr:find "Input/output" then io_error = "(Input/output error)" end
end

test("always, on, first, after, every", function()
  equal(directories "EIO", io_error:rep(6))
  equal(directories "EIO on 3rd", "12" .. io_error .. "456")
  equal(directories "ENOSPC first 2", no_space:rep(2) .. "3456")
  equal(directories "ENOSPC after 4", "1234" .. no_space:rep(2))
  equal(directories "EIO after 0", io_error:rep(6))
  equal(directories "EIO every 2nd", "1" .. io_error .. "3" .. io_error .. "5" .. io_error)
  equal(directories "EIO 0%", "123456")
  equal(directories "EIO 100%", io_error:rep(6))
end)

test("counts begin anew with each run, and go on in what is executed in it", function()
  local box = t.box { init = true, faults = { { "EIO on 2nd", calls = { "mkdir", "mkdirat" } } } }
  for _ = 1, 2 do equal(box:capture({ "/bin/sh", "-c", "mkdir /tmp/a && mkdir /tmp/b" }).status, 1) end
  local running = box:start { "sleep", "60" }
  equal(running:exec({ "mkdir", "/tmp/a" }).status, 0)
  equal(running:exec({ "mkdir", "/tmp/b" }).status, 1)
  equal(running:exec({ "mkdir", "/tmp/b" }).status, 0)
  running:close()
end)

test("chance goes by the seed", function()
  local function run(seed) return t.sh(script:gsub("1 2 3 4 5 6", "$(seq 30)"), { faults = { seed = seed, { "EIO 50%", calls = { "mkdir", "mkdirat" } } } }).stdout end
  local first = run(7)
  match(first, "%(") match(first, "%d")
  equal(run(7), first)
  assert(run(8) ~= first)
end)

test("by path, by condition, by a function", function()
  local opening = { "open", "openat", "openat2" }
  equal(t.sh("cat /etc/passwd >/dev/null && echo ok; cat /etc/group", { faults = { { "EIO", calls = opening, path = "/etc/group" } } }).stdout, "ok\n")
  equal(t.sh("cat /etc/passwd || cat /proc/self/comm", { faults = { { "EIO", calls = opening, path = "/etc/" } } }).stdout, "cat\n")
  local result = t.sh("echo ab; echo abc; echo abcd", { faults = { write = { "ENOSPC", when = "count == 4" }, seed = 1 } })
  equal(result.stdout, "ab\nabcd\n")
  local seen = {}
  equal(directories(function(call, n)
    seen[#seen + 1] = call.name:sub(1, 5) .. n
    return n == 2 and "EIO" or nil
  end), "1" .. io_error .. "3456")
  equal(seen[6], "mkdir6")
  -- Two of one call.
  result = t.sh("echo ab; echo abc; echo ab; echo abc", { faults = { { "ENOSPC", calls = { "write" }, when = "count == 4" }, { "EIO on 2nd", calls = { "write" }, when = "count == 3" } } })
  equal(result.stdout, "ab\n", result.stderr)
end)

test("what always fails costs no notification", function()
  match(t.box({ faults = { mkdir = "EIO" } }):plan(), "load seccomp filter")
  local plan = t.box({ faults = { mkdir = "EIO" } }):plan()
  assert(not plan:find "listener", plan)
  assert(t.box({ faults = { mkdir = "EIO on 2nd" } }):plan():find "listener")
end)

-- ---- policies

test("what a policy denies stays denied", function()
  local denied = "(Operation not permitted)"
  equal(directories("EIO on 2nd", { seccomp = { deny = { "mkdir", "mkdirat" } } }), denied:rep(6))
  equal(directories("EIO on 2nd", { seccomp = { errno = { EROFS = { "mkdir", "mkdirat" } } } }), ("(Read-only file system)"):rep(6))
  local result = t.sh("mkdir /tmp/x; echo $?; exec mkdir /tmp/y", { seccomp = { kill = { "mkdir", "mkdirat" } }, faults = { { "EIO on 9th", calls = { "mkdir", "mkdirat" } } } })
  match(result.stdout, "^13[17]\n$") -- by SIGSYS, or SIGKILL in its stead
  assert(result.status ~= 0, "the second was made")
  -- Conditions of the policy count for each call: unix sockets only.
  local code = "local function socket(d) return (call(41, d, 1, 0)) >= 0 end print(socket(1), socket(2), socket(1), socket(1))"
  local spec = { seccomp = { deny = { socket = "domain != AF_UNIX" } } }
  spec.faults = { socket = "EMFILE on 2nd" }
  local out = t.run_program(code, spec)
  equal(out.stdout, "true\tfalse\tfalse\ttrue\n", out.stderr)
end)

test("a recipe's own handlers decide what does not fail", function()
  local asked = 0
  local own = function() asked = asked + 1 return "EROFS" end
  equal(directories("EIO on 2nd", { notify = { mkdir = own, mkdirat = own } }),
    "(Read-only file system)" .. io_error .. ("(Read-only file system)"):rep(4))
  equal(asked, 5)
  -- One that fails always needs nobody to ask.
  asked = 0
  equal(directories("EIO", { notify = { mkdir = own, mkdirat = own } }), io_error:rep(6))
  equal(asked, 0)
  local denials = {}
  equal(directories("EIO on 2nd", { seccomp = { deny = { "mkdir", "mkdirat" } }, on_denied = function(d) denials[#denials + 1] = d.call end }), ("(Operation not permitted)"):rep(6))
  equal(#denials, 6)
end)

test("what makes no sense is refused", function()
  local function refused(list, ...) fails(function() t.box { faults = list } end, ...) end
  refused({ mkdir = "EFOO" }, "faults.mkdir", "EFOO", "EIO on 3rd")
  refused({ mkdir = "EIO sometimes" }, "not understood")
  refused({ mkdir = "EIO on 0th" }, "not understood")
  refused({ mkdir = "EIO 101%" }, "not understood")
  refused({ mkdri = "EIO" }, "mkdri")
  refused({ mkdir = 5 }, "text or a function")
  refused({ mkdir = { "EIO", whn = "x" } }, "'whn' is not a key")
  refused({ mkdir = { "EIO", when = "nothing == 1" } }, "nothing")
  refused({ "EIO" }, "names system calls")
  refused("EIO", "must be a table")
  refused({ seed = "x", mkdir = "EIO 5%" }, "seed")
  fails(function() t.box { seccomp = { bpf = ("\6\0\0\0\0\0\255\127") }, faults = { mkdir = "EIO" } } end, "compiled filter")
end)

return t.finish()
