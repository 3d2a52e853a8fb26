-- A program that is not to reach anybody: the default profile without sockets but unix ones, in
-- a network of its own. Files, processes and threads are as in any container.
--   ccsand recipes/no-network.lua
--   ccsand recipes/no-network.lua -- wget http://example.org/
local ccsand = require "ccsand"
local policy = require "ccsand.policy"

local demonstration = "ls / | sort | tail -n 1; wget -q -O - http://127.0.0.1/ || echo 'no network'"
local box = ccsand.container {
  image = "busybox:host",
  hostname = "alone",
  terminal = "auto",
  limits = { memory = "256M", pids = 64 },
  command = #arg > 0 and arg or { "/bin/sh", "-c", demonstration },
}
return box:with(policy.no_network())
