-- Writes the filters of the profiles that ship as a C++ source: see compile_filters.cpp.
local output = ...
local core = require "ccsand.core"
local seccomp = require "ccsand.seccomp"

local bit_of = {}
for i, name in ipairs(core.capabilities { capabilities = "all" }) do bit_of[name] = i - 1 end
local function mask(names)
  local text = {}
  for _, name in ipairs(names) do text[#text + 1] = ("std::uint64_t{1} << %d"):format(bit_of[name]) end
  return #text > 0 and table.concat(text, " | ") or "0"
end

-- The capabilities that the default profile asks for; with none granted, no branch of it is left out
-- that asks for more (tests/lua/seccomp_test.lua holds every one of them against what is made here).
local relevant, asked = {}, {}
require("ccsand.seccomp.default")(setmetatable({}, { __index = function(_, name)
  if not asked[name] then relevant[#relevant + 1] = name end
  asked[name] = true
end }))

local entries = {}
local function add(profile, policy, of, capabilities)
  local bytes = { policy:bpf():byte(1, -1) }
  for i, byte in ipairs(bytes) do bytes[i] = ("\\%o"):format(byte) end
  local text = {}
  for i = 1, #bytes, 24 do text[#text + 1] = '    "' .. table.concat(bytes, "", i, math.min(i + 23, #bytes)) .. '"' end
  entries[#entries + 1] = ('  {"%s", %s,\n   %s, std::string_view(\n%s, %d)},\n'):format(profile, mask(of), mask(capabilities), table.concat(text, "\n"), #bytes)
end
-- A container's own capabilities, those of container engines, and none.
for _, capabilities in ipairs { { "sys_chroot" }, { "sys_chroot", "audit_write" }, {} } do
  add("default", seccomp.default { capabilities = #capabilities > 0 and capabilities or "none" }, relevant, capabilities)
end
for _, name in ipairs { "no-network", "build", "server" } do add(name, seccomp.named(name), {}, {}) end

local file = assert(io.open(output, "wb"))
file:write('#include "core/seccomp/shipped_filters.hpp"\nnamespace ccsand {\nnamespace {\nconstexpr ShippedFilter kFilters[] = {\n',
  table.concat(entries), "};\n}\nstd::span<const ShippedFilter> shipped_filters() { return kFilters; }\n}\n")
assert(file:close())
