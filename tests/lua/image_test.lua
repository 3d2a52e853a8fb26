-- Images: where they come from, what is refused, and that the store has whole ones only.
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local ccsand = require "ccsand"
local ffi = require "ffi"
local t = require "support"
t.begin()
local test, sh, out, equal, match, fails = t.test, t.sh, t.out, t.equal, t.match, t.fails
local image = ccsand.image
local store = os.getenv "CCSAND_STORE"

local function in_store()
  return table.concat(t.host_lines("cd '" .. store .. "' && ls -A images tmp"), " ")
end

test("a missing image names the three ways to provide it", function()
  if image.has "alpine:3.20" and t.image ~= "alpine:3.20" then t.skip "it is in the store" end
  local code = 'return require("ccsand").container { image = "alpine:3.20", command = { "true" } }'
  local text, status = t.run_recipe(code, ("https_proxy=http://127.0.0.1:1 CCSAND_IMAGE_PATH= CCSAND_STORE='%s/none'"):format(t.directory))
  equal(status, 125, text)
  match(text, "alpine:3%.20")
  match(text, "recipe.lua%-%d+:1: ")
  match(text, "https://dl%-cdn%.alpinelinux%.org/")
  match(text, "CCSAND_IMAGE_PATH")
  match(text, "into the store")
  equal(table.concat(t.host_lines(("ls -A '%s/none/images' '%s/none/tmp'"):format(t.directory, t.directory)), " "):match("alpine"), nil, "left in the store")
end)

test("a recipe may ask for a fallback, which is told in one line", function()
  if #t.host_lines("command -v busybox") == 0 then t.skip "no busybox here" end
  local code = 'return require("ccsand").container { image = "alpine:3.20", image_fallback = "busybox:host", command = { "/bin/sh", "-c", "echo ran" } }'
  local text, status = t.run_recipe(code, ("https_proxy=http://127.0.0.1:1 CCSAND_IMAGE_PATH= CCSAND_STORE='%s/none'"):format(t.directory))
  equal(status, 0, text)
  match(text, "^ccsand: [^\n]*busybox:host[^\n]*\nran\n$")
end)

test("an unknown image and a name that is none", function()
  fails(function() sh("true", { image = "no-such:image" }) end, "'no-such:image'", "hint")
  for _, name in ipairs { "../x", "a/b", "", ".", "..", "a:b:c", "-x", "a\nb", "a:../b" } do
    fails(function() image.get(name) end)
    fails(function() t.box { image = name } end)
  end
end)

test("the store's images are not for the host's users", function()
  local mode = t.host_lines(("stat -c %%a '%s' '%s/images'"):format(store, store))
  match(table.concat(mode, " "), "^7[05]0 7[05]0$")
end)

test("a damaged archive is refused and leaves nothing", function()
  local before = in_store()
  local good = t.mkdir("good", "755")
  t.write(good .. "/a", ("text\n"):rep(10000))
  local tar = t.directory .. "/good.tar.gz"
  os.execute(("tar -C '%s' -czf '%s' ."):format(good, tar))
  local data = t.read(tar)
  fails(function() image.import("bad:cut", t.file(data:sub(1, #data - 20))) end)
  fails(function() image.import("bad:changed", t.file(data:sub(1, 60) .. "XX" .. data:sub(63))) end)
  fails(function() image.import("bad:sum", tar, { sha256 = ("0"):rep(64) }) end, "SHA-256")
  fails(function() image.import("bad:empty", t.file("")) end)
  fails(function() image.import("bad:noise", t.file(("noise"):rep(1000))) end)
  fails(function() image.import("bad:none", "/nonexistent") end, "/nonexistent")
  equal(in_store(), before, "the store")
end)

test("a hostile archive is refused and leaves nothing", function()
  if #t.host_lines("command -v python3") == 0 then t.skip "no python3 to make one" end
  local before = in_store()
  local script = t.file([[
import tarfile, sys, io
kind, path = sys.argv[1:]
t = tarfile.open(path, "w")
def add(name, type=tarfile.REGTYPE, link="", data=b"x", **more):
    i = tarfile.TarInfo(name); i.type = type; i.linkname = link; i.size = len(data) if type == tarfile.REGTYPE else 0
    for k, v in more.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
if kind == "dotdot": add("../../escape")
if kind == "absolute": add("/tmp/ccsand-escape/x")
if kind == "through": add("d", tarfile.SYMTYPE, "/"); add("d/tmp/ccsand-escape")
if kind == "hardlink": add("h", tarfile.LNKTYPE, "../../../../../../etc/passwd")
if kind == "device": add("dev", tarfile.CHRTYPE, devmajor=1, devminor=1)
if kind == "huge":
    i = tarfile.TarInfo("huge"); i.size = 1 << 50; t.fileobj.write(i.tobuf(tarfile.GNU_FORMAT)); sys.exit()
t.close()]], "make.py")
  for _, kind in ipairs { "dotdot", "absolute", "through", "hardlink", "device", "huge" } do
    local path = t.directory .. "/hostile.tar"
    os.execute(("python3 '%s' %s '%s'"):format(script, kind, path))
    local good = pcall(image.import, "hostile:" .. kind, path)
    if kind ~= "through" then equal(good, false, kind) end  -- links are followed inside of the root
    if good then image.remove("hostile:" .. kind) end
  end
  equal(in_store(), before, "the store")
  equal(os.execute("test -e /tmp/ccsand-escape"), 256, "a file outside")
end)

test("an archive can be imported, used and removed", function()
  local tar = t.directory .. "/copy.tar"
  os.execute(("tar -C '%s' -cf '%s' ."):format(t.root, tar))
  image.import("copy:1", tar)
  assert(image.has "copy:1")
  equal(out("echo runs", { image = "copy:1" }), "runs")
  image.remove "copy:1"
  equal(image.has "copy:1", false)
  equal(in_store():find("copy", 1, true), nil, "its directory")
end)

test("a build that fails leaves nothing, and a name is taken once", function()
  local before = in_store()
  fails(function() image.build("built:1", function(root) t.write(root .. "/a", "x") error "no further" end) end, "no further")
  equal(in_store(), before, "the store")
  local times = 0
  for _ = 1, 2 do image.build("built:2", function(root) times = times + 1; t.write(root .. "/a", "x") end) end
  equal(times, 1)
  equal(t.read(image.path "built:2" .. "/a"), "x")
  image.remove "built:2"
end)

test("what a dead ccsand left in the store is swept", function()
  local left = store .. "/tmp/999999999-1-1"
  os.execute(("mkdir -p '%s/root/a' && echo x >'%s/root/a/b'"):format(left, left))
  image.build("sweep:1", function() end)
  image.remove "sweep:1"
  equal(os.execute(("test -e '%s'"):format(left)), 256, "the left-over")
end)

return t.finish()
