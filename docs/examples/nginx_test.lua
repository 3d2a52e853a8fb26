-- Tests of a real nginx, this machine's own (Debian: nginx-light), asked by a client in another container.
--   ccsand test docs/examples/nginx_test.lua
local test = require "ccsand.test"
local network = require "ccsand.network"
local image = os.getenv "IMAGE" or "alpine:3.20"

local program = "/usr/sbin/nginx"
local missing = not io.open(program) and program .. " is not installed" or nil

local configuration = [[
daemon off;
user root;
worker_processes 4;
pid /srv/nginx.pid;
error_log stderr notice;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path /srv/body;
  client_body_buffer_size 1k;
  client_max_body_size 0;
  proxy_temp_path /srv/proxy; fastcgi_temp_path /srv/fastcgi; uwsgi_temp_path /srv/uwsgi; scgi_temp_path /srv/scgi;
  server {
    listen 80;
    root /srv;
    location /upload { proxy_pass http://127.0.0.1/sink; }
    location /in_memory { client_body_buffer_size 64m; proxy_pass http://127.0.0.1/sink; }
    location /sink { return 204; }
  }
}
]]

-- A running nginx over a view of this machine's files. What it writes, and its configuration, is in a tmpfs of its own.
-- With it: a function that runs a shell script in a container on the other end of the wire, and one that asks for a page.
local function start(t, more)
  local wire = network.pair()
  local spec = {
    root = { host_view = true },
    hostname = "web", network = wire,
    mounts = { { type = "tmpfs", target = "/srv", options = { size = "256k", mode = "755" } } },
    limits = { memory = "64M", swap = 0, pids = 16 },
    before_exec = function()
      for name, text in pairs { ["nginx.conf"] = configuration, ["page.html"] = "It works.\n" } do
        local file = assert(io.open("/srv/" .. name, "w"))
        assert(file:write(text) and file:close())
      end
    end,
  }
  for key, value in pairs(more or {}) do spec[key] = value end
  local server = t.start(spec, { program, "-e", "stderr", "-c", "/srv/nginx.conf" })
  server:wait_for { port = 80, within = "10s" }
  local box = t.container { image = image, network = wire, timeout = "10s" }
  local function client(script, options) return box:capture({ "sh", "-c", script }, options) end
  local function get(path, options) return client("wget -q -O - http://web" .. (path or "/page.html"), options) end
  return server, get, client
end
local served = { status = 0, stdout = "It works.\n" }
local function kill_workers(server) return server:exec { "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)" } end

test.suite("nginx", { skip = missing }, function()
  test("serves a page, and says what there is not", function(t)
    local _, get = start(t)
    t.ended(get(), served)
    t.match(get("/nothing").stderr, "404 Not Found")
  end)

  test("a file that cannot be opened is an error once, and no longer", { each = { EACCES = "403 Forbidden", EIO = "500 Internal", EMFILE = "500 Internal" } },
    function(t, answer)
      local errno = t.name:match "%[(%u+)%]"
      local server, get = start(t, { faults = { openat = { errno .. " on 1st", path = "/srv/page.html" } } })
      t.match(get().stderr, answer)
      server:wait_for { line = 'open() "/srv/page.html" failed' }
      t.ended(get(), served)
    end)

  test("uploads to a full disk fail, and pages are served as before", function(t)
    local server, get, client = start(t)
    local upload = "wget -q -O - --post-data=$(head -c 9999 /dev/zero | tr '\\0' x) http://web/upload"
    t.ended(client(upload))
    t.match(server:exec({ "dd", "if=/dev/zero", "of=/srv/rest" }).stderr, "No space left")
    t.match(client(upload).stderr, "500 Internal")
    server:wait_for { line = "No space left on device" }
    t.ended(get(), served)
  end)

  test("more workers than it may have processes", function(t)
    local server, get = start(t, { limits = { pids = 3 } })
    server:wait_for { line = "fork() failed while spawning" }
    t.ended(get(), served)
  end)

  test("a worker that takes more memory than there is, is ended and replaced", function(t)
    local server, get, client = start(t, { limits = { memory = "24M", swap = 0, pids = 16 } })
    client "{ printf 'POST /in_memory HTTP/1.0\\r\\nContent-Length: 40000000\\r\\n\\r\\n'; head -c 40000000 /dev/zero; } | nc web 80"
    server:wait_for { line = "exited on signal 9" }
    t.eventually(function() return t.ended(get(), served) end)
    t.is_true(server:stats().oom_kills > 0)
  end)

  test("workers that are killed are replaced", function(t)
    local server, get = start(t)
    t.ended(kill_workers(server))
    server:wait_for { line = "exited on signal 9" }
    t.eventually(function() return t.ended(get(), served) end)
  end)

  test("a client of a frozen server waits; after the thaw it is served", function(t)
    local server, get = start(t)
    server:freeze()
    t.ended(get(nil, { timeout = "300ms" }), { reason = "timeout", stdout = "" })
    server:thaw()
    t.ended(get(), served)
  end)

  test("a client whose cable is pulled gives up; with the cable back it is served", function(t)
    local server, get = start(t)
    network.cut(server)
    t.ended(get(nil, { timeout = "300ms" }), { reason = "timeout", stdout = "" })
    network.heal(server)
    t.ended(get(), served)
  end)

  test("QUIT lets it end by itself", function(t)
    local server = start(t)
    server:kill "QUIT"
    t.ended(server:wait "10s", { status = 0 })
  end)
end)
