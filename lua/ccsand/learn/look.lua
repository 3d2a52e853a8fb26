-- What a call's paths and descriptors stand for in the container's own tree, seen from
-- outside while the call waits. It opens nothing but O_PATH, and the heads of programs.
local ffi = require "ffi"
local sys = require "ccsand.sys"

local look = {}

-- ccsand.sys has no name for these two: they look, and change nothing.
pcall(ffi.cdef, "long readlink(const char *, char *, size_t);")
pcall(ffi.cdef, "int statx(int, const char *, int, unsigned, void *);")
local most_bytes, at_empty_path, basic_stats = 4096, 0x1000, 0x7ff

--- The text of a link; nil where there is none.
function look.link(path)
  local buffer = ffi.new("char[?]", most_bytes)
  local size = tonumber(ffi.C.readlink(path, buffer, most_bytes))
  return size >= 0 and ffi.string(buffer, size) or nil
end

local kinds = { [1] = "fifo", [2] = "char", [4] = "directory", [6] = "block", [8] = "file", [10] = "link", [12] = "socket" }

--- { kind, mode, uid, gid } of an open descriptor's number.
function look.status(number)
  local bytes = ffi.new "uint8_t[256]" -- struct statx, of which statx(2) promises the layout
  if ffi.C.statx(number, "", at_empty_path, basic_stats, bytes) ~= 0 then return nil end
  local function read(at, size)
    local value = 0
    for i = at + size - 1, at, -1 do value = value * 256 + bytes[i] end
    return value
  end
  local mode = read(28, 2)
  return { kind = kinds[math.floor(mode / 4096)], mode = mode % 4096, uid = read(20, 4), gid = read(24, 4) }
end

--- Without "." and "..", as text: links are not looked at.
function look.normal(path)
  local parts = {}
  for part in path:gmatch "[^/]+" do
    if part == ".." then parts[#parts] = nil
    elseif part ~= "." then parts[#parts + 1] = part end
  end
  return "/" .. table.concat(parts, "/")
end
function look.parent(path) return path:match "^(.+)/[^/]*$" or "/" end

-- Where a path begins, as text: absolute within the process's root.
local function absolute(pid, directory, path)
  if path:sub(1, 1) == "/" then return path end
  local base = look.link(directory == -100 and ("/proc/%d/cwd"):format(pid) or ("/proc/%d/fd/%d"):format(pid, directory))
  if not base or base:sub(1, 1) ~= "/" then return nil end
  local root = look.link(("/proc/%d/root"):format(pid))
  if root and root ~= "/" and (base .. "/"):sub(1, #root + 1) == root .. "/" then base = base:sub(#root + 1) end
  return path == "" and base or base .. "/" .. path
end

-- /proc/self is somebody else's for whoever looks, and so is what leads there.
local function without_self(call, path)
  path = path:gsub("^/+dev/+fd/", "/proc/self/fd/"):gsub("^/+dev/+stdin$", "/proc/self/fd/0")
    :gsub("^/+dev/+stdout$", "/proc/self/fd/1"):gsub("^/+dev/+stderr$", "/proc/self/fd/2")
  if not path:find "^/+proc/+self" and not path:find "^/+proc/+thread%-self" then return path end
  local who = call:who()
  return who and (path:gsub("^/+proc/+[%a-]*self", "/proc/" .. who.pid)) or path
end

-- What of /proc is a process's, and the terminals, have numbers that mean nothing tomorrow.
local function lasting(path, kind)
  if path:find "^/proc/%d+" then return "/proc", "directory" end
  if path:find "^/dev/pts/." then return "/dev/pts", "directory" end
  return path, kind
end

local function opened(root, path, flags)
  local good, descriptor = pcall(sys.open, path, flags, { root = root })
  return good and descriptor or nil
end

-- The name that the kernel has for it, and what it is.
local function described(descriptor, path)
  local number = descriptor:fileno()
  local name, status = look.link("/proc/self/fd/" .. number), look.status(number)
  if not name or name:sub(1, 1) ~= "/" or name:find " %(deleted%)$" then name = look.normal(path) end
  return name, status
end

local function with_root(call, f)
  local good, root = pcall(sys.open, ("/proc/%d/root"):format(call.pid), { "path", "directory" })
  if not good then return nil end
  local found = f(root)
  root:close()
  return found
end

--- Where a path of a call leads: { path, kind, status, exists, parent, parent_status }; nil where nothing
--- can be there. `follow` says whether the call follows a link at its end.
function look.find(call, directory, path, follow)
  if not path then return nil end
  local whole = absolute(call.pid, directory or -100, path)
  if not whole then return nil end
  whole = without_self(call, whole)
  local descriptor = look.normal(whole):match "^/proc/%d+/fd/(%d+)$"
  if descriptor and follow then
    local target = look.link(("/proc/%d/fd/%s"):format(call.pid, descriptor))
    if not target or target:sub(1, 1) ~= "/" then return nil end -- a pipe, a socket: nobody needs a rule for them
    whole = target
  end
  return with_root(call, function(root)
    local place = { exists = false }
    local above, name = look.parent(whole:gsub("(.)/+$", "%1")), whole:gsub("/+$", ""):match "[^/]*$"
    local up = opened(root, above, { "path", "directory" })
    if up then
      place.parent, place.parent_status = described(up, above)
      up:close()
    end
    local flags = { "path" }
    if not follow then flags[2] = "nofollow" end
    local there = opened(root, whole, flags)
    if there then
      place.exists = true
      place.path, place.status = described(there, whole)
      there:close()
      if follow then place.parent = look.parent(place.path) end
    elseif place.parent then
      place.path = (place.parent == "/" and "" or place.parent) .. "/" .. name
    else
      return nil
    end
    place.path, place.kind = lasting(place.path, place.status and place.status.kind)
    place.parent = place.parent and (lasting(place.parent))
    return place
  end)
end

--- What a descriptor of the caller's is open on, in the same form; nil where it is no file.
function look.descriptor(call, number)
  local target = look.link(("/proc/%d/fd/%d"):format(call.pid, number))
  if not target or target:sub(1, 1) ~= "/" then return nil end
  return look.find(call, -100, target, true)
end

local function number_at(bytes, at, size)
  local value = 0
  for i = at + size, at + 1, -1 do value = value * 256 + (bytes:byte(i) or 0) end
  return value
end

-- The loader that an ELF program names.
local function loader_of(head)
  local wide = head:byte(5) == 2
  local table_at = number_at(head, wide and 32 or 28, wide and 8 or 4)
  local size, count = number_at(head, wide and 54 or 42, 2), number_at(head, wide and 56 or 44, 2)
  for i = 0, math.min(count, 64) - 1 do
    local at = table_at + i * size
    if number_at(head, at, 4) == 3 then -- PT_INTERP
      local from = number_at(head, at + (wide and 8 or 4), wide and 8 or 4)
      return head:sub(from + 1):match "^(/[^%z]*)%z"
    end
  end
end

--- The program by which the kernel runs this one: its "#!", or its loader. nil where there is none.
function look.interpreter(call, path)
  return with_root(call, function(root)
    local descriptor = opened(root, path, { "path" })
    if not descriptor then return nil end
    local number, head = descriptor:fileno(), nil
    local status = look.status(number)
    -- Only a regular file is opened to be read: opening a device or a fifo does something.
    local file = status and status.kind == "file" and io.open("/proc/self/fd/" .. number, "rb")
    if file then
      head = file:read(4096)
      file:close()
    end
    descriptor:close()
    if not head then return nil end
    if head:sub(1, 2) == "#!" then return head:match "^#![ \t]*([^ \t\n]+)" end
    if head:sub(1, 4) == "\127ELF" then return loader_of(head) end
  end)
end

--- What the process was executed as, from its auxiliary vector: also right for a script.
function look.executed_as(call)
  local file = io.open(("/proc/%d/auxv"):format(call.pid), "rb")
  if not file then return nil end
  local vector = file:read "*a"
  file:close()
  for at = 0, #vector - 16, 16 do
    if number_at(vector, at, 8) == 31 then -- AT_EXECFN
      local pointer, text = number_at(vector, at + 8, 8), ""
      while #text < most_bytes do
        local part = call:read(pointer + #text, 8)
        if not part then return nil end
        text = text .. part
        local stop = text:find("\0", 1, true)
        if stop then return text:sub(1, stop - 1) end
      end
    end
  end
end

--- The capabilities that are effective for the caller, as a number of each: { [21] = true }.
function look.effective(call)
  local file = io.open(("/proc/%d/status"):format(call.pid), "rb")
  local text = file and file:read "*a" or ""
  if file then file:close() end
  local set, digits = {}, text:match "CapEff:%s*(%x+)" or ""
  for i = 0, #digits - 1 do
    local digit = tonumber(digits:sub(#digits - i, #digits - i), 16)
    for bit = 0, 3 do
      if math.floor(digit / 2 ^ bit) % 2 == 1 then set[i * 4 + bit] = true end
    end
  end
  return set
end

return look
