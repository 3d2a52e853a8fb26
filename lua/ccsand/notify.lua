-- Calls that Lua functions decide while the container runs: what they see and what they
-- may answer. The calls wait in the kernel meanwhile. seccomp_unotify(2)
local bit = require "bit"
local ffi = require "ffi"
local core = require "ccsand.core"
local filter = require "ccsand.filter"
local signatures = require "ccsand.seccomp.signatures"
local address = require "ccsand.address"
local deeds = require "ccsand.notify.deeds"
local numbers = require "ccsand.notify.number"
local low, signed, number_at = numbers.low, numbers.signed, numbers.at

local notify = {}
local longest_path, longest_word, most_words = 4096, 65535, 512
local longest_words = 262144 -- of all words of an argv together

-- ---- signatures

local parsed = {}
--- The parameters of a call: { { type =, name =, constants = }, ... }.
function notify.parameters(name)
  if parsed[name] then return parsed[name] end
  local list = {}
  for part in (signatures[name] or ""):gmatch "[^,]+" do
    local kind, word = part:match "^%s*(%S+)%s+(%S+)"
    if kind then list[#list + 1] = { type = kind, name = word:match "^[^:]+", constants = word:match ":(.*)" } end
  end
  parsed[name] = list
  return list
end

-- ---- arguments

-- A call is a table of what the kernel told: its arguments as numbers (1 to 6), and then these. One table without
-- a hash, and what is found out later in another: there may be a hundred thousand calls a second.
local HANDLE, TOKEN, NAME, PID, ARCHITECTURE, EXACT, DONE, LOOKED, KNOWN = 7, 8, 9, 10, 11, 12, 13, 14, 15

-- The halves of an argument. EXACT has those of all arguments (1 to 6 low, 7 to 12 high) where one is too large for a number.
local function low_word(call, i) return call[EXACT] and call[EXACT][i] or low(call[i]) end
local function high_word(call, i) return call[EXACT] and call[EXACT][6 + i] or low(math.floor(call[i] / 4294967296)) end

local function known_of(call)
  local known = call[KNOWN]
  if not known then
    known = { values = {}, problems = {} }
    call[KNOWN] = known
  end
  return known
end

local function words_at(call, pointer)
  local list, left = {}, longest_words
  if pointer == 0 then return list end
  for i = 0, most_words - 1 do
    local bytes, problem = call[HANDLE]:bytes(call[TOKEN], pointer + 8 * i, 8)
    if not bytes then return nil, problem end
    local at = number_at(bytes, 1, 8)
    if at == 0 then return list end
    local word, why = call[HANDLE]:string(call[TOKEN], at, longest_word)
    if not word then return nil, why end
    left = left - #word
    if left < 0 then return nil, "E2BIG" end
    list[#list + 1] = word
  end
  return nil, "E2BIG"
end

local readers = {
  path = function(call, value) return call[HANDLE]:string(call[TOKEN], value, longest_path) end,
  string = function(call, value) return call[HANDLE]:string(call[TOKEN], value, longest_path) end,
  argv = words_at,
  sockaddr = function(call, value, index)
    local size = signed(low_word(call, index + 1))
    if size < 0 or size > 128 then return nil, "EINVAL" end
    local bytes, problem = call[HANDLE]:bytes(call[TOKEN], value, size)
    if not bytes then return nil, problem end
    return address.decode(bytes)
  end,
}
local plain = {
  int = signed, fd = signed, uint = low, mode = low,
}
-- What the kernel looks at, exactly: of 32 bits the low word; of 64 a number where a number can hold it, else cdata.
local function value_of(call, parameter, i)
  local narrow = plain[parameter.type]
  if narrow then return narrow(low_word(call, i)) end
  local value = call[i]
  if value > -2 ^ 53 and value < 2 ^ 53 then return value end
  local exact = ffi.cast("uint64_t", high_word(call, i)) * 4294967296 + low_word(call, i)
  return parameter.type == "long" and ffi.cast("int64_t", exact) or exact
end

-- ---- the call, as handlers see it

local Call = {}

-- An argument by name. What lies in the container's memory is copied once: what was
-- checked is what is performed.
local function argument(call, name)
  local known = known_of(call)
  if known.problems[name] ~= nil then return known.values[name], known.problems[name] or nil end
  for i, parameter in ipairs(notify.parameters(call[NAME])) do
    if parameter.name == name then
      local raw = call[i]
      local read = readers[parameter.type]
      local value, problem
      if read and raw == 0 then value, problem = nil, "EFAULT"
      elseif read then
        call[LOOKED] = true
        value, problem = read(call, raw, i)
      else
        value = value_of(call, parameter, i)
      end
      known.values[name], known.problems[name] = value, problem or false
      return value, problem
    end
  end
end

Call.__metatable = "a call"
Call.__tostring = function(self) return self:text() end
local Args = {
  __index = function(self, key) return (argument(rawget(self, 1), key)) end,
  __newindex = function() error(core.error "arguments cannot be changed") end,
}
local fields = { name = NAME, pid = PID, architecture = ARCHITECTURE }
Call.__index = function(self, key)
  local method = Call[key]
  if method then return method end
  if fields[key] then return rawget(self, fields[key]) end
  if key == "args" then
    local known = known_of(self)
    known.args = known.args or setmetatable({ self }, Args)
    return known.args
  end
end
Call.__newindex = function() error(core.error "a call cannot be changed; call:perform { path = ... } performs another") end

local function flags_text(value, prefixes)
  if value == 0 and prefixes:find "IPPROTO_" then return "0" end -- whatever the family's own is
  local words, rest, zero = {}, value, nil
  for prefix in prefixes:gmatch "[^|]+" do
    local constants, names = filter.constants(prefix), {}
    for name, number in pairs(constants) do
      if number == value then
        if not zero or name < zero then zero = name end
      end
      if number > 0 and number <= 0xffffffff then names[#names + 1] = name end
    end
    if zero then return zero end
    table.sort(names, function(a, b)
      if constants[a] ~= constants[b] then return constants[a] > constants[b] end
      return a < b
    end)
    for _, name in ipairs(names) do
      local number = constants[name]
      if rest > 0 and rest <= 0xffffffff and bit.tobit(bit.band(rest, number)) == bit.tobit(number) then
        words[#words + 1] = name
        rest = rest - number
      end
    end
  end
  if #words == 0 then return tostring(value) end
  if rest ~= 0 then words[#words + 1] = ("0x%x"):format(rest) end
  return table.concat(words, "|")
end
notify.flags_text = flags_text

--- An argument as the kernel has it: "0x1f".
function notify.hexadecimal(call, index)
  local high = high_word(call, index)
  return high == 0 and ("0x%x"):format(low_word(call, index)) or ("0x%x%08x"):format(high, low_word(call, index))
end
--- The action, as a number, that a compiled filter has for this very call.
function notify.simulate(call, program) return call[HANDLE]:simulate(call[TOKEN], program) end

local function shown(call, parameter, index)
  if readers[parameter.type] then
    local value = argument(call, parameter.name)
    if value == nil then return "?" end
    if parameter.type == "sockaddr" then return address.text(value) end
    if type(value) == "table" then
      local words = {}
      for i, word in ipairs(value) do words[i] = address.quoted(word) end
      return "{" .. table.concat(words, ", ") .. "}"
    end
    return address.quoted(value)
  end
  if parameter.type == "pointer" then return notify.hexadecimal(call, index) end
  local value = argument(call, parameter.name)
  if parameter.type == "fd" and value == -100 then return "AT_FDCWD" end
  if parameter.type == "mode" then return ("0%o"):format(value) end
  if parameter.constants then return flags_text(value < 0 and value or low(value), parameter.constants) end
  return tostring(value)
end

--- "openat(dirfd=AT_FDCWD, pathname="/etc/passwd", flags=O_RDONLY, mode=0)"
function Call:text()
  local words = {}
  for i, parameter in ipairs(notify.parameters(self[NAME])) do
    words[i] = parameter.name .. "=" .. shown(self, parameter, i)
  end
  return self[NAME] .. "(" .. table.concat(words, ", ") .. ")"
end
--- Who asks: { uid, gid, pid, host_pid }, ids of the host and its pid in the container; nil if it has gone.
function Call:who() return self[HANDLE]:who(self[TOKEN]) end
--- Some of its memory; nil and the errno's name where there is none.
function Call:read(pointer, size)
  self[LOOKED] = true
  return self[HANDLE]:bytes(self[TOKEN], pointer, size)
end
-- openat2's struct open_how, copied once as all else: flags, mode, resolve. Or nil and the errno's name.
local function open_how(call)
  local known = known_of(call)
  if not known.how then
    for i, parameter in ipairs(notify.parameters "openat2") do
      if parameter.name == "how" then known.how, known.how_problem = call:read(call[i], 24) end
    end
  end
  return known.how, known.how_problem
end
--- The flags of an openat2(2); nil where they cannot be read.
function Call:open_flags()
  local how = open_how(self)
  return how and number_at(how, 1, 4)
end

-- ---- answers

--- The call fails: "EACCES", default EPERM.
function Call:deny(errno)
  self[HANDLE]:errno(self[TOKEN], errno or "EPERM")
  self[DONE] = true
end
--- The call returns this number, and nothing is done.
function Call:answer(value)
  self[HANDLE]:value(self[TOKEN], value or 0)
  self[DONE] = true
end
--- The call returns a descriptor: a copy of this one.
function Call:inject(descriptor, close_on_exec)
  self[HANDLE]:inject(self[TOKEN], descriptor, close_on_exec)
  self[DONE] = true
end
--- The process ends before the call is made.
function Call:kill()
  self[HANDLE]:kill(self[TOKEN])
  self[DONE] = true
end
--- The kernel goes on with the call. An error where something in the container's memory was
--- looked at: another of its threads could put something else there before the kernel reads it.
function Call:continue(options)
  if self[LOOKED] and not (options and options.racy) then
    error(core.error(self[NAME] .. ": what was checked lies in the container's memory, which can change before the kernel reads it",
      "use call:perform(), which does what was checked; or call:continue { racy = true } where the check protects nothing"))
  end
  self[HANDLE]["continue"](self[HANDLE], self[TOKEN])
  self[DONE] = true
end
--- Waits this long, in seconds up to a day; meanwhile everything else goes on.
function Call:sleep(seconds) -- luacheck: ignore self
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 86400) then
    error(core.error("sleep: takes seconds, 0 to 86400"))
  end
  coroutine.yield(seconds)
end

-- ---- performing

--- Whether ccsand can perform this call itself.
function notify.can_perform(name) return deeds[name] ~= nil end

--- ccsand makes the call, on its copy of what was checked, in the container's root and with the caller's
--- rights; mknod and mount with ccsand's own. `changes` replace arguments: { pathname = "/other" }.
function Call:perform(changes)
  local make = deeds[self[NAME]]
  if not make then
    error(core.error(self[NAME] .. ": ccsand cannot perform this call", "it performs open, openat, openat2, creat, connect, bind, mknod, mknodat, mount"))
  end
  local arguments = setmetatable({}, { __index = function(_, key)
    if changes and changes[key] ~= nil then return changes[key] end
    local value, problem = argument(self, key)
    if problem then error({ errno = problem }, 0) end
    return value
  end })
  local good, deed = pcall(make, self, arguments, open_how)
  if good then self[HANDLE]:perform(self[TOKEN], deed)
  elseif type(deed) == "table" and deed.errno and not deed.operation then self[HANDLE]:errno(self[TOKEN], deed.errno)
  else error(deed, 0) end
  self[DONE] = true
end

-- ---- dispatching

-- What a handler returned, where it has not answered itself. A number is left to whoever called the
-- dispatcher: the answer that is given most often, and the cheapest.
local function settle(call, value)
  if call[DONE] then return nil end
  local kind = type(value)
  if kind == "number" then
    call[DONE] = true
    return value
  end
  if value == true then
    if deeds[call[NAME]] then call:perform() else call:continue() end
  elseif kind == "string" then call:deny(value)
  elseif kind == "userdata" then call:inject(value)
  elseif value == nil or value == false then call:deny()
  else error(core.error(call[NAME] .. ": a handler answers true, false, an errno's name, a number or a descriptor, not a " .. kind)) end
end

--- A function for core.start: handlers by the call's name; `otherwise` gets the rest. They get the call, and a table that
--- has its arguments as the kernel has them, 1 to 6. It runs in coroutines, so that handlers can wait, each of which
--- takes one call after the other: it yields the number that a call is to return, or nothing where the call has its answer.
function notify.dispatcher(handlers, otherwise)
  return function(handle, token, name, architecture, pid, a, b, c, d, e, f, exact)
    while true do
      local call = setmetatable({ a, b, c, d, e, f, handle, token, name, pid, architecture, exact or false, false, false, false }, Call)
      local handler = handlers[name] or otherwise
      local value = handler and settle(call, handler(call, call)) or nil
      handle, token, name, architecture, pid, a, b, c, d, e, f, exact = coroutine.yield(handle, value)
    end
  end
end

return notify
