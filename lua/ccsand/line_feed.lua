-- Lines for a function of the recipe, cut out of a text as it comes. Nothing of it grows with what a container prints:
-- who feeds it asks whether it is full, and a line without an end is handed over in pieces.
local line_feed = {}
local most = 1024 * 1024 -- bytes of a piece, and of what waits while the function does
local LineFeed = {}
LineFeed.__index = LineFeed

function line_feed.new(on_line) return setmetatable({ on_line = on_line, parts = {}, size = 0 }, LineFeed) end

function LineFeed:add(text)
  if not self.on_line then return end
  self.parts[#self.parts + 1] = text
  self.size = self.size + #text
  self.ready = self.ready or self.size > most or text:find("\n", 1, true) ~= nil
end

--- There is no more text than what has been added.
function LineFeed:finish() self.ended = true end

--- Whether it takes no more: while its function waits.
function LineFeed:full() return self.size > most end

--- Whether it was called by this function.
function LineFeed:calls_us() return self.caller == (coroutine.running() or true) end

-- Calls the function with each line and each full piece; answers what is left of the text.
local function each_line(self, text)
  local at = 1
  while self.on_line do
    local stop = text:find("\n", at, true)
    local last = (stop or #text + 1) - 1
    if last - at >= most then
      last, stop = at + most - 1, at + most - 1
    elseif not stop then
      return text:sub(at)
    elseif text:byte(last) == 13 then
      last = last - 1
    end
    local good, problem = pcall(self.on_line, text:sub(at, last))
    at = stop + 1
    if not good then
      self.on_line = nil
      self.problem = self.problem or problem
    end
  end
  return ""
end
local function taken(self)
  local text = table.concat(self.parts)
  self.parts, self.size, self.ready = {}, 0, false
  return text
end

--- Calls the function with what is whole. While the function waits, what comes meanwhile does not overtake.
function LineFeed:deliver()
  if self.caller then return end
  self.caller = coroutine.running() or true
  while self.ready do
    local rest = each_line(self, taken(self))
    table.insert(self.parts, 1, rest)
    self.size = self.size + #rest
    self.ready = self.ready or self.size > most
  end
  if self.ended and self.size > 0 then each_line(self, taken(self) .. "\n") end
  self.caller = nil
end

return line_feed
