-- A policy as the JSON of OCI runtimes, in the form of config.json: for runc, crun and
-- whatever else hands it to libseccomp.
--
-- There, entries have no order, each compares an argument once, and compares 64 bits. So
-- the statements of a call become entries that exclude each other, whichever is looked at
-- first: the "else" of a condition is cut into comparisons of bits (ccsand.seccomp.boxes).
local bit = require "bit"
local core = require "ccsand.core"
local filter = require "ccsand.filter"
local json = require "ccsand.json"
local seccomp = require "ccsand.seccomp"
local actions = require "ccsand.seccomp.actions"
local boxes = require "ccsand.seccomp.boxes"
local names = require "ccsand.seccomp.oci_names"
local signatures = require "ccsand.seccomp.signatures"

local most_entries = 512  -- of one call: BPF has 4096 instructions for all

local function fail(message, hint) error(core.error(message, hint), 0) end

-- ---- answers

local function action_of(number, what)
  local kind, data = math.floor(number / 65536) * 65536, number % 65536
  local word = actions.word(kind):match "^%S+"
  if word == "notify" then fail(("to_oci: %s is for notify, which needs a listener beside the profile"):format(what)) end
  if word == "errno" then return "SCMP_ACT_ERRNO", data end
  if word == "trace" then return "SCMP_ACT_TRACE", data end
  if data ~= 0 then fail(("to_oci: %s answers %s, whose number the form cannot say"):format(what, actions.word(number))) end
  return ({ allow = "SCMP_ACT_ALLOW", log = "SCMP_ACT_LOG", trap = "SCMP_ACT_TRAP", kill = "SCMP_ACT_KILL_PROCESS",
            kill_thread = "SCMP_ACT_KILL_THREAD" })[word]
end

local narrow = { x86 = true, arm = true }

local function architectures_of(record)
  local words, has_narrow = json.array {}, false
  for i, name in ipairs(record.architectures) do
    if name == "native" then name = filter.architecture() end
    words[i] = names.architecture_words[name]
    has_narrow = has_narrow or narrow[name] or false
  end
  return words, has_narrow
end

-- The form has one default; runc answers ENOSYS to new calls where the default stops them.
local function require_answers(record)
  local stops = actions.denies(record.default) and not actions.word(record.default):find "^trace"
  if record.unknown ~= record.default and not (stops and record.unknown == actions.number "errno ENOSYS") then
    fail(("to_oci: new calls are answered %s and other calls %s: the form has one default for both")
      :format(actions.word(record.unknown), actions.word(record.default)))
  end
  if record.foreign ~= actions.number "kill" and record.foreign ~= actions.number "kill_thread" then
    fail(("to_oci: calls of other architectures are answered %s: runtimes kill"):format(actions.word(record.foreign)))
  end
end

-- ---- comparisons

local all = 0xffffffffffffffffULL
local operators = { ["=="] = "SCMP_CMP_EQ", ["!="] = "SCMP_CMP_NE", ["<"] = "SCMP_CMP_LT", ["<="] = "SCMP_CMP_LE",
                    [">"] = "SCMP_CMP_GT", [">="] = "SCMP_CMP_GE" }

-- 64-bit numbers stay what they are: json.encode writes them whole.
local function masked(index, mask, value)
  if mask == all then return { index = index, op = "SCMP_CMP_EQ", value = value } end
  return { index = index, op = "SCMP_CMP_MASKED_EQ", value = mask, valueTwo = value }
end

local function args_of(box)
  local args = json.array {}
  for i = 0, 5 do
    if box[i] and box[i][1] ~= 0 then args[#args + 1] = masked(i, box[i][1], box[i][2]) end
  end
  return args
end

-- The args of comparisons that the form can say as they are; nil where it cannot. Operators of order, and "not
-- equal", are for entries that are alone with their call: of several, libseccomp 2.5.4 makes wrong code (< 1 and
-- >= 0x7c3528bd2493 of one argument let 0x80000000 be the latter).
local function direct(conjunction, alone)
  local args, seen = json.array {}, {}
  for i, one in ipairs(conjunction) do
    if seen[one.index] then return nil end
    seen[one.index] = true
    local mask = bit.bor(bit.lshift(1ULL * one.mask[1], 32), 1ULL * one.mask[2])
    local value = bit.bor(bit.lshift(1ULL * one.value[1], 32), 1ULL * one.value[2])
    local ordered = one.op ~= "==" and one.op ~= "!="
    if alone and one.bits == 64 and mask == all and not (ordered and one.signed) then
      args[i] = { index = one.index, op = operators[one.op], value = value }
    elseif one.op == "==" and bit.band(value, bit.bnot(mask)) == 0 then
      args[i] = masked(one.index, one.bits == 64 and mask or bit.band(mask, 0xffffffffULL), value)
    else
      return nil
    end
  end
  return args
end

-- ---- one call

local function too_many(call)
  fail(("to_oci: the conditions of %s would take more than %d entries: the form has no order and no \"not\""):format(call, most_entries))
end

-- A 32-bit architecture compares the lower halves alone: what upper bits decide is lost there.
local function require_halves(call, conjunction)
  for _, one in ipairs(conjunction) do
    if one.bits == 64 then
      fail(("to_oci: %s compares 64 bits in a way that the form cannot say for a 32-bit architecture"):format(call),
        "export a policy of the native architecture alone")
    end
  end
end

-- Whether the alternatives can stand alone: one action, and the default for the rest.
local function is_simple(list, default)
  for _, statement in ipairs(list) do
    if statement.action ~= (statement.when and list[1].action or default) then return false end
  end
  return true
end

-- Without those that are part of a box which is answered the same already; and whether there were any.
local function outside(list, box)
  local rest = {}
  for _, one in ipairs(list) do
    if not boxes.within(one, box) then rest[#rest + 1] = one end
  end
  return rest, #rest < #list
end

-- The entries of a call with conditions: { action, args }. Each is what its condition covers without what
-- earlier statements answered otherwise; where two overlap, they answer the same.
local function entries_of(call, list, default, has_narrow)
  local result, taken, simple = {}, {}, is_simple(list, default)
  local alone = simple and not (list[2] and list[2].when) and #filter.comparisons(list[1].when, signatures[call]) == 1
  local function add(action, args)
    if #args == 0 then result = {} end                    -- it covers all: what came before answers the same
    if action ~= default then result[#result + 1] = { action = action, args = args } end
    if #result > most_entries then too_many(call) end
  end
  local function add_alternative(statement, conjunction)
    local whole = boxes.of(conjunction, most_entries) or too_many(call)
    local rest, cut = whole, false
    for _, earlier in ipairs(taken) do
      local less
      if earlier.action ~= statement.action then rest, less = boxes.without(rest, earlier.box)
      else rest, less = outside(rest, earlier.box) end
      cut = cut or less
      if #rest > 4 * most_entries then too_many(call) end
    end
    local args = not cut and direct(conjunction, alone)
    if has_narrow and not (simple and args) then require_halves(call, conjunction) end
    if args then
      add(statement.action, args)
    else
      for _, box in ipairs(rest) do add(statement.action, args_of(box)) end
    end
    for _, box in ipairs(whole) do taken[#taken + 1] = { action = statement.action, box = box } end
  end
  for _, statement in ipairs(list) do
    for _, conjunction in ipairs(statement.when and filter.comparisons(statement.when, signatures[call]) or { {} }) do
      add_alternative(statement, conjunction)
    end
  end
  return result
end

-- ---- the whole

--- The policy as JSON, for `linux.seccomp` of a config.json.
return function(policy)
  local record = seccomp.parts(policy)
  require_answers(record)
  local architectures, has_narrow = architectures_of(record)
  local rules, calls = seccomp.effective(policy), {}
  for call in pairs(rules) do calls[#calls + 1] = call end
  table.sort(calls)
  local profile = { architectures = architectures, syscalls = json.array {} }
  profile.defaultAction, profile.defaultErrnoRet = action_of(record.default, "the policy's default")
  local plain, order, conditional = {}, {}, {}
  for _, call in ipairs(calls) do
    local list = rules[call]
    if not list[1].when then
      local action = list[1].action
      if action ~= record.default then
        if not plain[action] then order[#order + 1] = action end
        plain[action] = plain[action] or json.array {}
        table.insert(plain[action], call)
      end
    else
      for _, entry in ipairs(entries_of(call, list, record.default, has_narrow)) do
        conditional[#conditional + 1] = { call, entry }
      end
    end
  end
  local function add(action, list, args)
    local entry = { names = list, args = args }
    entry.action, entry.errnoRet = action_of(action, list[1])
    table.insert(profile.syscalls, entry)
  end
  table.sort(order)
  for _, action in ipairs(order) do add(action, plain[action]) end
  for _, one in ipairs(conditional) do add(one[2].action, json.array { one[1] }, one[2].args) end
  return json.encode(profile, { indent = 2 }) .. "\n"
end
