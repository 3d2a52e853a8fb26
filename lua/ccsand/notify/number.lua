-- Numbers as the kernel has them: words of 32 bits, flags, bytes in memory.
local bit = require "bit"
local filter = require "ccsand.filter"

local number = {}

function number.low(value) return value % 4294967296 end
function number.signed(value)
  value = value % 4294967296
  return value >= 2147483648 and value - 4294967296 or value
end

--- Whether `flags` has the bits of a constant, by its name; false where this processor has none of that name.
function number.has(flags, name)
  local bits = filter.constant(name)
  return bits ~= nil and bit.band(flags, bits) == bit.tobit(bits)
end

--- The little-endian number in `size` bytes from `at`.
function number.at(bytes, at, size)
  local value = 0
  for i = at + size - 1, at, -1 do value = value * 256 + bytes:byte(i) end
  return value
end

return number
