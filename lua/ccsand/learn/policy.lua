-- A policy's table of what was written down, no wider than it has to be.
local bit = require "bit"
local filter = require "ccsand.filter"
local signatures = require "ccsand.seccomp.signatures"
local look = require "ccsand.learn.look"
local watch = require "ccsand.learn.watch"

local policy = {}
local most_values = 8

-- Every program starts and ends with the first ones, and the kernel calls restart_syscall for
-- it. The others are the vDSO's: where it answers, there is no call that could be seen.
policy.always = { "clock_getres", "clock_gettime", "execve", "exit", "exit_group", "getcpu", "gettimeofday", "restart_syscall",
                  "rt_sigreturn", "time" }

policy.sorted = require("ccsand.set").sorted

-- ---- conditions

-- Which parameters are sets of bits; the others are one of many, and no sum of some.
local function is_flags(name)
  return name:find "flag" or name:find "flg$" or ({ prot = true, type = true, mask = true, options = true, mode = true, persona = true })[name]
end
-- Names of something else under the same prefix, and second names.
local aliases = { "^F_SEAL_", "^F_OWNER_", "^F_.*LCK$", "^F_U?T?LOCK$", "^F_TEST$", "^MAP_ANON$", "^MAP_FILE$", "^MAP_TYPE$", "^O_NDELAY$",
                  "^AF_FILE$", "^PR_SET_MM_", "^AT_STATX_", "_MAX$", "_MASK$" }
local function is_alias(name)
  for _, pattern in ipairs(aliases) do
    if name:find(pattern) then return true end
  end
  return false
end

local function named(prefix)
  local list = {}
  for name, number in pairs(filter.constants(prefix)) do
    if number <= 0xffffffff and not is_alias(name) then list[#list + 1] = { name = name, number = number } end
  end
  table.sort(list, function(a, b)
    if a.number ~= b.number then return a.number > b.number end
    if #a.name ~= #b.name then return #a.name < #b.name end -- the plainer one
    return a.name < b.name
  end)
  return list
end

-- A value by its names: one, or a sum of bits.
local function value_text(value, parameter)
  local words, rest = {}, value
  for prefix in parameter.constants:gmatch "[^|]+" do
    local list = named(prefix)
    for _, one in ipairs(list) do
      if one.number == value and not (prefix == "O_" and value % 4 == 0 and value > 0) then return one.name end
    end
    for _, one in ipairs(list) do
      if one.number > 0 and rest > 0 and bit.bor(bit.tobit(rest), bit.tobit(one.number)) == bit.tobit(rest) and one.number <= rest then
        table.insert(words, 1, one.name)
        rest = rest - one.number
      end
    end
    if prefix == "O_" and value % 4 == 0 then table.insert(words, 1, "O_RDONLY") end
  end
  if #words == 0 or not is_flags(parameter.name) then return (value < 256 and "%d" or "0x%x"):format(value) end
  if rest ~= 0 then words[#words + 1] = ("0x%x"):format(rest) end
  return table.concat(words, " | ")
end

local function condition_on(parameters, values)
  local words = {}
  for _, parameter in ipairs(parameters) do
    local numbers, texts = policy.sorted(values[parameter.name]), {}
    for i, value in ipairs(numbers) do texts[i] = value_text(value, parameter) end
    words[#words + 1] = parameter.name .. (#texts == 1 and " == " .. texts[1] or " in { " .. table.concat(texts, ", ") .. " }")
  end
  return table.concat(words, " and ")
end

-- Whether the filter takes the condition, and finds it true for all that was seen.
local function holds(name, when, tuples)
  if not pcall(filter.condition, when, signatures[name]) then return false end
  local seccomp = require "ccsand.seccomp"
  local one = seccomp.policy { default = "kill", allow = { [name] = when } }
  for _, raw in pairs(tuples) do
    if one:test(name, unpack(raw, 1, 6)) ~= "allow" then return false end
  end
  return true
end

--- The condition that allows these argument lists of a call; nil where none is worth it.
function policy.condition(name, tuples, complete)
  if not complete then return nil end
  local values, counts, parameters = {}, {}, {}
  for _, parameter in ipairs(watch.telling(name)) do
    local set, count = {}, 0
    for _, raw in pairs(tuples) do
      local value = parameter.wide and raw[parameter.index] or raw[parameter.index] % 4294967296
      if set[value] == nil then count = count + 1 end
      set[value] = true
    end
    if count > 0 and count <= most_values then
      values[parameter.name], counts[parameter.name] = set, count
      parameters[#parameters + 1] = parameter
    end
  end
  -- What a filter cannot take at once is left out, what has most values first.
  while #parameters > 0 do
    local when = condition_on(parameters, values)
    if holds(name, when, tuples) then return when end
    local worst = 1
    for i, parameter in ipairs(parameters) do
      if counts[parameter.name] > counts[parameters[worst].name] then worst = i end
    end
    table.remove(parameters, worst)
  end
end

--- Whether all argument lists of a call are known.
function policy.complete(entry) return entry.tuple_count < 64 end

local function seccomp_of(record)
  local allow, plain = {}, {}
  for _, name in ipairs(policy.always) do
    if filter.number(name) then plain[name] = true end
  end
  for name, entry in pairs(record.calls) do
    local when = not plain[name] and policy.condition(name, entry.tuples, policy.complete(entry))
    if when then allow[name] = when else plain[name] = true end
  end
  for _, name in ipairs(policy.sorted(plain)) do allow[#allow + 1] = name end
  return { name = "learnt", default = "errno EPERM", unknown = "errno ENOSYS", allow = allow }
end

-- ---- files

local function union(into, from)
  for right, count in pairs(from) do into[right] = (into[right] or 0) + count end
end

-- What it made itself is not there when it starts: its rights are those of the directory.
local function lift(record, path)
  local found = path
  repeat
    if record.made[path] then found = look.parent(path) end
    path = look.parent(path)
  until path == "/"
  return found
end

-- { path = { rights =, kind =, seen = } } of what exists before the command starts.
local function places_of(record)
  local places = {}
  for path, file in pairs(record.files) do
    local at = lift(record, path)
    local place = places[at] or { rights = {}, kind = at == path and file.kind or "directory", seen = 0 }
    union(place.rights, file.rights)
    place.seen = place.seen + 1
    places[at] = place
  end
  -- A file moves only to where it gets no more rights than it had.
  for _ = 1, 2 do
    for _, pair in ipairs(record.referred) do
      local a, b = places[lift(record, pair[1])], places[lift(record, pair[2])]
      if a and b and a ~= b then
        union(a.rights, b.rights)
        union(b.rights, a.rights)
      end
    end
  end
  return places
end

-- A directory of which many files were seen stands for all of them.
local function collapse(places, most)
  local children = {}
  for path, place in pairs(places) do
    if place.kind ~= "directory" then
      local above = look.parent(path)
      children[above] = children[above] or {}
      table.insert(children[above], path)
    end
  end
  for directory, list in pairs(children) do
    if #list > most and directory ~= "/" then
      local place = places[directory] or { rights = {}, kind = "directory", seen = 0 }
      for _, path in ipairs(list) do
        union(place.rights, places[path].rights)
        place.seen = place.seen + places[path].seen
        places[path] = nil
      end
      place.rights.read_dir = place.rights.read_dir or 1 -- then "read" says it
      places[directory] = place
    end
  end
end

--- Whether all of `rights` hold at the path already, by itself or by what is above.
function policy.covered(places, path, rights, also_itself)
  local missing = {}
  for right in pairs(rights) do missing[right] = true end
  local at = also_itself and path or look.parent(path)
  if path == "/" and not also_itself then return false end
  while true do
    if places[at] then
      for right in pairs(places[at].rights) do missing[right] = nil end
    end
    if next(missing) == nil then return true end
    if at == "/" then return false, missing end
    at = look.parent(at)
  end
end

--- The places that a command needs rules for.
function policy.places(record, most)
  local places = places_of(record)
  collapse(places, most or 4)
  for _, path in ipairs(policy.sorted(places)) do
    if policy.covered(places, path, places[path].rights) then places[path] = nil end
  end
  return places
end

local function only(rights, ...)
  for right in pairs(rights) do
    local known = false
    for _, name in ipairs { ... } do known = known or name == right end
    if not known then return false end
  end
  return true
end

--- Whether a list of landlock's says it in one word. A list's rights are those of directories, too.
function policy.list_for(rights, kind)
  local whole = rights.read_file and (rights.read_dir or kind ~= "directory")
  if whole and only(rights, "read_file", "read_dir") then return "read" end
  if whole and rights.execute and only(rights, "read_file", "read_dir", "execute") then return "execute" end
end

-- What the kernel chose, and chooses anew each time: the port of somebody who let it.
local first_chosen, last_chosen = 32768, 60999
local function chosen(record, target)
  local lets = false
  for _, one in pairs(record.bound) do lets = lets or one.target.port == 0 end
  return lets and target.port and target.port >= first_chosen and target.port <= last_chosen
    and (target.address == "::1" or target.address:find "^127%.") ~= nil
end

-- nil where a list of ports cannot say it.
local function ports_of(record, list, connects)
  local set = {}
  for _, one in pairs(list) do
    if connects and chosen(record, one.target) then return nil end
    if one.target.port then set[one.target.port] = true end
  end
  return policy.sorted(set)
end

--- What keeps a list of addresses from saying what was seen; nil where nothing does.
function policy.unlisted(record)
  if record.sends then return "calls " .. record.sends end
  for _, name in ipairs(policy.sorted(record.connected)) do
    local target = record.connected[name].target
    if not target.number and not target.abstract and not (target.path and target.path:find "^/") then return "connects to " .. name end
  end
end

--- The addresses, as `connect` takes them: { text = { count =, target = } }.
function policy.addresses(record)
  local list = {}
  for name, one in pairs(record.connected) do
    if chosen(record, one.target) then
      name = (one.target.address:find(":", 1, true) and "[%s]:%d-%d" or "%s:%d-%d"):format(one.target.address, first_chosen, last_chosen)
    end
    list[name] = { count = one.count + (list[name] and list[name].count or 0), target = one.target }
  end
  return list
end

-- As much of it as this kernel can keep.
local function landlock_of(record, most)
  local abi = require("ccsand.sys").landlock_abi()
  local result = {}
  if abi >= 4 then result.connect, result.bind = ports_of(record, record.connected, true), ports_of(record, record.bound) end
  if abi >= 2 and not record.mounts then -- under rules on files nobody mounts
    if abi < 5 then result.least_abi = abi end
    result.read, result.execute, result.paths = {}, {}, {}
    local places = policy.places(record, most)
    for _, path in ipairs(policy.sorted(places)) do
      local list = policy.list_for(places[path].rights, places[path].kind)
      if list then table.insert(result[list], path)
      else result.paths[path] = policy.sorted(places[path].rights) end
    end
    for _, key in ipairs { "read", "execute" } do
      if next(result[key]) == nil then result[key] = nil end
    end
    if next(result.paths) == nil and (result.read or result.execute) then result.paths = nil end
  end
  return next(result) ~= nil and result or nil
end

-- ---- the rest

-- ccsand makes the calls that `connect` allows, and denies what is sent without one: a command that does
-- that gets none, and neither does one whose addresses it has no words for.
local function connect_of(record)
  if next(record.connected) == nil or policy.unlisted(record) then return nil end
  return policy.sorted(policy.addresses(record))
end

local function capabilities_of(record)
  local list = policy.sorted(record.capabilities)
  return #list > 0 and list or "none"
end

--- Twice the peak, for the next run is another one, and some for what the kernel counts.
function policy.memory(peak) return math.ceil((peak * 2 + 8 * 2 ^ 20) / 2 ^ 20) end
function policy.pids(peak) return peak * 2 + 2 end

local function limits_of(record)
  if not record.memory_peak and not record.pids_peak then return nil end
  return { memory = record.memory_peak and policy.memory(record.memory_peak) .. "M", pids = record.pids_peak and policy.pids(record.pids_peak) }
end

--- The whole table.
function policy.of(record, options)
  options = options or {}
  return { seccomp = seccomp_of(record), landlock = landlock_of(record, options.files_of_a_directory), connect = connect_of(record),
           capabilities = capabilities_of(record), limits = limits_of(record) }
end

return policy
