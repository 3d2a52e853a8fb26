-- What the readers of other formats share: their comparisons as conditions of ours. They
-- compare without sign and by the place of an argument; here a parameter has a name, a
-- width and maybe a sign.
local bit = require "bit"
local ffi = require "ffi"
local core = require "ccsand.core"
local filter = require "ccsand.filter"
local signatures = require "ccsand.seccomp.signatures"

local conditions = {}
local u64 = ffi.typeof "uint64_t"
local low_half, high_half = 0xffffffffULL, 0xffffffff00000000ULL

local narrow_types = { int = true, uint = true, fd = true, mode = true }
local signed_types = { int = true, fd = true, long = true }

--- The parameters of a call, in order: { name, wide, signed }. nil where they are not known.
function conditions.parameters(call)
  if not signatures[call] then return nil end
  local list = {}
  for kind, name in signatures[call]:gmatch "(%a+) ([%w_]+)[^,]*" do
    list[#list + 1] = { name = name, wide = not narrow_types[kind], signed = signed_types[kind] or false }
  end
  return list
end

--- An unsigned number of 64 bits of a whole number or of decimal text; nil where it is none.
function conditions.unsigned(value)
  if type(value) == "number" then
    if value < 0 or value > 2 ^ 53 or value % 1 ~= 0 then return nil end
    return u64(value)
  end
  if type(value) ~= "string" or not value:find "^%d+$" then return nil end
  value = value:gsub("^0+(%d)", "%1")
  if #value > 20 or (#value == 20 and value > "18446744073709551615") then return nil end
  local sum = u64(0)
  for digit in value:gmatch "%d" do sum = sum * 10 + tonumber(digit) end
  return sum
end

--- As text: decimal, or hexadecimal for masks.
function conditions.decimal(value) return (tostring(value):gsub("U?LL$", "")) end
function conditions.hexadecimal(value) return "0x" .. bit.tohex(value, 16):gsub("^0+(.)", "%1") end

local function fail(message, hint) error(core.error(message, hint), 0) end

-- The value as the parameter can have it: a negative number may come as 64 bits.
local function fitted(parameter, value)
  if parameter.wide then return value end
  local high, low = bit.band(value, high_half), bit.band(value, low_half)
  if high == 0 or (high == high_half and low >= 0x80000000ULL) then return low end
  fail(("the value %s does not fit '%s', which has 32 bits"):format(conditions.decimal(value), parameter.name))
end

--- The condition (parameter & mask) OP value, compared without sign; a mask of nil is none.
function conditions.compare(parameter, op, value, mask)
  local name = parameter.name
  local all = parameter.wide and 0xffffffffffffffffULL or low_half
  if mask then
    mask = bit.band(mask, all)
    if mask == all then mask = nil end
  end
  value = fitted(parameter, value)
  local sign = parameter.wide and 0x8000000000000000ULL or 0x80000000ULL
  local ordered = op ~= "==" and op ~= "!="
  local left = mask and ("%s & %s"):format(name, conditions.hexadecimal(mask)) or name
  local plain = ("%s %s %s"):format(left, op, conditions.decimal(value))
  if not ordered or not parameter.signed then return plain end
  local negative = bit.band(value, sign) ~= 0
  if mask then
    if negative or bit.band(mask, sign) ~= 0 then fail(("'%s' has a sign, which this mask and this order do not go with"):format(name)) end
    return plain
  end
  -- Without a sign, negative numbers are above all others.
  if op == "<" or op == "<=" then return ("(%s >= 0 %s %s)"):format(name, negative and "or" or "and", plain) end
  return ("(%s < 0 %s %s)"):format(name, negative and "and" or "or", plain)
end

--- An error where the condition makes no sense for the call.
function conditions.check(call, when)
  local good, problem = pcall(filter.condition, when, signatures[call])
  if not good then fail(("%s: %s"):format(call, tostring(problem.message or problem)), problem.hint) end
end

local known
--- Whether any architecture has a call of this name.
function conditions.is_call(name)
  if not known then
    known = {}
    for call in pairs(signatures) do known[call] = true end
    for _, call in ipairs(filter.calls()) do known[call] = true end
  end
  return known[name] == true
end

return conditions
