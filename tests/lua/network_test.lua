-- Networks of containers: addresses, the way out, published ports, names, and what does not reach what.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local n = require "network_support"
local t = require "support"
local ccsand = require "ccsand"
n.begin()
local network, test, equal, match, no_match, fails = n.network, t.test, t.equal, t.match, t.no_match, t.fails
local raw = { add = { "net_raw" } }

test("without a network nothing changes, and no step is of one", function()
  n.unchanged(function()
    for _, key in ipairs { "none", "host" } do
      local box = t.box { network = key, command = { "true" } }
      no_match(box:plan(), "lease network")
      no_match(box:plan(), "connect network")
      equal(box:capture().status, 0)
    end
  end)
  match(t.box({ network = "nat", command = { "true" } }):plan(), "lease network: eth0 on bridge 'ccsand0'")
end)

test("nat: an address, a default route and the gateway in both families", function()
  local box = n.start { network = "nat", hostname = "both", capabilities = raw }
  local one = box:interfaces()[1]
  equal(one.name, "eth0")
  match(one.link, "^cs")
  local v4, v6 = n.address(box), n.address(box, true)
  match(v4, "^10%.203%.0%.%d+$")
  match(v6, "^fd63:6373:616e::%x+$")
  local shown = n.out(box, "ip addr show eth0; ip route; ip -6 route")
  match(shown, "inet " .. v4:gsub("%.", "%%.") .. "/16")
  match(shown, "inet6 " .. v6 .. "/64")
  match(shown, "default via 10%.203%.0%.1 dev eth0")
  match(shown, "default via fd63:6373:616e::1 dev eth0")
  assert(n.pings(box, "10.203.0.1"), "the gateway")
  assert(n.pings(box, "fd63:6373:616e::1"), "the gateway, IPv6")
  local other = n.start { network = "nat", capabilities = raw }
  assert(n.pings(other, v4) and n.pings(other, v6), "a neighbour")
  n.stop(box, other)
end)

test("two containers on a bridge exchange traffic in both families", function()
  local server = n.serve({ network = "nat" }, 80, "both-families")
  local client = n.start { network = "nat" }
  equal(n.ask(client, n.address(server), 80), "both-families")
  equal(n.ask(client, n.address(server, true), 80), "both-families")
  n.stop(server, client)
end)

test("the outside is reached by the host's address, and knows no way back", function()
  n.serve_in(n.outside(), 7000, "outside")
  local box = n.start { network = "nat", capabilities = raw }
  equal(n.ask(box, n.outside_address, 7000), "outside")
  equal(n.ask(box, n.outside_address6, 7000), "outside")
  assert(n.pings(box, n.outside_address), "ping")
  assert(not n.pings(n.outside(), n.address(box)), "the outside reached a container")
  -- Even who knows the way does not come in.
  n.outside_net:route_add { to = "10.203.0.0/16", via = n.host_address }
  n.outside_net:route_add { to = "fd63:6373:616e::/64", via = n.host_address6 }
  n.serve_in(box, 81, "inside")
  equal(n.ask(n.outside(), n.address(box), 81), "", "from the outside, with a route")
  equal(n.ask(n.outside(), n.address(box, true), 81), "", "from the outside, IPv6, with a route")
  n.outside_net:route_remove { to = "10.203.0.0/16", via = n.host_address }
  n.outside_net:route_remove { to = "fd63:6373:616e::/64", via = n.host_address6 }
  n.stop(box)
end)

test("without masquerade= its own packets do not get out", function()
  local box = n.start { network = network.bridge { name = "inner0", subnet = "10.61.0.0/24", masquerade = false }, capabilities = raw }
  assert(n.pings(box, "10.61.0.1"), "the gateway")
  equal(n.ask(box, n.outside_address, 7000), "")
  n.stop(box)
end)

test("a recipe's functions see the network, whenever they are called", function()
  local function has_link(path) return (t.read(path) or ""):find("eth0:", 1, true) ~= nil end
  local created
  local result = t.sh("true", { network = "nat", created = function(child) created = has_link("/proc/" .. child.pid .. "/net/dev") end,
    setup = function() assert(has_link "/proc/self/net/dev", "setup") end,
    before_exec = function() assert(has_link "/proc/self/net/dev", "before_exec") end })
  equal(result.status, 0, result.stderr)
  equal(created, true, "created")
end)

-- ---- ports

test("a published port answers on loopback, on the host's addresses, to neighbours and outside", function()
  n.outside()
  local server = n.serve({ network = "nat", ports = { "8080:80", "127.0.0.1:8081:80", n.host_address .. ":8082:80" } }, 80, "published")
  local neighbour = n.start { network = "nat" }
  equal(n.ask(nil, "127.0.0.1", 8080), "published", "loopback")
  equal(n.ask(nil, n.host_address, 8080), "published", "the host's address")
  equal(n.ask(nil, n.host_address6, 8080), "published", "the host's IPv6 address")
  equal(n.ask(n.outside(), n.host_address, 8080), "published", "outside")
  equal(n.ask(n.outside(), n.host_address6, 8080), "published", "outside, IPv6")
  equal(n.ask(neighbour, "10.203.0.1", 8080), "published", "a neighbour, by the gateway's address")
  equal(n.ask(neighbour, n.host_address, 8080), "published", "a neighbour, by the host's address")
  equal(n.ask(nil, "127.0.0.1", 8081), "published", "the port of loopback")
  for _, address in ipairs { n.host_address, "10.203.0.1" } do
    equal(n.ask(nil, address, 8081), "", "the port of loopback, by " .. address)
  end
  equal(n.ask(n.outside(), n.host_address, 8081), "", "the port of loopback, from outside")
  equal(n.ask(neighbour, "10.203.0.1", 8081), "", "the port of loopback, from a neighbour")
  equal(n.ask(n.outside(), n.host_address, 8082), "published", "the port of one address")
  equal(n.ask(nil, "127.0.0.1", 8082), "", "the port of one address, by loopback")
  n.stop(server, neighbour)
  equal(n.ask(nil, "127.0.0.1", 8080), "", "after its end")
end)

test("ports of udp", function()
  local server = n.start { network = "nat", ports = { "127.0.0.1:5353:53/udp", "5354:53/udp" } }
  n.serve_in(server, 53, "datagram", true)
  equal(n.ask_udp(nil, "127.0.0.1", 5353), "datagram")
  equal(n.ask_udp(n.outside(), n.host_address, 5354), "datagram")
  equal(n.ask_udp(n.outside(), n.host_address, 5353), "", "that of loopback, from outside")
  equal(n.ask(nil, "127.0.0.1", 5354), "", "tcp")
  n.stop(server)
end)

test("a port that is taken is an error before the container starts", function()
  local function publish(word) return function() t.sh("echo ran", { network = "nat", ports = { word } }) end end
  n.serve_in(n.host(), 7100, "a-program")
  fails(publish "7100:80", "0.0.0.0 port 7100/tcp", "EADDRINUSE", "ss -lntup", "network_test.lua:")
  fails(publish "127.0.0.1:7100:80", "127.0.0.1 port 7100/tcp", "EADDRINUSE")
  local server = n.start { network = "nat", ports = { "7101:80" } }
  fails(publish "7101:81", "port 7101/tcp", "EADDRINUSE", "another container")
  equal(t.sh("echo ran", { network = "nat", ports = { "7101:80/udp" } }).stdout, "ran\n", "udp is another port")
  n.stop(server)
  equal(t.sh("echo ran", { network = "nat", ports = { "7101:80" } }).stdout, "ran\n", "after its end")
  fails(publish "192.0.2.77:7102:80", "192.0.2.77 port 7102/tcp", "EADDRNOTAVAIL", "not one of this host's")
end)

-- ---- what does not reach what

test("two networks do not reach each other", function()
  local one = n.serve({ network = network.bridge { name = "first0", subnet = { "10.62.0.0/24", "fd62::/64" } }, capabilities = raw }, 80, "first")
  local other = n.start { network = network.bridge { name = "second0", subnet = { "10.63.0.0/24", "fd63:1::/64" } }, capabilities = raw }
  for _, v6 in ipairs { false, true } do
    equal(n.ask(other, n.address(one, v6), 80), "", "by its address")
    assert(not n.pings(other, n.address(one, v6)), "ping")
  end
  assert(n.pings(other, "10.63.0.1") and n.pings(other, "fd63:1::1"), "its own gateway")
  n.stop(one, other)
end)

test("the host's services are not a container's, unless host_access says so", function()
  n.serve_in(n.host(), 7200, "of-the-host")
  n.outside()
  local closed = n.start { network = "nat" }
  local open = n.start { network = network.bridge { name = "open0", subnet = { "10.64.0.0/24", "fd64::/64" }, host_access = true }, capabilities = { add = { "net_admin", "net_raw" } } }
  for _, address in ipairs { "10.203.0.1", "fd63:6373:616e::1", n.host_address, n.host_address6 } do
    equal(n.ask(closed, address, 7200), "", address)
  end
  for _, address in ipairs { "10.64.0.1", "fd64::1", n.host_address, n.host_address6 } do
    equal(n.ask(open, address, 7200), "of-the-host", address)
  end
  -- 127.0.0.1 of the host is not asked for by who sends such packets to its bridge.
  n.exec(open, "ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.0/8 via 10.64.0.1; ip rule add pref 1 lookup main; ip rule del lookup local; ip rule add pref 2 lookup local")
  equal(n.ask(open, "127.0.0.1", 7200), "", "the host's loopback")
  n.stop(closed, open)
end)

test("nobody sends by an address that is not its network's, in either family", function()
  local net = network.bridge { name = "four0", subnet = "10.65.0.0/24" }
  n.outside()
  local keep = n.start { network = "nat" }  -- by which the host forwards IPv6
  local box = n.start { network = net, capabilities = { add = { "net_admin", "net_raw" } }, sysctls = { ["net.ipv6.conf.eth0.accept_dad"] = "0" } }
  local seen = "list chain inet ccsand-four0 forward"
  n.out(box, "ip addr add 10.99.0.5/24 dev eth0")
  assert(not n.pings(box, "-I 10.99.0.5 " .. n.outside_address), "IPv4")
  match(n.net:nft(seen), "ip saddr != 10.65.0.0/24 counter packets [1-9]")
  -- The network has no IPv6: a container that gives itself addresses does not get it.
  n.net:address_add { link = "four0", address = "fd65::1/64" }
  n.out(box, "ip -6 addr add fd65::5/64 dev eth0; ip -6 route add default via fd65::1")
  n.outside_net:route_add { to = "fd65::/64", via = n.host_address6 }
  n.out(box, "i=0; until ping -c 1 -W 1 fd65::1 >/dev/null; do i=$((i+1)); [ $i -lt 10 ] || exit 1; done")  -- it gets as far as the host
  assert(not n.pings(box, n.outside_address6), "IPv6 of a network that has none")
  n.outside_net:route_remove { to = "fd65::/64", via = n.host_address6 }
  n.stop(box, keep)
end)

test("an isolated network reaches neither host nor outside, whatever its containers do", function()
  n.outside()
  local net = network.bridge { isolated = true, subnet = { "10.66.0.0/24", "fd66::/64" } }
  local admin = { add = { "net_admin", "net_raw" } }
  n.serve_in(n.host(), 7300, "of-the-host")
  local known = {}  -- those of earlier containers go a while after them
  for _, link in ipairs(n.net:links()) do known[link.name] = true end
  local box, other = n.start { network = net, capabilities = admin }, n.start { network = net }
  n.serve_in(other, 80, "neighbour")
  for _, link in ipairs(n.net:links()) do assert(known[link.name], link.name .. " is on the host") end
  equal(n.ask(box, n.address(other), 80), "neighbour")
  equal(n.ask(box, n.address(other, true), 80), "neighbour")
  no_match(n.out(box, "ip route; ip -6 route"), "default")
  for _, way in ipairs {
    "ip route add default via 10.66.0.1; ip -6 route add default via fd66::1",
    "ip route replace default dev eth0; ip -6 route replace default dev eth0",
    ("ip addr add %s/24 dev eth0; ip addr add 10.203.0.9/16 dev eth0; ip route replace default via %s"):format("198.51.100.77", n.host_address),
  } do
    n.exec(box, way)
    for _, address in ipairs { n.host_address, "10.203.0.1", n.host_address6, "10.66.0.1", "fd66::1" } do
      equal(n.ask(box, address, 7300), "", way .. ": the host at " .. address)
      assert(not n.pings(box, address), way .. ": ping " .. address)
    end
    equal(n.ask(box, n.outside_address, 7000), "", way .. ": outside")
  end
  n.stop(box, other)
end)

return n.finish()
