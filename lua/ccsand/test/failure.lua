-- What a test that does not hold raises, and what is known of any error: its message, its line
-- in the test, what it is for a report.
local failure = {}
local Failure = {}
Failure.__index = Failure
Failure.__tostring = function(self) return self.message end
local Skip = {}
local most_text, most_lines = 10000, 100 -- of the beginning and of the end of a message

-- Frames of these are not where a test fails.
local own_folder = debug.getinfo(1, "S").source:match("^(@.*/)ccsand/test/failure%.lua$")
local function is_own(source)
  return source:sub(1, 7) == "=ccsand" or source:sub(1, 2) == "=[" or (own_folder and source:sub(1, #own_folder) == own_folder)
end
local function position(info) return info.source:sub(2) .. ":" .. info.currentline end

--- The lines of the test's own files on the stack, the innermost first: { "x_test.lua:12", … }.
function failure.frames(level)
  local found = {}
  for at = (level or 1) + 1, (level or 1) + 60 do
    local info = debug.getinfo(at, "Sl")
    if not info then break end
    if info.currentline > 0 and not is_own(info.source) then
      local text = position(info)
      if found[#found] ~= text then found[#found + 1] = text end
    end
    if #found >= 6 then break end
  end
  return found
end

--- Raises: a message, and lines that show it; with the result of a container that they show.
function failure.raise(message, details, result)
  error(setmetatable({ message = message, details = details or {}, result = result }, Failure), 0)
end
function failure.is(value) return getmetatable(value) == Failure end

--- Raises what leaves a test as skipped.
function failure.skip(reason) error(setmetatable({ reason = reason }, Skip), 0) end
function failure.is_skip(value) return getmetatable(value) == Skip end

function failure.is_interrupt(value)
  return type(value) == "table" and value.code == "EINTR" and type(value.exit_status) == "number" and value.exit_status > 128
end
-- The deadline of the test itself, and what ends tasks from outside: not for assertions to swallow.
function failure.is_fatal(value)
  if failure.is_skip(value) or failure.is_interrupt(value) then return true end
  if type(value) ~= "table" or failure.is(value) then return false end
  return value.code == "ECANCELED" or (value.code == "ETIMEDOUT" and tostring(value.message):find("^timeout ") ~= nil)
end

-- All that a container printed may be in a message.
local function lines_of(text)
  if #text > 2 * most_text then
    text = ("%s\n… (%d bytes) …\n%s"):format(text:sub(1, most_text), #text - 2 * most_text, text:sub(-most_text))
  end
  local lines = {}
  for line in ((text:match "^.*[^\n]" or "") .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  if #lines <= 2 * most_lines then return lines end
  local some = { unpack(lines, 1, most_lines) }
  some[#some + 1] = ("… (%d lines) …"):format(#lines - 2 * most_lines)
  for i = #lines - most_lines + 1, #lines do some[#some + 1] = lines[i] end
  return some
end
--- A text of which no more than a beginning and an end is kept.
function failure.bounded(text) return table.concat(lines_of(text), "\n") end

-- { message, details, where, frames, kind } of any value that was raised; kind is "failure", "error" or "timeout".
local function described(value, frames)
  local problem = { frames = frames, where = frames[1], details = {}, kind = "error" }
  if failure.is(value) then
    problem.kind, problem.message, problem.details, problem.result = "failure", failure.bounded(value.message), value.details, value.result
  elseif type(value) == "table" and type(value.message) == "string" then
    problem.kind = value.code == "ETIMEDOUT" and value.message:find("^timeout ") and "timeout" or "error"
    problem.message, problem.code = failure.bounded(value.message), value.code
    if type(value.hint) == "string" then problem.details = lines_of("hint: " .. value.hint) end
    if not problem.where and value.where ~= "" then problem.where = value.where end
  else
    local good, text = pcall(tostring, value)
    local lines = lines_of(good and tostring(text) or "a " .. type(value) .. " whose tostring fails")
    local place, rest = lines[1]:match("^([^\n]-:%d+): (.*)$")
    problem.where = problem.where or place
    local tail = place and place:gsub("^%.%.%.", "")
    if tail and problem.where and problem.where:sub(-#tail) == tail then lines[1] = rest end
    problem.message = table.remove(lines, 1)
    problem.details = lines
  end
  return problem
end

--- For xpcall: what is known where the error is raised. What is no error goes through as it is.
function failure.handler(value)
  if failure.is_skip(value) or failure.is_interrupt(value) then return value end
  local good, problem = pcall(described, value, failure.frames(2))
  return good and problem or { message = "an error that cannot be shown", details = {}, frames = {}, kind = "error" }
end
--- Of a value that was caught without the handler.
function failure.describe(value)
  if type(value) == "table" and value.kind and value.details then return value end
  return described(value, {})
end

return failure
