// Making the directories of groups, and what must be so in their parents: controllers
// enabled (v2), CPUs and memory nodes given (v1). For cgroup.cpp and its neighbours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/cgroup_file.hpp"
#include "core/cgroup_layout.hpp"

namespace ccsand::cgroupfs {

// The directory that all groups are made in, unless told otherwise.
inline constexpr std::string_view kParentName = "ccsand";
// Where ccsand moves itself when it is in the way; see enable().
inline constexpr std::string_view kSupervisorName = "ccsand-supervisor";

// The parent of groups in the v2 hierarchy.
struct Parent {
  std::string mount;
  std::string path;   // absolute
  bool ours = false;  // made by ccsand, and removed when it is empty
};
// `wanted` is relative to the mount; where it is empty the environment variable
// CCSAND_CGROUP is asked, and then it is "ccsand". EINVAL if it leaves the mount.
Result<Parent> unified_parent(const std::string& mount, std::string_view wanted);

// Makes the v2 directory of a group, and its parent if that is ours and not there, with
// `controllers` enabled. In a parent that is there they may not be: see enable().
Result<Directory> make_unified(const Parent& parent, std::string_view name,
                               const std::vector<std::string>& controllers);

// Enables controllers for the groups in `parent`, and above it where the parent is ours.
// A group other than the root cannot do so while it has processes: EBUSY. Where the one
// process in it is this one, it moves itself down into "ccsand-supervisor", and stays
// there: so ccsand can be the first process of a container or of a delegated scope. It
// never moves another process. ENOTSUP names the controllers that are not to be had.
Result<void> enable(const Parent& parent, const std::vector<std::string>& controllers);

// Makes the v1 directory of a group below this process's own group.
Result<Directory> make_legacy(const CgroupHierarchy& hierarchy, std::string_view name);

}  // namespace ccsand::cgroupfs
