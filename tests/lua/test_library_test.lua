-- ccsand.test: what its assertions take and show, snapshots, and the reports as other programs read them.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
local harness = require "harness"
t.begin()
local test, equal, match, no_match = t.test, t.equal, t.match, t.no_match
local run, counts = harness.run, harness.counts
local assertions = require "ccsand.test".assert
local difference = require "ccsand.test.difference"

local function problem(f, ...)
  local good, value = pcall(f, ...)
  assert(not good, "did not fail")
  return value, table.concat({ value.message, unpack(value.details) }, "\n")
end

-- ---- assertions

test("equal compares deeply, also what refers to itself", function()
  local a, b = { 1, { x = "y" } }, { 1, { x = "y" } }
  a.self, b.self = a, b
  assertions.equal(a, b)
  assertions.equal(0 / 0, 0 / 0)
  assertions.equal(nil, nil)
  assertions.equal(1ULL, 1ULL)
  for _, pair in ipairs { { 1, "1" }, { {}, { 1 } }, { { 1 }, {} }, { { a = 1 }, { a = 1, b = false } }, { nil, false }, { { {} }, { { {} } } } } do
    problem(assertions.equal, pair[1], pair[2])
    problem(assertions.equal, pair[2], pair[1])
    assertions.not_equal(pair[1], pair[2])
  end
  problem(assertions.not_equal, a, b)
  problem(assertions.same, {}, {})
  assertions.same(a, a)
end)

test("a difference shows both sides: values, lines, tables", function()
  local _, text = problem(assertions.equal, "got\1", "wanted", "what")
  match(text, 'equal: what: differs\ngot     "got\\001"\nwanted  "wanted"')
  _, text = problem(assertions.equal, "a\nb\nc\n", "a\nx\nc\n")
  match(text, "\n  a\n%- x\n%+ b\n  c$")
  _, text = problem(assertions.equal, { b = 1, a = { 2 } }, { a = { 2 }, c = 1 })
  match(text, "\n    },\n%-   c = 1,\n%+   b = 1,\n  }$")
  _, text = problem(assertions.equal, "a\n", "a")
  match(text, 'got     "a\\n"\nwanted  "a"')
end)

test("a difference of very long texts is short, and found at once", function()
  local lines = {}
  for i = 1, 100000 do lines[i] = "line " .. i end
  local a = table.concat(lines, "\n")
  lines[60000] = "another"
  local from = os.clock()
  local _, text = problem(assertions.equal, a, table.concat(lines, "\n"))
  match(text, "%- another\n%+ line 60000\n")
  assert(#text < 500, #text)
  _, text = problem(assertions.equal, ("x\n"):rep(100000), ("y\n"):rep(100000))
  assert(#text < 2000 and os.clock() - from < 5, "took " .. os.clock() - from)
end)

test("match, no_match, contains, near, ok and the words for constants", function()
  equal(select(2, assertions.match("key=value", "(%w+)=(%w+)")), "value")
  local _, text = problem(assertions.match, "one\ntwo", "three")
  match(text, 'pattern "three"\ntext\n  one\n  two')
  problem(assertions.no_match, "one", "o.e")
  assertions.contains("a.b", ".")
  assertions.contains({ 1, { 2 } }, { 2 })
  problem(assertions.contains, "ab", ".")
  problem(assertions.contains, { 1 }, 2)
  assertions.near(1, 1.05, 0.1)
  problem(assertions.near, 1, 1.2, 0.1)
  problem(assertions.near, 0 / 0, 1, 1)
  equal(assertions.ok(5), 5)
  problem(assertions.ok, false)
  assertions.is_true(true) assertions.is_false(false) assertions.is_nil(nil)
  problem(assertions.is_true, 1) problem(assertions.is_false, nil) problem(assertions.is_nil, false)
end)

test("raises takes a pattern or fields, and answers the error", function()
  local value = assertions.raises(function() error "plain" end, "pl..n")
  match(value, "plain")
  assertions.raises(error, "x", "xyz")
  equal(assertions.raises(ccsand.container, { code = "EINVAL" }, { image = 1 }).message, "container.image: must be the name of an image, got number")
  local _, text = problem(assertions.raises, function() end, "anything")
  match(text, "did not raise an error")
  _, text = problem(assertions.raises, function() error { code = "EPERM" } end, { code = "ENOENT" })
  match(text, 'got     "EPERM"\nwanted  "ENOENT"')
  problem(assertions.raises, function() error "this" end, "that")
end)

test("eventually waits in the loop until it holds, and says what it saw last", function()
  ccsand.loop.run(function()
    local n, others = 0, 0
    ccsand.loop.spawn(function() for _ = 1, 3 do others = others + 1 ccsand.loop.sleep(0.001) end end)
    equal(assertions.eventually(function() n = n + 1 return n == 4 and "four" end, { every = "2ms" }), "four")
    equal(others, 3, "other tasks meanwhile")
    local _, text = problem(assertions.eventually, function() assertions.equal(n, 5) end, { within = "20ms", every = "1ms" })
    match(text, "did not hold within 20ms\nlast: equal: differs\ngot     4\nwanted  5")
    local good, value = pcall(ccsand.loop.timeout, "20ms", assertions.eventually, function() return false end, { within = "5s" })
    equal(good, false) equal(value.code, "ETIMEDOUT", "the test's own time is not its to swallow")
  end)
end)

test("values are shown with sorted keys, cut in depth, and never fail", function()
  equal(difference.show { b = 1, a = "x\n", [3] = true, ["a b"] = {} }, '{ [3] = true, a = "x\\n", ["a b"] = {}, b = 1 }')
  local deep = {}
  for _ = 1, 50 do deep = { deep } end
  assert(#difference.lines(deep) < 60)
  equal(type(difference.show(setmetatable({}, { __tostring = function() error "no" end }))), "string")
end)

-- The sizes are those that a container may print by default (output_limit); what is quadratic in them takes days.
test("outputs of a hostile size and shape are shown as soon as others", function()
  local size = 64 * 1024 * 1024
  local newlines, zeros, words = ("\n"):rep(size), ("\1"):rep(size), ("a line\n"):rep(size / 7)
  local function shown(f, ...)
    local _, text = problem(f, ...)
    assert(#text < 200000, #text)
    return text
  end
  local result = { status = 1, reason = "exited", wall = 1, stdout = newlines .. "x", stderr = newlines }
  match(shown(assertions.ended, result), "status 1, exited")
  match(shown(assertions.equal, newlines, "one line\n"), "%- one line")
  match(shown(assertions.equal, words .. "one", words .. "two"), "  a line\n%- two\n%+ one$")
  match(shown(assertions.equal, words .. "one\n" .. words, words .. "two\n" .. words), "  a line\n%- two\n%+ one\n  … and so on$")
  match(shown(assertions.equal, zeros, "expected"), 'got     "\\001')
  match(shown(assertions.equal, { out = zeros }, { out = "expected" }), "%-   out = \"expected\",\n%+   out = \"\\001")
  match(shown(assertions.equal, zeros .. "\n", "expected\n"), "%- expected")
  match(shown(assertions.match, newlines, "x"), 'pattern "x"')
  match(shown(assertions.is_nil, zeros), "\\001")
  local text, status = run([[
    local newlines = ("\n"):rep(2 ^ 26)
    test("message", function(t) t.fail(newlines .. "end") end)
    test("error", function() error(newlines .. "end", 0) end)
    test("asserted", function() assert(false, newlines) end)
    test("table", function() error { message = newlines, hint = newlines } end) ]], "--report json=r.json --report tap=r.tap --report junit=r.xml")
  equal(status, 1)
  equal(counts(text), "0 passed, 4 failed")
  assert(#text < 200000, #text)
end)

test("a failure of very many lines is in each report", function()
  local text, status, folder = run([[
    test("says much", function(t) for _ = 1, 100 do t.log(("x\n"):rep(150)) end t.equal(1, 2) end) ]], "--report json=r.json --report tap=r.tap --report junit=r.xml")
  equal(status, 1, text)
  equal(counts(text), "0 passed, 1 failed")
  local xml = t.read(folder .. "/r.xml")
  equal(select(2, xml:gsub("x\n", "")), 15000)
  match(xml, "\nagain: [^\n]*</failure>\n")
end)

test("text for terminals and reports has no control characters", function()
  local clean = require("ccsand.test.text").clean
  equal(clean "a\tb\nü€😀", "a\tb\nü€😀")
  equal(clean "\27[2J\r\127\0", "\\x1b[2J\\x0d\\x7f\\x00")
  equal(clean "\194\1552J \194\128 \194\160", "\\xc2\\x9b2J \\xc2\\x80 \194\160", "those of eight bits")
  equal(clean "\192\155 \237\160\128 \255", "\\xc0\\x9b \\xed\\xa0\\x80 \\xff", "what is not UTF-8")
end)

-- ---- of a test's own

test("what is called with a colon, or does not exist, is an error that says so", function()
  local text, status = run [[
    test("colon", function(t) t:equal(1, 1) end)
    test("unknown", function(t) t.equals(1, 1) end)
    test("nested", function() test("inner", function() end) end)
    test("good", function(t) t.equal(t.name, "good") t.match(t.file, "a_test.lua$") end) ]]
  equal(status, 1)
  match(text, "t:equal: it is called with a dot")
  match(text, "'equals'")
  match(text, "no test file is being loaded")
  equal(counts(text), "1 passed, 3 failed")
end)

test("each: lists and names, sorted, with their values", function()
  local files = [[
    test("list", { each = { 3, "x", { name = "named", n = 1 }, { 5 } } }, function(t, v) t.log(v) if v == "x" then t.fail "x" end end)
    test("names", { each = { b = 2, a = 1 } }, function(t, v) t.equal(v, t.name == "names [a]" and 1 or 2) end) ]]
  local names = {}
  for name in run(files, "--list"):gmatch(":%d: ([^\n]*)\n") do names[#names + 1] = name end
  equal(table.concat(names, ", "), "list [3], list [x], list [named], list [4], names [a], names [b]")
  local text, status = run(files)
  equal(status, 1)
  equal(counts(text), "5 passed, 1 failed")
end)

test("snapshots: missing ones fail, --update writes them beside the test, differences are shown", function()
  local files = { ["deeper/a_test.lua"] = [[
    test("a/b: ../x", function(t)
      local file = io.open((os.getenv "WANTED"))
      t.snapshot("text", file:read "*a")
      t.snapshot { b = 1, a = { 2 } }
    end) ]] }
  local folder = harness.folder(files)
  local wanted = t.file("one\ntwo\n")
  local function with(options) return t.run_host(("cd '%s' && WANTED='%s' '%s' test %s"):format(folder, wanted, t.ccsand, options)) end
  local text, status = with ""
  equal(status, 1)
  match(text, "there is none yet; %-%-update writes it")
  text, status = with "--update"
  equal(status, 0, text)
  match(text, "2 snapshots written")
  local there = t.host_lines(("cd '%s' && find . -path '*__snapshots__*' -type f | sort"):format(folder))
  equal(table.concat(there, " "), "./deeper/__snapshots__/a_test/a%2Fb%3A_..%2Fx.txt ./deeper/__snapshots__/a_test/a%2Fb%3A_..%2Fx@text.txt")
  text, status = with ""
  equal(status, 0, text)
  t.write(wanted, "one\nthree\n")
  text, status = with ""
  equal(status, 1)
  match(text, "%- two\n *%+ three")
  equal(select(2, with "--update"), 0)
  equal(select(2, with ""), 0)
end)

test("pools of a suite give each test a container of its own, and end with the suite", function()
  local text, status = run([[
    local made
    test.suite("pooled", { setup_all = function(s) made = s.pool({ image = IMAGE }, { size = 2 }) return made end }, function()
      for i = 1, 4 do
        test("n" .. i, function(t) t.ended(t.shared:run { "sh", "-c", "[ ! -e /tmp/used ] && touch /tmp/used" }) end)
      end
      test("shows its output", function(t) t.ended(t.shared:run { "sh", "-c", "echo of the pool; exit 3" }) end)
    end)
    test("is closed", { exclusive = true }, function(t) t.raises(function() made:run { "true" } end, "closed") end) ]], "-j 2")
  equal(status, 1, text)
  equal(counts(text), "5 passed, 1 failed")
  match(text, "stdout:\n *of the pool")
end)

-- ---- reports, as other programs read them

local mixed = { ["a_test.lua"] = table.concat({
  'test("passes", function() end)',
  'test("fails # <&\\"\'> \\\\ ü", function(t) t.log "\\1\\200 ]]> ..." t.equal("a\\n...\\n---\\n", "b\\n\\n") end)',
  'test("skips", function(t) t.skip "why # <not>" end)',
  'test("expected", { expect_failure = true }, function(t) t.fail "x" end)',
  'test("errors", function() error "an\\nerror: {\\"of\\": lines}" end)',
}, "\n"), ["b_test.lua"] = "no Lua" }

test("TAP is accepted by Perl's prove", function()
  if os.execute "command -v prove >/dev/null" ~= 0 then t.skip "there is no prove" end
  local _, status, folder = run(mixed, "--report tap=r.tap")
  equal(status, 1)
  local text = t.run_host(("cd '%s' && prove --exec cat r.tap"):format(folder))
  no_match(text, "Parse errors")
  match(text, "Tests: 6 Failed: 3")
  match(text, "Failed tests:  1, 3, 6")
  match(text, "%(less 1 skipped subtest: 2 okay%)")
  _, status = t.run_host(("cd '%s' && '%s' test a_test.lua --filter '^pa' --filter sk --filter exp --report tap 2>/dev/null | prove --exec cat /dev/stdin"):format(folder, t.ccsand))
  equal(status, 0, "without failures")
end)

test("JUnit's XML and JSON are read by Python", function()
  if os.execute "command -v python3 >/dev/null" ~= 0 then t.skip "there is no python3" end
  local _, status, folder = run(mixed, "--report junit=r.xml --report json=r.json -j 1")
  equal(status, 1)
  local script = t.file [==[
import json, sys, xml.etree.ElementTree as tree
root = tree.parse("r.xml").getroot()
cases = {case.get("name"): case for case in root.iter("testcase")}
assert root.tag == "testsuites" and root.get("tests") == "6" == str(len(cases)), root.attrib
assert (root.get("failures"), root.get("errors"), root.get("skipped")) == ("1", "2", "2"), root.attrib
for suite in root:
    assert int(suite.get("tests")) == len(suite.findall("testcase"))
failed = cases["fails # <&\"'> \\ ü"]
assert "\n+ ..." in failed.find("failure").text.replace("\n  ", "\n"), failed.find("failure").text
assert "\\x01\\xc8 ]]> ..." in failed.find("failure").text
assert cases["skips"].find("skipped").get("message") == "why # <not>"
assert len(cases["passes"]) == 0 and cases["passes"].get("line") == "1"
assert cases["load b_test.lua"].find("error") is not None
data = json.load(open("r.json"))
assert data["status"] == 1 and data["counts"]["failed"] == 3, data["counts"]
by_name = {test["name"]: test for test in data["tests"]}
assert by_name["errors"]["kind"] == "error" and by_name["errors"]["line"] == 5, by_name["errors"]
assert by_name["errors"]["again"].startswith("ccsand test a_test.lua --filter"), by_name["errors"]
assert by_name["expected"]["status"] == "expected" and set(cases) == set(by_name)
]==]
  local text, good = t.run_host(("cd '%s' && python3 '%s'"):format(folder, script))
  equal(good, 0, text)
end)

test("a report on standard output is ccsand's alone", function()
  local folder = harness.folder { ["a_test.lua"] = [[
    test("runs", function() ccsand.container { image = IMAGE }:run { "echo", "ok 8 - forged by run" } end)
    test("starts", function() ccsand.container { image = IMAGE }:start { "echo", "ok 9 - forged by start" }:wait() end)
    test("executes", function() os.execute "echo ok 10 - forged by a command" io.write "ok 11 - written\\n" end) ]] }
  local command = ("cd '%s' && '%s' test --report tap -j 1"):format(folder, t.ccsand)
  local wanted = "TAP version 13\n1..3\nok 1 - runs\nok 2 - starts\nok 3 - executes\n"
  equal(t.run_host(command .. " 2>/dev/null"), wanted, "a pipe")
  equal(t.run_host(command .. " 2>/dev/null >out; cat out"), wanted, "a file")
  equal(t.run_host(command .. " 2>/dev/null >>out; cat out"), wanted .. wanted, "the end of a file")
  match(t.run_host(command .. " 2>&1 >/dev/null"), "forged by run")
  equal(select(2, t.run_host("bash -c 'set -o pipefail; { sleep 0.2; " .. command .. "; } 2>/dev/null | true'")) ~= 124, true, "a pipe that nobody reads")
end)

test("what containers print does not pass for lines of ccsand's", function()
  local text = run [[
    local forged = "x\nFAIL  forged\n12 passed, 0 failed in 1 ms\n"
    test("skips", function(t) t.skip("no\27[31m\nok    forged") end)
    test("says", function(t) t.log(forged) t.fail(forged) end)
    test("shows", function(t) t.ok(false, forged) end)
    test("raises", function() error(forged) end) ]]
  equal(text:find "\27", nil)
  for line in text:gmatch "[^\n]+" do assert(not line:find "^FAIL  forged" and not line:find "^ok    forged" and not line:find "^12 passed", line) end
end)

test("what a container prints makes no wrong error the expected one", function()
  local text, status = run [[
    test("details", { expect_failure = "known bug" }, function(t)
      t.ended(t.container { image = IMAGE }:capture { "/bin/sh", "-c", "echo known bug; exit 3" })
    end)
    test("hint", function(t)
      local running = ccsand.container { image = IMAGE }:start({ "/bin/sh", "-c", "echo refused; sleep 60" }, { interactive = true })
      t.raises(function() running:expect("ready", { within = "100ms" }) end, "refused")
    end) ]]
  equal(status, 1)
  equal(counts(text), "0 passed, 2 failed")
end)

test("reports are whole where nobody reads the summary to its end", function()
  local folder = harness.folder { ["a_test.lua"] = [[
    for i = 1, 60 do test("n" .. i, function(t) t.equal(("line of it\\n"):rep(400):gsub("o", "a"), ("line of it\\n"):rep(400)) end) end ]] }
  local text = t.run_host(("cd '%s' && '%s' test --report json=r.json | sed '/^slowest/q'"):format(folder, t.ccsand))
  no_match(text, "again: ")
  equal(#require("ccsand.json").decode(t.read(folder .. "/r.json")).tests, 60)
end)

test("a report that cannot be written makes the run fail", function()
  local text, status = run({ ["a_test.lua"] = 'test("a", function() end)' }, "--report json=/dev/full")
  equal(status, 125, text)
  match(text, "%-%-report json: /dev/full cannot be written")
  text, status = run({ ["a_test.lua"] = 'test("a", function() io.stderr:write "RAN" end)' }, "--report json=no/such/folder")
  equal(status, 2, text)
  no_match(text, "RAN")
end)

test("on a terminal there is one line that changes, elsewhere a line for each test", function()
  local files = 'for i = 1, 3 do test("n" .. i, function() loop.sleep "60ms" end) end test("bad", function(t) t.fail "x" end)'
  local text, _, folder = run(files)
  match(text, "ok    n1 ")
  no_match(text, "\27")
  if os.execute "command -v script >/dev/null" ~= 0 then return end
  text = t.run_host(("cd '%s' && script -qec \"'%s' test -j 1\" /dev/null"):format(folder, t.ccsand))
  match(text, "\27%[K%[%d/4%]  n%d")
  match(text, "FAIL  bad")
  no_match(text, "ok    n1 ")
end)

return t.finish()
