-- Networks without rights on the host's (slirp4netns), containers of a user namespace without
-- root, and the recipes web and lab.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local n = require "network_support"
local t = require "support"
if not t.read "/usr/bin/slirp4netns" then t.skip_all "slirp4netns is not installed" end
n.begin()
local test, equal, fails = t.test, t.equal, t.fails

local function slirps() return #t.host_lines "pgrep -x slirp4netns || true" end

test("network = \"user\" reaches the outside, and changes nothing on the host", function()
  n.outside()  -- gives the host its addresses
  n.serve_in(n.host(), 7000, "of-the-host")
  local links, before = #n.net:links(), slirps()
  local box = n.start { network = "user" }
  equal(slirps(), before + 1, "slirp4netns")
  equal(n.ask(box, n.host_address, 7000), "of-the-host")
  assert(n.out(box, "cat /etc/resolv.conf"):find("nameserver 10.0.2.3", 1, true), "the resolver")
  equal(#n.net:links(), links, "links of the host")
  equal(n.net:nft "list ruleset", "", "rules of the host")
  n.stop(box)
  equal(slirps(), before, "slirp4netns after the end")
end)

test("... but not what listens on the host's loopback", function()
  n.serve_in(n.host(), 7001, "on-loopback")
  local box = n.start { network = "user" }
  equal(n.ask(box, "127.0.0.1", 7001), "")
  equal(n.ask(box, "10.0.2.2", 7001), "", "slirp's own name for the host's loopback")
  n.stop(box)
end)

-- ---- ports

local function listens(port)
  return (t.read "/proc/net/tcp" .. t.read "/proc/net/udp"):find((":%04X 00000000:0000 0[A7]"):format(port)) ~= nil
end

test("published ports, on every address or on one, as long as the container lives", function()
  local before = slirps()
  local server = n.start { network = "user", ports = { "7100:80", "127.0.0.1:7101:80", n.host_address .. ":7102:80" } }
  n.serve_in(server, 80, "published")
  for _, at in ipairs { { "127.0.0.1", 7100 }, { n.host_address, 7100 }, { "127.0.0.1", 7101 }, { n.host_address, 7102 } } do
    equal(n.ask(n.host(), at[1], at[2]), "published", at[1] .. " " .. at[2])
  end
  equal(n.ask(n.outside(), n.host_address, 7100), "published", "from outside")
  equal(n.ask(n.outside(), n.host_address, 7101), "", "from outside, of the loopback's")
  equal(n.ask(n.host(), "127.0.0.1", 7102), "", "on another address")
  n.stop(server)
  equal(slirps(), before, "slirp4netns after the end")
  for port = 7100, 7102 do assert(not listens(port), "port " .. port .. " after the end") end
end)

test("published ports of UDP", function()
  local server = n.start { network = "user", ports = { n.host_address .. ":7105:53/udp", "7106:54/udp" } }
  for _, port in ipairs { 53, 54 } do n.serve_in(server, port, "datagram", true) end
  equal(n.ask_udp(n.host(), n.host_address, 7105), "datagram")
  equal(n.ask_udp(n.outside(), n.host_address, 7106), "datagram")
  n.stop(server)
  for port = 7105, 7106 do assert(not listens(port), "port " .. port .. " after the end") end
end)

test("no path leads to the socket by which slirp4netns is told of ports", function()
  local function sockets() return select(2, t.read "/proc/net/unix":gsub("/%S*/api\n", "")) end
  local mounts, before = t.read "/proc/self/mountinfo", sockets()
  local box = n.start { network = "user", ports = { "7110:80" } }
  local path = t.read "/proc/net/unix":match "(/%S*/api)\n"
  assert(path and path:find "^/proc/self/fd/%d+/api$", "its path: " .. tostring(path))
  equal(#t.host_lines("find '" .. t.directory .. "' /run /tmp -maxdepth 3 -name api -type s"), 0, "sockets")
  equal(#t.host_lines("stat " .. path .. " 2>/dev/null"), 0, "by its path, of another process")
  equal(t.read "/proc/self/mountinfo", mounts, "mounts")
  equal(n.out(box, "ls -a /proc/1/fd/*/api 2>/dev/null || true"), "", "in the container")
  n.stop(box)
  equal(sockets(), before, "sockets after the end")
end)

test("a port of before is there for the next container at once", function()
  for _ = 1, 2 do
    local server = n.serve({ network = "user", ports = { "127.0.0.1:7120:80" } }, 80, "again")
    equal(n.ask(n.host(), "127.0.0.1", 7120), "again")
    n.stop(server)
  end
end)

test("a port that is taken is an error that names it, before the command", function()
  local ran = t.directory .. "/ran"
  local function publish(word, network)
    return function()
      t.sh("echo ran >/flag/it", { network = network or "user", ports = { word }, mounts = { { source = t.mkdir "flag", target = "/flag" } } })
      t.write(ran, "")
    end
  end
  n.serve_in(n.host(), 7130, "mine")
  local user = n.start { network = "user", ports = { "7131:80", "7132:80/udp" } }
  local nat = n.start { network = "nat", ports = { "7133:80", "7134:80/udp" } }
  local before = slirps()
  for _, word in ipairs { "7130:80", "127.0.0.1:7130:80", "7131:81", "7132:81/udp", "7133:80", n.host_address .. ":7134:80/udp" } do
    local port = word:match "(7%d+):"
    fails(publish(word), "publish", "port " .. port .. (word:find "udp" and "/udp" or "/tcp"), "EADDRINUSE", "another program, or another container")
  end
  fails(publish("7131:80", "nat"), "publish", "port 7131/tcp", "EADDRINUSE")
  fails(publish "192.0.2.77:7135:80", "192.0.2.77 port 7135/tcp", "EADDRNOTAVAIL")
  equal(t.read(ran), nil, "the command")
  equal(slirps(), before, "slirp4netns")
  equal(t.sh("echo ran", { network = "user", ports = { "7131:80/udp" } }).stdout, "ran\n", "udp is another port")
  n.stop(user, nat)
end)

test("ports that slirp4netns cannot have", function()
  local function publish(list, network) return function() t.box { network = network or "user", ports = list } end end
  fails(publish { "[2001:db8::1]:7140:80" }, "container.ports", "2001:db8::1", "IPv4")
  fails(publish { "127.0.0.1:7140:53/udp" }, "container.ports", "127.0.0.1", "UDP of the host's loopback")
  fails(publish { "7140:80", "127.0.0.1:7140:81" }, "container.ports", "7140", "twice")
  fails(publish { "7140:53/udp", "7141:53/udp" }, "container.ports", "53/udp of the container twice")
  fails(publish({ "7140:80" }, { "user", "user" }), "container.network[2]", "once more")
end)

test("its ports end with ccsand, however that ends", function()
  local recipe = t.file([[return require("ccsand").container { image = "]] .. t.image .. [[", network = "user", ports = { "7150:80" }, command = { "sleep", "60" } }]], "killed.lua")
  local pid = t.host_lines(("'%s' '%s' >/dev/null 2>&1 & echo $!"):format(t.ccsand, recipe))[1]
  n.eventually(function() return listens(7150) end, "the port")
  t.host_lines("kill -KILL " .. pid)
  n.eventually(function() return not listens(7150) end, "its end")
end)

test("a ccsand in a user namespace without root's rights runs containers", function()
  local root = t.mkdir "root"
  assert(os.execute(("cp -a '%s/.' '%s/'"):format(t.root, root)) == 0)
  local recipe = t.file(([[
    return require("ccsand").container {
      root = { path = "%s", id_mapped = false }, user_namespace = false, groups = {}, network = "user", ports = { "7160:80" },
      command = { "/bin/sh", "-c", "cat /proc/self/uid_map; head -c 4 /dev/zero | od -An -tx1; ip addr show eth0 | grep 'inet '" },
    }]]):format(root), "rootless.lua")
  local lines = table.concat(t.host_lines(("setpriv --clear-groups env CCSAND_RUN_DIR='%s' unshare --user --map-root-user --mount '%s' '%s' 2>&1"):format(
    t.mkdir "run", t.ccsand, recipe)), "\n")
  assert(lines:find "0%s+0%s+1\n", "the user namespace:\n" .. lines)
  assert(lines:find("00 00 00 00", 1, true), "the devices:\n" .. lines)
  assert(lines:find("10.0.2.100/24", 1, true), "the network:\n" .. lines)
end)

for _, recipe in ipairs { "lab", "web" } do
  test("the recipe " .. recipe .. " sees what it expects", function()
    n.stop_all()  -- the recipe is another process, on the same host
    local lines = t.host_lines(("'%s' recipes/%s.lua 2>&1; echo status $?"):format(t.ccsand, recipe))
    equal(lines[#lines], "status 0", table.concat(lines, "\n"))
  end)
end

return n.finish()
