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

local function words_at(state, pointer)
  local list = {}
  if pointer == 0 then return list end
  for i = 0, most_words - 1 do
    local bytes, problem = state.handle:bytes(state.token, pointer + 8 * i, 8)
    if not bytes then return nil, problem end
    local at = number_at(bytes, 1, 8)
    if at == 0 then return list end
    local word, why = state.handle:string(state.token, at, longest_word)
    if not word then return nil, why end
    list[#list + 1] = word
  end
  return nil, "E2BIG"
end

local readers = {
  path = function(state, value) return state.handle:string(state.token, value, longest_path) end,
  string = function(state, value) return state.handle:string(state.token, value, longest_path) end,
  argv = words_at,
  sockaddr = function(state, value, index)
    local size = signed(state[index + 1])
    if size < 0 or size > 128 then return nil, "EINVAL" end
    local bytes, problem = state.handle:bytes(state.token, value, size)
    if not bytes then return nil, problem end
    return address.decode(bytes)
  end,
}
local plain = {
  int = signed, fd = signed, uint = low, mode = low,
}

-- ---- the call, as handlers see it

-- A call has one field, its state: its arguments as numbers (1 to 6), handle, token, name, pid, architecture, and
-- what was found out. No weak table, no key that takes a hash: there may be a hundred thousand calls a second.
local Call = {}
local S = 1

-- An argument by name. What lies in the container's memory is copied once: what was
-- checked is what is performed.
local function argument(state, name)
  local known = state.cache and state.cache[name]
  if known then return known.value, known.problem end
  for i, parameter in ipairs(notify.parameters(state.name)) do
    if parameter.name == name then
      local raw = state[i]
      local read = readers[parameter.type]
      local value, problem
      if read and raw == 0 then value, problem = nil, "EFAULT"
      elseif read then
        state.looked = true
        value, problem = read(state, raw, i)
      else
        value = (plain[parameter.type] or tonumber)(raw)
      end
      state.cache = state.cache or {}
      state.cache[name] = { value = value, problem = problem }
      return value, problem
    end
  end
end

Call.__metatable = "a call"
Call.__tostring = function(self) return self:text() end
local Args = {
  __index = function(self, key) return (argument(rawget(self, S), key)) end,
  __newindex = function() error(core.error "arguments cannot be changed") end,
}
Call.__index = function(self, key)
  local method = Call[key]
  if method then return method end
  local state = rawget(self, S)
  if key == "name" or key == "pid" or key == "architecture" then return state[key] end
  if key == "args" then
    state.args = state.args or setmetatable({ state }, Args)
    return state.args
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
  if parameter.type == "pointer" then return ("0x%x"):format(state[index] % 2 ^ 53) end
  local value = argument(state, parameter.name)
  if parameter.type == "fd" and value == -100 then return "AT_FDCWD" end
  if parameter.type == "mode" then return ("0%o"):format(value) end
  if parameter.constants then return flags_text(value < 0 and value or low(value), parameter.constants) end
  return tostring(value)
end

--- "openat(dirfd=AT_FDCWD, pathname="/etc/passwd", flags=O_RDONLY, mode=0)"
function Call:text()
  local state, words = self[S], {}
  for i, parameter in ipairs(notify.parameters(state.name)) do
    words[i] = parameter.name .. "=" .. shown(state, parameter, i)
  end
  return state.name .. "(" .. table.concat(words, ", ") .. ")"
end
--- Who asks: { uid, gid, pid, host_pid }, ids of the host and its pid in the container; nil if it has gone.
function Call:who() return self[S].handle:who(self[S].token) end
--- Some of its memory; nil and the errno's name where there is none.
function Call:read(pointer, size)
  local state = self[S]
  state.looked = true
  return state.handle:bytes(state.token, pointer, size)
end

-- ---- answers

local function answered(state) state.done = true end

--- The call fails: "EACCES", default EPERM.
function Call:deny(errno)
  local state = self[S]
  state.handle:errno(state.token, errno or "EPERM")
  answered(state)
end
--- The call returns this number, and nothing is done.
function Call:answer(value)
  local state = self[S]
  state.handle:value(state.token, value or 0)
  answered(state)
end
--- The call returns a descriptor: a copy of this one.
function Call:inject(descriptor, close_on_exec)
  local state = self[S]
  state.handle:inject(state.token, descriptor, close_on_exec)
  answered(state)
end
--- The process ends before the call is made.
function Call:kill()
  local state = self[S]
  state.handle:kill(state.token)
  answered(state)
end
--- The kernel goes on with the call. An error where something in the container's memory was
--- looked at: another of its threads could put something else there before the kernel reads it.
function Call:continue(options)
  local state = self[S]
  if state.looked and not (options and options.racy) then
    error(core.error(state.name .. ": what was checked lies in the container's memory, which can change before the kernel reads it",
      "use call:perform(), which does what was checked; or call:continue { racy = true } where the check protects nothing"))
  end
  state.handle["continue"](state.handle, state.token)
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
-- openat2's struct open_how, copied once as all else: flags, mode, resolve.
local function how_of(self)
  local state = self[S]
  if not state.how then
    for i, parameter in ipairs(notify.parameters "openat2") do
      if parameter.name == "how" then state.how, state.how_problem = self:read(state[i], 24) end
    end
  end
  return need(state.how, state.how_problem)
end
--- The flags of an openat2(2); nil where they cannot be read.
function Call:open_flags()
  local good, how = pcall(how_of, self)
  return good and number_at(how, 1, 4) or nil
end
function deeds.openat2(self, a)
  local how = how_of(self)
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
  local state = self[S]
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
    state.handle:errno(state.token, deed.errno)
    return answered(state)
  end
  if not good then error(deed, 0) end
  state.handle:perform(state.token, deed)
  answered(state)
end

-- ---- dispatching

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

-- Handlers run in coroutines, so that they can wait; those that have done their work do the next.
local finished, idle = {}, {}
local most_idle = 16
local function work(handler, call, state)
  while true do
    settle(call, state, handler(call, state))
    handler, call, state = coroutine.yield(finished)
  end
end

local function step(thread, call, state, ...)
  local good, what = coroutine.resume(thread, ...)
  if good and what == finished then
    if #idle < most_idle then idle[#idle + 1] = thread end
  elseif good then
    state.handle:later(state.token, tonumber(what) or 0, function() step(thread, call, state) end)
  else
    report(state.name, what)
    if not state.done then pcall(call.deny, call) end
  end
end

--- A function for core.start: handlers by the call's name; `otherwise` gets the rest. They get the call, and its
--- arguments as the kernel has them, 1 to 6.
function notify.dispatcher(handlers, otherwise)
  return function(handle, token, name, pid, architecture, a, b, c, d, e, f)
    local state = { a, b, c, d, e, f, handle = handle, token = token, name = name, pid = pid, architecture = architecture, done = false, looked = false }
    local call = setmetatable({ state }, Call)
    local handler = handlers[name] or otherwise
    if not handler then return call:deny() end
    step(table.remove(idle) or coroutine.create(work), call, state, handler, call, state)
  end
end

return notify
