-- Tests of a server: it is started once for all of them, asked, frozen, and killed.
--   ccsand test docs/examples/server_test.lua
local test = require "ccsand.test"
local image = os.getenv "IMAGE" or "alpine:3.20"

local function server(scope)
  local running = scope.start({ image = image, init = true, user_namespace = false, limits = { memory = "64M", pids = 32 } },
    { "sh", "-c", "while :; do nc -l -p 7000 -e tr a-z A-Z; done" })
  running:wait_for { port = 7000, within = "5s" }
  return running
end
local function ask(running, text, timeout)
  return running:exec({ "nc", "-w", "2", "127.0.0.1", "7000" }, { stdin = text, timeout = timeout })
end

test.suite("an upper-case server", { setup_all = server }, function()
  test("answers", { each = { "one", "two words", ("long "):rep(1000) } }, function(t, text)
    local running = t.shared
    t.eventually(function() -- it takes one client at a time
      t.ended(ask(running, text), { status = 0, stdout = text:upper() })
      return true
    end, { within = "10s" })
  end)
end)

test("a client of a server that hangs gets nothing; when it goes on, another gets its answer", function(t)
  local running = server(t)
  local client = t.container { image = image, user_namespace = false, namespaces = { net = ("/proc/%d/ns/net"):format(running:pid()) } }
  local function request() return client:capture({ "nc", "127.0.0.1", "7000" }, { stdin = "hello", timeout = "500ms" }) end
  running:freeze()
  t.ended(request(), { reason = "timeout", stdout = "" })
  running:thaw()
  t.eventually(function() return request().stdout == "HELLO" end, { within = "10s" })
end)

test("a server that dies is seen to be dead", function(t)
  local running = server(t)
  running:kill "KILL"
  t.ended(running:wait "5s", { signal = "KILL", reason = "signalled" })
  t.raises(function() ask(running, "anybody there?") end)
end)
