-- `ccsand exec` where something goes wrong: signals, clients and containers that end, messages that make no sense, crashes.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local ffi = require "ffi"
local t = require "support"
local support = require "exec_support"
t.begin()
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local loop = ccsand.loop
local begin, exec, list, await, await_file, served = support.begin, support.exec, support.list, support.await, support.await_file, support.served
local run_directory = support.run_directory

ffi.cdef [[
int socket(int, int, int);
int connect(int, const void *, unsigned);
long send(int, const void *, size_t, int);
long recv(int, void *, size_t, int);
]]
local C = ffi.C

-- ---- signals, and ends

served("signals of the client are the command's", {}, function(running)
  for signal, wanted in pairs { TERM = 41, INT = 41, HUP = 41, USR1 = 41 } do
    local client = begin(([[</dev/null exec '%s' exec web -- sh -c 'trap "exit 41" %s; echo $$ >/tmp/%s; while :; do sleep 0.02; done']]):format(t.ccsand, signal, signal))
    running:wait_for { file = "/tmp/" .. signal, within = "10s" }
    os.execute(("kill -%s $(pgrep -f '^%s exec web')"):format(signal, t.ccsand))
    equal(select(3, client()), wanted, signal)
  end
end)

served("a client that is killed takes its command along", {}, function(running)
  for name, trap in pairs { heeds = "trap 'echo >/tmp/heeds.hup; exit' HUP", ignores = "trap '' HUP" } do
    local client = begin(([[</dev/null exec '%s' exec web -- sh -c "%s; touch /tmp/%s; while :; do sleep 0.02; done"]]):format(t.ccsand, trap, name))
    running:wait_for { file = "/tmp/" .. name, within = "10s" }
    os.execute(("kill -KILL $(pgrep -f '^%s exec web')"):format(t.ccsand))
    client()
    local ps = { "sh", "-c", "ps | grep 'touch /tmp/" .. name .. "' | grep -vc grep" }
    await(function() return running:exec(ps).stdout == "0\n" end, "the end of the one that " .. name)
  end
  equal(running:copy_out "/tmp/heeds.hup", "\n", "it was told first")
end)

test("a container that ends meanwhile ends its commands", function()
  for _, spec in ipairs { {}, { namespaces = { pid = "host" } } } do
    loop.run(function()
      spec.name = "web"
      local running = t.box(spec):start { "sleep", "60" }
      loop.defer(function() running:close() end)
      local client = begin(("</dev/null '%s' exec web -- sh -c 'touch /tmp/there; sleep 60'"):format(t.ccsand))
      running:wait_for { file = "/tmp/there", within = "10s" }
      running:kill()
      equal(running:wait("10s").status, 137)
      equal(select(3, client()), 137)
      running = t.box(spec):start { "sleep", "60" }
      client = begin(("</dev/null '%s' exec web -- sh -c 'touch /tmp/there; sleep 60'"):format(t.ccsand))
      running:wait_for { file = "/tmp/there", within = "10s" }
      running:close()
      equal(select(3, client()), 137, "closed")
    end)
  end
end)

test("closing a container does not wait for further commands in it", function()
  loop.run(function()
    local running = t.box():start { "sleep", "60" }
    local result
    local task = loop.spawn(function() result = running:exec { "sh", "-c", "touch /tmp/there; sleep 60" } end)
    running:wait_for { file = "/tmp/there", within = "10s" }
    equal(running:close().status, 137)
    task:wait()
    equal(result.status, 137)
  end)
end)

served("a frozen container takes no commands", { cgroup = true }, function(running)
  running:freeze()
  local _, err, status = exec "web true"
  equal(status, 125) match(err, "frozen")
  running:thaw()
  equal(select(3, exec "web true"), 0)
end)

-- As a process of the container could do with one that joins it.
served("a command that is stopped before it begins is given up", { cgroup = true }, function(running)
  local group = (t.read("/proc/" .. running:pid() .. "/cgroup") or ""):match("0::(/[^\n]*)\n")
  local path = group and (t.host_lines("find /sys/fs/cgroup -path '*" .. group .. "/cgroup.freeze' 2>/dev/null"))[1]
  if not path then t.skip "needs cgroup v2" end
  t.write(path, "1\n")
  local from = loop.now()
  local _, err, status = exec "web true"
  t.write(path, "0\n")
  equal(status, 125) match(err, "not executed in time") match(err, "hint: it was stopped")
  assert(loop.now() - from < 15)
  equal(select(3, exec "web true"), 0)
end)

-- Whatever joins this container is stopped: the set-up of a further command, or else the command. It leaves init alone.
local stopping = { "sh", "-c", "while :; do kill -STOP -1 2>/dev/null; done" }
local faults = { { "EIO", calls = { "mkdir", "mkdirat" } } }

test("the others go on while a further command is stopped before it begins", function()
  for _, spec in ipairs { {}, { user_namespace = false }, { faults = faults }, { user_namespace = false, faults = faults } } do
    loop.run(function()
      local hostile, other = t.box(spec):start(stopping), t.box()
      loop.defer(function() hostile:close() end)
      local result
      local task = loop.spawn(function() result = hostile:exec({ "sleep", "60" }, { timeout = "1s" }) end)
      local runs = 0
      while not result do
        equal(other:capture({ "true" }).status, 0)
        runs = runs + 1
      end
      task:wait()
      equal(result.reason, "timeout") equal(result.status, 137)
      assert(runs >= 3, runs .. " runs meanwhile")
    end)
  end
end)

test("the others go on while a client's command is stopped before it begins", function()
  for _, option in ipairs { "", "-t " } do
    loop.run(function()
      local hostile, other = t.box({ name = "web", user_namespace = false, faults = faults }):start(stopping), t.box()
      loop.defer(function() hostile:close() end)
      local over = false
      local client = begin(("</dev/null exec '%s' exec %sweb sleep 60"):format(t.ccsand, option))
      local task = loop.spawn(function() client() over = true end)
      for _ = 1, 5 do equal(other:capture({ "true" }).status, 0) end
      equal(over, false, "it was not waited for")
      os.execute(("kill -KILL $(pgrep -f '^%s exec %sweb')"):format(t.ccsand, option))
      task:wait()
      for _ = 1, 3 do equal(other:capture({ "true" }).status, 0) end
    end)
  end
end)

test("what is frozen while it begins goes on when it is thawed, or runs out of time", function()
  loop.run(function()
    local running = t.box({ cgroup = true }):start { "sleep", "60" }
    loop.defer(function() running:close() end)
    for _ = 1, 5 do
      local first = loop.spawn(function() return running:exec { "echo", "on" } end)
      local second = loop.spawn(function() return running:exec({ "sleep", "60" }, { timeout = "0.2s" }) end)
      loop.sleep(0) -- they have begun
      running:freeze()
      equal(second:wait().reason, "timeout")
      running:thaw()
      equal(first:wait().stdout, "on\n")
    end
    local last = loop.spawn(function() return running:exec { "sleep", "60" } end)
    loop.sleep(0)
    running:freeze()
    equal(running:close().status, 137)
    equal(last:wait().status, 137)
  end)
end)

served("many at the same time, while the container goes on", {}, function()
  local clients = {}
  for i = 1, 20 do clients[i] = begin(("echo %d | '%s' exec web -- sh -c 'read x; echo got $x; exit $x'"):format(i, t.ccsand)) end
  for i = 1, 20 do
    local out, err, status = clients[i]()
    equal(status, i, err) equal(out, "got " .. i .. "\n")
  end
end)

-- ---- what else may come on the socket

local function connect(name)
  local path = run_directory .. "/exec-" .. name
  local address = ffi.new("char[110]")
  ffi.cast("uint16_t *", address)[0] = 1
  ffi.copy(address + 2, path)
  local fd = C.socket(1, 5, 0)
  assert(fd >= 0 and C.connect(fd, address, 110) == 0, "connect")
  return fd
end
local function answer_of(fd, within)
  assert(loop.readable(fd, within or "10s"), "no answer")
  local buffer = ffi.new("char[65536]")
  local size = tonumber(C.recv(fd, buffer, 65536, 64)) -- MSG_DONTWAIT
  return size > 0 and ffi.string(buffer, size) or ""
end

served("messages that make no sense end their client and nobody else", {}, function(running)
  local big = ("x"):rep(150000)
  local all = {
    { "no zero byte", "EBADMSG" }, { "\0", "EBADMSG" }, { "version=1\0nothing\0", "without a key" }, { "version=2\0argv=true\0", "another version" },
    { "version=1\0argv=true\0other=1\0", "other" }, { "version=1\0", "command is missing" }, { "version=1\0argv=true\0", "three descriptors" },
    { "version=1\0argv=\0", "command is missing" }, { "version=1\0argv=true\0env=x\0terminal=\0", "NAME=VALUE" },
    { "version=1\0argv=" .. big .. "\0", "too long" },
  }
  for _, case in ipairs(all) do
    local fd = connect "web"
    equal(tonumber(C.send(fd, case[1], #case[1], 0)), #case[1])
    local text = answer_of(fd)
    match(text, "^answer=failed%z", case[2])
    if case[2] ~= "EBADMSG" then assert(text:find(case[2], 1, true), text) end
    equal(answer_of(fd), "", "closed")
    C.close(fd)
  end
  local silent = {}
  for i = 1, 10 do silent[i] = connect "web" end
  local gone = connect "web"
  C.close(gone)
  equal(select(3, exec "web true"), 0, "others are served")
  for _, fd in ipairs(silent) do C.close(fd) end
  local _, err, status = begin(("</dev/null '%s' exec web echo $(head -c 70000 /dev/zero | tr '\\0' x) $(head -c 70000 /dev/zero | tr '\\0' x)"):format(t.ccsand))()
  equal(status, 125) match(err, "more than 131072 bytes")
  equal(running:exec({ "true" }).status, 0)
end)

served("a signal that is none ends the client", {}, function()
  local fd = connect "web"
  local request = "version=1\0argv=sleep\0argv=60\0terminal=\0"
  C.send(fd, request, #request, 0)
  match(answer_of(fd), "^answer=started%z")
  C.send(fd, "signal=9999\0", 12, 0)
  equal(answer_of(fd), "")
  C.close(fd)
end)

served("another user is refused", {}, function()
  if not t.host_lines("command -v setpriv")[1] then t.skip "setpriv(1) is not installed" end
  local as = "</dev/null setpriv --reuid 65534 --regid 65534 --clear-groups "
  local client = t.directory .. "/ccsand-copy" -- where others may execute it
  assert(os.execute(("cp '%s' '%s' && chmod 755 '%s'"):format(t.ccsand, client, client)) == 0)
  local function attempt() return begin(("%s'%s' exec web true"):format(as, client))() end
  local _, err, status = attempt()
  equal(status, 125) match(err, "EACCES") match(err, "hint: run it as")
  os.execute(("chmod 755 '%s'; chmod 666 '%s'/exec-web '%s'/named-web"):format(run_directory, run_directory, run_directory))
  _, err, status = attempt()
  os.execute(("chmod 700 '%s'; rm '%s'"):format(run_directory, client))
  equal(status, 125) match(err, "belongs to another user")
  os.execute(("chmod 777 '%s'"):format(run_directory))
  fails(function() t.box({ name = "other" }):start { "true" } end, "written by others")
  os.execute(("chmod 700 '%s'"):format(run_directory))
end)

-- ---- after a crash

test("what a killed ccsand leaves is swept, and its name is free", function()
  local recipe = t.file(('return require("ccsand").container { image = %q, name = "crashed", command = { "sleep", "60" } }'):format(t.image), "recipe.lua")
  loop.run(function()
    local done = begin(("</dev/null exec '%s' '%s'"):format(t.ccsand, recipe))
    await_file(run_directory .. "/named-crashed")
    local text
    await(function() text = list() return text:find("crashed", 1, true) end, "the list")
    local container, holder = text:match("\ncrashed +(%d+) +(%d+)")
    local client = begin(("</dev/null '%s' exec crashed -- sh -c 'touch /tmp/there; sleep 60'"):format(t.ccsand))
    local _, err, status
    await(function() _, err, status = exec "crashed test -e /tmp/there" return status ~= 1 end, "the command")
    equal(status, 0, err)
    C.kill(tonumber(holder), 9)
    done()
    _, err, status = client()
    equal(status, 125) match(err, "has ended")
    await(function() return not t.read("/proc/" .. container .. "/stat") end, "the end of the container")
    assert(t.read(run_directory .. "/named-crashed"), "its record is left")
    assert(not list():find("crashed", 1, true), "and not listed")
    equal(select(3, exec "crashed true"), 125)
    local again = t.box({ name = "crashed" }):start { "sleep", "60" }
    equal(select(3, exec "crashed true"), 0, "the name is free")
    again:close()
    -- The next start sweeps what nobody takes again.
    t.write(run_directory .. "/named-old", "name=old\0holder=1\0holder_start=1\0pid=1\0since=1\0")
    t.write(run_directory .. "/exec-old", "")
    t.write(run_directory .. "/naming-half", "")
    local other = t.box({ name = "living" }):start { "sleep", "60" }
    local nothing = t.file("return 0", "recipe.lua")
    equal(select(3, begin(("'%s' '%s'"):format(t.ccsand, nothing))()), 0)
    equal(t.read(run_directory .. "/named-old"), nil) equal(t.read(run_directory .. "/exec-old"), nil) equal(t.read(run_directory .. "/naming-half"), nil)
    equal(select(3, exec "living true"), 0, "what lives is left alone")
    other:close()
  end)
end)

return t.finish()
