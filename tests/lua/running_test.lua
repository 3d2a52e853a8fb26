-- What goes in and out of containers that run: dialogues, lines as they come, waiting for
-- lines, files and ports, copying files, and the limits of a run.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local test, equal, match, fails = t.test, t.equal, t.match, t.fails
local loop = ccsand.loop

-- The same inside of a task and outside of one.
local function both(name, f)
  test(name, f)
  test(name .. ", in a task", function() loop.run(f) end)
end
local function shell(script, options, more)
  local given = { interactive = true }
  for k, v in pairs(options or {}) do given[k] = v end
  return t.box(more):start({ "/bin/sh", "-c", script }, given)
end

-- ---- dialogues

both("write, read_line and close_stdin", function()
  local running = shell "while read x; do echo \"got $x\"; done; echo -n end; echo err >&2; exit 3"
  running:write "one\ntwo\n"
  equal(running:read_line(), "got one")
  equal(running:read_line "5s", "got two")
  running:write "three"
  local problem = fails(function() running:read_line "30ms" end, "not within 30ms")
  equal(problem.code, "ETIMEDOUT")
  running:close_stdin()
  equal(running:read_line(), "end", "what is left without a newline")
  equal(running:read_line(), nil)
  local result = running:wait()
  equal(result.status, 3)
  equal(result.stdout, "", "kept by nobody")
  fails(function() running:write "more" end, "closed")
end)

both("with capture the result has all of it, too", function()
  local running = shell("cat; echo x >&2", { capture = true })
  running:write "a\nb\n"
  running:read_line()
  running:close_stdin()
  local result = running:wait()
  equal(result.stdout, "a\nb\n") equal(result.stderr, "x\n")
end)

both("expect: texts, patterns, what comes when it fails", function()
  local running = shell "echo -n 'login? '; read name; echo \"hello $name (7)\"; echo 'a.c'; read x; echo bye"
  equal(running:expect "login? ", "login? ")
  running:write "me\n"
  local name, number = running:expect("hello (%w+) %((%d+)%)", { pattern = true })
  equal(name, "me") equal(number, "7")
  fails(function() running:expect("abc", { within = "30ms" }) end, "expect \"abc\"", "not within 30ms", "a.c")
  fails(function() running:expect("a%.c(", { pattern = true }) end, "unfinished capture")
  running:expect "a.c"
  running:write "\n"
  local problem = fails(function() running:expect "never" end, "closed its output", "bye")
  equal(problem.code, "EPIPE")
  equal(running:wait().status, 0)
  fails(function() t.box():start({ "true" }):expect "x" end, "not at hand", "interactive = true")
end)

both("a megabyte in and out", function()
  local text = ("0123456789abcde\n"):rep(65536)
  local running = shell("cat", { capture = true })
  running:write(text)
  running:close_stdin()
  equal(#running:wait("20s").stdout, #text)
end)

both("a dialogue on a terminal", function()
  local running = t.box({ terminal = true }):start({ "/bin/sh", "-c", "tty; stty size; echo -n 'password: '; stty -echo; read p; stty echo; echo; echo \"it is $p\"; cat; echo over" }, { interactive = true })
  match(running:read_line(), "^/dev/")
  equal(running:read_line(), "24 80")
  running:expect "password: "
  running:write "secret\n"
  running:expect "it is secret\r\n"
  running:write "echoed\n"
  running:expect "echoed\r\nechoed"
  running:close_stdin()
  running:expect "over"
  equal(running:wait().status, 0)
end)

test("a terminal that nobody holds is refused", function()
  fails(function() t.box({ terminal = true }):start { "true" } end, "foreground", "interactive = true")
end)

-- ---- lines as they come

both("on_stdout and on_stderr get whole lines", function()
  local out, err = {}, {}
  local running = t.box():start({ "/bin/sh", "-c", "echo 1; echo -n 2; echo a >&2; echo 3; echo -n 4" },
    { on_stdout = function(line) out[#out + 1] = line end, on_stderr = function(line) err[#err + 1] = line end })
  running:wait()
  equal(table.concat(out, ","), "1,23,4") equal(table.concat(err, ","), "a")
end)

test("in a loop they come while the task does other things", function()
  loop.run(function()
    local told = loop.event()
    local running = t.box():start({ "/bin/sh", "-c", "echo now; sleep 60" }, { on_stdout = function() told:set() end })
    loop.timeout("10s", told.wait, told)
    running:close()
  end)
  loop.run(function() t.box():start({ "sleep", "0.01" }, { on_stdout = print }) end) -- the run does not wait for it
end)

both("what a function of them raises is raised where it is waited", function()
  local running = t.box():start({ "/bin/sh", "-c", "echo a; echo b; exit 2" }, { on_stdout = function(line) error("no " .. line) end })
  fails(function() running:wait() running:wait() end, "no a")
  equal(running:wait().status, 2)
end)

both("gigabytes pass by in a megabyte", function()
  local bytes = 0
  local before = collectgarbage "count"
  local running = t.box({ timeout = "150s" }):start({ "/bin/sh", "-c", "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 99400000" },
    { on_stdout = function(line) bytes = bytes + #line + 1 end })
  local result = running:wait("160s")
  equal(result.reason, "exited")
  equal(bytes, 99400000)
  equal(result.stdout, "")
  collectgarbage()
  assert(collectgarbage "count" - before < 30000, "memory")
end)

both("a line without an end comes in pieces of a megabyte", function()
  local pieces, before, most = {}, collectgarbage "count", 0
  local running = t.box():start({ "/bin/sh", "-c", "head -c 30000000 /dev/zero; echo; echo -n last" }, { on_stdout = function(line)
    pieces[#pieces + 1] = #line
    most = math.max(most, collectgarbage "count" - before)
  end })
  equal(running:wait("30s").reason, "exited")
  equal(#pieces, 30)
  for i = 1, 28 do equal(pieces[i], 1024 * 1024) end
  equal(pieces[29], 30000000 - 28 * 1024 * 1024)
  equal(pieces[30], 4)
  assert(most < 30000, "memory: " .. most)
end)

test("a container waits for the function of its lines, and nothing of them is lost or kept", function()
  loop.run(function()
    local lines, most, before = 0, 0, collectgarbage "count"
    local first = true
    local running = t.box():start({ "/bin/sh", "-c", "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 35500000; echo all >&2" }, {
      on_stdout = function()
        lines = lines + 1
        if lines % 100000 ~= 1 then return end
        loop.sleep(first and "300ms" or "10ms")
        first = false
        most = math.max(most, collectgarbage "count" - before)
      end,
    })
    local looks = 0
    loop.spawn(function() while not running:ended() do looks = looks + 1 loop.sleep "1ms" end end)
    running:wait_for { line = "all", within = "30s" }
    equal(running:wait("30s").reason, "exited")
    loop.timeout("30s", function() while lines < 500000 do loop.sleep "1ms" end end)
    equal(lines, 500000)
    assert(looks > 100, "others went on")
    assert(most < 40000, "memory: " .. most)
  end)
end)

both("a function of lines that waits for more than can come is told", function()
  local running, problem
  running = t.box():start({ "/bin/sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' '\\n'" }, { interactive = true, on_stdout = function()
    if not problem then problem = fails(function() running:expect("never", { within = "20s" }) end, "waits for that function") end
  end })
  equal(running:wait("30s").reason, "exited")
  equal(problem.code, "EDEADLK")
end)

test("an input of many megabytes is sent once", function()
  local input = ("x"):rep(39999994) .. "middle" .. ("x"):rep(40000000) .. "end"
  equal(t.box():capture({ "/bin/sh", "-c", "wc -c" }, { stdin = input }).stdout, #input .. "\n")
  equal(t.box():capture({ "/bin/sh", "-c", "tr -d x" }, { stdin = input }).stdout, "middleend")
end)

-- Hours, if it were looked for in all of it at once.
both("a pattern whose time grows with the square of the text does not hide the deadline", function()
  local running = shell "head -c 1000000 /dev/zero | tr '\\0' 1; echo done >&2; sleep 60"
  fails(function() running:expect("(%d+) ready", { within = "300ms", pattern = true }) end, "not within")
  running:close()
  running = shell "head -c 1000000 /dev/zero | tr '\\0' 1; echo; echo done >&2; sleep 60"
  fails(function() running:wait_for { line = "(%d+) ready", pattern = true, within = "300ms" } end, "not within")
  running:close()
end)

test("patterns are found wherever they are, and texts whose parts come one by one", function()
  local running = shell "yes 12345 | tr '\\n' ' ' | head -c 10230; echo -n 'port=80 '; yes 12345 | tr '\\n' ' ' | head -c 20000; echo -n 're'; sleep 0.05; echo -n 'ady# '; read x; echo $x; read x; echo a$x; sleep 60"
  equal(running:expect("port=(%d+)", { pattern = true }), "80")
  running:expect "ready"
  running:expect("# $", { pattern = true })
  running:write "$ and ^ are in it\n"
  equal(running:expect("^(%$ %w+)", { pattern = true }), "$ and")
  equal(running:expect("in (%w+)\r?\n", { pattern = true }), "it")
  fails(function() running:expect("^x", { pattern = true, within = "30ms" }) end, "not within")
  running:write "x^x\n"
  fails(function() running:expect("^x", { pattern = true, within = "50ms" }) end, "ax^x")
  equal(running:expect("^ax", { pattern = true }), "ax")
  running:close()
end)

test("an error of a recipe does not control the terminal, whatever the container printed", function()
  local recipe = t.file(([[
    local running = require("ccsand").container { image = %q }:start({ "/bin/sh", "-c", "printf '\\033]0;x\\007\\302\\2332Jgot\\n'; sleep 60" }, { interactive = true })
    running:wait_for { line = "got" }
    running:expect("never", { within = "10ms" })]]):format(t.image), "escape.lua")
  local text = t.run_host(("'%s' '%s'"):format(t.ccsand, recipe))
  match(text, "\\x1b%]0;x\\x07\\xc2\\x9b2Jgot")
  equal(text:find "[\27\7\194]", nil)
end)

test("a text that grows is kept to a megabyte, and what is used up is gone", function()
  local recent = require("ccsand.recent_text").new()
  recent:add "" equal(recent:rest(), "")
  recent:add "one\ntwo\n" recent:add "three"
  local text, at = recent:look()
  equal(text, "one\ntwo\nthree") equal(at, 1)
  recent:use(4)
  equal(recent:rest(), "two\nthree")
  recent:add "\nfour"
  local forgotten
  text, at, forgotten = recent:look()
  equal(text:sub(at), "two\nthree\nfour") equal(forgotten + at - 1, 4)
  recent:use(at + 3)
  recent:use(#text)
  equal(recent:rest(), "")
  local part = ("x"):rep(1023) .. "\n"
  for i = 1, 5000 do
    recent:add(i .. part)
    if i % 700 == 0 then recent:look() end
    if i % 1900 == 0 then recent:use(select(2, recent:look()) + 99) end
  end
  local rest = recent:rest()
  equal(#rest, 1024 * 1024)
  equal(select(3, recent:look()), 18 + 5000 * 1024 + 18893 - 1024 * 1024)
  equal(rest:sub(-#part - 4), "5000" .. part)
end)

test("lines of a burst are read one by one", function()
  local running = shell "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; echo -n last"
  for i = 0, 4999 do equal(running:read_line(), "line " .. i) end
  equal(running:read_line(), "last")
  equal(running:read_line(), nil)
  running:close()
end)

-- ---- waiting for things

both("wait_for line, on either stream", function()
  local running = shell "echo starting; echo 'ready (1)' >&2; sleep 60"
  equal(running:wait_for { line = "ready (", within = "5s" }, "ready (1)")
  equal(running:wait_for { line = "^start", pattern = true }, "starting", "nothing is used up")
  fails(function() running:wait_for { line = "no such", within = "30ms" } end, "no such", "not within")
  running:close()
  fails(function() shell("echo x"):wait_for { line = "y" } end, "closed its output", "x")
end)

both("wait_for line in output that is kept for the result", function()
  local running = t.box():start({ "/bin/sh", "-c", "echo starting; sleep 0.05; echo 'ready (1)' >&2; while [ ! -e /tmp/go ]; do sleep 0.01; done; echo -n 'no end'" }, { capture = true })
  equal(running:wait_for { line = "ready (", within = "5s" }, "ready (1)")
  equal(running:wait_for { line = "^start", pattern = true }, "starting", "nothing is used up")
  local problem = fails(function() running:wait_for { line = "no such", within = "30ms" } end, "no such", "not within", "ready (1)")
  equal(problem.code, "ETIMEDOUT")
  fails(function() running:expect "starting" end, "not at hand")
  running:copy_in({ text = "" }, "/tmp/go")
  equal(fails(function() running:wait_for { line = "no end" } end, "closed its output").code, "EPIPE")
  local result = running:wait()
  equal(result.stdout, "starting\nno end") equal(result.stderr, "ready (1)\n")
  equal(running:wait_for { line = "start" }, "starting", "after its end, too")
  fails(function() t.box():start({ "true" }):wait_for { line = "x" } end, "not at hand", "capture = true")
end)

both("wait_for file", function()
  local running = t.box():start({ "/bin/sh", "-c", "sleep 0.05; mkdir /run/x; ln -s /run/x /l; touch /run/x/there; sleep 60" })
  running:wait_for { file = "/l/there", within = "10s" }
  local problem = fails(function() running:wait_for { file = "/no", within = "20ms" } end, "/no", "not in time")
  equal(problem.code, "ETIMEDOUT")
  running:close()
  fails(function() t.box():start({ "true" }):wait_for { file = "/no" } end, "has ended")
end)

both("wait_for port", function()
  local running = t.box():start({ "/bin/sh", "-c", "sleep 0.05; nc -l -p 8080 & nc -l -p 70 & wait" })
  running:wait_for { port = 8080, within = "10s" }
  running:wait_for { port = 70, within = "10s" }
  fails(function() running:wait_for { port = 8081, within = "20ms" } end, "8081")
  fails(function() running:wait_for {} end, "a line, a file or a port")
  running:close()
end)

-- ---- files

both("copy_in and copy_out", function()
  local running = t.box({ init = true }):start { "sleep", "60" }
  equal(running:copy_in({ text = "in\0line" }, "/tmp/a", { mode = 416 }), 7)
  equal(running:exec({ "stat", "-c", "%u:%g %a %s", "/tmp/a" }).stdout, "0:0 640 7\n")
  equal(running:copy_out "/tmp/a", "in\0line")
  local host = t.file(("x"):rep(200000))
  equal(running:copy_in(host, "/tmp/b"), 200000)
  equal(running:exec({ "stat", "-c", "%u %a %s", "/tmp/b" }).stdout, "0 644 200000\n")
  local back = t.directory .. "/back"
  equal(running:copy_out("/tmp/b", back), 200000)
  equal(t.read(back), ("x"):rep(200000))
  fails(function() running:copy_out("/tmp/b", { limit = "100K" }) end, "more than 102400 bytes")
  fails(function() running:copy_out("/tmp/b", t.directory .. "/half", { limit = "100K" }) end, "more than 102400 bytes")
  equal(t.read(t.directory .. "/half"), nil, "half a file")
  fails(function() running:copy_in(host, "/tmp/c", { limit = 1000 }) end, "more than 1000 bytes")
  equal(fails(function() running:copy_out "/no" end, "'/no'").code, "ENOENT")
  fails(function() running:copy_out "relative" end, "absolute")
  running:close()
  fails(function() running:copy_out "/tmp/a" end, "has ended")
end)

test("copies reach what the container's root can reach, and nothing else", function()
  local lent = t.mkdir("lent", "755")
  t.write(lent .. "/secret", "of the host")
  os.execute(("chmod 600 '%s/secret'"):format(lent))
  t.write(t.directory .. "/outside", "outside")
  local running = t.box({ init = true, mounts = { { source = lent, target = "/lent", writable = true } } }):start { "sleep", "60" }
  running:exec { "/bin/sh", "-c", ([[ln -s /lent/secret /tmp/link; ln -s ../../../../../../..%s/outside /tmp/up; mkfifo /tmp/fifo; mkdir /tmp/d;
    ln -s /proc/self/root/etc/shadow /tmp/magic; ln -s /dev/zero /tmp/zero; mkdir -m 700 /tmp/own; echo mine >/tmp/own/file; chown -R 33 /tmp/own]]):format(t.directory) }
  equal(fails(function() running:copy_out "/tmp/link" end).code, "EACCES", "a file of the host's root")
  equal(fails(function() running:copy_in({ text = "x" }, "/tmp/link") end).code, "EACCES")
  equal(t.read(lent .. "/secret"), "of the host")
  equal(fails(function() running:copy_out "/tmp/up" end).code, "ENOENT", "links stay inside")
  running:copy_in({ text = "x" }, "/tmp/new")
  fails(function() running:copy_in({ text = "x" }, "/tmp/up") end)
  equal(t.read(t.directory .. "/outside"), "outside")
  for _, path in ipairs { "/tmp/fifo", "/tmp/d", "/tmp/zero", "/dev/null" } do
    fails(function() running:copy_out(path) end, "regular file")
    fails(function() running:copy_in({ text = "x" }, path) end, path)
  end
  fails(function() running:copy_out "/tmp/magic" end)
  equal(running:copy_out "/tmp/own/file", "mine\n", "root's rights in the container")
  running:close()
end)

test("copies without a user namespace", function()
  local running = t.box({ user_namespace = false }):start { "sleep", "60" }
  running:copy_in({ text = "x" }, "/tmp/a")
  equal(running:copy_out "/tmp/a", "x")
  running:close()
end)

-- ---- limits of a run

both("limits of one run", function()
  local box = t.box()
  equal(box:capture({ "sleep", "60" }, { timeout = "50ms" }).reason, "timeout")
  local result = box:capture({ "/bin/sh", "-c", "yes | head -c 3000; sleep 60" }, { output_limit = 1000, limit_output = true })
  equal(result.reason, "output") equal(#result.stdout, 1000) equal(result.stdout_cut, true)
  result = box:capture({ "/bin/sh", "-c", "yes | head -c 3000; exit 4" }, { output_limit = 1000 })
  equal(result.reason, "exited") equal(result.status, 4) equal(#result.stdout, 1000)
  local running = box:start({ "sleep", "60" }, { timeout = "50ms" })
  equal(running:wait().reason, "timeout")
  fails(function() box:capture({ "true" }, { cpu_time = -1 }) end, "cpu_time", "more than nothing")
end)

both("the time of a run is that of its start, too", function()
  for _, decide in ipairs { false, function() return "EPERM" end } do
    local box = t.box { before_exec = function() while true do end end, connect = decide or nil }
    local result = box:capture({ "true" }, { timeout = "100ms" })
    equal(result.reason, "timeout") equal(result.status, 137)
    assert(result.wall >= 0.1 and result.wall < 10, tostring(result.wall))
    local running = box:start({ "true" }, { timeout = "100ms" })
    equal(running:wait().reason, "timeout")
    running:close()
  end
  fails(function() t.box({ before_exec = function() error "not late" end }):capture({ "true" }, { timeout = "10s" }) end, "not late")
end)

both("CPU time is that of all processes", function()
  local from = loop.now()
  local result = t.box():capture({ "/bin/sh", "-c", "for i in 1 2; do (while :; do :; done) & done; wait" }, { cpu_time = "0.3s" })
  equal(result.reason, "cpu_time") equal(result.signal, "KILL")
  assert(result.cpu >= 0.3 and result.cpu < 1, "used " .. tostring(result.cpu))
  assert(loop.now() - from < 10)
  equal(t.box():capture({ "sleep", "0.1" }, { cpu_time = "5s" }).reason, "exited")
end)

return t.finish()
