-- ccsand.test: what a test file requires to say what its tests are. They are run by
-- `ccsand test`; see ccsand.test.runner.
local registry = require "ccsand.test.registry"

local test = {}

--- A suite: tests that share what is set up before them and torn down after.
function test.suite(name, options, f) return registry.suite(name, options, f) end
--- The functions that a test's `t` has and that need no test, for helpers in modules of one's own.
test.assert = require "ccsand.test.assertions"
--- A value as text, tables with sorted keys.
function test.show(value) return table.concat(require("ccsand.test.difference").lines(value), "\n") end

return setmetatable(test, { __call = function(_, name, options, f) return registry.test(name, options, f) end })
