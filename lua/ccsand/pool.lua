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
  local made, spec, on_call = state.made, state.spec, nil
  if not made then
    made, spec, on_call = state.make()
    if not on_call then state.made, state.spec = made, spec end
  end
  state.waiting[#state.waiting + 1] = { handle = state.prepare(made, state.with_input), spec = spec }
  if on_call then made:close() end
end
-- Until it waits for its command. False where it was killed before, from outside: another has to do; but not for ever.
local function make_ready(state, entry)
  if not entry.ready then entry.ready = entry.handle:get_ready() end
  state.lost = entry.ready and 0 or state.lost + 1
  if state.lost > state.size + 8 then
    error(core.error(("pool: %d containers in turn were killed before they had a command"):format(state.lost),
      "they run out of memory under their limits, or somebody kills them"))
  end
  return entry.ready
end

--- For ccsand.container: `make` answers what the containers have in common, their table, and the function that decides
--- their calls, where there is one; `prepare` answers the handle of one more.
function pool.new(make, prepare, size)
  size = size or 4
  if type(size) ~= "number" or size < 1 or size > 256 or size ~= math.floor(size) then
    error(core.error("pool.size: must be a whole number from 1 to 256, got " .. tostring(size)))
  end
  local self = setmetatable({}, Pool)
  local state = { make = make, prepare = prepare, size = size, waiting = {}, lost = 0 }
  inner[self] = state
  for _ = 1, size do begin_one(state) end
  make_ready(state, state.waiting[1]) -- what does not work is told now
  return self
end

-- From the first run with an input on all are prepared for one.
local function prepare_for_input(state)
  state.with_input = true
  for _, entry in ipairs(state.waiting) do entry.handle:close() end
  state.waiting = {}
end
-- The longest waiting that is assembled, or else the longest waiting; and that lives.
local function take(state, with_input)
  if with_input and not state.with_input then prepare_for_input(state) end
  while true do
    if #state.waiting == 0 then begin_one(state) end
    local place = 1
    for i, entry in ipairs(state.waiting) do
      if entry.ready or entry.handle:is_assembled() then
        place = i
        break
      end
    end
    local entry = table.remove(state.waiting, place)
    if make_ready(state, entry) and entry.handle:is_waiting() then return entry end
    entry.handle:close()
  end
end

-- Another takes the place of one that was used, and what used ones left is taken down: never beside a command, which it would
-- slow down, but when its result is there. In a loop a task of its own does that as soon as the others wait; else it
-- is done for several at once, before a run.
local function fill(state)
  while not state.closed and #state.waiting < state.size do
    begin_one(state)
    -- The new one has copies of the descriptors, which it closes: where it is the last to do so it does the work.
    if state.used then state.used:bury() end
    state.used = nil
  end
end
local function keep_filled(state)
  local loop = invocation.in_task()
  if not loop then
    if #state.waiting <= math.floor(state.size / 2) then fill(state) end
    return
  end
  if not state.keeper or not state.keeper:is_kept() then
    local wanted = loop.event()
    local task = loop.attend(function()
      while not state.closed do
        wanted:wait()
        wanted:clear()
        fill(state)
        for _, entry in ipairs(state.waiting) do
          if entry.handle:is_assembled() then pcall(make_ready, state, entry) end -- who takes it gets the error, too
        end
      end
    end)
    state.keeper = { wanted = wanted, is_kept = function() return task.loop == loop.current().loop and task:status() ~= "failed" end }
  end
  state.keeper.wanted:set()
end

--- Runs a command in one of the containers, to its end; returns the result with what it printed.
function Pool:run(command, options)
  local state = of(self, "run")
  options = invocation.checked(options, "run", "stdin", "timeout", "cpu_time", "output_limit", "limit_output")
  if command ~= nil and type(command) ~= "table" then error(core.error("a command is a list of strings, such as { \"ls\", \"-l\" }")) end
  if not invocation.in_task() then keep_filled(state) end
  local entry = take(state, options.stdin ~= nil and options.stdin ~= "")
  local handle = entry.handle
  options.background = not not invocation.in_task() -- the other tasks go on while the command is executed
  local good, problem = pcall(handle.release, handle, command, options)
  if not good then
    handle:close()
    error(problem, 0)
  end
  good, problem = pcall(invocation.result_of, handle)
  state.used = handle
  if invocation.in_task() then keep_filled(state) end
  if not good then error(problem, 0) end
  return invocation.exited(entry.spec, problem)
end

--- Fills it up and takes down what used ones left, now: for who knows that there is time.
function Pool:refill()
  local state = of(self, "refill")
  local all_ready
  repeat
    fill(state)
    all_ready = true
    for i = #state.waiting, 1, -1 do
      if not make_ready(state, state.waiting[i]) then
        table.remove(state.waiting, i).handle:close()
        all_ready = false
      end
    end
  until all_ready
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
  if state.made then state.made:close() end
end

return pool
