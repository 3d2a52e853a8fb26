-- Which tests of the files are run, and in what order.
local registry = require "ccsand.test.registry"

local selection = {}

-- A generator of its own: the same seed gives the same order wherever and whenever it is used.
local function random(seed)
  local state = seed % 4294967296
  return function(most) -- 1 to most
    state = (state * 1664525 + 1013904223) % 4294967296
    local high = math.floor(state / 65536) * 65536 + math.floor(((state * 22695477 + 1) % 4294967296) / 65536)
    return high % most + 1
  end
end
local function shuffled(list, next_random)
  local result = {}
  for i, item in ipairs(list) do result[i] = item end
  for i = #result, 2, -1 do
    local k = next_random(i)
    result[i], result[k] = result[k], result[i]
  end
  return result
end

local function escaped(text) return (text:gsub("%p", "%%%0")) end
--- The filter that chooses just this test.
function selection.filter_of(name) return "^" .. escaped(name) .. "$" end

local function chosen(case, filters)
  if #filters == 0 then return true end
  for _, filter in ipairs(filters) do
    local tag = filter:match("^@(.+)$")
    if tag and registry.has_tag(case, tag) then return true end
    if not tag and case.name:find(filter) then return true end
  end
  return false
end

local function add(items, options, next_random, into)
  for _, item in ipairs(next_random and shuffled(items, next_random) or items) do
    if item.items then add(item.items, options, next_random, into) -- a suite stays together
    elseif chosen(item, options.filters) then into[#into + 1] = item end
  end
end

--- The cases of these files that the filters choose, in the order of the options.
function selection.cases(files, options)
  local next_random = options.shuffle and random(options.seed)
  local cases = {}
  for _, file in ipairs(next_random and shuffled(files, next_random) or files) do add(file.items, options, next_random, cases) end
  return cases
end

return selection
