-- What floor does at level d, as a recipe: arg[1] is the root, then the command.
local ccsand = require "ccsand"

return ccsand.container {
  root = { path = arg[1], access = "read_write", id_mapped = false },
  user_namespace = false,
  namespaces = { cgroup = "host" },
  sys = false,
  dev = false,
  masked_paths = {},
  seccomp = "none",
  readonly_paths = {},
  capabilities = {
    "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
    "net_bind_service", "net_raw", "sys_chroot", "mknod", "audit_write", "setfcap",
  },
  hostname = "box",
  command = { unpack(arg, 2) },
}
