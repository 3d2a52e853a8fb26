-- What tasks wait for of one another: queues and events.
local core = require "ccsand.core"

return function(own_task, pause, wake)
  local Queue, Event = {}, {}
  Queue.__index, Event.__index = Queue, Event

  local function forget(list, task)
    for i, one in ipairs(list) do if one == task then return table.remove(list, i) end end
  end
  local function wait_in(list, what)
    local task = own_task(what)
    list[#list + 1] = task
    pause(task, function() forget(list, task) end)
  end
  local function wake_first(list)
    local task = table.remove(list, 1)
    if task then wake(task) end
  end

  function Queue.new(size)
    return setmetatable({ first = 1, last = 0, limit = size or math.huge, takers = {}, givers = {} }, Queue)
  end
  --- How many values wait in it.
  function Queue:size() return self.last - self.first + 1 end
  --- Adds a value; waits while the queue is full. An error where it is closed.
  function Queue:put(value)
    while not self.closed and self:size() >= self.limit do wait_in(self.givers, "put") end
    if self.closed then error(core.error("put: the queue is closed", nil, "EPIPE"), 0) end
    self.last = self.last + 1
    self[self.last] = { value }
    wake_first(self.takers)
  end
  --- The oldest value and true; nothing where the queue is closed and empty. Waits for one.
  function Queue:take()
    while self:size() == 0 do
      if self.closed then return nil, false end
      wait_in(self.takers, "take")
    end
    local entry = self[self.first]
    self[self.first] = nil
    self.first = self.first + 1
    wake_first(self.givers)
    if self:size() > 0 then wake_first(self.takers) end
    return entry[1], true
  end
  --- Nothing more comes: who waits, goes on.
  function Queue:close()
    self.closed = true
    for _, list in ipairs { self.takers, self.givers } do
      while #list > 0 do wake_first(list) end
    end
  end

  function Queue.event() return setmetatable({ waiting = {} }, Event) end
  function Event:set()
    self.happened = true
    while #self.waiting > 0 do wake_first(self.waiting) end
  end
  function Event:clear() self.happened = false end
  function Event:is_set() return self.happened == true end
  function Event:wait()
    while not self.happened do wait_in(self.waiting, "wait") end
  end

  return Queue
end
