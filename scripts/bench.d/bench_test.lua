-- Tests that each start a container of level d: CCSAND_BENCH_TESTS of them, on CCSAND_BENCH_ROOT.
local test = require "ccsand.test"

local folder = debug.getinfo(1, "S").source:match("^@(.*)bench_test%.lua$")
local level_d = setfenv(assert(loadfile(folder .. "level_d.lua")), setmetatable({ arg = { os.getenv "CCSAND_BENCH_ROOT", "/bin/nop" } }, { __index = getfenv() }))
local box = level_d()

for i = 1, tonumber(os.getenv "CCSAND_BENCH_TESTS" or 1) do
  test("container " .. i, function(t) t.equal(box:capture().status, 0) end)
end
