-- What a running container prints, as it comes: lines for functions of the recipe, and a
-- text that dialogues search.
local core = require "ccsand.core"
local event = require "ccsand.event"
local invocation = require "ccsand.invocation"

local stream = {}
local most_text = 1024 * 1024 -- kept for dialogues of each; older text is forgotten
local Stream = {}
Stream.__index = Stream

--- Of a handle whose output is streamed. `on_line` has functions for the lines: { stdout, stderr }.
function stream.new(handle, on_line)
  local self = setmetatable({ handle = handle }, Stream)
  for i = 1, 2 do self[i] = { text = "", partial = "", open = true, on_line = on_line[i] } end
  local loop = invocation.in_task()
  if loop and (on_line[1] or on_line[2]) then
    loop.attend(function()
      repeat self:collect() until self:ended() or not loop.await_news(handle:id())
      self:collect()
    end)
  end
  return self
end

--- Of a handle whose output is kept for its result: for find_line, which takes nothing away.
function stream.of_kept(handle)
  local self = setmetatable({ handle = handle, kept = true }, Stream)
  for i = 1, 2 do self[i] = { text = "", open = true, seen = 0 } end
  return self
end

function Stream:ended() return self.handle:ended() and not self[1].open and not self[2].open end

-- Calls the function with each whole line of a text; answers what is left of it.
local function each_line(self, one, text)
  local at = 1
  while one.on_line do
    local stop = text:find("\n", at, true)
    if not stop then return text:sub(at) end
    local line = text:sub(at, text:byte(stop - 1) == 13 and stop - 2 or stop - 1)
    at = stop + 1
    local good, problem = pcall(one.on_line, line)
    if not good then
      one.on_line = nil
      self.problem = self.problem or problem
    end
  end
  return ""
end
-- While the function waits, what comes meanwhile does not overtake.
local function deliver(self, one)
  if one.busy then return end
  one.busy = true
  repeat
    local text = one.partial
    one.partial = ""
    one.partial = each_line(self, one, text) .. one.partial
  until not one.partial:find("\n", 1, true)
  if not one.open and one.partial ~= "" and one.on_line then
    one.partial = each_line(self, one, one.partial .. "\n")
  end
  one.busy = false
end

--- Takes what has come, and calls the functions.
function Stream:collect()
  for i = 1, 2 do
    local one = self[i]
    if one.open then
      local text, open
      if self.kept then
        text, open = self.handle:kept(i, one.seen)
        one.seen = one.seen + #text
      else
        text, open = self.handle:take(i)
      end
      one.open = open
      one.text = #text > 0 and one.text .. text or one.text
      if #one.text > most_text then one.text = one.text:sub(-most_text) end
      if one.on_line then one.partial = one.partial .. text end
    end
    if one.on_line and one.partial ~= "" then deliver(self, one) end
  end
end
--- The error of a function of the recipe, once.
function Stream:check()
  local problem = self.problem
  self.problem = nil
  if problem ~= nil then error(problem, 0) end
end

--- Waits for news until the deadline; false after it.
function Stream:await(deadline)
  local loop = invocation.in_task()
  if loop then return loop.await_news(self.handle:id(), deadline) end
  return self.handle:await_news(deadline)
end

local function tail(text)
  if text == "" then return "it has printed nothing since" end
  local cut = #text > 600 and "…" .. text:sub(-600) or text
  return "since then it has printed:\n" .. cut:gsub("\r", ""):gsub("\n$", "")
end

--- Waits until look() answers something; an error with the code ETIMEDOUT at the deadline, EPIPE where no more output comes.
function Stream:search(look, within, what)
  local seconds = event.duration(within)
  local deadline = event.now() + seconds
  while true do
    self:collect()
    self:check()
    local found = { look() }
    if found[1] then return unpack(found) end
    if not self[1].open and not self[2].open then
      error(core.error(("%s: the container has closed its output"):format(what), tail(self[1].text .. self[2].text), "EPIPE"), 0)
    end
    if event.now() >= deadline or not self:await(deadline) then
      self:collect()
      found = { look() }
      if found[1] then return unpack(found) end
      error(core.error(("%s: not within %s"):format(what, tostring(within)), tail(self[1].text .. self[2].text), "ETIMEDOUT"), 0)
    end
  end
end

--- The next line of standard output, without its end; nil at the end of the output.
function Stream:read_line(within)
  local one = self[1]
  local line = self:search(function()
    local at = one.text:find("\n", 1, true)
    if at or not one.open then return { at and one.text:sub(1, at - 1) or one.text ~= "" and one.text or nil, at or #one.text } end
  end, within, "read_line")
  one.text = one.text:sub(line[2] + 1)
  return line[1] and (line[1]:gsub("\r$", "")) or nil
end

--- Waits for a text (or a Lua pattern) on standard output; what is up to its end is used up. Returns the pattern's captures,
--- or what was found.
function Stream:expect(text, options)
  local one = self[1]
  local last, captures
  self:search(function()
    local found = { one.text:find(text, 1, not options.pattern) }
    if not found[1] then return nil end
    last = found[2]
    captures = #found > 2 and { unpack(found, 3) } or { one.text:sub(found[1], found[2]) }
    return true
  end, options.within or 10, ("expect %q"):format(text))
  one.text = one.text:sub(last + 1)
  return unpack(captures)
end

--- The first whole line on either stream that has the text; nothing is used up.
function Stream:find_line(text, pattern)
  for i = 1, 2 do
    for line in self[i].text:gmatch("([^\n]*)\n") do
      if line:find(text, 1, not pattern) then return (line:gsub("\r$", "")) end
    end
  end
end

return stream
