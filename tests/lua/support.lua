-- What the Lua tests share: named tests, comparisons that show both sides, containers
-- of one image, code that runs inside of one, and the check that nothing was left.
local ffi = require "ffi"
local ccsand = require "ccsand"

ffi.cdef [[
int setenv(const char *, const char *, int);
char *mkdtemp(char *);
long readlink(const char *, char *, size_t);
int open(const char *, int, ...);
int close(int);
int chmod(const char *, unsigned);
int getpid(void);
unsigned geteuid(void);
int kill(int, int);
]]
local C = ffi.C

local support = { passed = 0, failed = 0, skipped = 0 }

function support.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end
function support.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  file:close()
  return path
end
-- The lines that a command of the host prints.
function support.host_lines(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end
function support.readlink(path)
  local buffer = ffi.new("char[4096]")
  local size = C.readlink(path, buffer, 4096)
  return size >= 0 and ffi.string(buffer, size) or nil
end

-- ---- a place of its own

local template = ffi.new("char[?]", 64, "/tmp/ccsand-lua-test-XXXXXX")
support.directory = ffi.string(C.mkdtemp(template))
assert(C.chmod(support.directory, tonumber("755", 8)) == 0)
C.setenv("CCSAND_RUN_DIR", support.directory .. "/run", 1)
if not os.getenv("CCSAND_TEST_STORE") then C.setenv("CCSAND_STORE", support.directory .. "/store", 1)
else C.setenv("CCSAND_STORE", os.getenv("CCSAND_TEST_STORE"), 1) end

support.ccsand = support.readlink("/proc/self/exe")

-- ---- the image

local alpine = require("ccsand.image").catalogue["alpine:3.20"]
local function pick_image()
  for directory in (os.getenv("CCSAND_IMAGE_PATH") or ""):gmatch("[^:]+") do
    if support.read(directory .. "/" .. alpine.file) then return "alpine:3.20" end
  end
  return "busybox:host"
end

--- Leaves the whole file as skipped.
function support.skip_all(why)
  os.execute("rm -rf '" .. support.directory .. "'")
  -- Not the skip's line where it must run: ctest would take the failure for a skip.
  if os.getenv("CCSAND_MUST_RUN") == "1" then
    print("must run here, but cannot: " .. why)
    os.exit(1)
  end
  print("ccsand-skip: " .. why)
  os.exit(0)
end

--- Provides the image and warms up what lives as long as the process.
function support.begin()
  if C.geteuid() ~= 0 then support.skip_all "containers are made by root" end
  support.image = pick_image()
  local good, problem = pcall(ccsand.image.get, support.image)
  if not good then support.skip_all("no image can be had: " .. tostring(problem)) end
  support.root = ccsand.image.path(support.image)
  local first = support.sh("true", { limits = { pids = 10 } })
  if first.status ~= 0 then error("the first container failed: " .. first.stderr, 0) end
  support.before = support.census()
end

-- ---- containers

function support.spec(more)
  local spec = { image = support.image, timeout = "30s" }
  for k, v in pairs(more or {}) do spec[k] = v end
  if spec.root and (spec.root.path or spec.root.host_view) then spec.image = nil end
  return spec
end
function support.box(more) return ccsand.container(support.spec(more)) end

--- Runs a shell script in a container and returns the result.
function support.sh(script, more, options)
  return support.box(more):capture({ "/bin/sh", "-c", script }, options)
end
--- What the script printed, without the last newline; fails where its status is not 0.
function support.out(script, more, options)
  local result = support.sh(script, more, options)
  if result.status ~= 0 then
    error(("status %d (%s) of: %s\n%s%s"):format(result.status, result.reason, script, result.stdout, result.stderr), 2)
  end
  return (result.stdout:gsub("\n$", ""))
end

local numbered = 0
function support.file(text, name)
  numbered = numbered + 1
  return support.write(("%s/%s-%d"):format(support.directory, name or "file", numbered), text)
end
function support.mkdir(name, mode)
  numbered = numbered + 1
  local path = ("%s/%s-%d"):format(support.directory, name, numbered)
  assert(os.execute(("mkdir -m %s '%s'"):format(mode or "755", path)) == 0)
  return path
end

-- What attacks start with: system calls by their numbers of x86-64, as libc has them.
support.prelude = [[
local ffi = require "ffi"
ffi.cdef "long syscall(long, ...); char *strerror(int); int open(const char*, int, ...); long read(int, void*, size_t); int close(int);"
local function call(n, ...)
  local args = { ... }
  for i = 1, #args do if type(args[i]) == "number" then args[i] = ffi.cast("long", args[i]) end end
  local r = tonumber(ffi.C.syscall(n, unpack(args)))
  return r, r < 0 and ffi.string(ffi.C.strerror(ffi.errno())) or nil
end
local function readable(path)
  local f = io.open(path, "rb")
  if not f then return false end
  local text = f:read(1)
  f:close()
  return text ~= nil
end
]]

--- A container over a view of the host in which ccsand itself runs a Lua program: for
--- attacks that a shell cannot make. Returns the table of the container and its command.
function support.program(code, more)
  local script = support.file(support.prelude .. code, "attack.lua")
  local spec = {
    root = { host_view = true }, timeout = "30s",
    mounts = {
      { source = support.ccsand, target = "/run/ccsand-test" },
      { source = script, target = "/run/attack.lua", id_mapped = true },
    },
    command = { "/run/ccsand-test", "/run/attack.lua" },
    -- A sanitizer's look for leaks at the end takes /proc and ptrace(2), which attacks go without.
    env = { ASAN_OPTIONS = "detect_leaks=0" },
  }
  for k, v in pairs(more or {}) do
    if k == "mounts" then for _, mount in ipairs(v) do table.insert(spec.mounts, mount) end
    else spec[k] = v end
  end
  if spec.user_namespace == false then spec.mounts[2].id_mapped = nil end
  return spec
end
function support.run_program(code, more, options)
  return ccsand.container(support.program(code, more)):capture(nil, options)
end
--- What it prints, without the last newline; an error where it does not end with 0.
function support.program_output(code, more)
  local result = support.run_program(code, more)
  if result.status ~= 0 then error(("status %d (%s): %s%s"):format(result.status, result.reason, result.stdout, result.stderr), 2) end
  return (result.stdout:gsub("\n$", ""))
end

--- Runs ccsand on the host on a recipe of this text; returns its output and status.
function support.run_recipe(code, before, after)
  local recipe = support.file(code, "recipe.lua")
  return support.run_host(("%s '%s' '%s' %s"):format(before or "", support.ccsand, recipe, after or ""), recipe)
end
function support.run_host(command, recipe)
  local out = support.directory .. "/output"
  local status = os.execute(("( %s ) >'%s' 2>&1 </dev/null"):format(command, out))
  local text = support.read(out)
  os.remove(out)
  return text, math.floor(status / 256), recipe
end

-- ---- comparisons

local function show(value) return type(value) == "string" and ("%q"):format(value) or tostring(value) end
function support.equal(got, wanted, what)
  if got ~= wanted then error(("%s: got %s, wanted %s"):format(what or "value", show(got), show(wanted)), 2) end
end
function support.match(text, pattern, what)
  if not tostring(text):find(pattern) then
    error(("%s: %s does not match %s"):format(what or "text", show(text), show(pattern)), 2)
  end
end
function support.no_match(text, pattern, what)
  if tostring(text):find(pattern) then error(("%s: %s matches %s"):format(what or "text", show(text), show(pattern)), 2) end
end
--- f must raise; its message must hold each of the plain texts. Returns the error value.
function support.fails(f, ...)
  local good, problem = pcall(f)
  if good then error("did not fail", 2) end
  for _, part in ipairs { ... } do
    if not tostring(problem):find(part, 1, true) then
      error(("the message %s lacks %s"):format(show(tostring(problem)), show(part)), 2)
    end
  end
  return problem
end

local skip_mark = {}
function support.skip(why) error(setmetatable({ why = why }, skip_mark), 0) end

local only = arg and arg[1]
function support.test(name, f)
  if only and not name:find(only, 1, true) then return end
  local good, problem = xpcall(f, function(value)
    if getmetatable(value) == skip_mark then return value end
    return tostring(value)
  end)
  if good then
    support.passed = support.passed + 1
  elseif getmetatable(problem) == skip_mark and os.getenv("CCSAND_MUST_RUN") ~= "1" then
    support.skipped = support.skipped + 1
    print(("skip  %s: %s"):format(name, problem.why))
  else
    support.failed = support.failed + 1
    print(("FAIL  %s\n      %s"):format(name, (tostring(problem.why or problem):gsub("\n", "\n      "))))
  end
end

-- ---- what is left

local function lines_of(text, into, prefix)
  for line in (text or ""):gmatch("[^\n]+") do into[prefix .. line] = true end
end

--- Everything that a container could leave behind, as a set of lines.
function support.census()
  collectgarbage() collectgarbage()
  local own = C.getpid()
  local found = {}
  for fd = 0, 1023 do
    local target = support.readlink("/proc/self/fd/" .. fd)
    if target then found[("descriptor %d -> %s"):format(fd, target)] = true end
  end
  lines_of(support.read("/proc/self/mountinfo"), found, "mount ")
  for pid in (support.read(("/proc/self/task/%d/children"):format(own)) or ""):gmatch("%d+") do found["child " .. pid] = true end
  for _, line in ipairs(support.host_lines("ls /sys/class/net")) do found["interface " .. line] = true end
  local groups = ("find /sys/fs/cgroup -type d -path '*/ccsand/%d-*' 2>/dev/null"):format(own)
  for _, line in ipairs(support.host_lines(groups)) do found["cgroup " .. line] = true end
  for _, line in ipairs(support.host_lines("ls -A " .. support.directory .. "/run; ls -A $CCSAND_STORE/tmp")) do
    found["file " .. line] = true
  end
  return found
end

--- Fails for what is there now and was not when the tests began.
function support.nothing_left()
  local more
  for _ = 1, 40 do  -- the kernel takes namespaces down after their last process
    more = {}
    for line in pairs(support.census()) do
      if not support.before[line] then more[#more + 1] = line end
    end
    if #more == 0 then return end
    os.execute("sleep 0.05")
  end
  table.sort(more)
  error("left behind:\n" .. table.concat(more, "\n"), 2)
end

--- The last line, and the exit status.
function support.finish()
  only = nil
  support.test("nothing is left behind", support.nothing_left)
  os.execute("rm -rf '" .. support.directory .. "'")
  print(("%d passed, %d failed, %d skipped"):format(support.passed, support.failed, support.skipped))
  return support.failed == 0 and 0 or 1
end

return support
