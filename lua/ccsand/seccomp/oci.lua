-- The JSON of OCI runtimes (linux.seccomp of a config.json) and of Docker's and Podman's
-- profiles: read as a policy. ccsand.seccomp.oci_writer is the way back.
--
-- The form is a set of entries without an order. Runtimes hand them to libseccomp, and
-- this is what comes of it (measured with libseccomp 2.5.4):
--   an entry whose action is the default's is passed over;
--   an entry without args wins over those with args; of two such, the first wins;
--   the args of one entry must all hold; where two of them name the same argument, any;
--   of entries with args that overlap, neither the first nor the last wins, but what the
--   library's tree finds first. Nothing is promised there: here the strictest wins.
local bit = require "bit"
local core = require "ccsand.core"
local filter = require "ccsand.filter"
local json = require "ccsand.json"
local seccomp = require "ccsand.seccomp"
local actions = require "ccsand.seccomp.actions"
local boxes = require "ccsand.seccomp.boxes"
local conditions = require "ccsand.seccomp.conditions"
local signatures = require "ccsand.seccomp.signatures"
local names = require "ccsand.seccomp.oci_names"
local reader = require "ccsand.seccomp.oci_table"

local oci = { write = require "ccsand.seccomp.oci_writer" }

local fail, absent, require_keys = reader.fail, reader.absent, reader.require_keys
local texts, objects, set = reader.texts, reader.objects, reader.set

local profile_keys = set [[defaultAction defaultErrnoRet defaultErrno architectures archMap flags listenerPath listenerMetadata
  syscalls comment]]
local entry_keys = set "names name action errnoRet errno args includes excludes comment"
local arg_keys = set "index value valueTwo op"
local gate_keys = set "caps arches minKernel"

-- ---- actions

local function errno_of(number, name, where)
  if not absent(number) then
    if type(number) ~= "number" or number % 1 ~= 0 or number < 0 or number > 4095 then
      fail(("%s: errnoRet must be a whole number from 0 to 4095"):format(where))
    end
    return number
  end
  if absent(name) then return nil end
  local value = type(name) == "string" and name:find "^E[A-Z0-9]+$" and filter.constant(name)
  if not value then fail(("%s: '%s' is no error number"):format(where, tostring(name))) end
  return value
end

local function action_of(word, number, name, where)
  if absent(word) then fail(where .. ": the action is missing") end
  local action = reader.word(word, names.actions, where, "action")
  local errno = errno_of(number, name, where)
  if word == "SCMP_ACT_ERRNO" or word == "SCMP_ACT_TRACE" then return action + (errno or 1) end  -- EPERM, as the runtimes
  if errno then fail(("%s: %s takes no errnoRet"):format(where, word)) end
  return action
end

-- ---- architectures

local function architectures_of(profile, native, warn)
  local list, seen = {}, {}
  local function add(word, where)
    if names.architectures[word] then
      if not seen[word] then list[#list + 1] = names.architectures[word] end
      seen[word] = true
    elseif word == "SCMP_ARCH_X32" then
      warn "SCMP_ARCH_X32: x32 calls answer ENOSYS, whatever a profile says"
    elseif type(word) == "string" and word:find "^SCMP_ARCH_[A-Z0-9]+$" then
      warn(word .. ": ccsand does not know this architecture; its calls are killed")
    else
      fail(("%s: '%s' is no architecture"):format(where, tostring(word)))
    end
  end
  local own = names.architecture_words[native]
  seen[own] = true
  list[1] = native                                      -- the runtimes add it to any list
  for _, word in ipairs(texts(profile.architectures, "architectures", "it")) do add(word, "architectures") end
  for i, map in ipairs(objects(profile.archMap, "archMap", "it")) do
    local where = ("archMap, entry %d"):format(i)
    if map.architecture == own then
      for _, word in ipairs(texts(map.subArchitectures, where, "subArchitectures")) do add(word, where) end
      break
    end
  end
  return list
end

-- ---- includes and excludes, of Docker's form

local function kernel_release(options)
  if options.kernel then return options.kernel end
  local file = io.open("/proc/sys/kernel/osrelease", "r")
  local text = file and file:read "*l" or ""
  if file then file:close() end
  return text
end

local function version_of(text, where)
  local major, minor = tostring(text):match "^(%d+)%.(%d+)"
  if not major then fail(("%s: '%s' is no version of a kernel"):format(where, tostring(text))) end
  return tonumber(major) * 100000 + tonumber(minor)
end

local function capability_set(list)
  local result = {}
  for _, name in ipairs(core.capabilities { capabilities = list }) do result["CAP_" .. name:upper()] = true end
  return result
end

local function contains(list, word)
  for _, item in ipairs(list) do
    if item == word then return true end
  end
  return false
end

-- Whether an entry is for this container: none of what excludes it, all of what it asks for.
local function applies(entry, host, where)
  local function read(gate, what)
    if absent(gate) then return {}, {}, nil end
    reader.object(gate, where, what)
    require_keys(gate, gate_keys, where .. ", " .. what)
    local version = not absent(gate.minKernel) and version_of(gate.minKernel, where .. ", " .. what) or nil
    return texts(gate.caps, where, what .. ".caps"), texts(gate.arches, where, what .. ".arches"), version
  end
  local caps, arches, version = read(entry.excludes, "excludes")
  if contains(arches, host.go) or (version and host.kernel() >= version) then return false end
  for _, capability in ipairs(caps) do
    if host.capabilities[capability] then return false end
  end
  caps, arches, version = read(entry.includes, "includes")
  if (#arches > 0 and not contains(arches, host.go)) or (version and host.kernel() < version) then return false end
  for _, capability in ipairs(caps) do
    if not host.capabilities[capability] then return false end
  end
  return true
end

-- ---- entries

local function names_of(entry, where)
  if not absent(entry.name) then
    if not absent(entry.names) and #entry.names > 0 then fail(where .. ": has both name and names") end
    return texts({ entry.name }, where, "name")
  end
  local list = texts(entry.names, where, "names")
  if #list == 0 then fail(where .. ": names no call") end
  return list
end

local function arg_of(arg, where)
  require_keys(arg, arg_keys, where)
  local op = reader.word(arg.op, names.operators, where, "operator")
  local index = arg.index
  if type(index) ~= "number" or index % 1 ~= 0 or index < 0 or index > 5 then fail(where .. ": index must be from 0 to 5") end
  local function number(key)
    if absent(arg[key]) then return 0ULL end
    return conditions.unsigned(arg[key]) or fail(("%s: %s must be a whole number from 0 to 18446744073709551615"):format(where, key))
  end
  local value, second = number "value", number "valueTwo"
  if arg.op ~= "SCMP_CMP_MASKED_EQ" then return { index = index, op = op, value = value } end
  return { index = index, op = op, mask = value, value = bit.band(value, second) }
end

local function args_of(entry, where)
  local list = {}
  for i, arg in ipairs(objects(entry.args, where, "args")) do list[i] = arg_of(arg, ("%s, arg %d"):format(where, i)) end
  return list
end

-- The args of an entry as a condition of this call.
local function condition_of(call, args, where)
  local parameters, words, seen, repeated = conditions.parameters(call), {}, {}, false
  for i, arg in ipairs(args) do
    local parameter = parameters[arg.index + 1]
    if not parameter then
      fail(("%s: %s takes %d argument%s; there is none of index %d")
        :format(where, call, #parameters, #parameters == 1 and "" or "s", arg.index))
    end
    local good, text = pcall(conditions.compare, parameter, arg.op, arg.value, arg.mask)
    if not good then fail(("%s: %s: %s"):format(where, call, tostring(text.message or text))) end
    words[i] = text
    repeated = repeated or seen[arg.index] or false
    seen[arg.index] = true
  end
  local when = table.concat(words, repeated and " or " or " and ")
  local good, problem = pcall(conditions.check, call, when)
  if not good then fail(("%s: %s"):format(where, problem.message), problem.hint) end
  return when
end

-- The entries that are for this container: { action, calls, args, where }.
local function entries_of(profile, host, source, warn)
  local list, unknown, seen = {}, {}, {}
  for i, entry in ipairs(objects(profile.syscalls, source, "syscalls")) do
    local where = ("%s, entry %d"):format(source, i)
    require_keys(entry, entry_keys, where)
    local action = action_of(entry.action, entry.errnoRet, entry.errno, where)
    local args = args_of(entry, where)
    if applies(entry, host, where) then
      local calls = {}
      for _, call in ipairs(names_of(entry, where)) do
        if conditions.is_call(call) then
          calls[#calls + 1] = call
        elseif not seen[call] then
          seen[call] = true
          unknown[#unknown + 1] = call
        end
      end
      list[#list + 1] = { action = action, calls = calls, args = args, where = where }
    end
  end
  if #unknown > 0 then warn("calls that ccsand does not know: " .. table.concat(unknown, ", ")) end
  return list
end

-- ---- from a set to an order

-- The kernel's own: the smaller as a signed number, the stricter.
local function strictness(action)
  local kind = math.floor(action / 65536)
  return kind >= 0x8000 and kind - 0x10000 or kind
end

-- What decides each call: one entry without args, or entries with args under conditions.
local function sorted_out(entries, default, warn)
  local always, sometimes, passed_over = {}, {}, {}
  for _, entry in ipairs(entries) do
    for _, call in ipairs(entry.calls) do
      if entry.action == default then
        passed_over[call] = entry
      elseif #entry.args == 0 then
        if always[call] and always[call].action ~= entry.action then
          warn(("%s: %s is decided by %s already"):format(entry.where, call, always[call].where))
        end
        always[call] = always[call] or entry
      else
        sometimes[call] = sometimes[call] or {}
        table.insert(sometimes[call], { entry = entry, when = condition_of(call, entry.args, entry.where) })
      end
    end
  end
  for call, rules in pairs(sometimes) do
    for _, rule in ipairs(rules) do
      if always[call] then
        warn(("%s: %s is decided by %s, which has no args"):format(rule.entry.where, call, always[call].where))
      end
    end
    if always[call] then sometimes[call] = nil end
  end
  for call, entry in pairs(passed_over) do
    local other = always[call] or (sometimes[call] and sometimes[call][1].entry)
    if other then warn(("%s: %s has the default action here, which runtimes pass over; see %s"):format(entry.where, call, other.where)) end
  end
  return always, sometimes
end

-- The alternatives of a rule's condition, each a list of { index, cubes }.
local function alternatives(call, rule)
  if rule.alternatives then return rule.alternatives end
  rule.alternatives = {}
  for i, conjunction in ipairs(filter.comparisons(rule.when, signatures[call])) do
    rule.alternatives[i] = {}
    for k, one in ipairs(conjunction) do rule.alternatives[i][k] = { index = one.index, cubes = boxes.cubes(one) } end
  end
  return rule.alternatives
end

local function overlap(call, a, b)
  for _, left in ipairs(alternatives(call, a)) do
    for _, right in ipairs(alternatives(call, b)) do
      if boxes.overlap(left, right) then return true end
    end
  end
  return false
end

local function warn_of_overlaps(sometimes, warn)
  local left = 100000  -- pairs to look at
  for _, call in ipairs(reader.sorted_keys(sometimes)) do
    local rules = sometimes[call]
    for i = 1, #rules do
      for k = i + 1, #rules do
        if rules[i].entry.action ~= rules[k].entry.action then
          left = left - 1
          if left == 0 then return warn "too many entries to say which of them overlap: the stricter action is taken" end
          if overlap(call, rules[i], rules[k]) then
            warn(("%s and %s overlap for %s: the stricter action is taken"):format(rules[i].entry.where, rules[k].entry.where, call))
          end
        end
      end
    end
  end
end

local function statements_of(entries, always, sometimes)
  local statements, done = {}, {}
  for _, entry in ipairs(entries) do
    local calls = {}
    for _, call in ipairs(entry.calls) do
      if always[call] == entry and not done[call] then
        done[call] = true
        calls[#calls + 1] = call
      end
    end
    if #calls > 0 then
      statements[#statements + 1] = { action = entry.action, calls = calls, where = entry.where,
                                      words = { calls[1] .. (#calls > 1 and ", ..." or "") } }
    end
  end
  for _, call in ipairs(reader.sorted_keys(sometimes)) do
    local rules = sometimes[call]
    for i, rule in ipairs(rules) do rule.place = i end
    table.sort(rules, function(a, b)                     -- what stands later wins
      local x, y = strictness(a.entry.action), strictness(b.entry.action)
      return x > y or (x == y and a.place < b.place)
    end)
    for _, rule in ipairs(rules) do
      statements[#statements + 1] = { action = rule.entry.action, calls = { call }, when = rule.when, where = rule.entry.where,
                                      words = { call } }
    end
  end
  return statements
end

-- ---- the whole

local option_keys = set "name capabilities architecture kernel"

local function host_of(options)
  local native = options.architecture or filter.architecture()
  if not names.go[native] then fail(("from_oci: '%s' is no architecture that ccsand knows"):format(tostring(native))) end
  local kernel
  return {
    native = native, go = names.go[native], capabilities = capability_set(options.capabilities),
    kernel = function()
      kernel = kernel or version_of(kernel_release(options), "this host")
      return kernel
    end,
  }
end

local function profile_of(source)
  local profile = source
  if type(source) == "string" then profile = json.decode(source) end
  if type(profile) ~= "table" then fail("from_oci: takes JSON or a table of it, got " .. type(profile)) end
  if type(profile.linux) == "table" and type(profile.linux.seccomp) == "table" then return profile.linux.seccomp end
  return profile
end

--- A policy of a profile, JSON or a table; the second result lists what was passed over.
--- options: name, capabilities (as a container's key), architecture, kernel ("6.1").
function oci.read(source, options)
  options = options or {}
  if type(options) ~= "table" then fail("from_oci: options are a table, got " .. type(options)) end
  require_keys(options, option_keys, "from_oci")
  local profile, host = profile_of(source), host_of(options)
  local name = options.name or "OCI profile"
  local warnings = {}
  local function warn(text) warnings[#warnings + 1] = text end
  require_keys(profile, profile_keys, name)
  local default = action_of(profile.defaultAction, profile.defaultErrnoRet, profile.defaultErrno, name .. ", defaultAction")
  if #texts(profile.flags, name, "flags") > 0 then warn "flags: ccsand sets its own when it loads a filter" end
  if not absent(profile.listenerPath) then warn "listenerPath: the key 'notify' of a container decides calls here" end
  local entries = entries_of(profile, host, name, warn)
  local always, sometimes = sorted_out(entries, default, warn)
  warn_of_overlaps(sometimes, warn)
  local statements = statements_of(entries, always, sometimes)
  -- A default that stops calls is for those that the profile's author knew: to newer ones,
  -- runc answers ENOSYS, with which a libc tries an older call.
  local lenient = default == actions.number "allow" or default == actions.number "log" or actions.word(default):find "^trace"
  local architectures = architectures_of(profile, host.native, warn)
  table.sort(warnings)
  return seccomp.make {
    name = name, statements = statements, architectures = architectures, default = default,
    unknown = lenient and default or actions.number "errno ENOSYS", foreign = actions.number "kill",
  }, warnings
end

return oci
