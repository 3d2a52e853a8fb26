-- JUnit's XML: a suite for each file. It is written at the end, for its counts come first.
local text = require "ccsand.test.text"

local junit = {}
local Junit = {}
Junit.__index = Junit

function junit.new() return setmetatable({ files = {}, by_path = {} }, Junit) end

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\n"] = "&#10;", ["\t"] = "&#9;" }
local function attribute(s) return (text.clean(s):gsub('[&<>"\n\t]', entities)) end
local function content(s) return (text.clean(s):gsub("[&<>]", entities)) end

local function element(tag, attributes, body)
  local parts = { "<", tag }
  for _, pair in ipairs(attributes) do parts[#parts + 1] = (' %s="%s"'):format(pair[1], attribute(tostring(pair[2]))) end
  parts[#parts + 1] = body and ">" .. content(body) .. "</" .. tag .. ">\n" or "/>\n"
  return table.concat(parts)
end

local function outcome(run, result)
  if result.status == "failed" then
    local first = result.problems[1] or { message = "failed", kind = "error" }
    local lines = {}
    for i, line in ipairs(result.details) do lines[i] = line end -- more than unpack can take
    lines[#lines + 1] = "again: " .. text.command(result, run.options)
    return element(first.kind == "failure" and "failure" or "error", { { "message", first.message }, { "type", first.code or first.kind } }, table.concat(lines, "\n"))
  end
  local reason = result.status == "skipped" and result.reason or result.status == "interrupted" and "interrupted"
    or result.status == "not_run" and "not run: interrupted" or result.status == "expected" and "failed, as expected"
  return reason and element("skipped", { { "message", reason } }) or nil
end

function Junit:result(run, result)
  local path = result.file.path
  local file = self.by_path[path]
  if not file then
    file = { path = path, cases = {}, tests = 0, failures = 0, errors = 0, skipped = 0, seconds = 0 }
    self.by_path[path], self.files[#self.files + 1] = file, file
  end
  local inner = outcome(run, result)
  file.tests, file.seconds = file.tests + 1, file.seconds + result.seconds
  local kind = inner and (inner:match("^<(%l+)"))
  local key = kind == "failure" and "failures" or kind == "error" and "errors" or kind
  if key then file[key] = file[key] + 1 end
  local head = ('    <testcase name="%s" classname="%s" file="%s" line="%d" time="%.6f"'):format(attribute(text.name(result, run.options)),
    attribute((path:gsub("%.lua$", ""):gsub("/", "."))), attribute(path), result.line, result.seconds)
  file.cases[#file.cases + 1] = inner and head .. ">\n      " .. inner .. "    </testcase>\n" or head .. "/>\n"
end

local function counts(of) return ('tests="%d" failures="%d" errors="%d" skipped="%d" time="%.6f"'):format(of.tests, of.failures, of.errors, of.skipped, of.seconds) end

function Junit:ended(run)
  local all = { tests = 0, failures = 0, errors = 0, skipped = 0, seconds = run.seconds }
  for _, file in ipairs(self.files) do
    for _, key in ipairs { "tests", "failures", "errors", "skipped" } do all[key] = all[key] + file[key] end
  end
  self:put('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="ccsand" ', counts(all), ">\n")
  for _, file in ipairs(self.files) do
    self:put('  <testsuite name="', attribute(file.path), '" ', counts(file), ">\n")
    for _, case in ipairs(file.cases) do self:put(case) end
    self:put("  </testsuite>\n")
  end
  self:put("</testsuites>\n")
end

return junit
