-- Timers, the earliest first: a binary heap. One that is removed stays until it comes up.
local heap = {}
local Heap = {}
Heap.__index = Heap

function heap.new() return setmetatable({ size = 0, dead = 0 }, Heap) end

local function up(self, at)
  local entry = self[at]
  while at > 1 do
    local above = math.floor(at / 2)
    if self[above].at <= entry.at then break end
    self[at], at = self[above], above
  end
  self[at] = entry
end
local function down(self, at)
  local entry = self[at]
  while true do
    local below = at * 2
    if below > self.size then break end
    if below < self.size and self[below + 1].at < self[below].at then below = below + 1 end
    if self[below].at >= entry.at then break end
    self[at], at = self[below], below
  end
  self[at] = entry
end
local function pop(self)
  local first = self[1]
  self[1], self[self.size] = self[self.size], nil
  self.size = self.size - 1
  if self.size > 0 then down(self, 1) end
  return first
end

function Heap:add(at, f)
  local entry = { at = at, f = f }
  self.size = self.size + 1
  self[self.size] = entry
  up(self, self.size)
  return entry
end
-- Most timers are removed before their time: they are not to pile up.
local function sweep(self)
  local left = 0
  for i = 1, self.size do
    local entry = self[i]
    self[i] = nil
    if entry.f then
      left = left + 1
      self[left] = entry
    end
  end
  self.size, self.dead = left, 0
  for i = math.floor(left / 2), 1, -1 do down(self, i) end
end
function Heap:remove(entry)
  if not entry.f then return end
  entry.f = nil
  self.dead = self.dead + 1
  if self.dead > 32 and self.dead * 2 > self.size then sweep(self) end
end
function Heap:earliest()
  while self.size > 0 and not self[1].f do
    pop(self)
    self.dead = self.dead - 1
  end
  return self.size > 0 and self[1].at or nil
end
function Heap:fire(now)
  local at = self:earliest()
  while at and at <= now do
    local entry = pop(self)
    local f = entry.f
    entry.f = nil
    f()
    at = self:earliest()
  end
end

return heap
