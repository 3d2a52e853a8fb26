-- Whole policies that ship: tables for box:with { ... } of what holds a program together
-- from several sides. Each takes the place of the recipe's keys of the same names.
local core = require "ccsand.core"
local options_of = require "ccsand.options"

local policy = {}
local function fail(message, hint) error(core.error(message, hint)) end

local kinds = { directory = "string", directories = "table", tools = "table", ports = "table", connect = "table", files = "table",
                udp = "boolean", least_abi = "number" }
local function checked(given, name, ...)
  given = options_of.check(given, "policy." .. name, { ... })
  for key, value in pairs(given) do
    if type(value) ~= kinds[key] then fail(("policy.%s: '%s' is a %s, got %s"):format(name, key, kinds[key], type(value))) end
  end
  return given
end

--- Compute only, for a static program: see "strict" in docs/policies.md. Not with `init = true`: the command
--- would be the second execution.
function policy.strict(options)
  checked(options, "strict")
  return { seccomp = "strict", capabilities = "none", network = "none", init = false }
end

--- The default profile, without a network and without calls for one.
function policy.no_network(options)
  checked(options, "no_network")
  return { seccomp = "no-network", network = "none" }
end

-- What programs take for granted.
local function devices(paths)
  for _, name in ipairs { "null", "zero", "full" } do paths["/dev/" .. name] = { "read_file", "write_file" } end
  for _, name in ipairs { "random", "urandom" } do paths["/dev/" .. name] = { "read_file" } end
  return paths
end

local usual_tools = { "/bin", "/lib", "/lib32", "/lib64", "/opt", "/sbin", "/usr" }

--- A compiler in a directory. Options: directory (default "/work") or directories: where it reads, writes and
--- executes what it made; tools: what it reads and executes (default: /usr, /bin, /lib and the like, what there is
--- of them). It writes to /tmp, too, and reads /etc and /proc. least_abi: as for landlock.
function policy.build(options)
  options = checked(options, "build", "directory", "directories", "tools", "least_abi")
  local paths = devices { ["/etc"] = { "read", optional = true }, ["/proc"] = { "read", optional = true }, ["/tmp"] = { "read", "write", optional = true } }
  for _, path in ipairs(options.tools or usual_tools) do
    paths[path] = { "read", "execute", optional = options.tools == nil or nil }
  end
  for _, path in ipairs(options.directories or { options.directory or "/work" }) do paths[path] = { "read", "write", "execute" } end
  return {
    seccomp = "build", network = "none",
    capabilities = { "chown", "dac_override", "fowner", "fsetid" }, -- root installs into the directory
    landlock = { paths = paths, least_abi = options.least_abi },
  }
end

local function port_list(list, key)
  for _, port in ipairs(list) do
    if type(port) ~= "number" or port < 0 or port > 65535 or port ~= math.floor(port) then
      fail(("policy.server: '%s' lists ports, 0 to 65535, got %s"):format(key, tostring(port)))
    end
  end
  return list
end

--- A server on TCP ports. Options: ports; connect: ports it connects to (default none); files: what it may do with
--- files, a table as for landlock (default: no rules on files); udp: whether it uses UDP, for which there are no
--- rules on ports. The network is the recipe's to choose.
function policy.server(options)
  options = checked(options, "server", "ports", "connect", "files", "udp", "least_abi")
  if not options.ports or #options.ports == 0 then fail "policy.server: 'ports' is missing, such as { 80, 443 }" end
  local seccomp = require "ccsand.seccomp"
  local calls = seccomp.named "server"
  if options.udp then
    calls = calls:allow { socket = "domain in { AF_INET, AF_INET6 } and type & 15 == SOCK_DGRAM and protocol in { IPPROTO_IP, IPPROTO_UDP }" }
  end
  local landlock = {}
  for key, value in pairs(options.files or {}) do landlock[key] = value end
  landlock.bind, landlock.connect = port_list(options.ports, "ports"), port_list(options.connect or {}, "connect")
  landlock.least_abi = options.least_abi
  local capabilities = { "setgid", "setuid" } -- to become another user once it listens
  for _, port in ipairs(options.ports) do
    if port < 1024 and capabilities[3] == nil then capabilities[3] = "net_bind_service" end
  end
  return { seccomp = calls, capabilities = capabilities, landlock = landlock }
end

return policy
