-- Tasks of one loop: waiting side by side, errors, deadlines, cancelling, queues; and
-- containers that are waited for in them.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local loop = ccsand.loop

local function took(f)
  local from = loop.now()
  f()
  return loop.now() - from
end

-- ---- tasks

test("run returns the results and raises the error of its function", function()
  equal(select("#", loop.run(function() end)), 0)
  local a, b, c = loop.run(function(...) return ... end, 1, nil, "x")
  equal(a, 1) equal(b, nil) equal(c, "x")
  fails(function() loop.run(function() error "plain" end) end, "plain", "loop_test.lua")
  local value = {}
  local _, problem = pcall(loop.run, function() error(value) end)
  equal(problem, value, "the very value")
  equal(loop.run(function() return 7 end), 7, "after a failure")
  fails(function() loop.run(3) end, "takes a function")
  fails(function() loop.spawn(print) end, "no loop runs", "loop.run")
  fails(function() loop.sleep(1) end, "no task runs here")
  fails(function() loop.run(function() loop.run(print) end) end, "a loop runs already")
end)

test("tasks wait side by side, in the order of their times", function()
  local order = {}
  local time = took(function()
    loop.run(function()
      for _, ms in ipairs { 60, 20, 40 } do
        loop.spawn(function() loop.sleep(ms .. "ms") order[#order + 1] = ms end)
      end
      order[#order + 1] = "first"
    end)
  end)
  equal(table.concat(order, " "), "first 20 40 60")
  assert(time >= 0.06 and time < 0.11, "took " .. time)
end)

test("a task's results and error are those who wait get", function()
  loop.run(function()
    local task = loop.spawn(function(x) loop.sleep(0.01) return x, nil, 3 end, 1)
    equal(task:status(), "ready")
    local a, b, c = task:wait()
    equal(a, 1) equal(b, nil) equal(c, 3)
    equal(task:status(), "done")
    equal((task:wait()), 1, "again")
    local failing = loop.spawn(function() error { code = "X" } end)
    local good, problem = pcall(failing.wait, failing)
    equal(good, false) equal(problem.code, "X") equal(failing:status(), "failed")
    local own = loop.current()
    fails(function() own:wait() end, "cannot wait for itself")
  end)
  equal(loop.current(), nil)
end)

test("an error that nobody waits for is the run's; the others go on meanwhile", function()
  local went_on
  fails(function()
    loop.run(function()
      loop.spawn(function() error "lost" end)
      loop.sleep(0.02)
      went_on = true
    end)
  end, "lost")
  equal(went_on, true)
end)

test("where the first task fails the others are cancelled", function()
  local told, other
  local time = took(function()
    fails(function()
      loop.run(function()
        other = loop.spawn(function()
          local _, problem = pcall(loop.sleep, 30)
          told = problem.code
          error(problem, 0)
        end)
        loop.sleep(0.01)
        error "stop"
      end)
    end, "stop")
  end)
  equal(told, "ECANCELED") equal(other:status(), "cancelled")
  assert(time < 1, "took " .. time)
end)

test("cancel raises where the task waits; what it deferred is done, and may wait", function()
  local log = {}
  local function note(text) log[#log + 1] = text end
  loop.run(function()
    local task = loop.spawn(function()
      loop.defer(note, "last")
      loop.defer(function() loop.sleep(0.01) note "waited" end)
      loop.defer(function() error "not this one's business" end)
      note "begun"
      loop.sleep(30)
      note "not here"
    end)
    loop.sleep(0.01)
    equal(task:status(), "waiting")
    task:cancel "enough"
    local _, problem = pcall(task.wait, task)
    match(tostring(problem), "enough") equal(problem.code, "ECANCELED") equal(task:status(), "cancelled")
    task:cancel()
    local never = loop.spawn(note, "never begun")
    never:cancel()
    pcall(never.wait, never)
    equal(never:status(), "cancelled")
    -- One that is about to go on gets what it waited for first.
    local queue = loop.queue()
    local taker = loop.spawn(function() note(queue:take()) loop.sleep(1) note "not here" end)
    loop.sleep(0)
    queue:put "item"
    taker:cancel()
    pcall(taker.wait, taker)
  end)
  equal(table.concat(log, ","), "begun,waited,last,item")
end)

test("an error of what was deferred is the task's", function()
  fails(function() loop.run(function() loop.defer(error, "in tear-down", 0) return 1 end) end, "in tear-down")
end)

test("one that does not heed its cancellation is abandoned", function()
  loop.run(function()
    local done
    local task = loop.spawn(function()
      loop.defer(function() done = true end)
      while true do pcall(loop.sleep, 30) end
    end)
    loop.sleep(0)
    task:cancel()
    loop.sleep(0.01)
    equal(task:status(), "waiting")
    task:abandon "enough"
    equal(task:status(), "cancelled")
    fails(function() task:wait() end, "abandoned: enough")
    loop.sleep(0)
    equal(done, true)
  end)
end)

-- ---- deadlines

test("timeout: in time, too late, nested", function()
  loop.run(function()
    equal(loop.timeout("5s", function(x) loop.sleep(0.01) return x end, 4), 4)
    local time = took(function()
      local problem = fails(function() loop.timeout("30ms", loop.sleep, 30) end, "30ms")
      equal(problem.code, "ETIMEDOUT")
    end)
    assert(time >= 0.03 and time < 0.5, "took " .. time)
    loop.timeout("5s", function()
      local problem = fails(function() loop.timeout("20ms", function() loop.timeout("5s", loop.sleep, 9) end) end, "20ms")
      equal(problem.code, "ETIMEDOUT", "the outer of two")
      loop.sleep(0.01)
    end)
    local tidied
    fails(function() loop.timeout("10ms", function()
      local good, problem = pcall(loop.sleep, 30)
      loop.sleep(0.01)
      tidied = not good
      error(problem, 0)
    end) end, "10ms")
    equal(tidied, true, "tear-down may wait")
  end)
end)

test("timeout ends code that computes for ever, and other tasks go on after it", function()
  local after, status = 0, jit.status()
  loop.run(function()
    local other = loop.spawn(function() for i = 1, 3 do loop.sleep(0.01) after = i end end)
    local function busy() local i = 0 while true do i = i + 1 end end
    local time = took(function()
      local problem = fails(function() loop.timeout("50ms", busy) end, "50ms")
      equal(problem.code, "ETIMEDOUT")
    end)
    assert(time < 0.5, "took " .. time)
    -- ... in a coroutine of its own
    fails(function() loop.timeout("20ms", function() coroutine.wrap(busy)() end) end, "20ms")
    other:wait()
  end)
  equal(after, 3)
  equal(jit.status(), status, "the JIT is as before")
end)

test("code that swallows every error ends as well", function()
  local deferred
  local time = took(function()
    local problem = fails(function()
      loop.run(function()
        loop.defer(function() deferred = true end)
        loop.timeout("20ms", function()
          while true do pcall(function() while true do end end) end
        end)
      end)
    end, "20ms")
    equal(problem.code, "ETIMEDOUT")
  end)
  equal(deferred, true, "tear-down")
  assert(time < 3, "took " .. time)
end)

-- ---- queues, events

test("queues hand on in order, hold back and close", function()
  local got, most = {}, 0
  loop.run(function()
    local queue = loop.queue(2)
    local takers = {}
    for i = 1, 3 do
      takers[i] = loop.spawn(function()
        while true do
          local value, there = queue:take()
          if not there then return end
          got[#got + 1] = tostring(value)
          loop.sleep(0)
        end
      end)
    end
    for i = 1, 10 do
      if i == 5 then queue:put(nil) else queue:put(i) end
      most = math.max(most, queue:size())
    end
    queue:close()
    for _, task in ipairs(takers) do task:wait() end
    fails(function() queue:put(1) end, "closed")
    local _, there = queue:take()
    equal(there, false)
  end)
  equal(table.concat(got, " "), "1 2 3 4 nil 6 7 8 9 10")
  equal(most, 2)
end)

test("events wake all who wait", function()
  local count = 0
  loop.run(function()
    local event = loop.event()
    for _ = 1, 5 do loop.spawn(function() event:wait() count = count + 1 end) end
    loop.sleep(0)
    equal(count, 0) equal(event:is_set(), false)
    event:set()
    loop.sleep(0)
    equal(count, 5)
    event:wait()
    event:clear()
    equal(event:is_set(), false)
  end)
end)

test("tasks that wait for one another for ever are told so", function()
  local problem = fails(function() loop.run(function() loop.queue():take() end) end, "wait for one another")
  equal(problem.code, "EDEADLK")
end)

test("descriptors", function()
  local ffi = require "ffi"
  ffi.cdef "int pipe(int *); long write(int, const void *, size_t);"
  local ends = ffi.new "int[2]"
  ffi.C.pipe(ends)
  loop.run(function()
    equal(loop.readable(ends[0], "10ms"), false)
    equal(loop.writable(ends[1], "10ms"), true)
    loop.spawn(function() loop.sleep(0.01) ffi.C.write(ends[1], "x", 1) end)
    equal(loop.readable(ends[0]), true)
  end)
  ffi.C.close(ends[0]) ffi.C.close(ends[1])
end)

test("many timers", function()
  local heap = require("ccsand.loop.heap").new()
  local entries, fired, last = {}, 0, -1
  for i = 1, 3000 do entries[i] = heap:add(i * 7919 % 3001, function() end) end
  for i = 1, 3000, 3 do heap:remove(entries[i]) end
  for i = 1, 3000 do
    if i % 3 ~= 1 then
      local at = entries[i].at
      entries[i].f = function()
        assert(at >= last, "out of order")
        last, fired = at, fired + 1
      end
    end
  end
  heap:fire(4000)
  equal(fired, 2000) equal(heap:earliest(), nil)
end)

-- ---- containers

test("containers in tasks run side by side", function()
  local box = t.box()
  local time = took(function()
    loop.run(function()
      for i = 1, 5 do
        loop.spawn(function()
          local result = box:capture({ "/bin/sh", "-c", "sleep 0.4; cat; exit " .. i }, { stdin = "fed" .. i })
          equal(result.status, i) equal(result.stdout, "fed" .. i)
        end)
      end
    end)
  end)
  assert(time < 1.6, "took " .. time)
end)

test("start, exec, wait and run in a task let the others go on", function()
  local ticks = 0
  loop.run(function()
    local ticker = loop.spawn(function() while true do loop.sleep(0.01) ticks = ticks + 1 end end)
    local running = t.box({ init = true }):start { "sleep", "60" }
    local function moves(what, f)
      local before = ticks
      f()
      assert(ticks > before + 3, what .. " holds the others up")
    end
    moves("exec", function() equal(running:exec({ "/bin/sh", "-c", "sleep 0.2; echo x" }).stdout, "x\n") end)
    moves("wait", function() equal(running:wait(0.2), nil) end)
    moves("run", function() equal(t.box():run({ "sleep", "0.2" }).status, 0) end)
    local waiters = {}
    for i = 1, 3 do waiters[i] = loop.spawn(function() return running:wait() end) end
    loop.sleep(0)
    running:kill()
    for i = 1, 3 do equal(waiters[i]:wait(), running:wait(), "one result for all") end
    equal(running:wait().signal, "KILL")
    ticker:cancel()
  end)
end)

-- A container assembles itself beside the tasks: what goes wrong with that is told where it is waited for.
test("a start that fails is the error of the task that wants it, and of no other", function()
  loop.run(function()
    local line = debug.getinfo(1, "l").currentline + 1
    local missing = loop.spawn(function() return t.box():capture { "/bin/no-such-program" } end)
    local mounts = loop.spawn(function()
      return t.box { mounts = { { source = "/dev/null", target = "/etc/passwd/below" } } }:capture { "/bin/true" }
    end)
    local fine = loop.spawn(function() return t.box():capture { "/bin/echo", "fine" } end)
    local _, problem = pcall(missing.wait, missing)
    equal(problem.code, "ENOENT") match(problem.message, "exec.*no%-such%-program") match(problem.where, "loop_test.lua:" .. line)
    _, problem = pcall(mounts.wait, mounts)
    match(problem.message, "step %d+/%d+") match(problem.message, "/etc/passwd/below")
    equal(fine:wait().stdout, "fine\n")
  end)
end)
test("a start that a deadline or a cancellation cuts short leaves nothing", function()
  loop.run(function()
    for i = 0, 20 do -- at different points of its assembly
      local task = loop.spawn(function() t.box():capture { "/bin/sleep", "60" } end)
      loop.sleep(i * 0.0004)
      task:cancel()
      pcall(task.wait, task)
    end
    fails(function() loop.timeout(0.001, function() t.box():capture { "/bin/sleep", "60" } end) end, "")
  end)
end)

test("exited is called once, in the task that waits", function()
  local count = 0
  loop.run(function()
    local running = t.box({ exited = function() count = count + 1 end }):start { "true" }
    local other = loop.spawn(function() running:wait() end)
    running:wait()
    other:wait()
  end)
  equal(count, 1)
end)

test("a container outlives the task that started it", function()
  local running, created
  loop.run(function()
    running = t.box({ created = function() created = true end }):start({ "cat" }, { capture = true, stdin = "x" })
  end)
  collectgarbage() collectgarbage()
  for _ = 1, 100 do coroutine.wrap(function() end)() end -- in the place of the task's
  equal(running:wait().stdout, "x")
  equal(created, true)
end)

test("a wait that is cancelled or late ends what it waited for alone", function()
  loop.run(function()
    local pids = {}
    local box = t.box { created = function(phase) pids[#pids + 1] = phase.pid end }
    fails(function() loop.timeout("50ms", box.capture, box, { "sleep", "60" }) end, "50ms")
    local task = loop.spawn(box.capture, box, { "sleep", "60" })
    loop.sleep(0.02)
    task:cancel()
    pcall(task.wait, task)
    local running = box:start { "sleep", "60" }
    fails(function() loop.timeout("50ms", running.wait, running) end, "50ms")
    equal(running:wait(0.01), nil, "what others hold goes on")
    equal(#pids, 3)
    for i = 1, 2 do equal(t.read("/proc/" .. pids[i] .. "/stat"), nil, "process " .. i) end
    equal(loop.current():containers()[1], running)
    equal(running:close().signal, "KILL")
    equal(#loop.current():containers(), 0)
    equal(running:wait().reason, "signalled")
  end)
end)

test("one that floods its output does not hold up the others", function()
  loop.run(function()
    local flood = t.box({ output_limit = "64K" }):start({ "cat", "/dev/zero" }, { capture = true })
    local time = took(function() for _ = 1, 5 do loop.sleep(0.02) end end)
    assert(time < 1, "five times 20 ms took " .. time)
    local result = flood:close()
    equal(#result.stdout, 65536) equal(result.stdout_cut, true)
  end)
end)

test("200 at the same time", function()
  local box = t.box()
  local sum = 0
  loop.run(function()
    local jobs, workers = loop.queue(), {}
    for i = 1, 200 do jobs:put(i) end
    jobs:close()
    for i = 1, 40 do
      workers[i] = loop.spawn(function()
        for number in function() return (jobs:take()) end do
          local printed = tonumber(box:capture({ "echo", tostring(number) }).stdout)
          sum = sum + printed
        end
      end)
    end
  end)
  equal(sum, 20100)
end)

-- ---- interrupts

test("Ctrl-C cancels the tasks, whose tear-down is done; then the run raises it", function()
  for _, busy in ipairs { "ccsand.loop.sleep(60)", "box:capture { 'sleep', '60' }", "ccsand.loop.timeout(60, function() while true do end end)" } do
    local out, status = t.run_recipe(([[
      local ccsand = require "ccsand"
      local box = ccsand.container { image = %q }
      ccsand.loop.run(function()
        local running = box:start { "sleep", "60" }
        ccsand.loop.spawn(function()
          ccsand.loop.defer(function()
            running:kill()
            print("ended", running:wait().signal)
          end)
          ccsand.loop.sleep(60)
        end)
        ccsand.loop.defer(function() ccsand.loop.sleep(0.01) print("tidied") end)
        ccsand.loop.sleep(0)
        os.execute "(sleep 0.2; kill -INT $PPID) &" -- ccsand itself, at work on what follows
        %s
      end)
    ]]):format(t.image, busy))
    match(out, "ended\tKILL", busy) match(out, "tidied", busy) match(out, "interrupted")
    equal(status, 130, busy)
  end
end)

return t.finish()
