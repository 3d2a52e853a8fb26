-- TAP: a line for each result as it comes, with the failure as a YAML block. Version 13, of which each harness
-- for version 14 knows all that is used here; those for 13, such as Perl's prove, refuse the other number.
local json = require "ccsand.json"
local text = require "ccsand.test.text"

local tap = {}
local Tap = {}
Tap.__index = Tap

function tap.new() return setmetatable({ number = 0 }, Tap) end

local function description(s) return (text.clean(s):gsub("[%c]", " "):gsub("[\\#]", "\\%0")) end
-- A string of JSON is one of YAML.
local function quoted(s) return json.encode(text.clean(s)) end

function Tap:began(run)
  self.planned = run.total + run.broken
  self:put("TAP version 13\n1..", ("%d"):format(self.planned), self.planned == 0 and " # SKIP no tests" or "", "\n")
end

local function block(self, run, result)
  self:put("  ---\n")
  local first = result.problems[1]
  if first then
    self:put("  message: ", quoted(first.message), "\n  severity: ", first.kind == "failure" and "fail" or "error", "\n")
    if first.where then self:put("  at: ", quoted(first.where), "\n") end
  end
  self:put("  file: ", quoted(result.file.path), "\n  line: ", ("%d"):format(result.line), "\n  duration_ms: ", ("%.3f"):format(result.seconds * 1000), "\n")
  self:put("  again: ", quoted(text.command(result, run.options)), "\n  details: |\n")
  for _, line in ipairs(result.details) do self:put("    ", text.clean(line):gsub("\n", "\n    "), "\n") end
  self:put("  ...\n")
end

function Tap:result(run, result)
  if result.extra then -- a suite's tear-down is no test of the plan: it is told as a comment
    self:put("# FAILED: ", description(result.name), "\n")
    for _, line in ipairs(result.details) do self:put("#   ", description(line), "\n") end
    self.bad = self.bad or result.name
    return
  end
  if result.status == "not_run" or result.status == "interrupted" then return end
  self.number = self.number + 1
  local good = result.status == "passed" or result.status == "skipped"
  local directive = result.status == "skipped" and " # SKIP " .. description(result.reason)
    or result.status == "expected" and " # TODO expected to fail" or ""
  self:put(good and "ok " or "not ok ", ("%d"):format(self.number), " - ", description(text.name(result, run.options)), directive, "\n")
  if result.status == "failed" then block(self, run, result) end
end

function Tap:ended(run)
  if run.interrupted then self:put(("Bail out! interrupted by signal %d\n"):format(run.interrupted.exit_status - 128))
  elseif self.bad then self:put("Bail out! ", description(self.bad), " failed\n") end
end

return tap
