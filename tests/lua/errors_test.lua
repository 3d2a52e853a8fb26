-- Every mistake has a message that names what, where and how to mend it; and a status.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local test, sh, equal, match, fails = t.test, t.sh, t.equal, t.match, t.fails
local root = "/"

local function wrong(spec, ...)
  if spec.root == nil then spec.root = root end
  return fails(function() ccsand.container(spec) end, ...)
end

test("an unknown key names the nearest that is known", function()
  wrong({ hostnme = "x" }, "container.hostnme", "is not a key", "'hostname'")
  wrong({ limits = { memry = 1 } }, "memry", "'memory'")
  wrong({ mounts = { { sorce = "/", target = "/x" } } }, "mounts[1].sorce", "'source'")
  wrong({ namespaces = { network = "new" } }, "namespaces.network")
  wrong({ rlimits = { nofiles = 1 } }, "rlimits.nofiles", "'nofile'")
  wrong({ capabilities = { "chwon" } }, "'chwon'", "'chown'")
  wrong({ capabilities = { add = { "net_bind_servce" } } }, "'net_bind_service'")
  wrong({ network = "hots" }, "'hots'", "'host'")
  wrong({ root = { path = "/", acess = "layer" } }, "root.acess", "'access'")
  wrong({ "ls" }, "named keys only")
end)

test("a wrong type is told with what it is and what it should be", function()
  for key, value in pairs { hostname = 5, command = "ls", limits = 7, mounts = "x", env = true, cwd = 1, init = "yes", root = 9,
                            user_namespace = 3, capabilities = 4, rlimits = "x", namespaces = 1, sysctls = 1, nice = "x",
                            masked_paths = 1, keep_descriptors = 1, groups = 5, time_offsets = 1, timeout = {}, output_limit = true,
                            seccomp = 1, terminal = 3, no_new_privs = 1, domainname = {}, cpu_affinity = "0" } do
    wrong({ [key] = value }, "container." .. key, "must be", type(value))
  end
  wrong({ command = { "a", {} } }, "command[2]", "must be a string")
  wrong({ user = {} }, "container.user", "must be", "table")
  wrong({ created = 5 , command = { "a" } }, "created")
  fails(function() ccsand.container "x" end, "takes a table, got string")
end)

test("values that make no sense", function()
  wrong({ hostname = ("h"):rep(65) }, "hostname", "64")
  wrong({ command = { "" } }, "command")
  wrong({ command = { "a\0b" } }, "zero byte")
  wrong({ cwd = "relative" }, "cwd", "absolute")
  wrong({ cwd = "/a/../../b" }, "cwd", "..")
  wrong({ timeout = 0 }, "timeout")
  wrong({ timeout = "5 parsecs" }, "timeout")
  wrong({ umask = 63 }, "umask", "octal")
  wrong({ umask = "088" }, "umask")
  wrong({ nice = 20 }, "nice", "19")
  wrong({ rlimits = { nofile = { 20, 10 } } }, "nofile", "soft limit above")
  wrong({ mounts = { { source = "/etc", target = "/a/../b" } } }, "mounts[1].target", "..")
  wrong({ mounts = { { source = "/etc", target = "/" } } }, "mounts[1].target")
  wrong({ mounts = { { source = "etc", target = "/x" } } }, "mounts[1].source", "absolute")
  wrong({ mounts = { { source = "/etc" } } }, "mounts[1].target", "missing")
  wrong({ masked_paths = { "/" } }, "masked_paths")
  wrong({ root = "relative" }, "root", "absolute")
  wrong({ root = { host_view = true, access = "layer" } }, "root.access")
  wrong({ env = { ["A=B"] = "x" } }, "env")
  wrong({ namespaces = { uts = "host" }, hostname = "x" }, "hostname", "rename the host")
  wrong({ namespaces = { mount = "host" } }, "namespaces.mount")
  wrong({ namespaces = { pid = "somewhere" } }, "namespaces.pid")
  wrong({ user_namespace = { uid_map = { { 0, 1 } } } }, "uid_map", "triples")
  wrong({ user_namespace = { uid_map = { { 0, 100000, 0 } } } }, "uid_map", "no ids")
  wrong({ seccomp = { bpf = "1234567" } }, "seccomp.bpf", "eight bytes")
  wrong({ ioprio_level = 3 }, "ioprio_level")
  wrong({ user = -1 }, "container.user", "whole number")
  wrong({ user = 1.5 }, "container.user", "whole number")
end)

test("limits that make no sense", function()
  for _, limits in ipairs { { memory = "5 elephants" }, { memory = -1 }, { memory = "" }, { memory = 0 }, { pids = 0 }, { pids = -1 }, { pids = 1.5 },
                            { cpus = 0 }, { cpus = -1 }, { cpus = "1" }, { cpu_weight = 0 }, { cpu_weight = 10001 }, { memory = "99999999999999999999G" },
                            { memory = 0 / 0 }, { cpus = 0 / 0 }, { cpus = 1 / 0 }, { memory = 1 / 0 }, { io = { { device = "sda" } } }, { io = { {} } },
                            { raw = { ["../x"] = "1" } }, { cpuset_cpus = "abc" } } do
    local key = next(limits)
    wrong({ limits = limits }, "limits", key == "io" and "io" or key == "raw" and ".." or key)
  end
end)

test("messages name the recipe's line", function()
  local recipe = 'local ccsand = require "ccsand"\n\nreturn ccsand.container {\n  root = "/", hostnme = "x" }\n'
  local text, status, name = t.run_recipe(recipe)
  match(text, "^ccsand: [^\n]*recipe.lua%-%d+:[34]: container%.hostnme: is not a key")
  equal(status, 125)
  text, status = t.run_recipe('local ccsand = require "ccsand"\nlocal box = ccsand.container { root = "/nonexistent/root", command = { "a" } }\nreturn box')
  match(text, ":2: [^\n]*open_tree[^\n]*'/nonexistent/root'[^\n]*%(ENOENT%)", "a failed step")
  match(text, "step %d+/%d+, ", "the step")
  equal(status, 125)
  text, status = t.run_recipe("local x = = 1")
  match(text, "^ccsand: [^\n]*recipe.lua%-%d+:1: unexpected symbol")
  equal(status, 125)
  text, status = t.run_recipe("\n\nerror 'own'")
  match(text, "recipe.lua%-%d+:3: own")
  equal(status, 125)
  text, status = t.run_recipe("return {}")
  match(text, "a recipe returns a container")
  equal(status, 125)
end)

local function command_status(command, more)
  return t.run_recipe(('return require("ccsand").container { image = %q, command = { %s }, %s }'):format(t.image, command, more or ""))
end

test("exit statuses are those of a shell", function()
  local text, status = command_status '"/bin/sh", "-c", "exit 42"'
  equal(status, 42, text)
  text, status = command_status '"/bin/sh", "-c", "kill -TERM $$; sleep 5"'
  equal(status, 0 + status)
  text, status = command_status('"/bin/sh", "-c", "kill -9 $$; sleep 5"', "init = true")
  equal(status, 137, text)
  text, status = command_status '"no-such-command"'
  equal(status, 127, text)
  match(text, "'no%-such%-command'")
  match(text, "recipe.lua%-%d+:1: ")
  match(text, "hint: ")
  text, status = command_status '"/nonexistent/command"'
  equal(status, 127, text)
  text, status = command_status '"/etc/passwd"'
  equal(status, 126, text)
  match(text, "EACCES")
  text, status = command_status '"/etc"'
  equal(status, 126, text)
  text, status = command_status('"no-such-command"', "init = true")
  equal(status, 127, text)
  match(text, "no%-such%-command")
  text, status = command_status('"/etc/passwd"', "init = true")
  equal(status, 126, text)
  text, status = t.run_recipe "return 7"
  equal(status, 7)
  text, status = t.run_recipe "return nil"
  equal(status, 0)
end)

test("no command line makes 0 of a mistake", function()
  for _, line in ipairs { "", "--nonsense", "/nonexistent.lua", "plan", "check", "plan /nonexistent.lua", "run", "/etc", "/dev/null/x", "/etc/shadow" } do
    local text, status = t.run_host(("'%s' %s"):format(t.ccsand, line))
    equal(status, 125, "ccsand " .. line .. ": " .. text)
    match(text, "%S", "ccsand " .. line)
  end
end)

test("a recipe that others may write is refused", function()
  local function run(prepare)
    local directory = t.mkdir("trust", "755")
    local recipe = t.write(directory .. "/r.lua", "print 'ran' return 0")
    os.execute(prepare:gsub("FILE", recipe):gsub("DIRECTORY", directory))
    return t.run_host(("'%s' '%s'"):format(t.ccsand, recipe))
  end
  match(run "true", "^ran")
  for _, prepare in ipairs { "chmod g+w FILE", "chmod o+w FILE", "chown 1234 FILE", "chmod o+w DIRECTORY", "chmod g+w DIRECTORY", "chown 1234 DIRECTORY" } do
    local text, status = run(prepare)
    equal(status, 125, prepare .. ": " .. text)
    match(text, "r%.lua", prepare)
    match(text, "hint: ", prepare)
  end
  match(run "chmod 1777 DIRECTORY", "^ran", "a directory such as /tmp")
  local text, status = t.run_recipe("\27LJ\2\n")
  equal(status, 125)
  match(text, "bytecode")
end)

test("without privileges ccsand says so", function()
  if #t.host_lines("command -v setpriv") == 0 then t.skip "no setpriv here" end
  local recipe = t.file('return require("ccsand").container { root = "/", command = { "/bin/true" } }', "recipe.lua")
  local binary = t.mkdir("bin", "755") .. "/ccsand"
  os.execute(("cp '%s' '%s'; chmod 755 '%s'"):format(t.ccsand, binary, binary))
  local function as_nobody(what)
    os.execute("chown 65534 " .. recipe)
    return t.run_host(("setpriv --reuid 65534 --regid 65534 --clear-groups '%s' %s '%s'"):format(binary, what, recipe))
  end
  local text, status = as_nobody ""
  equal(status, 125, text)
  match(text, "root")
  match(text, "recipe.lua%-%d+:1: ")
  text, status = as_nobody "plan"
  equal(status, 0, "a plan needs no privileges: " .. text)
  match(text, "pivot_root")
end)

test("a set-up that fails leaves nothing", function()
  for _, more in ipairs { { user = "nobody-knows" }, { cwd = "/nonexistent" }, { mounts = { { source = "/nonexistent", target = "/x" } } },
                          { namespaces = { net = "/nonexistent" } }, { namespaces = { net = "/etc/passwd" } }, { limits = { cpuset_cpus = "900" } },
                          { limits = { memory = "1M" }, before_exec = function() local x = ("x"):rep(2 ^ 25) return x end },
                          { mounts = { { type = "nonsense", target = "/x" } } }, { mounts = { { type = "tmpfs", target = "/x", options = { nonsense = "1" } } } },
                          { sysctls = { ["net.nonsense"] = 1 } }, { setup = function() error "stop" end } } do
    more.cgroup = true
    local problem = fails(function() sh("true", more) end)
    equal(#t.host_lines(("find /sys/fs/cgroup -type d -path '*/ccsand/%d-*' 2>/dev/null"):format(require("ffi").C.getpid())), 0, tostring(problem))
  end
  t.nothing_left()
end)

return t.finish()
