-- Policies in kafel's language, that of nsjail: read by recursive descent as far as they
-- have a meaning here. Of rules for one call, the first that matches decides there, and
-- the last here: they are turned around.
local bit = require "bit"
local core = require "ccsand.core"
local filter = require "ccsand.filter"
local seccomp = require "ccsand.seccomp"
local actions = require "ccsand.seccomp.actions"
local conditions = require "ccsand.seccomp.conditions"
local tokens_of = require "ccsand.seccomp.kafel_tokens"
local spellings = require "ccsand.seccomp.kafel_names"

local kafel = {}
local deepest, most_statements = 64, 20000

local Parser = {}
Parser.__index = Parser

-- ---- tokens

function Parser:wrong(message, token, hint)
  token = token or self.tokens[self.at]
  error(core.error(("%s:%d:%d: %s"):format(self.name, token.line, token.column, message), hint), 0)
end
function Parser:peek() return self.tokens[self.at] end
function Parser:is(text)
  local token = self.tokens[self.at]
  return token.text == text and token.kind ~= "text"
end
function Parser:take(text)
  if not self:is(text) then return nil end
  self.at = self.at + 1
  return self.tokens[self.at - 1]
end
function Parser:need(text, what)
  return self:take(text) or self:wrong(("'%s' is missing%s before '%s'"):format(text, what and " " .. what or "", self:peek().text))
end
function Parser:take_kind(kind, what)
  local token = self:peek()
  if token.kind ~= kind then self:wrong(("%s is missing before '%s'"):format(what, token.text)) end
  self.at = self.at + 1
  return token
end

-- ---- directives

function Parser:define()
  local name = self:take_kind("name", "the constant's name")
  local value = self:take_kind("number", "the constant's value").value
  if self.constants[name.text] and self.constants[name.text] ~= value then
    self:wrong(("'%s' is defined already, with another value"):format(name.text), name)
  end
  self.constants[name.text] = value
  if not self:take ";" then self:take_kind("line", "the end of the line") end
end

function Parser:include()
  repeat
    local file = self:take_kind("text", "the file's name")
    local text = self.options.include and self.options.include[file.value]
    if type(text) ~= "string" then
      self:wrong(("#include \"%s\": there is no such text"):format(file.value), file,
        "no files are read; give the text: from_kafel(text, { include = { [\"" .. file.value .. "\"] = text } })")
    end
    if self.depth >= 16 then self:wrong("#include is nested too deep", file) end
    local tokens, at, name = self.tokens, self.at, self.name
    self.tokens, self.at, self.name, self.depth = tokens_of(text, file.value), 1, file.value, self.depth + 1
    self:program()
    self.tokens, self.at, self.name, self.depth = tokens, at, name, self.depth - 1
  until self:peek().kind ~= "text"
  if not self:take ";" then self:take_kind("line", "the end of the line") end
end

-- ---- actions

local plain_actions = { ALLOW = "allow", LOG = "log", KILL = "kill_thread", KILL_THREAD = "kill_thread", DENY = "kill_thread",
                        KILL_PROCESS = "kill", USER_NOTIF = "notify" }
local numbered_actions = { ERRNO = { 0x00050000, 4095 }, TRAP = { 0x00030000, 65535 }, TRACE = { 0x7ff00000, 65535 } }

function Parser:is_action()
  local token = self:peek()
  return token.kind == "name" and (plain_actions[token.text] or numbered_actions[token.text]) ~= nil
end

-- A number, or the name of one.
function Parser:number(what)
  local token = self:peek()
  if token.kind == "number" then
    self.at = self.at + 1
    return token.value
  end
  local name = self:take_kind("name", what)
  local value = self.constants[name.text] or filter.constant(name.text)
  if not value then self:wrong(("'%s' is no constant"):format(name.text), name) end
  return self.constants[name.text] or ((value < 0 and 0ULL - (1ULL * -value)) or 1ULL * value)
end

function Parser:action()
  local token = self:peek()
  if not self:is_action() then
    self:wrong(("'%s' is no action"):format(token.text), token,
      "actions are ALLOW, LOG, KILL, KILL_PROCESS, DENY, ERRNO(n), TRAP(n), TRACE(n), USER_NOTIF")
  end
  self.at = self.at + 1
  if plain_actions[token.text] then return actions.number(plain_actions[token.text]) end
  local base, most = unpack(numbered_actions[token.text])
  self:need("(", "after " .. token.text)
  local value = self:number "the number"
  if value > most then self:wrong(("%s takes a number from 0 to %d"):format(token.text, most), token) end
  self:need ")"
  return base + tonumber(value)
end

-- ---- conditions: what is parsed is a node { number = }, { parameter =, mask = }, or text

local flipped = { ["=="] = "==", ["!="] = "!=", ["<"] = ">", ["<="] = ">=", [">"] = "<", [">="] = "<=" }

function Parser:operand(call, depth)
  if depth > deepest then self:wrong "the condition is nested too deep" end
  local token = self:peek()
  if self:take "(" then
    local value = self:bits(call, depth + 1)
    self:need ")"
    return value
  end
  if token.kind == "number" then return { number = self:number() } end
  if token.kind ~= "name" then self:wrong(("an argument or a number is missing before '%s'"):format(token.text)) end
  if not self.constants[token.text] then
    local parameter = call.parameters[token.text]
    if parameter then
      self.at = self.at + 1
      return { parameter = parameter }
    end
    if not filter.constant(token.text) then
      self:wrong(("'%s' is no argument of %s"):format(token.text, call.name), token,
        #call.list > 0 and "it has: " .. table.concat(call.list, ", ") or "it has none")
    end
  end
  return { number = self:number() }
end
function Parser:masked(call, depth)
  local left = self:operand(call, depth)
  while self:is "&" do
    local sign = self:take "&"
    local right = self:operand(call, depth)
    if left.number then left, right = right, left end
    if not right.number then self:wrong("two arguments cannot be combined: a filter compares with numbers", sign) end
    if left.number then left = { number = bit.band(left.number, right.number) }
    else left = { parameter = left.parameter, mask = bit.band(left.mask or 0xffffffffffffffffULL, right.number) } end
  end
  return left
end
function Parser:bits(call, depth)
  local left = self:masked(call, depth)
  while self:is "|" do
    local sign = self:take "|"
    local right = self:masked(call, depth)
    if not (left.number and right.number) then self:wrong("'|' joins numbers; an argument has no '|' here", sign) end
    left = { number = bit.bor(left.number, right.number) }
  end
  return left
end

function Parser:comparison(call, depth)
  local left = self:bits(call, depth)
  local sign = self:peek()
  if not flipped[sign.text] then self:wrong(("a comparison is missing before '%s'"):format(sign.text)) end
  self.at = self.at + 1
  local right, op = self:bits(call, depth), sign.text
  if left.number then left, right, op = right, left, flipped[op] end
  if left.number then self:wrong("compares two numbers: that says nothing of the call", sign) end
  if right.parameter then self:wrong("compares two arguments: a filter compares with numbers", sign) end
  local good, text = pcall(conditions.compare, left.parameter, op, right.number, left.mask)
  if not good then self:wrong(("%s: %s"):format(call.name, text.message or tostring(text)), sign) end
  good, text = pcall(function(when) conditions.check(call.name, when) return when end, text)
  if not good then self:wrong(text.message or tostring(text), sign, text.hint) end
  return text
end

-- A parenthesis may hold a condition or a value: a value is tried first.
function Parser:single(call, depth)
  if depth > deepest then self:wrong "the condition is nested too deep" end
  if self:take "!" then return "not " .. self:single(call, depth + 1) end
  if not self:is "(" then return self:comparison(call, depth) end
  local start = self.at
  local good, value = pcall(self.bits, self, call, depth)
  local is_value = good and flipped[self:peek().text]
  self.at = start
  if is_value then return self:comparison(call, depth) end
  if good and value.parameter then
    self:bits(call, depth)
    self:wrong(("a comparison is missing before '%s'"):format(self:peek().text))
  end
  self:need "("
  local inner = self:condition(call, depth + 1)
  self:need ")"
  return "(" .. inner .. ")"
end
function Parser:joined(call, depth, part, sign, word)
  local list = { part(self, call, depth) }
  while self:take(sign) do list[#list + 1] = part(self, call, depth) end
  return #list == 1 and list[1] or table.concat(list, word), #list
end
function Parser:every(call, depth) return (self:joined(call, depth, self.single, "&&", " and ")) end
function Parser:any(call, depth) return (self:joined(call, depth, self.every, "||", " or ")) end
function Parser:condition(call, depth) return (self:joined(call, depth, self.any, ",", " or ")) end

-- ---- calls

function Parser:call_name()
  local token = self:peek()
  if self:take "SYSCALL" then
    self:need "["
    local number = self:number "the call's number"
    self:need "]"
    return self:call_of(number, token)
  end
  self:take_kind("name", "a call")
  if self.constants[token.text] then return self:call_of(self.constants[token.text], token) end
  local name = spellings.calls[token.text] or token.text
  if not conditions.is_call(name) then
    local near = core.nearest(name, filter.calls())
    self:wrong(("there is no system call '%s'%s"):format(token.text, near and "; did you mean '" .. near .. "'?" or ""), token)
  end
  return name
end

-- Policies are of names here: a number must be that of a known call.
function Parser:call_of(number, token)
  if not self.numbers then
    local numbers = {}
    for _, name in ipairs(filter.calls()) do numbers[filter.number(name)] = name end
    self.numbers = numbers
  end
  return self.numbers[tonumber(number)]
    or self:wrong(("there is no call of number %s that ccsand knows"):format((tostring(number):gsub("ULL", ""))), token)
end

-- The arguments of a call by name: the man page's, the kernel's, or those declared here.
function Parser:parameters_of(name)
  local call = { name = name, parameters = {}, list = {} }
  local known = conditions.parameters(name) or {}
  for i, parameter in ipairs(known) do
    call.list[i] = parameter.name
    call.parameters[parameter.name] = parameter
    local other = spellings.parameters[name] and spellings.parameters[name][i]
    if other and other ~= "" then call.parameters[other] = call.parameters[other] or parameter end
  end
  if not self:take "(" then return call end
  call.parameters, call.list = {}, {}
  while not self:is ")" do
    local token = self:take_kind("name", "the argument's name")
    if call.parameters[token.text] then self:wrong(("the argument '%s' is declared twice"):format(token.text), token) end
    local place = #call.list + 1
    if place > 6 then self:wrong("a call has six arguments at most", token) end
    call.list[place] = token.text
    call.parameters[token.text] = known[place] or self:unknown_argument(name, #known, token)
    if not self:take "," then break end
  end
  self:need(")", "after the arguments")
  return call
end
function Parser:unknown_argument(name, count, token)
  self:wrong(("%s takes %d argument%s: '%s' would be one more"):format(name, count, count == 1 and "" or "s", token.text), token)
end

-- "ON x86_64", "ON { x86, arm }": whether the rule is for the policy's architectures.
function Parser:guard()
  local token = self:take "ON"
  if not token then return true end
  local wanted, braces = {}, self:take "{"
  repeat wanted[self:take_kind("name", "an architecture").text] = true until not (braces and self:take ",")
  if braces then self:need "}" end
  local inside = 0
  for _, name in ipairs(self.architectures) do
    if wanted[name == "native" and filter.architecture() or name] then inside = inside + 1 end
  end
  if inside == 0 then return false end
  if inside < #self.architectures then
    self:wrong("ON: a statement is for all architectures of a policy here, not for some", token)
  end
  return true
end

-- ---- blocks

-- ALLOW { read, write { fd == 1 } } -> statements
function Parser:block()
  local where = ("%s:%d"):format(self.name, self:peek().line)
  local action, plain, statements = self:action(), {}, {}
  self:need("{", "after the action")
  while not self:is "}" do
    local line = self:peek().line
    local call, when = self:parameters_of(self:call_name()), nil
    if self:take "{" then
      if not self:is "}" then when = self:condition(call, 1) end
      self:need("}", "after the condition")
    end
    if self:guard() then
      if when then
        self:require_size(call, when, line)
        statements[#statements + 1] = { action = action, calls = { call.name }, when = when, words = { call.name },
                                        where = ("%s:%d"):format(self.name, line) }
      else
        plain[#plain + 1] = call.name
      end
    end
    if not self:take "," then break end
  end
  self:need("}", "after the calls")
  if #plain > 0 then
    statements[#statements + 1] = { action = action, calls = plain, where = where,
                                    words = { plain[1] .. (#plain > 1 and ", ..." or "") } }
  end
  return statements
end
-- Each comparison has been checked; what is left is their number.
function Parser:require_size(call, when, line)
  local good, problem = pcall(conditions.check, call.name, when)
  if not good then self:wrong(problem.message, { line = line, column = 1 }, problem.hint) end
end

function Parser:use(into)
  repeat
    local name = self:take_kind("name", "the policy's name")
    local used = self.policies[name.text]
    if not used then self:wrong(("there is no policy '%s' above"):format(name.text), name) end
    self:append(into, used, name)
    -- "USE a, b" goes on; "USE a, USE b" and "USE a, ALLOW { ... }" are the block's next items.
    local comma, after = self:peek(), self.tokens[self.at + 1]
    local goes_on = comma.text == "," and after.kind == "name" and self.policies[after.text]
    if goes_on then self.at = self.at + 1 end
  until not goes_on
end
function Parser:append(into, statements, token)
  if #into + #statements > most_statements then
    self:wrong(("the policy has more than %d rules"):format(most_statements), token)
  end
  for _, statement in ipairs(statements) do into[#into + 1] = statement end
end

-- The items of a policy, between commas.
function Parser:items(into)
  repeat
    local token = self:peek()
    if self:take "USE" then self:use(into)
    elseif self:is_action() then self:append(into, self:block(), token)
    else self:wrong(("an action or USE is missing before '%s'"):format(token.text)) end
  until not self:take "," or self:is "}"
end

function Parser:policy()
  local name = self:take_kind("name", "the policy's name")
  if self.policies[name.text] then self:wrong(("the policy '%s' is defined already"):format(name.text), name) end
  local statements = {}
  self:need("{", "after the policy's name")
  if not self:is "}" then self:items(statements) end
  self:need("}", "after the policy")
  self.policies[name.text] = statements
end

function Parser:program()
  while self:peek().kind ~= "end" do
    local token = self:peek()
    if self:take "#" then
      if self:take "define" then self:define()
      elseif self:take "include" then self:include()
      else self:wrong(("#%s is no directive"):format(self:peek().text), nil, "#define NAME NUMBER, #include \"FILE\"") end
    elseif self:take "POLICY" then self:policy()
    elseif self:take "DEFAULT" then
      if self.default then self:wrong("there is a DEFAULT already", token) end
      self.default = self:action()
    elseif self:is "USE" or self:is_action() then self:items(self.statements)
    else self:wrong(("POLICY, USE, DEFAULT or an action is missing before '%s'"):format(token.text)) end
  end
end

-- ---- the whole

local option_keys = { name = true, include = true, architectures = true }

--- The policy of a text. options: name, include (name -> text), architectures.
function kafel.read(text, options)
  if type(text) ~= "string" then error(core.error("from_kafel: takes a string, got " .. type(text))) end
  options = options or {}
  for key in pairs(options) do
    if not option_keys[key] then
      error(core.error(("from_kafel: '%s' is not an option"):format(tostring(key)), "options are name, include, architectures"))
    end
  end
  local name = options.name or "kafel policy"
  local architectures = seccomp.parts(seccomp.policy { architectures = options.architectures }).architectures
  local parser = setmetatable({ tokens = tokens_of(text, name), at = 1, name = name, depth = 0, options = options,
                                architectures = architectures, constants = {}, policies = {}, statements = {} }, Parser)
  parser:program()
  local turned = {}
  for i = #parser.statements, 1, -1 do turned[#turned + 1] = parser.statements[i] end
  local default = parser.default or actions.number "kill_thread"
  return seccomp.make { name = name, statements = turned, architectures = architectures, default = default, unknown = default,
                        foreign = actions.number "kill" }
end

return kafel
