-- Images by name: a store of read-only roots.
local image = {}
function image.path(name) return (os.getenv("CCSAND_STORE") or "/var/lib/ccsand") .. "/images/" .. name .. "/root" end
function image.get(name) return image.path(name) end
return image
