-- pool.lua RUNS ROOT COMMAND...: level d from a pool, RUNS times. Prints the median in microseconds from pool:run to
-- the result, where it is refilled between the runs; the same where it is not; and how many there were in a second without one.
local ffi = require "ffi"
ffi.cdef [[
  struct ccsand_time { long seconds, nanoseconds; };
  int clock_gettime(int clock, struct ccsand_time *time);
]]
local time = ffi.new "struct ccsand_time"
local function now()
  ffi.C.clock_gettime(1, time)
  return tonumber(time.seconds) * 1e6 + tonumber(time.nanoseconds) / 1e3
end

local runs = tonumber(table.remove(arg, 1))
local box = dofile(debug.getinfo(1, "S").source:match("^@(.*)pool%.lua$") .. "level_d.lua")
local pool = box:pool { size = 8 }

local function rounds(rest)
  local took, from = {}, now()
  for i = 1, runs do
    local start = now()
    local result = pool:run()
    took[i] = now() - start
    assert(result.status == 0, "the command failed")
    if rest then pool:refill() end
  end
  local rate = runs / (now() - from) * 1e6
  table.sort(took)
  return took[math.ceil(runs / 2)], rate
end

rounds(false)
local rested = rounds(true)
local busy, rate = rounds(false)
print(("%.0f %.0f %.0f"):format(rested, busy, rate))
