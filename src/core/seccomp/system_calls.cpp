// libseccomp finds a number by its name with a perfect hash, but a name by its number
// only with a linear search. So numbers are asked for one by one, and names are
// collected once for each architecture that needs them.
#include "core/seccomp/system_calls.hpp"

#include <linux/audit.h>
#include <seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <memory>

#include "core/names.hpp"

namespace ccsand {

namespace {
// Not s390: its clone(2) takes the flags as the second argument, where every condition
// on clone would test the stack.
constexpr Architecture kArchitectures[] = {
    {"x86_64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64}, {"x86", AUDIT_ARCH_I386, SCMP_ARCH_X86},
    {"aarch64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64}, {"arm", AUDIT_ARCH_ARM, SCMP_ARCH_ARM},
    {"riscv64", AUDIT_ARCH_RISCV64, SCMP_ARCH_RISCV64}, {"ppc64le", AUDIT_ARCH_PPC64LE, SCMP_ARCH_PPC64LE}};

#if defined(__x86_64__)
constexpr std::size_t kNative = 0;
#elif defined(__i386__)
constexpr std::size_t kNative = 1;
#elif defined(__aarch64__)
constexpr std::size_t kNative = 2;
#elif defined(__arm__)
constexpr std::size_t kNative = 3;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::size_t kNative = 4;
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
constexpr std::size_t kNative = 5;
#else
#error "ccsand's filters do not know this architecture yet"
#endif

// Calls that libseccomp 2.5.4 lacks. Since Linux 5.1 a new call gets the same number
// everywhere; what only one architecture has names it.
struct LaterCall {
  std::string_view name;
  int number;
  std::uint32_t only = 0;  // SCMP_ARCH_*, 0 for all
};
constexpr LaterCall kLaterCalls[] = {
    {"riscv_hwprobe", 258, SCMP_ARCH_RISCV64},  // 6.4
    {"uretprobe", 335, SCMP_ARCH_X86_64},       // 6.11
    {"uprobe", 336, SCMP_ARCH_X86_64},          // 6.18
    {"set_mempolicy_home_node", 450},           // 5.17
    {"cachestat", 451},                         // 6.5
    {"fchmodat2", 452},                         // 6.6
    {"map_shadow_stack", 453},                  // 6.6
    {"futex_wake", 454},                        // 6.7
    {"futex_wait", 455},                        // 6.7
    {"futex_requeue", 456},                     // 6.7
    {"statmount", 457},                         // 6.8
    {"listmount", 458},                         // 6.8
    {"lsm_get_self_attr", 459},                 // 6.8
    {"lsm_set_self_attr", 460},                 // 6.8
    {"lsm_list_modules", 461},                  // 6.8
    {"mseal", 462},                             // 6.10
    {"setxattrat", 463},                        // 6.13
    {"getxattrat", 464},                        // 6.13
    {"listxattrat", 465},                       // 6.13
    {"removexattrat", 466},                     // 6.13
    {"open_tree_attr", 467},                    // 6.15
    {"file_getattr", 468},                      // 6.17
    {"file_setattr", 469}};                     // 6.17

constexpr int kNumbers = 512;               // x86 keeps 512 and up for x32
constexpr int kArmPrivate = 0xf0000;        // breakpoint, cacheflush, set_tls, ...
constexpr int kArmPrivateNumbers = 16;
constexpr int kPseudoNumbers = -10000;      // and below: libseccomp's for calls of other architectures

struct Call {
  int number;
  std::string name;
};
using Calls = std::vector<Call>;  // by number

bool has(const Architecture& architecture, const LaterCall& call) {
  return call.only == 0 || call.only == architecture.seccomp_token;
}

using CString = std::unique_ptr<char, decltype(&std::free)>;
CString libseccomp_name(const Architecture& architecture, int number) {
  return {seccomp_syscall_resolve_num_arch(architecture.seccomp_token, number), &std::free};
}

void collect(Calls& calls, const Architecture& architecture, int first, int count) {
  for (int number = first; number < first + count; ++number)
    if (CString name = libseccomp_name(architecture, number)) calls.push_back({number, name.get()});
}

// The first call that has this number or a larger one.
Calls::const_iterator find(const Calls& calls, int number) {
  return std::lower_bound(calls.begin(), calls.end(), number, [](const Call& call, int wanted) { return call.number < wanted; });
}

Calls collect_all(const Architecture& architecture) {
  Calls calls;
  collect(calls, architecture, 0, kNumbers);
  if (architecture.seccomp_token == SCMP_ARCH_ARM) collect(calls, architecture, kArmPrivate, kArmPrivateNumbers);
  for (const LaterCall& later : kLaterCalls) {
    auto place = find(calls, later.number);
    bool known = place != calls.end() && place->number == later.number;
    if (has(architecture, later) && !known) calls.insert(place, {later.number, std::string(later.name)});
  }
  return calls;
}

const Calls& calls_of(const Architecture& architecture) {
  static std::array<Calls, std::size(kArchitectures)> all;
  std::size_t index = 0;
  while (index + 1 < all.size() && kArchitectures[index].seccomp_token != architecture.seccomp_token) ++index;
  if (all[index].empty()) all[index] = collect_all(kArchitectures[index]);
  return all[index];
}
}  // namespace

std::span<const Architecture> architectures() { return kArchitectures; }
const Architecture& native_architecture() { return kArchitectures[kNative]; }
const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& architecture : kArchitectures)
    if (architecture.name == name) return &architecture;
  return nullptr;
}

Result<const Architecture*> require_architecture(std::string_view name) {
  const Architecture* architecture = name == "native" ? &native_architecture() : find_architecture(name);
  if (architecture != nullptr) return architecture;
  std::vector<std::string_view> names;
  for (const Architecture& one : architectures()) names.push_back(one.name);
  std::string reason = "is no architecture that ccsand knows";
  if (std::string_view near = nearest(name, names); !near.empty()) reason += "; did you mean '" + std::string(near) + "'?";
  return make_error(EINVAL, "seccomp", name, reason);
}

std::optional<int> system_call_number(const Architecture& architecture, std::string_view name) {
  int number = seccomp_syscall_resolve_name_arch(architecture.seccomp_token, std::string(name).c_str());
  if (number >= 0) return number;
  for (const LaterCall& later : kLaterCalls)
    if (later.name == name && has(architecture, later)) return later.number;
  // Negative: the architecture lacks the call. Or it has socketcall or ipc, and libseccomp
  // answers with a number of its own even where the call also stands alone.
  bool multiplexes = architecture.seccomp_token == SCMP_ARCH_X86 || architecture.seccomp_token == SCMP_ARCH_PPC64LE;
  if (!multiplexes || number == __NR_SCMP_ERROR || number <= kPseudoNumbers) return std::nullopt;
  for (const Call& call : calls_of(architecture))
    if (call.name == name) return call.number;
  return std::nullopt;
}

bool is_system_call(std::string_view name) {
  if (seccomp_syscall_resolve_name(std::string(name).c_str()) != __NR_SCMP_ERROR) return true;  // on any architecture
  return std::any_of(std::begin(kLaterCalls), std::end(kLaterCalls), [name](const LaterCall& call) { return call.name == name; });
}

std::optional<std::string_view> system_call_name(const Architecture& architecture, int number) {
  const Calls& calls = calls_of(architecture);
  auto place = find(calls, number);
  if (place == calls.end() || place->number != number) return std::nullopt;
  return place->name;
}

const std::vector<std::string>& system_call_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Call& call : calls_of(native_architecture())) result.push_back(call.name);
    return result;
  }();
  return names;
}

int newest_system_call(const Architecture& architecture) {
  int newest = 0;
  for (const LaterCall& later : kLaterCalls)
    if (has(architecture, later)) newest = std::max(newest, later.number);
  while (libseccomp_name(architecture, newest + 1)) ++newest;  // a later libseccomp's; new numbers leave no gaps
  return newest;
}

}  // namespace ccsand
