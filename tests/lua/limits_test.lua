-- Limits hold, their breach is told, and attributes of the process are what the recipe says.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local t = require "support"
t.begin()
local test, sh, out, equal, match, no_match = t.test, t.sh, t.out, t.equal, t.match, t.no_match

local fill = "x=a; while :; do x=$x$x; done"

test("a process over the memory limit is killed, and the result says oom", function()
  local result = sh(fill, { limits = { memory = "24M", swap = 0 } })
  equal(result.reason, "oom")
  equal(result.signal, "KILL")
  equal(result.status, 137)
  assert(result.oom_kills >= 1, "oom_kills")
  assert(result.memory_peak > 16 * 2 ^ 20 and result.memory_peak <= 24 * 2 ^ 20, "memory_peak " .. result.memory_peak)
end)

test("a child over the memory limit is told of, too", function()
  local result = sh("sh -c '" .. fill .. "'; exit 7", { limits = { memory = "24M", swap = 0 } })
  equal(result.status, 7)
  equal(result.reason, "oom")
end)

test("what stays under the limit is not touched", function()
  local result = sh("x=$(head -c 4000000 /dev/zero | tr '\\0' a); echo ${#x}", { limits = { memory = "64M" } })
  equal(result.stdout, "4000000\n", result.stderr)
  equal(result.reason, "exited")
  equal(result.oom_kills, 0)
end)

test("files in /dev/shm and in the layer count as memory", function()
  for _, place in ipairs { "/dev/shm/x", "/x" } do
    local result = sh("head -c 60000000 /dev/zero >" .. place, { limits = { memory = "24M", swap = 0 } })
    assert(result.status ~= 0, place .. " was written whole")
  end
end)

test("the layer's size is limited where the recipe says so", function()
  match(sh("dd if=/dev/zero of=/x bs=1M count=9", { root = { layer_size = "4M" } }).stderr, "No space left")
  equal(sh("head -c 1000000 /dev/zero >/x", { root = { layer_size = "4M" } }).status, 0)
end)

test("no more processes than the limit", function()
  local result = sh("for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait", { limits = { pids = 5 } })
  match(result.stderr, "[Cc]an't fork")
  assert(result.pids_max_events >= 1, "pids_max_events")
  equal(sh("sh -c 'sleep 0.01 & sleep 0.01 & wait'", { limits = { pids = 5 } }).status, 0)
end)

test("a fork bomb ends with its time", function()
  local result = sh("b() { b | b & }; (b) 2>/dev/null & while :; do :; done", { limits = { pids = 40 }, timeout = "1s" })
  equal(result.reason, "timeout")
  equal(result.status, 137)
end)

test("cpu time is limited", function()
  local result = sh("i=0; while [ $i -lt 100000000 ]; do i=$((i+1)); done", { limits = { cpus = 0.1 }, timeout = "1s" })
  equal(result.reason, "timeout")
  assert(result.user + result.system < 0.5, "used " .. result.user + result.system)
end)

test("a time-out ends all there is, even what ignores signals", function()
  local result = sh("trap '' TERM INT HUP; (trap '' TERM; sleep 60) & sleep 60", { timeout = "200ms" })
  equal(result.reason, "timeout")
  equal(result.signal, "KILL")
  assert(result.wall > 0.15 and result.wall < 5, "wall " .. result.wall)
end)

test("the result counts time and memory", function()
  local result = sh "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.1"
  assert(result.wall >= 0.1 and result.wall < 20, "wall")
  assert(result.user > 0.001, "user")
  assert(result.max_rss > 100000, "max_rss")
end)

test("resource limits", function()
  equal(out("ulimit -n; ulimit -Hn; ulimit -c", { rlimits = { nofile = { 100, 200 }, core = 0 } }), "100\n200\n0")
  equal(out("ulimit -f", { rlimits = { fsize = "1M" } }), "2048")
  equal(sh("head -c 2000000 /dev/zero >/x; stat -c %s /x", { rlimits = { fsize = "1M" } }).stdout, "1048576\n")
  local before = t.read("/proc/self/limits"):match("Max open files%s+%d+%s+(%d+)")
  equal(out("ulimit -Hn", { rlimits = { nofile = { 10, before * 1 } } }), before)
end)

test("priorities and processors", function()
  local nice = "cut -d' ' -f19 /proc/self/stat"  -- proc(5); busybox need not have nice
  equal(out(nice, { nice = 7 }), "7")
  equal(out(nice, { nice = -5 }), "-5", "which needs a right of the host's")
  match(out("grep Cpus_allowed_list /proc/self/status", { cpu_affinity = { 0 } }), "\t0$")
  equal(out("cat /proc/self/oom_score_adj", { oom_score_adj = 321 }), "321")
  match(out("cat /proc/self/sched", { scheduler = "batch" }), "policy%s*:%s*3")
end)

test("umask, environment and directory", function()
  equal(out("umask", { umask = "077" }), "0077")
  equal(out "umask", "0022")
  local env = out("env | sort", { env = { A = "1 2", EMPTY = "", HOME = "/h" }, cwd = "/etc" })
  equal(env, "A=1 2\nEMPTY=\nHOME=/h\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/etc\nSHLVL=1")
  equal(out("echo $HOME; pwd"), "/root\n/")
  equal(sh("true", { env = { PATH = "/bin" } }).status, 0)
  local result = t.box({ clear_env = true, root = {} }):capture { "/bin/busybox", "env" }
  match(result.stdout, "^H?O?M?E?=?[^\n]*\n?$", "an environment without defaults")
end)

test("settings of its own namespaces", function()
  equal(out("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni",
    { sysctls = { ["net.ipv4.ip_unprivileged_port_start"] = 81, ["kernel.shmmni"] = "77" } }), "81\n77")
  t.fails(function() t.box { sysctls = { ["vm.swappiness"] = 1 } } end, "vm.swappiness", "would change the host")
  t.fails(function() t.box { sysctls = { ["net.ipv4.ip_forward"] = 1 }, network = "host" } end, "net.ipv4.ip_forward")
  t.fails(function() t.box { sysctls = { ["net.../../vm.swappiness"] = 1 } } end, "sysctls")
end)

test("clocks of its own", function()
  local function uptime(more) return tonumber(out("cut -d. -f1 /proc/uptime", more)) end
  local plain, moved = uptime(), uptime { time_offsets = { boottime = "1000000s", monotonic = 5 } }
  assert(math.abs(moved - plain - 1000000) < 60, ("%d and %d"):format(plain, moved))
  t.fails(function() t.box { time_offsets = { realtime = 1 } } end, "time_offsets.realtime")
  equal(uptime() < plain + 60, true, "the next container's clock")
end)

test("output of any size and any bytes arrives whole", function()
  local result = sh "head -c 10485760 /dev/zero; head -c 3000000 /dev/zero >&2"
  equal(#result.stdout, 10485760)
  equal(#result.stderr, 3000000)
  local bytes = {}
  for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
  bytes = table.concat(bytes):rep(5000)
  equal(t.box():capture({ "cat" }, { stdin = bytes }).stdout == bytes, true, "through stdin and stdout")
  equal(sh("head -c 1; exit 3", nil, { stdin = bytes }).status, 3, "input that nobody reads")
  equal(sh("cat", nil, { stdin = "" }).stdout, "", "empty input")
  equal(sh("cat").stdout, "", "no input")
end)

test("output beyond its limit is dropped, and told", function()
  local result = sh("head -c 200000 /dev/zero; echo end >&2", { output_limit = "64K" })
  equal(#result.stdout, 65536)
  equal(result.stdout_cut, true)
  equal(result.stderr_cut, nil)
  equal(result.stderr, "end\n")
  equal(result.status, 0)
  equal(#sh("yes", { output_limit = 1000, timeout = "300ms" }).stdout, 1000, "for ever")
end)

test("output that a left-over process holds open does not keep the result back", function()
  local result = sh "echo first; (trap '' HUP; sleep 30; echo late) & exit 0"
  equal(result.stdout, "first\n")
  assert(result.wall < 10, "waited")
end)

return t.finish()
