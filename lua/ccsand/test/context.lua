-- `t`: what a test is given. Its assertions are ccsand.test.assertions; what is here belongs to
-- the one test.
local assertions = require "ccsand.test.assertions"
local core = require "ccsand.core"
local difference = require "ccsand.test.difference"
local failure = require "ccsand.test.failure"

local context = {}
local bound = {} -- what needs the test: made for it where it is first used

local function fail(message, hint) error(core.error(message, hint), 0) end

--- Calls f(...) when the test ends, in whatever way; the last one first. It may wait.
function bound.defer(self)
  return function(f, ...)
    if type(f) ~= "function" then fail("defer: takes a function, got " .. type(f)) end
    self.scope:defer(f, ...)
  end
end
--- Leaves the test as skipped.
function bound.skip()
  return function(reason)
    if type(reason) ~= "string" or reason == "" then fail "skip: takes text that says why" end
    failure.skip(reason)
  end
end
--- A line that is shown where the test fails.
function bound.log(self)
  return function(...)
    local words = {}
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      words[i] = type(value) == "table" and difference.show(value, 2000) or tostring(value)
    end
    self.scope:log(table.concat(words, "\t"))
  end
end

--- A container whose results are shown where the test fails.
function bound.container(self)
  return function(spec)
    if type(spec) ~= "table" or require("ccsand.container").is(spec) then fail("container: takes a container's table, got " .. type(spec)) end
    local scope, exited, copy = self.scope, spec.exited, {}
    for key, value in pairs(spec) do copy[key] = value end
    copy.exited = function(result)
      scope:note_result(result)
      if exited then return exited(result) end
    end
    return require("ccsand.container").new(copy)
  end
end
--- Starts a container, or one of this table; it ends with the test. Its output is kept for the report.
function bound.start(self)
  return function(box, command, options)
    if not require("ccsand.container").is(box) then box = self.t.container(box) end
    local given = {}
    for key, value in pairs(options or {}) do given[key] = value end
    if given.capture == nil then given.capture = true end
    local running = box:start(command, given)
    self.scope.family.started[running] = true
    self.scope.held[#self.scope.held + 1] = running -- it is not collected before
    return running
  end
end
--- A pool of a container, or of one of this table: assembled ahead, until the test or the suite ends.
function bound.pool(self)
  return function(box, options)
    if not require("ccsand.container").is(box) then box = self.t.container(box) end
    local pool = box:pool(options)
    self.scope.pools[#self.scope.pools + 1] = pool
    return pool
  end
end
--- The text, or the value, is that of the snapshot.
function bound.snapshot(self)
  return function(name, value)
    if value == nil then name, value = "", name end
    if type(name) ~= "string" then fail("snapshot: takes a name and text, or a value") end
    if not self.case then fail "snapshot: belongs to a test, not to a suite" end
    require("ccsand.test.snapshot").check(self, name, value)
  end
end

-- t:equal(...) in place of t.equal(...) would compare the wrong things.
local function dotted(t, name, f)
  return function(first, ...)
    if first == t then fail(("t:%s: it is called with a dot, t.%s(...)"):format(name, name)) end
    return f(first, ...)
  end
end

--- For a scope; of a case, or of a suite, which has none.
function context.new(scope, case, fields)
  local self = { scope = scope, case = case, update = scope.run.options.update, snapshots = {} }
  self.t = setmetatable(fields, { __index = function(t, name)
    local f = bound[name] and bound[name](self) or assertions[name]
    if not f then return nil end
    f = dotted(t, name, f)
    rawset(t, name, f)
    return f
  end })
  return self.t
end

context.bound = bound
return context
