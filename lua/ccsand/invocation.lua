-- What the methods of containers and of running containers share: options, commands, and
-- waiting for the end.
local core = require "ccsand.core"

local invocation = {}

--- Options are read as strictly as containers; what reads them is loaded where there are any.
function invocation.checked(options, method, ...)
  return options == nil and {} or require("ccsand.options").check(options, method, { ... })
end

--- A command: an array, or nil for the container's own.
function invocation.with_command(spec, command)
  if command == nil then return spec end
  if type(command) ~= "table" then error(core.error("a command is a list of strings, such as { \"ls\", \"-l\" }")) end
  spec.command = command
  return spec
end

--- Whether a task of a loop asks, which then waits by letting the others go on.
function invocation.in_task()
  local loop = package.loaded["ccsand.loop"]
  return loop and loop.current() and loop
end

--- The result once it has ended; nil after `timeout`.
function invocation.await(handle, timeout)
  local loop = invocation.in_task()
  if not loop then return handle:wait(timeout) end
  local deadline = timeout ~= nil and loop.now() + require("ccsand.event").duration(timeout) or nil
  local result = handle:wait(0)
  while not result do
    if not loop.await_news(handle:id(), deadline) then return handle:wait(0) end
    result = handle:wait(0)
  end
  return result
end

--- The result of a container that nobody else holds: it is ended where the wait is.
function invocation.result_of(handle)
  local good, result = pcall(invocation.await, handle)
  if good then return result end
  handle:close()
  error(result, 0)
end

function invocation.exited(spec, result)
  if spec.exited then spec.exited(result) end
  return result
end

return invocation
