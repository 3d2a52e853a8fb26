-- One object of JSON: the counts, and an entry for each result.
local json = require "ccsand.json"
local text = require "ccsand.test.text"

local report = {}
local Report = {}
Report.__index = Report

function report.new() return setmetatable({ tests = {} }, Report) end

local function cleaned(lines)
  local list = {}
  for i, line in ipairs(lines) do list[i] = text.clean(line) end
  return json.array(list)
end

-- Kept as text: a table of each of very many results would cost more.
function Report:result(run, result)
  local entry = { name = text.clean(result.name), file = text.clean(result.file.path), line = result.line, status = result.status, seconds = result.seconds,
    repetition = result.repetition, reason = result.reason and text.clean(result.reason) or nil }
  local first = result.problems and result.problems[1]
  if first then
    entry.message, entry.kind, entry.where = text.clean(first.message), first.kind, first.where and text.clean(first.where) or nil
    entry.details = cleaned(result.details)
  end
  if result.status == "failed" then entry.again = text.clean(text.command(result, run.options)) end
  self.tests[#self.tests + 1] = json.encode(entry)
end

function Report:ended(run)
  local head = { ccsand = require("ccsand").version, seconds = run.seconds, counts = run.counts, status = run:status(),
    seed = run.options.shuffle and run.options.seed or nil, interrupted = run.interrupted and run.interrupted.exit_status - 128 or nil }
  self:put((json.encode(head):gsub("}$", "")), ',"tests":[\n', table.concat(self.tests, ",\n"), "\n]}\n")
end

return report
