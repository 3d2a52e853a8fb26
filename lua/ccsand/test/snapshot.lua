-- Snapshots: what a test saw when somebody last looked, in a file beside the test.
local core = require "ccsand.core"
local difference = require "ccsand.test.difference"
local failure = require "ccsand.test.failure"
local file = require "ccsand.file"

local snapshot = {}
local longest = 180

-- A file's name for any text, another one for another text.
local function encoded(text)
  return (text:gsub("[^%w%-. ]", function(c) return ("%%%02X"):format(c:byte()) end):gsub("^%.", "%%2E"):gsub(" ", "_"))
end
local function hash(text)
  local h = 5381
  for i = 1, #text do h = (h * 33 + text:byte(i)) % 4294967296 end
  return ("%08x"):format(h)
end

--- The path of a snapshot of a test.
function snapshot.path(case, name)
  local folder, stem = case.file.path:match("^(.*/)([^/]*)%.lua$")
  if not folder then folder, stem = "", case.file.path:gsub("%.lua$", "") end
  local base = encoded(case.name) .. (name ~= "" and "@" .. encoded(name) or "")
  if #base > longest then base = base:sub(1, longest - 9) .. "~" .. hash(base) end
  return folder .. "__snapshots__/" .. stem .. "/" .. base .. ".txt", folder .. "__snapshots__", folder .. "__snapshots__/" .. stem
end

local function read(path)
  local handle, problem = io.open(path, "rb")
  if not handle then
    if file.kind(path) == nil then return nil end
    error(core.error(problem), 0)
  end
  local text = handle:read("*a")
  handle:close()
  return text
end
local function write(path, text, ...)
  for _, folder in ipairs { ... } do
    if file.kind(folder) ~= "folder" then require("ccsand.sys").mkdir(folder, "0755") end
  end
  local handle, problem = io.open(path .. "~", "wb")
  local good = handle and handle:write(text)
  good = handle and handle:close() and good
  if not good or not os.rename(path .. "~", path) then error(core.error(("snapshot '%s' cannot be written%s"):format(path, problem and ": " .. problem or "")), 0) end
end

--- Compares; with --update writes what differs.
function snapshot.check(test, name, value)
  local text = type(value) == "string" and value or table.concat(difference.lines(value), "\n") .. "\n"
  if test.snapshots[name] and test.snapshots[name] ~= text then
    failure.raise(("snapshot: '%s' is there twice in this test, with other text"):format(name))
  end
  test.snapshots[name] = text
  local path, above, folder = snapshot.path(test.case, name)
  local wanted = read(path)
  if wanted == text then return end
  if test.update then
    write(path, text, above, folder)
    test.scope.run.snapshots_written = (test.scope.run.snapshots_written or 0) + 1
  elseif wanted == nil then
    local lines = { "it would be " .. path }
    for _, line in ipairs(difference.lines(text, 4000)) do lines[#lines + 1] = line end
    failure.raise("snapshot: there is none yet; --update writes it", lines)
  else
    local lines = difference.of(text, wanted)
    table.insert(lines, 1, path .. " (--update writes it anew)")
    failure.raise("snapshot: differs", lines)
  end
end

return snapshot
