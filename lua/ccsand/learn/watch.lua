-- What a command does, written down call by call while it runs. Nothing is decided here.
local bit = require "bit"
local filter = require "ccsand.filter"
local notify = require "ccsand.notify"
local address = require "ccsand.address"
local look = require "ccsand.learn.look"
local numbers = require "ccsand.notify.number"
local low, has = numbers.low, numbers.has

local watch = {}
local most_values, most_tuples, longest_example = 8, 64, 100

-- What time and luck decide: a condition on it would deny the next run.
local unsteady = { futex = true, clock_gettime = true, clock_getres = true, clock_nanosleep = true, futex_wait = true, futex_wake = true }

-- ---- calls

--- The parameters of a call whose values are worth a condition.
function watch.telling(name)
  local list = {}
  if unsteady[name] then return list end
  for i, parameter in ipairs(notify.parameters(name)) do
    if parameter.constants and parameter.type ~= "fd" and parameter.type ~= "mode" then
      list[#list + 1] = { index = i, name = parameter.name, constants = parameter.constants,
                          wide = parameter.type ~= "int" and parameter.type ~= "uint" }
    end
  end
  return list
end

-- What tells a person most, and is the same in the next run: names and addresses. The environment is
-- nobody's business.
local function example(call)
  local words = {}
  for _, parameter in ipairs(notify.parameters(call.name)) do
    local value = nil
    if parameter.name ~= "envp" and parameter.type ~= "pointer" then value = call.args[parameter.name] end
    if parameter.type == "path" or parameter.type == "string" then words[#words + 1] = value and ("%q"):format(value)
    elseif parameter.type == "sockaddr" then words[#words + 1] = value and address.text(value)
    elseif parameter.type == "argv" and value then
      for _, word in ipairs(value) do words[#words + 1] = ("%q"):format(word) end
    end
  end
  local text = table.concat(words, ", ")
  return #text > longest_example and text:sub(1, longest_example) .. "..." or text
end

local function note_call(record, call, raw)
  local entry = record.calls[call.name]
  if not entry then
    entry = { count = 0, values = {}, tuples = {}, tuple_count = 0, example = example(call) }
    record.calls[call.name] = entry
  end
  entry.count = entry.count + 1
  local key = {}
  for i, parameter in ipairs(watch.telling(call.name)) do
    local value = parameter.wide and raw[parameter.index] or low(raw[parameter.index])
    key[i] = value
    local seen = entry.values[parameter.name]
    if seen == nil then
      seen = { count = 0, set = {} }
      entry.values[parameter.name] = seen
    end
    if not seen.set[value] then
      seen.count = seen.count + 1
      if seen.count <= most_values then seen.set[value] = true end
    end
  end
  key = table.concat(key, " ")
  if not entry.tuples[key] and entry.tuple_count < most_tuples then
    entry.tuples[key] = { unpack(raw, 1, 6) }
    entry.tuple_count = entry.tuple_count + 1
  end
end

-- ---- capabilities: what can be told from the call. See docs/policies.md.

local numbers = {
  chown = 0, dac_override = 1, dac_read_search = 2, fowner = 3, fsetid = 4, kill = 5, setgid = 6, setuid = 7, setpcap = 8,
  net_bind_service = 10, net_admin = 12, net_raw = 13, sys_module = 16, sys_rawio = 17, sys_chroot = 18, sys_pacct = 20,
  sys_admin = 21, sys_boot = 22, sys_nice = 23, sys_time = 25, sys_tty_config = 26, mknod = 27, audit_write = 29, setfcap = 31,
  syslog = 34, perfmon = 38, bpf = 39,
}
local by_call = {}
for capability, calls in pairs {
  chown = "chown fchown lchown fchownat chown32 fchown32 lchown32",
  setuid = "setuid setreuid setresuid setfsuid setuid32 setreuid32 setresuid32 setfsuid32",
  setgid = "setgid setregid setresgid setfsgid setgroups setgid32 setregid32 setresgid32 setfsgid32 setgroups32",
  sys_admin = "mount umount umount2 pivot_root fsopen fspick fsconfig fsmount move_mount mount_setattr open_tree sethostname " ..
    "setdomainname setns swapon swapoff quotactl quotactl_fd fanotify_init",
  sys_chroot = "chroot", sys_module = "init_module finit_module delete_module", sys_rawio = "iopl ioperm", sys_pacct = "acct",
  sys_boot = "reboot kexec_load kexec_file_load", sys_time = "clock_settime settimeofday stime clock_settime64",
  sys_tty_config = "vhangup", syslog = "syslog", perfmon = "perf_event_open", bpf = "bpf", dac_read_search = "open_by_handle_at",
} do
  for name in calls:gmatch "%S+" do by_call[name] = capability end
end

-- Counts only where the caller could use it: a call that fails for want of it needs nothing.
local function uses(record, call, capability, why)
  if record.capabilities[capability] or not look.effective(call)[numbers[capability]] then return end
  record.capabilities[capability] = why or call.name
end

local namespaces = { "CLONE_NEWNS", "CLONE_NEWUTS", "CLONE_NEWIPC", "CLONE_NEWPID", "CLONE_NEWNET", "CLONE_NEWCGROUP" }
local rarer = {}
local function with_namespaces(record, call)
  for _, name in ipairs(namespaces) do
    if has(call.args.flags, name) then return uses(record, call, "sys_admin") end
  end
end
rarer.clone, rarer.unshare = with_namespaces, with_namespaces
local function mknod(record, call)
  local kind = math.floor(call.args.mode / 4096) % 16
  if kind == 2 or kind == 6 then uses(record, call, "mknod", "mknod of a device") end
end
rarer.mknod, rarer.mknodat = mknod, mknod
local function kill(record, call)
  local who = call:who()
  if who and (call.args.pid or call.args.tid) ~= who.pid and call.args.sig ~= 0 then uses(record, call, "kill", "a signal to another process") end
end
rarer.kill, rarer.tkill = kill, kill
function rarer.socket(record, call)
  if call.args.domain == filter.constant "AF_PACKET" then uses(record, call, "net_raw", "a packet socket") end
  if bit.band(call.args.type, 15) == filter.constant "SOCK_RAW" and call.args.domain ~= filter.constant "AF_NETLINK" then
    uses(record, call, "net_raw", "a raw socket")
  end
end
function rarer.prctl(record, call)
  if call.args.option == filter.constant "PR_CAPBSET_DROP" then uses(record, call, "setpcap", "prctl PR_CAPBSET_DROP") end
end
local function set_attribute(record, call)
  local name = call.args.name or ""
  if name == "security.capability" then uses(record, call, "setfcap", name)
  elseif name:find "^security%." or name:find "^trusted%." then uses(record, call, "sys_admin", "an attribute " .. name) end
end
rarer.setxattr, rarer.lsetxattr, rarer.fsetxattr = set_attribute, set_attribute, set_attribute
function rarer.setpriority(record, call)
  if call.args.prio < 0 then uses(record, call, "sys_nice") end
end
rarer.sched_setscheduler = function(record, call)
  if call.args.policy == 1 or call.args.policy == 2 then uses(record, call, "sys_nice") end
end

-- Whether the caller's ids alone have the right, by mode: 4 read, 2 write, 1 execute.
local function permitted(who, status, right)
  local shift = who.uid == status.uid and 64 or who.gid == status.gid and 8 or 1
  return math.floor(status.mode / shift / right) % 2 == 1
end
local function check_mode(record, call, status, rights, path)
  if record.capabilities.dac_override or not status or status.kind == "link" then return end
  local who = call:who()
  if not who then return end
  for _, right in ipairs(rights) do
    if not permitted(who, status, right) then return uses(record, call, "dac_override", call.name .. " of " .. path) end
  end
end
local function check_owner(record, call, place)
  local who = call:who()
  if who and place and place.status and place.status.uid ~= who.uid then uses(record, call, "fowner", call.name .. " of " .. place.path) end
end

-- ---- files, as Landlock divides them

local function allow(record, path, right, kind)
  local file = record.files[path]
  if not file then
    file = { rights = {}, kind = kind }
    record.files[path] = file
  end
  file.rights[right] = (file.rights[right] or 0) + 1
  file.kind = file.kind or kind
end
local function in_parent(record, call, place, right)
  allow(record, place.parent, right, "directory")
  check_mode(record, call, place.parent_status, { 2, 1 }, place.parent)
end

local makes = { file = "make_reg", directory = "make_dir", link = "make_sym", socket = "make_sock", fifo = "make_fifo",
                char = "make_char", block = "make_block" }
local function made(record, call, place, kind)
  if place.exists or not place.parent then return end
  in_parent(record, call, place, makes[kind])
  record.made[place.path] = true
end
local function removed(record, call, place, kind)
  if not place or not place.exists or not place.parent then return end
  in_parent(record, call, place, (kind or place.kind) == "directory" and "remove_dir" or "remove_file")
end

local function opened(record, call, directory, path, flags)
  if has(flags, "O_PATH") then return end
  local place = look.find(call, directory, path, not has(flags, "O_NOFOLLOW"))
  if not place then return end
  local access, creates = bit.band(flags, 3), bit.band(flags, filter.constant "O_CREAT") ~= 0
  if not place.exists then
    if not creates then return end -- there is nothing that a rule could be about
    made(record, call, place, "file")
  elseif place.parent then
    check_mode(record, call, place.parent_status, { 1 }, place.parent)
  end
  local reads, writes = access ~= 1, access ~= 0
  local kind = place.status and place.status.kind -- of the file itself, also where a directory stands for it
  if kind == "directory" and has(flags, "O_TMPFILE") then allow(record, place.path, "write_file", place.kind)
  elseif kind == "directory" then allow(record, place.path, "read_dir", place.kind)
  else
    if reads then allow(record, place.path, "read_file", place.kind or "file") end
    if writes then allow(record, place.path, "write_file", place.kind or "file") end
    if has(flags, "O_TRUNC") then allow(record, place.path, "truncate", place.kind or "file") end
  end
  if reads then check_mode(record, call, place.status, { 4 }, place.path) end
  if writes then check_mode(record, call, place.status, { 2 }, place.path) end
end

local function executed(record, call, place, depth)
  if not place or not place.exists or place.kind ~= "file" then return end
  allow(record, place.path, "execute", "file")
  allow(record, place.path, "read_file", "file")
  if depth >= 5 then return end
  local by = look.interpreter(call, place.path)
  if by then executed(record, call, look.find(call, -100, by, true), depth + 1) end
end

local function linked(record, call, old, new, keeps_old)
  if not old or not new or not old.exists or not new.parent or not old.parent then return end
  if not keeps_old then removed(record, call, old) end
  if new.exists and not keeps_old then removed(record, call, new) end
  in_parent(record, call, new, makes[old.kind] or "make_reg")
  if not new.exists then record.made[new.path] = true end
  if old.parent ~= new.parent then
    allow(record, old.parent, "refer", "directory")
    allow(record, new.parent, "refer", "directory")
    record.referred[#record.referred + 1] = { old.parent, new.parent }
  end
end

local files = {}
function files.open(r, c) opened(r, c, -100, c.args.pathname, c.args.flags) end
function files.openat(r, c) opened(r, c, c.args.dirfd, c.args.pathname, c.args.flags) end
function files.creat(r, c) opened(r, c, -100, c.args.pathname, filter.constant "O_CREAT" + filter.constant "O_WRONLY" + filter.constant "O_TRUNC") end
function files.openat2(r, c, raw)
  local how = c:read(raw[3], 8)
  if not how then return end
  local flags = how:byte(1) + how:byte(2) * 256 + how:byte(3) * 65536 + how:byte(4) % 128 * 16777216
  opened(r, c, c.args.dirfd, c.args.pathname, flags)
end
function files.truncate(r, c)
  local place = look.find(c, -100, c.args.path, true)
  if place and place.exists then allow(r, place.path, "truncate", place.kind) end
end
function files.ftruncate(r, c)
  local place = look.descriptor(c, c.args.fd)
  if place and place.exists then allow(r, place.path, "truncate", place.kind) end
end
local function make_kind(kind)
  return function(r, c)
    local place = look.find(c, c.args.dirfd or c.args.newdirfd, c.args.pathname or c.args.path or c.args.linkpath, false)
    if place then made(r, c, place, kind) end
  end
end
files.mkdir, files.mkdirat = make_kind "directory", make_kind "directory"
files.symlink, files.symlinkat = make_kind "link", make_kind "link"
local function make_node(r, c)
  local place = look.find(c, c.args.dirfd, c.args.pathname, false)
  local kind = ({ [1] = "fifo", [2] = "char", [6] = "block", [12] = "socket" })[math.floor(c.args.mode / 4096) % 16]
  if place then made(r, c, place, kind or "file") end
end
files.mknod, files.mknodat = make_node, make_node
function files.unlink(r, c) removed(r, c, look.find(c, -100, c.args.pathname, false)) end
function files.rmdir(r, c) removed(r, c, look.find(c, -100, c.args.pathname, false)) end
function files.unlinkat(r, c) removed(r, c, look.find(c, c.args.dirfd, c.args.pathname, false)) end
local function rename(r, c)
  linked(r, c, look.find(c, c.args.olddirfd, c.args.oldpath, false), look.find(c, c.args.newdirfd, c.args.newpath, false))
end
files.rename, files.renameat, files.renameat2 = rename, rename, rename
local function link(r, c)
  local follow = c.args.flags and has(c.args.flags, "AT_SYMLINK_FOLLOW")
  linked(r, c, look.find(c, c.args.olddirfd, c.args.oldpath, follow), look.find(c, c.args.newdirfd, c.args.newpath, false), true)
end
files.link, files.linkat = link, link
function files.execve(r, c) executed(r, c, look.find(c, -100, c.args.pathname, true), 0) end
function files.execveat(r, c) executed(r, c, look.find(c, c.args.dirfd, c.args.pathname, true), 0) end
function files.ioctl(r, c)
  local place = look.descriptor(c, c.args.fd)
  if place and place.status and (place.status.kind == "char" or place.status.kind == "block") then
    allow(r, place.path, "ioctl_dev", place.kind)
  end
end
local function modes(r, c)
  local place = c.args.fd and look.descriptor(c, c.args.fd) or look.find(c, c.args.dirfd, c.args.pathname, true)
  check_owner(r, c, place)
  local mode = c.args.mode or 0
  if math.floor(mode / 1024) % 2 == 1 then uses(r, c, "fsetid", "a mode with set-group-ID") end
end
files.chmod, files.fchmod, files.fchmodat, files.fchmodat2 = modes, modes, modes, modes
function files.utimensat(r, c)
  if c.args.pathname then check_owner(r, c, look.find(c, c.args.dirfd, c.args.pathname, true)) end
end
for _, name in ipairs { "mount", "umount2", "pivot_root", "move_mount", "fsmount", "mount_setattr" } do
  files[name] = function(r) r.mounts = true end
end

-- ---- addresses

local function seen_address(list, target)
  local text = address.text(target)
  if not list[text] then list[text] = { count = 0, target = target } end
  list[text].count = list[text].count + 1
end
local network = {}
function network.connect(r, c)
  local target = c.args.addr
  if target and target.family ~= "AF_UNSPEC" then seen_address(r.connected, target) end
end
function network.bind(r, c)
  local target = c.args.addr
  if not target then return end
  seen_address(r.bound, target)
  if target.port and target.port > 0 and target.port < 1024 then uses(r, c, "net_bind_service", "bind to port " .. target.port) end
  if target.path and target.path ~= "" then
    local place = look.find(c, -100, target.path, false)
    if place then made(r, c, place, "socket") end
  end
end
function network.sendto(r, _, raw)
  if raw[5] ~= 0 then r.sends = "sendto" end
end
function network.sendmsg(r) r.sends = "sendmsg" end
function network.sendmmsg(r) r.sends = "sendmmsg" end

-- ---- all of it

--- An empty record.
function watch.record()
  return { calls = {}, files = {}, made = {}, referred = {}, connected = {}, bound = {}, capabilities = {} }
end

--- Writes down one call.
function watch.note(record, call, raw)
  if not record.begun then
    record.begun = true
    executed(record, call, look.find(call, -100, look.executed_as(call), true), 0)
  end
  note_call(record, call, raw)
  local name = call.name
  if by_call[name] then uses(record, call, by_call[name]) end
  for _, kind in ipairs { rarer, files, network } do
    if kind[name] then kind[name](record, call, raw) end
  end
end

return watch
