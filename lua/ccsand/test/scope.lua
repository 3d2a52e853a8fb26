-- What a test (or a suite) started: its tasks, its containers, what it deferred, what it said. All of it
-- ends here, whatever the test does.
local event = require "ccsand.event"
local failure = require "ccsand.test.failure"
local loop = require "ccsand.loop"
local unpack = unpack

local scope = {}
local Scope = {}
Scope.__index = Scope

local heed = 1.5          -- seconds that code has to end after its time is over
local patience = 2        -- seconds that the others go on while containers die
local wind_down = 0.35    -- the same after Ctrl-C
local most_lines, most_results = 200, 4

--- Of a run (see ccsand.test.runner), with a name for its problems.
function scope.new(run, name)
  local self = setmetatable({ run = run, name = name, family = loop.family(), deferred = {}, lines = {}, ended = {}, held = {}, pools = {}, problems = {} }, Scope)
  self.family.scope = self
  return self
end

function Scope:log(text)
  if #self.lines < most_lines then self.lines[#self.lines + 1] = failure.bounded(text)
  elseif #self.lines == most_lines then self.lines[most_lines + 1] = "… and more" end
end
function Scope:defer(f, ...)
  local entry = { n = select("#", ...), f = f, ... }
  self.deferred[#self.deferred + 1] = entry
end
--- The result of a container, for the report of a failure.
function Scope:note_result(result)
  for _, known in ipairs(self.ended) do if known == result then return end end
  self.ended[#self.ended + 1] = result
  if #self.ended > most_results then table.remove(self.ended, 1) end
end
function Scope:note_problem(problem, prefix)
  if prefix then problem.message = prefix .. ": " .. problem.message end
  self.problems[#self.problems + 1] = problem
end

-- ---- its tasks

local over = { done = true, failed = true, cancelled = true }

-- Until the task has ended; false where it has not by then. What ends the run does not end this wait.
local function await(run, task, seconds)
  local from = event.now()
  local deadline = from + seconds
  while not over[task:status()] do
    local at = deadline
    if run.interrupted then at = math.min(at, math.max(from, run.interrupted_at) + wind_down) end
    local left = at - event.now()
    if left <= 0 then return false end
    local good, problem = pcall(loop.timeout, left, task.wait, task)
    if not good and failure.is_interrupt(problem) then run:interrupt(problem) end
  end
  return true
end

local function end_task(run, task, seconds)
  if over[task:status()] then return end
  task:cancel("the test has ended")
  if not await(run, task, seconds) then task:abandon("the test has ended") end
end

local function time_text(seconds) return ("%.10g s"):format(seconds) end
-- The end of the test's own time, in words of the test.
local function in_words(problem, limit)
  if problem.kind == "timeout" then problem.message = "not done within " .. time_text(limit) end
  return problem
end

--- Runs f(...) as a task of this scope that has `limit` seconds. Answers whether it was done, with its result; else
--- its problem, as ccsand.test.failure describes it, or the skip or interrupt that it raised.
function Scope:perform(limit, f, ...)
  local outcome, arguments, count = {}, { ... }, select("#", ...)
  local task = loop.confine(self.family, function()
    local good, problem = pcall(loop.timeout, limit, function()
      outcome.good, outcome.value = xpcall(f, failure.handler, unpack(arguments, 1, count))
    end)
    if not good and outcome.good == nil then outcome.good, outcome.value = false, problem end
  end)
  if not await(self.run, task, limit + heed) then
    task:abandon("its time is over")
    if outcome.good == nil then
      outcome.good = false
      outcome.value = self.run.interrupted or { kind = "timeout", frames = {}, details = { "it did not heed the error of its deadline" }, message = "" }
    end
  end
  if self.family.unseen == task then self.family.unseen = nil end -- it is seen here
  if outcome.good == nil then -- it never began; or it had an error at each of its instructions, to its end
    outcome.good, outcome.value = false, task.results[2]
  end
  if outcome.good or failure.is_skip(outcome.value) or failure.is_interrupt(outcome.value) then return outcome.good, outcome.value end
  return false, in_words(failure.describe(outcome.value), limit)
end

-- ---- its end

local function run_deferred(self)
  while #self.deferred > 0 do
    local entry = table.remove(self.deferred)
    local good, problem = xpcall(entry.f, failure.handler, unpack(entry, 1, entry.n))
    if not good and not failure.is_skip(problem) and not failure.is_interrupt(problem) then self:note_problem(problem, "tear-down") end
  end
end

--- Calls what was deferred, the last first; all of it, also where one does not end.
function Scope:tear_down(limit)
  while #self.deferred > 0 do
    local good, problem = self:perform(limit, run_deferred, self)
    if not good and type(problem) == "table" and problem.kind then self:note_problem(problem, "tear-down") end
  end
end

--- The containers that still run, or have ended and nobody has looked.
function Scope:containers()
  local list = {}
  for running in pairs(self.family.started) do list[#list + 1] = running end
  return list
end
function Scope:close_containers()
  for _, running in ipairs(self:containers()) do
    local good, result = pcall(running.close, running)
    if good and result then self:note_result(result)
    elseif not good then self:note_problem(failure.describe(result), "the end of a container") end
    self.family.started[running] = nil
  end
  for _, pool in ipairs(self.pools) do pool:close() end
  self.pools = {}
end

-- Very many processes take seconds to die: the other tests go on meanwhile.
local function kill_containers(self)
  local list = self:containers()
  for _, running in ipairs(list) do pcall(running.kill, running, "KILL") end
  local deadline = event.now() + patience
  for _, running in ipairs(list) do
    local left = deadline - event.now()
    if self.run.interrupted or left <= 0 then return end
    local good, problem = pcall(running.wait, running, left)
    if not good and failure.is_interrupt(problem) then self.run:interrupt(problem) end
  end
end

--- Ends all that is left. With `keep` containers that run go on: they are answered.
function Scope:close(keep)
  local kept = {}
  for task in pairs(self.family.tasks) do
    if not task.attends then end_task(self.run, task, heed) end
  end
  local unseen = self.family.unseen
  if unseen then self:note_problem(failure.describe(unseen.results[2]), "a task that nobody waited for") end
  if keep and not self.run.interrupted then
    for _, running in ipairs(self:containers()) do
      if not running:ended() then
        kept[#kept + 1] = running
        self.family.started[running] = nil
      end
    end
  end
  kill_containers(self)
  self:close_containers()
  self.family.scope, self.held = nil, {}
  return kept
end

scope.await = await
return scope
