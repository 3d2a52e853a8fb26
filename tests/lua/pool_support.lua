-- For tests of pools: what they leave among the processes, and what keeps numbers of namespaces apart.
local ccsand = require "ccsand"
local t = require "support"

local support = {}

--- A test out of a loop, and in a task.
function support.both(name, f)
  t.test(name, f)
  t.test(name .. ", in a task", function() ccsand.loop.run(f) end)
end
function support.children()
  local list = {}
  for pid in (t.read(("/proc/%d/task/%d/children"):format(require("ffi").C.getpid(), require("ffi").C.getpid())) or ""):gmatch "%d+" do list[#list + 1] = tonumber(pid) end
  return list
end

-- Numbers of namespaces come again when one is gone: these are held, so that all are told apart.
function support.hold_namespaces(held)
  local C = require("ffi").C
  for _, pid in ipairs(support.children()) do
    for _, name in ipairs { "mnt", "pid", "net", "uts", "ipc", "user", "cgroup" } do
      local fd = C.open(("/proc/%d/ns/%s"):format(pid, name), 524288)
      if fd >= 0 then held[#held + 1] = fd end
    end
  end
end

-- Which of the children are in this process's pid namespace, as containers are not.
function support.zygotes()
  collectgarbage() collectgarbage() -- those of pools that nobody holds
  local list = {}
  for _, pid in ipairs(support.children()) do
    local own = t.readlink "/proc/self/ns/pid"
    if t.readlink(("/proc/%d/ns/pid_for_children"):format(pid)) == own and t.readlink(("/proc/%d/ns/pid"):format(pid)) == own then list[#list + 1] = pid end
  end
  return list
end

-- A sanitizer cannot follow two processes in one memory: its build has no zygotes.
support.sanitized = tonumber(t.read("/proc/self/status"):match "VmSize:%s*(%d+)") > 2 ^ 30

--- A container whose pool has its root made once.
support.one_root = { root = { path = t.root, access = "read_only" }, user_namespace = false }

return support
