-- Serves the files of a directory over HTTP, and can do little else: it listens on one port, connects
-- to none, and reads that directory and its own program.
--   ccsand recipes/server.lua [--port=N] [--directory=PATH] [-- COMMAND...]
--   ccsand recipes/server.lua --port=8080 --directory=/srv/www
-- The port is the host's. A command of one's own finds its number in PORT and the files in /srv.
local ccsand = require "ccsand"
local policy = require "ccsand.policy"

local port, directory, command = 8080, os.getenv "PWD" or "/", {}
for _, word in ipairs(arg) do
  local number, path = word:match "^%-%-port=(%d+)$", word:match "^%-%-directory=(/.*)$"
  if #command > 0 then command[#command + 1] = word
  elseif number then port = tonumber(number)
  elseif path then directory = path
  elseif word ~= "--" then command[1] = word end
end

local box = ccsand.container {
  image = "busybox:host",
  root = { access = "read_only" },
  mounts = { { source = directory, target = "/srv" } },
  network = "host",
  hostname = "server",
  env = { PORT = tostring(port) },
  limits = { memory = "128M", pids = 64 },
  command = #command > 0 and command or { "httpd", "-f", "-p", tostring(port), "-h", "/srv" },
}
return box:with(policy.server {
  ports = { port },
  files = { execute = { "/bin" }, paths = { ["/srv"] = { "read" }, ["/etc"] = { "read" }, ["/dev/null"] = { "read_file", "write_file" } } },
})
