-- lua/meta says what there is: every function that the modules register is annotated, and
-- the other way round; so is every key of the container's table.
--   ccsand tests/lua/meta_test.lua
local ccsand = require "ccsand"

local source = os.getenv("CCSAND_SOURCE_DIR") or (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/../.."
local failures, checks = 0, 0

local function check(good, ...)
  checks = checks + 1
  if good then return end
  failures = failures + 1
  io.stderr:write("meta_test: ", table.concat({ ... }), "\n")
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

local function meta_path(name) return source .. "/lua/meta/" .. name .. ".lua" end

-- ---- modules

-- Meta files are valid Lua: each returns a table with the functions that it annotates.
local function annotated(name)
  local text = read(meta_path(name))
  if not text then return nil end
  local module = assert(loadstring(text, "@lua/meta/" .. name .. ".lua"))()
  local fields = {}
  local class
  -- Fields of the class that the module's own local is: the last class before `local NAME = {}`.
  local open
  for line in text:gmatch("[^\n]*") do
    local title = line:match("^%-%-%-@class ([%w_.]+)")
    if title then open = {} end
    local field = open and line:match("^%-%-%-@field ([%w_]+)")
    if field then open[#open + 1] = field end
    if line:match("^local [%w_]+ = {}") then
      class = open or {}
      break
    end
  end
  for _, field in ipairs(class or {}) do fields[field] = "field" end
  for key, value in pairs(type(module) == "table" and module or {}) do fields[key] = type(value) end
  return fields
end

local function compare(name, module)
  local fields = annotated(name)
  local full = name == "ccsand" and name or "ccsand." .. name
  check(fields, "lua/meta/", name, ".lua is missing")
  if not fields then return end
  for key in pairs(module) do
    check(fields[key], full, ".", tostring(key), " is not annotated in lua/meta/", name, ".lua")
  end
  for key, kind in pairs(fields) do
    check(module[key] ~= nil, full, ".", key, " is annotated, but there is none")
    if kind == "function" then check(type(module[key]) == "function" or name == "ccsand", full, ".", key, " is no function") end
  end
end

for _, name in ipairs { "container", "image", "sys", "cgroup", "seccomp", "policy", "learn", "json", "loop", "test" } do
  local there, module = pcall(require, "ccsand." .. name)
  if there then
    compare(name, module)
  else
    check(not read(meta_path(name)), "lua/meta/", name, ".lua annotates a module that does not load: ", tostring(module))
  end
end
compare("ccsand", ccsand)
-- The parts of ccsand load when they are first used: they are in an upvalue.
local index = getmetatable(ccsand).__index
for i = 1, 10 do
  local name, parts = debug.getupvalue(index, i)
  if not name then break end
  if name == "parts" then
    local fields = annotated("ccsand") or {}
    for part in pairs(parts) do check(fields[part], "ccsand.", part, " is not annotated in lua/meta/ccsand.lua") end
  end
end

-- ---- what a test is given, and the options of tests

do
  local meta, real = assert(read(meta_path("test"))), {}
  for _, part in ipairs { require("ccsand.test.assertions"), require("ccsand.test.context").bound } do
    for name in pairs(part) do real[name] = true end
  end
  real.result_lines = nil -- for reports
  for name in pairs(real) do check(meta:find("\nfunction T." .. name .. "(", 1, true), "t.", name, " is not annotated in lua/meta/test.lua") end
  for name in meta:gmatch("\nfunction T%.([%w_]+)") do check(real[name], "t.", name, " is annotated, but there is none") end
  for kind, keys in pairs(require("ccsand.test.registry").kinds) do
    local class = meta:match("%-%-%-@class ccsand%." .. kind:gsub("^%l", string.upper) .. "Options\n(.-)\n\n") or ""
    for key in pairs(keys) do check(class:find("@field " .. key .. "?", 1, true), kind, "'s option ", key, " is not annotated") end
    for key in class:gmatch("@field ([%w_]+)") do check(keys[key], kind, "'s option ", key, " is annotated, but there is none") end
  end
end

-- ---- methods of containers and of running containers

local text = assert(read(meta_path("container")), "lua/meta/container.lua is missing")

local function methods_of(class)
  local methods = {}
  for method in text:gmatch("\nfunction " .. class .. ":([%w_]+)") do methods[method] = true end
  return methods
end

-- The tables of methods are upvalues of the module's functions.
local function find_upvalue(wanted)
  local seen = {}
  local function look(f)
    if seen[f] then return nil end
    seen[f] = true
    for i = 1, 60 do
      local name, value = debug.getupvalue(f, i)
      if not name then break end
      if name == wanted then return value end
      local deeper = type(value) == "function" and look(value)
      if deeper then return deeper end
      if type(value) == "table" and name:match("^%u") then
        for _, method in pairs(value) do
          local found = type(method) == "function" and look(method)
          if found then return found end
        end
      end
    end
  end
  for _, module in ipairs { "container", "running", "pool" } do
    for _, f in pairs(require("ccsand." .. module)) do
      local found = type(f) == "function" and look(f)
      if found then return found end
    end
  end
end

for _, class in ipairs { "Container", "Running", "Pool" } do
  local methods, real = methods_of(class), find_upvalue(class)
  check(next(methods), "lua/meta/container.lua annotates no methods of ", class)
  check(real, "ccsand.container has no table ", class)
  for key, value in pairs(real or {}) do
    if type(value) == "function" and not key:match("^__") then
      check(methods[key], class, ":", key, " is not annotated")
    end
  end
  for key in pairs(methods) do check(not real or type(real[key]) == "function", class, ":", key, " is annotated, but there is none") end
end

-- ---- keys of the container's table

-- class -> { key -> type }
local classes = {}
do
  local class
  for line in text:gmatch("[^\n]*") do
    local title = line:match("^%-%-%-@class ([%w_.]+)")
    if title then class, classes[title] = title, {} end
    local key, kind = line:match("^%-%-%-@field ([%w_]+)%??%s+(.+)$")
    if key then classes[class][key] = kind end
  end
end

-- What the readers in C++ take, by the literals in their sources.
local function keys_in_sources()
  local keys = {}
  for _, file in ipairs { "container_reader", "limits_reader", "landlock_reader" } do
    local code = read(source .. "/src/bindings/" .. file .. ".cpp")
    if not code then return nil end
    for _, reader in ipairs { "push", "text", "texts", "boolean", "number", "integer", "integers", "size", "duration_ns", "word", "bits",
      "set", "pairs", "known" } do
      for key in code:gmatch("%." .. reader .. "%(\"([%w_]+)\"") do keys[key] = true end
    end
    for _, reader in ipairs { "optional_size", "optional_count", "optional_weight", "read_namespace", "read_ranges", "read_id", "read_list", "read_ports" } do
      for key in code:gmatch(reader .. "%(%w+, \"([%w_]+)\"") do keys[key] = true end
    end
    for list in code:gmatch("for %(const char%* key : {(.-)}%)") do
      for key in list:gmatch("\"([%w_]+)\"") do keys[key] = true end
    end
  end
  return keys
end

local all = {}
for _, fields in pairs(classes) do
  for key in pairs(fields) do all[key] = true end
end
for key in pairs(keys_in_sources() or {}) do
  check(all[key], "a container's table takes the key '", key, "', which lua/meta/container.lua does not have")
end

-- A key that is taken gets a value that no key takes: any error but "is not a key" is right.
local wrong = function() end

-- How to reach a class in the container's table, with what it needs to be valid.
local reached = {
  ["ccsand.ContainerSpec"] = function(t) return t end,
  ["ccsand.RootSpec"] = function(t) return { root = t } end,
  ["ccsand.MountSpec"] = function(t) t.target = t.target or "/mnt" t.source = t.source or "/usr" return { mounts = { t } } end,
  ["ccsand.Namespaces"] = function(t) return { namespaces = t } end,
  ["ccsand.IdMaps"] = function(t) return { user_namespace = t } end,
  ["ccsand.TimeOffsets"] = function(t) return { time_offsets = t } end,
  ["ccsand.CapabilityChange"] = function(t) return { capabilities = t } end,
  ["ccsand.SeccompFilter"] = function(t) t.bpf = t.bpf or ("\6\0\0\0\0\0\255\127") return { seccomp = t } end,
  ["ccsand.Landlock"] = function(t) t.bind = t.bind or {} return { landlock = t } end,
  ["ccsand.Limits"] = function(t) return { limits = t } end,
  ["ccsand.IoLimit"] = function(t) t.device = t.device or "8:0" t.rbps = t.rbps or 1 return { limits = { io = { t } } } end,
  ["ccsand.Rlimits"] = function(t) return { rlimits = t } end,
}

local function problem_with(class, key)
  local spec = reached[class] { [key] = wrong }
  if not spec.root and not spec.image then spec.root = "/" end
  local _, problem = ccsand.try(ccsand.container, spec)
  return tostring(problem)
end

for class in pairs(reached) do
  check(classes[class], class, " is not annotated")
  check(problem_with(class, "no_such_key"):find("is not a key", 1, true), class, " takes any key: ", problem_with(class, "no_such_key"))
  for key in pairs(classes[class] or {}) do
    check(not problem_with(class, key):find("is not a key", 1, true), class, ".", key, " is annotated, but it is no key: ", problem_with(class, key))
  end
end

-- A class that the tree of types leads to has to be reached above.
local function follow(class, seen)
  if seen[class] then return end
  seen[class] = true
  for _, kind in pairs(classes[class] or {}) do
    for other in kind:gmatch("ccsand%.%u[%w]*") do
      local given = other == "ccsand.Phase" or other == "ccsand.RunResult" or other == "ccsand.Denial" or other == "ccsand.Call" -- to functions
      if classes[other] and not given then
        check(reached[other], other, " is part of the container's table, but not tested here")
        follow(other, seen)
      end
    end
  end
end
follow("ccsand.ContainerSpec", {})

print(("meta_test: %d checks, %d failures"):format(checks, failures))
return failures == 0
