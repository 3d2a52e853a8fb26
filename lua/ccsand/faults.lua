-- System calls that fail where a test says so: by the filter where always, else counted by
-- ccsand. Nothing is decided for security here, and nothing of a policy is taken away: what it
-- denies stays denied, and its own handlers decide what does not fail.
local bit = require "bit"
local core = require "ccsand.core"
local actions = require "ccsand.seccomp.actions"

local faults = {}

local function fail(message, hint) error(core.error("container.faults" .. message, hint)) end
local examples = 'write "EIO", "EIO on 3rd", "EIO first 2", "ENOSPC after 10", "EAGAIN every 5th", "EINTR 10%" or a function'

-- xorshift: the same seed, the same run.
local function generator(seed)
  local state = bit.tobit(seed * 2654435761 % 4294967296)
  if state == 0 then state = 1 end
  return function()
    state = bit.bxor(state, bit.lshift(state, 13))
    state = bit.bxor(state, bit.rshift(state, 17))
    state = bit.bxor(state, bit.lshift(state, 5))
    return state % 4294967296 / 4294967296
  end
end

-- By the word behind the errno: whether call number n fails.
local rules = {
  on = function(number) return function(n) return n == number end end,
  first = function(number) return function(n) return n <= number end end,
  after = function(number) return function(n) return n > number end end,
  every = function(number) return function(n) return n % number == 0 end end,
}

-- "EIO on 3rd": the errno, and what makes a function of the call's number; none where it always fails.
local function parse(name, text)
  local errno, rest = text:match "^%s*(E%w+)%s*(.-)%s*$"
  if not errno or not pcall(actions.number, "errno " .. errno) then fail((".%s: '%s' names no errno"):format(name, text), examples) end
  if rest == "" then return errno end
  local percent = tonumber(rest:match "^([%d.]+)%%$")
  if percent and percent >= 0 and percent <= 100 then
    return errno, function(random) return function() return random() * 100 < percent end end
  end
  local word, digits = rest:match "^(%a+)%s+(%d+)%a*$"
  local number = tonumber(digits)
  if not rules[word] or number == 0 and word ~= "after" then fail((".%s: '%s' is not understood"):format(name, text), examples) end
  return errno, function() return rules[word](number) end
end

-- One entry: { calls, when, path, errno, make } or { ..., decide = function }.
local function entry_of(key, value)
  local entry = { calls = { key } }
  if type(value) == "table" then
    for name in pairs(value) do
      if name ~= 1 and name ~= "when" and name ~= "path" and name ~= "calls" then
        fail((".%s: '%s' is not a key: it takes a fault, when, path, calls"):format(tostring(key), tostring(name)))
      end
    end
    if value.calls ~= nil and type(value.calls) ~= "table" then fail((".%s.calls: must be a list of system calls"):format(tostring(key))) end
    for _, name in ipairs { "when", "path" } do
      if value[name] ~= nil and type(value[name]) ~= "string" then fail((".%s.%s: must be text, got %s"):format(tostring(key), name, type(value[name]))) end
    end
    entry.calls, entry.when, entry.path, value = value.calls or entry.calls, value.when, value.path, value[1]
  end
  for _, call in ipairs(entry.calls) do
    if type(call) ~= "string" then fail ": names system calls: { write = \"ENOSPC after 10\" }, or { { \"EIO\", calls = { \"open\", \"openat\" } } }" end
  end
  entry.name = table.concat(entry.calls, ", ")
  if type(value) == "function" then entry.decide = value
  elseif type(value) == "string" then entry.errno, entry.make = parse(entry.name, value)
  else fail((".%s: must be text or a function, got %s"):format(entry.name, type(value)), examples) end
  return entry
end

local function read(given)
  if type(given) ~= "table" then fail(": must be a table of faults by system call, got " .. type(given)) end
  local list, seed = {}, 1
  for key, value in pairs(given) do
    if key == "seed" then
      if type(value) ~= "number" then fail(".seed: must be a number, got " .. type(value)) end
      seed = value
    else
      list[#list + 1] = entry_of(key, value)
    end
  end
  table.sort(list, function(a, b) return a.name .. tostring(a.errno) < b.name .. tostring(b.errno) end)
  return list, seed
end

local path_names = { "pathname", "filename", "path", "oldpath" }
local function on_path(call, wanted)
  for _, name in ipairs(path_names) do
    local path = call.args[name]
    if path then return path == wanted or (wanted:sub(-1) == "/" and path:sub(1, #wanted) == wanted) end
  end
  return false
end

local function simulate(call, program) return require("ccsand.notify").simulate(call, program) end

-- Which errno this call fails with, if any.
local function decided(states, call)
  for _, state in ipairs(states) do
    local program = state.programs and state.programs[call.name]
    local meant = not program or actions.denies(simulate(call, program))
    if meant and (not state.path or on_path(call, state.path)) then
      state.count = state.count + 1
      local errno
      if state.decide then errno = state.decide(call, state.count)
      elseif not state.fails or state.fails(state.count) then errno = state.errno end
      if errno then return errno end
    end
  end
end

--- Adds faults to a policy. `handlers` and `otherwise` are those of notify.dispatcher. Answers the policy, and a function that makes
--- a dispatcher for one run, where counts begin anew; none where the filter alone does it.
function faults.apply(policy, handlers, otherwise, given)
  local list, seed = read(given)
  local counted, before = {}, policy
  for _, entry in ipairs(list) do
    if entry.make or entry.decide or entry.path or entry.when then
      for _, name in ipairs(entry.calls) do
        counted[name] = counted[name] or {}
        table.insert(counted[name], entry)
      end
    end
  end
  for _, entry in ipairs(list) do
    for _, name in ipairs(entry.calls) do
      -- Where calls are counted besides, those who count decide it all.
      if not counted[name] then policy = policy:errno(entry.errno, name)
      elseif not (entry.make or entry.decide or entry.path or entry.when) then table.insert(counted[name], entry) end
    end
  end
  if next(counted) == nil then return policy end
  for name, entries in pairs(counted) do
    local all_when = {}
    for _, entry in ipairs(entries) do
      if entry.when then
        all_when[#all_when + 1] = entry.when
        entry.programs = entry.programs or {}
        entry.programs[name] = require("ccsand.seccomp").policy({ name = "when", default = "allow" }):deny({ [name] = entry.when }):bpf()
      end
    end
    if #all_when == #entries then policy = policy:notify { [name] = all_when } else policy = policy:notify(name) end
  end
  return policy, function() return faults.dispatcher(counted, before, handlers, otherwise, seed) end
end

--- A function for core.start that counts for one run.
function faults.dispatcher(counted, policy, handlers, otherwise, seed)
  local random = generator(seed)
  local states, by_entry, all = {}, {}, {}
  for name, handler in pairs(handlers) do all[name] = handler end
  for name, entries in pairs(counted) do
    states[name] = {}
    for i, entry in ipairs(entries) do
      by_entry[entry] = by_entry[entry]
        or { count = 0, errno = entry.errno, decide = entry.decide, path = entry.path, programs = entry.programs, fails = entry.make and entry.make(random) }
      states[name][i] = by_entry[entry]
    end
  end
  local program = policy:bpf()
  for name, list in pairs(states) do
    all[name] = function(call)
      local number = simulate(call, program)
      local word = actions.word(number)
      if actions.denies(number) then -- as it would be without faults
        if word:find "^errno" then return call:deny(word:match "^errno (%S+)") end
        return call:kill()
      end
      local own = handlers[name]
      if word == "notify" and not own then return otherwise and otherwise(call) end -- denied, and told
      local errno = decided(list, call)
      if errno then return errno end
      if own then return own(call) end
      return call:continue { racy = true }
    end
  end
  return require("ccsand.notify").dispatcher(all, otherwise)
end

return faults
