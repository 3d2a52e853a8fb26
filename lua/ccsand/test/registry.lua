-- What a test file says that its tests are, while it is loaded: suites and cases in order.
local core = require "ccsand.core"

local registry = {}
local current -- the suite that is being filled; nil where no file is loaded

local function fail(message, hint) error(core.error(message, hint), 0) end

-- The line of the test file that calls.
local function caller_line(chunk)
  for level = 3, 20 do
    local info = debug.getinfo(level, "Sl")
    if not info then return 0 end
    if info.source == chunk and info.currentline > 0 then return info.currentline end
  end
  return 0
end

-- ---- options

local kinds = {
  test = { timeout = "time", skip = "reason", expect_failure = "expectation", tags = "tags", exclusive = "boolean", each = "table" },
  suite = { timeout = "time", skip = "reason", tags = "tags", exclusive = "boolean",
            setup_all = "function", teardown_all = "function", setup = "function", teardown = "function" },
}
registry.kinds = kinds
local checks = {
  time = function(value) return pcall(require("ccsand.event").duration, value) and require("ccsand.event").duration(value) > 0 end,
  reason = function(value) return type(value) == "string" and value ~= "" end,
  expectation = function(value) return value == true or type(value) == "string" end,
  boolean = function(value) return type(value) == "boolean" end,
  table = function(value) return type(value) == "table" and next(value) ~= nil end,
  ["function"] = function(value) return type(value) == "function" end,
  tags = function(value)
    if type(value) ~= "table" then return false end
    for _, tag in pairs(value) do if type(tag) ~= "string" then return false end end
    return true
  end,
}
local wanted = {
  time = "a time above 0, such as \"5s\"", reason = "text that says why", expectation = "true, or a Lua pattern of the failure",
  boolean = "true or false", table = "a table that is not empty", ["function"] = "a function", tags = "a list of words",
}

local function check(kind, name, options)
  for key, value in pairs(options) do
    local what = kinds[kind][key]
    if not what then
      local names = {}
      for known in pairs(kinds[kind]) do names[#names + 1] = known end
      table.sort(names)
      local near = type(key) == "string" and core.nearest(key, names)
      fail(("%s '%s': '%s' is not an option%s"):format(kind, name, tostring(key), near and "; did you mean '" .. near .. "'?" or ""),
        "it takes " .. table.concat(names, ", "))
    end
    if not checks[what](value) then fail(("%s '%s': %s must be %s, got %s"):format(kind, name, key, wanted[what], type(value))) end
  end
end

local function arguments(kind, name, options, f)
  if type(name) ~= "string" or name == "" then fail(kind .. ": takes a name, options and a function; the name is " .. type(name)) end
  if not current then fail(("%s '%s': no test file is being loaded"):format(kind, name), "run it with 'ccsand test FILE'; tests are not defined within tests") end
  if f == nil then options, f = {}, options end
  if type(options) ~= "table" or type(f) ~= "function" then
    fail(("%s '%s': takes a name, options and a function, got %s and %s"):format(kind, name, type(options), type(f)))
  end
  if name:find("[%c]") then fail(("%s %q: a name is one line"):format(kind, name)) end
  check(kind, name, options)
  return options, f
end

-- ---- suites and cases

local function add_case(file, name, options, f, line, value, has_value)
  local full = current.prefix .. name
  if file.names[full] then fail(("test '%s': line %d has one of that name"):format(full, file.names[full])) end
  file.names[full] = line
  local case = { file = file, name = full, suite = current, options = options, f = f, line = line, value = value, has_value = has_value }
  current.items[#current.items + 1] = case
  file.count = file.count + 1
end

local function case_name(key, value)
  if type(key) == "string" then return key end
  if type(value) == "table" and type(value.name) == "string" then return value.name end
  local text = type(value) ~= "table" and type(value) ~= "function" and tostring(value)
  return text and #text <= 40 and text or tostring(key)
end
local function sorted(each)
  local keys, items = {}, #each
  for i = 1, items do keys[i] = i end
  local names = {}
  for key in pairs(each) do
    if type(key) == "string" then names[#names + 1] = key
    elseif type(key) ~= "number" or key < 1 or key > items or key % 1 ~= 0 then fail("each: its keys are names, or it is a list") end
  end
  table.sort(names)
  for _, name in ipairs(names) do keys[#keys + 1] = name end
  return keys
end

function registry.test(name, options, f)
  options, f = arguments("test", name, options, f)
  local file = current.file
  local line = caller_line(file.chunk)
  if not options.each then return add_case(file, name, options, f, line) end
  for _, key in ipairs(sorted(options.each)) do
    local value = options.each[key]
    add_case(file, ("%s [%s]"):format(name, (case_name(key, value):gsub("%c", " "))), options, f, line, value, true)
  end
end

function registry.suite(name, options, f)
  options, f = arguments("suite", name, options, f)
  local above = current
  local suite = { file = above.file, name = above.prefix .. name, prefix = above.prefix .. name .. " / ", above = above,
                  options = options, items = {}, line = caller_line(above.file.chunk) }
  above.items[#above.items + 1] = suite
  current = suite
  local good, problem = pcall(f)
  current = above
  if not good then error(problem, 0) end
end

--- Calls f while the tests that it defines are the file's. Raises its error.
function registry.collect(file, f)
  file.items, file.names, file.count, file.prefix, file.file, file.options = {}, {}, 0, "", file, {}
  current = file
  local results = { pcall(f) }
  current = nil
  if not results[1] then error(results[2], 0) end
end

--- An option of a case or of the suites around it, the innermost first.
function registry.option(case, key)
  if case.options[key] ~= nil then return case.options[key] end
  local suite = case.suite
  while suite do
    if suite.options[key] ~= nil then return suite.options[key] end
    suite = suite.above
  end
end
function registry.has_tag(case, tag)
  local holder = case
  while holder do
    for _, own in pairs(holder.options.tags or {}) do if own == tag then return true end end
    holder = holder.suite or holder.above
  end
  return false
end
--- The suites around a case, the outermost first.
function registry.suites(case)
  local list, suite = {}, case.suite
  while suite and suite ~= case.file do
    table.insert(list, 1, suite)
    suite = suite.above
  end
  return list
end

return registry
