// Landlock.
#include "sys/landlock.hpp"

#include <linux/landlock.h>

#include "sys/call.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand::sys {

Result<int> landlock_abi() {
  long result = call(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (result < 0) return failure(result, "landlock_create_ruleset", {"LANDLOCK_CREATE_RULESET_VERSION"});
  return static_cast<int>(result);
}

Result<Fd> landlock_create_ruleset(const LandlockAccess& handled) {
  // An older kernel takes the longer structure as long as what it does not know is zero.
  const LandlockRulesetAttributes attributes = {handled.files, handled.ports, handled.scopes};
  long result = call(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  if (result < 0) return failure(result, "landlock_create_ruleset", {});
  return Fd(static_cast<int>(result));
}

Result<void> landlock_add_path(int ruleset, int place, std::uint64_t access, std::string_view name) {
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = access;
  rule.parent_fd = place;
  long result = call(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  if (result < 0) return failure(result, "landlock_add_rule", {"'", name, "'"});
  return {};
}

Result<void> landlock_add_port(int ruleset, std::uint64_t port, std::uint64_t access) {
  const LandlockNetPort rule = {access, port};
  long result = call(SYS_landlock_add_rule, ruleset, kLandlockRuleNetPort, &rule, 0);
  if (result < 0) return failure(result, "landlock_add_rule", {"port ", FixedText<24>().append_number(static_cast<long long>(port)).view()});
  return {};
}

Result<void> landlock_restrict_self(int ruleset) {
  long result = call(SYS_landlock_restrict_self, ruleset, 0);
  if (result < 0) return failure(result, "landlock_restrict_self", {});
  return {};
}

}  // namespace ccsand::sys
