---@meta ccsand.network

--- Networks of containers: `local network = require "ccsand.network"`. docs/network.md is the guide. What is here needs
--- libmnl and libnftables, which are loaded when they are first used.
---@class ccsand.network
local network = {}

--- A network that containers are put on: a bridge in the host's network namespace, shared by all ccsand processes that
--- name it; or with `isolated = true` one in a namespace of its own, from which there is no way out. It is made when
--- the first container comes. EEXIST where this recipe has described that name in another way.
---@param spec ccsand.NetworkSpec|"nat"
---@return ccsand.Network
function network.bridge(spec) end

---@class ccsand.NetworkSpec
--- Name of the link on the host, at most 15 bytes. Required, but not where it is isolated.
---@field name? string
--- At most one of each family: "10.7.0.0/24", "fd07::/64". Default: what the host does not use. Required where it is isolated.
---@field subnet? string|string[]
--- Whether it is in a namespace of its own. Default false.
---@field isolated? boolean
--- Whether its containers reach what the host reaches, by the host's addresses. Default true.
---@field masquerade? boolean
--- Whether they reach the host's own services. Default false.
---@field host_access? boolean
--- Largest packet in bytes, 1280 to 65535.
---@field mtu? integer
--- Addresses of resolvers. Default: the host's, but for those on its loopback; none where it is isolated.
---@field dns? string[]

--- An isolated network for two containers.
---@param options? { subnet: string|string[]?, mtu: integer? } subnet: default "10.254.0.0/29"
---@return ccsand.Network
function network.pair(options) end

--- A socket for a network namespace. Each of its functions acts there.
---@param namespace? string|integer|ccsand.Descriptor|ccsand.Process a path, a descriptor of one, or a process; default: this process's
---@return ccsand.Netlink
function network.open(namespace) end

--- Makes a network namespace by name, as ip-netns(8) has them; its path. EEXIST where there is one.
---@param name string
---@return string path
function network.namespace_add(name) end

--- Removes it by its name; what is in it ends with its last process.
---@param name string
function network.namespace_remove(name) end

--- Drops what two running containers send each other, on all networks that they share; or with one container
--- pulls its cable, of one interface or of all. Takes CONFIG_NF_TABLES_BRIDGE.
---@param a ccsand.Running
---@param b? ccsand.Running|string the other, or the name of an interface of `a`
function network.cut(a, b) end

--- Undoes cut().
---@param a ccsand.Running
---@param b? ccsand.Running|string
function network.heal(a, b) end

--- Makes a running container's links slow or unreliable; an empty table takes that back. ENOENT where the kernel
--- lacks tbf (NET_SCH_TBF) or netem (NET_SCH_NETEM).
---@param running ccsand.Running
---@param options ccsand.Shape
function network.shape(running, options) end

---@class ccsand.Shape: ccsand.Queue
--- "in": to the container. Default "both".
---@field direction? "both"|"in"|"out"
--- One interface by its name. Default: all.
---@field link? string

--- What `egress` of a container comes to: rules of nft(8), and what their counters count.
---@param egress ccsand.EgressSpec
---@return { text: string, counters: string[] }
function network.rules(egress) end

--- Takes down the networks of this process that none of its containers is on. The end of the recipe does so, too.
function network.close() end

return network
