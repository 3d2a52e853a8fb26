-- What a program does when system calls fail, the disk is full or memory runs out.
--   ccsand test docs/examples/faults_test.lua
local test = require "ccsand.test"
local image = os.getenv "IMAGE" or "alpine:3.20"

-- The program under test: it has to write a file whole, or leave the old one alone.
local save = [[ echo new >/data/file.tmp && mv /data/file.tmp /data/file || { rm -f /data/file.tmp; exit 1; } ]]

local function attempt(t, more)
  local spec = { image = image, mounts = { { type = "tmpfs", target = "/data", options = { size = "64k" } } } }
  for key, value in pairs(more) do spec[key] = value end
  return t.container(spec):capture { "sh", "-c", "echo old >/data/file; (" .. save .. "); echo saved $?; cat /data/file" }
end

test("without a fault it saves", function(t)
  t.ended(attempt(t, {}), { status = 0, stdout = "saved 0\nnew\n" })
end)

test("a rename that fails leaves the old file", { each = { "EIO", "ENOSPC", "EACCES" } }, function(t, errno)
  local result = attempt(t, { faults = { rename = errno, renameat = errno, renameat2 = errno } })
  t.ended(result, { status = 0, stdout = "saved 1\nold\n" })
end)

test("a full disk is told, and leaves the old file", function(t)
  local box = t.container { image = image, mounts = { { type = "tmpfs", target = "/data", options = { size = "64k" } } } }
  local result = box:capture { "sh", "-c",
    "echo old >/data/file; dd if=/dev/zero of=/data/rest bs=1k 2>/dev/null; (" .. save .. ") 2>&1; echo saved $?; cat /data/file" }
  t.match(result.stdout, "No space left")
  t.match(result.stdout, "saved 1\nold\n$")
end)

test("what needs more memory than it may have is ended, and the result says so", function(t)
  local box = t.container { image = image, limits = { memory = "16M", swap = 0 } }
  t.ended(box:capture { "sh", "-c", "exec tail /dev/zero" }, { reason = "oom", status = 137 })
end)
