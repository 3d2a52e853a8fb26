---@meta ccsand.policy

--- Whole policies that ship, as tables for `box:with(...)`: system calls, files, ports and capabilities of one purpose,
--- `local policy = require "ccsand.policy"`. Each takes the place of the container's keys of the same names. docs/policies.md
---@class ccsand.policy
local policy = {}

--- Compute only, for a static program: descriptors 0, 1 and 2, memory and time. Not with `init = true`.
---@return ccsand.ContainerSpec
function policy.strict() end

--- The default profile without a network and without the calls for one; unix sockets stay.
---@return ccsand.ContainerSpec
function policy.no_network() end

--- A compiler in a directory. Needs Landlock.
---@param options? { directory: string, directories: string[], tools: string[], least_abi: integer } directory, default "/work", or directories: read, written and executed in; tools: read and executed, default /usr, /bin, /lib and the like
---@return ccsand.ContainerSpec
function policy.build(options) end

--- A server on TCP ports. Needs Landlock of Linux 6.7. The network is the recipe's to choose.
---@param options { ports: integer[], connect: integer[], files: ccsand.Landlock, udp: boolean, least_abi: integer } ports it listens on; connect: ports it connects to, default none; files: default no rules
---@return ccsand.ContainerSpec
function policy.server(options) end

return policy
