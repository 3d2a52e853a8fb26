-- What ccsand does in a container's stead: from a call and its arguments as they were checked to the table
-- that core performs (src/core/seccomp/performance.cpp). A function for each call that it can perform.
local bit = require "bit"
local filter = require "ccsand.filter"
local numbers = require "ccsand.notify.number"
local low, has, number_at = numbers.low, numbers.has, numbers.at

local at_cwd = -100
local function need(value, problem)
  if value == nil then error({ errno = problem or "EFAULT" }, 0) end
  return value
end
-- /proc/self is another process's for whoever performs.
local function own_proc(self, path)
  if not path:find "^/+proc/+self" and not path:find "^/+proc/+thread%-self" then return path end
  local who = self:who()
  if not who then return path end
  return (path:gsub("^/+proc/+self", "/proc/" .. who.pid):gsub("^/+proc/+thread%-self", "/proc/" .. who.pid))
end

local open_flags
local function known_flags(flags)
  if not open_flags then
    open_flags = 0
    for name, value in pairs(filter.constants "O_") do
      if value <= 0xffffffff and name ~= "O_ACCMODE" then open_flags = bit.bor(open_flags, value) end
    end
  end
  return low(bit.band(flags, open_flags))
end

local function opening(self, directory, path, flags, mode, resolve)
  flags = known_flags(flags)
  local makes = has(flags, "O_CREAT") or has(flags, "O_TMPFILE")
  return { kind = "open", directory = directory, path = own_proc(self, need(path)), flags = flags,
           mode = makes and bit.band(mode or 0, 4095) or 0, resolve = resolve or 0, close_on_exec = has(flags, "O_CLOEXEC") }
end

local deeds = {}
function deeds.openat(self, a) return opening(self, a.dirfd, a.pathname, a.flags, a.mode) end
function deeds.open(self, a) return opening(self, at_cwd, a.pathname, a.flags, a.mode) end
function deeds.creat(self, a)
  return opening(self, at_cwd, a.pathname, filter.constant "O_CREAT" + filter.constant "O_WRONLY" + filter.constant "O_TRUNC", a.mode)
end
function deeds.openat2(self, a, open_how)
  local how = need(open_how(self))
  return opening(self, a.dirfd, a.pathname, number_at(how, 1, 4), number_at(how, 9, 4), number_at(how, 17, 4))
end
local function on_socket(kind)
  return function(_, a)
    local target = need(a.addr)
    return { kind = kind, object = a.sockfd, address = target.bytes }
  end
end
deeds.connect, deeds.bind = on_socket "connect", on_socket "bind"
function deeds.mknodat(self, a)
  return { kind = "make_node", directory = a.dirfd, path = own_proc(self, need(a.pathname)), mode = a.mode, device = a.dev }
end
function deeds.mknod(self, a)
  return { kind = "make_node", path = own_proc(self, need(a.pathname)), mode = a.mode, device = a.dev }
end
-- Of a mount with ccsand's rights, a new one of these kinds and with these flags, and nothing that makes it another
-- act: a bind, a remount, a move.
local mountable = { tmpfs = true, ramfs = true, mqueue = true }
local harmless
local function mount_flags(flags)
  if not harmless then
    harmless = 0
    for _, name in ipairs { "RDONLY", "NOSUID", "NODEV", "NOEXEC", "SYNCHRONOUS", "DIRSYNC", "NOATIME", "NODIRATIME", "RELATIME", "STRICTATIME", "LAZYTIME", "SILENT" } do
      harmless = bit.bor(harmless, filter.constant("MS_" .. name) or 0)
    end
  end
  if type(flags) ~= "number" or flags > 0xffffffff or bit.band(flags, bit.bnot(harmless)) ~= 0 then return nil end
  return low(flags)
end
function deeds.mount(self, a)
  local safe = filter.constant "MS_NOSUID" + filter.constant "MS_NODEV"
  a = setmetatable({ mountflags = mount_flags(a.mountflags) or error({ errno = "EPERM" }, 0) }, { __index = a })
  if not mountable[need(a.filesystemtype)] then error({ errno = "EPERM" }, 0) end
  return { kind = "mount", path = own_proc(self, need(a.target)), source = a.source or "none", type = need(a.filesystemtype),
           flags = low(bit.bor(a.mountflags, safe)), data = a.data_text or "" }
end

return deeds
