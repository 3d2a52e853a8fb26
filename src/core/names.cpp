// The tables of the kernel's words.
#include "core/names.hpp"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <vector>

#include "sys/kernel_abi.hpp"

namespace ccsand {

namespace {
constexpr Name kNamespaces[] = {
    {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},   {"net", CLONE_NEWNET},       {"uts", CLONE_NEWUTS},
    {"ipc", CLONE_NEWIPC},  {"user", CLONE_NEWUSER}, {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME}};
constexpr Name kMountAttributes[] = {
    {"ro", MOUNT_ATTR_RDONLY},      {"nosuid", MOUNT_ATTR_NOSUID},           {"nodev", MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC},  {"noatime", MOUNT_ATTR_NOATIME},         {"strictatime", MOUNT_ATTR_STRICTATIME},
    {"nodiratime", MOUNT_ATTR_NODIRATIME}, {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW}};
constexpr Name kPropagations[] = {
    {"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}};
constexpr Name kUnmounts[] = {
    {"detach", MNT_DETACH}, {"force", MNT_FORCE}, {"expire", MNT_EXPIRE}, {"nofollow", UMOUNT_NOFOLLOW}};
constexpr Name kCapabilities[] = {
    {"chown", 0}, {"dac_override", 1}, {"dac_read_search", 2}, {"fowner", 3}, {"fsetid", 4}, {"kill", 5},
    {"setgid", 6}, {"setuid", 7}, {"setpcap", 8}, {"linux_immutable", 9}, {"net_bind_service", 10},
    {"net_broadcast", 11}, {"net_admin", 12}, {"net_raw", 13}, {"ipc_lock", 14}, {"ipc_owner", 15},
    {"sys_module", 16}, {"sys_rawio", 17}, {"sys_chroot", 18}, {"sys_ptrace", 19}, {"sys_pacct", 20},
    {"sys_admin", 21}, {"sys_boot", 22}, {"sys_nice", 23}, {"sys_resource", 24}, {"sys_time", 25},
    {"sys_tty_config", 26}, {"mknod", 27}, {"lease", 28}, {"audit_write", 29}, {"audit_control", 30},
    {"setfcap", 31}, {"mac_override", 32}, {"mac_admin", 33}, {"syslog", 34}, {"wake_alarm", 35},
    {"block_suspend", 36}, {"audit_read", 37}, {"perfmon", 38}, {"bpf", 39}, {"checkpoint_restore", 40}};
constexpr Name kResources[] = {
    {"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA}, {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS}, {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK}};
constexpr Name kSignals[] = {
    {"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ILL", SIGILL}, {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},
    {"BUS", SIGBUS}, {"FPE", SIGFPE}, {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD},
    {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"URG", SIGURG},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO}, {"PWR", SIGPWR}, {"SYS", SIGSYS}};
constexpr Name kSecurebits[] = {
    {"noroot", SECBIT_NOROOT}, {"noroot_locked", SECBIT_NOROOT_LOCKED},
    {"no_setuid_fixup", SECBIT_NO_SETUID_FIXUP}, {"no_setuid_fixup_locked", SECBIT_NO_SETUID_FIXUP_LOCKED},
    {"keep_caps", SECBIT_KEEP_CAPS}, {"keep_caps_locked", SECBIT_KEEP_CAPS_LOCKED},
    {"no_cap_ambient_raise", SECBIT_NO_CAP_AMBIENT_RAISE},
    {"no_cap_ambient_raise_locked", SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED}};
constexpr Name kSchedulers[] = {
    {"other", SCHED_OTHER}, {"batch", SCHED_BATCH}, {"idle", SCHED_IDLE}, {"fifo", SCHED_FIFO}, {"rr", SCHED_RR}};
constexpr Name kPersonalities[] = {
    {"linux", PER_LINUX}, {"linux32", PER_LINUX32}, {"addr_no_randomize", ADDR_NO_RANDOMIZE},
    {"read_implies_exec", READ_IMPLIES_EXEC}, {"uname26", 0x0020000}};
constexpr std::uint64_t kLandlockRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kLandlockWrite =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_REMOVE_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
constexpr Name kLandlockRights[] = {
    {"read", kLandlockRead}, {"write", kLandlockWrite},
    {"execute", LANDLOCK_ACCESS_FS_EXECUTE}, {"write_file", LANDLOCK_ACCESS_FS_WRITE_FILE},
    {"read_file", LANDLOCK_ACCESS_FS_READ_FILE}, {"read_dir", LANDLOCK_ACCESS_FS_READ_DIR},
    {"remove_dir", LANDLOCK_ACCESS_FS_REMOVE_DIR}, {"remove_file", LANDLOCK_ACCESS_FS_REMOVE_FILE},
    {"make_char", LANDLOCK_ACCESS_FS_MAKE_CHAR}, {"make_dir", LANDLOCK_ACCESS_FS_MAKE_DIR},
    {"make_reg", LANDLOCK_ACCESS_FS_MAKE_REG}, {"make_sock", LANDLOCK_ACCESS_FS_MAKE_SOCK},
    {"make_fifo", LANDLOCK_ACCESS_FS_MAKE_FIFO}, {"make_block", LANDLOCK_ACCESS_FS_MAKE_BLOCK},
    {"make_sym", LANDLOCK_ACCESS_FS_MAKE_SYM}, {"refer", LANDLOCK_ACCESS_FS_REFER},
    {"truncate", LANDLOCK_ACCESS_FS_TRUNCATE}, {"ioctl_dev", LANDLOCK_ACCESS_FS_IOCTL_DEV}};
constexpr Name kLandlockScopes[] = {
    {"abstract_unix_socket", LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}, {"signal", LANDLOCK_SCOPE_SIGNAL}};

std::string_view without_prefix(std::string_view word) {
  for (std::string_view prefix : {"cap_", "sig", "rlimit_", "sched_"})
    if (word.size() > prefix.size() && strncasecmp(word.data(), prefix.data(), prefix.size()) == 0)
      return word.substr(prefix.size());
  return word;
}
bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}
// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}
}  // namespace

std::span<const Name> namespace_names() { return kNamespaces; }
std::span<const Name> mount_attribute_names() { return kMountAttributes; }
std::span<const Name> propagation_names() { return kPropagations; }
std::span<const Name> unmount_names() { return kUnmounts; }
std::span<const Name> capability_names() { return kCapabilities; }
std::span<const Name> resource_names() { return kResources; }
std::span<const Name> signal_names() { return kSignals; }
std::span<const Name> securebit_names() { return kSecurebits; }
std::span<const Name> scheduler_names() { return kSchedulers; }
std::span<const Name> personality_names() { return kPersonalities; }
std::span<const Name> landlock_right_names() { return kLandlockRights; }
std::span<const Name> landlock_scope_names() { return kLandlockScopes; }

std::optional<std::uint64_t> value_of(std::span<const Name> names, std::string_view word) {
  for (const Name& name : names)
    if (same_word(name.word, word)) return name.value;
  for (const Name& name : names)
    if (same_word(name.word, without_prefix(word))) return name.value;
  return std::nullopt;
}
std::string_view word_of(std::span<const Name> names, std::uint64_t value) {
  for (const Name& name : names)
    if (name.value == value) return name.word;
  return {};
}
std::string words_of_bits(std::span<const Name> names, std::uint64_t bits) {
  std::string text;
  for (const Name& name : names)
    if (name.value != 0 && (bits & name.value) == name.value) text.append(text.empty() ? "" : ",").append(name.word);
  return text;
}
std::string words_of_set(std::span<const Name> names, std::uint64_t set) {
  std::string text;
  for (const Name& name : names)
    if ((set >> name.value & 1) != 0) text.append(text.empty() ? "" : ",").append(name.word);
  return text;
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  best_distance = std::min(best_distance, word.size());  // a word of other letters alone is not near
  for (std::string_view candidate : candidates) {
    std::size_t d = distance(word, candidate);
    if (d < best_distance) best = candidate, best_distance = d;
  }
  return best;
}
std::string_view nearest(std::string_view word, std::span<const Name> names) {
  std::vector<std::string_view> words;
  for (const Name& name : names) words.push_back(name.word);
  return nearest(word, words);
}

}  // namespace ccsand
