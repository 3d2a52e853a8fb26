-- Learning: what is learnt is enough for the same command, and for nothing else; the text is
-- a Lua file whatever a program calls its files.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local learn = require "ccsand.learn"
local seccomp = require "ccsand.seccomp"
local t = require "support"
t.begin()
local test, equal, match, no_match, fails = t.test, t.equal, t.match, t.no_match, t.fails

if ccsand.sys.landlock_abi() < 5 then t.skip_all "rules on files take a kernel with Landlock's ABI 5" end

local function script(text) return { "/bin/sh", "-c", text } end
-- Without limits: the cgroups of the host are another test's.
local function learnt(command, more)
  local box = t.box(more)
  local result, record = learn.run(box, command, { capture = true, limits = false })
  return box, record, result
end
local function load_text(text)
  local value = setfenv(assert(loadstring(text, "=policy")), {})()
  return value
end
-- Learns a command and answers the container under what was learnt, through the text.
local function under(command, more)
  local box, record, result = learnt(command, more)
  local text = learn.write(record)
  return box:with(load_text(text)), text, record, result
end

test("a command passes under what was learnt of it", function()
  local command = { "ls", "-l", "/etc" }
  local box, text, record, free = under(command)
  equal(free.status, 0, free.stderr)
  local result = box:capture(command)
  equal(result.stdout, free.stdout, "what it prints")
  equal(result.status, 0, result.stderr)
  match(text, 'getdents64", %-%- %d+ times')
  match(text, '"execve"')
  match(text, '%["/etc"%] = { "read_dir" }')
  match(text, "execute = {[^}]*busybox")
  match(text, 'capabilities = "none"')
  equal(record.capabilities.dac_override, nil)
end)

test("one call, file, program or value more is denied", function()
  local told = ""
  local box = under({ "ls", "-l", "/etc" }):with { on_denied = function(info) told = told .. tostring(info) .. "\n" end }
  local function denied(command, message)
    local result = box:capture(command)
    if result.status == 0 then error(table.concat(command, " ") .. " was allowed") end
    match(told, message, table.concat(command, " "))
    told = ""
  end
  denied({ "mkdir", "/tmp/x" }, "mkdir.*errno EPERM")
  denied({ "nc", "127.0.0.1", "1" }, "socket.*errno EPERM")
  denied({ "ln", "-s", "a", "/tmp/b" }, "symlink.*errno EPERM")
  denied({ "sh", "-c", "(true); true" }, "SIGCHLD.*errno EPERM")
  denied({ "ls", "-l", "/home" }, "") -- Landlock's, which tells nobody
  denied({ "cat", "/etc/hosts" }, "")
  -- The same call with another value: open to write, where it was to read.
  local policy = load_text(select(2, under { "cat", "/etc/hosts" }))
  local allow = policy.seccomp.allow
  match(allow.open or allow.openat, "flags")
  local calls = seccomp.policy(policy.seccomp)
  local name = allow.open and "open" or "openat"
  local flags = "O_WRONLY | O_CREAT"
  equal(name == "open" and calls:test("open", 0, flags) or calls:test("openat", -100, 0, flags), "errno EPERM")
end)

test("what it writes, moves, links, executes and removes is learnt right by right", function()
  local command = script [[cd /tmp; mkdir -p a/b; echo hi >a/b/c; mv a/b/c a/d; ln -s d a/e; cat a/e; rm -r a
    printf '#!/bin/sh\necho from a script\n' >s; chmod +x s; ./s]]
  local box, text, record, free = under(command)
  equal(free.stdout, "hi\nfrom a script\n", free.stderr)
  for _, right in ipairs { "make_dir", "make_reg", "make_sym", "refer", "remove_dir", "remove_file", "write_file", "execute" } do
    match(text, '"' .. right .. '"')
  end
  no_match(text, "%[\"/tmp/", "what it made itself")
  equal(record.made["/tmp/a/b/c"], true)
  local result = box:capture(command)
  equal(result.stdout .. result.stderr, free.stdout, "under the policy")
  match(box:capture(script "echo x >/etc/x; echo x >/home/x").stderr, "denied.*denied")
end)

test("a script, as the command, takes its interpreter and its loader along", function()
  local place = t.mkdir("scripts", "755")
  t.write(place .. "/run.sh", "#!/bin/sh\necho \"$1\"\n")
  os.execute("chmod 755 " .. place .. "/run.sh")
  local more = { mounts = { { source = place, target = "/mnt" } } }
  local box, text = under({ "/mnt/run.sh", "it runs" }, more)
  match(text, 'execute = {[^}]*"/mnt/run%.sh"')
  equal(box:capture({ "/mnt/run.sh", "it runs" }).stdout, "it runs\n")
end)

test("capabilities are those that it used, and had", function()
  local command = script "cd /tmp; touch x; chown 1000 x; chmod 600 x; cat x; su nobody -s /bin/sh -c id"
  local box, text, record = under(command)
  for _, name in ipairs { "chown", "dac_override", "fowner", "setuid", "setgid" } do
    if not record.capabilities[name] then error(name .. " is missing in " .. text) end
  end
  equal(record.capabilities.kill, nil, "kill")
  equal(box:capture(command).status, 0)
  match(text, "An estimate")
  local without = select(2, learnt(command, { capabilities = "none" }))
  equal(next(without.capabilities), nil, "of one that has none")
end)

test("addresses are learnt, and others refused", function()
  local function talk(port)
    return script(("nc -l -p %d -e echo reached & sleep 0.3; nc 127.0.0.1 %d </dev/null; kill $! 2>/dev/null; wait"):format(port, port))
  end
  local box, text, record, free = under(talk(7070))
  if free.stdout ~= "reached\n" then t.skip("this nc cannot listen: " .. free.stderr) end
  match(text, '"127%.0%.0%.1:7070"')
  match(text, "connect = { 7070 }")
  match(text, "bind = {[^}]*7070 }")
  equal(next(record.connected), "127.0.0.1:7070")
  equal(box:capture(talk(7070)).stdout, "reached\n")
  -- Landlock holds both ends; the list of addresses one of them alone.
  equal(box:capture({ "nc", "-l", "-p", "7071" }).status, 1, "listening on another port")
  local listening = box:with { landlock = require("ccsand.container").none }
  equal(listening:capture(talk(7070)).stdout, "reached\n", "without Landlock")
  equal(listening:capture(talk(7071)).stdout, "", "connecting to another port")
  equal(listening:with({ connect = require("ccsand.container").none }):capture(talk(7071)).stdout, "reached\n", "without either")
end)

test("a command whose addresses no list can say gets none", function()
  local program = [[
    local unix = ffi.new("uint8_t[5]", { 1, 0, 97, 98, 0 })                      -- the relative path "ab"
    local netlink = ffi.new("uint8_t[12]", { 16, 0 })
    call(42, call(41, 1, 1, 0), unix, 5)
    print((call(42, call(41, 16, 3, 0), netlink, 12)))]]
  local box = ccsand.container(t.program(program))
  local result, record = learn.run(box, nil, { capture = true, limits = false })
  equal(result.stdout, "0\n", result.stderr)
  local policy = load_text(learn.write(record))
  equal(policy.connect, nil)
  match(learn.write(record), "so that no list of addresses is kept")
  equal(box:with(policy):capture().stdout, "0\n")
  local _, difference = learn.merge({ connect = { "127.0.0.1:80" } }, record)
  match(difference, "take the list out")
end)

test("many files of a directory are learnt as the directory", function()
  local place, read = t.mkdir("many", "755"), { "cat" }
  for i = 1, 5 do
    t.write(("%s/%d"):format(place, i), "")
    read[#read + 1] = "/mnt/" .. i
  end
  local more = { mounts = { { source = place, target = "/mnt" } } }
  local _, many = learnt(read, more)
  local _, few = learnt({ "cat", "/mnt/1", "/mnt/2" }, more)
  local function files(record, options)
    local list = {}
    for _, path in ipairs(learn.policy(record, options).landlock.read) do
      if path:find "^/mnt" then list[#list + 1] = path end
    end
    return table.concat(list, " ")
  end
  equal(files(many), "/mnt")
  equal(files(few), "/mnt/1 /mnt/2")
  equal(files(few, { files_of_a_directory = 1 }), "/mnt")
end)

test("memory and processes are learnt where a cgroup counts them", function()
  local box = t.box()
  local result, record = learn.run(box, script "true | true", { capture = true })
  if not result.memory_peak then t.skip "this kernel counts no peak of memory" end
  local policy = learn.policy(record)
  match(policy.limits.memory, "^%d+M$")
  equal(box:with(policy):capture(script "true | true").status, 0)
end)

test("the text is the same for the same record, and lists are sorted", function()
  local _, record = learnt(script "ls / >/dev/null; cat /etc/hosts >/dev/null; mkdir /tmp/a")
  equal(learn.write(record), learn.write(record))
  local calls = load_text(learn.write(record)).seccomp.allow
  for i = 2, #calls do
    if calls[i - 1] >= calls[i] then error(calls[i - 1] .. " stands before " .. calls[i]) end
  end
end)

test("hostile names stay in their strings", function()
  local names = { 'a"]] = os.exit(1) --', "b\nreturn os.exit(2) --", "c\\", "d\27[31m\7", "e]]\r\n}os.exit(3)", "f\255\254", "--[[g" }
  local place = t.mkdir("hostile", "755")
  local reads = {}
  for _, name in ipairs(names) do
    t.write(place .. "/" .. name, "")
    reads[#reads + 1] = "/mnt/" .. name
  end
  local more = { mounts = { { source = place, target = "/mnt" } } }
  local command = { "cat", unpack(reads) }
  local box, record = learnt(command, more)
  local text = learn.write(record, { files_of_a_directory = 100 })
  no_match(text, "[\1-\9\11-\31\127-\255]", "bytes that do something to a terminal")
  local policy = load_text(text)
  local found = {}
  for _, path in ipairs(policy.landlock.read) do found[path] = true end
  for _, path in ipairs(reads) do
    if not found[path] then error(("%q is missing in:\n%s"):format(path, text)) end
  end
  equal(box:with(policy):capture(command).status, 0)
  -- As a key, and in the difference.
  local _, writes = learnt(script [[for f in /mnt/*; do : >>"$f"; done 2>/dev/null; cd /tmp; mkdir "$(printf 'x\n"y')"; cd x*; : >z]], more)
  local wide = learn.write(writes)
  load_text(wide)
  no_match(tostring(select(2, learn.merge(policy, writes))), "[\1-\9\11-\31\127-\255]")
  for line in wide:gmatch "[^\n]+" do no_match(line, "^%s*[^%s%w\"%[{}%-,]", "a line of the text") end
end)

test("merging widens, shows the difference, and the widened policy passes", function()
  local first, second = { "ls", "-l", "/etc" }, script "mkdir /tmp/new; cat /etc/hosts; chown 1 /tmp/new"
  local box, record = learnt(first)
  local narrow = load_text(learn.write(record))
  local _, further = learnt(second)
  local wide, difference = learn.merge(narrow, further)
  local text = tostring(difference)
  for _, part in ipairs { "+ seccomp: allow mkdir", 'read_file in "/etc/hosts"', 'make_dir in "/tmp"', "+ capabilities: chown, for chown" } do
    if not text:find(part, 1, true) then error(("%q is missing in:\n%s"):format(part, text)) end
  end
  equal(box:with(narrow):capture(second).status ~= 0, true, "the narrow one")
  local result = box:with(wide):capture(second)
  equal(result.status, 0, result.stderr)
  equal(box:with(wide):capture(first).status, 0, "the first command")
  equal(#select(2, learn.merge(wide, further)), 0, "a second time")
  equal(#select(2, learn.merge(wide, record)), 0, "the first record")
  equal(learn.write(record), learn.write(record), "the old table is as it was")
  equal(narrow.capabilities, "none", "the old table is as it was")
end)

test("merging keeps what a person wrote", function()
  local _, record = learnt(script "mkdir /tmp/new; : >/tmp/new/x")
  -- Another default, groups, conditions of one's own, and a call that is denied by name.
  local wide, difference = learn.merge({
    seccomp = { from = "no-network", deny = { "mkdir" }, allow = { "@timer" } },
    landlock = { write = { "/tmp" }, execute = { "/bin", "/lib" } }, hostname = "mine", limits = { memory = "1G" },
  }, record)
  equal(tostring(difference):match "mkdir[^\n]*", "mkdir -- still denied: another line of the policy says so")
  equal(wide.hostname, "mine")
  equal(wide.limits.memory, "1G")
  equal(wide.seccomp.deny[1], "mkdir")
  equal(wide.landlock.paths, nil, "what is covered is not named again")
  -- A condition that is too narrow gets a second one.
  wide = learn.merge({ seccomp = { default = "errno EPERM", allow = { open = "flags == O_PATH", openat = "flags == O_PATH" } } }, record)
  local opens = wide.seccomp.allow.open
  if type(opens) ~= "table" then opens = wide.seccomp.allow.openat end
  equal(opens[1], "flags == O_PATH")
  match(opens[2], "O_CREAT")
  -- A name becomes a policy that begins with it.
  wide = learn.merge({ seccomp = "strict" }, record)
  equal(wide.seccomp.from, "strict")
  equal(#select(2, learn.merge({}, record)), 0, "a table that restricts nothing")
  fails(function() learn.merge({ exec = function() end }, record) end, "the policy.exec is a function")
  fails(function() learn.merge({ seccomp = seccomp.default() }, record) end, "seccomp is policy default")
  fails(function() learn.merge("x", record) end, "returns a table, and not a string")
end)

-- ---- files

local function captured(f)
  local kept, text = io.stderr, ""
  io.stderr = { write = function(_, ...) text = text .. table.concat({ ... }) end }
  local good, value = pcall(f)
  io.stderr = kept
  if not good then error(value, 0) end
  return value, text
end

test("learn --into makes, widens and keeps a file", function()
  local place = t.mkdir("policies", "755")
  local path = place .. "/policy.lua"
  local box = t.box()
  local function main(command, more)
    local options = { command = command, limits = false, into = path }
    for k, v in pairs(more or {}) do options[k] = v end
    return captured(function() return learn.main(box, options) end)
  end
  equal(main(script "cat /etc/hosts >/dev/null"), 0)
  local first = t.read(path)
  equal(box:with(load_text(first)):capture(script "cat /etc/hosts >/dev/null").status, 0)
  t.write(path, "-- Kept by hand.\n" .. first)
  local status, shown = main(script "cat /etc/passwd >/dev/null; exit 3")
  equal(status, 3, "the command's status")
  match(shown, '%+ landlock: read_file in "/etc/passwd"')
  match(shown, "ended with status 3")
  match(t.read(path), "^%-%- Kept by hand%.\n")
  equal(t.read(path .. ".old"), "-- Kept by hand.\n" .. first, "the file as it was")
  equal(box:with(load_text(t.read(path))):capture(script "cat /etc/passwd >/dev/null").status, 0)
  local before = t.read(path)
  status, shown = main(script "cat /etc/passwd >/dev/null")
  equal(status, 0)
  match(shown, "allows all of it already")
  equal(t.read(path), before, "nothing to do")
  -- Elsewhere: the file to widen stays.
  main(script "ls / >/dev/null", { output = place .. "/other.lua" })
  equal(t.read(path), before)
  equal(box:with(load_text(t.read(place .. "/other.lua"))):capture(script "ls / >/dev/null").status, 0)
  equal(t.host_lines("ls -A " .. place)[4], nil, "files that stay behind")
end)

test("a policy's file that others may write, or that does something, is refused", function()
  local place = t.mkdir("policies", "755")
  local path = t.write(place .. "/policy.lua", "return {}")
  os.execute("chmod 666 " .. path)
  fails(function() learn.read(path) end, "can be written by others", "chmod go-w")
  os.execute("chmod 644 " .. path .. "; chown 1234 " .. path)
  fails(function() learn.read(path) end, "belongs to user 1234")
  os.execute("chown 0 " .. path .. "; chmod 777 " .. place)
  fails(function() learn.read(path) end, "its directory can be written by others")
  os.execute("chmod 755 " .. place)
  t.write(path, "return os.execute 'true'")
  fails(function() learn.read(path) end, "global 'os'")
  t.write(path, "return 1")
  fails(function() learn.read(path) end, "returns a number")
  os.execute("rm " .. path .. "; mkfifo " .. path)
  fails(function() learn.read(path) end, "no regular file")
  equal(learn.read(place .. "/none.lua"), nil)
end)

test("learning takes containers and known options", function()
  fails(function() learn.run({}) end, "takes a container")
  fails(function() learn.run(t.box(), nil, { captured = true }) end, "'captured' is not an option")
  fails(function() learn.main(3, {}) end, "returns no container")
end)

return t.finish()
