-- Builds in a directory of the host, with the host's tools, and out of reach of all else: no
-- network, no other files to write, nothing else to execute.
--   ccsand recipes/build.lua [--directory=PATH] [-- COMMAND...]
--   ccsand recipes/build.lua --directory=/srv/project -- make -j2
-- Without a command it compiles and runs a program where there is a compiler, else a script.
local ccsand = require "ccsand"
local policy = require "ccsand.policy"

local directory, command = os.getenv "PWD" or "/", {}
for _, word in ipairs(arg) do
  local value = #command == 0 and word:match "^%-%-directory=(/.*)$"
  if value then directory = value
  elseif #command > 0 or word ~= "--" then command[#command + 1] = word end
end

local demonstration = [[
d=$(mktemp -d ./build.XXXXXX) && cd "$d" || exit 1
if command -v cc >/dev/null; then
  printf '#include <stdio.h>\nint main(void) { puts("built and run"); return 0; }\n' >program.c && cc -O2 -o program program.c
else
  printf '#!/bin/sh\necho built and run\n' >program && chmod +x program
fi && ./program
status=$?
cd .. && rm -r "$d"
exit $status]]

local box = ccsand.container {
  root = { host_view = true },
  mounts = {
    { source = directory, target = "/work", writable = true, id_mapped = true },
    { type = "tmpfs", target = "/tmp", options = { mode = "1777" }, flags = { "nosuid", "nodev" } },
  },
  hostname = "build",
  cwd = "/work",
  terminal = "auto",
  limits = { memory = "2G", pids = 256 },
  command = #command > 0 and command or { "/bin/sh", "-c", demonstration },
}
return box:with(policy.build { directory = "/work" })
