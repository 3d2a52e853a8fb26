-- Values as text, whether they are the same, and what differs between two of them.
local difference = {}

local most_lines, most_depth, most_compared = 60, 12, 1500
local most_text = 64 * 1024 -- bytes of a text that are looked at where two differ: containers print what they like

-- ---- values as text

local function quoted(text)
  return '"' .. text:gsub('[%c"\\\127]', function(c)
    if c == "\n" then return "\\n" elseif c == "\t" then return "\\t" elseif c == "\r" then return "\\r" end
    if c == '"' or c == "\\" then return "\\" .. c end
    return ("\\%03d"):format(c:byte())
  end) .. '"'
end

local function before(a, b)
  if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
  if type(a) ~= type(b) then return type(a) < type(b) end
  return tostring(a) < tostring(b)
end
local function sorted_keys(value)
  local keys = {}
  for key in next, value do keys[#keys + 1] = key end
  table.sort(keys, before)
  return keys
end

local function plain(value, most)
  if type(value) == "string" then
    if most and #value > most then return ("%s … (%d bytes)"):format(quoted(value:sub(1, most)), #value) end
    return quoted(value)
  end
  if type(value) == "number" and value == math.floor(value) and math.abs(value) < 2 ^ 53 then return ("%d"):format(value) end
  if type(value) == "number" then return ("%.17g"):format(value):gsub("^(%-?%d+%.%d%d%d%d%d%d%d%d-)0+%d$", "%1") end
  local good, text = pcall(tostring, value)
  return good and tostring(text) or "a " .. type(value) .. " whose tostring fails"
end
local function opaque(value)
  local meta = debug.getmetatable(value)
  return type(value) ~= "table" or (meta and (rawget(meta, "__tostring") or rawget(meta, "__metatable")))
end

local function write(out, value, indent, seen, prefix, suffix)
  if opaque(value) then
    out[#out + 1] = indent .. prefix .. plain(value, out.most) .. suffix
  elseif seen[value] then
    out[#out + 1] = indent .. prefix .. "(the table above)" .. suffix
  elseif next(value) == nil then
    out[#out + 1] = indent .. prefix .. "{}" .. suffix
  elseif #indent / 2 >= most_depth then
    out[#out + 1] = indent .. prefix .. "{ … }" .. suffix
  else
    seen[value] = true
    out[#out + 1] = indent .. prefix .. "{"
    for _, key in ipairs(sorted_keys(value)) do
      local is_item = type(key) == "number" and key >= 1 and key <= #value
      local name = is_item and "" or type(key) == "string" and key:find("^[%a_][%w_]*$") and key .. " = " or "[" .. plain(key) .. "] = "
      write(out, rawget(value, key), indent .. "  ", seen, name, ",")
    end
    out[#out + 1] = indent .. "}" .. suffix
    seen[value] = nil
  end
end

--- The lines of a value: tables with sorted keys, a key a line; no more than `most` bytes of each text.
function difference.lines(value, most)
  local out = { most = most }
  write(out, value, "", {}, "", "")
  return out
end
--- The same in one line, cut where it is long.
function difference.show(value, most)
  local text
  most = most or 200
  if opaque(value) then text = plain(value, most)
  else text = table.concat(difference.lines(value, most), " "):gsub("%s+", " "):gsub(", }", " }") end
  return #text > most and text:sub(1, most) .. " …" or text
end

-- ---- whether two values are the same

local function same(a, b, seen)
  if rawequal(a, b) then return true end
  if type(a) == "number" and type(b) == "number" then return a == b or (a ~= a and b ~= b) end
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  local meta = debug.getmetatable(a)
  if meta and rawget(meta, "__eq") then return a == b end
  if opaque(a) or opaque(b) then return false end
  if seen[a] == b then return true end -- they are compared already, further up
  seen[a] = b
  for key, value in next, a do
    if not same(value, rawget(b, key), seen) then return false end
  end
  for key in next, b do
    if rawget(a, key) == nil then return false end
  end
  seen[a] = nil
  return true
end

--- Whether two values are the same: tables by what is in them. NaN is the same as NaN.
function difference.same(a, b) return same(a, b, {}) end

-- ---- what differs

local function split(text)
  local lines = {}
  for line in (text:gsub("\n$", "") .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

-- The longest common subsequence of what is between a common beginning and end, as edits { mark, line }.
local function middle(a, b, from, last_a, last_b)
  local lengths = {}
  for i = last_a + 1, from, -1 do
    lengths[i] = {}
    for j = last_b + 1, from, -1 do
      if i > last_a or j > last_b then lengths[i][j] = 0
      elseif a[i] == b[j] then lengths[i][j] = lengths[i + 1][j + 1] + 1
      else lengths[i][j] = math.max(lengths[i + 1][j], lengths[i][j + 1]) end
    end
  end
  local edits, i, j = {}, from, from
  while i <= last_a or j <= last_b do
    if i <= last_a and j <= last_b and a[i] == b[j] then
      edits[#edits + 1], i, j = { " ", a[i] }, i + 1, j + 1
    elseif i <= last_a and (j > last_b or lengths[i + 1][j] >= lengths[i][j + 1]) then
      edits[#edits + 1], i = { "-", a[i] }, i + 1
    else
      edits[#edits + 1], j = { "+", b[j] }, j + 1
    end
  end
  return edits
end

local function edits_of(a, b, more)
  local from, last_a, last_b = 1, #a, #b
  while from <= last_a and from <= last_b and a[from] == b[from] do from = from + 1 end
  while last_a >= from and last_b >= from and a[last_a] == b[last_b] do last_a, last_b = last_a - 1, last_b - 1 end
  -- Texts without end are not compared line by line: where they begin to differ is enough.
  local stop_a, stop_b = math.min(last_a, from + most_compared), math.min(last_b, from + most_compared)
  if (stop_a - from) * (stop_b - from) > 250000 then stop_a, stop_b = math.min(stop_a, from + 200), math.min(stop_b, from + 200) end
  local edits = {}
  for i = math.max(1, from - 3), from - 1 do edits[#edits + 1] = { " ", a[i] } end
  for _, edit in ipairs(middle(a, b, from, stop_a, stop_b)) do edits[#edits + 1] = edit end
  if more or stop_a < last_a or stop_b < last_b then edits[#edits + 1] = { " ", "… and so on" }
  else for i = last_a + 1, math.min(#a, last_a + 3) do edits[#edits + 1] = { " ", a[i] } end end
  return edits
end

-- Lines that stand for themselves far from any change are left out.
local function condensed(edits)
  local near = {}
  for i, edit in ipairs(edits) do
    if edit[1] ~= " " then for k = i - 3, i + 3 do near[k] = true end end
  end
  local out, gap = {}, false
  for i, edit in ipairs(edits) do
    if #out >= most_lines then out[#out + 1] = "  … and more" break end
    if near[i] then
      out[#out + 1], gap = edit[1] .. " " .. (#edit[2] > 300 and edit[2]:sub(1, 300) .. " …" or edit[2]), false
    elseif not gap then
      out[#out + 1], gap = "  …", true
    end
  end
  return out
end

-- Of two long texts what is near the place where they begin to differ; true where there is more behind it.
local function windows(a, b)
  if #a <= most_text and #b <= most_text then return a, b, false end
  local low, high = 0, math.min(#a, #b) -- bytes that are the same
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if a:sub(low + 1, middle) == b:sub(low + 1, middle) then low = middle else high = middle - 1 end
  end
  local line = a:find("\n", math.max(1, low - 1000), true)
  local from = low < 1000 and 1 or line and line <= low and line + 1 or math.max(1, low - 100)
  local last = from + most_text - 1
  return a:sub(from, last), b:sub(from, last), last < math.max(#a, #b)
end

--- Both sides as text, for values that are not the same: lines to print.
function difference.of(got, wanted)
  local texts = type(got) == "string" and type(wanted) == "string" and (got:find("\n", 1, true) or wanted:find("\n", 1, true))
  local tables = not opaque(got) and not opaque(wanted)
  if not texts and not tables then
    return { "got     " .. difference.show(got, 1000), "wanted  " .. difference.show(wanted, 1000) }
  end
  local a, b, more
  if texts then
    a, b, more = windows(wanted, got)
    a, b = split(a), split(b)
  else
    a, b = difference.lines(wanted, most_text), difference.lines(got, most_text)
  end
  local edits, visible = edits_of(a, b, more), false
  for _, edit in ipairs(edits) do visible = visible or edit[1] ~= " " end
  if not visible then -- the last newline alone, or what two values print the same
    return { "got     " .. difference.show(got, 1000), "wanted  " .. difference.show(wanted, 1000) }
  end
  local lines = condensed(edits)
  table.insert(lines, 1, "- wanted")
  table.insert(lines, 2, "+ got")
  return lines
end

return difference
