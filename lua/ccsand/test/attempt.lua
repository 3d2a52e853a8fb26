-- One run of one test, from its set-up to the end of all that it started.
local context = require "ccsand.test.context"
local event = require "ccsand.event"
local failure = require "ccsand.test.failure"
local registry = require "ccsand.test.registry"
local scope = require "ccsand.test.scope"
local shared = require "ccsand.test.shared"

local function body(case, t, suites)
  local own = t.scope_of_test
  t.scope_of_test = nil
  for _, one in ipairs(suites) do
    local options = one.suite.options
    if options.teardown then own:defer(options.teardown, t) end
    if options.setup then options.setup(t) end
  end
  if case.has_value then return case.f(t, case.value) end
  return case.f(t)
end

-- The last of the suites' values, and the first problem of their set-up.
local function enter(suites)
  local value
  for _, one in ipairs(suites) do
    local problem = one:enter()
    if problem then return nil, problem end
    value = one.value
  end
  return value
end

-- What came of it, as the status of a result.
local function judge(result, case, own)
  local expected = registry.option(case, "expect_failure")
  if #own.problems == 0 then
    if not expected then return "passed" end
    own:note_problem { kind = "failure", frames = {}, details = {}, where = case.file.path .. ":" .. case.line,
      message = "passed, but was expected to fail" .. (type(expected) == "string" and ": " .. expected or "") }
    return "failed"
  end
  if expected == true then return "expected" end
  if not expected then return "failed" end
  -- Not the details: there is what containers printed, who might make a wrong failure the expected one.
  for _, problem in ipairs(own.problems) do
    if problem.message:find(expected) then return "expected" end
  end
  table.insert(own.problems[1].details, 1, "it was expected to fail with: " .. expected)
  return "failed"
end

local function perform(run, result, case, own, suites)
  local value, problem = enter(suites)
  local good = false
  if not problem then
    local t = context.new(own, case, { name = case.name, file = case.file.path, shared = value, scope_of_test = own })
    local timeout = registry.option(case, "timeout")
    good, problem = own:perform(timeout and event.duration(timeout) or run.timeout, body, case, t, suites)
  end
  own:tear_down(run.teardown_timeout)
  local skipped = not good and failure.is_skip(problem)
  local interrupted = not good and failure.is_interrupt(problem)
  if not good and not skipped and not interrupted then table.insert(own.problems, 1, problem) end
  local kept = own:close(run.options.keep and #own.problems > 0 and not registry.option(case, "expect_failure"))
  if interrupted and #own.problems == 0 then result.status = "interrupted"
  elseif skipped and #own.problems == 0 then result.status, result.reason = "skipped", problem.reason
  else result.status = judge(result, case, own) end
  return kept
end

--- Runs a case and notes its result.
return function(run, case, repetition)
  local result = { name = case.name, file = case.file, line = case.line, repetition = repetition, case = case }
  local skip = registry.option(case, "skip")
  local suites = shared.of(run, case, repetition)
  local own = scope.new(run, case.name)
  local from, kept = event.now(), {}
  if skip then result.status, result.reason = "skipped", skip
  else
    run:began(case, own)
    kept = perform(run, result, case, own, suites)
  end
  result.seconds = event.now() - from
  if result.status == "failed" or result.status == "expected" or result.status == "interrupted" then
    result.problems, result.lines, result.ended = own.problems, own.lines, own.ended
  end
  if result.status == "failed" then for _, one in ipairs(suites) do one:note_failure() end end
  run:note(result, own)
  run:keep(case.name, kept)
  for i = #suites, 1, -1 do suites[i]:leave() end
end
