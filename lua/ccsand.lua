-- ccsand: what a recipe requires. Parts load when they are first used.
local ccsand = { version = "0.1.0" }

local parts = { container = true, image = true, sys = true, cgroup = true, seccomp = true, policy = true, learn = true, loop = true, test = true }

-- Calls f and returns its results, or nil and the error value that it raised.
function ccsand.try(f, ...)
  local function finish(good, ...)
    if good then return ... end
    return nil, (...)
  end
  return finish(pcall(f, ...))
end

return setmetatable(ccsand, {
  __index = function(self, name)
    if not parts[name] then return nil end
    local part = require("ccsand." .. name)
    if name == "container" then part = part.new end
    rawset(self, name, part)
    return part
  end,
})
