-- Learns a policy: runs a command with everything allowed and watched, and writes what it
-- did as a table that a recipe uses by box:with(...). docs/policies.md, "Learning".
local core = require "ccsand.core"
local options_of = require "ccsand.options"
local container = require "ccsand.container"
local seccomp = require "ccsand.seccomp"
local signatures = require "ccsand.seccomp.signatures"
local look = require "ccsand.learn.look"
local policy = require "ccsand.learn.policy"
local text = require "ccsand.learn.text"
local watch = require "ccsand.learn.watch"
local merge = require "ccsand.learn.merge"

local learn = {}
local function fail(message, hint) error(core.error(message, hint)) end

local function checked(given, method, ...) return options_of.check(given, "learn." .. method, { ... }) end

-- What keeps nothing from the command. The recipe's own policies are put aside: they would be
-- learnt, and not the command.
local function watching(record)
  local handlers = {}
  local function handler(call, raw)
    local good, problem = pcall(watch.note, record, call, raw)
    if not good then record.problem = record.problem or tostring(problem) end
    return call:continue { racy = true } -- nothing is decided by what was seen
  end
  for name in pairs(signatures) do handlers[name] = handler end
  return {
    seccomp = seccomp.policy { name = "learning", default = "allow", unknown = "errno ENOSYS" },
    notify = handlers, connect = container.none, files = container.none, exec = container.none, on_denied = container.none, faults = container.none,
    landlock = container.none,
  }
end

--- Runs a command of the container (default: its own) and answers the result and the record of what it did.
--- Options: capture (its output is in the result), stdin, limits (false: no cgroup, and no peaks are measured).
--- The container's limits, its Landlock rules and its functions for calls are put aside.
function learn.run(box, command, options)
  if not container.is(box) then fail "learn.run: takes a container" end
  options = checked(options, "run", "capture", "stdin", "limits")
  local record = watch.record()
  local changes = watching(record)
  -- A group of those kinds counts what it limits: more than any machine has.
  changes.limits = options.limits ~= false and { memory = 2 ^ 50, pids = 4194304 } or container.none
  local watched = box:with(changes)
  local result = options.capture and watched:capture(command, { stdin = options.stdin }) or watched:run(command, { stdin = options.stdin })
  if record.problem then fail("learn: what a call does could not be told: " .. record.problem) end
  if not record.begun then fail(("learn: no call of the command was seen; it ended with status %s"):format(tostring(result.status))) end
  record.command, record.status, record.reason, record.signal = command, result.status, result.reason, result.signal
  record.memory_peak, record.pids_peak = result.memory_peak, result.pids_peak
  return result, record
end

--- The policy of a record, as a table for box:with. Options: files_of_a_directory, from how many files on
--- a directory stands for them (default: more than 4).
function learn.policy(record, options) return policy.of(record, checked(options, "policy", "files_of_a_directory")) end

--- What a policy's table lacks for a record: the widened table, and the difference, a list whose tostring is text.
function learn.merge(old, record, options) return merge(old, record, checked(options, "merge", "files_of_a_directory")) end

-- ---- text

local function size_text(bytes) return bytes >= 2 ^ 20 and ("%.1f MiB"):format(bytes / 2 ^ 20) or ("%.0f KiB"):format(bytes / 2 ^ 10) end

local function times(count) return count == 1 and "once" or count .. " times" end

-- Comments by the entries they stand behind, or before.
local function remarks(record)
  local notes, heads = {}, {}
  for name, entry in pairs(record.calls) do
    notes["policy.seccomp.allow." .. name] = times(entry.count) .. (entry.example ~= "" and ", such as " .. entry.example or "")
  end
  for _, name in ipairs(policy.always) do
    if not record.calls[name] then notes["policy.seccomp.allow." .. name] = "not seen, but needed where the kernel starts or ends it, or the vDSO does not answer" end
  end
  for address, entry in pairs(policy.addresses(record)) do notes["policy.connect." .. address] = times(entry.count) end
  for name, why in pairs(record.capabilities) do notes["policy.capabilities." .. name] = why end
  if record.memory_peak then notes["policy.limits.memory"] = "the peak was " .. size_text(record.memory_peak) end
  if record.pids_peak then notes["policy.limits.pids"] = ("the peak was %d"):format(record.pids_peak) end
  heads["policy.seccomp"] = "System calls, with the argument values that were seen."
  heads["policy.landlock"] = record.mounts and "TCP ports. No rules on files: under them nobody mounts, and the command did."
    or "Files that were read, written and executed, and TCP ports. A directory stands for all beneath it."
  heads["policy.connect"] = "Addresses it connected to. ccsand makes these calls; what is sent without one is denied."
  heads["policy.capabilities"] = "An estimate: what the calls seen, with their arguments and the owners of the files, could not do without."
  heads["policy.limits"] = "Twice what was used, and some. They take the place of all of the recipe's limits."
  if record.files["/"] then
    local changed = false
    for right in pairs(record.files["/"].rights) do changed = changed or right:find "^make_" or right:find "^remove_" end
    if changed then
      heads["policy.landlock"] = heads["policy.landlock"] .. "\nWhat it made in / itself takes a rule for everything: better let it work in a directory."
    end
  end
  return notes, heads
end

local function described(record)
  local calls, count = 0, 0
  for _, entry in pairs(record.calls) do calls, count = calls + 1, count + entry.count end
  local words = {}
  for i, word in ipairs(record.command or {}) do words[i] = word:find "^[%w_./:=+,-]+$" and word or text.quoted(word) end
  local name = #words > 0 and table.concat(words, " ") or "the recipe's own command"
  local lines = { ("Learnt by ccsand from: %s"):format(name),
                  ("It made %d calls of %d kinds, and ended with status %s."):format(count, calls, tostring(record.status)) }
  if next(record.connected) and policy.unlisted(record) then
    lines[#lines + 1] = ("It %s, so that no list of addresses is kept; it connected to: %s")
      :format(policy.unlisted(record), table.concat(policy.sorted(record.connected), ", "))
  end
  return lines
end

--- The policy as the text of a Lua file. Options: those of learn.policy.
function learn.write(record, options)
  local lines = described(record)
  lines[#lines + 1] = "Edit it as you like. A recipe beside it uses it by: box:with(require \"NAME\")"
  return text.file(learn.policy(record, options), table.concat(lines, "\n"), remarks(record))
end

-- ---- files

-- Only who may write recipes may write policies: the file is run.
local function require_trust(status, path, what)
  local sudo = tonumber(os.getenv "SUDO_UID" or "")
  if status.uid ~= 0 and status.uid ~= require("ccsand.sys").getuid() and status.uid ~= sudo then
    fail(("learn: '%s': %s belongs to user %d"):format(path, what, status.uid), "a policy's file is run by root: chown it")
  end
  local sticky = status.kind == "directory" and math.floor(status.mode / 512) % 2 == 1
  if math.floor(status.mode / 2) % 2 + math.floor(status.mode / 16) % 2 > 0 and not sticky then
    fail(("learn: '%s': %s can be written by others"):format(path, what), "a policy's file is run by root: chmod go-w")
  end
end

local function directory_of(path)
  local directory = path:match "^(.*)/[^/]*$"
  return directory == nil and "." or directory == "" and "/" or directory
end

--- Reads a policy's file: its table, its text, and the comment at its top; nil where there is no such file.
function learn.read(path)
  local sys = require "ccsand.sys"
  local good, file = pcall(sys.open, path, { "path" })
  if not good then
    if file.code == "ENOENT" then return nil end
    error(file, 0)
  end
  local number = file:fileno()
  local status = look.status(number)
  if status.kind ~= "file" then fail(("learn: '%s' is no regular file"):format(path)) end
  require_trust(status, path, "it")
  local above = sys.open(directory_of(path), { "path", "directory" })
  require_trust(look.status(above:fileno()), path, "its directory")
  above:close()
  local stream = assert(io.open("/proc/self/fd/" .. number, "rb"))
  local source = stream:read "*a"
  stream:close()
  file:close()
  if source:sub(1, 1) == "\27" then fail(("learn: '%s' is bytecode: only Lua source is taken"):format(path)) end
  local chunk, problem = loadstring(source, "@" .. path)
  if not chunk then fail("learn: " .. problem) end
  -- What is written back is plain values: it needs nothing to be computed of.
  local value = setfenv(chunk, {})()
  if type(value) ~= "table" then fail(("learn: '%s' returns a %s, and not a table"):format(path, type(value))) end
  local comment = {}
  for line in source:gmatch "([^\n]*)\n" do
    if not line:find "^%-%-" then break end
    comment[#comment + 1] = (line:gsub("^%-%- ?", ""))
  end
  return value, source, table.concat(comment, "\n")
end

-- Whole or not at all.
local function replace(path, content)
  local sys = require "ccsand.sys"
  local part = path .. ".new"
  os.remove(part)
  local file = sys.open(part, { "creat", "excl", "wronly", "nofollow" }, { mode = "0644" })
  local at = 1
  while at <= #content do at = at + (file:write(content:sub(at, at + 65535)) or 65536) end
  file:close()
  local good, problem = os.rename(part, path)
  if not good then fail("learn: " .. tostring(problem)) end
end

--- What `ccsand learn` does with the container of a recipe. Options: command (a list), into (widen this file, and
--- keep what it was in FILE.old), output (write here; default with `into`: there, else standard output).
--- `limits = false` as for learn.run. Answers the exit status: the command's.
function learn.main(box, options)
  options = checked(options, "main", "command", "into", "output", "limits")
  if not container.is(box) then fail("ccsand learn: the recipe returns no container, but a " .. type(box)) end
  local old, source, comment
  if options.into then old, source, comment = learn.read(options.into) end
  local result, record = learn.run(box, options.command, { limits = options.limits })
  local content
  if old then
    local new, difference = learn.merge(old, record)
    io.stderr:write(#difference > 0 and tostring(difference) or "ccsand: the policy allows all of it already\n")
    if #difference == 0 and not options.output then return result.status end
    local lines = described(record)
    lines[1] = lines[1]:gsub("^Learnt", "Widened")
    if comment ~= "" then table.insert(lines, 1, comment) end
    content = text.file(new, table.concat(lines, "\n"), remarks(record))
  else
    content = learn.write(record)
  end
  local target = options.output or options.into
  if result.status ~= 0 then
    io.stderr:write(("ccsand: the command ended with status %d: what it did not come to is not in the policy\n"):format(result.status))
  end
  if not target then
    io.stdout:write(content)
  else
    if old and target == options.into then replace(target .. ".old", source) end
    replace(target, content)
  end
  return result.status
end

return learn
