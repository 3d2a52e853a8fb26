---@meta ccsand.netlink

--- The primitives below ccsand.network: `local netlink = require "ccsand.netlink"`. rtnetlink(7), nft(8)
---@class ccsand.netlink
local netlink = {}

--- A socket for a network namespace: of a path, a descriptor, a process; nil is the one this process is in.
---@param namespace? string|integer|ccsand.Descriptor|ccsand.Process
---@return ccsand.Netlink
function netlink.open(namespace) end

--- A new network namespace, which lives as long as its descriptor.
---@return ccsand.Descriptor
function netlink.namespace() end

--- As network.bridge().
---@param spec ccsand.NetworkSpec|"nat"
---@return ccsand.Network
function netlink.bridge(spec) end

--- As network.close().
function netlink.close_all() end

--- A socket in a network namespace. Links are named; what is not there is ENODEV.
---@class ccsand.Netlink
local Netlink = {}

--- All links.
---@return { index: integer, name: string, kind: string?, mac: string?, mtu: integer, up: boolean, carrier: boolean, master: string? }[]
function Netlink:links() end

--- All addresses, with their prefixes.
---@return { link: string, address: string }[]
function Netlink:addresses() end

--- The main table's routes.
---@return { to: string, via: string?, link: string?, metric: integer? }[]
function Netlink:routes() end

--- What is known of neighbours.
---@return { link: string, address: string, mac: string?, permanent: boolean }[]
function Netlink:neighbours() end

--- A new link.
---@param link ccsand.LinkSpec
function Netlink:link_add(link) end

---@class ccsand.LinkSpec
--- 1 to 15 bytes. Required.
---@field name string
--- "veth", "bridge", "macvlan", "vlan", "dummy", "ifb", ...: what the kernel has. Required.
---@field kind string
--- Default false.
---@field up? boolean
---@field mtu? integer
---@field mac? string
--- The bridge that it is a port of.
---@field master? string
--- Of macvlan and vlan: the link below.
---@field parent? string
--- Of macvlan. Default "bridge".
---@field mode? "private"|"vepa"|"bridge"|"passthru"
--- Of vlan: 1 to 4094.
---@field vlan? integer
--- Of veth: the other end, and where it is.
---@field peer? string|{ name: string, namespace: any, mac: string? }
--- Where the link itself goes: as netlink.open() takes it.
---@field namespace? any

--- Changes a link.
---@param name string
---@param changes { up: boolean?, mtu: integer?, mac: string?, master: string?, name: string?, namespace: any } `master` "": of no bridge
function Netlink:link_set(name, changes) end

---@param name string
function Netlink:link_remove(name) end

--- Duplicates are not looked for: an IPv6 address can be used at once.
---@param address { link: string, address: string } with its prefix: "10.0.0.5/24"
function Netlink:address_add(address) end

---@param address { link: string, address: string }
function Netlink:address_remove(address) end

---@param route { to: string, via: string?, link: string?, metric: integer? } `to`: a network, or "default"
function Netlink:route_add(route) end

---@param route { to: string, via: string?, link: string?, metric: integer? }
function Netlink:route_remove(route) end

--- A neighbour that is not asked for.
---@param neighbour { link: string, address: string, mac: string }
function Netlink:neighbour_add(neighbour) end

---@param neighbour { link: string, address: string }
function Netlink:neighbour_remove(neighbour) end

--- The queue of what a link sends; an empty table takes it away.
---@param link string
---@param queue ccsand.Queue
function Netlink:queue_set(link, queue) end

--- `rate` alone is a token bucket (tc-tbf(8)), the rest emulates a network (tc-netem(8)).
---@class ccsand.Queue
--- "10mbit" of bits, or a size of bytes, a second.
---@field rate? string|integer
--- Bytes at once. Default: what the rate needs.
---@field burst? ccsand.Size
---@field delay? ccsand.Duration
---@field jitter? ccsand.Duration
--- Shares, 0 to 1.
---@field loss? number
---@field duplicate? number
--- Takes a delay: this share is sent at once.
---@field reorder? number
--- Packets that wait at most. Default 1000.
---@field limit? integer

--- Runs rules of nft(8), all or nothing; what they print.
---@param rules string
---@param options? { json: boolean } json: as libnftables-json(5)
---@return string
function Netlink:nft(rules, options) end

--- A sysctl below net: its value, or nothing where one is set.
---@param name string such as "ipv4/conf/eth0/forwarding"
---@param value? string
---@return string?
function Netlink:sysctl(name, value) end

--- Closes it. Closing again does nothing.
function Netlink:close() end

--- A network: a value of ccsand.network.bridge(). Two of one description are equal.
---@class ccsand.Network
local Network = {}

--- Makes it now, and not when the first container comes.
function Network:open() end

--- Takes it down, where this process is the last that uses it. EBUSY while containers of this process are on it.
function Network:close() end

--- A socket in the namespace that its bridge is in.
---@return ccsand.Netlink
function Network:netlink() end

--- Such as { "10.7.0.0/24" }; the chosen ones once it is open.
---@return string[]
function Network:subnets() end

--- The link's name; "" where it is isolated.
---@return string
function Network:name() end

--- Drops what the ports with these names send each other: host ends of containers' interfaces.
---@param one string
---@param other string
function Network:cut(one, other) end

--- Undoes cut().
---@param one string
---@param other string
function Network:heal(one, other) end

return netlink
