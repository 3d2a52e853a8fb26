-- Reports for other programs. Each format is a listener of the run; where it writes is opened before
-- anything runs.
local core = require "ccsand.core"
local sys = require "ccsand.sys"

local report = {}
local formats = { tap = true, junit = true, json = true }

--- What "FORMAT" or "FORMAT=FILE" asks for: its name and path (nil: standard output). Raises for what makes no sense.
function report.parse(word)
  local format, path = word:match("^([^=]*)=?(.*)$")
  if not formats[format] then
    local near = core.nearest(format, { "tap", "junit", "json" })
    error(core.error(("--report: '%s' is not a format%s"):format(format, near and "; did you mean '" .. near .. "'?" or ""), "tap, junit or json, such as --report junit=FILE"), 0)
  end
  if word:find("=", 1, true) and path == "" then error(core.error("--report " .. word .. ": the file's name is missing"), 0) end
  return { format = format, path = path ~= "" and path ~= "-" and path or nil }
end

-- Standard output for a report alone: containers that have ccsand's streams, and all else that a test starts, get standard
-- error instead. A socket cannot be opened again, nor the pipe of another user: those are shared as they are.
local function own_output()
  local good, again = pcall(sys.open, "/proc/self/fd/1", { "wronly", "append", "nonblock" }) -- waits for no reader of a pipe
  local stream = good and io.open("/proc/self/fd/1", "abe")
  if good then again:close() end
  if not stream then return io.stdout end
  io.stdout:flush()
  sys.dup2(2, 1)
  return stream
end

--- Opens it: a listener with `close`, which raises where not all was written.
function report.open(wanted)
  local stream, problem
  if not wanted.path then stream = own_output()
  else
    stream, problem = io.open(wanted.path, "wb")
    if not stream then error(core.error("--report " .. wanted.format .. ": " .. tostring(problem)), 0) end
  end
  local listener = require("ccsand.test.report." .. wanted.format).new()
  local failed
  local function keep(good, why)
    if not good then failed = failed or why end
  end
  function listener:put(...) keep(stream:write(...)) end
  local ended = listener.ended
  function listener:ended(run)
    ended(self, run)
    keep(stream:flush())
  end
  function listener:close()
    keep(stream:flush())
    if stream ~= io.stdout then keep(stream:close()) end
    if failed then
      error(core.error(("--report %s: %s cannot be written: %s"):format(wanted.format, wanted.path or "standard output", tostring(failed))), 0)
    end
  end
  return listener
end

return report
