-- What makes no sense in a network, or cannot be: an error that names the thing and the recipe's line, before
-- the container starts, with nothing half made.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local n = require "network_support"
local t = require "support"
n.begin()
local network, test, equal, fails = n.network, t.test, t.equal, t.fails
local here = "network_bad_input_test.lua:"

-- Running it fails with these texts, the recipe's line among them; the host stays as it was.
local function refused(spec, ...)
  local texts = { ... }
  n.unchanged(function()
    fails(function()
      local box = require("ccsand").container(t.spec(spec))
      error("it ran: " .. box:capture({ "echo", "ran" }).stdout, 0)
    end, here, unpack(texts))
    spec = nil
    network.close()
    collectgarbage() collectgarbage()
  end)
end
local function bridge(spec) return network.bridge(spec) end
local function isolated(subnet) return network.bridge { isolated = true, subnet = subnet } end

-- A table that another program owns (flags owner, Linux 5.12): nobody else changes or deletes it.
test("rules that cannot be made leave no half of a network, nor is one used later", function()
  local ffi = require "ffi"
  ffi.cdef "void *nft_ctx_new(uint32_t); void nft_ctx_free(void *); int nft_run_cmd_from_buffer(void *, const char *);"
  local nft = ffi.load "libnftables.so.1"
  local owner = ffi.gc(nft.nft_ctx_new(0), nft.nft_ctx_free)
  if nft.nft_run_cmd_from_buffer(owner, "table inet ccsand-owned0 { flags owner; }") ~= 0 then t.skip "no tables with an owner" end
  for _ = 1, 2 do refused({ network = network.bridge { name = "owned0", subnet = "10.97.0.0/24" } }, "nft") end
  nft.nft_ctx_free(ffi.gc(owner, nil))
  equal(t.out("echo runs", { network = network.bridge { name = "owned0", subnet = "10.97.0.0/24" } }), "runs")
  network.close()
end)

test("words and keys that are not one", function()
  refused({ network = "nta" }, "container.network", "did you mean 'nat'?")
  refused({ network = 7 }, "container.network", "a word, a network or a list")
  refused({ network = {} }, "container.network", "empty list", "none")
  refused({ network = { "none" } }, "container.network[1]", "\"nat\"")
  refused({ network = { { brigde = "nat" } } }, "container.network[1].brigde", "did you mean 'bridge'?")
  refused({ network = { { bridge = "nat", adress = "10.0.0.1" } } }, "container.network[1].adress", "did you mean 'address'?")
  refused({ network = { { bridge = "nat", macvlan = "eth0" } } }, "container.network[1]", "exactly one")
  refused({ network = { { name = "eth5" } } }, "container.network[1]", "exactly one")
  refused({ network = { { device = "x", mode = "bridge" } } }, "mode", "macvlan")
  refused({ network = { { macvlan = "x", mode = "brige" } } }, "mode", "did you mean")
  fails(function() bridge { name = "x0", subnets = "10.0.0.0/24" } end, here, "bridge.subnets", "did you mean 'subnet'?")
  fails(function() bridge() end, here, "bridge")
end)

test("subnets", function()
  local function wrong(spec, ...) fails(function() bridge(spec) end, here, ...) end
  wrong({ name = "x0", subnet = "10.95.0.1/24" }, "bridge.subnet", "10.95.0.1/24 has bits after its prefix")
  wrong({ name = "x0", subnet = { "10.95.0.0/24", "10.96.0.0/24" } }, "bridge.subnet", "two of one family")
  wrong({ name = "x0", subnet = "10.95.0.0/31" }, "bridge.subnet", "/8 to /30")
  wrong({ name = "x0", subnet = "10.95.0.0/33" }, "bridge.subnet", "prefix length")
  wrong({ name = "x0", subnet = "10.95.0/24" }, "bridge.subnet", "'10.95.0'", "is not an IP address")
  wrong({ name = "x0", subnet = "ten" }, "bridge.subnet", "'ten'")
  wrong({ isolated = true }, "bridge.subnet", "is missing")
  wrong({ isolated = true, name = "x0", subnet = "10.95.0.0/24" }, "bridge.name")
  wrong({ isolated = true, host_access = true, subnet = "10.95.0.0/24" }, "bridge.host_access")
  wrong({ name = "x0", dns = { "dns.example" } }, "bridge.dns", "IP addresses")
  wrong({ name = "x0", mtu = 100 }, "bridge.mtu")
end)

test("subnets that overlap with what the host has, or with each other", function()
  n.outside()
  local over = "overlaps with 198.51.100.1/24 of 'out0'"
  refused({ network = bridge { name = "over0", subnet = "198.51.100.0/24" } }, "198.51.100.0/24", over)
  refused({ network = bridge { name = "over1", subnet = "198.51.0.0/16" } }, "198.51.0.0/16", over)
  refused({ network = bridge { name = "over2", subnet = "198.51.100.64/26" } }, "198.51.100.64/26", over)
  refused({ network = bridge { name = "over3", subnet = { "10.97.0.0/24", "2001:db8:51::/48" } } }, "2001:db8:51::/48", "of 'out0'")
  n.net:route_add { to = "10.97.0.0/16", via = n.outside_address }
  refused({ network = bridge { name = "over4", subnet = "10.97.3.0/24" } }, "10.97.3.0/24", "the route to 10.97.0.0/16 over 'out0'")
  n.net:route_remove { to = "10.97.0.0/16", via = n.outside_address }
  local held = n.start { network = bridge { name = "held0", subnet = "10.97.0.0/24" } }
  refused({ network = bridge { name = "over5", subnet = "10.97.0.0/25" } }, "10.97.0.0/25", "10.97.0.1/24 of 'held0'")
  n.stop(held)
  network.close()
  refused({ network = { isolated "10.97.0.0/24", isolated "10.97.0.0/16" } }, "10.97.0.0/16", "two interfaces", "overlapping")
  refused({ network = { "nat", isolated "10.203.5.0/24" } }, "10.203.5.0/24", "overlapping")
  local function twice(net) return { net, net } end
  refused({ network = twice(isolated "10.97.0.0/24") }, "overlapping")
end)

test("names of links", function()
  fails(function() bridge { name = ("n"):rep(16) } end, here, "bridge.name", "1 to 15 bytes")
  fails(function() bridge { name = "a/b" } end, here, "bridge.name")
  fails(function() bridge { name = "a\"b" } end, here, "bridge.name")
  fails(function() bridge { subnet = "10.97.0.0/24" } end, here, "bridge.name", "isolated = true")
  for _, name in ipairs { ("n"):rep(16), "", "lo", "a b", "a:b" } do
    refused({ network = { { bridge = "nat", name = name } } }, "container.network.name")
  end
  refused({ network = { { bridge = "nat", name = "same" }, { bridge = isolated "10.97.0.0/24", name = "same" } } }, "container.network[2].name", "'same'")
  n.net:link_add { name = "mine0", kind = "bridge" }
  refused({ network = bridge { name = "mine0", subnet = "10.97.0.0/24" } }, "mine0", "not ccsand's")
  n.net:link_remove "mine0"
end)

test("one name, two descriptions", function()
  bridge { name = "twice0", subnet = "10.97.0.0/24" }
  local held = n.start { network = bridge { name = "twice0", subnet = "10.97.0.0/24" } }
  fails(function() bridge { name = "twice0", subnet = "10.98.0.0/24" } end, here, "twice0", "another way")
  fails(function() bridge { name = "twice0", subnet = "10.97.0.0/24", masquerade = false } end, here, "twice0")
  local function another(keys)
    return (t.run_recipe(('return require("ccsand").container { image = %q, network = require("ccsand.network").bridge { name = "twice0", %s }, command = { "true" } }'):format(t.image, keys)))
  end
  t.match(another 'subnet = "10.98.0.0/24"', "twice0.*in use with another subnet, 10.97.0.0/24")
  t.match(another 'masquerade = false', "twice0.*another 'masquerade'")
  equal(another 'subnet = "10.97.0.0/24"', "")
  n.stop(held)
  network.close()
end)

test("links that are not there", function()
  refused({ network = { { device = "nowhere0" } } }, "'nowhere0'", "ENODEV")
  refused({ network = { { macvlan = "nowhere1", address = "10.97.0.5/24" } } }, "'nowhere1'", "ENODEV")
  refused({ network = { { device = ("n"):rep(16) } } }, "container.network")
  refused({ network = { "nat", { device = "nowhere0" } }, ports = { "7700:80" }, hostname = "h" }, "'nowhere0'", "ENODEV")
end)

test("a root that cannot be assembled, beside its links", function()
  for i = 1, 10 do refused({ network = i % 2 == 0 and "nat" or isolated "10.98.0.0/24", mounts = { { type = "nosuchfs", target = "/mnt" } } }, "mount nosuchfs", "ENODEV") end
end)

test("ports", function()
  for _, ports in ipairs { "0:80", "80:0", "70000:80", "80:70000", "http:80", "80:", ":80", "", "-1:80", "80:80/sctp", "80:80:80", "300.0.0.1:80:80", "[::1]:80:80", "1.2.3.4:80" } do
    refused({ network = "nat", ports = { ports } }, "container.ports")
  end
  refused({ network = "nat", ports = { "70000:80" } }, "'70000'", "1 to 65535")
  refused({ network = "nat", ports = "80" }, "container.ports", "list")
  refused({ network = "nat", ports = { "7701:80", "7701:81" } }, "container.ports", "7701", "twice")
  refused({ network = "nat", ports = { "7701:80", "127.0.0.1:7701:81" } }, "container.ports", "7701", "twice")
  for _, net in ipairs { "none", "host", isolated "10.97.0.0/24" } do
    refused({ network = net, ports = { "7701:80" } }, "container.ports", "a network that the host is on")
  end
  refused({ ports = { "7701:80" } }, "container.ports")
  refused({ network = bridge { name = "four1", subnet = "10.97.0.0/24" }, ports = { "[2001:db8:51::1]:7701:80" } }, "2001:db8:51::1", "no subnet of that family")
end)

test("addresses", function()
  local function at(address, ...) refused({ network = { { bridge = isolated { "10.97.0.0/24", "fd97::/64" }, address = address } } }, ...) end
  at("10.98.0.5", "container.network.address", "10.98.0.5", "in no subnet")
  at("10.97.0.300", "address", "'10.97.0.300'")
  at("10.97.0.1", "10.97.0.1", "not an address for a container")
  at("10.97.0.0", "10.97.0.0", "not an address for a container")
  at("10.97.0.255", "10.97.0.255", "not an address for a container")
  at({ "10.97.0.5", "fd97::6" }, "fd97::6", "same number")
  at({ "10.97.0.5", "fd98::5" }, "fd98::5", "in no subnet")
  refused({ network = { { bridge = "nat", address = "10.99.0.5" } } }, "10.99.0.5", "in no subnet")
  local net = isolated "10.97.0.0/24"
  local held = n.start { network = { { bridge = net, address = "10.97.0.7" } } }
  refused({ network = { { bridge = net, address = "10.97.0.7" } } }, "10.97.0.7", "another container", "EADDRINUSE")
  n.stop(held)
  network.close()
  refused({ network = { { bridge = "nat", mac = "01:00:00:00:00:01" } } }, "mac", "group's address")
  refused({ network = { { bridge = "nat", mac = "2:0" } } }, "mac", "02:00:00:00:00:05")
  refused({ network = { { bridge = "nat", mtu = 7 } } }, "mtu")
  refused({ network = { { bridge = "nat", routes = { { via = "10.203.0.1" } } } } }, "routes[1].to", "missing")
  refused({ network = { { bridge = "nat", routes = { { to = "10.0.0.0/8", via = "fd00::1" } } } } }, "routes[1].via", "another family")
  refused({ network = { { bridge = "nat", routes = { { to = "10.0.0.0/8", vai = "10.203.0.1" } } } } }, "routes[1].vai", "did you mean 'via'?")
  refused({ network = { { bridge = "nat", routes = { { to = "10.0.0.0/8", via = "192.0.2.9" } } } } }, "route", "10.0.0.0/8", "ENETUNREACH")
end)

test("egress", function()
  refused({ network = "nat", egress = "drop" }, "container.egress", "must be a table")
  refused({ network = "nat", egress = { alow = {} } }, "container.egress", "'alow'", "allow, deny, default")
  refused({ network = "nat", egress = { default = "pass" } }, "container.egress.default")
  refused({ network = "nat", egress = { allow = "10.0.0.0/8" } }, "container.egress.allow", "list")
  for _, rule in ipairs { "10.0.0.0/99", "10.0.0.0/8:99999", "nonsense", "/etc/passwd", "@abstract", "10.0.0.1:443/sctp", "10.0.0.1; accept", "" } do
    refused({ network = "nat", egress = { allow = { rule } } }, rule)
  end
  refused({ network = "nat", egress = { allow = { 443 } } }, "container.egress.allow", "number")
  refused({ network = "host", egress = {} }, "container.egress")
end)

return n.finish()
