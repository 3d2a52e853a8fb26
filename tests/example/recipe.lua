-- Uses what the embedding program lends, and returns a container that is only checked.
local ccsand = require "ccsand"
assert(answer() == 42)

return ccsand.container {
  root = "/srv/root",
  hostname = "embedded",
  command = { "/bin/true" },
}
