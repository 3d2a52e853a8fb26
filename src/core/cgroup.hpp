// A control group: made, filled, watched, frozen, killed and removed, in v2, v1 and
// hybrid hosts alike. See cgroups(7) and the kernel's admin-guide/cgroup-v2.
//
// v2: <cgroup2 mount>/ccsand/<name>, or below the group that CCSAND_CGROUP names.
// v1: <own group>/ccsand/<name>, only in hierarchies whose limits are asked for. Where v2
// is mounted, every group has its v2 directory, which records it: it is made first and
// removed last. Elsewhere the v1 freezer takes this part.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ccsand/result.hpp"
#include "core/cgroup_file.hpp"
#include "core/cgroup_layout.hpp"
#include "core/cgroup_limits.hpp"
#include "core/cgroup_stats.hpp"

namespace ccsand {

namespace cgroupfs {
struct Parent;
}

// The name of a group says who made it, for sweep_cgroups().
struct CgroupName {
  pid_t supervisor = 0;
  std::uint64_t start = 0;   // of the supervisor: field 22 of /proc/PID/stat, clock ticks
  std::uint64_t number = 0;  // of the group

  [[nodiscard]] std::string text() const;  // "<supervisor>-<start>-<number>"
  static std::optional<CgroupName> parse(std::string_view text);
};

// Making the first group in "ccsand" costs about twice as much as making the next one,
// because the directory is made and its controllers are enabled; the last group to go
// removes it. A loop of runs does well to keep a group of its own with the same limits.
class Cgroup {
 public:
  // Makes the group and sets its limits. `name` is letters, digits, '_' and '-';
  // EEXIST if there is such a group. `parent` is a v2 group, relative to the mount of v2,
  // that exists and takes the place of "ccsand"; sweep_cgroups() does not look there.
  // ENOTSUP where the host lacks a controller; what the kernel refuses names file and value.
  static Result<Cgroup> create(std::string_view name, const CgroupLimits& limits,
                               std::string_view parent = {});
  // The same in another view of the host than CgroupLayout::host().
  static Result<Cgroup> create_in(const CgroupLayout& layout, std::string_view name,
                                  const CgroupLimits& limits, std::string_view parent = {});

  // In the process that made it, kills what is left in the group and removes it.
  ~Cgroup();
  Cgroup(Cgroup&& other) noexcept;
  Cgroup& operator=(Cgroup&& other) noexcept;
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  // Its directory in the v2 hierarchy, or the one that records it in v1.
  [[nodiscard]] const std::string& path() const { return path_; }

  // A descriptor of the group for CLONE_INTO_CGROUP, -1 where v2 is not mounted. It stays
  // the group's. Where needs_attach() is true, attach() has to follow.
  [[nodiscard]] int clone_into() const;
  [[nodiscard]] bool needs_attach() const;

  // Puts a process that was cloned into the group into its v1 directories, too; or, where
  // there is no v2, into all of them. May take 5-11 ms in v1. ESRCH: no such process.
  Result<void> attach(pid_t pid) const;
  // Puts any process into all directories of the group.
  Result<void> adopt(pid_t pid) const;

  // What the group has used; a field that this kernel or this group cannot tell is empty.
  Result<CgroupStats> stats() const;
  // Processes that the OOM killer took so far; nullopt without the memory controller.
  [[nodiscard]] std::optional<std::uint64_t> oom_kills() const;

  // Stops all processes of the group, and waits until they have stopped: ETIMEDOUT after
  // two seconds, with the group thawed again.
  Result<void> freeze() const;
  Result<void> thaw() const;

  // SIGKILL to every process of the group and of those below it. Does not wait for their
  // end (remove() does).
  Result<void> kill() const;

  // Removes the group and all below it. Waits up to two seconds for dying processes: then
  // EBUSY. Removing it again is no error.
  Result<void> remove();

 private:
  friend class CgroupSweep;

  // The group in one hierarchy.
  struct Place {
    cgroupfs::Directory directory;
    CgroupVersion version = CgroupVersion::v2;
    std::vector<std::string> controllers;  // v1 only
    bool parent_is_ours = false;
  };

  Cgroup() = default;
  Result<void> make_places(const CgroupLayout& layout, const std::vector<CgroupWrite>& writes,
                           const cgroupfs::Parent* parent);
  Result<void> apply(const std::vector<CgroupWrite>& writes, const cgroupfs::Parent* parent) const;
  [[nodiscard]] const Place* find(std::string_view controller) const;
  [[nodiscard]] const Place* find_legacy(std::string_view controller) const;
  Result<void> kill_one_by_one() const;
  void remove_in_owner();

  std::string name_, path_;
  std::vector<Place> places_;  // the one that records the group first; none once it is removed
  std::uint64_t owner_ = 0;    // the process whose destructor removes the group, by generation
};

// Kills and removes the groups in "ccsand" (or CCSAND_CGROUP) whose supervisor is dead,
// in every hierarchy. `alive` is asked for pid and start time. Where nothing is left by
// anybody: two system calls on a unified host, three on a hybrid one.
Result<void> sweep_cgroups(const std::function<bool(pid_t, std::uint64_t)>& alive);
// The same in another view of the host than CgroupLayout::host().
Result<void> sweep_cgroups_in(const CgroupLayout& layout,
                              const std::function<bool(pid_t, std::uint64_t)>& alive);

}  // namespace ccsand
