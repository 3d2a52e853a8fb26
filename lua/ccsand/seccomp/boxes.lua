-- Sets of a call's arguments, for formats that know no order of rules and no "not". A box
-- says of some bits of some arguments what they are: (argument & mask) == value for each.
-- Any condition is a union of boxes, and so is what one box leaves of another.
local bit = require "bit"
local ffi = require "ffi"

local boxes = {}
local u64 = ffi.typeof "uint64_t"
local band, bor, bxor, bnot, lshift = bit.band, bit.bor, bit.bxor, bit.bnot, bit.lshift

local function whole(halves) return u64(halves[1]) * 0x100000000ULL + u64(halves[2]) end

-- ---- one argument: lists of { mask, value }

local function both(a, b)
  if band(bxor(a[2], b[2]), a[1], b[1]) ~= 0 then return nil end
  return { bor(a[1], b[1]), bor(a[2], b[2]) }
end

-- What is below, equal and above (argument & mask) <=> value, each bit that decides a cube of its own.
local function ordered(mask, value, bits, signed)
  local below, above = {}, {}
  local prefix_mask, prefix_value = u64(0), u64(0)
  for position = bits - 1, 0, -1 do
    local one = lshift(1ULL, position)
    local flip = signed and position == bits - 1            -- there, 1 is below 0
    local wanted = band(value, one) ~= 0
    local rank = wanted ~= flip
    if band(mask, one) ~= 0 then
      local other = { bor(prefix_mask, one), wanted and prefix_value or bor(prefix_value, one) }
      if rank then below[#below + 1] = other else above[#above + 1] = other end
      prefix_mask = bor(prefix_mask, one)
      if wanted then prefix_value = bor(prefix_value, one) end
    elseif wanted then                                       -- the bit is 0 where the value has 1
      local side = rank and below or above
      side[#side + 1] = { prefix_mask, prefix_value }
      return below, nil, above
    end
  end
  return below, { prefix_mask, prefix_value }, above
end

local function joined(a, b)
  local list = {}
  for _, one in ipairs(a) do list[#list + 1] = one end
  for _, one in ipairs(b) do list[#list + 1] = one end
  return list
end

--- The cubes { mask, value } of a comparison, as filter.comparisons gives it. They do not overlap.
function boxes.cubes(comparison)
  local all = comparison.bits == 64 and 0xffffffffffffffffULL or 0xffffffffULL
  local mask, value = band(whole(comparison.mask), all), band(whole(comparison.value), all)
  local equality = comparison.op == "==" or comparison.op == "!="
  local below, equal, above = ordered(mask, value, comparison.bits, comparison.signed and not equality)
  equal = equal and { equal } or {}
  if comparison.op == "==" then return equal end
  if comparison.op == "!=" then return joined(below, above) end
  if comparison.op == "<" then return below end
  if comparison.op == "<=" then return joined(below, equal) end
  if comparison.op == ">" then return above end
  return joined(above, equal)
end

-- ---- boxes: argument's index -> { mask, value }

local function with(box, index, cube)
  local copy = {}
  for i = 0, 5 do copy[i] = box[i] end
  copy[index] = cube
  return copy
end

--- What two boxes have in common, or nil.
function boxes.common(a, b)
  local result = {}
  for i = 0, 5 do
    if a[i] and b[i] then
      result[i] = both(a[i], b[i])
      if not result[i] then return nil end
    else
      result[i] = a[i] or b[i]
    end
  end
  return result
end

--- Whether a box is part of another.
function boxes.within(box, other)
  for i = 0, 5 do
    local mask = other[i] and other[i][1] or u64(0)
    local known = box[i] or { u64(0), u64(0) }
    if band(mask, known[1]) ~= mask or (mask ~= 0 and band(known[2], mask) ~= other[i][2]) then return false end
  end
  return true
end

--- The boxes of comparisons that all hold; nil where there are more than `most`.
function boxes.of(conjunction, most)
  local list = { {} }
  for _, comparison in ipairs(conjunction) do
    local narrowed = {}
    for _, cube in ipairs(boxes.cubes(comparison)) do
      for _, box in ipairs(list) do
        local cell = box[comparison.index] and both(box[comparison.index], cube) or (not box[comparison.index] and cube)
        if cell then narrowed[#narrowed + 1] = with(box, comparison.index, cell) end
        if #narrowed > most then return nil end
      end
    end
    list = narrowed
  end
  return list
end

local function meet(a, b)
  for _, x in ipairs(a) do
    for _, y in ipairs(b) do
      if both(x, y) then return true end
    end
  end
  return false
end

--- Whether two lists of { index, cubes }, all of which must hold, may hold both: false where any of one excludes
--- any of the other.
function boxes.overlap(a, b)
  for _, left in ipairs(a) do
    for _, right in ipairs(b) do
      if left.index == right.index and not meet(left.cubes, right.cubes) then return false end
    end
  end
  return true
end

-- What `taken` leaves of a box, added to a list: for each bit that only `taken` knows, the half without it.
local function leave(list, box, taken)
  if not boxes.common(box, taken) then
    list[#list + 1] = box
    return false
  end
  for i = 0, 5 do
    local mask = taken[i] and band(taken[i][1], bnot(box[i] and box[i][1] or u64(0))) or u64(0)
    for position = 63, 0, -1 do
      local one = lshift(1ULL, position)
      if band(mask, one) ~= 0 then
        local cell, value = box[i] or { u64(0), u64(0) }, band(taken[i][2], one)
        local known = bor(cell[1], one)
        list[#list + 1] = with(box, i, { known, bor(cell[2], bxor(value, one)) })
        box = with(box, i, { known, bor(cell[2], value) })
      end
    end
  end
  return true
end

--- The boxes without what `taken` covers, and whether that is less.
function boxes.without(list, taken)
  local rest, less = {}, false
  for _, box in ipairs(list) do less = leave(rest, box, taken) or less end
  return rest, less
end

return boxes
