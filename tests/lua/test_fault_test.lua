-- `ccsand test` and tests that misbehave: each is ended and told, every other test still passes, and nothing is left.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local t = require "support"
local harness = require "harness"
t.begin()
local test, equal, match, no_match = t.test, t.equal, t.match, t.no_match
local run, counts = harness.run, harness.counts

-- ---- time

test("a test that is not done in time fails, wherever it waits, and is torn down", function()
  local text, status = run([[
    test("sleeps", { timeout = "50ms" }, function(t) t.defer(function() io.stderr:write "TORN DOWN" end) loop.sleep "1h" end)
    test("waits", { timeout = "150ms" }, function(t) t.start({ image = IMAGE }, { "sleep", "3600" }):wait() end)
    test("default", function(t) loop.event():wait() end)
    test("good", function(t) loop.sleep "60ms" end) ]], "--timeout 200ms -j 4")
  equal(status, 1, text)
  equal(counts(text), "1 passed, 3 failed")
  match(text, "TORN DOWN")
  for _, time in ipairs { "0.05", "0.15", "0.2" } do match(text, "not done within " .. time .. " s") end
end)

test("endless loops are ended, those that catch every error too, and cost the others nothing of their time", function()
  local text, status = run([[
    test("loops", { timeout = "150ms" }, function(t) t.defer(function() io.stderr:write "TORN DOWN" end) local i = 0 while true do i = i + 1 end end)
    test("catches", { timeout = "150ms" }, function() loop.sleep "20ms" while true do pcall(function() while true do end end) end end)
    test("catches while it waits", { timeout = "150ms" }, function() while true do pcall(loop.sleep, 1) end end)
    test("good", { timeout = "300ms" }, function(t) for i = 1, 10 do loop.sleep "10ms" end end)
    test("also good", function() end) ]], "-j 4")
  equal(status, 1, text)
  equal(counts(text), "2 passed, 3 failed")
  match(text, "FAIL  loops.*a_test.lua:1: not done within 0.15 s")
  match(text, "it did not heed")
  match(text, "TORN DOWN")
end)

test("a tear-down that does not end does not keep the rest from being done", function()
  local text, status, time = harness.interrupt([[
    test("stuck", function(t)
      t.defer(function() io.stderr:write "LAST\n" end)
      t.defer(function() while true do pcall(loop.sleep, 100) end end)
      io.stderr:write "ready\n"
      loop.sleep(100)
    end) ]], "", "ready", "INT")
  equal(status, 130, text)
  match(text, "LAST")
  assert(time < 1500, time .. " ms")
end)

test("tasks and containers that a test leaves behind end with it", function()
  local text, status = run([[
    test("leaves", function(t)
      loop.spawn(function() while true do loop.sleep(0.01) io.stderr:write "." end end)
      kept = ccsand.container { image = IMAGE }:start { "sleep", "3600" }
      loop.spawn(function() other = ccsand.container { image = IMAGE }:start { "sleep", "3600" } end):wait()
      io.stderr:write(("pids %d %d\n"):format(kept:pid(), other:pid()))
    end)
    test("then", { exclusive = true }, function(t)
      t.is_true(kept:ended())
      t.is_true(other:ended())
      io.stderr:write "dots:"
      loop.sleep "30ms"
      io.stderr:write ":\n"
    end) ]], "-j 1")
  equal(status, 0, text)
  match(text, "dots::")
  for pid in text:match("pids ([%d ]+)"):gmatch("%d+") do equal(harness.is_alive(pid), false, "process " .. pid) end
end)

test("containers end within a second of Ctrl-C, also where tear-downs take longer", function()
  local text, status = harness.interrupt([[
    test("slow", function(t)
      local running = t.start({ image = IMAGE }, { "sleep", "3600" })
      t.defer(function() io.stderr:write("last: ", tostring(running:ended()), "\n") end)
      for _ = 1, 4 do t.defer(function() while true do pcall(loop.sleep, 100) end end) end
      t.defer(function() io.stderr:write("first: ", tostring(running:ended()), "\n") end)
      io.stderr:write "ready\n"
      running:wait()
    end) ]], "", "ready", "TERM")
  equal(status, 143, text)
  match(text, "first: false.*last: true")
end)

-- ---- hostile containers

test("the other tests go on while a test's containers die", function()
  -- A pid namespace ends when all in it have been waited for: here by a process that the other test tells to.
  local text, status = run([[
    local sys = require "ccsand.sys"
    local running, holder
    local left = loop.event()
    test("takes its time to die", function(t)
      running = t.start({ image = IMAGE }, { "sleep", "3600" })
      local pid = running:pid()
      holder = sys.clone({}, function(parent)
        sys.setns("/proc/" .. pid .. "/ns/pid", "pid")
        local inside = sys.clone({}, function(its_parent) its_parent:wait() end)
        parent:wait()
        inside:wait()
      end)
      t.eventually(function() return select(2, running:exec({ "ls", "/proc" }).stdout:gsub("%f[^%z\n]%d+\n", "")) == 3 end) -- with ls
      t.defer(function() left:set() end)
    end)
    test("goes on", function(t)
      left:wait()
      t.eventually(function() return io.open(("/proc/%d/cmdline"):format(running:pid())):read "*a" == "" end) -- it was killed
      t.is_false(running:ended())
      holder:go()
      t.equal(holder:wait().status, 0)
    end) ]], "-j 2")
  equal(status, 0, text)
  equal(counts(text), "2 passed, 0 failed")
end)

-- The processes that have this in their environment, and the cgroups of a ccsand that has ended.
local function left_of(mark, pid)
  local processes = t.host_lines(("grep -lzsxF 'MARK=%s' /proc/[0-9]*/environ"):format(mark))
  local groups = t.host_lines(("find /sys/fs/cgroup -type d -path '*/ccsand/%d-*' 2>/dev/null"):format(pid))
  return table.concat(processes, " ") .. table.concat(groups, " ")
end

test("bombs, floods and containers that stop or end themselves fail their own test alone", function()
  local text, status, folder = run([[
    local ccsand_pid = io.open("/proc/self/stat"):read "*n"
    io.stderr:write(("ccsand is %d\n"):format(ccsand_pid))
    local function box(more)
      local spec = { image = IMAGE, limits = { pids = 20, memory = "64M" }, env = { MARK = "hostile" .. ccsand_pid } }
      for key, value in pairs(more or {}) do spec[key] = value end
      return spec
    end
    test("fork bomb", function(t)
      local result = t.container(box { timeout = "700ms" }):capture { "sh", "-c", "bomb() { bomb | bomb & }; bomb; exec sleep 3600" }
      t.ended(result, { reason = "timeout" })
    end)
    test("gigabytes on stdout", function(t)
      local result = t.container(box { output_limit = "1M", timeout = "1500ms" }):capture { "cat", "/dev/zero" }
      t.equal(#result.stdout, 1024 * 1024)
      t.is_true(result.stdout_cut)
    end)
    test("gigabytes, and killed for it", function(t)
      t.ended(t.container(box { output_limit = "1M", limit_output = true }):capture { "yes" }, { reason = "output", status = 137 })
    end)
    test("kills all that it sees", function(t)
      local result = t.container(box { init = true }):capture { "sh", "-c", "kill -9 -1; sleep 1; kill -9 1; echo still there" }
      t.no_match(result.reason, "timeout")
    end)
    test("closes everything", function(t)
      local running = t.start(box(), { "sh", "-c", "exec 0<&- 1>&- 2>&-; sleep 3600" })
      t.is_nil(running:wait "50ms")
    end)
    test("closes all there may be", { each = { true, false } }, function(t, init)
      local result = t.container(box { init = init }):capture { "sh", "-c", 'i=0; while [ $i -le 255 ]; do eval "exec $i>&-"; i=$((i + 1)); done; exit 3' }
      t.ended(result, { status = 3 })
    end)
    test("prints gigabytes to nobody", function(t)
      local running = t.start(box(), { "sh", "-c", "exec cat /dev/zero" }, { interactive = true, capture = false })
      t.is_nil(running:wait "100ms")
    end)
    test("kills ccsand, which it sees", function(t)
      local result = t.container(box { namespaces = { pid = "host" } }):capture { "sh", "-c",
        ("for signal in KILL STOP INT; do kill -$signal %d; done; echo on"):format(ccsand_pid) }
      t.equal(result.stdout, "on\n")
      t.equal(select(2, result.stderr:gsub("not permitted", "")), 3)
    end)
    test("its pid 1 is killed from outside", function(t)
      local running = t.start(box { init = true }, { "sh", "-c", "trap '' HUP TERM; touch /tmp/up; sleep 3600 & sleep 3600" })
      running:wait_for { file = "/tmp/up" }
      os.execute("kill -9 " .. running:pid())
      t.ended(running:wait "5s", { reason = "signalled", signal = "KILL" })
    end)
    test("is killed in a call that the test decides", function(t)
      local running
      running = t.start(box { notify = { sync = function() os.execute("kill -9 " .. running:pid()) return true end } }, { "sync" })
      t.ended(running:wait "5s", { signal = "KILL" })
    end)
    test("is left frozen, with a bomb in it", function(t)
      local running = t.start(box(), { "sh", "-c", "bomb() { bomb | bomb & }; touch /tmp/up; bomb; exec sleep 3600" })
      running:wait_for { file = "/tmp/up" }
      running:freeze()
    end)
    test("changes its session and leaves orphans", function(t)
      t.ended(t.container(box { init = true }):capture { "sh", "-c", "for i in 1 2 3; do setsid sleep 3600 & done; exit 0" })
    end)
    test("stops itself", function(t)
      local running = t.start(box { init = true }, { "sh", "-c", "echo up; kill -STOP 1 $$; sleep 3600" }, { interactive = true, capture = true })
      running:expect "up"
    end)
    test("is stopped from outside", { timeout = "300ms", expect_failure = "not done within" }, function(t)
      local running = t.start(box(), { "sleep", "3600" })
      running:kill "STOP"
      running:wait()
    end)
    test("out of memory", function(t)
      t.ended(t.container(box()):capture { "sh", "-c", "exec tail /dev/zero" }, { reason = "oom", status = 137 })
    end)
    test.suite("of a pool", { setup_all = function(s) return s.pool(box(), { size = 3 }) end }, function()
      test("end", { each = { all = "kill -9 -1; kill -9 1; kill -9 $$", ["their group"] = "kill -9 0", ["by a stop"] = "kill -STOP $$; exit 0" } }, function(t, script)
        local result = t.shared:run({ "sh", "-c", script }, { timeout = "1s" })
        t.no_match(result.reason, "timeout")
      end)
      test("bomb", function(t) t.ended(t.shared:run({ "sh", "-c", "bomb() { bomb | bomb & }; bomb; exec sleep 3600" }, { timeout = "300ms" }), { reason = "timeout" }) end)
      test("flood", function(t) t.ended(t.shared:run({ "yes" }, { output_limit = "1M", limit_output = true }), { reason = "output" }) end)
      test("good", function(t) t.ended(t.shared:run { "true" }) end)
    end)
    for i = 1, 4 do test("good " .. i, function(t) t.ended(t.container(box()):capture { "true" }) end) end
  ]], "-j 6 --report tap=r.tap --report junit=r.xml --report json=r.json")
  equal(status, 0, text)
  equal(counts(text), "25 passed, 0 failed, 1 failed as expected")
  match(t.read(folder .. "/r.json"), '"counts":{[^}]*"passed":25')
  equal(select(2, t.read(folder .. "/r.tap"):gsub("%f[%w]ok %d+ ", "")), 26)
  match(t.read(folder .. "/r.xml"), 'tests="26" failures="0" errors="0"')
  local pid = text:match "ccsand is (%d+)"
  equal(left_of("hostile" .. pid, pid), "", "left")
end)

test("a failure shows what the test's containers printed and how they ended", function()
  local text, status = run [[
    test("captured", function(t)
      t.ended(t.container { image = IMAGE }:capture { "sh", "-c", "echo to stdout; echo to stderr >&2; exit 3" })
    end)
    test("running", function(t)
      local running = t.start({ image = IMAGE }, { "sh", "-c", "echo it is up; exec sleep 3600" }, { interactive = true })
      running:expect("never", { within = "200ms" })
    end)
    test("limits", function(t)
      local result = t.container { image = IMAGE, timeout = "50ms" }:capture { "sleep", "3600" }
      t.equal(result.status, 0)
    end)
    test("printed", function(t) print("of", "print") t.log("of log", { 1 }) t.fail "x" end) ]]
  equal(status, 1)
  match(text, "status 3, exited.*stdout:\n *to stdout\n *stderr:\n *to stderr")
  match(text, "expect \"never\": not within 200ms.*it is up")
  match(text, "status 137, timeout")
  match(text, "said: of\tprint\n *said: of log\t{ 1 }")
end)

-- ---- Ctrl-C

test("what failed tests keep does not grow with what their containers printed", function()
  local text, status = run([[
    for i = 1, 10 do
      test("n" .. i, function(t)
        local result = t.container { image = IMAGE }:capture { "/bin/sh", "-c", "head -c 67108864 /dev/zero; exit 1" }
        t.log(result.stdout)
        t.equal(#result.stdout, 67108864)
        t.ended(result)
      end)
    end
    test("memory", function() collectgarbage() collectgarbage() io.stderr:write(("kept %d KiB"):format(collectgarbage "count")) end) ]], "-j 1 --report json=r.json --report junit=r.xml")
  equal(status, 1, text)
  equal(counts(text), "1 passed, 10 failed")
  assert(tonumber(text:match "kept (%d+) KiB") < 200000, text:match "kept %d+ KiB")
end)

test("Ctrl-C and TERM end every container within a second, tear down, and still report", function()
  for signal, wanted in pairs { INT = 130, TERM = 143 } do
    local text, status, time, folder = harness.interrupt([[
      local up = 0
      local function started() up = up + 1 if up == 3 then io.stderr:write "all are up\n" end end
      test("done", function() end)
      test.suite("s", { setup_all = function(s) return s.start({ image = IMAGE }, { "sleep", "3600" }) end, teardown_all = function() io.stderr:write "SUITE DOWN\n" end }, function()
        test("waits", function(t)
          t.defer(function() io.stderr:write "TEST DOWN\n" end)
          local running = t.start({ image = IMAGE }, { "sleep", "3600" })
          io.stderr:write(("pids %d %d\n"):format(t.shared:pid(), running:pid()))
          started()
          running:wait()
        end)
      end)
      test("catches", function(t)
        local running = t.start({ image = IMAGE }, { "sleep", "3600" })
        io.stderr:write(("pid %d\n"):format(running:pid()))
        started()
        while true do pcall(running.wait, running) end
      end)
      test("captures", function(t) started() t.container { image = IMAGE }:capture { "sleep", "3600" } end)
      test("never runs", { exclusive = true }, function() io.stderr:write "RAN" end)
    ]], "-j 4 --report tap=r.tap --report junit=r.xml --report json=r.json", "all are up", signal)
    equal(status, wanted, text)
    assert(time < 1500, ("%d ms after %s"):format(time, signal))
    match(text, "TEST DOWN.*SUITE DOWN")
    no_match(text, "RAN")
    match(text, "1 passed, 0 failed, 3 interrupted, 1 not run")
    for pid in text:gmatch("%f[%w]pids? ([%d ]+)") do
      for one in pid:gmatch("%d+") do equal(harness.is_alive(one), false, "process " .. one) end
    end
    match(t.read(folder .. "/r.tap"), "ok 1 %- done\n.*Bail out! interrupted by signal " .. wanted - 128)
    match(t.read(folder .. "/r.xml"), '<skipped message="not run: interrupted"/>.*</testsuites>\n$')
    match(t.read(folder .. "/r.json"), '"interrupted":' .. wanted - 128)
  end
end)

test("Ctrl-C ends a test that computes for ever, one that catches every error too", function()
  for _, body in ipairs { "while true do end", "while true do pcall(function() while true do end end) end" } do
    local text, status, time = harness.interrupt(([[
      test("busy", function(t) t.defer(function() io.stderr:write "TORN DOWN\n" end) io.stderr:write "ready\n" %s end)
      test("other", function() end) ]]):format(body), "-j 1", "ready", "INT")
    equal(status, 130, text)
    match(text, "TORN DOWN")
    match(text, "1 interrupted, 1 not run")
    assert(time < 1500, time .. " ms")
  end
end)

test("--keep leaves what a failed test started until Ctrl-C, and says how to enter it", function()
  local text, status, time = harness.interrupt([[
    test("good", function(t) t.start({ image = IMAGE }, { "sleep", "3600" }) end)
    test("is bad (1)", function(t)
      local running = t.start({ image = IMAGE, env = { OF = "the test" } }, { "sleep", "3600" })
      t.start({ image = IMAGE, name = "own" }, { "sleep", "3600" })
      io.stderr:write(("pid %d\n"):format(running:pid()))
      t.fail "look at it"
    end) ]], "--keep -j 1", "They live until", "INT",
    ("'%s' exec is-bad-1 -- sh -c 'echo \"inside $OF\"' </dev/null; '%s' exec own true </dev/null && echo own"):format(t.ccsand, t.ccsand))
  equal(status, 1, text)
  local pid = text:match("pid (%d+)")
  match(text, "kept: a container of 'is bad %(1%)'\n *ccsand exec %-t [%w-]+ %-%- /bin/sh\n")
  match(text, "\n *ccsand exec %-t is%-bad%-1 %-%- /bin/sh\n")
  match(text, "\n *ccsand exec %-t own %-%- /bin/sh\n")
  equal(select(2, text:gsub("ccsand exec", "")), 2, "containers that are kept")
  match(text, "\ninside the test\n") match(text, "\nown\n")
  match(text, "1 passed, 1 failed")
  equal(harness.is_alive(pid), false, "the container")
  assert(time < 1500, time .. " ms")
end)

return t.finish()
