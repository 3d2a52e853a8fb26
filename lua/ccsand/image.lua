-- Images by name: a store of read-only roots. An image is looked for in the store,
-- then as a file in CCSAND_IMAGE_PATH, then at its download address.
local core = require "ccsand.core"
local store = require "ccsand.store"

local image = {}

-- What is known by name: where it comes from, and the sum that it must have.
image.catalogue = {
  ["alpine:3.20"] = {
    file = "alpine-minirootfs-3.20.3-x86_64.tar.gz",
    url = "https://dl-cdn.alpinelinux.org/alpine/v3.20/releases/x86_64/alpine-minirootfs-3.20.3-x86_64.tar.gz",
    sha256 = "d4e6fd67dcf75e40c451560ac7265166c2b72a0f38ddc9aae756a7de3d1efa0c",
    most = 64 * 1024 * 1024,
  },
}

-- What is built from this machine.
image.builders = {
  ["busybox:host"] = function(root) return require("ccsand.image.busybox").build(root) end,
}

local function exists(path)
  local file = type(path) == "string" and io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- A sandbox for the program that reads what strangers made: a view of the host to
-- read its libraries, a user namespace, nothing to write but what is lent to it.
local function sandbox(more)
  local spec = {
    root = { host_view = true },
    sys = false,
    hostname = "image",
    capabilities = "none",
    mounts = { { source = store.tool(), target = "/run/ccsand-image" } },
    rlimits = { core = 0, nofile = 256 },
    timeout = "30m",
  }
  for k, v in pairs(more) do
    if k == "mounts" then
      for _, mount in ipairs(v) do spec.mounts[#spec.mounts + 1] = mount end
    else
      spec[k] = v
    end
  end
  return require("ccsand.container").new(spec)
end

local function reason_of(result)
  local text = result.stderr:match "^ccsand%-image: (.*%S)" or result.stderr:match "^.*%S"
  if text then return text end
  return ("ccsand-image ended with status %d (%s)"):format(result.status, result.reason)
end

local function unpack_into(directory, file, sha256)
  local command = { "/run/ccsand-image", "unpack", "--into", "/run/image" }
  if sha256 then
    command[#command + 1] = "--sha256"
    command[#command + 1] = sha256
  end
  local box = sandbox {
    capabilities = { "chown", "dac_override", "fowner", "fsetid", "setfcap" },
    mounts = { { source = directory .. "/root", target = "/run/image", writable = true, id_mapped = true } },
    command = command,
  }
  local result = box:capture(nil, { stdin_file = file })
  if result.status ~= 0 then error(core.error("image file '" .. file .. "': " .. reason_of(result))) end
end

local function download(known, target)
  local progress = core.is_terminal(2)
  local command = { "/run/ccsand-image", "fetch", "--url", known.url, "--max-bytes", tostring(known.most) }
  if progress then command[#command + 1] = "--progress" end
  local box = sandbox {
    network = "host",
    mounts = { { source = "/run/systemd/resolve", target = "/run/systemd/resolve", optional = true } },
    env = { https_proxy = os.getenv("https_proxy"), no_proxy = os.getenv("no_proxy") },
    command = command,
  }
  local result = box:capture(nil, { stdout_file = target, show_stderr = progress })
  if result.status ~= 0 then error(core.error(reason_of(result))) end
end

-- Makes an image with `fill(directory)` and puts it into the store whole, or not at all.
local function install(name, fill)
  local directory = store.begin()
  local good, problem = pcall(fill, directory)
  if not good then
    store.discard(directory)
    error(problem, 0)
  end
  store.commit(directory, name)
  return store.root(name)
end

local function find_file(name)
  for directory in (os.getenv("CCSAND_IMAGE_PATH") or ""):gmatch("[^:]+") do
    local path = directory .. "/" .. name
    if exists(path) then return path end
  end
end

local function provide(name)
  if image.builders[name] then
    return install(name, function(directory) image.builders[name](directory .. "/root") end)
  end
  local known = image.catalogue[name]
  if not known then
    error(core.error(("image '%s' is not in the store (%s), and no download is known by that name"):format(name, store.directory()),
      ("give it to the store with ccsand.image.import(%q, \"FILE.tar.gz\"), or name a directory as the root"):format(name)))
  end
  local file = find_file(known.file)
  if file then
    return install(name, function(directory) unpack_into(directory, file, known.sha256) end)
  end
  return install(name, function(directory)
    local archive = directory .. "/archive"
    local good, problem = pcall(download, known, archive)
    if not good then
      error(core.error(("image '%s' is not here, and cannot be fetched: %s"):format(name, problem.message or tostring(problem)),
        ("one of: let this machine reach %s; put the file %s into a directory that CCSAND_IMAGE_PATH names; or copy the image "
        .. "into the store %s from another machine"):format(known.url, known.file, store.directory())))
    end
    unpack_into(directory, archive, known.sha256)
    os.remove(archive)
  end)
end

--- The root directory that an image has in the store, whether or not it is there.
function image.path(name) return store.root(name) end

--- The root directory of an image, which is provided where the store lacks it.
function image.get(name, options)
  if store.has(name) then return store.root(name) end
  local good, result = pcall(provide, name)
  if good then return result end
  local fallback = options and options.fallback
  if not fallback then error(result, 0) end
  local why = type(result) == "table" and result.message or tostring(result)
  io.stderr:write(("ccsand: %s; using %s instead\n"):format(why, fallback))
  return image.get(fallback)
end

--- Puts a tar archive into the store under a name. With `options.sha256` the file must have that sum.
function image.import(name, file, options)
  store.root(name)
  if not exists(file) then error(core.error("image file '" .. tostring(file) .. "' cannot be read")) end
  return install(name, function(directory) unpack_into(directory, file, options and options.sha256) end)
end

--- Makes an image with a function that fills its root directory.
function image.build(name, fill)
  if store.has(name) then return store.root(name) end
  return install(name, function(directory) fill(directory .. "/root", directory) end)
end

function image.has(name) return store.has(name) end
function image.remove(name) return store.remove(name) end

return image
