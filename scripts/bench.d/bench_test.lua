-- Tests that each start a container of level d, or take one of a pool: CCSAND_BENCH_TESTS of them, on
-- CCSAND_BENCH_ROOT.
local test = require "ccsand.test"

local folder = debug.getinfo(1, "S").source:match("^@(.*)bench_test%.lua$")
local words = { os.getenv "CCSAND_BENCH_ROOT", "/bin/nop" }
local box = setfenv(assert(loadfile(folder .. "level_d.lua")), setmetatable({ arg = words }, { __index = getfenv() }))()
local count = tonumber(os.getenv "CCSAND_BENCH_TESTS" or 1)

for i = 1, count do
  test("container " .. i, function(t) t.equal(box:capture().status, 0) end)
end
test.suite("pool", { setup_all = function(s) return s.pool(box, { size = 8 }) end }, function()
  for i = 1, count do
    test("container " .. i, function(t) t.equal(t.shared:run().status, 0) end)
  end
end)
