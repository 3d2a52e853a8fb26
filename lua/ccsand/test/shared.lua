-- What tests of a suite share: it is set up before the first of them and torn down after the last.
-- Each repetition has its own.
local context = require "ccsand.test.context"
local loop = require "ccsand.loop"
local registry = require "ccsand.test.registry"
local scope = require "ccsand.test.scope"

local shared = {}
local Shared = {}
Shared.__index = Shared

local function timeout_of(run, suite)
  local value = registry.option({ options = suite.options, suite = suite.above }, "timeout")
  return value and require("ccsand.event").duration(value) or run.timeout
end

--- How many of the cases are in each suite.
function shared.count(cases)
  local counts = {}
  for _, case in ipairs(cases) do
    for _, suite in ipairs(registry.suites(case)) do counts[suite] = (counts[suite] or 0) + 1 end
  end
  return counts
end

--- Those of a case's suites, the outermost first.
function shared.of(run, case, repetition)
  local list, above = {}, nil
  for _, suite in ipairs(registry.suites(case)) do
    local all = run.shared[suite] or {}
    run.shared[suite] = all
    all[repetition] = all[repetition]
      or setmetatable({ run = run, suite = suite, above = above, repetition = repetition, remaining = run.suite_counts[suite], ready = loop.event() }, Shared)
    above = all[repetition]
    list[#list + 1] = above
  end
  return list
end

--- Sets it up, unless that was done; answers the problem, skip or interrupt that came of it.
function Shared:enter()
  local run = self.run
  if self.began then
    run:wait_for(self.ready)
    return self.problem
  end
  self.began = true
  self.scope = scope.new(run, self.suite.name)
  local above = self.above and self.above.value
  self.t = context.new(self.scope, nil, { name = self.suite.name, file = self.suite.file.path, shared = above })
  self.value = above
  if self.suite.options.setup_all then
    local good, value = self.scope:perform(timeout_of(run, self.suite), self.suite.options.setup_all, self.t)
    if not good then
      if value.kind then value.message = ("set-up of suite '%s': %s"):format(self.suite.name, value.message) end
      self.problem = value
    elseif value ~= nil then self.value = value end
  end
  self.t.shared = self.value
  self.ready:set()
  return self.problem
end

--- A test that failed in it: its containers are kept, too, where failed tests keep theirs.
function Shared:note_failure() self.failed = true end

function Shared:finish()
  if not self.began or self.finished then return end
  self.finished = true
  local own, options = self.scope, self.suite.options
  if options.teardown_all then table.insert(own.deferred, 1, { n = 1, f = options.teardown_all, self.t }) end
  own:tear_down(self.run.teardown_timeout)
  local kept = own:close(self.run.options.keep and self.failed)
  if #own.problems > 0 then
    self.run:note { name = self.suite.name .. " (tear-down)", file = self.suite.file, line = self.suite.line, repetition = self.repetition,
      status = "failed", seconds = 0, problems = own.problems, lines = own.lines, ended = own.ended, filter = self.suite.prefix, extra = true }
  end
  self.run:keep(self.suite.name, kept)
end
--- One of its tests is done; the last one tears it down.
function Shared:leave()
  self.remaining = self.remaining - 1
  if self.remaining > 0 then return end
  self:finish()
  self.run.shared[self.suite][self.repetition] = nil
end

--- What is left after an interrupt, the innermost first.
function shared.finish_all(run)
  local left = {}
  for _, all in pairs(run.shared) do
    for _, one in pairs(all) do left[#left + 1] = one end
  end
  table.sort(left, function(a, b) return #a.suite.prefix > #b.suite.prefix end)
  for _, one in ipairs(left) do one:finish() end
end

return shared
