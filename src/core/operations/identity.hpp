// Operations on who a process is and what it may do.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/context.hpp"

namespace ccsand {

// Who the command runs as. A name is looked up in etc/passwd and etc/group below
// `root`, by a strict parser of ours; numbers need no entry.
struct LookUpUser {
  Slot root = kNoSlot;
  std::string user, group;               // names or numbers; "" is 0, or the user's own group
  std::optional<std::vector<gid_t>> groups;  // supplementary; those of etc/group where not given
  bool home = true;                          // whether the home directory is asked for
};
// setgroups, setresgid, setresuid. Without numbers, to the identity that was looked up.
struct SetIdentity {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::vector<gid_t>> groups;
  bool from_lookup = false;
  bool keep_capabilities = false;  // PR_SET_KEEPCAPS over the change
};
// The five sets of capabilities(7); bit n is capability n. What is not given stays.
struct SetCapabilities {
  std::optional<std::uint64_t> bounding, effective, permitted, inheritable, ambient;
  bool only_for_root = false;  // a looked-up user other than root gets the ambient set alone
};
struct SetSecurebits {
  std::uint64_t bits = 0;
};
struct SetNoNewPrivs {};
// A session keyring of its own: the caller's keys do not come along (session-keyring(7)).
struct NewSessionKeyring {};
// seccomp(2) SECCOMP_SET_MODE_FILTER with a compiled program. The last step before
// exec: no Lua may run after it.
struct LoadFilter {
  std::vector<sock_filter> program;
  unsigned flags = 0;
  std::string name;
  bool notifies = false;  // TakeListener is the host's next step
};
// Takes the listener of the child's LoadFilter (seccomp_unotify(2)) out of the child.
struct TakeListener {
  Slot slot = kNoSlot;
};

Result<void> apply(const LookUpUser& op, Context& context);
Result<void> apply(const SetIdentity& op, Context& context);
Result<void> apply(const SetCapabilities& op, Context& context);
Result<void> apply(const SetSecurebits& op, Context& context);
Result<void> apply(const SetNoNewPrivs& op, Context& context);
Result<void> apply(const NewSessionKeyring& op, Context& context);
Result<void> apply(const LoadFilter& op, Context& context);
Result<void> apply(const TakeListener& op, Context& context);

std::string describe(const LookUpUser& op);
std::string describe(const SetIdentity& op);
std::string describe(const SetCapabilities& op);
std::string describe(const SetSecurebits& op);
std::string describe(const SetNoNewPrivs& op);
std::string describe(const NewSessionKeyring& op);
std::string describe(const LoadFilter& op);
std::string describe(const TakeListener& op);

}  // namespace ccsand
