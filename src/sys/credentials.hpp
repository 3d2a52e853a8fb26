// Users, groups, capabilities and what a process may gain by exec. No policy.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "ccsand/result.hpp"

namespace ccsand::sys {

Result<void> setresuid(uid_t real, uid_t effective, uid_t saved);
Result<void> setresgid(gid_t real, gid_t effective, gid_t saved);
Result<void> setgroups(const gid_t* groups, std::size_t count);
// getgroups(2): how many there are; EINVAL where they are more than `most`.
Result<std::size_t> getgroups(gid_t* groups, std::size_t most);

struct CapabilitySets {  // bit n is capability n of capabilities(7)
  std::uint64_t effective = 0;
  std::uint64_t permitted = 0;
  std::uint64_t inheritable = 0;
};
Result<void> capset(const CapabilitySets& sets);
Result<CapabilitySets> capget();
Result<void> drop_bounding(int capability);   // PR_CAPBSET_DROP
Result<bool> in_bounding(int capability);     // PR_CAPBSET_READ; EINVAL past the kernel's last
Result<void> raise_ambient(int capability);   // PR_CAP_AMBIENT_RAISE
Result<bool> in_ambient(int capability);      // PR_CAP_AMBIENT_IS_SET; EINVAL past the kernel's last
Result<void> clear_ambient();                 // PR_CAP_AMBIENT_CLEAR_ALL
Result<void> set_securebits(unsigned long bits);
Result<void> set_no_new_privs();
Result<void> join_new_session_keyring();      // keyctl(2) KEYCTL_JOIN_SESSION_KEYRING, anonymous

}  // namespace ccsand::sys
