-- The compiled filter of a profile that ships, as it was kept by an earlier start: the policy
-- need not be made again, and nothing that makes policies be loaded. Every start comes by here.
local core = require "ccsand.core"
local filter = require "ccsand.filter"

local shipped_filter = {}

local function name_of(spec)
  local name = spec.seccomp == nil and "default" or spec.seccomp
  return type(name) == "string" and name ~= "none" and name or nil
end
local function key_of(name, spec)
  return name .. " " .. table.concat(core.capabilities { capabilities = spec.capabilities }, ",")
end

--- What a container's `seccomp` comes to, if it is known; nil where the policy has to be made.
function shipped_filter.find(spec)
  local name = name_of(spec)
  local program = name and filter.find(key_of(name, spec))
  return program and { bpf = program, name = name }
end

--- Keeps the policy's program for `find`.
function shipped_filter.keep(spec, policy)
  local name = name_of(spec)
  if not name or policy:notifies() then return nil end
  filter.keep(key_of(name, spec), policy:bpf())
  return { bpf = policy:bpf(), name = name }
end

return shipped_filter
