// Landlock (landlock(7)): what a container's processes may do with files and TCP ports,
// by rules that no right of theirs lifts.
//
// The host makes the ruleset before the clone, which is where a kernel that cannot keep
// it is found out; the child adds the paths, which are the container's; each command
// restricts itself to it. A further command gets the same ruleset: paths are not
// looked up again among processes that could have put others in their place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/context.hpp"

namespace ccsand {

// A file, or a directory and all beneath it, and what is allowed there.
struct LandlockRule {
  std::string path;          // absolute
  std::uint64_t rights = 0;  // LANDLOCK_ACCESS_FS_*
  bool optional = false;     // passed over where it does not exist
};
struct LandlockPolicy {
  bool files = false;        // whether it is about files: what no rule allows is denied
  std::vector<LandlockRule> rules;
  std::optional<std::vector<std::uint16_t>> connect, bind;  // TCP ports; where given, no other
  std::uint64_t scopes = 0;  // LANDLOCK_SCOPE_*
  int least_abi = 0;         // an older one that will do; 0 is the one that can deny all that is to be denied
};

// Refuses what makes no sense. `key` is the table's name in errors.
Result<void> validate(const LandlockPolicy& policy, std::string_view key);

// The ABI that it takes to keep a policy, and what of it takes that.
struct LandlockNeed {
  int abi = 1;
  const char* key = "";  // of the policy's table
  const char* why = "for any rule";
};
LandlockNeed landlock_need(const LandlockPolicy& policy);
// An error that names both ABIs, unless `abi` keeps the policy; 0 is a kernel without.
Result<void> check_landlock(const LandlockPolicy& policy, int abi);
// The rights on files that an ABI knows, of those that ccsand knows.
std::uint64_t landlock_file_rights(int abi);
// This kernel's ABI; 0 where there is none.
Result<int> host_landlock_abi();

// landlock_create_ruleset(2), with the rules of ports. All of the rights on files that
// the kernel has are handled.
struct MakeRuleset {
  LandlockPolicy policy;
  Slot out = kNoSlot;
};
// landlock_add_rule(2) of a path. Links are followed, but for those of /proc.
struct AllowPath {
  LandlockRule rule;
  Slot ruleset = kNoSlot;
};
// landlock_restrict_self(2): after no_new_privs, and before the filter and exec.
struct RestrictSelf {
  Slot ruleset = kNoSlot;
  int fd = -1;  // in place of a slot
};

Result<void> apply(const MakeRuleset& op, Context& context);
Result<void> apply(const AllowPath& op, Context& context);
Result<void> apply(const RestrictSelf& op, Context& context);

std::string describe(const MakeRuleset& op);
std::string describe(const AllowPath& op);
std::string describe(const RestrictSelf& op);

}  // namespace ccsand
