-- What a filter may answer, as words and as the kernel's numbers (SECCOMP_RET_*).
local core = require "ccsand.core"
local filter = require "ccsand.filter"

local actions = {}

local numbers = {
  allow = 0x7fff0000, log = 0x7ffc0000, trace = 0x7ff00000, notify = 0x7fc00000, errno = 0x00050000,
  trap = 0x00030000, kill_thread = 0x00000000, kill = 0x80000000,
}
local words = {}
for word, number in pairs(numbers) do words[number] = word end

local errno_names
local function errno_name(number)
  if not errno_names then
    errno_names = {}
    for name, value in pairs(filter.constants "E") do
      if value > 0 and value < 4096 and name:find "^E[A-Z0-9]+$" and not (errno_names[value] and errno_names[value] < name) then
        errno_names[value] = name
      end
    end
  end
  return errno_names[number] or tostring(number)
end

--- "allow", "errno ENOSYS", "deny" (errno EPERM), "kill", ... as a number.
function actions.number(word)
  if type(word) ~= "string" then error(core.error("seccomp: an action is a word such as \"allow\", got " .. type(word))) end
  if word == "deny" then word = "errno EPERM" end
  local kind, data = word:match "^(%S+)%s*(%S*)$"
  local number = numbers[kind]
  if not number or (data ~= "") ~= (kind == "errno") then
    error(core.error(("seccomp: '%s' is no action"):format(word),
      "actions are allow, deny, errno NAME, kill, kill_thread, trap, log, trace, notify"))
  end
  if kind ~= "errno" then return number end
  local code = tonumber(data) or (data:find "^E" and filter.constant(data))
  if not code or code < 1 or code > 4095 then
    error(core.error(("seccomp: '%s' is no error number"):format(data), "write for example: errno ENOSYS"))
  end
  return number + code
end

--- The word for a number.
function actions.word(number)
  if words[number] then return words[number] end
  local kind, data = math.floor(number / 65536) * 65536, number % 65536
  if kind == numbers.errno then return "errno " .. errno_name(data) end
  return (words[kind] or ("0x%08x"):format(number)) .. (data ~= 0 and " " .. data or "")
end

--- Whether an answer stops the call.
function actions.denies(number) return number ~= numbers.allow and number ~= numbers.log and number ~= numbers.notify end

return actions
