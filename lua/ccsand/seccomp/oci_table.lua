-- Reading tables that came from JSON: every key is known, every value has its type, and an
-- error says where.
local core = require "ccsand.core"
local set = require "ccsand.set"
local json = require "ccsand.json"

local reader = {}

function reader.fail(message, hint) error(core.error(message, hint), 0) end
local fail = reader.fail

function reader.absent(value) return value == nil or value == json.null end

reader.set, reader.sorted_keys = set.of_words, set.sorted

--- The value of a word in a table of words, or an error that names the nearest.
function reader.word(value, words, where, what)
  local found = value ~= nil and words[value]
  if found then return found end
  local near = type(value) == "string" and core.nearest(value, reader.sorted_keys(words))
  fail(("%s: '%s' is no %s%s"):format(where, tostring(value), what, near and "; did you mean '" .. near .. "'?" or ""))
end

--- An unknown key may be a misspelt "args": without them, an entry would allow all.
function reader.require_keys(object, known, where)
  for key in pairs(object) do
    if not known[key] then
      local near = core.nearest(tostring(key), reader.sorted_keys(known))
      fail(("%s: '%s' is not a key%s"):format(where, tostring(key), near and "; did you mean '" .. near .. "'?" or ""))
    end
  end
end

--- A table, or nil where there is none.
function reader.object(value, where, what)
  if reader.absent(value) then return nil end
  if type(value) ~= "table" then fail(("%s: %s must be a list or an object, got %s"):format(where, what, type(value))) end
  return value
end

function reader.texts(value, where, what)
  local list = reader.object(value, where, what) or {}
  for key, item in pairs(list) do
    if type(key) ~= "number" or type(item) ~= "string" then fail(("%s: %s must be a list of strings"):format(where, what)) end
  end
  return list
end

--- A list of objects, {} where there is none.
function reader.objects(value, where, what)
  local list = reader.object(value, where, what) or {}
  for key, item in pairs(list) do
    if type(key) ~= "number" or type(item) ~= "table" then fail(("%s: %s must be a list of objects"):format(where, what)) end
  end
  return list
end

return reader
