---@meta ccsand.test

--- Tests, in files *_test.lua that `ccsand test` runs: `local test = require "ccsand.test"`, then `test("name", function(t) … end)`. Options may
--- stand between the two. See docs/test-runner.md.
---@class ccsand.test
--- The assertions of `t`, for helpers that have no test at hand.
---@field assert ccsand.T
---@overload fun(name: string, f: fun(t: ccsand.T))
---@overload fun(name: string, options: ccsand.TestOptions, f: fun(t: ccsand.T, case: any))
local test = {}

--- Tests that share what is set up before them and torn down after. Suites nest; names are joined by " / ".
---@param name string
---@param options ccsand.SuiteOptions
---@param f function defines the tests
function test.suite(name, options, f) end

--- A value as text of lines: tables with sorted keys.
---@param value any
---@return string
function test.show(value) end

---@class ccsand.TestOptions
--- From its set-up to its end, without tear-down. Default: that of the suite, of --timeout, 60 s.
---@field timeout? ccsand.Duration
--- Why it is not run.
---@field skip? string
--- It has to fail, or the run fails; with a pattern, the message of its failure has to have that.
---@field expect_failure? true|string
--- For `--filter @TAG`.
---@field tags? string[]
--- Whether no other test runs meanwhile. Default false.
---@field exclusive? boolean
--- One test for each: a list, or values by names. `f` gets the value; its name, or a short value itself, is in the test's.
---@field each? table

--- What holds for tests holds for all of the suite, too: the innermost goes first.
---@class ccsand.SuiteOptions
--- Of each of its tests, and of its set-up.
---@field timeout? ccsand.Duration
--- Why none of it is run.
---@field skip? string
--- Those of its tests have them, too.
---@field tags? string[]
--- Whether each of its tests runs alone. Default false.
---@field exclusive? boolean
--- Before the first test; what it returns is `t.shared`. Where it fails, the tests fail. What it starts lives until the last test is done.
---@field setup_all? fun(s: ccsand.T): any
--- After the last test.
---@field teardown_all? fun(s: ccsand.T)
--- Before each test, in its time; those of outer suites first.
---@field setup? fun(t: ccsand.T)
--- After each test, also where it or `setup` failed; those of inner suites first.
---@field teardown? fun(t: ccsand.T)

--- What a test is given. All of it is called with a dot: `t.equal(got, wanted)`. What was got comes first; `what` is put before the message of a failure.
---@class ccsand.T
--- Its whole name.
---@field name string
--- The path of its file.
---@field file string
--- What the innermost `setup_all` returned.
---@field shared? any
local T = {}

--- Both are the same: tables by what is in them, without metatables but __eq; NaN is the same as NaN.
---@param got any
---@param wanted any
---@param what? string
function T.equal(got, wanted, what) end

--- They are not `equal`.
---@param got any
---@param other any
---@param what? string
function T.not_equal(got, other, what) end

--- Both are the very same value.
---@param got any
---@param wanted any
---@param what? string
function T.same(got, wanted, what) end

--- Numbers that differ by `within` at most.
---@param got number
---@param wanted number
---@param within number
---@param what? string
function T.near(got, wanted, within, what) end

---@param value any
---@param what? string
function T.is_true(value, what) end

---@param value any
---@param what? string
function T.is_false(value, what) end

---@param value any
---@param what? string
function T.is_nil(value, what) end

--- Neither nil nor false. Returns it.
---@generic V
---@param value V
---@param what? string
---@return V
function T.ok(value, what) end

--- Fails.
---@param message string
function T.fail(message) end

--- The text has the Lua pattern. Returns its captures.
--- One that begins with a repetition, such as "(%d+) x", takes time that grows with the square of what a container may print.
---@param text any
---@param pattern string
---@param what? string
---@return string ...
function T.match(text, pattern, what) end

--- The text does not have it.
---@param text any
---@param pattern string
---@param what? string
function T.no_match(text, pattern, what) end

--- A text has this text, without patterns; a list has this item.
---@param whole string|table
---@param part any
---@param what? string
function T.contains(whole, part, what) end

--- `f(...)` raises an error: one whose message (not the hint) has the Lua pattern, or whose fields are `equal` to these, such as { code = "ENOENT" }. Returns it.
---@param f function
---@param wanted? string|table
---@param ... any
---@return any error
function T.raises(f, wanted, ...) end

--- A container ended so: each of these fields of its result. Default { status = 0 }. A failure shows its output. Returns the result.
---@param result ccsand.RunResult
---@param wanted? table
---@param what? string
---@return ccsand.RunResult
function T.ended(result, wanted, what) end

--- `f()` answers neither false nor nil, and raises nothing, within 5 s; other tests run between the tries. Returns what it answered.
---@param f function
---@param options? { within: ccsand.Duration, every: ccsand.Duration, what: string } default 5 s, 10 ms
---@return any ...
function T.eventually(f, options) end

--- The text, or the value as text, is that of the file in `__snapshots__` beside the test's. `ccsand test --update` writes it; where there is none, this fails.
---@param name any one of the test's snapshots; without one, the value
---@param value? any
function T.snapshot(name, value) end

--- Calls `f(...)` when the test ends, in whatever way; the last one first. It may wait; together they have 10 s, half a second after Ctrl-C.
---@param f function
---@param ... any
function T.defer(f, ...) end

--- Leaves the test as skipped.
---@param reason string
function T.skip(reason) end

--- A line that is shown where the test fails. So is what `print` writes.
---@param ... any
function T.log(...) end

--- A container whose results are shown where the test fails.
---@param spec ccsand.ContainerSpec
---@return ccsand.Container
function T.container(spec) end

--- Starts a container, or one of this table. It ends with the test, and its output is shown where that fails.
---@param box ccsand.Container|ccsand.ContainerSpec
---@param command? string[]
---@param options? ccsand.StartOptions `capture` is true by default
---@return ccsand.Running
function T.start(box, command, options) end

--- A pool of a container, or of one of this table, which lives until the test or the suite ends: in `setup_all`, for tests that each
--- take a container of their own out of it.
---@param box ccsand.Container|ccsand.ContainerSpec
---@param options? { size: integer }
---@return ccsand.Pool
function T.pool(box, options) end

return test
