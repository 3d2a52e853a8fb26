-- One loop for everything that waits: tasks are coroutines, and what a task waits for goes
-- on together with all that runs. What it waits with is in C++ (ccsand.event).
local core = require "ccsand.core"
local event = require "ccsand.event"
local heap = require "ccsand.loop.heap"

local loop = {}
local Task = {}
local current_loop                                      -- the one that runs
local by_thread = setmetatable({}, { __mode = "k" })    -- coroutine -> task
local hogging = 0.05                                    -- seconds
local grace = 5                                         -- seconds between the errors of a time that is over
local unpack, resume, running, yield = unpack, coroutine.resume, coroutine.running, coroutine.yield

local function pack(...) return { n = select("#", ...), ... } end
local function fail(message, hint, code) error(core.error(message, hint, code), 0) end

-- ---- tasks, from the inside

--- The task that runs; nil outside of one, and within a coroutine that a task made.
function loop.current()
  local thread = running()
  return thread and by_thread[thread] or nil
end
local function own_task(what)
  return loop.current() or fail(what .. ": no task runs here", "call it within ccsand.loop.run(function() ... end), and not in a coroutine of one's own")
end

local function continued(raised, ...)
  if raised ~= nil then error(raised, 0) end
  return ...
end
-- Every wait ends here. `leave` takes the task out of what it waits for, where an error does.
local function pause(task, leave)
  local pending = table.remove(task.pending, 1)
  if pending ~= nil then
    if leave then leave() end
    error(pending, 0)
  end
  task.state, task.leave = "waiting", leave
  return continued(yield())
end

local function make_ready(task, raised, ...)
  task.state, task.leave = "ready", nil
  task.raised, task.values = raised, pack(...)
  local ready = task.loop.ready
  ready[#ready + 1] = task
end
local function wake(task, ...)
  if task.state == "waiting" then make_ready(task, nil, ...) end
end
-- The error comes where the task waits, or where it next does.
local function raise(task, problem)
  if task.state == "waiting" then
    if task.leave then task.leave() end
    make_ready(task, problem)
  elseif task.state == "ready" or task.state == "running" then
    task.pending[#task.pending + 1] = problem
  end
end

-- ---- time

loop.now = event.now

local function after(time)
  local seconds = event.duration(time)
  if seconds < 0 then fail("time: must not be negative") end
  return event.now() + seconds
end

local function wait_until(task, deadline)
  local timer = task.loop.timers:add(deadline, function() wake(task) end)
  pause(task, function() task.loop.timers:remove(timer) end)
end
--- Waits this long; other tasks go on.
function loop.sleep(time) wait_until(own_task "sleep", after(time)) end

-- A deadline of a task: raised when it is over, and again after each grace, until its function is left.
local expire
local function arm(task, limit, at)
  local timers = task.loop.timers
  if limit.timer then timers:remove(limit.timer) end
  limit.timer = timers:add(at, function() raise(task, expire(task, limit)) end)
end
function expire(task, limit)
  arm(task, limit, event.now() + grace)
  local problem = core.error(("%s: not done in time"):format(limit.text), nil, "ETIMEDOUT")
  limit.problems[problem] = true
  return problem
end

local compiling -- whether the JIT was on before the first deadline
local function begin_limits(self)
  self.limits = self.limits + 1
  if self.limits > 1 then return end
  compiling = jit.status()
  jit.off() -- compiled code cannot be interrupted
  jit.flush()
end
local function end_limits(self)
  self.limits = self.limits - 1
  if self.limits == 0 and compiling then jit.on() end
end

--- Calls f(...), which has this long; an error with the code ETIMEDOUT is raised in it then. It also ends code that
--- computes without waiting.
function loop.timeout(time, f, ...)
  local task = own_task "timeout"
  local limit = { at = after(time), text = "timeout " .. tostring(time), problems = {} }
  local self, depth = task.loop, #task.limits + 1
  begin_limits(self)
  task.limits[depth] = limit
  arm(task, limit, limit.at)
  event.watch(self.deadline_of(task))
  local function finish(good, ...)
    for i = #task.limits, depth, -1 do task.limits[i] = nil end
    self.timers:remove(limit.timer)
    for i = #task.pending, 1, -1 do
      if limit.problems[task.pending[i]] then table.remove(task.pending, i) end
    end
    event.watch(self.deadline_of(task))
    end_limits(self)
    if not good then error((...), 0) end
    return ...
  end
  return finish(pcall(f, ...))
end

-- ---- the loop

local Loop = {}
Loop.__index = Loop

function Loop.deadline_of(task)
  local least
  for _, limit in ipairs(task.limits) do
    local at = next(limit.problems) and event.now() + grace or limit.at -- its tear-down has a time, too
    if not least or at < least then least = at end
  end
  return least
end

-- What code that does not come back in time gets: asked for by a hook, wherever that code is.
local function expired()
  local task = current_loop and current_loop.current
  local earliest
  for _, limit in ipairs(task and task.limits or {}) do
    if not earliest or limit.at < earliest.at then earliest = limit end
  end
  return earliest and expire(task, earliest) or core.error("interrupted", nil, "EINTR")
end

local function run_deferred(task)
  local first
  while #task.deferred > 0 do
    local entry = table.remove(task.deferred)
    local good, problem = pcall(entry.f, unpack(entry, 1, entry.n))
    if not good and first == nil then first = { problem } end
  end
  return first
end
local function body(task, f, ...)
  local results = pack(pcall(f, ...))
  local failed = run_deferred(task)
  if failed and results[1] then results = { n = 2, false, failed[1] } end
  return results
end

function Loop:spawn(f, ...)
  local task = setmetatable({ loop = self, state = "ready", family = self.current and self.current.family, pending = {}, limits = {}, deferred = {}, waiters = {}, cancelled = {},
                              thread = coroutine.create(body) }, Task)
  task.values = pack(task, f, ...)
  by_thread[task.thread] = task
  self.tasks[task] = true
  if task.family then task.family.tasks[task] = true end
  self.count = self.count + 1
  self.ready[#self.ready + 1] = task
  return task
end

function Loop:finish(task, results)
  self.tasks[task] = nil
  local family = task.family
  if family then family.tasks[task] = nil end
  if not task.attends then self.count = self.count - 1 end
  by_thread[task.thread] = nil
  task.thread, task.leave = nil, nil
  task.results = results
  task.state = results[1] and "done" or (results[2] ~= nil and task.cancelled[results[2]]) and "cancelled" or "failed"
  if task.state == "failed" and #task.waiters == 0 and task ~= self.first and not task.attends then
    local keeper = family or self
    keeper.unseen = keeper.unseen or task
  end
  for _, waiter in ipairs(task.waiters) do wake(waiter) end
  task.waiters = {}
  for _, limit in ipairs(task.limits) do -- of one that could not tidy up itself
    self.timers:remove(limit.timer)
    end_limits(self)
  end
  task.limits = {}
  if task == self.first and not results[1] then self:stop() end
  if #task.deferred > 0 then
    local rest = { deferred = task.deferred }
    task.deferred = {}
    self:spawn(function()
      local problem = run_deferred(rest)
      if problem then error(problem[1], 0) end
    end)
  end
end

-- The time in which one task computed, and nobody else could do anything, is not that of the others.
function Loop:make_up(task, from, took)
  for other in pairs(self.tasks) do
    for _, limit in ipairs(other ~= task and other.limits or {}) do
      if limit.at > from and next(limit.problems) == nil then
        limit.at = limit.at + took
        arm(other, limit, limit.at)
      end
    end
  end
end

function Loop:resume(task)
  local values, raised = task.values, task.raised
  task.state, task.values, task.raised = "running", nil, nil
  self.current = task
  local deadline = self.deadline_of(task)
  if deadline then event.watch(deadline) end
  local good, results
  local from = event.now()
  if not task.started then
    task.started = true
    if #task.pending > 0 then good, results = true, { n = 2, false, table.remove(task.pending, 1) } -- it never began
    else good, results = resume(task.thread, unpack(values, 1, values.n)) end
  else
    good, results = resume(task.thread, raised, unpack(values, 1, values.n))
  end
  if #task.limits > 0 or deadline then event.watch() end
  self.current = nil
  local took = event.now() - from
  if took > hogging and self.limits > 0 then self:make_up(task, from, took) end
  local interrupt, raised = event.interrupt()
  task.stopped = task.stopped or raised -- it has the error already
  self:stop_for(interrupt)
  if not good then results = { n = 2, false, results } end
  if results then self:finish(task, results) end
end

-- Cancels what has not been told yet: who tidies up is left to it.
function Loop:stop(problem)
  for task in pairs(self.tasks) do
    if not task.stopped and not task.attends then
      task.stopped = true
      task:cancel(problem)
    end
  end
end
function Loop:stop_for(interrupt)
  if not interrupt then return end
  self.interrupt = interrupt
  self:stop(interrupt)
end

function Loop:notice(news, ready)
  for i = 1, news do
    local set = self.watched[self.news[i]]
    if set then for task in pairs(set) do wake(task, true) end end
  end
  for i = 1, ready do
    for entry in pairs(self.descriptors) do
      if entry.number == self.ready_numbers[i] then wake(entry.task, true) end
    end
  end
end

function Loop:descriptor_list()
  if next(self.descriptors) == nil then return nil end
  local list = {}
  for entry in pairs(self.descriptors) do
    list[#list + 1] = entry.number
    list[#list + 1] = entry.events
  end
  return list
end

-- One round: what is ready runs, then everything is waited for.
function Loop:round()
  local ready = self.ready
  self.ready = {}
  for _, task in ipairs(ready) do
    if task.state == "ready" then self:resume(task) end
  end
  if self.count == 0 then return end
  local deadline = self.timers:earliest()
  local idle = deadline == nil and next(self.watched) == nil and next(self.descriptors) == nil
  if #self.ready > 0 then deadline = 0
  elseif idle then
    local problem = core.error("loop: all tasks wait for one another", "a queue or an event that nobody serves, or two tasks that wait for each other", "EDEADLK")
    for task in pairs(self.tasks) do raise(task, problem) end
    return
  end
  local news, descriptors = event.step(deadline, self.news, self:descriptor_list(), self.ready_numbers)
  self:notice(news, descriptors)
  self.timers:fire(event.now())
  self:stop_for((event.interrupt()))
end

--- Runs f(...) as the first task until it and all that were spawned have ended; returns its results or raises its error.
function loop.run(f, ...)
  if type(f) ~= "function" then fail("run: takes a function, got " .. type(f)) end
  if current_loop then fail("run: a loop runs already", "within a task use loop.spawn(f, ...)") end
  local self = setmetatable({ ready = {}, tasks = {}, count = 0, limits = 0, timers = heap.new(), watched = {}, descriptors = {},
                              news = {}, ready_numbers = {} }, Loop)
  current_loop = self
  event.begin(expired)
  self.first = self:spawn(f, ...)
  local good, problem = pcall(function() while self.count > 0 do self:round() end end)
  current_loop = nil
  for task in pairs(self.tasks) do by_thread[task.thread] = nil end
  while self.limits > 0 do end_limits(self) end
  event.finish()
  if not good then error(problem, 0) end
  if self.interrupt then error(self.interrupt, 0) end
  local results = self.first.results
  if not results[1] then error(results[2], 0) end
  if self.unseen then error(self.unseen.results[2], 0) end
  return unpack(results, 2, results.n)
end

--- Another task, which begins when this one waits.
function loop.spawn(f, ...)
  if type(f) ~= "function" then fail("spawn: takes a function, got " .. type(f)) end
  if not current_loop then fail("spawn: no loop runs", "call it within ccsand.loop.run(function() ... end)") end
  return current_loop:spawn(f, ...)
end

-- For ccsand's own modules: a task that the run does not wait for.
function loop.attend(f)
  local task = loop.spawn(f)
  task.attends = true
  current_loop.count = current_loop.count - 1
  return task
end

-- For ccsand.test: a task whose descendants can be found, and their containers. Their errors that nobody
-- waited for are the family's, not the run's.
function loop.family() return { tasks = {}, started = setmetatable({}, { __mode = "k" }) } end
function loop.confine(family, f, ...)
  local own = current_loop.current
  local before = own.family
  own.family = family
  local task = current_loop:spawn(f, ...)
  own.family = before
  return task
end

--- Calls f(...) when this task ends, in whatever way; the last one first.
function loop.defer(f, ...)
  if type(f) ~= "function" then fail("defer: takes a function, got " .. type(f)) end
  local deferred = own_task("defer").deferred
  local entry = pack(...)
  entry.f = f
  deferred[#deferred + 1] = entry
end

require("ccsand.loop.task")(Task, { own_task = own_task, pause = pause, raise = raise })

-- ---- what tasks wait for

-- Until the container with this id ended or has output; false at the deadline.
function loop.await_news(id, deadline)
  local task = own_task "wait"
  local watched, timers = task.loop.watched, task.loop.timers
  local set, timer = watched[id] or {}, nil
  watched[id], set[task] = set, true
  local function leave()
    set[task] = nil
    if next(set) == nil and watched[id] == set then watched[id] = nil end
    if timer then timers:remove(timer) end
  end
  if deadline then timer = timers:add(deadline, function() wake(task, false) end) end
  local told = pause(task, leave)
  leave()
  return told
end

local function await_descriptor(what, events, descriptor, timeout)
  local task = own_task(what)
  local number = type(descriptor) == "number" and descriptor or descriptor:fileno()
  local entry, timers, timer = { task = task, number = number, events = events }, task.loop.timers, nil
  local descriptors = task.loop.descriptors
  descriptors[entry] = true
  local function leave()
    descriptors[entry] = nil
    if timer then timers:remove(timer) end
  end
  if timeout ~= nil then timer = timers:add(after(timeout), function() wake(task, false) end) end
  local ready = pause(task, leave)
  leave()
  return ready
end
--- Until the descriptor can be read from (or its other end was closed); false after `timeout`.
function loop.readable(descriptor, timeout) return await_descriptor("readable", 1, descriptor, timeout) end
--- Until it can be written to.
function loop.writable(descriptor, timeout) return await_descriptor("writable", 4, descriptor, timeout) end

local Queue = require("ccsand.loop.queue")(own_task, pause, wake)
--- What tasks hand to one another: queue:put(value), queue:take(), queue:close(). With `size`, put waits while it is full.
function loop.queue(size) return Queue.new(size) end
--- Something that has happened or not: event:set(), event:wait(), event:is_set(), event:clear().
function loop.event() return Queue.event() end

return loop
