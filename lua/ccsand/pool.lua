-- Containers that are assembled before their commands are known. Each runs one command, and
-- is thrown away.
local core = require "ccsand.core"
local invocation = require "ccsand.invocation"

local pool = {}
local Pool = {}
Pool.__index = Pool
Pool.__metatable = "a pool"
local inner = setmetatable({}, { __mode = "k" }) -- pool -> its state

local function of(self, method)
  local state = inner[self]
  if not state then error(core.error(method .. ": call it as a method of a pool")) end
  if state.closed then error(core.error(method .. ": the pool is closed")) end
  return state
end

-- One more is assembled, by its own process.
local function begin_one(state)
  local handle, spec = state.prepare()
  state.waiting[#state.waiting + 1] = { handle = handle, spec = spec }
end
-- Until it waits for its command.
local function make_ready(entry)
  if entry.ready then return end
  entry.handle:get_ready()
  entry.ready = true
end

--- For ccsand.container: `prepare` answers a handle and the container's table.
function pool.new(prepare, size)
  size = size or 4
  if type(size) ~= "number" or size < 1 or size > 256 or size ~= math.floor(size) then
    error(core.error("pool.size: must be a whole number from 1 to 256, got " .. tostring(size)))
  end
  local self = setmetatable({}, Pool)
  local state = { prepare = prepare, size = size, waiting = {} }
  inner[self] = state
  for _ = 1, size do begin_one(state) end
  make_ready(state.waiting[1]) -- what does not work is told now
  return self
end

-- The longest waiting that lives: one may have been killed from outside.
local function take(state)
  while true do
    if #state.waiting == 0 then begin_one(state) end
    local entry = table.remove(state.waiting, 1)
    make_ready(entry)
    if entry.handle:is_waiting() then return entry end
    entry.handle:close()
  end
end

-- What is done beside the command: another takes its place, the next one is got ready, and what the last one left is taken down.
local function look_after(state, handle)
  if state.closed then return end
  if #state.waiting < state.size then begin_one(state) end
  local next_one = state.waiting[1]
  if #state.waiting > 1 then make_ready(next_one) end
  handle:bury()
end

--- Runs a command in one of the containers, to its end; returns the result with what it printed.
function Pool:run(command, options)
  local state = of(self, "run")
  options = invocation.checked(options, "run", "stdin", "timeout", "cpu_time", "output_limit", "limit_output")
  if command ~= nil and type(command) ~= "table" then error(core.error("a command is a list of strings, such as { \"ls\", \"-l\" }")) end
  local entry = take(state)
  local handle = entry.handle
  local good, problem = pcall(handle.release, handle, command, options)
  if good then good, problem = pcall(look_after, state, handle) end
  if not good then
    handle:close()
    error(problem, 0)
  end
  return invocation.exited(entry.spec, invocation.result_of(handle))
end

--- How many wait, or are being assembled.
function Pool:waiting() return #of(self, "waiting").waiting end

--- Ends those that wait.
function Pool:close()
  local state = inner[self]
  if not state or state.closed then return end
  state.closed = true
  for _, entry in ipairs(state.waiting) do entry.handle:close() end
  state.waiting = {}
end

return pool
