-- The line of a recipe's `return ccsand.container { ... }`. It is a tail call, which
-- leaves no frame of the recipe to ask: its instruction still knows the line.
local bit = require "bit"
local util = require "jit.util"

local place = {}

local function operation(instruction) return bit.band(instruction, 0xff) end
local function register(instruction) return bit.band(bit.rshift(instruction, 8), 0xff) end

local function each_instruction(chunk)
  local at = 0
  return function()
    at = at + 1
    local instruction = util.funcbc(chunk, at)
    if instruction then return at, instruction end
  end
end

-- The numbers of the two instructions that call and return.
local tail_calls = {}
for _, text in ipairs { "return f()", "return f(...)" } do
  local last
  for _, instruction in each_instruction(loadstring(text)) do last = instruction end
  tail_calls[operation(last)] = true
end

-- "FILE:LINE" of the chunk's tail call; the file alone where there are several.
function place.of(chunk)
  local file = debug.getinfo(chunk, "S").short_src
  local lines, count = {}, 0
  local found
  for at, instruction in each_instruction(chunk) do
    lines[register(instruction)] = tail_calls[operation(instruction)] and lines[register(instruction)]
      or util.funcinfo(chunk, at).currentline
    if tail_calls[operation(instruction)] then found, count = lines[register(instruction)], count + 1 end
  end
  if count ~= 1 or not found or found <= 0 then return file end
  return file .. ":" .. found
end

-- Of the recipe that runs.
function place.of_recipe() return place.recipe and place.of(place.recipe) end

return place
