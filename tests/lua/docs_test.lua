-- Runs the examples of README.md and docs/*.md: the fenced blocks of Lua that begin with
-- `-- example:`. A container that one returns is run; what it prints must be what its
-- comments `--> …` say, in order.
--   ccsand tests/lua/docs_test.lua
-- Images are alpine:3.20 from the store or CCSAND_IMAGE_PATH, else busybox:host. The store
-- is the one of CCSAND_STORE.
local ccsand = require "ccsand"

local source = os.getenv("CCSAND_SOURCE_DIR") or (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/../.."

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- Only what this machine lacks is a reason to skip: another failure is one.
local function skip(problem)
  local why = tostring(problem):gsub("\n.*", "")
  if not why:find "has no static busybox" and not why:find "needs root" then error(problem, 0) end
  if os.getenv("CCSAND_MUST_RUN") == "1" then error("must run here, but cannot: " .. why, 0) end
  print("ccsand-skip: " .. why)
  os.exit(0)
end

-- The image that the examples run on; nothing is downloaded for a test.
local function provide()
  local known = ccsand.image.catalogue["alpine:3.20"]
  local there = ccsand.image.has "alpine:3.20"
  for directory in (os.getenv("CCSAND_IMAGE_PATH") or ""):gmatch("[^:]+") do
    local file = io.open(directory .. "/" .. known.file, "rb")
    if file then file:close() there = true end
  end
  local name = there and "alpine:3.20" or "busybox:host"
  local _, problem = ccsand.try(ccsand.image.get, name)
  if problem then skip(problem) end
  _, problem = ccsand.try(function() return ccsand.container({ image = name }):capture { "true" } end)
  if problem then skip(problem) end
  return name
end

local function examples(path, found)
  local line, block, start = 0, nil, nil
  for text in (read(source .. "/" .. path) .. "\n"):gmatch("(.-)\n") do
    line = line + 1
    if block and text:match("^```") then
      if block[1] and block[1]:match("^%-%- example:") then
        found[#found + 1] = { name = path .. ":" .. start, at = start, text = table.concat(block, "\n"),
          title = block[1]:match("^%-%- example:%s*(.*)$") }
      end
      block = nil
    elseif block then
      block[#block + 1] = text
    elseif text:match("^```lua") then
      block, start = {}, line
    end
  end
  return found
end

-- What `print` would write, and what the comments expect.
local function run(example, image)
  local printed, expected = {}, {}
  for want in example.text:gmatch("%-%-> ([^\n]*)") do expected[#expected + 1] = want end
  local text = example.text:gsub('"alpine:3%.20"', ("%q"):format(image))
  -- Line numbers of errors are those of the page.
  local chunk = assert(loadstring(("\n"):rep(example.at) .. text, "@" .. example.name:match("^(.-):")))
  local env = setmetatable({
    arg = { [0] = example.name },
    print = function(...)
      local words = {}
      for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
      for line in (table.concat(words, "\t"):gsub("\n$", "") .. "\n"):gmatch("(.-)\n") do printed[#printed + 1] = line end
    end,
  }, { __index = _G })
  local value = setfenv(chunk, env)()
  if require("ccsand.container").is(value) then
    local result = value:capture()
    if result.status ~= 0 then error(("the container ended with %d: %s"):format(result.status, result.stderr), 0) end
  end
  for i, want in ipairs(expected) do
    if printed[i] ~= want then error(("line %d that it prints is %q, not %q"):format(i, tostring(printed[i]), want), 0) end
  end
end

local image = provide()
local found = examples("README.md", {})
for _, name in ipairs { "architecture", "containers", "images", "errors", "performance", "policies", "testing", "test-runner" } do
  examples("docs/" .. name .. ".md", found)
end
local failures = 0
for _, example in ipairs(found) do
  local _, problem = ccsand.try(run, example, image)
  if problem then
    failures = failures + 1
    io.stderr:write("docs_test: ", example.name, " (", example.title, "): ", tostring(problem), "\n")
  end
end
print(("docs_test: %d examples on %s, %d failures"):format(#found, image, failures))
return failures == 0 and #found > 0
