#include "core/seccomp/no_sockets.hpp"

#include <linux/audit.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "core/seccomp/filter.hpp"
#include "core/seccomp/system_calls.hpp"

namespace ccsand {

namespace {
FilterArchitecture without_sockets(const Architecture& of) {
  FilterArchitecture architecture;
  architecture.audit = of.audit;
  architecture.newest = newest_system_call(of);
  for (const char* name : {"socket", "socketpair", "socketcall", "io_uring_setup"})
    if (auto number = system_call_number(of, name)) architecture.calls.push_back({*number, {{SECCOMP_RET_ERRNO | EPERM, {{}}}}});
  std::sort(architecture.calls.begin(), architecture.calls.end(), [](const FilterCall& left, const FilterCall& right) { return left.number < right.number; });
  return architecture;
}
}  // namespace

Result<const std::vector<sock_filter>*> no_sockets_filter() {
  static std::optional<std::vector<sock_filter>> made;
  if (made) return &*made;
  Filter filter;
  filter.unnamed = SECCOMP_RET_ALLOW;
  filter.unknown = SECCOMP_RET_ERRNO | ENOSYS;
  std::uint32_t native = native_architecture().audit, other = native == AUDIT_ARCH_X86_64 ? AUDIT_ARCH_I386 : native == AUDIT_ARCH_AARCH64 ? AUDIT_ARCH_ARM : native;
  for (const Architecture& of : architectures())
    if (of.audit == native || of.audit == other) filter.architectures.push_back(without_sockets(of));
  made = CCSAND_TRY(emit(filter));
  return &*made;
}

}  // namespace ccsand
