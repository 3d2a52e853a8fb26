-- A laboratory of three routers and four hosts:
--
--   h1, h2 - r1 ----- r2 - h3
--              \     /
--                r3 - h4
--
-- h1 asks h3; the wire between r1 and r2 is cut, then healed; then it is cut for good, and the
-- routers take the way round. Nothing of it is on this host's network: it needs no free
-- addresses here and leaves nothing.
local ccsand = require "ccsand"
local network = require "ccsand.network"

local lans, wires = {}, {}
for i = 1, 3 do lans[i] = network.bridge { subnet = ("10.1.%d.0/24"):format(i), isolated = true } end
for _, pair in ipairs { "12", "13", "23" } do wires[pair] = network.pair { subnet = ("10.2.%s.0/29"):format(pair) } end

local function start(name, interfaces, more)
  local spec = {
    image = "busybox:host", hostname = name, network = interfaces,
    capabilities = { add = { "net_raw" } },  -- for ping
    command = { "/bin/sleep", "3600" },
  }
  for key, value in pairs(more or {}) do spec[key] = value end
  return ccsand.container(spec):start()
end

-- Router i has address .254 in its own network, and the ends of two wires.
local function wire(i, other)
  local pair = math.min(i, other) .. math.max(i, other)
  return wires[pair], ("10.2.%s.%d"):format(pair, i < other and 2 or 3), ("10.2.%s.%d"):format(pair, i < other and 3 or 2)
end
local routers = {}
for i = 1, 3 do
  local interfaces = { { bridge = lans[i], address = ("10.1.%d.254"):format(i) } }
  for other = 1, 3 do
    if other ~= i then
      local bridge, own, far = wire(i, other)
      interfaces[#interfaces + 1] = {
        bridge = bridge, address = own, name = "to-r" .. other,
        routes = { { to = ("10.1.%d.0/24"):format(other), via = far } },
      }
    end
  end
  routers[i] = start("r" .. i, interfaces, {
    sysctls = { ["net.ipv4.ip_forward"] = "1" },
    capabilities = { add = { "net_raw", "net_admin" } },  -- to change its routes
  })
end

local function host(name, lan, number)
  return start(name, { { bridge = lans[lan], address = ("10.1.%d.%d"):format(lan, number), gateway = ("10.1.%d.254"):format(lan) } })
end
local h1, h2, h3, h4 = host("h1", 1, 11), host("h2", 1, 12), host("h3", 2, 13), host("h4", 3, 14)

local failures = 0
local function expect(what, from, to, reaches)
  local result = from:exec { "/bin/ping", "-c", "1", "-W", "1", to }
  local good = (result.status == 0) == reaches
  failures = failures + (good and 0 or 1)
  io.write(("%-46s %s%s\n"):format(what, result.status == 0 and "answer" or "silence", good and "" or "   (not as expected)"))
end

expect("h1 asks h2, its neighbour", h1, "h2", true)
expect("h1 asks h3, over r1 and r2", h1, "10.1.2.13", true)
expect("h4 asks h1, over r3 and r1", h4, "10.1.1.11", true)
network.cut(routers[1], routers[2])
expect("the wire of r1 and r2 is cut: h1 asks h3", h1, "10.1.2.13", false)
expect("... and h4", h1, "10.1.3.14", true)
network.heal(routers[1], routers[2])
expect("the wire is healed: h1 asks h3", h1, "10.1.2.13", true)
network.cut(routers[1], routers[2])
local function replace(router, to, via)
  local result = router:exec({ "/bin/ip", "route", "replace", to, "via", via }, { capabilities = { "net_admin" } })
  if result.status ~= 0 then error("the route was not replaced: " .. result.stderr, 0) end
end
replace(routers[1], "10.1.2.0/24", "10.2.13.3")
replace(routers[2], "10.1.1.0/24", "10.2.23.3")
expect("cut again, with routes over r3: h1 asks h3", h1, "10.1.2.13", true)

for _, running in ipairs { h1, h2, h3, h4, routers[1], routers[2], routers[3] } do
  running:kill()
  running:wait()
end
return failures == 0 and 0 or 1
