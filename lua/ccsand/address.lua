-- Socket addresses: from the kernel's bytes to values and text, and lists of them.
-- sockaddr(3type), ip(7), ipv6(7), unix(7)
local bit = require "bit"
local core = require "ccsand.core"
local filter = require "ccsand.filter"

local address = {}

local families
local function family_name(number)
  if not families then
    families = {}
    for name, value in pairs(filter.constants "AF_") do
      if not families[value] or name < families[value] then families[value] = name end
    end
    families[1], families[2], families[10] = "AF_UNIX", "AF_INET", "AF_INET6"
  end
  return families[number] or "AF_" .. number
end

local function ipv6_text(bytes)
  local parts = {}
  for i = 1, 16, 2 do parts[#parts + 1] = ("%x"):format(bytes:byte(i) * 256 + bytes:byte(i + 1)) end
  local text = table.concat(parts, ":")
  -- The longest row of zeros is written "::" (RFC 5952).
  for count = 8, 2, -1 do
    local zeros = ("0:"):rep(count - 1) .. "0"
    local from, to = (":" .. text .. ":"):find(":" .. zeros .. ":", 1, true)
    if from then return ((":" .. text .. ":"):sub(1, from) .. ":" .. (":" .. text .. ":"):sub(to + 1)):gsub("^:([^:])", "%1"):gsub("([^:]):$", "%1") end
  end
  return text
end

--- { family =, bytes =, address =, port = } or { family = "AF_UNIX", path = or abstract = }.
function address.decode(bytes)
  if #bytes < 2 then return { family = "AF_UNSPEC", bytes = bytes } end
  local family = bytes:byte(1) + bytes:byte(2) * 256
  local value = { family = family_name(family), bytes = bytes }
  local function port() return bytes:byte(3) * 256 + bytes:byte(4) end
  if family == 2 and #bytes >= 8 then
    value.port, value.number = port(), bytes:sub(5, 8)
    value.address = ("%d.%d.%d.%d"):format(value.number:byte(1, 4))
  elseif family == 10 and #bytes >= 24 then
    value.port, value.number = port(), bytes:sub(9, 24)
    -- ::ffff:a.b.c.d is IPv4 by another door.
    if value.number:sub(1, 12) == ("\0"):rep(10) .. "\255\255" then
      value.number = value.number:sub(13)
      value.address = ("%d.%d.%d.%d"):format(value.number:byte(1, 4))
    else
      value.address = ipv6_text(value.number)
    end
  elseif family == 1 and #bytes > 2 then
    if bytes:byte(3) == 0 then value.abstract = bytes:sub(4)
    else value.path = bytes:sub(3):match "^[^%z]*" end
  end
  return value
end

-- Text of a container's goes to terminals and logs: nothing in it is a control character, or looks like
-- the end of what quotes it.
local function escaped(text)
  return (text:gsub('[%c"\\\127-\255]', function(c) return ("\\%03d"):format(c:byte()) end))
end
--- A string in quotes, on one line, in plain ASCII.
function address.quoted(text) return '"' .. escaped(text) .. '"' end

function address.text(value)
  if value.abstract then return "unix:@" .. escaped(value.abstract) end
  if value.path then return "unix:" .. escaped(value.path) end
  if value.address then
    return (value.address:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(value.address, value.port)
  end
  return value.family
end

-- ---- lists

local function ipv4_number(text)
  local parts = { text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  if #parts ~= 4 then return nil end
  for i = 1, 4 do
    parts[i] = tonumber(parts[i])
    if parts[i] > 255 then return nil end
  end
  return string.char(unpack(parts))
end
local function ipv6_number(text)
  local head, tail = text:match "^(.-)::(.*)$"
  local function words(part)
    local list = {}
    for word in part:gmatch "[^:]+" do
      if not word:find "^%x%x?%x?%x?$" then return nil end
      list[#list + 1] = tonumber(word, 16)
    end
    return list
  end
  local front, back = words(head or text), words(tail or "")
  if not front or not back then return nil end
  local missing = 8 - #front - #back
  if (head and missing < 1) or (not head and missing ~= 0) then return nil end
  local all = {}
  for _, word in ipairs(front) do all[#all + 1] = word end
  for _ = 1, missing do all[#all + 1] = 0 end
  for _, word in ipairs(back) do all[#all + 1] = word end
  local bytes = {}
  for i, word in ipairs(all) do bytes[i] = string.char(math.floor(word / 256), word % 256) end
  return table.concat(bytes)
end

--- Reads "10.0.0.0/8:443", "[2001:db8::/32]:80-90", "127.0.0.1", "*:53", "unix:/run/x.sock", "unix:@name".
function address.parse(text)
  local function fail(reason) error(core.error(("address '%s': %s"):format(tostring(text), reason), "write for example \"10.0.0.0/8:443\", \"[::1]:80\", \"*:53\" or \"unix:/run/x.sock\"")) end
  if type(text) ~= "string" then fail "is no string" end
  local unix = text:match "^unix:(.*)$"
  if unix then
    if unix:sub(1, 1) == "@" then return { abstract = unix:sub(2) } end
    if unix:sub(1, 1) ~= "/" then fail "the path of a socket begins with '/'" end
    return { path = unix }
  end
  local host, ports = text:match "^%[(.-)%]:?(.*)$"
  if not host then host, ports = text:match "^([^:]*):?([^:]*)$" end
  if not host or host == "" then fail "has no address" end
  local rule = { first_port = 0, last_port = 65535 }
  if ports ~= "" and ports ~= "*" then
    local first, last = ports:match "^(%d+)%-?(%d*)$"
    rule.first_port = tonumber(first)
    rule.last_port = tonumber(last ~= "" and last or first)
    if not rule.first_port or rule.last_port > 65535 or rule.first_port > rule.last_port then fail "has no port such as 443 or 8000-8100" end
  end
  if host == "*" then return rule end
  local number, length = host:match "^(.-)/(%d+)$"
  rule.number = ipv4_number(number or host) or ipv6_number(number or host)
  if not rule.number then fail "is no IPv4 or IPv6 address; names are not looked up" end
  rule.length = tonumber(length) or #rule.number * 8
  if rule.length > #rule.number * 8 then fail "has a prefix that is too long" end
  return rule
end

local function same_prefix(a, b, length)
  if #a ~= #b then return false end
  local whole = math.floor(length / 8)
  if a:sub(1, whole) ~= b:sub(1, whole) then return false end
  local rest = length % 8
  if rest == 0 then return true end
  local mask = bit.band(bit.lshift(0xff, 8 - rest), 0xff)
  return bit.band(a:byte(whole + 1), mask) == bit.band(b:byte(whole + 1), mask)
end

--- Whether a decoded address is what a parsed rule names.
function address.matches(rule, value)
  if rule.path or rule.abstract then
    return (rule.path ~= nil and rule.path == value.path) or (rule.abstract ~= nil and rule.abstract == value.abstract)
  end
  if not value.number then return false end
  if value.port < rule.first_port or value.port > rule.last_port then return false end
  return rule.number == nil or same_prefix(rule.number, value.number, rule.length)
end

return address
