-- Networks without rights on the host's (slirp4netns), containers of a user namespace without
-- root, and the recipes web and lab.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local n = require "network_support"
local t = require "support"
if not t.read "/usr/bin/slirp4netns" then t.skip_all "slirp4netns is not installed" end
n.begin()
local test, equal = t.test, t.equal

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

test("a ccsand in a user namespace without root's rights runs containers", function()
  local root = t.mkdir "root"
  assert(os.execute(("cp -a '%s/.' '%s/'"):format(t.root, root)) == 0)
  local recipe = t.file(([[
    return require("ccsand").container {
      root = { path = "%s", id_mapped = false }, user_namespace = false, groups = {}, network = "user",
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
