-- The keys of a container that are policies, and what they come to. Every start comes by here: the
-- filter of a profile that ships was compiled with ccsand or is kept from an earlier start, and nothing
-- that makes policies (ccsand.isolation) is loaded.
local core = require "ccsand.core"

local policy_keys = {}
local deciding = { "notify", "connect", "files", "exec", "on_denied", "faults" } -- besides seccomp and landlock
local kept = setmetatable({}, { __mode = "k" }) -- container's table -> what its policies come to

--- The name of the profile that `seccomp` means; false for no filter, nil where it is a policy or a table.
function policy_keys.profile(spec)
  local value = spec.seccomp
  if value == nil then return "default" end
  if value == "none" then return false end
  if value == false or type(value) == "string" then return value end
end

-- The shipped profiles differ by the capabilities alone.
local function cache_key(profile, spec)
  return profile .. " " .. table.concat(core.capabilities { capabilities = spec.capabilities }, ",")
end

-- { seccomp, landlock, make_on_call }: the compiled filter, the rules, what makes the function that decides the
-- calls of a run.
local function resolve(spec, options)
  local given, decides, plain = {}, options and options.show_denied, {}
  for key, value in pairs(spec) do plain[key] = value end
  for _, key in ipairs(deciding) do
    given[key], plain[key] = spec[key], nil
    decides = decides or spec[key] ~= nil
  end
  local profile, key = policy_keys.profile(spec), nil
  if not decides then
    if profile == false then return { landlock = spec.landlock } end
    local program = profile and core.shipped_filter(spec, profile)
    if profile and not program then
      key = cache_key(profile, spec)
      program = require("ccsand.filter").find(key)
    end
    if program then return { seccomp = { bpf = program, name = profile }, landlock = spec.landlock } end
  end
  local make_on_call = require("ccsand.isolation").apply(plain, given, options)
  if key and not make_on_call and not plain.seccomp.notifies then require("ccsand.filter").keep(key, plain.seccomp.bpf) end
  return { seccomp = plain.seccomp, landlock = plain.landlock, make_on_call = make_on_call }
end

--- Replaces the policy keys of `result`, a copy of `spec`, by what C++ reads. Answers the function that
--- decides the calls of this run, or nil.
function policy_keys.apply(spec, result, options)
  local shows = options and options.show_denied
  local known = not shows and kept[spec]
  if not known then
    known = resolve(spec, options)
    if not shows then kept[spec] = known end
  end
  for _, key in ipairs(deciding) do result[key] = nil end
  result.seccomp, result.landlock = known.seccomp, known.landlock
  return known.make_on_call and known.make_on_call()
end

return policy_keys
