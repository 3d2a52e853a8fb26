-- A container without a recipe of one's own:
--   ccsand run [--name NAME] IMAGE [COMMAND...]
--   ccsand run alpine:3.20 cat /etc/os-release
-- IMAGE is the name of an image, or the path of a root directory.
local ccsand = require "ccsand"

local words, name = { unpack(arg) }, nil
if words[1] == "--name" then
  name = words[2]
  words = { unpack(words, 3) }
end
local image = words[1]
if not image or image == "--help" or image == "-h" then
  io.stderr:write("usage: ccsand run [--name NAME] IMAGE [COMMAND...]\n")
  return image and 0 or 125
end
local command = { unpack(words, 2) }
if command[1] == "--" then table.remove(command, 1) end
local is_path = image:find("/", 1, true)

return ccsand.container {
  name = name,
  image = not is_path and image or nil,
  root = is_path and { path = image:sub(1, 1) == "/" and image or os.getenv("PWD") .. "/" .. image } or nil,
  hostname = image:match("([%w-]+)[^/]*$"),
  terminal = "auto",
  init = true,
  limits = { memory = "1G", pids = 1024 },
  command = #command > 0 and command or { "/bin/sh" },
}
