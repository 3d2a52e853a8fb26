-- `ccsand exec` and `ccsand list`: commands in containers that this process holds, asked for by others.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
local support = require "exec_support"
t.begin()
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local json, loop = require "ccsand.json", ccsand.loop
local begin, exec, list, await, await_file, served = support.begin, support.exec, support.list, support.await, support.await_file, support.served
local own = require("ccsand.sys").getpid()

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
  running:exec { "sh", "-c", [[for p in /proc/[0-9]*; do test "$(tr '\0' ' ' <$p/cmdline)" = "sleep 4321 " && kill ${p#/proc/}; done]] }
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
    while call.args.pathname == "/etc/hosts" and waits do call:sleep(0.01) end -- others go on meanwhile
    return call.args.pathname ~= "/etc/group"
  end }, function()
    asked, waits = {}, true
    local _, err, status = exec "web cat /etc/group"
    equal(status, 1, err)
    match(table.concat(asked, " "), "/etc/group")
    local slow = begin(("</dev/null '%s' exec web cat /etc/hosts"):format(t.ccsand))
    await(function() return asked[#asked] == "/etc/hosts" end, "the call")
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
      equal(status, i, err) match(out, "^%d+\n")
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
    await_file(support.run_directory .. "/named-a.b_c-1")
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
  equal(#t.host_lines("ls " .. support.run_directory .. " | grep -v ^state-"), 0, "files")
end)

served("list names what runs", { command = { "sleep", "a b" } }, function(running)
  local text = list()
  match(text, "^NAME +PID +HOLDER +SINCE +COMMAND\n")
  match(text, ("\nweb  +%d  +%d  %%d%%d%%d%%d%%-%%d%%d%%-%%d%%d %%d%%d:%%d%%d:%%d%%d  sleep 60\n"):format(running:pid(), own))
  local all = json.decode(list "--json")
  equal(#all, 1)
  equal(all[1].name, "web") equal(all[1].pid, running:pid()) equal(all[1].holder, own) equal(table.concat(all[1].command, "|"), "sleep|60")
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

return t.finish()
