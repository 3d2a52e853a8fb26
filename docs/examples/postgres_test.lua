-- Tests of a real PostgreSQL, this machine's own (Debian: postgresql): what it has committed stays, whatever happens to it.
--   ccsand test docs/examples/postgres_test.lua
local test = require "ccsand.test"
local network = require "ccsand.network"

local programs
for version = 13, 30 do -- the newest one
  local folder = ("/usr/lib/postgresql/%d/bin/"):format(version)
  if io.open(folder .. "initdb") then programs = folder end
end
local missing = not programs and "PostgreSQL is not installed in /usr/lib/postgresql" or nil

-- A new database that is started again whenever it ends; its data is in a tmpfs, its owner the user nobody. With it: a function for
-- SQL from another container.
local function start(t, more)
  local wire = network.pair()
  local spec = {
    root = { host_view = true },
    hostname = "database", network = wire, user = "nobody",
    mounts = { { type = "tmpfs", target = "/srv", options = { size = "128m", mode = "1777" } } },
    limits = { memory = "256M", swap = 0, pids = 64 },
    env = { PGDATA = "/srv/data", PATH = programs .. ":/usr/bin:/bin" },
  }
  for key, value in pairs(more or {}) do spec[key] = value end
  local server = t.start(spec, { "sh", "-c", [[
    initdb --no-sync --no-locale --auth=trust --username=postgres >/dev/null || exit
    echo 'host all all samenet trust' >>/srv/data/pg_hba.conf
    while :; do postgres -c listen_addresses='*' -c unix_socket_directories=/tmp -c shared_buffers=8MB; echo "ended: $?"; done]] })
  server:wait_for { line = "ready to accept connections", within = "30s" }
  local client = t.container { root = { host_view = true }, network = wire, user = "nobody" }
  local function sql(statement)
    return client:capture({ programs .. "psql", "--no-psqlrc", "-h", "database", "-U", "postgres", "-At", "-c", statement }, { timeout = "20s" })
  end
  t.ended(sql "CREATE TABLE kept (number int); INSERT INTO kept SELECT generate_series(1, 100)")
  return server, sql
end
-- It is back, and has what was committed.
local function is_whole(t, sql, count)
  t.eventually(function() return t.ended(sql "SELECT count(*) FROM kept WHERE number > 0", { status = 0, stdout = (count or 100) .. "\n" }) end, { within = "20s" })
end

test.suite("PostgreSQL", { skip = missing }, function()
  test("answers another container, and its own by a socket", function(t)
    local server, sql = start(t)
    t.ended(sql "SELECT sum(number) FROM kept", { status = 0, stdout = "5050\n" })
    t.ended(server:exec { "psql", "-h", "/tmp", "-U", "postgres", "-At", "-c", "SELECT 6 * 7" }, { status = 0, stdout = "42\n" })
  end)

  test("all of it killed: the log is replayed, and what was committed is there", function(t)
    local server, sql = start(t)
    t.ended(sql "INSERT INTO kept SELECT generate_series(101, 1000)")
    t.ended(server:exec { "sh", "-c", "kill -9 -1" })
    server:wait_for { line = "redo done", within = "20s" }
    is_whole(t, sql, 1000)
  end)

  test("a log that cannot be flushed is a panic, and nothing is acknowledged", function(t)
    local broken = false
    local function flush() return broken and "EIO" or nil end
    local server, sql = start(t, { faults = { fsync = flush, fdatasync = flush } })
    broken = true
    -- Whether this row is there afterwards nobody can say; that is why it is not acknowledged.
    t.match(t.ended(sql "INSERT INTO kept VALUES (0)", { status = 2 }).stderr, "PANIC:  could not fdatasync")
    broken = false
    server:wait_for { line = "was terminated by signal 6" }
    is_whole(t, sql)
  end)

  test("a statement that takes more memory than there is, is ended alone", function(t)
    local server, sql = start(t)
    t.match(t.ended(sql "SELECT length(string_agg(repeat('x', 1000000), '')) FROM generate_series(1, 900)", { status = 2 }).stderr, "server closed the connection")
    server:wait_for { line = "was terminated by signal 9" }
    t.is_true(server:stats().oom_kills > 0)
    is_whole(t, sql)
  end)

  test("a statement that fills the disk fails alone", function(t)
    local _, sql = start(t)
    t.match(t.ended(sql "SELECT count(*) FROM generate_series(1, 1000000000)", { status = 1 }).stderr, "No space left on device")
    is_whole(t, sql)
  end)

  test("with half of a CPU a statement that takes all of it is held back, and its time limit ends it", function(t)
    local server, sql = start(t, { limits = { cpus = 0.5 } })
    local before = server:stats().cpu
    local result = t.ended(sql "SET statement_timeout = '1s'; DO 'BEGIN LOOP END LOOP; END'", { status = 1 })
    t.match(result.stderr, "statement timeout")
    t.is_true(server:stats().cpu - before < 0.75 * result.wall, "seconds of a CPU")
    is_whole(t, sql)
  end)
end)
