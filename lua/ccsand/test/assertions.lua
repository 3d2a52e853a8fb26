-- t.equal and its kin: each raises a failure that shows both sides.
local difference = require "ccsand.test.difference"
local failure = require "ccsand.test.failure"

local assertions = {}
local show = difference.show

local function title(name, what, text) return name .. ": " .. (what ~= nil and tostring(what) .. ": " or "") .. text end
local function both(name, what, text, got, wanted)
  failure.raise(title(name, what, text), difference.of(got, wanted))
end
local function one(name, what, text, value)
  failure.raise(title(name, what, text), { "got     " .. show(value, 2000) })
end

-- ---- values

--- Both are the same: tables by what is in them.
function assertions.equal(got, wanted, what)
  if not difference.same(got, wanted) then both("equal", what, "differs", got, wanted) end
end
function assertions.not_equal(got, other, what)
  if difference.same(got, other) then one("not_equal", what, "is the same", got) end
end
--- Both are the very same value.
function assertions.same(got, wanted, what)
  if not rawequal(got, wanted) then
    both("same", what, difference.same(got, wanted) and "is equal, but another value" or "differs", got, wanted)
  end
end
--- Numbers that differ by `within` at most.
function assertions.near(got, wanted, within, what)
  if type(got) ~= "number" or not (math.abs(got - wanted) <= within) then both("near", what, "differs by more than " .. show(within), got, wanted) end
end
function assertions.is_true(value, what) if value ~= true then one("is_true", what, "is not true", value) end end
function assertions.is_false(value, what) if value ~= false then one("is_false", what, "is not false", value) end end
function assertions.is_nil(value, what) if value ~= nil then one("is_nil", what, "is not nil", value) end end
--- Neither nil nor false. Returns it.
function assertions.ok(value, what)
  if not value then one("ok", what, "is not so", value) end
  return value
end
function assertions.fail(message) failure.raise(tostring(message)) end

-- ---- texts

local function require_text(name, text, pattern)
  if type(pattern) ~= "string" then failure.raise(name .. ": takes a Lua pattern, got " .. type(pattern)) end
  return tostring(text)
end
local function text_and_pattern(name, what, how, text, pattern)
  local lines = { "pattern " .. show(pattern, 1000), "text    " .. show(text, 2000) }
  if text:find("\n", 1, true) then
    lines[2] = "text"
    for line in (text:gsub("\n$", "") .. "\n"):gmatch("(.-)\n") do
      if #lines > 40 then lines[#lines + 1] = "  …" break end
      lines[#lines + 1] = "  " .. (#line > 300 and line:sub(1, 300) .. " …" or line)
    end
  end
  failure.raise(title(name, what, how), lines)
end
--- The text has the Lua pattern. Returns its captures.
function assertions.match(text, pattern, what)
  local subject = require_text("match", text, pattern)
  local found = { subject:match(pattern) }
  if found[1] == nil then text_and_pattern("match", what, "does not match", subject, pattern) end
  return unpack(found)
end
function assertions.no_match(text, pattern, what)
  local subject = require_text("no_match", text, pattern)
  if subject:find(pattern) then text_and_pattern("no_match", what, "matches", subject, pattern) end
end
--- A text has this plain text; a list has this item.
function assertions.contains(whole, part, what)
  if type(whole) == "string" then
    if not whole:find(tostring(part), 1, true) then text_and_pattern("contains", what, "does not have it", whole, tostring(part)) end
    return
  end
  for _, item in pairs(type(whole) == "table" and whole or {}) do
    if difference.same(item, part) then return end
  end
  failure.raise(title("contains", what, "does not have it"), { "item    " .. show(part, 1000), "in      " .. show(whole, 2000) })
end

-- ---- errors

local function field_of(problem, key)
  if type(problem) ~= "table" then return nil end
  return problem[key]
end
--- f(...) raises: an error whose text has the Lua pattern, or whose fields are these. Returns the error.
function assertions.raises(f, wanted, ...)
  if type(f) ~= "function" then failure.raise("raises: takes a function, got " .. type(f)) end
  local good, problem = pcall(f, ...)
  if good then failure.raise("raises: did not raise an error", { "wanted  " .. show(wanted == nil and "any" or wanted) }) end
  if failure.is_fatal(problem) then error(problem, 0) end
  -- Not its hint, which may hold what a container printed.
  local said = type(problem) == "table" and type(problem.message) == "string" and problem.message or tostring(problem)
  if type(wanted) == "string" and not said:find(wanted) then text_and_pattern("raises", nil, "another error", said, wanted) end
  for key, value in pairs(type(wanted) == "table" and wanted or {}) do
    if not difference.same(field_of(problem, key), value) then
      local details = difference.of(field_of(problem, key), value)
      details[#details + 1] = "error   " .. show(tostring(problem), 1000)
      failure.raise("raises: another error: its '" .. tostring(key) .. "' differs", details)
    end
  end
  return problem
end

-- ---- containers' results

local function cut(text)
  text = text:match "^.*[^\n]" or "" -- not gsub("\n+$", ""), which begins again at each newline
  return #text > 2000 and "… " .. text:sub(-2000) or text
end
--- The lines that show how a container ended.
function assertions.result_lines(result)
  local head = ("status %s, %s"):format(tostring(result.status), tostring(result.reason))
  if result.signal then head = head .. " by " .. tostring(result.signal) end
  local lines = { ("container: %s, after %.3f s"):format(head, tonumber(result.wall) or 0) }
  for _, name in ipairs { "stdout", "stderr" } do
    local text = result[name]
    if type(text) == "string" and text ~= "" then
      lines[#lines + 1] = name .. ":" .. (result[name .. "_cut"] and " (cut at its limit)" or "")
      for line in (cut(text) .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = "  " .. line end
    end
  end
  return lines
end
--- A container ended so: each of these fields of its result; default { status = 0 }. Returns the result.
function assertions.ended(result, wanted, what)
  if type(result) ~= "table" or result.status == nil then one("ended", what, "is not the result of a container", result) end
  for key, value in pairs(wanted or { status = 0 }) do
    if not difference.same(result[key], value) then
      local details = difference.of(result[key], value)
      for _, line in ipairs(assertions.result_lines(result)) do details[#details + 1] = line end
      failure.raise(title("ended", what, "its '" .. tostring(key) .. "' differs"), details, result)
    end
  end
  return result
end

-- ---- in time

--- f() holds within a time: it neither raises nor answers false or nil. Waits between the tries. Returns what it answered.
function assertions.eventually(f, options)
  if type(f) ~= "function" then failure.raise("eventually: takes a function, got " .. type(f)) end
  local event, loop = require "ccsand.event", require "ccsand.loop"
  options = require("ccsand.invocation").checked(options, "eventually", "within", "every", "what")
  local within, every = options.within or "5s", event.duration(options.every or "10ms")
  local deadline = event.now() + event.duration(within)
  while true do
    local found = { pcall(f) }
    if found[1] and found[2] then return unpack(found, 2, table.maxn(found)) end
    if not found[1] and failure.is_fatal(found[2]) then error(found[2], 0) end
    local left = deadline - event.now()
    if left <= 0 then
      local last = found[1] and { "it answered " .. show(found[2]) } or { "last: " .. tostring(found[2]) }
      for _, line in ipairs(not found[1] and failure.is(found[2]) and found[2].details or {}) do last[#last + 1] = line end
      failure.raise(title("eventually", options.what, "did not hold within " .. tostring(within)), last)
    end
    loop.sleep(math.min(every, left))
  end
end

return assertions
