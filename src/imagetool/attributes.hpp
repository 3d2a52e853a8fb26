// Owner, mode, time and extended attributes of an entry: which are taken from an
// archive, which are dropped, and which make it refused.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "ccsand/result.hpp"

struct archive_entry;

namespace ccsand::imagetool {

struct Xattr {
  std::string name;
  std::string value;
};

struct Attributes {
  uid_t uid = 0;
  gid_t gid = 0;
  unsigned mode = 0;  // with setuid, setgid and sticky bits: images need them
  struct timespec mtime = {};
  std::vector<Xattr> xattrs;
};

// Kept: user.* and file capabilities. Refused: what steers overlayfs (trusted.*,
// user.overlay.*), since an image is mounted as a layer. Dropped: the rest of
// security.* and system.*, labels and access lists, which belong to the host's policy.
enum class XattrRule { kKeep, kDrop, kRefuse };
XattrRule rule_for_xattr(std::string_view name);

// Fails where an id is not within 0..65535 or an attribute is refused.
Result<Attributes> read_attributes(struct archive_entry* entry, std::string_view name);

// Sets all of them on an open file or directory.
Result<void> apply_attributes(int fd, const Attributes& attributes, std::string_view name);

}  // namespace ccsand::imagetool
