#include "core/seccomp/proof.hpp"

#include <linux/audit.h>

#include <initializer_list>

#include "core/seccomp/filter.hpp"
#include "core/seccomp/system_calls.hpp"

namespace ccsand {

namespace {
bool may_call_any(std::span<const sock_filter> program, std::initializer_list<const char*> names) {
  constexpr int kX32 = 0x40000000;
  for (const Architecture& of : architectures())
    for (const char* name : names) {
      auto number = system_call_number(of, name);
      if (!number) continue;
      if (may_pass(program, {of.audit, *number})) return true;
      if (of.audit == AUDIT_ARCH_X86_64 && may_pass(program, {of.audit, *number | kX32})) return true;
    }
  return false;
}
}  // namespace

bool may_make_sockets(std::span<const sock_filter> program) { return may_call_any(program, {"socket", "socketpair", "socketcall", "io_uring_setup"}); }
bool may_mount_filesystems(std::span<const sock_filter> program) { return may_call_any(program, {"mount", "fsopen", "fspick"}); }

}  // namespace ccsand
