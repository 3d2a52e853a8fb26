-- One loop for all that runs: handlers that end what others wait for, their own container
-- among it, copies of the process, and streams that cannot be waited for.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ffi = require "ffi"
local ccsand = require "ccsand"
local sys = require "ccsand.sys"
local t = require "support"
t.begin()
local test, out, equal, match = t.test, t.out, t.equal, t.match

local shell = function(script) return { "/bin/sh", "-c", script } end
local captured = { capture = true }
local function pause(seconds) os.execute("sleep " .. seconds) end

-- ---- others

test("a handler that ends other containers: what came in the same turn is not taken for others", function()
  for round = 1, 5 do
    local doomed, after, born = {}, nil, {}
    -- It is the first in the list: all of the others' events are there when it is called.
    local first = t.box { notify = { sync = function()
      for i, one in ipairs(doomed) do
        if i % 2 == 0 then one:close() else one:kill() one:wait() end
      end
      doomed = {}
      collectgarbage() collectgarbage()
      -- These get the numbers of the descriptors that were closed.
      for i = 1, 3 do born[i] = t.box():start(shell("echo born " .. i .. "; read x; echo $x"), { capture = true, stdin = "given\n" }) end
      return true
    end } }
    first = first:start(shell "sync; echo first", captured)
    for i = 1, 3 do
      doomed[i] = t.box({ notify = { sync = function() return true end } }):start(shell "echo doomed; sync; sleep 60", captured)
    end
    local kept = t.box():start(shell "echo kept; echo twice >&2", captured)
    pause(0.3)
    after = t.box():start(shell "echo after", captured)
    equal(after:wait().stdout, "after\n")
    local result = first:wait()
    equal(result.stdout, "first\n", "round " .. round)
    equal(result.reason, "exited")
    result = kept:wait()
    equal(result.stdout .. result.stderr, "kept\ntwice\n")
    equal(#born, 3)
    for i, one in ipairs(born) do
      result = one:wait()
      equal(result.reason, "exited")
      equal(result.stdout, ("born %d\ngiven\n"):format(i))
    end
  end
end)

test("a handler that waits for another, whose calls are decided meanwhile, and its own are not", function()
  local seen, other = 0, t.box { notify = { sync = function(call) call:sleep(0.5) return true end } }
  local box = t.box { notify = { sync = function()
    seen = seen + 1
    if seen == 1 then equal(other:capture(shell "sync").status, 0) end
    return true
  end } }
  local computed = os.clock()
  equal(out and box:capture(shell "sync & sleep 0.2; sync; wait; echo done").stdout, "done\n")
  assert(seen >= 2)
  -- The second call waited for half a second, and nobody looked at it over and over.
  computed = os.clock() - computed
  assert(computed < 0.35, ("%.2f s of computing"):format(computed))
end)

-- ---- its own

test("a handler that waits for its own container", function()
  local box, early, result
  box = t.box({ notify = { sync = function()
    early = box:wait(0.1) == nil
    return true
  end } }):start(shell "sync; echo on", captured)
  equal(box:wait().stdout, "on\n")
  equal(early, true)
  for _, way in ipairs { "kill", "close", "outside" } do
    box = t.box({ notify = { sync = function()
      if way == "kill" then box:kill() end
      if way == "close" then box:close() end
      result = box:wait()
      return true
    end } }):start(shell(way == "outside" and "sync & sleep 0.3; exit 3" or "sync; sleep 60"), captured)
    equal(box:wait().reason, way == "outside" and "exited" or "signalled", way)
    equal(result.status, way == "outside" and 3 or 137, way)
  end
end)

test("a container that nobody holds any more is ended where its own call is decided", function()
  local calls
  local function start() -- a frame of its own, which keeps nothing
    t.box({ notify = { sync = function()
      collectgarbage() collectgarbage()
      calls = calls + 1
      return true
    end } }):start(shell "while :; do sync; done")
  end
  for _ = 1, 3 do
    calls = 0
    start()
    equal(out "sleep 0.3; echo still", "still")
    assert(calls >= 1 and calls <= 2, calls .. " calls of a container that should be gone")
  end
end)

-- ---- copies of the process

test("a forked copy waits for its own", function()
  local before = t.box():start(shell "sleep 0.5; echo mine", captured)
  local child = sys.clone({}, function()
    local result = t.box():capture(shell "echo copied")
    os.exit(result.stdout == "copied\n" and 0 or 1)
  end)
  local status = child:wait()
  equal(before:wait().stdout, "mine\n")
  equal(type(status) == "table" and status.status or status, 0)
end)

-- ---- streams

test("a terminal joined to files", function()
  local given = t.file "typed\n"
  local recipe = ([[return require("ccsand").container { image = %q, terminal = true, timeout = "20s",
    command = { "/bin/sh", "-c", "read x; echo got $x; test -t 1 && echo terminal" } }]]):format(t.image)
  local path = t.file(recipe, "recipe.lua")
  local text, status = t.run_host(("'%s' '%s' <'%s'"):format(t.ccsand, path, given))
  equal(status, 0, text)
  match(text, "got typed.*terminal")
  text, status = t.run_host(("echo piped | '%s' '%s' | cat"):format(t.ccsand, path))
  equal(status, 0, text)
  match(text, "got piped.*terminal")
end)

test("a loop of tasks: files are ready always, numbers that are closed at once", function()
  local loop = require "ccsand.loop"
  local file = ffi.C.open(t.file "text", 0)
  loop.run(function()
    local running = loop.spawn(function() return t.box():capture(shell "sleep 0.2; echo done").stdout end)
    for _ = 1, 3 do equal(loop.readable(file, 5), true) end
    equal(running:wait(), "done\n")
  end)
  ffi.C.close(file)
end)

return t.finish()
