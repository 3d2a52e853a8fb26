-- What the tests of ccsand.sys and ccsand.cgroup share. They need root and no image; every
-- namespace is entered in a child. One line is printed for each test.
local support = require "support"
local sys = require "ccsand.sys"

local t = {}
if sys.getuid() ~= 0 then support.skip_all "needs root" end
os.execute(("mkdir -p '%s/run' '%s/store/tmp'"):format(support.directory, support.directory))
local warm = sys.clone({}, function() end)  -- what lives as long as the process
warm:wait()
warm:close()
support.before = support.census()

function t.test(name, f)
  support.test(name, function()
    f()
    print("ok    " .. name)
    io.stdout:flush()
  end)
end
t.skip, t.finish, t.equal = support.skip, support.finish, support.equal

--- The error value that f raises.
function t.raised(f, ...)
  local good, problem = pcall(f, ...)
  if good then error("nothing was raised", 2) end
  return problem
end
--- An error value with these fields; `like` is a part of its message.
function t.expect(problem, fields)
  for key, wanted in pairs(fields) do
    local got = type(problem) == "table" and problem[key == "like" and "message" or key] or nil
    local right = got == wanted
    if key == "like" then right = tostring(got):find(wanted, 1, true) end
    if not right then error(("%s is %s, not %s: %s"):format(key, tostring(got), tostring(wanted), tostring(problem)), 2) end
  end
  return problem
end

--- Runs f in a child; what it raises is raised here. Returns the status.
function t.inside(kinds, f)
  local process = sys.clone(kinds, f)
  local status = process:wait(20)
  process:close()
  assert(status, "the child did not end")
  return status
end
function t.succeeds(kinds, f)
  local status = t.inside(kinds, f)
  support.equal(status.reason, "exited", "reason")
  support.equal(status.status, 0, "status")
end
--- For a child with a mount namespace: f, with an empty tmpfs on /tmp that nobody else sees.
function t.scratch(f)
  return function(parent)
    sys.mount_set_propagation("/", "private", { recursive = true })
    sys.mount { type = "tmpfs", target = "/tmp", flags = { "nosuid", "nodev" } }
    f(parent)
  end
end
--- All of a file.
function t.read(path)
  local file = sys.open(path)
  local text = file:read "*a"
  file:close()
  return text
end
--- Until f() is true.
function t.eventually(f)
  for _ = 1, 400 do
    if f() then return end
    os.execute "sleep 0.01"
  end
  error("did not become true", 2)
end

return t
