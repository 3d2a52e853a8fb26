-- loop.lua RUNS LEVEL ROOT COMMAND...: that level, RUNS times in this process; prints the median
-- in microseconds of start and wait.
local now = require("ccsand").loop.now

local runs, level = tonumber(table.remove(arg, 1)), table.remove(arg, 1)
local box = dofile(debug.getinfo(1, "S").source:match("^@(.*)loop%.lua$") .. "level_" .. level .. ".lua")
local took = {}
for i = -2, runs do
  local from = now()
  local result = box:start():wait()
  local time_taken = now() - from
  assert(result.status == 0, "the command failed")
  if i > 0 then took[i] = time_taken end
end
table.sort(took)
print(("%.0f"):format(took[math.ceil(runs / 2)] * 1e6))
