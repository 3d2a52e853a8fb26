---@meta ccsand.cgroup

--- Control groups: `local cgroup = require "ccsand.cgroup"`. One interface for v2, v1 and hybrid hosts:
--- a group has a directory in each hierarchy that its limits need. See cgroups(7).
---@class ccsand.cgroup
local cgroup = {}

--- Makes a group. EEXIST where the name is taken, ENOTSUP where the host lacks a controller.
--- Called as create(limits), create(name, limits), create(name) or create().
---@param name? string letters, digits, "_" and "-". Without one the name says who made the group, and the next start of ccsand removes it where this process was killed; a group with a name of yours would stay.
---@param limits? ccsand.Limits as in a container's table
---@return ccsand.Cgroup group
function cgroup.create(name, limits) end

--- A group. sys.clone starts children in it with `cgroup = group`. When it is collected, what is left in
--- it is killed and it is removed. Methods raise ECHILD in another process than the one that made it.
---@class ccsand.Cgroup
local Cgroup = {}

--- Puts any process into all directories of the group. May take 5 to 11 ms in v1. ESRCH: no such process.
---@param process ccsand.Process|integer
function Cgroup:attach(process) end

--- What the group has used: bytes, seconds and counts, as in a container's result (`memory`,
--- `memory_peak`, `pids`, `cpu`, ...). What this kernel cannot tell is nil.
---@return table<string, any> stats
function Cgroup:stats() end

--- Processes that the OOM killer took.
---@return integer? count nil without the memory controller
function Cgroup:oom_kills() end

--- Stops all processes of the group, and waits until they have. ETIMEDOUT after two seconds.
function Cgroup:freeze() end

--- Lets them go on.
function Cgroup:thaw() end

--- Kills all processes of the group and of those below it. Does not wait for their end; remove() does.
function Cgroup:kill() end

--- Removes the group and those below it. EBUSY where processes are left after two seconds. Again: no error.
function Cgroup:remove() end

--- Its directory in the v2 hierarchy, or in the v1 hierarchy that records it.
---@return string path
function Cgroup:path() end

---@return string name
function Cgroup:name() end

return cgroup
