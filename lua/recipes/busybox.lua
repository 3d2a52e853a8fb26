-- The smallest container: this machine's own static busybox, nothing downloaded.
--   ccsand recipes/busybox.lua
--   ccsand recipes/busybox.lua -- ls -l /
local ccsand = require "ccsand"

return ccsand.container {
  image = "busybox:host",
  hostname = "busybox",
  terminal = "auto",
  limits = { memory = "64M", pids = 64 },
  command = #arg > 0 and arg or { "/bin/sh" },
}
