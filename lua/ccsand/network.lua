-- Networks of containers: bridges as values, rules for what a container may send, links that
-- are cut, healed and made slow while containers run.
local core = require "ccsand.core"
local netlink = require "ccsand.netlink"

local network = {}

local function fail(message, hint) error(core.error(message, hint)) end

--- A network that containers are put on; made when the first is.
network.bridge = netlink.bridge
--- A socket for the links, addresses, routes and rules of a network namespace.
network.open = netlink.open
--- Takes down the networks of this process that no container is on.
network.close = netlink.close_all

--- Two containers and the wire between them: an isolated network of two addresses.
function network.pair(options)
  options = options or {}
  if type(options) ~= "table" then fail("pair: takes a table, got " .. type(options)) end
  for key in pairs(options) do
    if key ~= "subnet" and key ~= "mtu" then fail(("pair: '%s' is not a key"):format(tostring(key)), "it takes subnet, mtu") end
  end
  return netlink.bridge { subnet = options.subnet or "10.254.0.0/29", mtu = options.mtu, isolated = true }
end

-- ---- named namespaces, as ip-netns(8) has them

local function path_of(name)
  if type(name) ~= "string" or not name:find "^[%w_][%w_.-]*$" then fail(("namespace '%s': a name is of letters, digits, '_', '.' and '-'"):format(tostring(name))) end
  return "/run/netns/" .. name
end
--- Makes a network namespace that lives until namespace_remove(name); its path. A container joins
--- it with network = path.
function network.namespace_add(name)
  local sys = require "ccsand.sys"
  local path = path_of(name)
  pcall(sys.mkdir, "/run/netns", "0755")  -- it may be there
  sys.open(path, { "creat", "excl" }, { mode = "0644" }):close()
  local descriptor = netlink.namespace()
  local good, problem = pcall(sys.mount_bind, { source = "/proc/self/fd/" .. descriptor:fileno(), target = path })
  descriptor:close()
  if good then return path end
  os.remove(path)
  error(problem, 0)
end
--- Removes it; what is in it ends with the last process that is in it.
function network.namespace_remove(name)
  local sys = require "ccsand.sys"
  sys.umount(path_of(name), { "detach" })
  os.remove(path_of(name))
end

-- ---- egress

-- A pattern as an expression of nft(8): "10.0.0.0/8:443", "*:53/udp", "[fd00::]/8", "dns", "icmp".
local function expression(pattern, key)
  if pattern == "dns" then return { "meta l4proto { tcp, udp } th dport 53" } end
  if pattern == "icmp" then return { "ip protocol icmp", "meta l4proto ipv6-icmp" } end
  if type(pattern) ~= "string" then fail(("container.egress.%s: lists texts such as \"10.0.0.0/8:443\", got %s"):format(key, type(pattern))) end
  local text, protocol = pattern:match "^(.*)/(%l+)$"
  if protocol and protocol ~= "tcp" and protocol ~= "udp" then fail(("container.egress.%s: '%s': the protocol is tcp or udp"):format(key, pattern)) end
  text = protocol and text or pattern
  -- [fd00::/8]:443 is how the addresses of policies are written, too.
  local rule = require("ccsand.address").parse(text)
  if rule.path or rule.abstract then fail(("container.egress.%s: '%s' is no address of a network"):format(key, pattern)) end
  local parts = {}
  if rule.number then
    local host = text:match "^%[(.-)%]" or text:match "^([^:]*)"
    parts[1] = (#rule.number == 16 and "ip6" or "ip") .. " daddr " .. host
  end
  local whole = rule.first_port == 0 and rule.last_port == 65535
  if not whole then
    local ports = rule.first_port == rule.last_port and rule.first_port or rule.first_port .. "-" .. rule.last_port
    parts[#parts + 1] = (protocol and "meta l4proto " .. protocol or "meta l4proto { tcp, udp }") .. " th dport " .. ports
  elseif protocol then
    parts[#parts + 1] = "meta l4proto " .. protocol
  end
  return { table.concat(parts, " ") }
end

local verdicts = { drop = "drop", reject = "reject", accept = "accept" }

--- What a container's `egress` comes to: { text = rules of nft(8), counters = { ... } }. The rules are in the
--- container's own network namespace, with which they go.
function network.rules(egress)
  if type(egress) ~= "table" then fail("container.egress: must be a table { allow =, deny =, default = }, got " .. type(egress)) end
  for key in pairs(egress) do
    if key ~= "allow" and key ~= "deny" and key ~= "default" then
      fail(("container.egress: '%s' is not a key"):format(tostring(key)), "it takes allow, deny, default")
    end
  end
  local default = egress.default or "drop"
  if not verdicts[default] then fail("container.egress.default: must be \"drop\", \"reject\" or \"accept\"") end
  local counters, lines = {}, {}
  local function add(label, expressions, verdict)
    counters[#counters + 1] = label
    for _, words in ipairs(expressions) do
      lines[#lines + 1] = ("    %s counter name \"c%d\" %s"):format(words, #counters, verdict)
    end
  end
  for _, key in ipairs { "deny", "allow" } do
    local list = egress[key]
    if list ~= nil and type(list) ~= "table" then fail(("container.egress.%s: must be a list, got %s"):format(key, type(list))) end
    for _, pattern in ipairs(list or {}) do
      add((key == "deny" and "deny " or "allow ") .. tostring(pattern), expression(pattern, key), key == "deny" and "drop" or "accept")
    end
  end
  add("default " .. default, { "" }, verdicts[default])
  local declarations = {}
  for i = 1, #counters do declarations[i] = ("  counter c%d {}"):format(i) end
  -- Replies to those who connected to the container are not its own doing; neighbours are found by ICMPv6.
  local text = "table inet ccsand {\n" .. table.concat(declarations, "\n") .. "\n  chain output {\n    type filter hook output priority filter; policy accept;\n"
    .. "    oifname \"lo\" accept\n    ct direction reply accept\n"
    .. "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept\n"
    .. table.concat(lines, "\n") .. "\n  }\n}\n"
  return { text = text, counters = counters }
end

-- ---- links of running containers

local function interfaces_of(running, method, name)
  local good, list = pcall(function() return running:interfaces() end)
  if not good then fail(method .. ": takes a running container") end
  local result = {}
  for _, one in ipairs(list) do
    if one.network and (name == nil or one.name == name) then result[#result + 1] = one end
  end
  if #result == 0 then fail(("%s: the container has no interface %son a network of ccsand"):format(method, name and "'" .. name .. "' " or "")) end
  return result
end

-- Both ends of what a and b share.
local function between(a, b, method, act)
  local found = false
  for _, mine in ipairs(interfaces_of(a, method)) do
    for _, theirs in ipairs(interfaces_of(b, method)) do
      if mine.network == theirs.network then
        found = true
        act(mine.network, mine.link, theirs.link)
      end
    end
  end
  if not found then fail(method .. ": the two containers are on no network together") end
end
local function set_up(running, method, name, up)
  for _, one in ipairs(interfaces_of(running, method, name)) do one.network:netlink():link_set(one.link, { up = up }) end
end

--- Cuts what a and b send each other, on every network that they share; or with one container (and the
--- name of an interface) its cable.
function network.cut(a, b)
  if b == nil or type(b) == "string" then return set_up(a, "cut", b, false) end
  between(a, b, "cut", function(bridge, mine, theirs) bridge:cut(mine, theirs) end)
end
--- Undoes cut().
function network.heal(a, b)
  if b == nil or type(b) == "string" then return set_up(a, "heal", b, true) end
  between(a, b, "heal", function(bridge, mine, theirs) bridge:heal(mine, theirs) end)
end

local shapes = { rate = true, burst = true, delay = true, jitter = true, loss = true, duplicate = true, reorder = true, limit = true }
--- Makes a container's link slow or unreliable: rate (tc-tbf(8)), delay, jitter, loss, duplicate, reorder
--- (tc-netem(8)). `direction` is "both", "in" (to the container) or "out"; `link` one interface. An empty
--- table takes it back.
function network.shape(running, options)
  if type(options) ~= "table" then fail("shape: takes a running container and a table, got " .. type(options)) end
  local direction, queue = options.direction or "both", {}
  if direction ~= "both" and direction ~= "in" and direction ~= "out" then fail "shape.direction: must be \"both\", \"in\" or \"out\"" end
  for key, value in pairs(options) do
    if shapes[key] then queue[key] = value
    elseif key ~= "direction" and key ~= "link" then fail(("shape: '%s' is not a key"):format(tostring(key)), "it takes rate, burst, delay, jitter, loss, duplicate, reorder, limit, direction, link") end
  end
  for _, one in ipairs(interfaces_of(running, "shape", options.link)) do
    if direction ~= "out" then one.network:netlink():queue_set(one.link, queue) end
    if direction ~= "in" then
      local inside = network.open("/proc/" .. running:pid() .. "/ns/net")
      local good, problem = pcall(inside.queue_set, inside, one.name, queue)
      inside:close()
      if not good then error(problem, 0) end
    end
  end
end

return network
