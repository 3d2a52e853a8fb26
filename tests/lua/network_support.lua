-- What the tests of networks share. All they do is in network namespaces of their own: "the host" of
-- these tests is a fresh one, and what lies outside of it is another, behind a pair of veths.
local sys = require "ccsand.sys"
sys.unshare { "net" }
sys.loopback_up()
local t = require "support"
local network = require "ccsand.network"
local netlink = require "ccsand.netlink"

local n = { network = network, outside_address = "198.51.100.2", host_address = "198.51.100.1",
  outside_address6 = "2001:db8:51::2", host_address6 = "2001:db8:51::1" }
local running, closing = {}, {}

--- Tries f on the links of a network namespace of its own, with a veth pair `probe0`; why it fails, or nil.
function n.lacks(f)
  local good, problem = pcall(function()
    local namespace = netlink.namespace()
    local net = network.open(namespace)
    net:link_add { name = "probe0", kind = "veth", peer = "probe1" }
    f(net)
    net:close()
    namespace:close()
  end)
  collectgarbage() collectgarbage()
  return not good and tostring(problem):match "[^\n]*" or nil
end
function n.begin()
  local why = n.lacks(function(net)
    net:link_add { name = "probe2", kind = "bridge" }
    net:nft [[table inet probe {
      chain nat { type nat hook prerouting priority dstnat; fib daddr type local dnat ip to 10.0.0.1; }
      chain out { type nat hook postrouting priority srcnat; ct status dnat masquerade; }
    }]]
  end)
  if why then t.skip_all("networks are beyond this kernel or this machine: " .. why) end
  t.begin()
  n.net = network.open()
  closing[#closing + 1] = n.net
end

--- A container that runs until the end of the tests, or n.stop().
function n.start(more, command)
  local spec = { timeout = "250s", command = command or { "sleep", "240" } }
  for k, v in pairs(more or {}) do spec[k] = v end
  local one = t.box(spec):start(nil, { capture = true })
  running[#running + 1] = one
  return one
end
function n.stop(...)
  for _, one in ipairs { ... } do
    one:kill()
    one:wait "20s"
  end
end
function n.stop_all()
  n.stop(unpack(running))
  running, n.host_box, n.outside_box = {}, nil, nil
end

--- A shell's script in a running container; its output, whatever its status.
function n.exec(where, script)
  local result = (where or n.host()):exec { "/bin/sh", "-c", script }
  return (result.stdout:gsub("\n$", "")), result.status, result.stderr
end
--- ... its output; fails where its status is not 0.
function n.out(where, script)
  local out, status, problem = n.exec(where, script)
  if status ~= 0 then error(("status %d of: %s\n%s%s"):format(status, script, out, problem), 2) end
  return out
end

--- Programs of the test's "host", and of what lies outside of it.
function n.host()
  n.host_box = n.host_box or n.start { network = "host", capabilities = { add = { "net_raw" } } }
  return n.host_box
end
-- The outside knows the host's addresses alone: an answer to a container's would have no way.
function n.outside()
  if n.outside_box then return n.outside_box end
  if not n.outside_fd then
    n.outside_fd = netlink.namespace()
    n.outside_net = network.open(n.outside_fd)
    closing[#closing + 1], closing[#closing + 2] = n.outside_fd, n.outside_net
    n.net:link_add { name = "out0", kind = "veth", peer = { name = "eth0", namespace = n.outside_fd } }
    for net, link in pairs { [n.net] = "out0", [n.outside_net] = "eth0" } do
      net:sysctl("ipv6/conf/" .. link .. "/accept_dad", "0")
      net:link_set(link, { up = true })
    end
    n.outside_net:link_set("lo", { up = true })
    n.net:address_add { link = "out0", address = n.host_address .. "/24" }
    n.net:address_add { link = "out0", address = n.host_address6 .. "/64" }
    n.outside_net:address_add { link = "eth0", address = n.outside_address .. "/24" }
    n.outside_net:address_add { link = "eth0", address = n.outside_address6 .. "/64" }
  end
  n.outside_box = n.start { namespaces = { net = n.outside_fd:fileno() }, user_namespace = false, capabilities = { add = { "net_raw", "net_admin" } } }
  return n.outside_box
end

--- The first address of a running container, of the family.
function n.address(of, v6, interface)
  for _, address in ipairs(of:interfaces()[interface or 1].addresses) do
    if (address:find(":", 1, true) ~= nil) == (v6 or false) then return address end
  end
end

-- ---- servers and clients

--- Until f() is true; fails after ten seconds.
function n.eventually(f, what)
  for _ = 1, 500 do
    if f() then return end
    os.execute "sleep 0.02"
  end
  error((what or "it") .. " did not become true", 2)
end
local alpine
local function is_alpine()
  if alpine == nil then alpine = t.image:find("^alpine") ~= nil end
  return alpine
end
--- Serves `word` to whoever connects to a port; on in a running container, until it ends.
function n.serve_in(where, port, word, udp)
  if udp and not is_alpine() then t.skip "the image's nc has no UDP" end
  local command = udp and ("while :; do nc -u -l -p %d -e echo %s; done"):format(port, word)
    or is_alpine() and ("nc -lk -p %d -e echo %s"):format(port, word) or ("nc -ll -p %d -e echo %s"):format(port, word)
  n.out(where, ("(%s) >/dev/null 2>&1 </dev/null & true"):format(command))
  n.await_port(where, port, udp)
  return where
end
function n.await_port(where, port, udp)
  local wanted = udp and (":%04X [0-9A-F]+:0000 07"):format(port) or (":%04X [0-9A-F]+:0000 0A"):format(port)
  n.eventually(function()
    for _, file in ipairs(udp and { "udp", "udp6" } or { "tcp", "tcp6" }) do
      if (t.read(("/proc/%d/net/%s"):format(where:pid(), file)) or ""):find(wanted) then return true end
    end
  end, "a server on port " .. port)
end
function n.serve(more, port, word, udp) return n.serve_in(n.start(more), port, word, udp) end

--- What a server says; "" where none answers within a second.
function n.ask(from, address, port)
  return (n.exec(from, ("nc -w 1 %s %d </dev/null 2>/dev/null"):format(address, port)))
end
function n.ask_udp(from, address, port)
  if not is_alpine() then t.skip "the image's nc has no UDP" end
  -- The server is away for a moment after each answer.
  return (n.exec(from, ("for i in 1 2 3; do r=$(echo ask | nc -u -w 1 %s %d 2>/dev/null); [ -z \"$r\" ] || break; done; echo \"$r\""):format(address, port)))
end
--- Whether an address answers a ping within a second.
function n.pings(from, address)
  local _, status = n.exec(from, ("ping -c 1 -W 1 %s >/dev/null 2>&1"):format(address))
  return status == 0
end

-- ---- what the host has

--- Everything that a network could change on "the host", as text.
function n.state()
  local lines = {}
  local function add(...) lines[#lines + 1] = table.concat({ ... }, " ") end
  for _, link in ipairs(n.net:links()) do
    -- The kernel takes down a container's links a while after its end: n.finish() looks for them.
    if not link.name:find "^cs%x+%-%x+$" then add("link", link.name, link.kind or "", tostring(link.up)) end
  end
  for _, one in ipairs(n.net:addresses()) do
    if not one.address:find "^fe80" then add("address", one.link, one.address) end  -- it comes when it pleases
  end
  for _, route in ipairs(n.net:routes()) do
    if not route.to:find "^fe80" then add("route", route.to, route.via or "", route.link or "") end
  end
  for _, name in ipairs { "ipv4/ip_forward", "ipv6/conf/all/forwarding" } do add("sysctl", name, n.net:sysctl(name)) end
  for _, file in ipairs(t.host_lines("ls -A '" .. t.directory .. "/run'")) do
    if not file:find "^state%-" then add("file", file) end
  end
  table.sort(lines)
  return table.concat(lines, "\n") .. "\n" .. n.net:nft "list ruleset"
end
--- Calls f, which must leave the host as it was.
function n.unchanged(f)
  collectgarbage() collectgarbage()
  local before = n.state()
  f()
  local after
  for _ = 1, 100 do
    after = n.state()
    if after == before then return end
    os.execute "sleep 0.02"
  end
  t.equal(after, before, "what is on the host")
end

--- Until no container's link is on the host.
function n.await_links_gone()
  n.eventually(function()
    for _, link in ipairs(n.net:links()) do if link.name:find "^cs%x+%-%x+$" then return false end end
    return true
  end, "the end of containers' links")
end

function n.finish()
  n.stop_all()
  collectgarbage() collectgarbage()
  network.close()
  n.await_links_gone()
  for _, one in ipairs(closing) do one:close() end
  return t.finish()
end

return n
