// Landlock. What the container's side runs allocates nothing.
#include "core/operations/landlock.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <iterator>

#include "core/names.hpp"
#include "core/operations/describe.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/landlock.hpp"

namespace ccsand {

namespace {
constexpr std::uint64_t kOfFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
                                   LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_IOCTL_DEV;
constexpr int kRefer = 2, kTruncate = 3, kPorts = 4, kIoctl = 5, kScopes = 6;  // ABIs that brought them
constexpr const char* kVersions[] = {"", "5.13", "5.19", "6.2", "6.7", "6.10", "6.12", "6.15"};
constexpr int kNewest = static_cast<int>(std::size(kVersions)) - 1;

bool plain(std::string_view path) {
  if (!path.starts_with('/') || path.size() > 4095 || path.find('\0') != std::string_view::npos) return false;
  for (std::size_t at = path.find("/.."); at != std::string_view::npos; at = path.find("/..", at + 1))
    if (at + 3 == path.size() || path[at + 3] == '/') return false;
  return true;
}
}  // namespace

Result<void> validate(const LandlockPolicy& policy, std::string_view key) {
  auto nonsense = [key](const std::string& what, const char* reason) {
    return make_error(EINVAL, "", std::string(key) + what, reason);
  };
  if (!policy.files && !policy.connect && !policy.bind && policy.scopes == 0)
    return nonsense("", "restricts nothing: say what of files, TCP ports or scopes (an empty 'paths' denies all files)");
  if (policy.least_abi < 0 || policy.least_abi > kNewest) return nonsense(".least_abi", "is no ABI that this ccsand knows");
  for (const LandlockRule& rule : policy.rules) {
    if (!plain(rule.path)) return nonsense(".paths[" + quoted(rule.path) + "]", "must be an absolute path, without '..'");
    if (rule.rights == 0) return nonsense(".paths[" + quoted(rule.path) + "]", "allows nothing: leave the path out");
  }
  return {};
}

LandlockNeed landlock_need(const LandlockPolicy& policy) {
  LandlockNeed need;
  auto raise = [&need](int abi, const char* key, const char* why) {
    if (abi > need.abi) need = {abi, key, why};
  };
  for (const LandlockRule& rule : policy.rules)
    if ((rule.rights & LANDLOCK_ACCESS_FS_REFER) != 0) raise(kRefer, "paths", "to allow 'refer'");
  if (policy.connect) raise(kPorts, "connect", "to deny TCP ports");
  if (policy.bind) raise(kPorts, "bind", "to deny TCP ports");
  if (policy.files && policy.least_abi == 0) raise(kIoctl, "paths", "to deny the ioctls of devices");
  if (policy.scopes != 0) raise(kScopes, "scope", "to deny what is out of scope");
  raise(policy.least_abi, "least_abi", "as it says");
  return need;
}

Result<void> check_landlock(const LandlockPolicy& policy, int abi) {
  LandlockNeed need = landlock_need(policy);
  if (abi >= need.abi) return {};
  FixedText<256> reason("needs ABI ");
  reason.append_number(need.abi).append(" (Linux ").append(kVersions[need.abi]).append(") ").append(need.why);
  if (abi == 0) reason.append(", and this kernel has no Landlock");
  else reason.append(", and this kernel has ABI ").append_number(abi);
  const char* hint = "";
  if (abi == 0) hint = "a kernel with CONFIG_SECURITY_LANDLOCK, and landlock among those that lsm= enables at boot";
  else if (need.abi == kIoctl && policy.least_abi == 0)
    hint = abi >= kTruncate ? "least_abi = 3 says that ioctls of devices may stay allowed where the kernel cannot deny them"
                            : "least_abi = 1 says that truncation and ioctls of devices may stay allowed where the kernel cannot deny them";
  return make_error(EOPNOTSUPP, "landlock", need.key, reason.view(), hint);
}

std::uint64_t landlock_file_rights(int abi) {
  if (abi < 1) return 0;
  std::uint64_t rights = LANDLOCK_ACCESS_FS_REFER - 1;  // all thirteen of ABI 1 lie below it
  if (abi >= kRefer) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= kTruncate) rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
  if (abi >= kIoctl) rights |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
  return rights;
}

Result<int> host_landlock_abi() {
  auto abi = sys::landlock_abi();
  if (!abi && (abi.error().code == ENOSYS || abi.error().code == EOPNOTSUPP)) return 0;
  return abi;
}

Result<void> apply(const MakeRuleset& op, Context& context) {
  const LandlockPolicy& policy = op.policy;
  int abi = CCSAND_TRY(host_landlock_abi());
  CCSAND_TRY(check_landlock(policy, abi));
  sys::LandlockAccess handled;
  if (policy.files) handled.files = landlock_file_rights(abi);
  if (policy.connect) handled.ports |= LANDLOCK_ACCESS_NET_CONNECT_TCP;
  if (policy.bind) handled.ports |= LANDLOCK_ACCESS_NET_BIND_TCP;
  handled.scopes = policy.scopes;
  Fd ruleset = CCSAND_TRY(sys::landlock_create_ruleset(handled));
  if (policy.connect)
    for (std::uint16_t port : *policy.connect) CCSAND_TRY(sys::landlock_add_port(ruleset.get(), port, LANDLOCK_ACCESS_NET_CONNECT_TCP));
  if (policy.bind)
    for (std::uint16_t port : *policy.bind) CCSAND_TRY(sys::landlock_add_port(ruleset.get(), port, LANDLOCK_ACCESS_NET_BIND_TCP));
  context.put(op.out, std::move(ruleset));
  return {};
}

Result<void> apply(const AllowPath& op, Context& context) {
  const LandlockRule& rule = op.rule;
  auto place = sys::openat2(AT_FDCWD, rule.path.c_str(), O_PATH, 0, RESOLVE_NO_MAGICLINKS);
  if (!place) {
    Error error = place.error();
    bool missing = error.code == ENOENT || error.code == ENOTDIR;
    if (missing && rule.optional) return {};
    if (missing) error.hint = "a rule of landlock has to name what exists, unless it is optional = true";
    if (error.code == ELOOP) error.hint = "links of /proc, such as /proc/self/root, are not followed";
    return error;
  }
  std::uint64_t rights = rule.rights;
  auto status = CCSAND_TRY(sys::fstatat(place->get(), "", AT_EMPTY_PATH));
  if (!S_ISDIR(status.st_mode)) rights &= kOfFiles;  // the kernel refuses the others: a file has nothing beneath it
  if (rights == 0) return make_error(ENOTDIR, "landlock_add_rule", rule.path, "is no directory, and all that is allowed there is for directories");
  rights &= landlock_file_rights(CCSAND_TRY(host_landlock_abi()));
  if (rights == 0) return {};  // what this kernel cannot deny, which least_abi accepted
  return sys::landlock_add_path(context.fd(op.ruleset), place->get(), rights, rule.path);
}

Result<void> apply(const RestrictSelf& op, Context& context) {
  auto done = sys::landlock_restrict_self(op.ruleset != kNoSlot ? context.fd(op.ruleset) : op.fd);
  if (done) return {};
  Error error = done.error();
  if (error.code == EPERM) error.hint = "it takes no_new_privs, or CAP_SYS_ADMIN";
  if (error.code == E2BIG) error.hint = "a process can be under 16 rulesets at most";
  return error;
}

namespace {
// Sets by their name, the rest as the kernel calls them.
std::string rights_text(std::uint64_t rights) {
  std::string text;
  for (const Name& name : landlock_right_names()) {
    if ((rights & name.value) != name.value) continue;
    text.append(text.empty() ? "" : ",").append(name.word);
    rights &= ~name.value;
  }
  return text;
}
std::string ports_text(const std::optional<std::vector<std::uint16_t>>& ports, const char* what) {
  if (!ports) return {};
  std::string text;
  for (std::uint16_t port : *ports) text += (text.empty() ? "" : ",") + number(port);
  return std::string(" ") + what + "=" + (text.empty() ? "none" : text);
}
}  // namespace

std::string describe(const MakeRuleset& op) {
  const LandlockPolicy& policy = op.policy;
  std::string line = "landlock ruleset as " + slot_name(op.out) + ":";
  if (policy.files) line += " files";
  line += ports_text(policy.connect, "tcp_connect") + ports_text(policy.bind, "tcp_bind");
  if (policy.scopes != 0) line += " scope=" + words_of_bits(landlock_scope_names(), policy.scopes);
  return line + " (ABI " + number(landlock_need(policy).abi) + " or newer)";
}
std::string describe(const AllowPath& op) {
  return "landlock " + slot_name(op.ruleset) + " allow " + rights_text(op.rule.rights) + " in " + quoted(op.rule.path) +
         (op.rule.optional ? " if it exists" : "");
}
std::string describe(const RestrictSelf& op) {
  return "landlock restrict to " + (op.ruleset != kNoSlot ? slot_name(op.ruleset) : std::string("the container's ruleset"));
}

}  // namespace ccsand
