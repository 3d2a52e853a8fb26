-- `ccsand test`: what is run, in which order, how many at a time, and what its exit status and summary say.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local t = require "support"
local harness = require "harness"
t.begin()
local test, equal, match, no_match = t.test, t.equal, t.match, t.no_match
local run, counts = harness.run, harness.counts

-- ---- results

test("a test that holds passes, one that does not fails, and the status says which", function()
  local text, status = run [[ test("good", function(t) t.equal(1, 1) end) ]]
  equal(status, 0, text)
  equal(counts(text), "1 passed, 0 failed")
  text, status = run "test('good', function() end)\ntest('bad', function(t)\n  t.equal({ 1, { a = 2 } }, { 1, { a = 3 } })\nend)"
  equal(status, 1, text)
  equal(counts(text), "1 passed, 1 failed")
  match(text, "FAIL  bad", "the summary")
  match(text, "a_test.lua:3: equal: differs")
  match(text, "%-     a = 3,\n *%+     a = 2,", "both sides")
  match(text, "again: ccsand test a_test.lua %-%-filter '%^bad%$'")
end)

test("the command that repeats a test runs just that one", function()
  local text, _, folder = run [[
    test("a (b) [c] %d .*", function(t) t.fail "x" end)
    test("a (b) [c] %d .*+", function(t) t.fail "y" end)
    test.suite("s", {}, function() test("it's", { each = { ["q-1"] = 1 } }, function(t) t.fail "z" end) end) ]]
  local seen = 0
  for command in text:gmatch("again: ccsand ([^\n]*)") do
    local again, status = t.run_host(("cd '%s' && '%s' %s"):format(folder, t.ccsand, command))
    equal(status, 1)
    equal(counts(again), "0 passed, 1 failed", command)
    seen = seen + 1
  end
  equal(seen, 3)
end)

test("skips have a reason; expected failures pass, and fail where they do not", function()
  local text, status = run [[
    test("option", { skip = "not here" }, function(t) t.fail "ran" end)
    test("within", function(t) t.skip "no network" t.fail "went on" end)
    test("known", { expect_failure = "one and one" }, function(t) t.fail "one and one" end)
    test("any", { expect_failure = true }, function() error "x" end)
    test.suite("off", { skip = "all of it", setup_all = function() error "ran" end }, function() test("one", function() error "ran" end) end) ]]
  equal(status, 0, text)
  equal(counts(text), "0 passed, 0 failed, 3 skipped, 2 failed as expected")
  match(text, "skip  option: not here")
  match(text, "skip  within: no network")
  match(text, "skip  off / one: all of it")
  text, status = run [[
    test("mended", { expect_failure = true }, function() end)
    test("another", { expect_failure = "one and one" }, function(t) t.fail "two" end) ]]
  equal(status, 1)
  equal(counts(text), "0 passed, 2 failed")
  match(text, "passed, but was expected to fail")
  match(text, "it was expected to fail with: one and one")
end)

test("errors of any kind fail one test alone, with their line", function()
  local text, status = run(table.concat({
    'test("index", function() local x; return x.y end)',
    'test("table", function() error({ 1 }) end)',
    'test("nil", function() error(nil) end)',
    'test("hostile", function() error(setmetatable({}, { __tostring = function() error "no" end })) end)',
    'test("deep", function() local function f() return 1 + f() end f() end)',
    'test("exit", function() os.exit(0) end)',
    'test("spawned", function() loop.spawn(function() error "of a task" end) loop.sleep(0.01) end)',
    'test("missing", function() ccsand.container { root = "/nope" }:capture { "true" } end)',
    'test("good", function() end)',
  }, "\n"))
  equal(status, 1)
  equal(counts(text), "1 passed, 8 failed")
  match(text, "a_test.lua:1: attempt to index local 'x'")
  match(text, "a_test.lua:6: os.exit: would end all tests")
  match(text, "a task that nobody waited for: .*of a task")
  match(text, "a_test.lua:8: .*step %d+/%d+.*'/nope'", "the step of the plan")
end)

test("a file that does not load, or has no tests, is a failed test", function()
  local text, status = run({ ["a_test.lua"] = 'test("good", function() end)', ["b_test.lua"] = "\nthis is no Lua", ["d_test.lua"] = "while true do end",
    ["e_test.lua"] = "-- nothing", ["f_test.lua"] = 'test("x", { timeuot = 1 }, function() end)',
    ["g_test.lua"] = 'test("x", function() end)\ntest("x", function() end)' }, "--timeout 200ms")
  equal(status, 1)
  equal(counts(text), "1 passed, 5 failed")
  match(text, "b_test.lua:2: ")
  match(text, "FAIL  load d_test.lua")
  match(text, "it has no tests")
  match(text, "'timeuot' is not an option; did you mean 'timeout'")
  match(text, "test 'x': line 1 has one of that name")
end)

-- ---- which, and in what order

test("test files are found in folders, sorted, without hidden ones; modules beside them are theirs", function()
  local folder = harness.folder {
    ["b_test.lua"] = 'test("b", function(t) t.equal(require "helper", "outer") end)',
    ["helper.lua"] = 'return "outer"',
    ["deeper/a_test.lua"] = 'test("a", function(t) t.equal(require "helper", "inner") own = 1 end)',
    ["deeper/helper.lua"] = 'return "inner"',
    ["deeper/c_test.lua"] = 'test("c", function(t) t.is_nil(own) end)',
    [".hidden/x_test.lua"] = 'test("x", function() end)',
    ["not_a_test.txt"] = "", ["other.lua"] = "error 'not to be loaded'",
  }
  local text, status = run(folder, "--list")
  equal(status, 0)
  equal(text, "b_test.lua:1: b\ndeeper/a_test.lua:1: a\ndeeper/c_test.lua:1: c\n")
  text, status = run(folder, "-j 1")
  equal(status, 0, text)
  text = run(folder, "--list deeper b_test.lua deeper/c_test.lua")
  equal(text, "deeper/a_test.lua:1: a\ndeeper/c_test.lua:1: c\nb_test.lua:1: b\n")
end)

test("a file that others may write is not run", function()
  local folder = harness.folder { ["a_test.lua"] = 'test("a", function() io.stderr:write "RAN" end)' }
  assert(os.execute(("chmod o+w '%s/a_test.lua'"):format(folder)) == 0)
  local text, status = run(folder)
  equal(status, 1)
  match(text, "it can be written by others")
  no_match(text, "RAN")
end)

test("--filter chooses by pattern and by tag, and one that chooses nothing is an error", function()
  local files = [[
    test("one", { tags = { "slow" } }, function() end)
    test("two", function() end)
    test.suite("three", { tags = { "slow" } }, function() test("four", function() end) end) ]]
  local function names(options)
    local list = {}
    for name in run(files, "--list " .. options):gmatch(":%d+: ([^\n]*)") do list[#list + 1] = name end
    return table.concat(list, ", ")
  end
  equal(names "--filter o", "one, two, three / four")
  equal(names "--filter '^t'", "two, three / four")
  equal(names "--filter @slow", "one, three / four")
  equal(names "--filter two --filter one", "one, two")
  local text, status = run(files, "--filter nothing")
  equal(status, 2) match(text, "no test is chosen")
end)

test("--shuffle has the same order for the same seed, and keeps suites together", function()
  local lines = {}
  for i = 1, 30 do lines[i] = ("test('n%d', function() end)"):format(i) end
  lines[31] = "test.suite('s', {}, function() for i = 1, 5 do test('m' .. i, function() end) end end)"
  local folder = harness.folder { ["a_test.lua"] = table.concat(lines, "\n"), ["b_test.lua"] = "test('other', function() end)" }
  local plain, first, again, other = run(folder, "--list"), run(folder, "--list --shuffle=7"), run(folder, "--list --shuffle=7"), run(folder, "--list --shuffle=8")
  equal(first, again)
  assert(first ~= other and first ~= plain, "another seed gives another order")
  local function sorted(text)
    local all = {}
    for line in text:gmatch("[^\n]+") do all[#all + 1] = line end
    table.sort(all)
    return table.concat(all, "\n")
  end
  equal(sorted(first), sorted(plain), "the same tests")
  local from, to = first:find("s / m.*s / m%d")
  local _, count = first:sub(from, to):gsub("\n", "\n")
  equal(count, 4, "lines between a suite's tests")
  local text = run(folder, "--shuffle --filter '^n1$'")
  match(text, "%-%-shuffle=%d+", "the seed is told")
end)

test("--repeat runs each test so often, with set-up of its own", function()
  local text, status = run([[
    local n, made = 0, 0
    test.suite("s", { setup_all = function() made = made + 1 return { made } end }, function()
      test("a", function(t) n = n + 1 t.equal(t.shared[1], made) end)
    end)
    test("b", { exclusive = true }, function(t) t.equal(n, made) if n == 3 then t.fail "third" end end) ]], "--repeat 3 -j 1")
  equal(status, 1, text)
  equal(counts(text), "5 passed, 1 failed")
  match(text, "FAIL  b %(3 of 3%)")
  match(text, "again: [^\n]*%-%-repeat 3")
end)

test("memory stays flat over thousands of runs", function()
  local text, status = run([[
    local n, before = 0, nil
    test.suite("s", { setup = function() end, setup_all = function() end }, function()
      test("one", function(t)
        n = n + 1
        t.defer(function() end)
        t.log "a line"
        if n ~= 1000 and n ~= 5000 then return end
        collectgarbage()
        local size = collectgarbage "count"
        before = before or size
        t.ok(size - before < 100, ("%d KiB more"):format(size - before))
      end)
    end) ]], "--repeat 5000 -j 4")
  equal(status, 0, text:sub(-1000))
end)

test("memory and descriptors stay flat over thousands of containers, out of a pool or not", function()
  local text, status = run([[
    local function number(path, pattern)
      local file = assert(io.open(path))
      local text = file:read "*a"
      file:close()
      return tonumber(text:match(pattern))
    end
    local function measured()
      collectgarbage() collectgarbage()
      local open = 0
      for fd = 0, 1023 do
        local file = io.open("/proc/self/fdinfo/" .. fd)
        if file then file:close() open = open + 1 end
      end
      return { lua = collectgarbage "count", memory = number("/proc/self/status", "RssAnon:%s*(%d+)"), descriptors = open }
    end
    local sanitized = number("/proc/self/status", "VmSize:%s*(%d+)") > 2 ^ 30  -- KiB: it keeps what was freed
    local each, early, late = 5, 60, sanitized and 120 or 300  -- 300 and 1500 of each kind
    local done, before = 0, nil
    local spec = { image = IMAGE, sys = false, dev = false }
    test.suite("s", { setup_all = function(s) return s.pool(spec, { size = 2 }) end }, function()
      for i = 1, late do
        test("n" .. i, function(t)
          for _ = 1, each do
            t.ended(t.container(spec):capture { "true" })
            t.ended(t.shared:run { "true" })
          end
          done = done + 1
          if done == early then before = measured() end
          if done ~= late then return end
          local after = measured()
          io.stderr:write(("memory %d, then %d KiB; of Lua's %d, then %d; descriptors %d, then %d\n"):format(before.memory, after.memory, before.lua,
            after.lua, before.descriptors, after.descriptors))
          t.near(after.descriptors, before.descriptors, 16)  -- of the pool's that are just made ready
          t.ok(after.lua - before.lua < 300, "Lua's memory")
          if not sanitized then t.ok(after.memory - before.memory < 1000, "memory") end -- a leak of 0.8 KiB a run
        end)
      end
    end) ]], "-j 1")
  equal(status, 0, text:sub(-1000))
end)

-- ---- side by side

test("-j: tests really overlap, and no more than so many", function()
  local pair = [[
    local a, b = loop.event(), loop.event()
    test("one", { timeout = "2s" }, function() a:set() b:wait() end)
    test("two", { timeout = "2s" }, function() b:set() a:wait() end) ]]
  local _, status = run(pair, "-j 2")
  equal(status, 0, "they wait for each other")
  local text
  text, status = run(pair:gsub('"2s"', '"100ms"'), "-j 1")
  equal(status, 1, "one at a time")
  match(text, "FAIL  one.*not done within 0.1 s")
  text, status = run([[
    local now, most = 0, 0
    for i = 1, 12 do test("n" .. i, function(t)
      now = now + 1 most = math.max(most, now)
      loop.sleep "5ms"
      now = now - 1
      t.ok(most <= 3)
    end) end
    test("enough", { exclusive = true }, function(t) t.equal(most, 3) end) ]], "-j 3")
  equal(status, 0, text)
end)

test("containers of tests run at the same time", function()
  local folder = harness.folder { ["meeting/x"] = "" }
  t.write(folder .. "/a_test.lua", ([[
    local test = require "ccsand.test"
    for _, names in ipairs { { "a", "b" }, { "b", "a" } } do
      test("meets " .. names[2], { timeout = "20s" }, function(t)
        local box = t.container { image = %q, user_namespace = false, mounts = { { source = %q, target = "/mnt", writable = true } } }
        t.ended(box:capture { "sh", "-c", "touch /mnt/" .. names[1] .. "; until [ -e /mnt/" .. names[2] .. " ]; do sleep 0.01; done" })
      end)
    end ]]):format(t.image, folder .. "/meeting"))
  local text, status = run(folder, "-j 2")
  equal(status, 0, text)
end)

test("an exclusive test runs alone", function()
  local text, status = run([[
    local now = 0
    local function body(t) now = now + 1 loop.sleep "10ms" now = now - 1 end
    for i = 1, 4 do test("n" .. i, body) end
    test("alone", { exclusive = true }, function(t) t.equal(now, 0) loop.sleep "20ms" t.equal(now, 0) end)
    for i = 5, 8 do test("n" .. i, body) end ]], "-j 4")
  equal(status, 0, text)
end)

-- ---- suites and tear-down

test("suites: set-up and tear-down, from the outside in and back, shared values", function()
  local text, status = run([[
    local said = {}
    local function say(word) return function() said[#said + 1] = word end end
    local function with(word) return { setup_all = function() say(word .. "+")() return word end, teardown_all = say(word .. "-"), setup = say(word .. "("), teardown = say(word .. ")") } end
    test.suite("outer", with "o", function()
      test("one", function(t) say "1" () t.equal(t.shared, "o") t.defer(say "d1") t.defer(say "d2") end)
      test.suite("inner", with "i", function() test("two", function(t) say "2" () t.equal(t.shared, "i") end) end)
    end)
    test("order", { exclusive = true }, function(t)
      t.equal(table.concat(said, " "), "o+ o( 1 d2 d1 o) i+ o( i( 2 i) o) i- o-")
    end) ]], "-j 1")
  equal(status, 0, text)
end)

test("where a suite's set-up fails its tests fail; where its tear-down fails that is told", function()
  local text, status = run([[
    test.suite("a", { setup_all = function() error "no server" end, teardown_all = function() io.stderr:write "TORN DOWN\n" end }, function()
      test("one", function() io.stderr:write "RAN" end)
      test("two", function() io.stderr:write "RAN" end)
    end)
    test.suite("b", { teardown_all = function() error "stuck" end }, function() test("three", function() end) end)
    test.suite("c", { setup_all = function(s) s.skip "no network" end }, function() test("four", function() end) end) ]])
  equal(status, 1)
  equal(counts(text), "1 passed, 3 failed, 1 skipped")
  match(text, "set%-up of suite 'a': no server")
  match(text, "TORN DOWN")
  no_match(text, "RAN")
  match(text, "FAIL  b %(tear%-down%)")
  match(text, "skip  c / four: no network")
end)

test("what was deferred is done in reverse, also where the test or another of them fails", function()
  local text, status = run [[
    test("a", function(t)
      t.defer(function() io.stderr:write "first\n" end)
      t.defer(error, "second fails")
      t.defer(function() loop.sleep(0.01) io.stderr:write "third\n" end)
      t.fail "of itself"
    end) ]]
  equal(status, 1)
  match(text, "third\nfirst\n")
  match(text, "of itself.*tear%-down: second fails")
end)

-- ---- usage

test("what makes no sense is said before anything runs, with status 2", function()
  local folder = harness.folder { ["a_test.lua"] = 'io.stderr:write "LOADED" test("a", function() end)' }
  for options, words in pairs {
    ["--bogus"] = "%-%-bogus: unknown option", ["-j 0"] = "%-j takes a number", ["-j many"] = "%-j takes a number", ["--repeat 0"] = "%-%-repeat takes",
    ["--repeat 1x"] = "%-%-repeat takes", ["--shuffle=-1"] = "%-%-shuffle takes a seed", ["--timeout soon"] = "'soon' is not a time", ["--timeout 0"] = "is not a time above 0",
    ["--report jnit=x"] = "did you mean 'junit'", ["--report tap --report json"] = "two of them", ["--report junit="] = "the file's name is missing",
    ["--filter '['"] = "is not a Lua pattern", ["nothing_here"] = "there is no such file", ["--filter"] = "lacks its value",
  } do
    local text, status = run(folder, options)
    equal(status, 2, options .. ": " .. text)
    match(text, words, options)
    no_match(text, "LOADED", options)
  end
  local text, status = run({ ["x.lua"] = "" })
  equal(status, 2) match(text, "there are no test files")
  text, status = t.run_host(("'%s' test --help"):format(t.ccsand))
  equal(status, 0) match(text, "%-%-shuffle%[=SEED%]")
end)

return t.finish()
