-- Options of functions, read as strictly as containers.
local core = require "ccsand.core"

local options = {}

--- `given`, a table or nil, if it has no keys but those in `names`; else an error that begins with `where`.
function options.check(given, where, names)
  if given == nil then return {} end
  if type(given) ~= "table" then error(core.error(where .. ": options are a table, got " .. type(given))) end
  for key in pairs(given) do
    local known = false
    for _, name in ipairs(names) do known = known or name == key end
    if not known then
      local near = core.nearest(tostring(key), names)
      error(core.error(("%s: '%s' is not an option%s"):format(where, tostring(key), near and "; did you mean '" .. near .. "'?" or ""),
        #names > 0 and "it takes " .. table.concat(names, ", ") or nil))
    end
  end
  return given
end

return options
