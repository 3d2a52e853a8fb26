// Landlock (landlock(7)): rules that a process sets on itself. No policy.
#pragma once

#include <cstdint>
#include <string_view>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand::sys {

// The newest ABI of this kernel, from 1 (Linux 5.13). ENOSYS: a kernel without
// Landlock; EOPNOTSUPP: it was not enabled at boot.
Result<int> landlock_abi();

// What a ruleset is about: what it does not allow of that is denied.
struct LandlockAccess {
  std::uint64_t files = 0;   // LANDLOCK_ACCESS_FS_*
  std::uint64_t ports = 0;   // LANDLOCK_ACCESS_NET_*, ABI 4
  std::uint64_t scopes = 0;  // LANDLOCK_SCOPE_*, ABI 6
};
Result<Fd> landlock_create_ruleset(const LandlockAccess& handled);
// LANDLOCK_RULE_PATH_BENEATH: `place` is a file, or a directory and all beneath it.
Result<void> landlock_add_path(int ruleset, int place, std::uint64_t access, std::string_view name);
// LANDLOCK_RULE_NET_PORT, ABI 4.
Result<void> landlock_add_port(int ruleset, std::uint64_t port, std::uint64_t access);
// For this thread and what it starts. Needs no_new_privs, or CAP_SYS_ADMIN.
Result<void> landlock_restrict_self(int ruleset);

}  // namespace ccsand::sys
