// Users, groups and capabilities. The raw calls change this thread only, which is
// what a host of one thread wants.
#include "sys/credentials.hpp"

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>

#include "sys/call.hpp"

namespace ccsand::sys {

namespace {
Result<void> done(long result, const char* operation, long long subject) {
  if (result < 0) return failure(result, operation, {FixedText<24>().append_number(subject).view()});
  return {};
}
}  // namespace

Result<void> setresuid(uid_t real, uid_t effective, uid_t saved) {
  return done(call(SYS_setresuid, real, effective, saved), "setresuid", effective);
}
Result<void> setresgid(gid_t real, gid_t effective, gid_t saved) {
  return done(call(SYS_setresgid, real, effective, saved), "setresgid", effective);
}
Result<std::size_t> getgroups(gid_t* groups, std::size_t most) {
  long result = call(SYS_getgroups, most, groups);
  if (result < 0) return failure(result, "getgroups", {});
  return static_cast<std::size_t>(result);
}
Result<void> setgroups(const gid_t* groups, std::size_t count) {
  long result = call(SYS_setgroups, count, groups);
  if (result < 0) return failure(result, "setgroups", {});
  return {};
}
Result<void> capset(const CapabilitySets& sets) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  auto low = [](std::uint64_t set) { return static_cast<std::uint32_t>(set); };
  auto high = [](std::uint64_t set) { return static_cast<std::uint32_t>(set >> 32); };
  const __user_cap_data_struct data[2] = {
      {low(sets.effective), low(sets.permitted), low(sets.inheritable)},
      {high(sets.effective), high(sets.permitted), high(sets.inheritable)}};
  long result = call(SYS_capset, &header, &data[0]);
  if (result < 0) return failure(result, "capset", {});
  return {};
}
Result<CapabilitySets> capget() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  long result = call(SYS_capget, &header, &data[0]);
  if (result < 0) return failure(result, "capget", {});
  auto join = [](std::uint32_t low, std::uint32_t high) { return std::uint64_t{high} << 32 | low; };
  return CapabilitySets{join(data[0].effective, data[1].effective), join(data[0].permitted, data[1].permitted),
                        join(data[0].inheritable, data[1].inheritable)};
}
Result<void> drop_bounding(int capability) {
  return done(call(SYS_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0), "prctl PR_CAPBSET_DROP", capability);
}
Result<bool> in_bounding(int capability) {
  long result = call(SYS_prctl, PR_CAPBSET_READ, capability, 0, 0, 0);
  if (result < 0) return failure(result, "prctl PR_CAPBSET_READ", {FixedText<24>().append_number(capability).view()});
  return result == 1;
}
Result<void> raise_ambient(int capability) {
  return done(call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl PR_CAP_AMBIENT_RAISE",
              capability);
}
Result<bool> in_ambient(int capability) {
  long result = call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0);
  if (result < 0)
    return failure(result, "prctl PR_CAP_AMBIENT_IS_SET", {FixedText<24>().append_number(capability).view()});
  return result == 1;
}
Result<void> clear_ambient() {
  return done(call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl PR_CAP_AMBIENT_CLEAR_ALL", 0);
}
Result<void> set_securebits(unsigned long bits) {
  return done(call(SYS_prctl, PR_SET_SECUREBITS, bits, 0, 0, 0), "prctl PR_SET_SECUREBITS", static_cast<long long>(bits));
}
Result<void> set_no_new_privs() {
  return done(call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl PR_SET_NO_NEW_PRIVS", 1);
}

Result<void> join_new_session_keyring() {
  long result = call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  if (result < 0) return failure(result, "keyctl", {"KEYCTL_JOIN_SESSION_KEYRING"});
  return {};
}

}  // namespace ccsand::sys
