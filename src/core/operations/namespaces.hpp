// Operations on namespaces, and on what a new process starts in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/context.hpp"

namespace ccsand {

// Makes the container's process. In a plan it is the executor that carries it out:
// the steps of the container's side follow in the child.
struct Clone {
  std::uint64_t namespaces = 0;  // CLONE_NEW*
  bool into_cgroup = false;      // CLONE_INTO_CGROUP, where the cgroup is a v2 one (Linux 5.7)
  bool copies_memory = false;    // a plain fork: Lua, or a time namespace, is to follow in the child
};
struct Unshare {
  std::uint64_t namespaces = 0;
};
// A descriptor of the namespace at a path, opened with the host's rights.
struct OpenNamespacePath {
  std::string path;
  Slot out = kNoSlot;
};
// setns(2): by slot, by descriptor (`fd` >= 0), else by path.
struct JoinNamespace {
  std::uint64_t kind = 0;  // CLONE_NEW*; several where `fd` is a pidfd
  std::string path;
  int fd = -1;
  Slot slot = kNoSlot;
};
// This process's own namespace while it makes the child, which inherits it: for pid
// namespaces there is no other way, and for the others none where the child is in a new
// user namespace. Undone with `restore`. Not for mount and user namespaces.
struct JoinForChild {
  std::uint64_t kind = 0;
  Slot slot = kNoSlot;  // of OpenNamespacePath,
  int fd = -1;          // or a descriptor: a namespace or a pidfd
  bool restore = false;
};
// A new time namespace with these offsets, made and entered by the container's side (Linux 5.6): before its user changes, or
// the file of the offsets is not its own. Its memory must be, which setns(2) asks for: the host, whose memory processes may
// share that are being started or wait in pools, could not go back from one. time_namespaces(7)
struct EnterTimeNamespace {
  std::int64_t monotonic_ns = 0, boottime_ns = 0;
};
struct IdRange {
  std::uint32_t inside = 0, outside = 0, count = 0;
};
// Writes uid_map or gid_map of the child, from the host's side: user_namespaces(7).
struct WriteIdMap {
  bool groups = false;
  std::vector<IdRange> ranges;
};
// A descriptor of the child's namespace.
struct OpenNamespace {
  std::uint64_t kind = 0;
  Slot out = kNoSlot;
};
// A descriptor of the root directory of another process; pid 0: of the one that carries it out.
struct OpenProcessRoot {
  pid_t pid = 0;
  Slot out = kNoSlot;
};
struct SetHostname {
  std::string name;
};
struct SetDomainname {
  std::string name;
};
struct BringUpLoopback {};

Result<void> apply(const Clone& op, Context& context);
Result<void> apply(const Unshare& op, Context& context);
Result<void> apply(const JoinNamespace& op, Context& context);
Result<void> apply(const JoinForChild& op, Context& context);
Result<void> apply(const EnterTimeNamespace& op, Context& context);
Result<void> apply(const WriteIdMap& op, Context& context);
Result<void> apply(const OpenNamespace& op, Context& context);
Result<void> apply(const OpenNamespacePath& op, Context& context);
Result<void> apply(const OpenProcessRoot& op, Context& context);
Result<void> apply(const SetHostname& op, Context& context);
Result<void> apply(const SetDomainname& op, Context& context);
Result<void> apply(const BringUpLoopback& op, Context& context);

std::string describe(const Clone& op);
std::string describe(const Unshare& op);
std::string describe(const JoinNamespace& op);
std::string describe(const JoinForChild& op);
std::string describe(const EnterTimeNamespace& op);
std::string describe(const WriteIdMap& op);
std::string describe(const OpenNamespace& op);
std::string describe(const OpenNamespacePath& op);
std::string describe(const OpenProcessRoot& op);
std::string describe(const SetHostname& op);
std::string describe(const SetDomainname& op);
std::string describe(const BringUpLoopback& op);

}  // namespace ccsand
