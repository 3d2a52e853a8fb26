-- Tests of a real redis, this machine's own (Debian: redis-server): it runs out of memory and disk, loses its cable, is killed.
--   ccsand test docs/examples/redis_test.lua
local test = require "ccsand.test"
local network = require "ccsand.network"

local program = "/usr/bin/redis-server"
local missing = not io.open(program) and program .. " is not installed" or nil

-- A running redis with these words on its command line, that is started again whenever it ends; its data is in a tmpfs. With it:
-- a function for commands from another container, and such a container.
local function start(t, words, more)
  local wire = network.pair()
  local spec = {
    root = { host_view = true },
    hostname = "cache", network = wire,
    mounts = { { type = "tmpfs", target = "/srv", options = { size = "8m", mode = "755" } } },
    limits = { memory = "128M", swap = 0, pids = 32 },
  }
  for key, value in pairs(more or {}) do spec[key] = value end
  local command = program .. " --bind '*' -::* --protected-mode no --dir /srv --pidfile /srv/pid --save '' " .. (words or "")
  local server = t.start(spec, { "sh", "-c", "while :; do " .. command .. "; echo ended: $?; done" })
  server:wait_for { line = "Ready to accept connections", within = "10s" }
  local client = t.container { root = { host_view = true }, network = wire }
  local function ask(...) return client:capture({ "redis-cli", "-h", "cache", ... }, { timeout = "10s" }).stdout end
  return server, ask, client
end

test.suite("redis", { skip = missing }, function()
  test("keeps what another container gives it", function(t)
    local _, ask = start(t)
    t.equal(ask("SET", "key", "value"), "OK\n")
    t.equal(ask("GET", "key"), "value\n")
  end)

  test("with its memory full it refuses to write, and answers", function(t)
    local _, ask = start(t, "--maxmemory 3mb --maxmemory-policy noeviction")
    t.equal(ask("SET", "key", "value"), "OK\n")
    ask("EVAL", "for i = 1, 5000 do redis.call('SET', 'k' .. i, string.rep('x', 1024)) end", "0") -- it looks before, not meanwhile
    t.match(ask("SET", "key", "other"), "^OOM command not allowed")
    t.equal(ask("GET", "key"), "value\n")
  end)

  test("what takes more memory than the container has is ended, and the next one starts empty", function(t)
    local server, ask = start(t, nil, { limits = { memory = "48M", swap = 0 } })
    t.equal(ask("SET", "key", "value"), "OK\n")
    ask("EVAL", "for i = 1, 100 do redis.call('SET', 'k' .. i, string.rep('x', 1024 * 1024)) end", "0")
    server:wait_for { line = "ended: 137" }
    t.is_true(server:stats().oom_kills > 0)
    t.eventually(function() return ask("EXISTS", "key") == "0\n" end)
  end)

  test("a disk that is full: the dump before stays, and the next one works", function(t)
    local server, ask = start(t)
    ask("SET", "key", "old")
    t.equal(ask "SAVE", "OK\n")
    ask("SET", "key", "new")
    t.match(server:exec({ "dd", "if=/dev/zero", "of=/srv/rest", "bs=64k" }).stderr, "No space left")
    t.match(ask "SAVE", "^ERR")
    server:wait_for { line = "No space left on device" }
    t.equal(ask("GET", "key"), "new\n")
    t.contains(server:copy_out "/srv/dump.rdb", "old")
    server:exec { "rm", "/srv/rest" }
    t.equal(ask "SAVE", "OK\n")
    t.contains(server:copy_out "/srv/dump.rdb", "new")
  end)

  test("what could not be written to the disk is not acknowledged", function(t)
    local broken = false
    local server, ask = start(t, "--appendonly yes --appendfsync always", {
      faults = { fdatasync = function() return broken and "EIO" or nil end },
    })
    t.equal(ask("SET", "key", "value"), "OK\n")
    broken = true
    t.no_match(ask("SET", "key", "lost"), "OK")
    server:wait_for { line = "Can't persist AOF for fsync error" }
    broken = false
    t.eventually(function() return ask("SET", "other", "value") == "OK\n" end)
  end)

  test("what it has acknowledged is there after kill -9", function(t)
    local server, ask = start(t, "--appendonly yes --appendfsync always")
    for i = 1, 20 do t.equal(ask("SET", "key" .. i, "value"), "OK\n") end
    t.ended(server:exec { "sh", "-c", "kill -9 $(cat /srv/pid)" })
    server:wait_for { line = "ended: 137" }
    t.eventually(function() return ask "DBSIZE" == "20\n" end)
  end)

  test("a request that is on its way when the cable is cut is answered when it is whole again", function(t)
    local server, _, client = start(t)
    local session = t.start(client, { "redis-cli", "-h", "cache" }, { interactive = true })
    session:write "SET key value\n"
    session:expect "OK"
    network.cut(server, session)
    session:write "GET key\n"
    t.raises(function() session:expect("value", { within = "300ms" }) end, { code = "ETIMEDOUT" })
    network.heal(server, session)
    session:expect "value"
  end)
end)
