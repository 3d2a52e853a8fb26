-- Runs tests side by side, as tasks of one loop: workers take them in order. What comes of them goes
-- to listeners: progress, summary, reports.
local attempt = require "ccsand.test.attempt"
local event = require "ccsand.event"
local failure = require "ccsand.test.failure"
local loop = require "ccsand.loop"
local registry = require "ccsand.test.registry"
local shared = require "ccsand.test.shared"
local text = require "ccsand.test.text"

local runner = {}
local Run = {}
Run.__index = Run

local default_timeout, teardown_timeout = 60, 10
local most_wait = 0.7 -- seconds from Ctrl-C to the end of every container

--- A run with these options. Listeners may have: began(run), started(run, case), result(run, result), ended(run).
function runner.new(options, listeners)
  return setmetatable({
    options = options, listeners = listeners, timeout = options.timeout or default_timeout, teardown_timeout = teardown_timeout,
    cases = {}, at = 0, active = 0, total = 0, running = {}, shared = {}, kept = {}, changed = loop.event(),
    counts = { passed = 0, failed = 0, skipped = 0, expected = 0, interrupted = 0, not_run = 0 }, done = 0, failures = {}, from = event.now(),
  }, Run)
end

function Run:tell(what, ...)
  for _, listener in ipairs(self.listeners) do
    if listener[what] then listener[what](listener, self, ...) end
  end
end

-- ---- what attempts tell

function Run:began(case, own)
  self.running[own] = case
  self:tell("started", case)
end
-- Text from here on: all that the containers of very many tests printed is too much to keep.
local function summarise(result)
  result.details = text.details(result)
  local problems = {}
  for i, problem in ipairs(result.problems or {}) do
    problems[i] = { message = problem.message, kind = problem.kind, code = problem.code, where = problem.where }
  end
  result.problems, result.lines, result.ended = problems, nil, nil
end
function Run:note(result, own)
  if own then self.running[own] = nil end
  self.counts[result.status] = self.counts[result.status] + 1
  self.done = self.done + (result.extra and 0 or 1)
  summarise(result)
  if result.status == "failed" then self.failures[#self.failures + 1] = result end
  self:tell("result", result)
end
-- "writes its configuration" -> "writes-its-configuration"; with a number where that is taken.
local function name_for_exec(running, test, number)
  local slug = test:lower():gsub("[^%w]+", "-"):gsub("^%-", ""):sub(1, 40):gsub("%-$", "")
  if not slug:find "%a" then slug = "kept" .. (slug ~= "" and "-" .. slug or "") end
  local problem
  for _, name in ipairs { slug, slug .. "-" .. number, ("%s-%d"):format(slug, running:pid()) } do
    local good, value = pcall(running.name, running, name)
    if good then return value end
    problem = value
    if type(problem) ~= "table" or problem.code ~= "EEXIST" then break end
  end
  return nil, problem
end
function Run:keep(name, list)
  for _, running in ipairs(list) do
    local number = #self.kept + 1
    local given, problem = running:name(), nil
    if not given then given, problem = name_for_exec(running, name, number) end
    self.kept[number] = { name = name, running = running, given = given, problem = problem }
  end
end

-- ---- Ctrl-C

local function close_all(run)
  for own in pairs(run.running) do own:close_containers() end
  for _, all in pairs(run.shared) do
    for _, one in pairs(all) do if one.scope then one.scope:close_containers() end end
  end
  for _, entry in ipairs(run.kept) do pcall(entry.running.close, entry.running) end
  run.kept = {}
end
--- A signal asks ccsand to end: no more tests, and what runs has a moment to tidy up.
function Run:interrupt(problem)
  if self.interrupted then return end
  self.interrupted, self.interrupted_at = problem, event.now()
  self:tell("interrupted")
  self:signal()
  loop.attend(function() -- nobody waits for it where all is over earlier
    pcall(loop.sleep, most_wait)
    close_all(self)
  end)
end

--- Calls f(...), which waits; a signal that comes is noted, and the call made again.
function Run:patiently(f, ...)
  while true do
    local good, problem = pcall(f, ...)
    if good then return end
    if not failure.is_interrupt(problem) then error(problem, 0) end
    self:interrupt(problem)
  end
end
function Run:wait_for(happening) self:patiently(happening.wait, happening) end

-- ---- the workers

function Run:signal()
  local before = self.changed
  self.changed = loop.event()
  before:set()
end

-- The next case and its repetition. One that is exclusive waits until no other runs.
function Run:take()
  while not self.interrupted do
    if self.at >= self.total then return nil end
    local case = self.cases[self.at % #self.cases + 1]
    local alone = registry.option(case, "exclusive")
    if not self.alone and not (alone and self.active > 0) then
      local repetition = math.floor(self.at / #self.cases) + 1
      self.at, self.active, self.alone = self.at + 1, self.active + 1, alone
      return case, repetition
    end
    self:wait_for(self.changed)
  end
end
local function work(run)
  local case, repetition = run:take()
  while case do
    attempt(run, case, repetition)
    run.active, run.alone = run.active - 1, nil
    run:signal()
    case, repetition = run:take()
  end
end

-- A worker's own error is ccsand's: it ends the run. A signal may come in the middle of its work.
local over = { done = true, failed = true, cancelled = true }
local function join(run, worker)
  while true do
    local was_over = over[worker:status()]
    local good, problem = pcall(worker.wait, worker)
    if good then return end
    if not failure.is_interrupt(problem) then error(problem, 0) end
    run:interrupt(problem)
    if was_over then return end
  end
end
-- What a worker that a signal has ended was at.
local function note_left(run)
  for own, case in pairs(run.running) do
    own:close()
    run:note({ name = case.name, file = case.file, line = case.line, case = case, repetition = 1, status = "interrupted", seconds = 0,
      problems = own.problems, lines = own.lines, ended = own.ended }, own)
  end
end

-- Files that do not load are failed tests.
local function note_broken(run, files)
  for _, file in ipairs(files) do
    if file.problem then
      run:note { name = "load " .. file.path, file = file, line = 0, repetition = 1, status = "failed", seconds = 0, problems = { file.problem },
        lines = {}, ended = {}, broken = true }
    end
  end
end

--- Runs the cases; files that did not load count as failed. In a task.
function Run:perform(cases, files)
  self.cases, self.total = cases, #cases * self.options.repeat_count
  self.suite_counts = shared.count(cases)
  self.broken = 0
  for _, file in ipairs(files) do self.broken = self.broken + (file.problem and 1 or 0) end
  self:tell "began"
  note_broken(self, files)
  local workers = {}
  for i = 1, math.min(self.options.jobs, self.total) do workers[i] = loop.spawn(work, self) end
  for _, worker in ipairs(workers) do join(self, worker) end
  note_left(self)
  shared.finish_all(self)
  for at = self.at, self.total - 1 do
    local case = self.cases[at % #self.cases + 1]
    self.counts.not_run = self.counts.not_run + 1
    self:tell("result", { name = case.name, file = case.file, line = case.line, case = case, status = "not_run", seconds = 0,
      repetition = math.floor(at / #self.cases) + 1 })
  end
  self.seconds = event.now() - self.from
  self:tell "ended"
end

--- What ccsand ends with: 0, 1, or 128 + signal.
function Run:status()
  if self.interrupted then return self.interrupted.exit_status end
  return self.counts.failed == 0 and 0 or 1
end

return runner
