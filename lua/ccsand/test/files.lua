-- Finding test files, and loading each in an environment of its own.
local core = require "ccsand.core"
local failure = require "ccsand.test.failure"
local file = require "ccsand.file"
local loop = require "ccsand.loop"
local registry = require "ccsand.test.registry"

local files = {}

-- ---- which

local function join(folder, name) return folder == "." and name or (folder:gsub("/+$", "")) .. "/" .. name end

local function search(folder, found)
  local entries, names = file.list(folder), {}
  for name in pairs(entries) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local path, kind = join(folder, name), entries[name]
    -- Links to folders are not followed: they may lead in circles.
    if kind == "link" then kind = file.kind(path) == "file" and "file" or "other" end
    if kind == "folder" and name:sub(1, 1) ~= "." then search(path, found)
    elseif kind == "file" and name:find("_test%.lua$") and name:sub(1, 1) ~= "." then found[#found + 1] = path end
  end
end

--- The test files of these paths, in order, each once. Raises for a path that is not there.
function files.find(paths)
  local all, seen = {}, {}
  for _, path in ipairs(#paths > 0 and paths or { "." }) do
    local found, kind = {}, file.kind(path)
    if kind == "folder" then search(path, found)
    elseif kind == "file" then found[1] = path
    else error(core.error(("'%s': %s"):format(path, kind and "is neither a file nor a folder" or "there is no such file or folder"), nil, "ENOENT"), 0) end
    for _, name in ipairs(found) do
      if not seen[name] then all[#all + 1], seen[name] = name, true end
    end
  end
  return all
end

-- ---- loading

local own_os
local function os_of_tests()
  if own_os then return own_os end
  own_os = setmetatable({ exit = function()
    error(core.error("os.exit: would end all tests", "a test ends by returning, or by t.skip or t.fail"), 0)
  end }, { __index = os })
  return own_os
end

-- Modules that lie beside the test file are the file's own; two folders may both have a "support".
local function loader(folder, environment)
  local loaded = {}
  return function(name)
    if loaded[name] ~= nil then return loaded[name] end
    if type(name) ~= "string" or package.loaded[name] ~= nil or name:find("^ccsand%f[.%z]") then return require(name) end
    for _, tail in ipairs { ".lua", "/init.lua" } do
      local path = join(folder, (name:gsub("%.", "/")) .. tail)
      if file.kind(path) == "file" then
        local chunk, problem = loadstring(file.source(path), "@" .. path)
        if not chunk then error(problem, 0) end
        local value = setfenv(chunk, setmetatable({}, { __index = environment }))(name)
        loaded[name] = value == nil and true or value
        return loaded[name]
      end
    end
    return require(name)
  end
end

-- `print` in a test is kept with the test, and shown where it fails.
local function print_of_tests(...)
  local words = {}
  for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
  local text = table.concat(words, "\t")
  local task = loop.current()
  local scope = task and task.family and task.family.scope
  if scope then scope:log(text) else io.stderr:write(text, "\n") end
end

local function environment_of(path)
  local environment = { arg = { [0] = path }, print = print_of_tests, os = os_of_tests() }
  environment._G = environment
  environment.require = loader(path:match("^(.*)/[^/]*$") or ".", environment)
  return setmetatable(environment, { __index = _G })
end

--- Loads a file: { path, chunk, items, count }, with `problem` where it does not load.
function files.load(path, timeout)
  local found = { path = path, chunk = "@" .. path }
  local good, problem = xpcall(loop.timeout, failure.handler, timeout, function()
    local chunk, wrong = loadstring(file.source(path), found.chunk)
    if not chunk then error(wrong, 0) end
    registry.collect(found, setfenv(chunk, environment_of(path)))
    if found.count == 0 then
      error(core.error("it has no tests", 'local test = require "ccsand.test"; test("name", function(t) … end)'), 0)
    end
  end)
  if not good then
    if failure.is_interrupt(problem) then error(problem, 0) end
    found.problem = failure.is_skip(problem) and failure.describe(core.error("a skip outside of a test")) or problem
    found.items, found.count = {}, 0
  end
  return found
end

return files
