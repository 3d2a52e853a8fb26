-- The words of OCI's form and what they are here.
local names = {}

names.actions = {
  SCMP_ACT_ALLOW = 0x7fff0000, SCMP_ACT_LOG = 0x7ffc0000, SCMP_ACT_TRACE = 0x7ff00000, SCMP_ACT_NOTIFY = 0x7fc00000,
  SCMP_ACT_ERRNO = 0x00050000, SCMP_ACT_TRAP = 0x00030000, SCMP_ACT_KILL = 0x00000000, SCMP_ACT_KILL_THREAD = 0x00000000,
  SCMP_ACT_KILL_PROCESS = 0x80000000,
}
names.operators = {
  SCMP_CMP_NE = "!=", SCMP_CMP_LT = "<", SCMP_CMP_LE = "<=", SCMP_CMP_EQ = "==", SCMP_CMP_GE = ">=", SCMP_CMP_GT = ">",
  SCMP_CMP_MASKED_EQ = "==",
}
names.architectures = {
  SCMP_ARCH_X86_64 = "x86_64", SCMP_ARCH_X86 = "x86", SCMP_ARCH_AARCH64 = "aarch64", SCMP_ARCH_ARM = "arm",
  SCMP_ARCH_RISCV64 = "riscv64", SCMP_ARCH_PPC64LE = "ppc64le",
}
names.architecture_words = {}
for word, name in pairs(names.architectures) do names.architecture_words[name] = word end
-- Those of Docker's "arches", which are Go's but for x86.
names.go = { x86_64 = "amd64", x86 = "x86", aarch64 = "arm64", arm = "arm", riscv64 = "riscv64", ppc64le = "ppc64le" }

return names
