// The tree that is being unpacked, reached by descriptors only. Paths are clean ones
// (path.hpp). A parent may lead through a link that was unpacked earlier, as in
// usr-merged images (lib -> usr/lib, then lib/x): such a link is resolved by the kernel
// with the tree as the root (RESOLVE_IN_ROOT), so that it cannot leave. The last
// component is never followed, opened if it exists, or written through.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"
#include "imagetool/attributes.hpp"

namespace ccsand::imagetool {

class Tree {
 public:
  // `directory` must be empty. At most `max_inodes` are made, implied parents included.
  static Result<Tree> open(int directory, std::uint64_t max_inodes);

  // An empty file with mode 0600, for writing, in the place of any other that is not a directory.
  Result<Fd> create_file(const std::string& path);
  Result<void> make_directory(const std::string& path, const Attributes& attributes);
  Result<void> make_symlink(const std::string& path, const std::string& target, const Attributes& attributes);
  // `target` must be a regular file that was unpacked before.
  Result<void> make_hard_link(const std::string& path, const std::string& target);

  // Gives the directories their attributes. Last, because whatever is made in a directory
  // changes its time, and its final mode may forbid to make anything.
  Result<void> finish();

  // Removes everything that was made.
  Result<void> discard();

 private:
  struct Place {
    Fd parent;
    std::string name;
  };
  struct Directory {
    Attributes attributes;
    dev_t device = 0;
    ino_t inode = 0;
  };
  Tree(Fd root, dev_t device, ino_t inode, std::uint64_t max_inodes)
      : root_(std::move(root)), device_(device), inode_(inode), inodes_left_(max_inodes) {}

  Result<Fd> open_directory(const std::string& path, int flags) const;
  Result<Fd> make_parents(const std::string& path, const std::string& entry);
  Result<Place> place(const std::string& path);
  Result<bool> clear(const Place& place, const std::string& path, bool keep_directory);
  Result<void> count_inode(const std::string& path);
  Result<bool> is_root(int fd) const;
  Result<void> check_climb(const Place& place, const std::string& path, const std::string& target) const;
  Result<void> remember(int fd, const std::string& path, const Attributes& attributes);

  Fd root_;
  dev_t device_;
  ino_t inode_;
  std::uint64_t inodes_left_;
  std::uint64_t remembered_bytes_ = 0;
  std::map<std::string, Directory> directories_;
};

}  // namespace ccsand::imagetool
