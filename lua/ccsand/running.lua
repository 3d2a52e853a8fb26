-- Containers that run, as values.
local core = require "ccsand.core"
local invocation = require "ccsand.invocation"

local running = {}
local Running = {}
local handles = setmetatable({}, { __mode = "k" }) -- running container -> { handle, spec, on_call, result }

--- For ccsand.container: the value of a handle of ccsand.core.
function running.new(handle, spec, on_call)
  local self = setmetatable({}, Running)
  handles[self] = { handle = handle, spec = spec, on_call = on_call, pid = handle:pid() }
  local loop = invocation.in_task()
  if loop then loop.current():adopt(self) end
  return self
end

Running.__index = Running
Running.__metatable = "a running container"
Running.__tostring = function(self) return "running container " .. handles[self].pid end

local function entry_of(self, method)
  local entry = handles[self]
  if not entry then error(core.error(method .. ": call it as a method of a running container")) end
  return entry
end

--- The result once it has ended; nil after `timeout` (seconds, or "1.5s").
function Running:wait(timeout)
  local entry = entry_of(self, "wait")
  if entry.result then return entry.result end
  local result = invocation.await(entry.handle, timeout)
  if result and not entry.result then entry.result = invocation.exited(entry.spec, result) end
  return entry.result
end
function Running:kill(signal) entry_of(self, "kill").handle:kill(signal) end
function Running:freeze() entry_of(self, "freeze").handle:freeze() end
function Running:thaw() entry_of(self, "thaw").handle:thaw() end
function Running:stats() return entry_of(self, "stats").handle:stats() end
function Running:pid() return entry_of(self, "pid").pid end
--- Whether it has ended, as far as ccsand has looked.
function Running:ended() return entry_of(self, "ended").result ~= nil or entry_of(self, "ended").handle:ended() end
--- Ends it, with all of its processes, and returns its result.
function Running:close()
  local entry = entry_of(self, "close")
  if not entry.result then
    entry.handle:close()
    entry.result = invocation.exited(entry.spec, entry.handle:wait(0))
  end
  return entry.result
end

--- Runs a further command in the container and returns its result, with its output.
function Running:exec(command, options)
  local entry = entry_of(self, "exec")
  local spec = {}
  for k, v in pairs(entry.spec) do spec[k] = v end
  for _, key in ipairs { "limits", "cgroup", "timeout", "init", "created", "setup", "before_exec", "exited" } do spec[key] = nil end
  options = invocation.checked(options, "exec", "user", "group", "groups", "env", "cwd", "capabilities", "timeout", "stdin", "foreground")
  if command == nil then error(core.error("exec: takes a command, such as { \"ps\" }")) end
  for _, key in ipairs { "user", "group", "groups", "env", "cwd", "capabilities", "timeout" } do
    if options[key] ~= nil then spec[key] = options[key] end
  end
  local handle = entry.handle:exec(invocation.with_command(spec, command),
    { capture = not options.foreground, foreground = options.foreground, on_call = entry.on_call, stdin = options.stdin, stdin_null = options.stdin == nil and not options.foreground })
  return invocation.result_of(handle)
end

return running
