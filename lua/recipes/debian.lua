-- A Debian root made by mmdebstrap, kept in the store as debian:SUITE.
--   ccsand recipes/debian.lua [--suite=bookworm] [--mirror=URL] [COMMAND...]
-- Without --mirror it is the first of this machine's own apt configuration.
local ccsand = require "ccsand"

local suite, mirror, command = "bookworm", nil, {}
for i, word in ipairs(arg) do
  local name, value = word:match("^%-%-(%l+)=(.+)$")
  if #command > 0 or not name then
    if not (#command == 0 and word == "--") then command[#command + 1] = word end
  elseif name == "suite" then suite = value
  elseif name == "mirror" then mirror = value
  else error("debian: unknown option --" .. name, 0) end
end
if not suite:match("^%l[%l-]*$") then error("debian: '" .. suite .. "' is not the name of a suite", 0) end

local function output_of(command_line)
  local pipe = assert(io.popen(command_line, "r"))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function own_mirror()
  local text = output_of("apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null")
  return text:match("%S+") or error("debian: this machine's apt has no mirror; name one with --mirror=URL", 0)
end

-- mmdebstrap writes an archive, which is unpacked like any other: by the sandboxed
-- program, without the device nodes that a container gets from ccsand anyway.
local function bootstrap(name)
  if ccsand.image.has(name) then return end
  if output_of("command -v mmdebstrap") == "" then
    error("debian: needs mmdebstrap\n  hint: install Debian's package mmdebstrap", 0)
  end
  local archive = os.tmpname()
  local line = ("mmdebstrap --quiet --variant=minbase --customize-hook='rm -rf \"$1\"/dev/*' --format=tar %s %s %s")
    :format(quote(suite), quote(archive), quote(mirror or own_mirror()))
  io.stderr:write("ccsand: making ", name, " with mmdebstrap\n")
  local good = os.execute(line .. " 1>&2") == 0
  local imported, problem = good and pcall(ccsand.image.import, name, archive)
  os.remove(archive)
  if not good then error("debian: mmdebstrap failed, see above", 0) end
  if not imported then error(problem, 0) end
end

local name = "debian:" .. suite
local box = ccsand.container {
  image = name,
  hostname = "debian",
  terminal = "auto",
  limits = { memory = "1G", pids = 512 },
  command = #command > 0 and command or { "/bin/bash", "-l" },
}
bootstrap(name)
return box
