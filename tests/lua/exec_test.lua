-- `ccsand exec` and `ccsand list`: commands in containers that this process holds, asked for by others.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local ffi = require "ffi"
local t = require "support"
t.begin()
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local json, loop = require "ccsand.json", ccsand.loop

ffi.cdef [[
int fileno(void *);
int socket(int, int, int);
int connect(int, const void *, unsigned);
long send(int, const void *, size_t, int);
long recv(int, void *, size_t, int);
]]
local C = ffi.C
local run_directory = t.directory .. "/run"

-- ---- commands of the host, beside the loop

-- Starts a shell command; its value waits for it: output, errors, status.
local numbered = 0
local function begin(command)
  numbered = numbered + 1
  local out = ("%s/client-%d"):format(t.directory, numbered)
  local pipe = assert(io.popen(("( %s ) >'%s.out' 2>'%s.err'; echo $?"):format(command, out, out)))
  return function()
    assert(loop.readable(C.fileno(pipe), "20s"), "not in time: " .. command .. "\n" .. tostring(t.read(out .. ".err")))
    local status = tonumber((pipe:read("*a")))
    pipe:close()
    local printed, complained = t.read(out .. ".out"), t.read(out .. ".err")
    os.remove(out .. ".out") os.remove(out .. ".err")
    return printed, complained, status
  end
end
local function exec(words, before) return begin(("%s'%s' exec %s"):format(before or "</dev/null ", t.ccsand, words))() end
local function list(options)
  local text, problem, status = begin(("'%s' list %s"):format(t.ccsand, options or ""))()
  equal(status, 0, problem)
  return text
end
-- Until it is so, which nothing tells.
local function await(look, what)
  local deadline = loop.now() + 20
  while not look() do
    assert(loop.now() < deadline, what .. ": not in time")
    loop.sleep "10ms"
  end
end
local function await_file(path) await(function() return t.read(path) end, path) end
-- A test in a loop, with a container that has the name "web".
local function served(name, spec, f)
  test(name, function()
    loop.run(function()
      local box = { name = "web", init = true }
      for key, value in pairs(spec) do box[key] = value end
      local running = t.box(box):start { "sleep", "60" }
      loop.defer(function() running:close() end)
      f(running)
    end)
  end)
end

-- ---- what a command is

served("output, errors, input and status are the command's", {}, function(running)
  local out, err, status = exec "web -- sh -c 'echo out; echo err >&2; hostname; exit 7'"
  equal(out, "out\nccsand\n", err) equal(err, "err\n") equal(status, 7)
  out, err, status = exec("web cat", "printf 'some\\ninput' | ")
  equal(out, "some\ninput", err) equal(status, 0)
  equal(select(3, exec "web -- sh -c 'kill -9 $$'"), 137)
  equal((exec(running:pid() .. " hostname")), "ccsand\n", "by pid")
  equal((exec "web -- sh -c 'cd /proc/self/fd && for i in *; do test -e $i && echo $i; done; true'"), "0\n1\n2\n", "descriptors")
  out, err, status = exec "web no-such-command"
  equal(status, 127) match(err, "^ccsand: .*'no%-such%-command'.*ENOENT") match(err, "\n  hint: ")
  equal(select(3, exec "web /etc/passwd"), 126)
end)

served("user, environment and folder", { env = { A = "container", B = "kept", PATH = "/bin:/sbin:/usr/bin" }, cwd = "/tmp", user = "nobody" }, function()
  equal((exec "web -- sh -c 'id -u; pwd; echo $A $B'"), "65534\n/tmp\ncontainer kept\n", "of the container")
  equal((exec "--env A=mine -e C=x=y --cwd /etc --user 12:34 web -- sh -c 'id -u; id -G; pwd; echo $A $B $C'"), "12\n34\n/etc\nmine kept x=y\n")
  equal((exec("-e D web -- sh -c 'echo $D'", "</dev/null D=own ")), "own\n", "of the caller")
  equal((exec "-u root web -- sh -c 'echo $(id -un) $HOME'"), "root /root\n")
  for words, wanted in pairs { ["--cwd relative web true"] = "cwd", ["--cwd /no web true"] = "/no", ["--user nosuch web true"] = "nosuch",
    ["--user :3 web true"] = "USER or USER:GROUP", ["--env =x web true"] = "NAME=VALUE" } do
    local _, err, status = exec(words)
    equal(status, 125, words) assert(err:find(wanted, 1, true), err)
  end
end)

served("namespaces and cgroup are the container's", { limits = { pids = 50 } }, function(running)
  local kinds = "for n in mnt pid net uts ipc user cgroup; do readlink /proc/%s/ns/$n; done"
  local first = running:exec({ "sh", "-c", kinds:format "1" }, { capabilities = { add = { "sys_ptrace" } } }).stdout
  equal((exec(("web -- sh -c '%s'"):format(kinds:format "self"))), first)
  -- The host's view of both.
  local ready = begin(("</dev/null '%s' exec web -- sh -c 'exec sleep 4321'"):format(t.ccsand))
  local before = running:stats().pids
  await(function() return running:stats().pids > before end, "its process in the cgroup")
  running:exec { "pkill", "-f", "4321" }
  equal(select(3, ready()), 143)
end)

-- ---- its policy

served("capabilities, no_new_privs and the filter are the container's", { capabilities = { drop = { "chown" } } }, function(running)
  local script = "grep -E \"^(Cap|NoNew|Seccomp:)\" /proc/self/status"
  local own = running:exec({ "sh", "-c", script }).stdout
  match(own, "NoNewPrivs:\t1") match(own, "Seccomp:\t2")
  equal((exec(("web -- sh -c '%s'"):format(script))), own)
  equal(select(3, exec "web chown 1 /etc/passwd"), 1)
  local _, err = exec "web unshare -m true"
  match(err, "not permitted")
end)

do
  local asked, waits
  served("calls of the command are decided by the container's functions", { files = function(call)
    asked[#asked + 1] = call.args.pathname
    while call.args.pathname == "/etc/hostname" and waits do call:sleep(0.01) end -- others go on meanwhile
    return call.args.pathname ~= "/etc/group"
  end }, function()
    asked, waits = {}, true
    local _, err, status = exec "web cat /etc/group"
    equal(status, 1, err)
    match(table.concat(asked, " "), "/etc/group")
    local slow = begin(("</dev/null '%s' exec web cat /etc/hostname"):format(t.ccsand))
    await(function() return asked[#asked] == "/etc/hostname" end, "the call")
    equal(select(3, exec "web cat /etc/passwd"), 0)
    waits = false
    local out
    out, err, status = slow()
    equal(status, 0, err) match(out, "%w")
  end)
end

do
  local other = t.box()
  served("functions that wait for other containers meanwhile", { files = function() return other:capture({ "true" }).status == 0 end }, function()
    local clients = {}
    for i = 1, 6 do clients[i] = begin(("</dev/null '%s' exec web sh -c 'cat /etc/passwd /etc/group | wc -l; exit %d'"):format(t.ccsand, i)) end
    for i = 1, 6 do
      local out, err, status = clients[i]()
      equal(status, i, err) match(out, "^%d%d")
    end
  end)
  local running
  for how, act in pairs { closes = function() running:close() end, ["lets go of"] = function() running = nil collectgarbage() collectgarbage() end } do
    test("a function that " .. how .. " its own container", function()
      loop.run(function()
        running = t.box({ name = "web", files = function(call)
          if call.args.pathname == "/etc/passwd" and running then act() end
          return true
        end }):start { "sleep", "60" }
        local client = begin(("</dev/null '%s' exec web cat /etc/passwd"):format(t.ccsand))
        loop.defer(function() running = nil end)
        local out, err, status = client()
        equal(out, "") equal(status, 137, err)
        equal(select(3, exec "web true"), 125, "its name is gone")
      end)
    end)
  end
end

if require("ccsand.sys").landlock_abi() >= 2 then
  served("rules on files hold for the command", { landlock = { execute = { "/" }, write = { "/tmp" }, least_abi = 2 } }, function()
    equal(select(3, exec "web touch /tmp/a"), 0)
    equal(select(3, exec "web touch /var/a"), 1)
  end)
else
  test("rules on files hold for the command", function() t.skip "this kernel has no Landlock" end)
end

-- ---- without a loop, and in the foreground

test("a container that is waited for without a loop is served", function()
  local running = t.box({ name = "plain" }):start({ "sh", "-c", "until test -e /tmp/stop; do sleep 0.02; done; exit 5" })
  os.execute(("'%s' exec plain touch /tmp/stop </dev/null >'%s/plain' 2>&1 &"):format(t.ccsand, t.directory))
  equal(running:wait("20s").status, 5, t.read(t.directory .. "/plain"))
  equal(running:name(), nil, "it has gone with the container")
end)

test("run --name", function()
  loop.run(function()
    local done = begin(("</dev/null '%s' run --name ran '%s' -- sh -c 'until test -e /tmp/stop; do sleep 0.02; done; exit 4'"):format(t.ccsand, t.image))
    local _, err, status
    await(function() _, err, status = exec "ran touch /tmp/stop" return status == 0 or not err:find "of this name" end, "it")
    equal(status, 0, err)
    equal(select(3, done()), 4)
  end)
end)

test("--name, and a recipe that returns a container", function()
  local recipe = t.file(('return require("ccsand").container { image = %q, terminal = "auto", command = { "sh", "-c", "until test -e /tmp/stop; do sleep 0.02; done; exit 6" } }')
    :format(t.image), "recipe.lua")
  loop.run(function()
    local done = begin(("</dev/null '%s' --name a.b_c-1 '%s'"):format(t.ccsand, recipe))
    await_file(run_directory .. "/named-a.b_c-1")
    local _, err, status
    await(function() _, err, status = exec "a.b_c-1 touch /tmp/stop" return status == 0 or not err:find "of this name" end, "it")
    equal(status, 0, err)
    equal(select(3, done()), 6)
  end)
  local text, status = t.run_host(("'%s' --name bad/name '%s'"):format(t.ccsand, recipe))
  equal(status, 125) match(text, "container%.name: must be 1 to 63 letters")
  local none = t.file("return 3", "recipe.lua")
  text, status = t.run_host(("'%s' --name web '%s'"):format(t.ccsand, none))
  equal(status, 125) match(text, "returns no container")
end)

-- ---- names

test("names that cannot be, and that are taken", function()
  for _, name in ipairs { "", "a b", "../x", "-x", ".x", "x/y", ("x"):rep(64), "123", "ä" } do
    fails(function() t.box { name = name } end, "container.name")
  end
  t.box { name = ("x"):rep(63) }
  loop.run(function()
    local running = t.box({ name = "web" }):start { "sleep", "60" }
    loop.defer(running.close, running)
    equal(running:name(), "web")
    local problem = fails(function() t.box({ name = "web" }):start { "true" } end, "'web'", "has it")
    equal(problem.code, "EEXIST")
    fails(function() running:name "other" end, "has the name 'web'")
    local second = t.box():start { "sleep", "60" }
    equal(second:name(), nil)
    fails(function() second:name "web" end, "has it")
    fails(function() second:name "no/good" end, "letters")
    fails(function() second:name(3) end, "takes text")
    equal(second:name "second", "second", "a name for one that runs")
    equal((exec "second hostname"), "ccsand\n")
    local _, err, status = exec "secnod true"
    equal(status, 125) match(err, "'secnod'.*did you mean 'second'%?")
    running:close()
    equal(select(3, exec "web true"), 125, "gone with the container")
    equal(t.box({ name = "web" }):capture({ "true" }).status, 0, "free again")
    second:close()
  end)
  fails(function() t.box({ name = "web" }):pool() end, "pool", "many")
  fails(function() t.box({ name = "web" }):start { "no-such-command" } end, "no-such-command")
  equal(#t.host_lines("ls " .. run_directory .. " | grep -v ^state-"), 0, "files")
end)

served("list names what runs", { command = { "sleep", "a b" } }, function(running)
  local text = list()
  match(text, "^NAME +PID +HOLDER +SINCE +COMMAND\n")
  match(text, ("\nweb  +%d  +%d  %%d%%d%%d%%d%%-%%d%%d%%-%%d%%d %%d%%d:%%d%%d:%%d%%d  sleep 60\n"):format(running:pid(), C.getpid()))
  local all = json.decode(list "--json")
  equal(#all, 1)
  equal(all[1].name, "web") equal(all[1].pid, running:pid()) equal(all[1].holder, C.getpid()) equal(table.concat(all[1].command, "|"), "sleep|60")
  match(all[1].since, "^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$")
  local other = t.box({ name = "quoted" }):start({ "sh", "-c", "sleep 60; echo 'it\27is'" })
  match(list(), "\nquoted .* sh %-c 'sleep 60; echo '\\''it%?is'\\'''\n")
  other:close()
  running:close()
  equal(#json.decode(list "--json"), 0)
end)

test("the command line is read strictly", function()
  for words, wanted in pairs { [""] = "name of a container is missing", ["web"] = "a command is missing", ["--no web true"] = "unknown option",
    ["-e NOT_SET_ANYWHERE web true"] = "has no value" } do
    local text, status = t.run_host(("'%s' exec %s"):format(t.ccsand, words))
    equal(status, 125, words) assert(text:find(wanted, 1, true), text) match(text, "usage: ccsand exec")
  end
  equal(select(2, t.run_host(("'%s' exec --help"):format(t.ccsand))), 0)
  equal(select(2, t.run_host(("'%s' list what"):format(t.ccsand))), 125)
  local text, status = t.run_host(("'%s' exec none true"):format(t.ccsand))
  equal(status, 125) match(text, "no container of this name") match(text, "hint: ")
end)

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

served("many at the same time, while the container goes on", {}, function()
  local clients = {}
  for i = 1, 20 do clients[i] = begin(("echo %d | '%s' exec web -- sh -c 'read x; echo got $x; exit $x'"):format(i, t.ccsand)) end
  for i = 1, 20 do
    local out, err, status = clients[i]()
    equal(status, i, err) equal(out, "got " .. i .. "\n")
  end
end)

-- ---- a terminal

served("a terminal of the container's", {}, function(running)
  if not t.host_lines("command -v script")[1] then t.skip "script(1) is not installed" end
  local script = t.file(([[stty rows 33 cols 77; exec '%s' exec -it web -- sh -c 'tty; stty size; echo $TERM; read x; echo "got $x"; exit 9']]):format(t.ccsand), "tty.sh")
  local out, err, status = begin(("printf 'typed\\n' | TERM=vt100 script -qec 'sh %s' /dev/null"):format(script))()
  equal(status, 9, err)
  for _, line in ipairs { "/dev/pts/%d+\r\n", "33 77\r\n", "vt100\r\n", "got typed\r\n" } do match(out, line) end
  out, err, status = exec("-t web -- sh -c 'tty; cat; exit 3'", "printf 'piped\\n' | ")
  equal(status, 3, err) match(out, "/dev/pts/%d+\r\n") match(out, "piped\r\n.*piped\r\n", "echoed, and read")
  equal(running:exec({ "true" }).status, 0)
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
