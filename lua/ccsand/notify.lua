-- Calls that Lua functions decide while the container runs: what they see and what they
-- may answer. The calls wait in the kernel meanwhile. seccomp_unotify(2)
local bit = require "bit"
local core = require "ccsand.core"
local filter = require "ccsand.filter"
local signatures = require "ccsand.seccomp.signatures"
local address = require "ccsand.address"

local notify = {}
local longest_path, longest_word, most_words = 4096, 131072 / 2 - 1, 512

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

local function low(value) return value % 4294967296 end
local function signed(value)
  value = low(value)
  return value >= 2147483648 and value - 4294967296 or value
end

-- Little-endian numbers of bytes.
local function number_at(bytes, at, size)
  local value = 0
  for i = at + size - 1, at, -1 do value = value * 256 + bytes:byte(i) end
  return value
end

local function words_at(handle, pointer)
  local list = {}
  if pointer == 0 then return list end
  for i = 0, most_words - 1 do
    local bytes, problem = handle:bytes(pointer + 8 * i, 8)
    if not bytes then return nil, problem end
    local at = number_at(bytes, 1, 8)
    if at == 0 then return list end
    local word, why = handle:string(at, longest_word)
    if not word then return nil, why end
    list[#list + 1] = word
  end
  return nil, "E2BIG"
end

local readers = {
  path = function(handle, value) return handle:string(value, longest_path) end,
  string = function(handle, value) return handle:string(value, longest_path) end,
  argv = words_at,
  sockaddr = function(handle, value, raw, index)
    local size = signed(raw[index + 1])
    if size < 0 or size > 128 then return nil, "EINVAL" end
    local bytes, problem = handle:bytes(value, size)
    if not bytes then return nil, problem end
    return address.decode(bytes)
  end,
}
local plain = {
  int = signed, fd = signed, uint = low, mode = low,
}

-- ---- the call, as handlers see it

local Call = {}
local inner = setmetatable({}, { __mode = "k" }) -- call -> { handle, raw, cache, name, ... }

-- An argument by name. What lies in the container's memory is copied once: what was
-- checked is what is performed.
local function argument(state, name)
  local known = state.cache[name]
  if known ~= nil then return known.value, known.problem end
  for i, parameter in ipairs(notify.parameters(state.name)) do
    if parameter.name == name then
      local raw = state.raw[i]
      local read = readers[parameter.type]
      local value, problem
      if read and raw == 0 then value, problem = nil, "EFAULT"
      elseif read then
        state.looked = true
        value, problem = read(state.handle, raw, state.raw, i)
      else
        value = (plain[parameter.type] or tonumber)(raw)
      end
      state.cache[name] = { value = value, problem = problem }
      return value, problem
    end
  end
end

Call.__metatable = "a call"
Call.__tostring = function(self) return self:text() end
Call.__index = function(self, key)
  if Call[key] then return Call[key] end
  local state = inner[self]
  if key == "name" or key == "pid" or key == "architecture" then return state[key] end
  if key == "args" then return state.args end
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

local function shown(state, parameter, index)
  if readers[parameter.type] then
    local value = argument(state, parameter.name)
    if value == nil then return "?" end
    if parameter.type == "sockaddr" then return address.text(value) end
    if type(value) == "table" then
      local words = {}
      for i, word in ipairs(value) do words[i] = ("%q"):format(word) end
      return "{" .. table.concat(words, ", ") .. "}"
    end
    return ("%q"):format(value)
  end
  if parameter.type == "pointer" then return ("0x%x"):format(state.raw[index] % 2 ^ 53) end
  local value = argument(state, parameter.name)
  if parameter.type == "fd" and value == -100 then return "AT_FDCWD" end
  if parameter.type == "mode" then return ("0%o"):format(value) end
  if parameter.constants then return flags_text(value < 0 and value or low(value), parameter.constants) end
  return tostring(value)
end

--- "openat(dirfd=AT_FDCWD, pathname="/etc/passwd", flags=O_RDONLY, mode=0)"
function Call:text()
  local state, words = inner[self], {}
  for i, parameter in ipairs(notify.parameters(state.name)) do
    words[i] = parameter.name .. "=" .. shown(state, parameter, i)
  end
  return state.name .. "(" .. table.concat(words, ", ") .. ")"
end
--- Who asks: { uid, gid, pid, host_pid }, ids of the host and its pid in the container; nil if it has gone.
function Call:who() return inner[self].handle:who() end
--- Some of its memory; nil and the errno's name where there is none.
function Call:read(pointer, size)
  inner[self].looked = true
  return inner[self].handle:bytes(pointer, size)
end

-- ---- answers

local function answered(state) state.done = true end

--- The call fails: "EACCES", default EPERM.
function Call:deny(errno)
  local state = inner[self]
  state.handle:errno(errno or "EPERM")
  answered(state)
end
--- The call returns this number, and nothing is done.
function Call:answer(value)
  local state = inner[self]
  state.handle:value(value or 0)
  answered(state)
end
--- The call returns a descriptor: a copy of this one.
function Call:inject(descriptor, close_on_exec)
  local state = inner[self]
  state.handle:inject(descriptor, close_on_exec)
  answered(state)
end
--- The process ends before the call is made.
function Call:kill()
  local state = inner[self]
  state.handle:kill()
  answered(state)
end
--- The kernel goes on with the call. An error where something in the container's memory was
--- looked at: another of its threads could put something else there before the kernel reads it.
function Call:continue(options)
  local state = inner[self]
  if state.looked and not (options and options.racy) then
    error(core.error(state.name .. ": what was checked lies in the container's memory, which can change before the kernel reads it",
      "use call:perform(), which does what was checked; or call:continue { racy = true } where the check protects nothing"))
  end
  state.handle["continue"](state.handle)
  answered(state)
end
--- Waits this long, in seconds; meanwhile everything else goes on.
function Call:sleep(seconds) -- luacheck: ignore self
  coroutine.yield(seconds)
end

-- ---- performing

local at_cwd = -100
local function need(value, problem)
  if value == nil then error({ errno = problem or "EFAULT" }, 0) end
  return value
end
-- /proc/self is another process's for whoever performs.
local function own_proc(self, path)
  if not path:find "^/+proc/+self" and not path:find "^/+proc/+thread%-self" then return path end
  local who = self:who()
  if not who then return path end
  return (path:gsub("^/+proc/+self", "/proc/" .. who.pid):gsub("^/+proc/+thread%-self", "/proc/" .. who.pid))
end

local open_flags
local function known_flags(flags)
  if not open_flags then
    open_flags = 0
    for name, value in pairs(filter.constants "O_") do
      if value <= 0xffffffff and name ~= "O_ACCMODE" then open_flags = bit.bor(open_flags, value) end
    end
  end
  return low(bit.band(flags, open_flags))
end
local function has(flags, name) return bit.band(flags, filter.constant(name)) == bit.tobit(filter.constant(name)) end

local function opening(self, directory, path, flags, mode, resolve)
  flags = known_flags(flags)
  local makes = has(flags, "O_CREAT") or has(flags, "O_TMPFILE")
  return { kind = "open", directory = directory, path = own_proc(self, need(path)), flags = flags,
           mode = makes and bit.band(mode or 0, 4095) or 0, resolve = resolve or 0, close_on_exec = has(flags, "O_CLOEXEC") }
end

local deeds = {}
function deeds.openat(self, a) return opening(self, a.dirfd, a.pathname, a.flags, a.mode) end
function deeds.open(self, a) return opening(self, at_cwd, a.pathname, a.flags, a.mode) end
function deeds.creat(self, a)
  return opening(self, at_cwd, a.pathname, filter.constant "O_CREAT" + filter.constant "O_WRONLY" + filter.constant "O_TRUNC", a.mode)
end
function deeds.openat2(self, a)
  local state = inner[self]
  local index
  for i, parameter in ipairs(notify.parameters "openat2") do if parameter.name == "how" then index = i end end
  local how = need(self:read(state.raw[index], 24))
  return opening(self, a.dirfd, a.pathname, number_at(how, 1, 4), number_at(how, 9, 4), number_at(how, 17, 4))
end
local function on_socket(kind)
  return function(_, a)
    local target = need(a.addr)
    return { kind = kind, object = a.sockfd, address = target.bytes }
  end
end
deeds.connect, deeds.bind = on_socket "connect", on_socket "bind"
function deeds.mknodat(self, a)
  return { kind = "make_node", directory = a.dirfd, path = own_proc(self, need(a.pathname)), mode = a.mode, device = a.dev, privileged = true }
end
function deeds.mknod(self, a)
  return { kind = "make_node", path = own_proc(self, need(a.pathname)), mode = a.mode, device = a.dev, privileged = true }
end
function deeds.mount(self, a)
  local safe = filter.constant "MS_NOSUID" + filter.constant "MS_NODEV"
  return { kind = "mount", path = own_proc(self, need(a.target)), source = a.source or "none", type = need(a.filesystemtype),
           flags = low(bit.bor(a.mountflags, safe)), data = a.data_text or "", privileged = true }
end

--- Whether ccsand can perform this call itself.
function notify.can_perform(name) return deeds[name] ~= nil end

--- ccsand makes the call, on its copy of what was checked, in the container's root and with the caller's
--- rights; mknod and mount with ccsand's own. `changes` replace arguments: { pathname = "/other" }.
function Call:perform(changes)
  local state = inner[self]
  local make = deeds[state.name]
  if not make then
    error(core.error(state.name .. ": ccsand cannot perform this call", "it performs open, openat, openat2, creat, connect, bind, mknod, mknodat, mount"))
  end
  local arguments = setmetatable({}, { __index = function(_, key)
    if changes and changes[key] ~= nil then return changes[key] end
    local value, problem = argument(state, key)
    if problem then error({ errno = problem }, 0) end
    return value
  end })
  local good, deed = pcall(make, self, arguments)
  if not good and type(deed) == "table" and deed.errno and not deed.operation then
    state.handle:errno(deed.errno)
    return answered(state)
  end
  if not good then error(deed, 0) end
  state.handle:perform(deed)
  answered(state)
end

-- ---- dispatching

local function new_call(handle, name, pid, raw, architecture)
  local call = setmetatable({}, Call)
  local state = { handle = handle, name = name, pid = pid, raw = raw, architecture = architecture, cache = {} }
  state.args = setmetatable({}, { __index = function(_, key) return (argument(state, key)) end,
                                  __newindex = function() error(core.error "arguments cannot be changed") end })
  inner[call] = state
  return call, state
end

-- What a handler returned, where it has not answered itself.
local function settle(call, state, value)
  if state.done then return end
  local kind = type(value)
  if value == true then
    if deeds[state.name] then call:perform() else call:continue() end
  elseif kind == "string" then call:deny(value)
  elseif kind == "number" then call:answer(value)
  elseif kind == "userdata" then call:inject(value)
  elseif value == nil or value == false then call:deny()
  else error(core.error(state.name .. ": a handler answers true, false, an errno's name, a number or a descriptor, not a " .. kind)) end
end

local function report(name, problem)
  io.stderr:write(("ccsand: notify.%s failed, the call is denied: %s\n"):format(name, tostring(problem)))
end

--- A function for core.start: handlers by the call's name; `otherwise` gets the rest.
function notify.dispatcher(handlers, otherwise)
  return function(handle, name, pid, raw, architecture)
    local call, state = new_call(handle, name, pid, raw, architecture)
    local handler = handlers[name] or otherwise
    if not handler then return call:deny() end
    local thread = coroutine.create(function() settle(call, state, handler(call, raw)) end)
    local function step()
      local good, seconds = coroutine.resume(thread)
      if good and coroutine.status(thread) ~= "dead" then return handle:later(tonumber(seconds) or 0, step) end
      if good then return end
      report(name, seconds)
      if not state.done then pcall(call.deny, call) end
    end
    step()
  end
end

return notify
