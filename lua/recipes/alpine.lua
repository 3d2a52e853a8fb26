-- Alpine Linux with a shell, or with the command that is given after the recipe:
--   ccsand recipes/alpine.lua
--   ccsand recipes/alpine.lua -- /bin/sh -c 'hostname; id; ps'
local ccsand = require "ccsand"

return ccsand.container {
  image = "alpine:3.20",
  image_fallback = "busybox:host",
  hostname = "alpine",
  terminal = "auto",
  limits = { memory = "256M", pids = 128, cpus = 1 },
  command = #arg > 0 and arg or { "/bin/sh", "-l" },
}
