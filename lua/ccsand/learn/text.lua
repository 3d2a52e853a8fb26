-- A policy's table as a Lua file for people to read and edit. What was learnt comes from
-- hostile programs: no byte of theirs leaves its string or its comment.
local core = require "ccsand.core"

local text = {}

--- In quotes, on one line, of printable characters.
function text.quoted(value)
  return '"' .. value:gsub('[%c"\\\127-\255]', function(c)
    if c == "\n" then return "\\n" end
    if c == '"' or c == "\\" then return "\\" .. c end
    return ("\\%03d"):format(c:byte())
  end) .. '"'
end
--- What stands in a comment, or goes to a terminal.
function text.plain(value)
  return (tostring(value):gsub("\\\n", "\\n"):gsub("[%c\127-\255]", function(c) return c == "\n" and "\\n" or ("\\%03d"):format(c:byte()) end))
end

local words = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch "%a+" do
  words[word] = true
end
local function key_text(key)
  if type(key) == "number" then return ("[%s]"):format(tostring(key)) end
  if key:find "^[%a_][%w_]*$" and not words[key] then return key end
  return "[" .. text.quoted(key) .. "]"
end

local function scalar(value)
  if type(value) == "string" then return text.quoted(value) end
  if type(value) == "number" and value == math.floor(value) and math.abs(value) < 2 ^ 53 then return ("%.0f"):format(value) end
  return tostring(value)
end

-- Keys of the first level and of policies come in an order that reads well.
local order = { "name", "from", "architectures", "default", "unknown", "foreign", "seccomp", "landlock", "execute", "read", "write", "paths",
                "connect", "bind", "capabilities", "limits", "allow" }
local rank = {}
for i, key in ipairs(order) do rank[key] = i end

-- The entries of a table: its list and its keys; together where both name the same kind of thing.
local function entries_of(value)
  local list = {}
  for key, one in pairs(value) do
    if type(key) ~= "string" and type(key) ~= "number" then error(core.error "a policy's file holds names and numbers as keys") end
    local number = type(key) == "number"
    list[#list + 1] = { key = key, value = one, by = number and type(one) == "string" and one or nil, listed = number and key >= 1 and key <= #value }
  end
  local listed, keyed = false, false
  for _, entry in ipairs(list) do
    if entry.listed then listed = true else keyed = true end
  end
  local function name(entry) return tostring(entry.by or entry.key) end
  table.sort(list, function(a, b)
    if not keyed then return a.key < b.key end
    if not listed then
      local i, j = rank[a.key] or 1000, rank[b.key] or 1000
      if i ~= j then return i < j end
    end
    if name(a) ~= name(b) then return name(a) < name(b) end
    return a.listed and not b.listed
  end)
  return list
end

local function short(entries)
  local size = 0
  for _, entry in ipairs(entries) do
    if type(entry.value) == "table" then return nil end
    size = size + #scalar(entry.value) + (entry.listed and 2 or #tostring(entry.key) + 5)
  end
  return size <= 90
end

--- A value as Lua. `notes[path]` stands behind an entry, `heads[path]` before it; a path is "seccomp.allow.read".
local function render(value, indent, path, notes, heads)
  if type(value) ~= "table" then
    if type(value) == "function" or type(value) == "userdata" or type(value) == "thread" then
      error(core.error("a policy's file holds text, numbers and tables, and no " .. type(value)), 0)
    end
    return scalar(value)
  end
  if getmetatable(value) ~= nil then error(core.error("a policy's file holds plain tables, and not " .. tostring(value)), 0) end
  local entries = entries_of(value)
  if #entries == 0 then return "{}" end
  local noted = false
  for _, entry in ipairs(entries) do
    entry.path = path .. "." .. (entry.by or tostring(entry.key))
    noted = noted or notes[entry.path] ~= nil or heads[entry.path] ~= nil
  end
  local inline = not noted and short(entries)
  local lines = {}
  for _, entry in ipairs(entries) do
    local line = (entry.listed and "" or key_text(entry.key) .. " = ") .. render(entry.value, indent .. "  ", entry.path, notes, heads)
    if inline then lines[#lines + 1] = line
    else
      if heads[entry.path] then
        for head in (heads[entry.path] .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = indent .. "  -- " .. text.plain(head) end
      end
      lines[#lines + 1] = indent .. "  " .. line .. "," .. (notes[entry.path] and " -- " .. text.plain(notes[entry.path]) or "")
    end
  end
  if inline then return "{ " .. table.concat(lines, ", ") .. " }" end
  return "{\n" .. table.concat(lines, "\n") .. "\n" .. indent .. "}"
end

--- The file: `header` is its first lines, without "--".
function text.file(value, header, notes, heads)
  local lines = {}
  for line in (header .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line == "" and "--" or "-- " .. text.plain(line) end
  return table.concat(lines, "\n") .. "\nreturn " .. render(value, "", "policy", notes or {}, heads or {}) .. "\n"
end

return text
