-- For tests of `ccsand exec`: commands of the host beside a loop, and containers that are served in it.
local ccsand = require "ccsand"
local ffi = require "ffi"
local t = require "support"
local loop = ccsand.loop
ffi.cdef "int fileno(void *);"

local support = { run_directory = t.directory .. "/run" }

-- Starts a shell command; its value waits for it: output, errors, status.
local numbered = 0
function support.begin(command)
  numbered = numbered + 1
  local out = ("%s/client-%d"):format(t.directory, numbered)
  local pipe = assert(io.popen(("( %s ) >'%s.out' 2>'%s.err'; echo $?"):format(command, out, out)))
  return function()
    assert(loop.readable(ffi.C.fileno(pipe), "20s"), "not in time: " .. command .. "\n" .. tostring(t.read(out .. ".err")))
    local status = tonumber((pipe:read("*a")))
    pipe:close()
    local printed, complained = t.read(out .. ".out"), t.read(out .. ".err")
    os.remove(out .. ".out") os.remove(out .. ".err")
    return printed, complained, status
  end
end
function support.exec(words, before) return support.begin(("%s'%s' exec %s"):format(before or "</dev/null ", t.ccsand, words))() end
function support.list(options)
  local text, problem, status = support.begin(("'%s' list %s"):format(t.ccsand, options or ""))()
  t.equal(status, 0, problem)
  return text
end
-- Until it is so, which nothing tells.
function support.await(look, what)
  local deadline = loop.now() + 20
  while not look() do
    assert(loop.now() < deadline, what .. ": not in time")
    loop.sleep "10ms"
  end
end
function support.await_file(path) support.await(function() return t.read(path) end, path) end
-- A test in a loop, with a container that has the name "web".
function support.served(name, spec, f)
  t.test(name, function()
    loop.run(function()
      local box = { name = "web", init = true }
      for key, value in pairs(spec) do box[key] = value end
      local running = t.box(box):start { "sleep", "60" }
      loop.defer(function() running:close() end)
      f(running)
    end)
  end)
end

return support
