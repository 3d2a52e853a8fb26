-- Widens a policy's table by what a further run did. It takes nothing away, and what the
-- table does not restrict stays as it is.
local core = require "ccsand.core"
local address = require "ccsand.address"
local seccomp = require "ccsand.seccomp"
local policy = require "ccsand.learn.policy"
local look = require "ccsand.learn.look"
local text = require "ccsand.learn.text"

-- A copy of plain values; anything else could not be written again.
local function copied(value, path)
  if type(value) ~= "table" then
    if type(value) == "function" or type(value) == "userdata" or type(value) == "thread" then
      error(core.error(("learn: %s is a %s, which cannot be written to a file"):format(path, type(value)), "keep it in the recipe, not in the policy's file"))
    end
    return value
  end
  if getmetatable(value) ~= nil then
    error(core.error(("learn: %s is %s, which cannot be written to a file"):format(path, tostring(value)), "write it as a table, { from = ..., allow = ... }"))
  end
  local result = {}
  for k, v in pairs(value) do result[k] = copied(v, path .. "." .. tostring(k)) end
  return result
end

-- ---- calls

local function as_policy(value, capabilities)
  local copy = {}
  for k, v in pairs(value) do copy[k] = v end
  if copy.from == nil and copy.default == nil then copy.from = seccomp.default { capabilities = capabilities } end
  return seccomp.policy(copy)
end

local allowing = { allow = true, log = true, notify = true }
local function missing_of(judge, name, tuples)
  local missing = {}
  for key, raw in pairs(tuples) do
    if not allowing[judge:test(name, unpack(raw, 1, 6))] then missing[key] = raw end
  end
  return missing
end

local function add_call(list, name, when)
  if not when then
    list[#list + 1], list[name] = name, nil
    return
  end
  local known = list[name]
  if known == nil then list[name] = when
  elseif type(known) == "table" then known[#known + 1] = when
  else list[name] = { known, when } end
end

local function widen_calls(new, record, changes)
  local value = new.seccomp
  if type(value) == "string" and value ~= "none" then value = { from = value } end
  if type(value) ~= "table" then return end
  if type(value.allow) == "string" then value.allow = { value.allow } end
  local before = as_policy(value, new.capabilities)
  local list, changed = value.allow or {}, {}
  local function look_at(name, tuples, entry)
    local missing = missing_of(before, name, tuples)
    if next(missing) == nil then return end
    local when = entry and policy.condition(name, missing, policy.complete(entry))
    add_call(list, name, when)
    changed[#changed + 1] = { name = name, when = when, tuples = missing }
  end
  for _, name in ipairs(policy.always) do
    if require("ccsand.filter").number(name) then look_at(name, { { 0, 0, 0, 0, 0, 0 } }) end
  end
  for _, name in ipairs(policy.sorted(record.calls)) do
    local always = false
    for _, other in ipairs(policy.always) do always = always or other == name end
    if not always then look_at(name, record.calls[name].tuples, record.calls[name]) end
  end
  if #changed == 0 then return end
  value.allow, new.seccomp = list, value
  local after = as_policy(value, new.capabilities)
  for _, change in ipairs(changed) do
    local denied = next(missing_of(after, change.name, change.tuples)) ~= nil
    changes[#changes + 1] = ("seccomp: allow %s%s%s"):format(change.name, change.when and " where " .. change.when or "",
      denied and " -- still denied: another line of the policy says so" or "")
  end
end

-- ---- files and ports

local words = {
  read = { "read_file", "read_dir" },
  write = { "write_file", "truncate", "refer", "remove_dir", "remove_file", "make_dir", "make_reg", "make_sym", "make_sock", "make_fifo",
            "make_char", "make_block" },
  execute = { "execute" },
}
local lists = { read = { "read" }, write = { "read", "write" }, execute = { "read", "execute" } }

local function places_of(rules)
  local places = {}
  local function add(path, word)
    path = look.normal(path)
    places[path] = places[path] or { rights = {} }
    for _, right in ipairs(words[word] or { word }) do places[path].rights[right] = 1 end
  end
  for key, kinds in pairs(lists) do
    for _, path in ipairs(rules[key] or {}) do
      for _, word in ipairs(kinds) do add(path, word) end
    end
  end
  for path, rights in pairs(rules.paths or {}) do
    for _, word in ipairs(type(rights) == "table" and rights or { rights }) do add(path, word) end
  end
  return places
end

local function contains(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

local function widen_ports(rules, key, list, changes)
  if rules[key] == nil then return end
  for _, text_of in ipairs(policy.sorted(list)) do
    local port = list[text_of].target.port
    if port and not contains(rules[key], port) then
      table.insert(rules[key], port)
      changes[#changes + 1] = ("landlock: %s to port %d"):format(key, port)
    end
  end
  table.sort(rules[key])
end

local function widen_files(rules, record, changes, most)
  if not (rules.read or rules.write or rules.execute or rules.paths) then return end
  if record.mounts then
    changes[#changes + 1] = "landlock: the command mounts, which rules on files deny: take them out of the policy"
    return
  end
  local known, needed = places_of(rules), policy.places(record, most)
  for _, path in ipairs(policy.sorted(needed)) do
    local good, missing = policy.covered(known, path, needed[path].rights, true)
    if not good then
      local list = policy.list_for(missing, needed[path].kind)
      changes[#changes + 1] = ("landlock: %s in %s"):format(table.concat(policy.sorted(missing), ", "), text.quoted(path))
      if list and not (rules.paths and rules.paths[path]) then
        rules[list] = rules[list] or {}
        table.insert(rules[list], path)
        table.sort(rules[list])
      else
        rules.paths = rules.paths or {}
        local rights = rules.paths[path] or {}
        if type(rights) == "string" then rights = { rights } end
        for _, right in ipairs(policy.sorted(missing)) do rights[#rights + 1] = right end
        rules.paths[path] = rights
      end
    end
  end
end

-- ---- the rest

local function widen_connect(new, record, changes)
  if type(new.connect) ~= "table" then return end
  local rules = {}
  for i, one in ipairs(new.connect) do rules[i] = address.parse(one) end
  local list = policy.addresses(record)
  for _, name in ipairs(policy.sorted(list)) do
    local known = false
    for _, rule in ipairs(rules) do known = known or address.matches(rule, list[name].target) end
    if not known and pcall(address.parse, name) then
      table.insert(new.connect, name)
      changes[#changes + 1] = "connect: " .. text.plain(name)
    end
  end
  local why = policy.unlisted(record)
  if why then
    changes[#changes + 1] = ("connect: the command %s, which a list of addresses denies: take the list out of the policy"):format(text.plain(why))
  end
end

local function widen_capabilities(new, record, changes)
  local value = new.capabilities
  if value == nil or value == "all" then return end
  local granted = {}
  for _, name in ipairs(core.capabilities { capabilities = value }) do granted[name] = true end
  for _, name in ipairs(policy.sorted(record.capabilities)) do
    if not granted[name] then
      if value == "none" then value = {} end
      if type(value) == "string" then value = { value } end
      if #value > 0 or next(value) == nil then table.insert(value, name)
      else
        local list = value.add or {}
        value.add = type(list) == "string" and { list, name } or list
        if type(list) == "table" then table.insert(list, name) end
      end
      changes[#changes + 1] = ("capabilities: %s, for %s"):format(name, text.plain(record.capabilities[name]))
    end
  end
  new.capabilities = value
end

local units = { K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30, T = 2 ^ 40 }
local function size_of(value)
  if type(value) == "number" then return value end
  local number, unit = tostring(value):match "^%s*([%d.]+)%s*([kKmMgGtT]?)i?[bB]?%s*$"
  return number and tonumber(number) * (units[unit:upper()] or 1)
end
local function widen_limits(new, record, changes)
  local limits = new.limits
  if type(limits) ~= "table" then return end
  local size = limits.memory and size_of(limits.memory)
  if size and record.memory_peak and size < record.memory_peak * 1.25 then
    local memory = policy.memory(record.memory_peak) .. "M"
    changes[#changes + 1] = ("limits: memory %s, was %s"):format(memory, tostring(limits.memory))
    limits.memory = memory
  end
  if type(limits.pids) == "number" and record.pids_peak and limits.pids < record.pids_peak then
    changes[#changes + 1] = ("limits: pids %d, was %d"):format(policy.pids(record.pids_peak), limits.pids)
    limits.pids = policy.pids(record.pids_peak)
  end
end

--- The widened table, and the difference: a list of lines whose tostring is text.
return function(old, record, options)
  if type(old) ~= "table" then error(core.error("learn: a policy's file returns a table, and not a " .. type(old))) end
  local new = copied(old, "the policy")
  local changes = setmetatable({}, { __tostring = function(list)
    local lines = {}
    for i, line in ipairs(list) do lines[i] = "+ " .. line .. "\n" end
    return table.concat(lines)
  end })
  widen_calls(new, record, changes)
  if type(new.landlock) == "table" then
    widen_files(new.landlock, record, changes, options and options.files_of_a_directory)
    widen_ports(new.landlock, "connect", record.connected, changes)
    widen_ports(new.landlock, "bind", record.bound, changes)
  end
  widen_connect(new, record, changes)
  widen_capabilities(new, record, changes)
  widen_limits(new, record, changes)
  return new, changes
end
