-- Policies for system calls, as immutable values. What is here makes statements of
-- tables and chains; ccsand.filter (C++) makes BPF of statements.
local core = require "ccsand.core"
local filter = require "ccsand.filter"
local groups = require "ccsand.seccomp.groups"
local signatures = require "ccsand.seccomp.signatures"
local actions = require "ccsand.seccomp.actions"

local seccomp = {}
local Policy = {}
local parts = setmetatable({}, { __mode = "k" })     -- policy -> its parts, never handed out
local programs = setmetatable({}, { __mode = "k" })  -- policy -> { bytes, notifies }

local function fail(message, hint) error(core.error(message, hint)) end

-- ---- statements

-- Where two lists of one table name the same call, the later in this row wins.
local row = { "allow", "log", "notify", "trace", "errno", "deny", "trap", "kill_thread", "kill" }

local known_calls
local function require_call(name)
  if not known_calls then
    known_calls = {}
    for call in pairs(signatures) do known_calls[call] = true end
  end
  if known_calls[name] or filter.number(name) then return end
  local near = core.nearest(name, filter.calls())
  fail(("seccomp: there is no system call '%s'%s"):format(tostring(name), near and "; did you mean '" .. near .. "'?" or ""))
end

-- The calls of a word: a call, or a group of them.
local function calls_of(word)
  if type(word) ~= "string" then fail("seccomp: calls are named by strings, got " .. type(word)) end
  if word:sub(1, 1) ~= "@" then
    require_call(word)
    return { word }
  end
  local good, calls = pcall(groups.expand, word)
  if good then return calls end
  local names = {}
  for name in pairs(groups) do
    if name:sub(1, 1) == "@" then names[#names + 1] = name end
  end
  local near = core.nearest(word, names)
  fail(("seccomp: there is no group '%s'%s"):format(word, near and "; did you mean '" .. near .. "'?" or ""))
end

-- Checks a condition against the parameters of its call.
local function require_condition(call, when)
  if type(when) ~= "string" then fail(("seccomp: the condition of '%s' must be a string, got %s"):format(call, type(when))) end
  if not signatures[call] then fail("seccomp: the parameters of '" .. call .. "' are not known: it takes no condition") end
  local good, problem = pcall(filter.condition, when, signatures[call])
  if not good then fail(call .. ": " .. tostring(problem.message or problem), problem.hint) end
end

-- Adds the statements of { "read", "@network", socket = "domain == AF_UNIX" }.
local function add_list(statements, action, list, where)
  if type(list) == "string" then list = { list } end
  if type(list) ~= "table" then fail("seccomp: takes a list of calls, got " .. type(list)) end
  local plain, words, conditional = {}, {}, {}
  for key, value in pairs(list) do
    if type(key) == "number" then
      words[#words + 1] = value
      for _, call in ipairs(calls_of(value)) do plain[#plain + 1] = call end
    else
      conditional[#conditional + 1] = key
    end
  end
  if #plain > 0 then
    statements[#statements + 1] = { action = action, calls = plain, where = where, words = words }
  end
  table.sort(conditional, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(conditional) do
    local calls = calls_of(key)
    local conditions = type(list[key]) == "table" and list[key] or { list[key] }
    for _, when in ipairs(conditions) do
      for _, call in ipairs(calls) do require_condition(call, when) end
      statements[#statements + 1] = { action = action, calls = calls, when = when, where = where, words = { key } }
    end
  end
end

-- { ENOSYS = { ... }, EPERM = { ... } }
local function add_errnos(statements, table_of_lists, where)
  if type(table_of_lists) ~= "table" then fail "seccomp: errno takes a table such as { ENOSYS = { \"clone3\" } }" end
  local names = {}
  for name in pairs(table_of_lists) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(names) do
    add_list(statements, actions.number("errno " .. tostring(name)), table_of_lists[name], where)
  end
end

local function make(record)
  local policy = setmetatable({}, Policy)
  parts[policy] = record
  return policy
end

--- For other modules of ccsand: the policy of a record { name, statements, architectures, default, unknown,
--- foreign } whose parts have been checked.
function seccomp.make(record) return make(record) end

local function of(policy, method)
  local record = parts[policy]
  if not record then fail(method .. ": call it as a method of a policy, policy:" .. method .. "(...)") end
  return record
end

local function copied(record)
  local copy = {}
  for k, v in pairs(record) do copy[k] = v end
  copy.statements = {}
  for i, statement in ipairs(record.statements) do copy.statements[i] = statement end
  return copy
end

local function set_architectures(record, list)
  if list == nil then return end
  if type(list) ~= "table" or #list == 0 then fail "seccomp: architectures is a list such as { \"native\", \"x86\" }" end
  for _, name in ipairs(list) do filter.number("read", name) end -- an error names the nearest
  record.architectures = list
end

local keys = { name = true, from = true, architectures = true, default = true, unknown = true, foreign = true }
for _, word in ipairs(row) do keys[word] = true end

--- Makes a policy of a table.
function seccomp.policy(spec)
  if type(spec) ~= "table" then fail("seccomp.policy: takes a table, got " .. type(spec)) end
  local names = {}
  for key in pairs(keys) do names[#names + 1] = key end
  for key in pairs(spec) do
    if not keys[key] then
      local near = core.nearest(tostring(key), names)
      fail(("seccomp.policy: '%s' is not a key%s"):format(tostring(key), near and "; did you mean '" .. near .. "'?" or ""))
    end
  end
  local from = spec.from
  if type(from) == "string" then from = seccomp.named(from) end
  if from ~= nil and not parts[from] then fail "seccomp.policy: 'from' is a policy, or the name of one that ships" end
  local where = core.caller() or "?"
  local record = from and copied(parts[from]) or {
    statements = {}, architectures = { "native" },
    default = actions.number "errno EPERM", unknown = actions.number "errno ENOSYS", foreign = actions.number "kill",
  }
  if spec.name ~= nil and type(spec.name) ~= "string" then fail "seccomp.policy: 'name' is a string" end
  record.name = spec.name or (from and record.name .. ", changed by " .. where) or "policy of " .. where
  set_architectures(record, spec.architectures)
  for _, key in ipairs { "default", "unknown", "foreign" } do
    if spec[key] ~= nil then record[key] = actions.number(spec[key]) end
  end
  if record.default == actions.number "allow" and spec.unknown == nil and not from then record.unknown = record.default end
  for _, word in ipairs(row) do
    if spec[word] ~= nil then
      if word == "errno" then add_errnos(record.statements, spec.errno, where)
      else add_list(record.statements, actions.number(word), spec[word], where) end
    end
  end
  return make(record)
end

function seccomp.is(value) return parts[value] ~= nil end

-- ---- chains

-- policy:allow("read", "@network"), policy:allow { socket = "domain == AF_UNIX" }
local function chained(self, method, action, ...)
  local record = copied(of(self, method))
  local list = ...
  if type(list) ~= "table" then list = { ... } end
  if next(list) == nil then fail(method .. ": names no call") end
  add_list(record.statements, action, list, core.caller() or "?")
  return make(record)
end

Policy.__index = Policy
Policy.__metatable = "a policy"
Policy.__newindex = function() fail "a policy cannot be changed; its methods give changed copies" end
Policy.__tostring = function(self) return "policy " .. parts[self].name end
Policy.__eq = function(a, b) return a:bpf() == b:bpf() end

for _, word in ipairs(row) do
  if word ~= "errno" then
    Policy[word] = function(self, ...) return chained(self, word, actions.number(word), ...) end
  end
end
--- policy:errno("ENOSYS", "clone3", ...)
function Policy:errno(name, ...) return chained(self, "errno", actions.number("errno " .. tostring(name)), ...) end
--- These calls under these conditions, and no others of them: policy:only { socket = "domain == AF_UNIX" }
function Policy:only(list)
  if type(list) ~= "table" then fail "only: takes a table such as { socket = \"domain == AF_UNIX\" }" end
  local record = copied(of(self, "only"))
  local where = core.caller() or "?"
  for key in pairs(list) do
    if type(key) ~= "string" then fail "only: names calls with conditions, { socket = \"domain == AF_UNIX\" }" end
    local stops = actions.denies(record.default) and not actions.word(record.default):find "^errno" and record.default
    add_list(record.statements, stops or actions.number "deny", { key }, where)
  end
  add_list(record.statements, actions.number "allow", list, where)
  return make(record)
end
--- What the other policy states comes on top of this one's.
function Policy:with(other)
  local record, top = copied(of(self, "with")), of(other, "with")
  for _, statement in ipairs(top.statements) do record.statements[#record.statements + 1] = statement end
  record.name = record.name .. " with " .. top.name
  return make(record)
end
--- The policy with "notify" for each answer that stops a call: for those who watch.
function Policy:watching()
  local record = copied(of(self, "watching"))
  local ask = actions.number "notify"
  for i, statement in ipairs(record.statements) do
    if actions.denies(statement.action) then
      local copy = {}
      for k, v in pairs(statement) do copy[k] = v end
      copy.action = ask
      record.statements[i] = copy
    end
  end
  if actions.denies(record.default) then record.default = ask end
  return make(record)
end
function Policy:named(name)
  if type(name) ~= "string" then fail "named: takes a string" end
  local record = copied(of(self, "named"))
  record.name = name
  return make(record)
end
function Policy:name() return of(self, "name").name end

-- ---- what a policy means

-- By call: what decides it, the deciding statement first. The last one is unconditional.
local function effective(record)
  local result = {}
  for i = #record.statements, 1, -1 do
    local statement = record.statements[i]
    for _, call in ipairs(statement.calls) do
      local list = result[call] or {}
      result[call] = list
      if not list.closed then
        list[#list + 1] = statement
        list.closed = not statement.when
      end
    end
  end
  return result
end
local function default_statement(record) return { action = record.default, where = "the policy's default", calls = {} } end

local function compiled(self, method)
  if programs[self] then return programs[self] end
  local record = of(self, method)
  local spec = { architectures = record.architectures, unnamed = record.default, unknown = record.unknown,
                 foreign = record.foreign, statements = {}, signatures = {} }
  local notifies = false
  for i, statement in ipairs(record.statements) do
    spec.statements[i] = { action = statement.action, calls = statement.calls, when = statement.when }
    if statement.when then
      for _, call in ipairs(statement.calls) do spec.signatures[call] = signatures[call] end
    end
    notifies = notifies or statement.action == actions.number "notify" or record.default == actions.number "notify"
  end
  programs[self] = { bytes = filter.compile(spec), notifies = notifies }
  return programs[self]
end

--- The compiled program, as seccomp(2) takes it.
function Policy:bpf() return compiled(self, "bpf").bytes end
--- Whether some calls are for a supervisor to decide.
function Policy:notifies() return compiled(self, "notifies").notifies end

--- What the compiled filter answers: policy:test("socket", "AF_VSOCK"). Arguments are numbers or
--- expressions of constants; a table { "socket", "AF_INET", architecture = "x86" } names another architecture.
function Policy:test(call, ...)
  local arguments, architecture = { ... }, "native"
  if type(call) == "table" then
    arguments, architecture = { unpack(call, 2) }, call.architecture or "native"
    call = call[1]
  end
  return actions.word(filter.simulate(self:bpf(), architecture, call, unpack(arguments, 1, 6)))
end

-- Whether a statement's condition holds, as the filter would find it.
local function holds(statement, call, arguments)
  if not statement.when then return true end
  local yes, no = actions.number "allow", actions.number "kill"
  local program = filter.compile { architectures = { "native" }, unnamed = no, unknown = no, foreign = no,
    statements = { { action = yes, calls = { call }, when = statement.when } }, signatures = { [call] = signatures[call] } }
  return filter.simulate(program, "native", call, unpack(arguments, 1, 6)) == yes
end

local function described(statement)
  local words = statement.words and table.concat(statement.words, ", ")
  return ("%s%s%s, %s%s"):format(actions.word(statement.action), words and " " .. words or "",
    statement.when and " where " .. statement.when or "", statement.where, statement.note and " (" .. statement.note .. ")" or "")
end

--- Which statement decides a call: { action, where, when, text }. Without arguments, a call with conditions
--- has `otherwise`: what comes after where the condition does not hold.
function Policy:explain(call, ...)
  local record = of(self, "explain")
  require_call(call)
  local list = effective(record)[call] or {}
  if not list.closed then list[#list + 1] = default_statement(record) end
  local arguments = { ... }
  local function explained(i)
    local statement = list[i]
    if #arguments > 0 and not holds(statement, call, arguments) then return explained(i + 1) end
    return { action = actions.word(statement.action), where = statement.where, when = statement.when, text = described(statement),
             otherwise = #arguments == 0 and statement.when and explained(i + 1) or nil }
  end
  return explained(1)
end

-- What is done with a call, in one line.
local function summary(record, list)
  local words = {}
  for _, statement in ipairs(list or {}) do
    words[#words + 1] = actions.word(statement.action) .. (statement.when and " where " .. statement.when or "")
  end
  if not list or not list.closed then words[#words + 1] = actions.word(record.default) end
  return table.concat(words, "; else ")
end

--- The policy as text, call after call.
function Policy:pseudo_code()
  local record = of(self, "pseudo_code")
  local rules, calls, lines = effective(record), {}, {}
  for call in pairs(rules) do calls[#calls + 1] = call end
  table.sort(calls)
  lines[1] = "# " .. record.name .. " (" .. table.concat(record.architectures, ", ") .. ")"
  for _, call in ipairs(calls) do lines[#lines + 1] = call .. ": " .. summary(record, rules[call]) end
  lines[#lines + 1] = "other calls: " .. actions.word(record.default)
  lines[#lines + 1] = "calls that ccsand does not know: " .. actions.word(record.unknown)
  lines[#lines + 1] = "other architectures: " .. actions.word(record.foreign)
  return table.concat(lines, "\n") .. "\n"
end

--- What changes from this policy to the other: a list of { call, before, after }, whose tostring is text.
function Policy:diff(other)
  local a, b = of(self, "diff"), of(other, "diff")
  local before, after, calls, seen = effective(a), effective(b), {}, {}
  for _, rules in ipairs { before, after } do
    for call in pairs(rules) do
      if not seen[call] then
        seen[call] = true
        calls[#calls + 1] = call
      end
    end
  end
  table.sort(calls)
  local changes = setmetatable({}, { __tostring = function(list)
    local lines = {}
    for _, change in ipairs(list) do lines[#lines + 1] = ("%s: %s -> %s\n"):format(change.call, change.before, change.after) end
    return table.concat(lines)
  end })
  local function compare(call, x, y)
    if x ~= y then changes[#changes + 1] = { call = call, before = x, after = y } end
  end
  for _, call in ipairs(calls) do compare(call, summary(a, before[call]), summary(b, after[call])) end
  compare("other calls", actions.word(a.default), actions.word(b.default))
  compare("unknown calls", actions.word(a.unknown), actions.word(b.unknown))
  compare("other architectures", actions.word(a.foreign), actions.word(b.foreign))
  return changes
end

--- For other modules of ccsand: statements and answers, not to be changed.
function seccomp.parts(policy) return of(policy, "parts") end
--- By call, the statements that decide it, the first one first; `closed` where the last is unconditional.
function seccomp.effective(policy) return effective(of(policy, "effective")) end

-- ---- other formats, which load when they are first used

--- The policy of an OCI or Docker profile, and a list of what was passed over.
function seccomp.from_oci(source, options) return require("ccsand.seccomp.oci").read(source, options) end
--- The policy of a source in kafel's language.
function seccomp.from_kafel(text, options) return require("ccsand.seccomp.kafel").read(text, options) end
--- The policy as JSON for OCI runtimes.
function Policy:to_oci()
  of(self, "to_oci")
  return require("ccsand.seccomp.oci").write(self)
end

-- ---- the profiles that ship

--- The default profile for these capabilities (a list of names, default: those of a container).
function seccomp.default(options)
  options = options or {}
  if type(options) ~= "table" then fail "seccomp.default: takes a table such as { capabilities = { \"chown\" } }" end
  local capabilities = core.capabilities { capabilities = options.capabilities }
  local set = {}
  for _, name in ipairs(capabilities) do set[name] = true end
  local record = {
    name = "default", architectures = options.architectures or { "native" }, statements = {},
    default = actions.number "errno ENOSYS", unknown = actions.number "errno ENOSYS", foreign = actions.number "kill",
  }
  for i, statement in ipairs(require("ccsand.seccomp.default")(set)) do
    record.statements[i] = { action = actions.number(statement.action), calls = statement.calls, when = statement.when,
                             where = "the default profile", words = { statement.calls[1] .. (#statement.calls > 1 and ", ..." or "") },
                             note = statement.note }
  end
  return make(record)
end

--- A policy that ships, by name.
function seccomp.named(name)
  if name == "default" then return seccomp.default() end
  local policies = require "ccsand.seccomp.policies"
  if type(policies[name]) ~= "function" then
    local names = { "default" }
    for other in pairs(policies) do names[#names + 1] = other end
    table.sort(names)
    fail(("seccomp: there is no policy '%s'"):format(tostring(name)), "these ship: " .. table.concat(names, ", "))
  end
  return policies[name](seccomp)
end

return seccomp
