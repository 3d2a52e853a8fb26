-- What is shown while tests run: a line that changes on a terminal, a line for each test elsewhere; and
-- the summary.
local event = require "ccsand.event"
local file = require "ccsand.file"
local text = require "ccsand.test.text"

local progress = {}
local Progress = {}
Progress.__index = Progress

local pause = 0.05 -- seconds between two states of the line
local most_slow = 5

--- Writes to a stream; `columns` where that is a terminal.
function progress.new(stream, columns) return setmetatable({ stream = stream, columns = columns, last = 0, slow = {} }, Progress) end
function progress.columns() return file.columns() end

local words = { passed = "ok  ", failed = "FAIL", skipped = "skip", expected = "ok  ", interrupted = "stop" }

function Progress:clear()
  if self.shown then self.stream:write("\r\27[K") self.shown = false end
end
function Progress:line(...)
  self:clear()
  self.stream:write(table.concat({ ... }), "\n")
  self.stream:flush()
end
local function cut(line, columns)
  if #line <= columns then return line end
  line = line:sub(1, columns - 1)
  return (line:gsub("[\192-\255]?[\128-\191]*$", "")) .. "…" -- no half characters
end
function Progress:show(run, name)
  if not self.columns then return end
  local now = event.now()
  if now - self.last < pause then return end
  self.last = now
  local line = ("[%d/%d]%s  %s"):format(run.done - run.broken, run.total, run.counts.failed > 0 and (" %d failed"):format(run.counts.failed) or "", name)
  self.stream:write("\r\27[K", cut(text.clean(line), self.columns - 1))
  self.stream:flush()
  self.shown = true
end

function Progress:began(run)
  self:line(("%d test%s, %d at a time%s"):format(run.total, run.total == 1 and "" or "s", run.options.jobs,
    run.options.shuffle and (", --shuffle=%d"):format(run.options.seed) or ""))
end
function Progress:started(run, case) self:show(run, case.name) end

function Progress:note_slow(result)
  local slow = self.slow
  if #slow == most_slow and slow[most_slow].seconds >= result.seconds then return end
  slow[#slow + 1] = { name = result.name, path = result.file.path, seconds = result.seconds }
  table.sort(slow, function(a, b) return a.seconds > b.seconds end)
  slow[most_slow + 1] = nil
end
function Progress:result(run, result)
  if result.status == "not_run" then return end
  if not result.broken then self:note_slow(result) end
  local quiet = self.columns and (result.status == "passed" or result.status == "expected")
  if not quiet then
    local reason = result.reason and ": " .. text.clean(result.reason):gsub("%c", " ") or result.status == "expected" and ": failed, as expected" or ""
    self:line(words[result.status], "  ", text.clean(text.name(result, run.options)), reason, "  (", text.seconds(result.seconds), ")")
  end
  self:show(run, result.name)
end
function Progress:interrupted(run)
  self:line(("interrupted by signal %d: tearing down"):format(run.interrupted.exit_status - 128))
end

-- ---- the summary

local function failure_lines(self, run, result)
  self:line("")
  self:line("FAIL  ", text.clean(text.name(result, run.options)), "  (", text.seconds(result.seconds), ")")
  self:line("  at ", result.file.path, result.line > 0 and ":" .. result.line or "")
  for _, line in ipairs(result.details) do self:line("  ", text.clean(line)) end
  self:line("  again: ", text.command(result, run.options))
end

local function counted(counts)
  local parts = { counts.passed .. " passed" }
  for _, entry in ipairs { { "failed", "failed" }, { "skipped", "skipped" }, { "expected", "failed as expected" }, { "interrupted", "interrupted" }, { "not_run", "not run" } } do
    local count = counts[entry[1]]
    if count > 0 or entry[1] == "failed" then parts[#parts + 1] = count .. " " .. entry[2] end
  end
  return table.concat(parts, ", ")
end

function Progress:ended(run)
  self:clear()
  if #self.slow > 1 and run.total > 1 then
    self:line("")
    self:line "slowest:"
    for _, one in ipairs(self.slow) do self:line(("  %9s  %s  (%s)"):format(text.seconds(one.seconds), text.clean(one.name), one.path)) end
  end
  for _, result in ipairs(run.failures) do failure_lines(self, run, result) end
  self:line("")
  if run.snapshots_written then self:line(("%d snapshot%s written"):format(run.snapshots_written, run.snapshots_written == 1 and "" or "s")) end
  self:line(("%s in %s"):format(counted(run.counts), text.seconds(run.seconds)))
end

--- How to get into containers that were kept.
function Progress:kept(list)
  self:line("")
  for _, entry in ipairs(list) do
    self:line(("kept: a container of '%s'"):format(text.clean(entry.name)))
    if entry.given then self:line(("  ccsand exec -t %s -- /bin/sh"):format(entry.given))
    else self:line("  cannot be entered: ", text.clean(tostring(entry.problem))) end
  end
  self:line "That shell is under the container's policy."
  self:line "They live until ccsand ends: press Ctrl-C when you have seen enough."
end

return progress
