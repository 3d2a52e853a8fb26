-- A container made by hand: every step that ccsand.container plans for you, as one call
-- of a kernel primitive. Read it from the top; it is a tutorial.
--
--   ccsand recipes/handmade.lua
--   ccsand recipes/handmade.lua -- /bin/sh -c 'id; hostname; ps; mount'
local cgroup = require "ccsand.cgroup"
local image = require "ccsand.image"
local sys = require "ccsand.sys"

local command = #arg > 0 and arg or { "/bin/sh" }

-- 1. The files. An image is a read-only directory tree. open_tree makes a copy of the mount
--    that it lies on, shown nowhere as yet: a descriptor is all there is of it. The child
--    below inherits the descriptor, so no path of the host has to mean anything in there.
local lower = sys.open_tree { path = image.get("alpine:3.20", { fallback = "busybox:host" }) }
sys.mount_setattr { tree = lower, set = { "nodev" }, propagation = "private" }

-- 2. What it may use. A control group bounds memory, processes and CPU time.
local group = cgroup.create { memory = "256M", pids = 128, cpus = 1 }

-- What the command keeps of root's powers within its namespaces.
local capabilities = {
  "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service", "sys_chroot",
}

-- 4. The child's part, from the clone to exec. (Number 3 is below.) What fails in here is
--    raised in the parent, by process:wait(), as if it had failed there.
local function assemble(parent)
  -- Until the parent has written the id maps, this process is nobody in its user namespace.
  parent:wait()
  sys.setgroups {}
  sys.setgid(0)
  sys.setuid(0)

  -- The cgroup namespace: from here on /proc/self/cgroup shows the group as "/".
  sys.unshare { "cgroup" }
  sys.setsid()
  sys.sethostname "handmade"
  sys.loopback_up()

  -- Nothing that is mounted here may spread to the host, and the other way round.
  sys.mount_set_propagation("/", "private", { recursive = true })

  -- A place to work: a tmpfs over the root, reached by its descriptor. It needs no
  -- directory of the host, and it disappears with the mount namespace.
  local scratch = sys.mount { type = "tmpfs", data = { mode = "0755", size = "64m" }, flags = { "nodev" }, detached = true }
  sys.move_mount { tree = scratch, target = "/" }
  sys.chdir(scratch)
  for _, name in ipairs { "lower", "upper", "work", "root" } do sys.mkdir(name, "0755") end

  -- The root: the image, and above it a layer that takes what is written.
  sys.move_mount { tree = lower, target = "lower" }
  sys.mount {
    type = "overlay", target = "root", flags = { "nodev" },
    data = { lowerdir = "lower", upperdir = "upper", workdir = "work", userxattr = true },
  }
  local root = sys.open("root", { "path", "directory" })

  -- Every path below is looked up with the image's root as its root: a link that the
  -- image brings cannot lead out of it.
  for _, name in ipairs { "proc", "sys", "dev", "tmp" } do sys.mkdir("/" .. name, "0755", { parents = true, root = root }) end
  sys.mount { type = "proc", target = "/proc", root = root, flags = { "nosuid", "nodev", "noexec" } }
  sys.mount { type = "sysfs", target = "/sys", root = root, flags = { "ro", "nosuid", "nodev", "noexec" } }
  sys.mount { type = "tmpfs", target = "/tmp", root = root, flags = { "nosuid", "nodev" }, data = { mode = "1777", size = "64m" } }

  -- Devices cannot be made in a user namespace (mknod is refused), but the host's can be
  -- bound onto empty files.
  sys.mount { type = "tmpfs", target = "/dev", root = root, flags = { "nosuid", "noexec" }, data = { mode = "0755", size = "64k" } }
  for _, name in ipairs { "null", "zero", "full", "random", "urandom", "tty" } do
    sys.open("/dev/" .. name, { "creat", "excl", "wronly", "nofollow" }, { mode = "0644", root = root }):close()
    sys.mount_bind { source = "/dev/" .. name, target = "/dev/" .. name, root = root }
  end
  sys.symlink("/proc/self/fd", "/dev/fd", { root = root })
  for number, name in pairs { [0] = "stdin", "stdout", "stderr" } do
    sys.symlink("/proc/self/fd/" .. number, "/dev/" .. name, { root = root })
  end
  -- /dev itself is complete; only the devices in it are written to.
  sys.mount_setattr { target = "/dev", root = root, set = { "ro" } }

  -- What in /proc changes the whole machine is to be read only.
  for _, name in ipairs { "bus", "fs", "irq", "sys", "sysrq-trigger" } do
    local path = "/proc/" .. name
    local there = pcall(sys.open, path, { "path" }, { root = root })
    if there then sys.mount_bind { source = path, target = path, root = root, recursive = true, flags = { "ro", "nosuid", "nodev", "noexec" } } end
  end

  -- The old root goes onto the new one's place, and is then taken away with all that is
  -- in it. pivot_root(".", ".") needs no directory for it: see pivot_root(2).
  sys.chdir(root)
  sys.pivot_root(".", ".")
  sys.umount(".", { "detach" })  -- the tmpfs of the set-up
  sys.umount(".", { "detach" })  -- the host
  sys.chdir "/"
  sys.umask "0022"

  -- Powers go last, because the steps above needed them; and what exec could give back
  -- is closed off by no_new_privs.
  sys.capset { bounding = capabilities, effective = capabilities, permitted = capabilities, inheritable = {}, ambient = {} }
  sys.no_new_privs()

  -- Whatever is open from 3 on closes at exec.
  sys.close_range(3)
  sys.exec(command, {
    path = true,
    env = { PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME = "/root", TERM = os.getenv "TERM" or "dumb" },
  })
end

-- 3. The clone. The child starts in its namespaces and in the group; if this process dies,
--    the kernel kills it.
local process = sys.clone({
  namespaces = { "mount", "pid", "net", "uts", "ipc", "user" },
  cgroup = group,
}, assemble)

--    Root in there is 100000 out here: a user without any rights. The image's files belong
--    to the host's root; the id-mapped mount shows them as the container's.
sys.write_uid_map(process, { { 0, 100000, 65536 } })
sys.write_gid_map(process, { { 0, 100000, 65536 } })
local user_namespace = sys.open_namespace(process, "user")
sys.mount_setattr { tree = lower, user_namespace = user_namespace }
user_namespace:close()
lower:close()
process:go()

-- 5. The end. Namespaces, mounts and the tmpfs go with the last process in them; the group
--    is the one thing that has to be removed.
local result = process:wait()
group:remove()
if result.signal then io.stderr:write("handmade: the command was ended by SIG", result.signal, "\n") end
return result.status
