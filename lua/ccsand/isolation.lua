-- What a container's policies come to where something has to be made: a compiled filter, and a
-- function for core.start that decides calls. ccsand.policy_keys asks for it.
local core = require "ccsand.core"
local policy_keys = require "ccsand.policy_keys"

local isolation = {}

local function fail(message, hint) error(core.error(message, hint)) end

-- The policy that `seccomp` means; nil for none.
function isolation.policy_of(spec)
  local value, profile = spec.seccomp, policy_keys.profile(spec)
  if profile == false then return nil end
  local seccomp = require "ccsand.seccomp"
  if profile == "default" then return seccomp.default { capabilities = spec.capabilities } end
  if profile then return seccomp.named(profile) end
  if seccomp.is(value) then return value end
  if type(value) ~= "table" then fail("container.seccomp: must be a policy, a table, or the name of a policy, got " .. type(value)) end
  if value.from == nil and value.default == nil then
    -- A table alone is a change of the default profile.
    local copy = {}
    for k, v in pairs(value) do copy[k] = v end
    copy.from = seccomp.default { capabilities = spec.capabilities }
    value = copy
  end
  return seccomp.policy(value)
end

local function require_function(value, key)
  if type(value) ~= "function" then fail(("container.%s: must be a function, got %s"):format(key, type(value))) end
  return value
end

-- { openat = function(call) ... end, ... }
local function add_notify(handlers, list)
  if list == nil then return end
  if type(list) ~= "table" then fail("container.notify: must be a table of functions by system call, got " .. type(list)) end
  for name, handler in pairs(list) do
    if type(name) ~= "string" then fail "container.notify: names system calls, { openat = function(call) ... end }" end
    handlers[name] = require_function(handler, "notify." .. name)
  end
end

-- A handler for several calls; one that the recipe names itself comes first.
local function add_group(handlers, names, handler)
  for _, name in ipairs(names) do
    if handlers[name] == nil then handlers[name] = handler end
  end
end

-- connect = { "10.0.0.0/8:443", "unix:/run/x.sock" } or a function. What is sent without a
-- connection would go past it: sending to an address is denied.
local function add_connect(handlers, rule)
  if rule == nil then return end
  local address = require "ccsand.address"
  local decide = rule
  if type(rule) == "table" then
    local rules = {}
    for i, text in ipairs(rule) do rules[i] = address.parse(text) end
    decide = function(call)
      local target = call.args.addr
      if not target then return "EFAULT" end
      if target.family == "AF_UNSPEC" then return call:perform() end -- takes a connection back
      for _, one in ipairs(rules) do
        if address.matches(one, target) then return call:perform() end
      end
      return "ECONNREFUSED"
    end
  end
  require_function(decide, "connect")
  add_group(handlers, { "connect" }, decide)
end

-- Lists of paths are the kernel's to keep: Landlock's rules, which no thread can outrun.
local all_but_execute = { "read", "write", "ioctl_dev" }
local function list_of(value, key)
  for i, path in ipairs(value) do
    if type(path) ~= "string" then fail(("container.%s: lists paths, got %s at %d"):format(key, type(path), i)) end
  end
  return value
end
local function require_lists(files)
  for _, key in ipairs { "read", "write" } do
    if files[key] ~= nil and type(files[key]) ~= "table" then fail(("container.files.%s: must be a list of paths or a function, got %s"):format(key, type(files[key]))) end
  end
end
local function add_rules(spec, files, exec)
  local landlock = {}
  for k, v in pairs(type(spec.landlock) == "table" and spec.landlock or {}) do landlock[k] = v end
  local paths = {}
  for path, rights in pairs(type(landlock.paths) == "table" and landlock.paths or {}) do paths[path] = rights end
  local function extend(key, list)
    local all = {}
    for _, path in ipairs(landlock[key] or {}) do all[#all + 1] = path end
    for _, path in ipairs(list) do all[#all + 1] = path end
    landlock[key] = all
  end
  if files then
    for _, key in ipairs { "read", "write" } do
      if files[key] ~= nil then extend(key, list_of(files[key], "files." .. key)) end
    end
  elseif not (landlock.read or landlock.write or landlock.execute or next(paths)) then
    paths["/"] = all_but_execute -- only execution is what the list is about
  end
  if exec then
    extend("execute", list_of(exec, "exec"))
  elseif not landlock.execute and paths["/"] == nil then
    paths["/"] = { "execute" }
  end
  if next(paths) then landlock.paths = paths end
  spec.landlock = landlock
end

local opening = { "open", "openat", "openat2", "creat" }
-- files = function(call): every open is asked for, and performed where it says true. A table
-- has lists, or functions for what is opened to read and to write.
local function add_files(handlers, decide)
  if decide == nil then return end
  if type(decide) == "table" then
    local bit, filter = require "bit", require "ccsand.filter"
    local writing = bit.bor(filter.constant "O_WRONLY", filter.constant "O_RDWR", filter.constant "O_CREAT", filter.constant "O_TRUNC")
    local read, write = decide.read, decide.write
    require_function(read, "files.read")
    require_function(write, "files.write")
    decide = function(call)
      local flags = call.args.flags
      if call.name == "openat2" then flags = call:open_flags() end
      local writes = call.name == "creat" or flags == nil or bit.band(flags, writing) ~= 0
      return (writes and write or read)(call)
    end
  end
  add_group(handlers, opening, require_function(decide, "files"))
end
-- exec = function(call): what it denies is not executed. See docs/policies.md on what it cannot promise.
local function add_exec(handlers, decide)
  if decide == nil then return end
  require_function(decide, "exec")
  add_group(handlers, { "execve", "execveat" }, function(call)
    local answer = decide(call)
    if answer == true then return call:continue { racy = true } end
    return answer
  end)
end

-- What is denied where `connect` is a list: datagrams with an address of their own.
local function without_sending_to(policy)
  return policy:deny { sendto = "dest_addr != 0", "sendmsg", "sendmmsg",
    -- A route in the packet would go by another first hop.
    setsockopt = { "level == IPPROTO_IP and optname == 4", "level == IPPROTO_IPV6 and optname in { 5, 57 }" } }
end
-- Calls that do the same without being asked for.
local function without_detours(policy) return policy:errno("ENOSYS", "io_uring_setup", "io_uring_enter", "io_uring_register", "socketcall") end

-- ---- denials

-- The smallest change of a policy that would allow the call.
local function smallest_change(policy, call)
  local seccomp, notify = require "ccsand.seccomp", require "ccsand.notify"
  local rules = seccomp.effective(policy)[call.name] or {}
  local named = {}
  for _, parameter in ipairs(notify.parameters(call.name)) do
    for _, statement in ipairs(rules) do
      if statement.when and (" " .. statement.when .. " "):find("[^%w_]" .. parameter.name .. "[^%w_]") and parameter.type ~= "path" then
        named[#named + 1] = ("%s == %s"):format(parameter.name,
          parameter.constants and type(call.args[parameter.name]) == "number"
            and notify.flags_text(call.args[parameter.name] % 4294967296, parameter.constants):gsub("|", " | ")
          or tostring(call.args[parameter.name]))
        break
      end
    end
  end
  if #named == 0 then return ("allow = { %q }"):format(call.name) end
  return ("allow = { %s = %q }"):format(call.name, table.concat(named, " and "))
end

local function denial(policy, call, action)
  local notify = require "ccsand.notify"
  local exact = {}
  for i = 1, 6 do exact[i] = notify.hexadecimal(call, i) end
  local explained = policy:explain(call.name, unpack(exact, 1, 6))
  local comm = ""
  local file = io.open("/proc/" .. call.pid .. "/comm")
  if file then
    comm = file:read("*l") or ""
    file:close()
  end
  local info = { call = call.name, text = call:text(), action = action, where = explained.where, rule = explained.text,
                 pid = call.pid, command = require("ccsand.address").quoted(comm):sub(2, -2), change = smallest_change(policy, call) }
  return setmetatable(info, { __tostring = function(self)
    return ("denied: %s[%d]: %s: %s, by %s; to allow it: %s"):format(self.command, self.pid, self.text, self.action, self.where, self.change)
  end })
end

-- Every call that the policy denies is handed over, told, and answered as the policy says.
local function watched(policy, on_denied)
  local actions = require "ccsand.seccomp.actions"
  local program = policy:bpf()
  return policy:watching(), function(call)
    local number = require("ccsand.notify").simulate(call, program)
    local action = actions.word(number)
    if not actions.denies(number) then return call:continue { racy = true } end
    on_denied(denial(policy, call, action))
    if action:find "^errno" then return call:deny(action:match "^errno (%S+)") end
    return call:kill()
  end
end

-- ---- all of them

--- Replaces `spec.seccomp` and `spec.landlock` by what C++ reads, `given` being the keys that decide calls.
--- Answers a function that makes the one that decides the calls of a run, or nil.
function isolation.apply(spec, given, options)
  if type(spec.seccomp) == "table" and rawget(spec.seccomp, "bpf") ~= nil then
    if given.faults ~= nil then fail "container.faults: cannot be added to a compiled filter" end
    return nil
  end
  local handlers = {}
  add_notify(handlers, given.notify)
  add_connect(handlers, given.connect)
  local files, exec = given.files, given.exec
  if type(files) == "table" then
    for key in pairs(files) do
      if key ~= "read" and key ~= "write" then fail(("container.files: '%s' is not a key: it takes read and write"):format(tostring(key))) end
    end
  end
  local listed = type(files) == "table" and type(files.read) ~= "function" and type(files.write) ~= "function"
  if listed or type(exec) == "table" then
    if listed then require_lists(files) end
    add_rules(spec, listed and files or nil, type(exec) == "table" and exec or nil)
  end
  if not listed then add_files(handlers, files) end
  if type(exec) ~= "table" then add_exec(handlers, exec) end
  local on_denied = given.on_denied
  if on_denied ~= nil then require_function(on_denied, "on_denied") end
  if options and options.show_denied then
    local own = on_denied
    on_denied = function(info)
      io.stderr:write("ccsand: " .. core.printable(tostring(info)) .. "\n")
      if own then own(info) end
    end
  end
  local undecided = next(handlers) == nil and not on_denied and given.faults == nil
  local policy = isolation.policy_of(spec)
  if not policy then
    if undecided then
      spec.seccomp = nil
      return nil
    end
    policy = require("ccsand.seccomp").policy { name = "none", default = "allow" }
  end
  if type(given.connect) == "table" then policy = without_sending_to(policy) end
  if given.connect ~= nil or given.files ~= nil or given.exec ~= nil then policy = without_detours(policy) end
  local otherwise
  if on_denied then policy, otherwise = watched(policy, on_denied) end
  for name in pairs(handlers) do policy = policy:notify(name) end
  local counting
  if given.faults ~= nil then policy, counting = require("ccsand.faults").apply(policy, handlers, otherwise, given.faults) end
  spec.seccomp = { bpf = policy:bpf(), name = policy:name(), notifies = policy:notifies() }
  if not policy:notifies() then return nil end
  if counting then return counting end
  local dispatcher = require("ccsand.notify").dispatcher(handlers, otherwise)
  return function() return dispatcher end
end

return isolation
