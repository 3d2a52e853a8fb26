-- What a running container prints, as it comes: lines for functions of the recipe, and a
-- text that dialogues search.
local core = require "ccsand.core"
local event = require "ccsand.event"
local invocation = require "ccsand.invocation"
local line_feed = require "ccsand.line_feed"
local recent_text = require "ccsand.recent_text"

local stream = {}
-- Bytes in which a pattern is looked for at once: many take time that grows with the square of the text, which the
-- container chooses, and nothing interrupts them.
local pattern_window = 4096
local Stream = {}
Stream.__index = Stream

--- Of a handle whose output is streamed. `on_line` has functions for the lines: { stdout, stderr }.
function stream.new(handle, on_line)
  local self = setmetatable({ handle = handle }, Stream)
  for i = 1, 2 do self[i] = { recent = recent_text.new(), open = true, feed = on_line[i] and line_feed.new(on_line[i]) } end
  local loop = invocation.in_task()
  if loop and (on_line[1] or on_line[2]) then
    loop.attend(function()
      repeat self:collect() until self:ended() or not loop.await_news(handle:id())
      self:collect()
    end)
  end
  return self
end

--- Of a handle whose output is kept for its result: for line_finder, which takes nothing away.
function stream.of_kept(handle)
  local self = setmetatable({ handle = handle, kept = true }, Stream)
  for i = 1, 2 do self[i] = { recent = recent_text.new(), open = true, seen = 0 } end
  return self
end

function Stream:ended() return self.handle:ended() and not self[1].open and not self[2].open end

-- Takes what has come on one of the two, or leaves it while the function of its lines has enough.
local function take(self, i)
  local one = self[i]
  one.left = one.open and one.feed ~= nil and one.feed:full()
  if one.left or not one.open then return end
  local text
  if self.kept then
    text, one.open = self.handle:kept(i, one.seen)
    one.seen = one.seen + #text
  else
    text, one.open = self.handle:take(i)
  end
  one.recent:add(text)
  if one.feed then
    one.feed:add(text)
    if not one.open then one.feed:finish() end
  end
end

--- Takes what has come, and calls the functions.
function Stream:collect()
  for i = 1, 2 do
    local one = self[i]
    take(self, i)
    if one.feed then one.feed:deliver() end
    while one.left and not one.feed:full() do -- of what was left comes no further news
      take(self, i)
      one.feed:deliver()
    end
  end
end

--- The error of a function of the recipe, once.
function Stream:check()
  for i = 1, 2 do
    local feed = self[i].feed
    local problem = feed and feed.problem
    if problem ~= nil then
      feed.problem = nil
      error(problem, 0)
    end
  end
end

--- Waits for news until the deadline; false after it.
function Stream:await(deadline)
  for i = 1, 2 do
    local feed = self[i].feed
    if feed and feed:full() and feed:calls_us() then
      error(core.error("the function of its lines waits for a container's output, of which a mebibyte waits for that function", "wait for it elsewhere, in a task of its own", "EDEADLK"), 0)
    end
  end
  local loop = invocation.in_task()
  if loop then return loop.await_news(self.handle:id(), deadline) end
  return self.handle:await_news(deadline)
end

local function tail(self)
  local text = self[1].recent:rest() .. self[2].recent:rest()
  if text == "" then return "it has printed nothing since" end
  local cut = #text > 600 and "…" .. text:sub(-600) or text
  return "since then it has printed:\n" .. cut:gsub("\r", ""):gsub("\n$", "")
end

-- Functions that look for something in what was printed, and go on where they left off: (printed, at, forgotten) as of
-- ccsand.recent_text -> { first, last, captures }, or nothing, and then true where they have not looked at all of it yet.
local function plain_finder(text)
  local seen = 0 -- bytes of all that has been printed in which it does not begin
  return function(printed, at, forgotten)
    at = math.max(at, seen - forgotten + 1)
    local first, last = printed:find(text, at, true)
    if first then return { first, last } end
    seen = forgotten + math.max(at - 1, #printed - #text + 1)
  end
end
local function pattern_finder(pattern)
  local from_start = pattern:sub(1, 1) == "^"
  local marks = pattern:match "(%%*)%$$"
  local to_end = marks ~= nil and #marks % 2 == 0
  local seen = 0
  return function(printed, at, forgotten)
    if to_end and from_start and #printed - at >= pattern_window then return nil end
    if to_end and not from_start then at = math.max(at, #printed - pattern_window + 1) end
    at = math.max(at, seen - forgotten + 1)
    local found = { printed:sub(at, at + pattern_window - 1):find(pattern) }
    if found[1] then
      found[1], found[2] = found[1] + at - 1, found[2] + at - 1
      return found
    end
    if from_start or #printed - at < pattern_window then return nil end
    seen = forgotten + at - 1 + pattern_window / 2 -- what begins in one half may end in the next
    return nil, true
  end
end

--- Waits until look() answers something; an error with the code ETIMEDOUT at the deadline, EPIPE where no more output comes.
--- Where it answers nil, true it is called again when the others have had their turn.
function Stream:search(look, within, what)
  local seconds = event.duration(within)
  local deadline = event.now() + seconds
  local over = false
  while true do
    self:collect()
    self:check()
    local found = { look() }
    if found[1] then return unpack(found) end
    over = over or event.now() >= deadline
    if found[2] and not over then
      local loop = invocation.in_task()
      if loop then loop.sleep(0) end
    elseif not self[1].open and not self[2].open then
      error(core.error(("%s: the container has closed its output"):format(what), tail(self), "EPIPE"), 0)
    elseif over then
      error(core.error(("%s: not within %s"):format(what, tostring(within)), tail(self), "ETIMEDOUT"), 0)
    else
      over = not self:await(deadline) -- then it is looked at once more
    end
  end
end

--- The next line of standard output, without its end; nil at the end of the output.
function Stream:read_line(within)
  local one = self[1]
  local line = self:search(function()
    local text, at = one.recent:look()
    local stop = text:find("\n", at, true)
    if not stop and one.open then return nil end
    one.recent:use(stop or #text)
    return { stop and text:sub(at, stop - 1) or at <= #text and text:sub(at) or nil }
  end, within, "read_line")
  return line[1] and (line[1]:gsub("\r$", "")) or nil
end

--- Waits for a text (or a Lua pattern) on standard output; what is up to its end is used up. Returns the pattern's captures,
--- or what was found.
function Stream:expect(text, options)
  local one = self[1]
  local find = options.pattern and pattern_finder(text) or plain_finder(text)
  local captures
  self:search(function()
    local found, more = find(one.recent:look())
    if not found then return nil, more end
    captures = #found > 2 and { unpack(found, 3) } or { (one.recent:look()):sub(found[1], found[2]) }
    one.recent:use(found[2])
    return true
  end, options.within or 10, ("expect %q"):format(text))
  return unpack(captures)
end

--- Of the first whole line on either stream that has the text: a function that answers it once it is there. It looks at
--- each line once, and uses up nothing.
function Stream:line_finder(text, pattern)
  local seen = { 0, 0 } -- bytes of all that has been printed
  return function()
    for i = 1, 2 do
      local printed, at, forgotten = self[i].recent:look()
      at = math.max(at, seen[i] - forgotten + 1)
      local stop = printed:find("\n", at, true)
      while stop do
        local line = printed:sub(at, stop - 1)
        if (pattern and line:sub(1, pattern_window) or line):find(text, 1, not pattern) then return (line:gsub("\r$", "")) end
        at = stop + 1
        stop = printed:find("\n", at, true)
      end
      seen[i] = forgotten + at - 1
    end
  end
end

return stream
