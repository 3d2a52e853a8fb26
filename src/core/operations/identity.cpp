// Who a process is. What the container's side runs allocates nothing.
#include "core/operations/identity.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>

#include "core/names.hpp"
#include "core/operations/describe.hpp"
#include "core/passwd.hpp"
#include "sys/credentials.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

Result<void> apply(const LookUpUser& op, Context& context) {
  context.identity = CCSAND_TRY(look_up_identity(context.fd(op.root), op.user, op.group, op.groups, op.home));
  return {};
}

namespace {
// Whether the supplementary groups are these already: then a user namespace that forbids setgroups is no matter.
bool has_groups(const std::vector<gid_t>& wanted) {
  gid_t own[64];
  auto count = sys::getgroups(&own[0], 64);
  return count && *count == wanted.size() && std::is_permutation(wanted.begin(), wanted.end(), &own[0]);
}
}  // namespace
Result<void> apply(const SetIdentity& op, Context& context) {
  if (op.keep_capabilities) CCSAND_TRY(sys::prctl(PR_SET_KEEPCAPS, 1, 0, 0, "PR_SET_KEEPCAPS"));
  const std::vector<gid_t>* groups = op.from_lookup ? &context.identity.groups : op.groups ? &*op.groups : nullptr;
  if (groups != nullptr) {
    auto done = sys::setgroups(groups->data(), groups->size());
    if (!done && !(done.error().code == EPERM && has_groups(*groups))) {
      Error error = done.error();
      if (error.code == EPERM) error.hint = "this user namespace forbids setgroups (user_namespaces(7), /proc/PID/setgroups)";
      return error;
    }
  }
  const uid_t same = static_cast<uid_t>(-1);
  gid_t gid = op.from_lookup ? context.identity.gid : op.gid.value_or(same);
  uid_t uid = op.from_lookup ? context.identity.uid : op.uid.value_or(same);
  auto with_hint = [](Error error) {
    if (error.code == EINVAL) error.hint = "the number is not mapped in the container's user namespace";
    return error;
  };
  if (gid != same)
    if (auto done = sys::setresgid(gid, gid, gid); !done) return with_hint(done.error());
  if (uid != same)
    if (auto done = sys::setresuid(uid, uid, uid); !done) return with_hint(done.error());
  return {};
}

namespace {
Result<void> limit_bounding(std::uint64_t keep) {
  for (int capability = 0; capability < 64; ++capability) {
    if ((keep >> capability & 1) != 0) continue;
    auto dropped = sys::drop_bounding(capability);
    if (dropped) continue;
    if (dropped.error().code == EINVAL) break;  // past the last that this kernel knows
    return dropped.error();
  }
  return {};
}
}  // namespace

Result<void> apply(const SetCapabilities& op, Context& context) {
  if (op.bounding) CCSAND_TRY(limit_bounding(*op.bounding));
  // Other users than root get what is ambient, as execve(2) would leave them.
  bool ambient_only = op.only_for_root && context.identity.uid != 0;
  std::uint64_t others = op.ambient.value_or(0);
  if (op.effective || op.permitted || op.inheritable) {
    sys::CapabilitySets sets = CCSAND_TRY(sys::capget());
    if (op.effective) sets.effective = ambient_only ? others : *op.effective;
    if (op.permitted) sets.permitted = ambient_only ? others : *op.permitted;
    if (op.inheritable) sets.inheritable = ambient_only ? others : *op.inheritable;
    auto done = sys::capset(sets);
    if (!done && done.error().code == EPERM) {
      Error error = done.error();
      error.hint = "a capability that this process itself lacks cannot be given";
      return error;
    }
    if (!done) return done.error();
  }
  if (!op.ambient) return {};
  CCSAND_TRY(sys::clear_ambient());
  for (int capability = 0; *op.ambient != 0 && capability < 64; ++capability)
    if ((*op.ambient >> capability & 1) != 0) CCSAND_TRY(sys::raise_ambient(capability));
  return {};
}
Result<void> apply(const SetSecurebits& op, Context&) { return sys::set_securebits(op.bits); }
Result<void> apply(const SetNoNewPrivs&, Context&) { return sys::set_no_new_privs(); }
Result<void> apply(const NewSessionKeyring&, Context&) {
  auto done = sys::join_new_session_keyring();
  if (!done && done.error().code == ENOSYS) return {};  // a kernel without keyrings has none to share
  return done;
}
Result<void> apply(const LoadFilter& op, Context& context) {
  // A signal must not end a call that the supervisor has begun to perform.
  unsigned long flags = op.notifies ? SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0;
  int listener = CCSAND_TRY(sys::load_filter(op.program.data(), op.program.size(), op.flags | flags));
  if (op.notifies) *context.child_listener = listener;
  return {};
}
Result<void> apply(const TakeListener& op, Context& context) {
  context.put(op.slot, CCSAND_TRY(sys::pidfd_getfd(context.child_pidfd, *context.child_listener)));
  sys::take_turns(context.fd(op.slot));
  return {};
}

std::string describe(const LookUpUser& op) {
  return "look up user " + quoted(op.user.empty() ? "0" : op.user) +
         (op.group.empty() ? "" : " group " + quoted(op.group)) + " in " + slot_name(op.root);
}
std::string describe(const SetIdentity& op) {
  if (op.from_lookup) return std::string("set user, group and groups as looked up") + (op.keep_capabilities ? " keeping capabilities" : "");
  std::string line = "set";
  if (op.uid) line += " uid " + number(*op.uid);
  if (op.gid) line += " gid " + number(*op.gid);
  if (op.groups) {
    line += " groups";
    for (gid_t group : *op.groups) line += " " + number(group);
    if (op.groups->empty()) line += " none";
  }
  return line;
}
std::string describe(const SetCapabilities& op) {
  std::string line = "capabilities";
  auto add = [&line](const char* name, const std::optional<std::uint64_t>& set) {
    if (!set) return;
    std::string words = words_of_set(capability_names(), *set);
    line += std::string(" ") + name + "=" + (words.empty() ? "none" : words);
  };
  if (op.effective && op.effective == op.permitted && op.effective == op.bounding) {
    add("bounding,permitted,effective", op.effective);
  } else {
    add("bounding", op.bounding);
    add("permitted", op.permitted);
    add("effective", op.effective);
  }
  add("inheritable", op.inheritable);
  add("ambient", op.ambient);
  return line + (op.only_for_root ? " (of other users than root: the ambient ones)" : "");
}
std::string describe(const SetSecurebits& op) { return "securebits" + also(words_of_bits(securebit_names(), op.bits)); }
std::string describe(const SetNoNewPrivs&) { return "no_new_privs"; }
std::string describe(const NewSessionKeyring&) { return "new session keyring"; }
std::string describe(const LoadFilter& op) {
  return "load seccomp filter " + quoted(op.name) + " of " + number(static_cast<long long>(op.program.size())) +
         " instructions" + (op.notifies ? " that notifies the supervisor" : "");
}
std::string describe(const TakeListener&) { return "take the listener of the filter"; }

}  // namespace ccsand
