-- Containers as immutable values. The table's keys are read and checked in C++
-- (ccsand.core); what is here makes values of it.
local core = require "ccsand.core"
local invocation = require "ccsand.invocation"
local checked, with_command, result_of, exited = invocation.checked, invocation.with_command, invocation.result_of, invocation.exited
local policy_keys = require "ccsand.policy_keys"

local container = {}
local Container = {}
local tables = setmetatable({}, { __mode = "k" })  -- container -> its table, never handed out
local places = setmetatable({}, { __mode = "k" })  -- container -> the recipe's line that made it

local function copy(value)
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end -- a policy is what it is
  local result = {}
  for k, v in pairs(value) do result[k] = copy(v) end
  return result
end

-- A shallow copy with the image's directory as the root, and the function that decides its
-- calls. `find` says how to look.
local function resolved(spec, find, options)
  local result = {}
  for k, v in pairs(spec) do result[k] = v end
  local on_call = policy_keys.apply(spec, result, options)
  if spec.egress ~= nil then
    result.network_rules, result.egress = require("ccsand.network").rules(spec.egress), nil
  end
  if spec.image == nil then return result, on_call end
  if type(spec.image) ~= "string" then
    error(core.error("container.image: must be the name of an image, got " .. type(spec.image)))
  end
  if spec.image_fallback ~= nil and type(spec.image_fallback) ~= "string" then
    error(core.error("container.image_fallback: must be the name of an image, got " .. type(spec.image_fallback)))
  end
  local root = spec.root
  if root == nil then root = {} end
  if type(root) ~= "table" or root.path or root.host_view then
    error(core.error("container.root: an image is a root already; its 'root' takes access, id_mapped and layer_size"))
  end
  result.root = copy(root)
  local image = require "ccsand.image"
  result.root.path = find == "plan" and image.path(spec.image) or image.get(spec.image, { fallback = spec.image_fallback })
  return result, on_call
end

local function of(self, method)
  local spec = tables[self]
  if not spec then error(core.error(method .. ": call it as a method of a container, box:" .. method .. "(...)")) end
  return spec
end

-- Calls f; an error that names no line of the recipe gets that of the container.
local function at_place(self, f, ...)
  local function finish(good, ...)
    if good then return ... end
    local problem, place = (...), places[self]
    if place and type(problem) == "table" and problem.where == "" then problem.where = place end
    if place and type(problem) == "string" and not problem:find("^[^\n]-:%d+: ") then problem = place .. ": " .. problem end
    error(problem, 0)
  end
  return finish(pcall(f, ...))
end

--- Makes a container. Raises where the table makes no sense.
function container.new(spec)
  if type(spec) ~= "table" then error(core.error("container: takes a table, got " .. type(spec))) end
  local self = setmetatable({}, Container)
  tables[self], places[self] = copy(spec), core.caller() or require("ccsand.place").of_recipe()
  at_place(self, function() core.check(resolved(tables[self], "plan")) end)
  return self
end

function container.is(value) return tables[value] ~= nil end

Container.__index = Container
Container.__metatable = "a container"
Container.__tostring = function(self)
  local spec = tables[self]
  return "container of " .. tostring(spec.image or (type(spec.root) == "table" and (spec.root.path or "a view of the host")) or spec.root)
end
Container.__newindex = function() error(core.error("a container cannot be changed; box:with { ... } gives a changed copy")) end

--- A changed copy. Tables are taken whole; the value `container.none` takes a key out.
container.none = setmetatable({}, { __tostring = function() return "container.none" end })
function Container:with(changes)
  local spec = copy(of(self, "with"))
  if type(changes) ~= "table" then error(core.error("with: takes a table of changes, got " .. type(changes))) end
  for k, v in pairs(changes) do
    if v == container.none then spec[k] = nil else spec[k] = copy(v) end
  end
  return container.new(spec)
end

function Container:check()
  local spec = of(self, "check")
  at_place(self, function() core.check(resolved(spec, "plan")) end)
  return true
end
function Container:plan()
  local spec = of(self, "plan")
  return at_place(self, function() return core.plan(resolved(spec, "plan")) end)
end

-- Limits of one run go before the container's own.
local own_limits = { "timeout", "cpu_time", "output_limit", "limit_output" }
local function limits_of(options)
  local limits
  for _, key in ipairs(own_limits) do
    if options[key] ~= nil then
      limits = limits or {}
      limits[key] = options[key]
    end
  end
  return limits
end

-- What starts a container: resolved, with the command, and its errors placed.
local function launch(self, method, command, start, options, limits)
  local spec = of(self, method)
  return at_place(self, function()
    local on_call
    spec, on_call = resolved(spec, nil, options)
    options.show_denied, options.on_call = nil, on_call
    for key, value in pairs(limits or {}) do spec[key] = value end
    spec = with_command(spec, command)
    return start(spec, options)
  end), spec, options.on_call
end

--- Runs the container on the caller's terminal and streams, to its end.
function Container:run(command, options)
  options = checked(options, "run", "trace", "stdin", "show_denied", unpack(own_limits))
  -- In a task signals are the loop's: they end its tasks.
  local handle, spec = launch(self, "run", command, invocation.in_task() and core.start or core.run,
    { foreground = true, trace = options.trace, stdin = options.stdin, show_denied = options.show_denied }, limits_of(options))
  local result = result_of(handle)
  if options.trace then io.stderr:write(handle:trace()) end
  return exited(spec, result)
end

--- Runs the container to its end and returns what it printed in the result.
function Container:capture(command, options)
  options = checked(options, "capture", "stdin", "stdin_file", "stdout_file", "show_stderr", "show_denied", unpack(own_limits))
  local handle, spec = launch(self, "capture", command, core.start, {
    capture = true, show_stderr = options.show_stderr, show_denied = options.show_denied, stdin = options.stdin, stdin_file = options.stdin_file, stdout_file = options.stdout_file,
    stdin_null = options.stdin == nil and options.stdin_file == nil,
    background = not not invocation.in_task(), -- the other tasks go on while it is assembled
  }, limits_of(options))
  return exited(spec, at_place(self, result_of, handle))
end

--- Starts the container and returns it running.
function Container:start(command, options)
  options = checked(options, "start", "capture", "stdin", "inherit_stdin", "interactive", "on_stdout", "on_stderr", "show_denied", unpack(own_limits))
  local on_line = (options.interactive or options.on_stdout or options.on_stderr) and { options.on_stdout, options.on_stderr }
  local handle, spec, on_call = launch(self, "start", command, core.start, {
    capture = options.capture, stdin = options.stdin, show_denied = options.show_denied, stream = on_line and true, interactive = options.interactive,
    stdin_null = options.stdin == nil and not options.inherit_stdin and not options.interactive,
  }, limits_of(options))
  return require("ccsand.running").new(handle, spec, on_call, on_line, options.capture)
end

--- Keeps assembled containers waiting for their commands: { size = 8, reuse_network = true }.
function Container:pool(options)
  options = checked(options, "pool", "size", "reuse_network")
  of(self, "pool")
  -- A function that decides calls has its own memory of each container: there the whole is made anew for each.
  local function make()
    return launch(self, "pool", nil, core.pool, { capture = true, reuse_network = options.reuse_network })
  end
  local function prepare(made, with_input) return at_place(self, made.prepare, made, with_input) end
  return require("ccsand.pool").new(make, prepare, options.size)
end

return container
