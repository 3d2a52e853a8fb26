-- A program that only computes: what comes in on standard input, what goes out on standard
-- output, and no file, no network, no second process.
--   ccsand recipes/strict.lua
--   ccsand recipes/strict.lua -- sha256sum <FILE
-- It has to be a static program, as this image's busybox is: see docs/policies.md.
local ccsand = require "ccsand"
local policy = require "ccsand.policy"

local box = ccsand.container {
  image = "busybox:host",
  root = { access = "read_only" },
  limits = { memory = "64M", pids = 1, cpus = 1 },
  timeout = "60s",
  command = #arg > 0 and arg or { "awk", "BEGIN { for (i = 1; i <= 100; i++) sum += i; print sum }" },
}
return box:with(policy.strict())
