-- pool.lua RUNS ROOT COMMAND...: level d from a pool of 8. Prints the median in microseconds from pool:run to the result,
-- refilled between the runs; and how many containers there are in a second, four at a time: with network namespaces made anew;
-- used again; and so under the default profile.
local ccsand = require "ccsand"
local now = ccsand.loop.now

local runs = tonumber(table.remove(arg, 1))
local box = dofile(debug.getinfo(1, "S").source:match("^@(.*)pool%.lua$") .. "level_d.lua")

local function nop(pool)
  local from = now()
  assert(pool:run().status == 0, "the command failed")
  return now() - from
end

local function latency()
  local pool, took = box:pool { size = 8 }, {}
  for i = 1, runs do
    took[i] = nop(pool)
    pool:refill()
  end
  table.sort(took)
  return took[math.ceil(runs / 2)] * 1e6
end

local tasks, each = 4, runs * 20 -- so many that the first ones, with networks still to be made, do not count
local function rate(of, reuse_network)
  local from = now()
  ccsand.loop.run(function()
    local pool = of:pool { size = 8, reuse_network = reuse_network }
    for _ = 1, tasks do
      ccsand.loop.spawn(function() for _ = 1, each do nop(pool) end end)
    end
  end)
  return tasks * each / (now() - from)
end

print(("%.0f %.0f %.0f %.0f"):format(latency(), rate(box, false), rate(box, true),
  rate(box:with { seccomp = "default" }, true)))
