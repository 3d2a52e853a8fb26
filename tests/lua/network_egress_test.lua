-- Names on networks, and what a container may send: rules, counters, and the ways around them.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local n = require "network_support"
local t = require "support"
n.begin()
local network, test, equal, match, no_match, fails = n.network, t.test, t.equal, t.match, t.no_match, t.fails

-- ---- names

test("containers find each other by name, as long as they live", function()
  local one = n.serve({ network = "nat", hostname = "one" }, 80, "by-name")
  local two = n.start { network = "nat", hostname = "two", capabilities = { add = { "net_raw" } } }
  equal(n.ask(two, "one", 80), "by-name")
  assert(n.pings(two, "one") and n.pings(two, "two"), "ping")
  local hosts = n.out(two, "cat /etc/hosts")
  match(hosts, "127%.0%.0%.1 localhost")
  match(hosts, "\n" .. n.address(one):gsub("%.", "%%.") .. " one")
  match(hosts, "\n" .. n.address(one, true) .. " one")
  match(hosts, "\n" .. n.address(two):gsub("%.", "%%.") .. " two")
  n.stop(one)
  equal(n.ask(two, "one", 80), "", "after its end")
  no_match(n.out(two, "cat /etc/hosts"), " one")
  match(n.out(two, "cat /etc/hosts"), " two")
  local again = n.start { network = "nat", hostname = "one" }
  match(n.out(two, "cat /etc/hosts"), n.address(again):gsub("%.", "%%.") .. " one")
  n.stop(two, again)
end)

test("a name is known on its own networks alone", function()
  local left, right = network.bridge { isolated = true, subnet = "10.70.1.0/24" }, network.bridge { isolated = true, subnet = "10.70.2.0/24" }
  local one, two = n.start { network = left, hostname = "lefty" }, n.start { network = right, hostname = "righty" }
  local both = n.start { network = { left, right }, hostname = "middle" }
  match(n.out(one, "cat /etc/hosts"), "10%.70%.1%.%d+ middle")
  match(n.out(two, "cat /etc/hosts"), "10%.70%.2%.%d+ middle")
  no_match(n.out(one, "cat /etc/hosts"), "righty")
  no_match(n.out(two, "cat /etc/hosts"), "lefty")
  n.stop(one, two, both)
end)

test("hosts and resolv.conf are not the image's, and cannot be written", function()
  local box = n.start { network = network.bridge { name = "dns0", subnet = "10.71.0.0/24", dns = { "192.0.2.53", "2001:db8::53" } }, hostname = "box" }
  equal(n.out(box, "cat /etc/resolv.conf"), "nameserver 192.0.2.53\nnameserver 2001:db8::53")
  for _, file in ipairs { "/etc/hosts", "/etc/resolv.conf" } do
    local before = n.out(box, "cat " .. file)
    for _, way in ipairs { "echo bad >>FILE", "echo bad >FILE", "rm -f FILE", "mv FILE /tmp/x", "mount -o remount,rw FILE", "umount FILE", "chmod 777 FILE" } do
      local _, status = n.exec(box, (way:gsub("FILE", file)))
      assert(status ~= 0, way .. " of " .. file)
    end
    equal(n.out(box, "cat " .. file), before, file)
  end
  match(t.out("cat /etc/resolv.conf", { network = network.bridge { isolated = true, subnet = "10.72.0.0/24" } }), "^#", "an isolated network has no resolver")
  no_match(t.out("cat /etc/resolv.conf", { network = "nat" }), "nameserver 127%.", "a resolver on the host's loopback")
  n.stop(box)
end)

-- ---- egress

local function count_of(result, rule)
  for _, one in ipairs(result.egress) do
    if one.rule == rule then return one.packets, one.bytes end
  end
  error("no count of " .. rule)
end

test("egress: what is allowed, denied, neither, and how often", function()
  n.outside()
  for port = 7001, 7004 do n.serve_in(n.outside(), port, "port-" .. port) end
  local box = n.start { network = "nat", egress = {
    deny = { n.outside_address .. ":7002" },
    allow = { "198.51.100.0/24:7001-7003/tcp", "[" .. n.outside_address6 .. "]:7001", "icmp" },
  } }
  equal(n.ask(box, n.outside_address, 7001), "port-7001", "allowed")
  equal(n.ask(box, n.outside_address, 7003), "port-7003", "allowed, of a range")
  equal(n.ask(box, n.outside_address6, 7001), "port-7001", "allowed, IPv6")
  equal(n.ask(box, n.outside_address, 7002), "", "denied, though the range allows it")
  equal(n.ask(box, n.outside_address, 7004), "", "neither: dropped")
  equal(n.ask(box, n.outside_address6, 7002), "", "neither, IPv6")
  equal(n.ask(box, "10.203.0.1", 7001), "", "another address")
  box:kill()
  local result = box:wait "20s"
  assert(count_of(result, "allow 198.51.100.0/24:7001-7003/tcp") >= 8, "packets of the range")
  assert(select(2, count_of(result, "allow 198.51.100.0/24:7001-7003/tcp")) > 300, "bytes of the range")
  assert(count_of(result, "allow [" .. n.outside_address6 .. "]:7001") >= 3, "packets of IPv6")
  assert(count_of(result, "deny " .. n.outside_address .. ":7002") >= 1, "packets that were denied")
  assert(count_of(result, "default drop") >= 3, "packets that were dropped")
  equal(#result.egress, 5)
end)

test("egress: reject tells, accept lets the rest through", function()
  n.outside()
  n.serve_in(n.outside(), 7010, "open")
  n.serve_in(n.outside(), 7011, "closed")
  local from = os.time()
  local _, status, problem = n.exec(n.start { network = "nat", egress = { default = "reject" } }, ("nc -w 10 %s 7010 </dev/null"):format(n.outside_address))
  assert(status ~= 0 and os.time() - from < 8, "a rejection is known at once: " .. problem)
  local box = n.start { network = "nat", egress = { deny = { "*:7011" }, default = "accept" } }
  equal(n.ask(box, n.outside_address, 7010), "open")
  equal(n.ask(box, n.outside_address, 7011), "")
  equal(n.ask(box, n.outside_address6, 7011), "")
  n.stop_all()
end)

test("egress: who connects to a published port gets an answer", function()
  local server = n.serve({ network = "nat", ports = { "7020:80" }, egress = {} }, 80, "answered")
  equal(n.ask(n.outside(), n.host_address, 7020), "answered")
  equal(n.ask(nil, "127.0.0.1", 7020), "answered")
  local neighbour = n.serve({ network = "nat" }, 80, "neighbour")
  equal(n.ask(neighbour, n.address(server), 80), "answered")
  equal(n.ask(server, n.address(neighbour), 80), "", "by itself")
  equal(n.ask(server, "127.0.0.1", 80), "answered", "its own loopback")
  n.stop(server, neighbour)
end)

test("egress holds no container that could undo it", function()
  for _, capability in ipairs { "net_admin", "net_raw", "sys_admin" } do
    for _, set in ipairs { { add = { capability } }, { ambient = { capability } } } do
      fails(function() t.box { network = "nat", egress = {}, capabilities = set } end, "container.egress", "net_admin, net_raw or sys_admin", "network_egress_test.lua:")
    end
  end
  fails(function() t.box { network = "nat", egress = {}, capabilities = "all" } end, "container.egress")
  fails(function() t.box { network = "host", egress = {} } end, "container.egress", "the host's rules")
  local box = n.start { network = "nat", egress = {} }
  fails(function() box:exec({ "true" }, { capabilities = { add = { "net_admin" } } }) end, "egress")
  fails(function() box:exec({ "true" }, { capabilities = "all" }) end, "egress")
  n.stop(box)
end)

-- What follows is tried by a container that is root in its user namespace, and one that is the host's root.
for _, users in ipairs { true, false } do
  test("egress: no way around the rules" .. (users and "" or ", without a user namespace"), function()
    n.serve_in(n.outside(), 7030, "outside")
    local program = ([[
      local AF_INET, AF_PACKET, AF_NETLINK, SOCK_RAW, SOCK_DGRAM = 2, 17, 16, 3, 2
      local CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
      for _, protocol in ipairs { 1, 6, 17, 255 } do assert(call(41, AF_INET, SOCK_RAW, protocol) < 0, "a raw socket") end
      assert(call(41, AF_PACKET, SOCK_RAW, 0x0300) < 0, "a packet socket")
      assert(call(41, AF_PACKET, SOCK_DGRAM, 0x0300) < 0, "a packet socket")
      -- The address of a fresh user namespace's root is worth nothing in a network of the old one.
      os.execute "true"
      local made = call(272, CLONE_NEWUSER)
      if made == 0 then
        assert(call(41, AF_PACKET, SOCK_RAW, 0x0300) < 0, "a packet socket, from a new user namespace")
        assert(call(41, AF_INET, SOCK_RAW, 255) < 0, "a raw socket, from a new user namespace")
        call(272, CLONE_NEWNET)
        local own = ffi.C.open("/proc/1/ns/net", 0)
        assert(own < 0 or call(308, own, CLONE_NEWNET) < 0, "back into the network of pid 1, with rights")
      end
      print "held"]])
    local spec = t.program(program, { network = "nat", egress = {}, user_namespace = users and nil or false })
    local result = require("ccsand").container(spec):capture()
    equal(result.stdout, "held\n", result.stderr)
    local box = n.start { network = "nat", egress = { allow = { "*:9" } }, user_namespace = users and nil or false }
    local rules = network.open("/proc/" .. box:pid() .. "/ns/net")
    rules:sysctl("ipv4/ip_forward", "0")  -- a new namespace may begin with what the machine's first one has
    for _, way in ipairs {
      "ip link set eth0 down; ip link set eth0 up", "ip route del default; ip route add default via 10.203.0.1 metric 5",
      "ip addr add 10.203.77.77/16 dev eth0", "ip link add x0 type veth", "iptables -F; nft flush ruleset", "unshare -Urn true; unshare -Ur ip link set eth0 mtu 1000",
      "echo 1 >/proc/sys/net/ipv4/ip_forward", "nc -s 10.203.99.99 -w 1 " .. n.outside_address .. " 7030",
    } do
      n.exec(box, way)
      equal(n.ask(box, n.outside_address, 7030), "", way)
    end
    match(rules:nft "list table inet ccsand", "counter c2")
    equal(rules:sysctl "ipv4/ip_forward", "0")
    equal(#rules:addresses(), 5, "addresses")  -- two of lo, two of its network, a link-local one
    rules:close()
    n.stop(box)
  end)
end

return n.finish()
