-- The words of kafel's language, with their places. Used by ccsand.seccomp.kafel alone.
local core = require "ccsand.core"
local ffi = require "ffi"

local u64 = ffi.typeof "uint64_t"

local function fail(name, token, message, hint)
  error(core.error(("%s:%d:%d: %s"):format(name, token.line, token.column, message), hint), 0)
end

local signs = { "==", "!=", "<=", ">=", "||", "&&", "<", ">", "|", "&", "(", ")", "{", "}", "[", "]", ",", "!", "#", ";" }
local bases = { x = 16, b = 2 }

-- A number of 64 bits as written: 42, -1, 0x2a, 052, 0b101010. nil where it is none, or too large.
local function number_of(text)
  local negative, rest = text:match "^(%-?)(.*)$"
  local base, digits = 10, rest
  local prefix = rest:match "^0([xb]).+$"
  if prefix then base, digits = bases[prefix], rest:sub(3)
  elseif rest:find "^0." then base, digits = 8, rest:sub(2) end
  if negative ~= "" and base ~= 10 then return nil end
  local value, most = u64(0), 0xffffffffffffffffULL
  for digit in digits:gmatch "." do
    local weight = tonumber(digit, base)
    if not weight or value > (most - weight) / base then return nil end
    value = value * base + weight
  end
  if negative == "" then return value end
  return value <= 0x8000000000000000ULL and 0ULL - value or nil
end

--- A list of { kind = "name" | "number" | "text" | "line" | "end" | SIGN, text, value, line, column }. Ends of lines are
--- tokens only behind #, where they end a directive.
return function(text, name)
  local tokens, at, line, start = {}, 1, 1, 1
  local directive = false
  local function add(kind, word, value)
    tokens[#tokens + 1] = { kind = kind, text = word, value = value, line = line, column = at - start + 1 }
  end
  local function here() return { line = line, column = at - start + 1 } end
  while at <= #text do
    local rest = text:sub(at, at + 1)
    local word
    if text:find("^\n", at) then
      if directive then add("line", "the end of the line") end
      directive, line, start, word = false, line + 1, at + 1, "\n"
    elseif text:find("^%s", at) then
      word = text:match("^[ \t\r\f\v]+", at)
    elseif rest == "//" then
      word = text:match("^[^\n]*", at)
    elseif rest == "/*" then
      local _, last = text:find("*/", at + 2, true)
      if not last then fail(name, here(), "the comment has no end") end
      local _, lines = text:sub(at, last):gsub("\n", "")
      if lines > 0 then
        line = line + lines
        start = last - #text:sub(at, last):match "[^\n]*$" + 1
      end
      word = text:sub(at, last)
    elseif text:find("^[%a_]", at) then
      word = text:match("^[%w_]+", at)
      add("name", word)
    elseif text:find("^%-?%d", at) then
      word = text:match("^%-?[%w_]+", at)
      local value = number_of(word)
      if not value then fail(name, here(), ("'%s' is no number of 64 bits"):format(word)) end
      add("number", word, value)
    elseif rest:sub(1, 1) == '"' then
      word = text:match('^"[^"\n]*"', at)
      if not word then fail(name, here(), "the string has no end") end
      add("text", word, word:sub(2, -2))
    else
      for _, sign in ipairs(signs) do
        if text:sub(at, at + #sign - 1) == sign then
          word = sign
          break
        end
      end
      if not word then fail(name, here(), ("'%s' has no meaning here"):format((rest:sub(1, 1):gsub("[^ -~]", "?")))) end
      if word == "#" then directive = true end
      if word == ";" then directive = false end
      add(word, word)
    end
    at = at + #word
  end
  if directive then add("line", "the end") end
  add("end", "the end")
  return tokens
end
