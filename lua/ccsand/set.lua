-- Sets: tables whose keys are what is in them.
local set = {}

--- The words of a text.
function set.of_words(text)
  local result = {}
  for word in text:gmatch "%S+" do result[word] = true end
  return result
end

--- What is in it, in order.
function set.sorted(members)
  local list = {}
  for key in pairs(members) do list[#list + 1] = key end
  table.sort(list)
  return list
end

return set
