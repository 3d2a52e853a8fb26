-- The end of a text that grows: what a container has printed and no dialogue has used up yet. To add to it takes no
-- longer the more there is; only who looks has it joined.
local recent_text = {}
local most = 1024 * 1024 -- bytes that are kept at least; older text is forgotten
local RecentText = {}
RecentText.__index = RecentText

function recent_text.new() return setmetatable({ parts = {}, first = 1, last = 0, size = 0, at = 1, total = 0 }, RecentText) end

function RecentText:add(text)
  if text == "" then return end
  self.last = self.last + 1
  self.parts[self.last] = text
  self.size, self.total = self.size + #text, self.total + #text
  while true do
    local oldest = #self.parts[self.first] - self.at + 1
    if self.size - oldest < most then return end
    self.parts[self.first] = nil
    self.first, self.at, self.size = self.first + 1, 1, self.size - oldest
  end
end

--- The whole, where in it begins what is not used up, and how many bytes of all are forgotten that were before it.
function RecentText:look()
  if self.first < self.last then
    self.parts[self.first] = self.parts[self.first]:sub(self.at)
    local text = table.concat(self.parts, "", self.first, self.last):sub(-most)
    self.parts, self.size = { text }, #text
    self.first, self.last, self.at = 1, 1, 1
  end
  local text = self.parts[self.first] or ""
  return text, self.at, self.total - #text
end

--- Of what look() answered, all up to `position` is used up.
function RecentText:use(position)
  self.size = self.size - (position + 1 - self.at)
  self.at = position + 1
end

--- What is not used up.
function RecentText:rest()
  local text, at = self:look()
  return text:sub(at)
end

return recent_text
