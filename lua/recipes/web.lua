-- A web server in one container, a client in another that finds it by its name, and the same page by a
-- published port of this host.
--
--   ccsand recipes/web.lua          asks both ways, prints what came
--   ccsand recipes/web.lua serve    serves http://127.0.0.1:8080/ until Ctrl-C
local ccsand = require "ccsand"

local server = ccsand.container {
  image = "busybox:host",
  hostname = "web",
  network = "nat",
  ports = { "127.0.0.1:8080:80" },
  egress = { default = "drop" },  -- it answers, and asks nobody
  limits = { memory = "64M", pids = 64 },
  command = { "/bin/sh", "-c", [[
    mkdir /tmp/www && echo "Hello from $(hostname)." > /tmp/www/index.html
    exec httpd -f -p 80 -h /tmp/www
  ]] },
}
if arg[1] == "serve" then return server end

-- HTTP by hand, for whatever the image lacks: the page is what follows the empty line.
local function get(host, port)
  return { "/bin/sh", "-c", ("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 %s %d | sed '1,/^\r*$/d'"):format(host, port) }
end
local client = ccsand.container { image = "busybox:host", hostname = "client", network = "nat", command = get("web", 80) }

local web = server:start()
web:wait_for { port = 80, within = "10s" }
local by_name = client:capture()
local by_port = client:with { network = "host" }:capture(get("127.0.0.1", 8080))
web:kill()
local ended = web:wait()

io.write("by its name:           ", by_name.stdout, by_name.stderr)
io.write("by the published port: ", by_port.stdout, by_port.stderr)
for _, count in ipairs(ended.egress) do io.write(("%s: %d packets\n"):format(count.rule, count.packets)) end
return by_name.stdout == "Hello from web.\n" and by_port.stdout == by_name.stdout and 0 or 1
