#include "core/seccomp/proof.hpp"

#include <linux/audit.h>

#include <algorithm>
#include <initializer_list>

#include "core/seccomp/filter.hpp"
#include "core/seccomp/system_calls.hpp"

namespace ccsand {

namespace {
constexpr std::uint32_t kMostFamilies = 64, kUnix = 1;  // AF_MAX is 46 in Linux 6.18

bool passes(std::span<const sock_filter> program, const Architecture& of, int number, std::optional<std::uint32_t> first = {}) {
  constexpr int kX32 = 0x40000000;
  if (may_pass(program, {of.audit, number, first})) return true;
  return of.audit == AUDIT_ARCH_X86_64 && may_pass(program, {of.audit, number | kX32, first});
}
bool passes_any(std::span<const sock_filter> program, std::initializer_list<const char*> names) {
  for (const Architecture& of : architectures())
    for (const char* name : names)
      if (auto number = system_call_number(of, name); number && passes(program, of, *number)) return true;
  return false;
}
bool makes_sockets(std::span<const sock_filter> program, std::uint32_t first_family, std::uint32_t end) {
  for (const Architecture& of : architectures())
    for (const char* name : {"socket", "socketpair"}) {
      auto number = system_call_number(of, name);
      for (std::uint32_t family = first_family; number && family < end; ++family)
        if (passes(program, of, *number, family)) return true;
    }
  return false;
}
}  // namespace

bool may_make_unix_sockets(std::span<const sock_filter> program) { return makes_sockets(program, kUnix, kUnix + 1); }
bool may_make_other_sockets(std::span<const sock_filter> program) {
  return makes_sockets(program, 0, kUnix) || makes_sockets(program, kUnix + 1, kMostFamilies) || passes_any(program, {"socketcall", "io_uring_setup"});
}
bool may_mount_filesystems(std::span<const sock_filter> program) { return passes_any(program, {"mount", "fsopen"}); }

}  // namespace ccsand
