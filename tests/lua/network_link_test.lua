-- Links: cut, healed and shaped while containers run; macvlan, devices, namespaces that are joined, routers,
-- wires by hand.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local sys = require "ccsand.sys"
local n = require "network_support"
local t = require "support"
local netlink = require "ccsand.netlink"
n.begin()
local network, test, equal, match, no_match, fails = n.network, t.test, t.equal, t.match, t.no_match, t.fails
local raw = { add = { "net_raw" } }
local admin = { add = { "net_admin", "net_raw" } }

for _, kind in ipairs { "isolated", "shared" } do
  test("a cut between two of three, and a heal, on a bridge that is " .. kind, function()
    local net = network.bridge(kind == "isolated" and { isolated = true, subnet = { "10.80.0.0/24", "fd80::/64" } } or { name = "cuts0", subnet = { "10.81.0.0/24", "fd81::/64" } })
    local a, b, c = n.start { network = net, capabilities = raw }, n.start { network = net, capabilities = raw }, n.start { network = net, capabilities = raw }
    local function reaches(from, to)
      local four, six = n.pings(from, n.address(to)), n.pings(from, n.address(to, true))
      equal(four, six, "IPv4 as IPv6")
      return four
    end
    assert(reaches(a, b) and reaches(b, a) and reaches(a, c), "before")
    network.cut(a, b)
    network.cut(a, b)  -- again: no error
    assert(not reaches(a, b) and not reaches(b, a), "cut")
    assert(reaches(a, c) and reaches(c, b), "the third")
    network.heal(b, a)
    assert(reaches(a, b) and reaches(b, a), "healed")
    network.heal(a, b)
    network.cut(a)
    assert(not reaches(a, b) and not reaches(c, a), "its cable")
    assert(reaches(b, c), "the others")
    network.heal(a)
    n.eventually(function() return n.pings(a, n.address(b)) end, "the cable")
    n.stop(a, b, c)
  end)
end

test("what cannot be cut is an error", function()
  local one = n.start { network = network.bridge { isolated = true, subnet = "10.82.0.0/24" } }
  local other = n.start { network = network.bridge { isolated = true, subnet = "10.82.0.0/24" } }
  local alone = n.start {}
  fails(function() network.cut(one, other) end, "no network together")
  fails(function() network.cut(one, alone) end, "no interface")
  fails(function() network.cut(alone) end, "no interface")
  fails(function() network.cut(one, "eth9") end, "'eth9'")
  fails(function() network.cut "eth0" end, "takes a running container")
  n.stop(one, other, alone)
end)

-- Seconds that 2 MiB take from one container to another, until the last byte is there. (Some nc end with their input: the
-- listener's does not.)
local function seconds(from, to, megabytes)
  local clock, size = "read up rest </proc/uptime; echo $up", megabytes * 2 ^ 20
  n.exec(to, "mkfifo /tmp/open 2>/dev/null; nc -l -p 90 <>/tmp/open >/tmp/got 2>/dev/null & echo $! >/tmp/listener")
  n.await_port(to, 90)
  local first = n.out(from, clock .. ("; dd if=/dev/zero bs=65536 count=%d 2>/dev/null | nc -w 100 %s 90 >/dev/null &"):format(size / 65536, n.address(to)))
  local last = n.out(to, ("until test $(wc -c </tmp/got) -ge %d; do sleep 0.02; done; %s; kill $(cat /tmp/listener)"):format(size, clock))
  return tonumber(last:match "%S+") - tonumber(first:match "%S+")
end

test("a rate limits what gets through, in the direction that it says", function()
  local net = network.bridge { isolated = true, subnet = "10.83.0.0/24" }
  local a, b = n.start { network = net }, n.start { network = net }
  local free = seconds(a, b, 2)
  assert(free < 1.5, "2 MiB without a limit took " .. free)
  network.shape(a, { rate = "8mbit", direction = "out" })  -- a mebibyte a second
  local limited = seconds(a, b, 2)
  assert(limited > 1.2 and limited < 15, "2 MiB at 1 MB/s took " .. limited)
  local back = seconds(b, a, 2)
  assert(back < 1.2, "2 MiB in the other direction took " .. back)
  network.shape(a, {})
  assert(seconds(a, b, 2) < 1.2, "without the limit once more")
  network.shape(a, {})  -- there is none
  network.shape(b, { rate = "8mbit", direction = "in" })
  limited = seconds(a, b, 2)
  assert(limited > 1.2 and limited < 15, "2 MiB into a limit of 1 MB/s took " .. limited)
  n.stop(a, b)
end)

-- ---- emulated networks: in seconds that a busy machine adds to, never takes from

local no_netem = n.lacks(function(net) net:queue_set("probe0", { delay = "1ms" }) end)
local function takes_netem()
  if no_netem then t.skip("no netem: " .. no_netem) end
end
-- Times in milliseconds of `count` pings, ten milliseconds apart, in the order of the answers; and their text.
local function pings(from, to, count, wait)
  local text = n.exec(from, ("ping -c %d -i 0.01 -W %d %s"):format(count, wait or 5, n.address(to)))
  local times = {}
  for time in text:gmatch "time=([%d.]+)" do times[#times + 1] = tonumber(time) end
  return times, text
end
local function quickest(from, to) return math.min(unpack((pings(from, to, 10)))) end
-- Two on a network of their own, who have found each other.
local function couple(subnet)
  local net = network.bridge { isolated = true, subnet = subnet }
  local a, b = n.start { network = net, capabilities = raw }, n.start { network = net, capabilities = raw }
  pings(a, b, 1)
  return a, b
end

test("a kernel without netem is an error that says so, and the link works on", function()
  if not no_netem then return end
  local a, b = couple "10.84.0.0/24"
  for _, shape in ipairs { { delay = "100ms" }, { jitter = "10ms" }, { loss = 1 }, { duplicate = 0.5 } } do
    fails(function() network.shape(a, shape) end, "queue", "ENOENT", "NET_SCH_NETEM")
  end
  assert(n.pings(a, n.address(b)), "after the error")
  n.stop(a, b)
end)

test("a delay is added to a round trip, in the direction that it says", function()
  takes_netem()
  local a, b = couple "10.84.1.0/24"
  local function adds(milliseconds, what)
    local more = quickest(a, b)
    assert(more >= milliseconds and more < milliseconds + 30, ("%s: a round trip takes %s ms"):format(what, more))
  end
  adds(0, "without a delay")
  for _, direction in ipairs { "in", "out" } do
    network.shape(a, { delay = "50ms", direction = direction })
    adds(50, direction)
    network.shape(a, {})
  end
  network.shape(a, { delay = "50ms" })
  adds(100, "both directions")
  network.shape(a, { delay = "20ms" })
  adds(40, "another delay")
  network.shape(a, {})
  adds(0, "taken back")
  n.stop(a, b)
end)

test("jitter scatters the delay", function()
  takes_netem()
  local a, b = couple "10.84.2.0/24"
  network.shape(a, { delay = "100ms", jitter = "50ms", direction = "out" })
  local times = pings(a, b, 40)
  table.sort(times)
  assert(times[1] >= 50 and times[1] < 100, "the quickest took " .. times[1])
  assert(times[#times] > 110, "the slowest took " .. times[#times])
  n.stop(a, b)
end)

test("loss loses its share", function()
  takes_netem()
  local a, b = couple "10.84.3.0/24"
  network.shape(a, { loss = 1 })
  assert(not n.pings(a, n.address(b)), "all is lost")
  network.shape(a, {})
  network.shape(a, { loss = 0.5, direction = "out" })
  local got = #pings(a, b, 200, 1)
  assert(got > 60 and got < 140, got .. " of 200 came through a loss of a half")
  network.shape(a, {})
  equal(#pings(a, b, 50), 50, "answers without a loss")
  n.stop(a, b)
end)

test("what is duplicated comes twice", function()
  takes_netem()
  local a, b = couple "10.84.4.0/24"
  network.shape(a, { duplicate = 1, direction = "out" })
  local _, text = pings(a, b, 10)
  local twice = select(2, text:gsub("DUP!", ""))
  assert(twice >= 9, twice .. " of 10 came twice:\n" .. text)  -- ping does not wait for the last one's second
  network.shape(a, {})
  _, text = pings(a, b, 10)
  no_match(text, "DUP!")
  n.stop(a, b)
end)

test("what is sent at once overtakes what waits", function()
  takes_netem()
  local a, b = couple "10.84.5.0/24"
  local function overtaken()
    local _, text = pings(a, b, 40)
    local before, count = -1, 0
    for number in text:gmatch "seq=(%d+)" do
      if tonumber(number) < before then count = count + 1 end
      before = tonumber(number)
    end
    return count
  end
  network.shape(a, { delay = "200ms", direction = "out" })
  equal(overtaken(), 0, "without reorder")
  network.shape(a, { delay = "200ms", reorder = 0.5, direction = "out" })
  assert(overtaken() > 2, "nobody is overtaken")
  network.shape(a, { delay = "200ms", direction = "out" })
  equal(overtaken(), 0, "reorder is taken back")
  n.stop(a, b)
end)

test("a rate with a delay, and one that goes where the delay stays", function()
  takes_netem()
  local a, b = couple "10.84.6.0/24"
  network.shape(a, { rate = "8mbit", delay = "5ms", direction = "out" })
  local limited = seconds(a, b, 2)
  assert(limited > 1.2 and limited < 15, "2 MiB at 1 MB/s took " .. limited)
  local late = quickest(a, b)
  assert(late >= 5, "a round trip took " .. late)
  network.shape(a, { delay = "5ms", direction = "out" })
  local free = seconds(a, b, 2)
  assert(free < limited / 2, ("2 MiB took %s with a rate, %s without"):format(limited, free))
  network.shape(a, { rate = "8mbit", direction = "out" })  -- a token bucket in its place
  limited = seconds(a, b, 2)
  assert(limited > 1.2 and limited < 15, "2 MiB at 1 MB/s took " .. limited)
  n.eventually(function() return quickest(a, b) < 5 end, "a round trip without a delay")  -- behind what still waits
  n.stop(a, b)
end)

test("shapes that make no sense", function()
  local a = n.start { network = network.bridge { isolated = true, subnet = "10.85.0.0/24" } }
  fails(function() network.shape(a, { rte = 1 }) end, "'rte' is not a key", "rate")
  fails(function() network.shape(a, { rate = "fast" }) end, "rate", "10mbit")
  fails(function() network.shape(a, { loss = 7 }) end, "loss", "0 to 1")
  fails(function() network.shape(a, { reorder = 0.5 }) end, "reorder", "delay")
  fails(function() network.shape(a, { direction = "up" }) end, "direction")
  fails(function() network.shape(a) end, "a table")
  n.stop(a)
end)

test("a pair is a network of two", function()
  local wire = network.pair()
  local a, b = n.serve({ network = wire, hostname = "left" }, 80, "wired"), n.start { network = wire, hostname = "right" }
  equal(n.ask(b, "left", 80), "wired")
  n.stop(a, b)
  fails(function() network.pair { subnets = "10.0.0.0/24" } end, "'subnets' is not a key")
end)

test("several interfaces, and a router between isolated networks", function()
  local left, right = network.bridge { isolated = true, subnet = { "10.86.1.0/24", "fd86:1::/64" } }, network.bridge { isolated = true, subnet = { "10.86.2.0/24", "fd86:2::/64" } }
  local router = n.start { network = { { bridge = left, address = { "10.86.1.9", "fd86:1::9" } }, { bridge = right, address = { "10.86.2.9", "fd86:2::9" }, name = "right0", mac = "02:00:00:00:00:99" } },
    sysctls = { ["net.ipv4.ip_forward"] = "1", ["net.ipv6.conf.all.forwarding"] = "1" } }
  local function host(net, side, other)
    return n.start { network = { { bridge = net, routes = { { to = "10.86." .. other .. ".0/24", via = "10.86." .. side .. ".9" }, { to = "fd86:" .. other .. "::/64", via = "fd86:" .. side .. "::9" } } } }, capabilities = raw }
  end
  local a, b = host(left, 1, 2), host(right, 2, 1)
  local shown = n.out(router, "ip addr")
  match(shown, "eth0@?%w*: .-inet 10%.86%.1%.9/24")
  match(shown, "right0@?%w*: .-02:00:00:00:00:99.-inet 10%.86%.2%.9/24")
  equal(router:interfaces()[2].name, "right0")
  n.serve_in(b, 80, "routed")
  equal(n.ask(a, n.address(b), 80), "routed")
  -- A router asks for its neighbours by its link-local address, which takes the kernel a second or two.
  n.eventually(function() return n.ask(a, n.address(b, true), 80) == "routed" end, "IPv6")
  network.cut(router, b)
  equal(n.ask(a, n.address(b), 80), "", "behind a cut")
  network.heal(router, b)
  equal(n.ask(a, n.address(b), 80), "routed", "healed")
  n.stop(router, a, b)
end)

test("of several networks the first gives the default route, unless it is told not to", function()
  local other = network.bridge { name = "second1", subnet = "10.87.0.0/24" }
  local function route(list) return t.out("ip route | grep default", { network = list }) end
  match(route { "nat", other }, "^default via 10%.203%.0%.1 dev eth0[^\n]*$")
  match(route { { bridge = "nat", default_route = false }, other }, "^default via 10%.87%.0%.1 dev eth1[^\n]*$")
  match(route { { bridge = other, gateway = "10.87.0.77" } }, "^default via 10%.87%.0%.77 dev eth0[^\n]*$")
end)

test("macvlan of a link of the host's, and a device that is moved in", function()
  local far = netlink.namespace()
  local there = network.open(far)
  for _, name in ipairs { "mac0", "dev0" } do
    n.net:link_add { name = name, kind = "veth", peer = { name = name, namespace = far } }
    there:link_set(name, { up = true })
  end
  n.net:link_set("mac0", { up = true })
  there:address_add { link = "mac0", address = "10.88.1.1/24" }
  there:address_add { link = "dev0", address = "10.88.2.1/24" }
  local box = n.start { capabilities = raw, network = {
    { macvlan = "mac0", address = "10.88.1.5/24", gateway = "10.88.1.1", name = "lan0" },
    { device = "dev0", address = "10.88.2.5/24", name = "dev1", mtu = 1400 },
  } }
  assert(n.pings(box, "10.88.1.1") and n.pings(box, "10.88.2.1"), "who is on the other side")
  match(n.out(box, "ip route"), "default via 10%.88%.1%.1 dev lan0")
  match(n.out(box, "ip addr show dev1"), "mtu 1400")
  for _, link in ipairs(n.net:links()) do assert(link.name ~= "dev0" and link.name ~= "lan0", link.name .. " is on the host") end
  n.stop(box)
  there:close()
  far:close()
  n.eventually(function()
    for _, link in ipairs(n.net:links()) do if link.name == "mac0" then return false end end
    return true
  end, "the end of its other side")
end)

test("a namespace is joined by path", function()
  local made = netlink.namespace()
  local net = network.open(made)
  net:link_set("lo", { up = true })
  net:address_add { link = "lo", address = "10.89.0.1/32" }
  match(t.out("ip addr", { network = "/proc/self/fd/" .. made:fileno(), user_namespace = false }), "10%.89%.0%.1/32")
  fails(function() t.sh("true", { network = "/proc/self/fd/" .. made:fileno(), egress = {}, user_namespace = false }) end, "container.egress")
  fails(function() t.sh("true", { network = "/no/such/namespace" }) end, "/no/such/namespace", "ENOENT")
  net:close()
  made:close()
end)

test("namespaces by name, as ip-netns(8) has them", function()
  local child = sys.clone({ "mount" }, function()
    sys.mount_set_propagation("/", "private", { recursive = true })
    sys.mount { type = "tmpfs", target = "/run" }
    local path = network.namespace_add "wired"
    equal(path, "/run/netns/wired")
    local good = pcall(network.namespace_add, "wired")
    assert(not good, "twice")
    local inside = network.open(path)
    assert(#inside:links() >= 1 and inside:links()[1].name == "lo", "its links")
    inside:link_add { name = "v0", kind = "veth", peer = "v1" }
    inside:close()
    equal(#n.net:links(), #network.open():links(), "links of the host")
    network.namespace_remove "wired"
    assert(not pcall(network.open, path), "removed")
    for _, name in ipairs { "../x", "", "a/b", "-n" } do assert(not pcall(network.namespace_add, name), name) end
  end)
  equal(child:wait(20).status, 0, "the child")
  child:close()
end)

test("a wire between two containers that run, by hand", function()
  local a, b = n.start { capabilities = raw }, n.start { capabilities = raw }
  local pa, pb = "/proc/" .. a:pid() .. "/ns/net", "/proc/" .. b:pid() .. "/ns/net"
  local left, right = network.open(pa), network.open(pb)
  left:link_add { name = "wire0", kind = "veth", peer = { name = "wire1", namespace = pb }, mac = "02:00:00:00:00:01" }
  left:address_add { link = "wire0", address = "10.90.0.1/30" }
  right:address_add { link = "wire1", address = "10.90.0.2/30" }
  left:link_set("wire0", { up = true })
  right:link_set("wire1", { up = true })
  assert(n.pings(a, "10.90.0.2") and n.pings(b, "10.90.0.1"), "over the wire")
  equal(left:links()[2].mac, "02:00:00:00:00:01")
  left:neighbour_add { link = "wire0", address = "10.90.0.2", mac = "02:00:00:00:00:77" }
  match(left:neighbours()[1].mac, "02:00:00:00:00:77")
  assert(not n.pings(a, "10.90.0.2"), "by the wrong hardware address")
  left:neighbour_remove { link = "wire0", address = "10.90.0.2" }
  left:route_add { to = "10.91.0.0/16", via = "10.90.0.2", metric = 7 }
  match(n.out(a, "ip route"), "10%.91%.0%.0/16 via 10%.90%.0%.2 dev wire0 *metric 7")
  left:route_remove { to = "10.91.0.0/16", via = "10.90.0.2" }
  no_match(n.out(a, "ip route"), "10%.91")
  left:address_remove { link = "wire0", address = "10.90.0.1/30" }
  left:link_set("wire0", { up = false, name = "other0", mtu = 1300 })
  match(n.out(a, "ip link show other0"), "mtu 1300")
  left:sysctl("ipv4/conf/other0/forwarding", "1")
  equal(left:sysctl "ipv4/conf/other0/forwarding", "1")
  fails(function() left:sysctl "../kernel/hostname" end, "below net")
  left:link_remove "other0"
  equal(#left:links(), 1)
  equal(#right:links(), 1, "the other end goes with it")
  left:close()
  left:close()
  fails(function() left:links() end, "is closed")
  right:close()
  n.stop(a, b)
end)

return n.finish()
