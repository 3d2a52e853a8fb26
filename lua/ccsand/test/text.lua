-- A result as lines for people: the summary and the reports share them.
local assertions = require "ccsand.test.assertions"
local core = require "ccsand.core"
local selection = require "ccsand.test.selection"

local text = {}

function text.seconds(seconds)
  if seconds < 0.0995 then return ("%.1f ms"):format(seconds * 1000) end
  return ("%.2f s"):format(seconds)
end

local function shell_word(word)
  if word:find("^[%w%-_./=:,@+%%]+$") then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- The command that runs just this test again.
function text.command(result, options)
  local words = { "ccsand", "test", shell_word(result.file.path) }
  if not result.broken then
    words[#words + 1] = "--filter " .. shell_word(result.filter and "^" .. result.filter:gsub("%p", "%%%0") or selection.filter_of(result.name))
  end
  if options.shuffle then words[#words + 1] = "--shuffle=" .. ("%d"):format(options.seed) end
  if result.repetition > 1 then words[#words + 1] = "--repeat " .. result.repetition end
  if options.timeout_text then words[#words + 1] = "--timeout " .. shell_word(options.timeout_text) end
  return table.concat(words, " ")
end

-- Each line of a text is one of the list, behind `margin`: none of a container's begins where one of ccsand's would.
local function add(lines, first, margin, s)
  for line in (s .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = first .. line
    first = margin
  end
end
local function add_problem(lines, problem)
  add(lines, "", "  ", (problem.where and problem.where .. ": " or "") .. problem.message)
  for _, detail in ipairs(problem.details) do add(lines, "  ", "  ", detail) end
  for i, frame in ipairs(problem.frames or {}) do
    if i > 1 then lines[#lines + 1] = "  called at " .. frame end
  end
end

--- What is known of a result that is no success, without its name.
function text.details(result)
  local lines = {}
  local shown = {}
  for _, problem in ipairs(result.problems or {}) do
    add_problem(lines, problem)
    if problem.result then shown[problem.result] = true end
  end
  for _, line in ipairs(result.lines or {}) do add(lines, "said: ", "      ", line) end
  for _, ended in ipairs(result.ended or {}) do
    for _, line in ipairs(shown[ended] and {} or assertions.result_lines(ended)) do lines[#lines + 1] = line end
  end
  return lines
end

--- The name, with the repetition where there are several.
function text.name(result, options)
  return result.name .. (options.repeat_count > 1 and result.repetition and (" (%d of %d)"):format(result.repetition, options.repeat_count) or "")
end

--- Text of containers and errors, which may be any bytes, as UTF-8 without control characters but newline and tab.
text.clean = core.printable

return text
