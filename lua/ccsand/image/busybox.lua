-- busybox:host: the smallest root that has a shell, from this machine's own static busybox.
local core = require "ccsand.core"
local sys = require "ccsand.sys"

local busybox = {}

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

local function write_file(path, text, mode)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  sys.chmod(path, mode)
end

local function number(text, at, size)
  local value = 0
  for i = size, 1, -1 do value = value * 256 + text:byte(at + i) end
  return value
end

-- Whether a 64-bit little-endian ELF program asks for no dynamic loader (PT_INTERP).
local function is_static(text)
  if text:sub(1, 6) ~= "\127ELF\2\1" or #text < 64 then return false end
  local table_at, entry_size, entries = number(text, 32, 8), number(text, 54, 2), number(text, 56, 2)
  for i = 0, entries - 1 do
    local at = table_at + i * entry_size
    if at + 4 > #text or number(text, at, 4) == 3 then return false end
  end
  return true
end

local function find()
  for directory in ((os.getenv("PATH") or "") .. ":/bin:/usr/bin:/usr/local/bin"):gmatch("[^:]+") do
    local path = directory .. "/busybox"
    local text = read_file(path)
    if text and is_static(text) then return path, text end
  end
  error(core.error("image 'busybox:host': this machine has no static busybox", "install Debian's package busybox-static"))
end

-- Links that busybox itself says it answers to.
local function applets(path)
  local quoted = "'" .. path:gsub("'", "'\\''") .. "'"
  local pipe = assert(io.popen(quoted .. " --list", "r"))
  local names = {}
  for name in pipe:lines() do
    if name:match("^[%w%[%]_.-]+$") and name ~= "busybox" then names[#names + 1] = name end
  end
  pipe:close()
  return names
end

local directories = { "bin", "dev", "etc", "home", "mnt", "opt", "proc", "root", "run", "sbin", "srv", "sys", "usr", "usr/bin",
  "usr/sbin", "var", "var/log" }

--- Fills the directory `root`.
function busybox.build(root)
  local path, text = find()
  for _, name in ipairs(directories) do sys.mkdir(root .. "/" .. name, name == "root" and "0700" or "0755") end
  for _, name in ipairs { "tmp", "var/tmp" } do
    sys.mkdir(root .. "/" .. name, "0755")
    sys.chmod(root .. "/" .. name, "1777")
  end
  write_file(root .. "/bin/busybox", text, "0755")
  for _, name in ipairs(applets(path)) do sys.symlink("busybox", root .. "/bin/" .. name) end
  write_file(root .. "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", "0644")
  write_file(root .. "/etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n", "0644")
  write_file(root .. "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", "0644")
end

return busybox
