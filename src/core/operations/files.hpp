// Operations on files and directories.
#pragma once

#include "core/operations/mounts.hpp"

namespace ccsand {

struct MakeDirectory {
  Place place;
  unsigned mode = 0755;
  bool parents = false;  // makes what is missing above it, and takes one that exists
};
struct MakeFile {  // an empty regular file to mount onto; one that exists is kept
  Place place;
  unsigned mode = 0644;
};
// The kind of mount point that the detached tree in `like` needs: a directory or a file.
struct MakeMountPoint {
  Place place;
  Slot like = kNoSlot;
};
struct MakeNode {
  Place place;
  unsigned mode = 0;  // with S_IFCHR, S_IFBLK, S_IFIFO, ...
  unsigned major = 0, minor = 0;
};
struct MakeSymlink {
  Place place;
  std::string target;
};
struct UnlinkSymlink {  // unlinks what is a symbolic link; passes over everything else
  Place place;
};
struct ChangeOwner {
  Place place;
  uid_t uid = 0;
  gid_t gid = 0;
};
struct ChangeMode {
  Place place;
  unsigned mode = 0;
};
struct WriteFile {  // writes into a file that exists, in one write(2): sysctls, ...
  Place place;
  std::string text;
};
struct ChangeDirectory {
  Place place;
};
struct ChangeRoot {
  std::string path;
};

Result<void> apply(const MakeDirectory& op, Context& context);
Result<void> apply(const MakeFile& op, Context& context);
Result<void> apply(const MakeMountPoint& op, Context& context);
Result<void> apply(const MakeNode& op, Context& context);
Result<void> apply(const MakeSymlink& op, Context& context);
Result<void> apply(const UnlinkSymlink& op, Context& context);
Result<void> apply(const ChangeOwner& op, Context& context);
Result<void> apply(const ChangeMode& op, Context& context);
Result<void> apply(const WriteFile& op, Context& context);
Result<void> apply(const ChangeDirectory& op, Context& context);
Result<void> apply(const ChangeRoot& op, Context& context);

std::string describe(const MakeDirectory& op);
std::string describe(const MakeFile& op);
std::string describe(const MakeMountPoint& op);
std::string describe(const MakeNode& op);
std::string describe(const MakeSymlink& op);
std::string describe(const UnlinkSymlink& op);
std::string describe(const ChangeOwner& op);
std::string describe(const ChangeMode& op);
std::string describe(const WriteFile& op);
std::string describe(const ChangeDirectory& op);
std::string describe(const ChangeRoot& op);

}  // namespace ccsand
