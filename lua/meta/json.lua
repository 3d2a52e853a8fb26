---@meta ccsand.json

--- JSON texts and Lua values: `local json = require "ccsand.json"`. Strict both ways: repeated keys, zero bytes, what is not
--- UTF-8, and more than 128 levels are errors. Those of decode name line and column.
---@class ccsand.json
--- What stands for JSON's null.
---@field null lightuserdata
local json = {}

--- The value of a text. Integers beyond 2^53, which a number of Lua does not hold exactly, become decimal strings; beyond
--- 64 bits they are an error.
---@param text string
---@return any value
function json.decode(text) end

--- The text of a value. Keys are sorted. A table is an array where it has elements or is marked by json.array; LuaJIT's
--- 64-bit integers (18446744073709551615ULL) are written whole.
---@param value any
---@param options? { indent: integer } spaces for each level; default 0: one line
---@return string text
function json.encode(value, options) end

--- Marks a table as an array, also where it is empty; decode marks those that it makes. Without one, a new table.
---@param table? table
---@return table array the same table
function json.array(table) end

return json
