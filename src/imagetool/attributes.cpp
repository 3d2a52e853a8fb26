// Owner, mode, time and extended attributes of an entry.
#include "imagetool/attributes.hpp"

#include <archive.h>
#include <archive_entry.h>

#include "imagetool/calls.hpp"
#include "imagetool/path.hpp"

namespace ccsand::imagetool {

namespace {
constexpr la_int64_t kMaxId = 65535;  // an id map of a container covers no more
constexpr long kMaxNanoseconds = 999'999'999;

bool is_id(la_int64_t id) { return id >= 0 && id <= kMaxId; }

Result<std::vector<Xattr>> read_xattrs(struct archive_entry* entry, std::string_view name) {
  std::vector<Xattr> kept;
  const char* attribute = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  (void)archive_entry_xattr_reset(entry);  // answers how many there are
  while (archive_entry_xattr_next(entry, &attribute, &value, &size) == ARCHIVE_OK) {
    if (attribute == nullptr) return refusal(name, "an extended attribute without a name");
    XattrRule rule = rule_for_xattr(attribute);
    if (rule == XattrRule::kRefuse) {
      return refusal(name, std::string("the extended attribute ").append(attribute).append(" is refused"));
    }
    if (rule == XattrRule::kKeep) kept.push_back({attribute, {static_cast<const char*>(value), size}});
  }
  return kept;
}
}  // namespace

XattrRule rule_for_xattr(std::string_view name) {
  if (name == "security.capability") return XattrRule::kKeep;
  if (name.starts_with("trusted.") || name.starts_with("user.overlay.")) return XattrRule::kRefuse;
  return name.starts_with("user.") ? XattrRule::kKeep : XattrRule::kDrop;
}

Result<Attributes> read_attributes(struct archive_entry* entry, std::string_view name) {
  la_int64_t uid = archive_entry_uid(entry);
  la_int64_t gid = archive_entry_gid(entry);
  if (!is_id(uid) || !is_id(gid)) return refusal(name, "an owner or group that is not within 0..65535");
  Attributes attributes;
  attributes.uid = static_cast<uid_t>(uid);
  attributes.gid = static_cast<gid_t>(gid);
  attributes.mode = archive_entry_perm(entry) & 07777U;
  attributes.mtime.tv_sec = archive_entry_mtime(entry);
  long nanoseconds = archive_entry_mtime_nsec(entry);
  attributes.mtime.tv_nsec = nanoseconds >= 0 && nanoseconds <= kMaxNanoseconds ? nanoseconds : 0;
  attributes.xattrs = CCSAND_TRY(read_xattrs(entry, name));
  return attributes;
}

Result<void> apply_attributes(int fd, const Attributes& attributes, std::string_view name) {
  // chown takes setuid bits and capabilities away, and a read-only mode forbids user.*.
  CCSAND_TRY(fchown(fd, attributes.uid, attributes.gid, name));
  for (const Xattr& xattr : attributes.xattrs) {
    CCSAND_TRY(fsetxattr(fd, xattr.name.c_str(), xattr.value, name));
  }
  CCSAND_TRY(fchmod(fd, attributes.mode, name));
  return set_times(fd, attributes.mtime, name);
}

}  // namespace ccsand::imagetool
