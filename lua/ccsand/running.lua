-- Containers that run, as values.
local core = require "ccsand.core"
local invocation = require "ccsand.invocation"

local running = {}
local Running = {}
local handles = setmetatable({}, { __mode = "k" }) -- running container -> { handle, spec, on_call, result }

--- For ccsand.container: the value of a handle of ccsand.core, whose output is streamed where there is `on_line`, and else kept where it is `captured`.
function running.new(handle, spec, on_call, on_line, captured)
  local self = setmetatable({}, Running)
  local stream = on_line and require("ccsand.stream").new(handle, on_line)
  handles[self] = { stream = stream, captured = captured and not on_line, handle = handle, spec = spec, on_call = on_call, pid = handle:pid() }
  local loop = invocation.in_task()
  if loop then loop.current():adopt(self) end
  return self
end

Running.__index = Running
Running.__metatable = "a running container"
Running.__tostring = function(self) return "running container " .. handles[self].pid end

local function entry_of(self, method)
  local entry = handles[self]
  if not entry then error(core.error(method .. ": call it as a method of a running container")) end
  return entry
end

-- What has come of a streamed output is taken meanwhile: else the container would wait for it.
local function await_streamed(entry, timeout)
  local event = require "ccsand.event"
  local deadline = timeout ~= nil and event.now() + event.duration(timeout) or nil
  while true do
    entry.stream:collect()
    entry.stream:check()
    local result = entry.handle:wait(0)
    if result or (deadline and event.now() >= deadline) then return result end
    entry.stream:await(deadline)
  end
end

--- The result once it has ended; nil after `timeout` (seconds, or "1.5s").
function Running:wait(timeout)
  local entry = entry_of(self, "wait")
  if entry.result then return entry.result end
  local result
  if entry.stream then result = await_streamed(entry, timeout) else result = invocation.await(entry.handle, timeout) end
  if result and not entry.result then entry.result = invocation.exited(entry.spec, result) end
  return entry.result
end
function Running:kill(signal) entry_of(self, "kill").handle:kill(signal) end
function Running:freeze() entry_of(self, "freeze").handle:freeze() end
function Running:thaw() entry_of(self, "thaw").handle:thaw() end
function Running:stats() return entry_of(self, "stats").handle:stats() end
function Running:pid() return entry_of(self, "pid").pid end
--- Its network interfaces: { { name =, link =, addresses =, network = } }.
function Running:interfaces()
  require "ccsand.netlink"  -- what makes values of networks
  return entry_of(self, "interfaces").handle:interfaces()
end
--- Whether it has ended, as far as ccsand has looked.
function Running:ended() return entry_of(self, "ended").result ~= nil or entry_of(self, "ended").handle:ended() end
--- Ends it, with all of its processes, and returns its result.
function Running:close()
  local entry = entry_of(self, "close")
  if not entry.result then
    entry.handle:close()
    entry.result = invocation.exited(entry.spec, entry.handle:wait(0))
  end
  return entry.result
end

-- What a further command has of the container's table.
local function further(entry)
  local spec = {}
  for k, v in pairs(entry.spec) do spec[k] = v end
  for _, key in ipairs { "limits", "cgroup", "timeout", "init", "created", "setup", "before_exec", "exited", "cpu_time", "name" } do spec[key] = nil end
  return spec
end

--- Its name for `ccsand exec`, which it gets here where one is given; nil where it has none.
function Running:name(name)
  local entry = entry_of(self, "name")
  if name ~= nil then entry.handle:serve(name, further(entry)) end
  return entry.handle:name()
end

--- Runs a further command in the container and returns its result, with its output.
function Running:exec(command, options)
  local entry = entry_of(self, "exec")
  local spec = further(entry)
  options = invocation.checked(options, "exec", "user", "group", "groups", "env", "cwd", "capabilities", "timeout", "stdin", "foreground")
  if not options.foreground then spec.terminal = nil end
  if command == nil then error(core.error("exec: takes a command, such as { \"ps\" }")) end
  for _, key in ipairs { "user", "group", "groups", "env", "cwd", "capabilities", "timeout" } do
    if options[key] ~= nil then spec[key] = options[key] end
  end
  local handle = entry.handle:exec(invocation.with_command(spec, command),
    { capture = not options.foreground, foreground = options.foreground, on_call = entry.on_call, stdin = options.stdin, stdin_null = options.stdin == nil and not options.foreground })
  return invocation.result_of(handle)
end

-- ---- what it reads and prints

local function not_at_hand(method, more)
  error(core.error(method .. ": its output is not at hand", "start it with interactive = true, or with on_stdout or on_stderr" .. (more or "")))
end
local function stream_of(self, method) return entry_of(self, method).stream or not_at_hand(method) end
-- To look at alone, what is kept for the result will do.
local function seen_of(entry, method)
  if entry.captured and not entry.kept then entry.kept = require("ccsand.stream").of_kept(entry.handle) end
  return entry.stream or entry.kept or not_at_hand(method, ", or with capture = true")
end

--- Bytes for its standard input, sent as it reads them.
function Running:write(text) entry_of(self, "write").handle:write(text) end
--- The end of its standard input, when all is sent.
function Running:close_stdin() entry_of(self, "close_stdin").handle:close_stdin() end
--- The next line of its standard output; nil at the end.
function Running:read_line(within) return stream_of(self, "read_line"):read_line(within or 10) end
--- Waits for a text on its standard output, and uses it up.
function Running:expect(text, options)
  options = invocation.checked(options, "expect", "within", "pattern")
  if type(text) ~= "string" then error(core.error("expect: takes text, got " .. type(text))) end
  return stream_of(self, "expect"):expect(text, options)
end

-- Whether a process listens on a TCP port in the container's network namespace.
local function listens(pid, port)
  local wanted = (":%04X"):format(port)
  for _, name in ipairs { "tcp", "tcp6" } do
    local file = io.open(("/proc/%d/net/%s"):format(pid, name))
    for line in file and file:lines() or function() end do
      local at, state = line:match("^%s*%d+: %x+(:%x+) %S+ (%x%x) ")
      if at == wanted and state == "0A" then
        file:close()
        return true
      end
    end
    if file then file:close() end
  end
end

-- Until look() is true, which nothing tells: it is asked again, at growing intervals.
local function poll(self, entry, look, deadline, what)
  local pause = 0.002
  while not look() do
    if self:wait(0) then error(core.error(what .. ": the container has ended", nil, "ESRCH"), 0) end
    local left = deadline - require("ccsand.event").now()
    if left <= 0 then error(core.error(what .. ": not in time", nil, "ETIMEDOUT"), 0) end
    self:wait(math.min(pause, left)) -- or until it ends
    pause = math.min(pause * 1.5, 0.05)
  end
  return entry
end

--- Waits until a line was printed, a file is there, a TCP port is listened on: all that are given.
function Running:wait_for(what)
  local entry = entry_of(self, "wait_for")
  what = invocation.checked(what, "wait_for", "line", "file", "port", "within", "pattern")
  if what.line == nil and what.file == nil and what.port == nil then error(core.error("wait_for: takes a line, a file or a port")) end
  local event = require "ccsand.event"
  local within = what.within or 10
  local deadline = event.now() + event.duration(within)
  local line
  if what.line ~= nil then
    local stream = seen_of(entry, "wait_for { line }")
    line = stream:search(stream:line_finder(what.line, what.pattern), within, ("wait_for line %q"):format(what.line))
  end
  if what.file ~= nil then
    poll(self, entry, function() return not entry.handle:ended() and entry.handle:exists(what.file) end, deadline, ("wait_for file '%s'"):format(what.file))
  end
  if what.port ~= nil then
    if type(what.port) ~= "number" then error(core.error("wait_for: a port is a number, got " .. type(what.port))) end
    poll(self, entry, function() return not entry.handle:ended() and listens(entry.pid, what.port) end, deadline, "wait_for port " .. what.port)
  end
  return line
end

-- ---- files

local default_limit = "64M"
local function bytes_of(limit) return require("ccsand.event").size(limit or default_limit) end

--- A file of the host, or { text = "…" }, as a file of the container; its owner is the container's root.
function Running:copy_in(source, path, options)
  local handle = entry_of(self, "copy_in").handle
  options = invocation.checked(options, "copy_in", "mode", "limit")
  local mode = options.mode or 420 -- 0644
  if type(source) == "table" then
    if type(source.text) ~= "string" then error(core.error("copy_in: takes the path of a file of the host, or { text = \"…\" }")) end
    return handle:put_text(path, source.text, mode)
  end
  return handle:put_file(path, source, mode, bytes_of(options.limit))
end
--- What a file of the container holds; or, with a path of the host, how many bytes were copied there.
function Running:copy_out(path, host_path, options)
  local handle = entry_of(self, "copy_out").handle
  if type(host_path) == "table" and options == nil then host_path, options = nil, host_path end
  options = invocation.checked(options, "copy_out", "limit")
  if host_path == nil then return handle:get_text(path, bytes_of(options.limit)) end
  return handle:get_file(path, host_path, bytes_of(options.limit))
end

return running
