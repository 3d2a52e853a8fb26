-- What networks put on the host, and that it goes: at the end, when a recipe closes them, after kill -9. Many
-- containers, from two processes at once.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ffi = require "ffi"
local n = require "network_support"
local t = require "support"
n.begin()
local network, test, equal, match, no_match, fails = n.network, t.test, t.equal, t.match, t.no_match, t.fails

test("all that a network puts on the host goes with network.close(), and nothing of another program's does", function()
  n.net:nft "table inet another { set s { type ipv4_addr; elements = { 192.0.2.1 }\n }\n chain c { type filter hook forward priority 7; policy accept; ip daddr 192.0.2.9 drop\n }\n }"
  n.net:nft "table inet ccsandwich { chain c { accept\n }\n }"
  n.net:link_add { name = "csfoo", kind = "veth", peer = "csbar" }
  local own = network.bridge { name = "own0", subnet = { "10.100.0.0/24", "fd10:100::/64" } }
  n.unchanged(function()
    local one = n.start { network = { "nat", own }, hostname = "one", ports = { "7900:80", "127.0.0.1:7901:53/udp" }, egress = {} }
    local two = n.start { network = own, hostname = "two" }
    network.cut(one, two)
    network.shape(two, { rate = "10mbit" })
    local during = n.state()
    for _, word in ipairs { "link ccsand0 bridge", "link own0 bridge", "table inet ccsand%-ccsand0", "table inet ccsand%-own0", "table bridge ccsand%-own0",
      "7900", "7901", "ip_forward 1", "forwarding 1", "file net%-", "file hosts%-", "file resolv%-", "file forwarding%-" } do match(during, word) end
    network.close()
    match(n.state(), "link own0 bridge", "while containers are on it")
    n.stop(one, two)
    local after = n.state()
    match(after, "link own0 bridge", "a bridge stays for the next container")
    no_match(after, "7900", "a port")
    n.await_links_gone()
    network.close()
  end)
  match(n.net:nft "list ruleset", "table inet another")
  -- It is made again where it is needed again.
  n.unchanged(function()
    equal(t.out("ip addr show eth0 | grep -c 10.100.0", { network = own }), "1")
    network.close()
  end)
  n.net:nft "delete table inet another; delete table inet ccsandwich"
  n.net:link_remove "csfoo"
end)

test("addresses come back, and the one that was used last is not handed out next", function()
  local net, seen, last = network.bridge { isolated = true, subnet = "10.101.0.0/29" }, {}, nil
  local box = t.box { network = net, command = { "/bin/sh", "-c", "ip addr show eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p'" } }
  for _ = 1, 12 do
    local address = box:capture().stdout:match "%S+"
    match(address, "^10%.101%.0%.[2-6]$")
    assert(address ~= last, "the same again")
    seen[address], last = true, address
  end
  local count = 0
  for _ in pairs(seen) do count = count + 1 end
  equal(count, 5, "different addresses")
end)

test("a subnet that is full is an error that names it", function()
  for name, net in pairs { ["10.102.0.0/30"] = network.bridge { isolated = true, subnet = "10.102.0.0/30" },
    full0 = network.bridge { name = "full0", subnet = { "10.103.0.0/30", "fd10:103::/126" } } } do
    local one = n.start { network = net }
    fails(function() t.sh("echo ran", { network = net }) end, "lease " .. name, "every address", "ENOSPC", "larger subnet")
    n.stop(one)
    equal(t.sh("echo ran", { network = net }).stdout, "ran\n", "after its end")
  end
  network.close()
end)

-- Starts ccsand on a recipe that prints a line and waits; its process.
local function start_recipe(text, file)
  local recipe = t.file(text, "recipe.lua")
  local out = t.file("", "out")
  local pid = tonumber(t.host_lines(("'%s' '%s' >'%s' 2>&1 </dev/null & echo $!"):format(t.ccsand, recipe, out))[1])
  n.eventually(function() return t.read(out):find "ready" or not t.read("/proc/" .. pid .. "/stat") end, "the recipe's line")
  if not t.read(out):find "ready" then error("it ended: " .. t.read(out)) end
  return pid, out, file
end
local function ended(pid)
  n.eventually(function() return (t.read("/proc/" .. pid .. "/stat") or " Z "):find "%) Z " or not t.read("/proc/" .. pid .. "/stat") end, "the end of " .. pid)
end
local prelude = ('local image = %q\nlocal ccsand, network = require "ccsand", require "ccsand.network"\n'):format(t.image)

test("kill -9 leaves nothing after the next start", function()
  n.unchanged(function()
    local pid = start_recipe(prelude .. [[
      local own = network.bridge { name = "kill0", subnet = "10.104.0.0/24" }
      local wire = network.bridge { isolated = true, subnet = "10.105.0.0/24" }
      local one = ccsand.container({ image = image, network = { "nat", own, wire }, hostname = "one", ports = { "7910:80" }, egress = {}, command = { "sleep", "100" } }):start()
      local two = ccsand.container({ image = image, network = own, hostname = "two", command = { "sleep", "100" } }):start()
      network.cut(one, two)
      print "ready" io.stdout:flush()
      one:wait()
    ]])
    match(n.state(), "link kill0 bridge")
    match(n.state(), "table bridge ccsand%-kill0")
    ffi.C.kill(pid, 9)
    ended(pid)
    match(n.state(), "link kill0 bridge", "before the next start")
    equal(t.run_recipe(prelude .. 'return ccsand.container { image = image, command = { "echo", "swept" } }'), "swept\n")
  end)
end)

for _, sweeps in ipairs { true, false } do test("kill -9 of one of two processes frees what was its own" .. (sweeps and "" or ", without a start in between"), function()
  local keep = n.start { network = network.bridge { name = "share0", subnet = "10.106.0.0/29" }, hostname = "keep" }
  local pid = start_recipe(prelude .. [[
    local own = network.bridge { name = "share0", subnet = "10.106.0.0/29" }
    local all = {}
    for i = 1, 4 do all[i] = ccsand.container({ image = image, network = own, hostname = "gone" .. i, ports = { (7920 + i) .. ":80" }, command = { "sleep", "100" } }):start() end
    print "ready" io.stdout:flush()
    all[1]:wait()
  ]])
  match(n.out(keep, "cat /etc/hosts"), "gone4")
  fails(function() t.sh("true", { network = network.bridge { name = "share0", subnet = "10.106.0.0/29" } }) end, "every address")
  ffi.C.kill(pid, 9)
  ended(pid)
  if sweeps then
    equal(t.run_recipe(prelude .. 'return ccsand.container { image = image, command = { "echo", "swept" } }'), "swept\n")
    no_match(n.out(keep, "cat /etc/hosts"), "gone")
    match(n.out(keep, "cat /etc/hosts"), "keep")
    no_match(n.net:nft "list ruleset", "792%d")
  end
  local more = {}
  for i = 1, 4 do more[i] = n.start { network = network.bridge { name = "share0", subnet = "10.106.0.0/29" }, ports = { (7920 + i) .. ":80" } } end
  no_match(n.out(keep, "cat /etc/hosts"), "gone")
  n.stop(keep, unpack(more))
  network.close()
  if not sweeps then t.run_recipe 'return 0' end  -- of the state that the dead one left
end) end

test("a link that somebody took away is made again", function()
  local net = network.bridge { name = "away0", subnet = "10.107.0.0/24" }
  t.out("true", { network = net })
  n.net:link_remove "away0"
  network.close()
  n.unchanged(function()
    t.out("ping -c 1 -W 1 10.107.0.1", { network = net, capabilities = { add = { "net_raw" } } })
    network.close()
  end)
end)

test("200 containers on one bridge, from two processes at once", function()
  n.unchanged(function()
    local recipe = prelude .. [[
      local own = network.bridge { name = "many0", subnet = { "10.108.0.0/22", "fd10:108::/64" } }
      local box = ccsand.container { image = image, network = own, command = { "/bin/sleep", "200" } }
      local all = {}
      for i = 1, 100 do all[i] = box:start() end
      for i = 1, 100 do print(table.concat(all[i]:interfaces()[1].addresses, " ")) end
      print "ready" io.stdout:flush()
      io.open(arg[0] .. ".go"):close()  -- a named pipe: until the test has looked
      for i = 1, 100 do all[i]:kill() end
      for i = 1, 100 do all[i]:wait "60s" end
    ]]
    local pids, outs, gos = {}, {}, {}
    for i = 1, 2 do
      local path, out = t.file(recipe, "many.lua"), t.file("", "out")
      os.execute("mkfifo '" .. path .. ".go'")
      pids[i] = tonumber(t.host_lines(("'%s' '%s' >'%s' 2>&1 </dev/null & echo $!"):format(t.ccsand, path, out))[1])
      outs[i], gos[i] = out, path .. ".go"
    end
    for i = 1, 2 do
      for _ = 1, 60 do
        if pcall(n.eventually, function() return t.read(outs[i]):find "ready" or not t.read("/proc/" .. pids[i] .. "/stat") end) then break end
      end
      match(t.read(outs[i]), "ready", "process " .. i)
    end
    local seen, count = {}, 0
    for i = 1, 2 do
      for address in t.read(outs[i]):gmatch "[%x.:]+%.%d+" do
        assert(not seen[address], address .. " twice")
        seen[address], count = true, count + 1
      end
    end
    equal(count, 200, "addresses")
    local ports = 0
    for _, link in ipairs(n.net:links()) do
      if link.master == "many0" then ports = ports + 1 end
    end
    equal(ports, 200, "ports of the bridge")
    for i = 1, 2 do t.write(gos[i], "") end
    for i = 1, 2 do ended(pids[i]) end
  end)
end)

return n.finish()
