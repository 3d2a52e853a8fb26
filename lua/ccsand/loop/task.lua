-- What others do with a task: wait for it, cancel it, ask how it is.
local core = require "ccsand.core"
local unpack = unpack

-- `inner` is what ccsand.loop does with coroutines: own_task, pause, raise.
return function(Task, inner)
  Task.__index = Task
  Task.__metatable = "a task"
  Task.__tostring = function(self) return "task (" .. self.state .. ")" end

  --- Its results, once it has ended; raises its error.
  function Task:wait()
    if self.thread then
      local task = inner.own_task "wait"
      if task == self then error(core.error("wait: a task cannot wait for itself", nil, "EDEADLK"), 0) end
      local waiters = self.waiters
      waiters[#waiters + 1] = task
      inner.pause(task, function()
        for i, waiter in ipairs(waiters) do if waiter == task then table.remove(waiters, i) break end end
      end)
    end
    local keeper = self.family or self.loop
    if keeper.unseen == self then keeper.unseen = nil end
    if not self.results[1] then error(self.results[2], 0) end
    return unpack(self.results, 2, self.results.n)
  end
  --- Raises an error in it, where it waits or next does. What it deferred is done; it may wait while it tidies up.
  function Task:cancel(reason)
    if not self.thread then return end
    if type(reason) ~= "table" then reason = core.error("cancelled" .. (reason ~= nil and ": " .. tostring(reason) or ""), nil, "ECANCELED") end
    self.cancelled[reason] = true
    inner.raise(self, reason)
  end
  --- Never resumes it again: for one that does not heed its cancellation. What it held is garbage; what it deferred is done.
  function Task:abandon(reason)
    if not self.thread then return end
    if self.state == "running" then error(core.error("abandon: the task is running", "a task ends itself by an error"), 0) end
    if self.leave then self.leave() end
    local problem = core.error("abandoned" .. (reason ~= nil and ": " .. tostring(reason) or ""), nil, "ECANCELED")
    self.cancelled[problem] = true
    self.loop:finish(self, { n = 2, false, problem })
    collectgarbage() -- containers that it alone held
  end
  -- For ccsand.running: what was started in it.
  function Task:adopt(running)
    self.started_here = self.started_here or setmetatable({}, { __mode = "k" })
    self.started_here[running] = true
    if self.family then self.family.started[running] = true end
  end
  --- The containers that were started in it and still run, where anybody holds them.
  function Task:containers()
    local list = {}
    for running in pairs(self.started_here or {}) do
      if not running:ended() then list[#list + 1] = running end
    end
    return list
  end
  --- "ready", "running", "waiting"; "done", "failed", "cancelled".
  function Task:status() return self.state end
end
