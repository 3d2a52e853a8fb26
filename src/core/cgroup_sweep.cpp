// What supervisors that died left behind: found by name, killed and removed.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "core/cgroup.hpp"
#include "core/cgroup_make.hpp"
#include "sys/file.hpp"

namespace ccsand {

namespace {

using cgroupfs::Deadline;
using cgroupfs::Directory;

constexpr std::chrono::milliseconds kPatience{2000};
constexpr int kDeepest = 32;  // levels of v1 groups; systemd makes five

// Removes the groups of these names from each directory "ccsand" below `at`. The dead
// supervisor may have been in another group than this process is.
Result<void> sweep_legacy(const Directory& at, const std::vector<std::string>& names, int depth) {
  Result<void> result;
  auto children = cgroupfs::children(at);
  if (!children || depth > kDeepest) return result;  // gone meanwhile
  for (const std::string& name : *children) {
    auto child = cgroupfs::open_child(at, name.c_str());
    if (!child) continue;
    auto below = sweep_legacy(*child, names, depth + 1);
    if (!below) result = below;
    if (name != cgroupfs::kParentName) continue;
    for (const std::string& group : names) {
      auto directory = cgroupfs::open_child(*child, group.c_str());
      if (!directory) continue;
      Deadline deadline(kPatience);
      auto removed = cgroupfs::remove_tree(*directory, group.c_str(), deadline);
      if (!removed) result = removed;
    }
    (void)sys::unlinkat(child->fd.get(), ("../" + name).c_str(), AT_REMOVEDIR);  // if it is empty
  }
  return result;
}

}  // namespace

// One sweep. The record is the directory that has one directory for each group.
class CgroupSweep {
 public:
  CgroupSweep(std::string record, bool ours, CgroupVersion version)
      : record_{Fd(), std::move(record)}, ours_(ours), version_(version) {}

  // False where there is nothing to sweep, as nearly always.
  Result<bool> find(const std::function<bool(pid_t, std::uint64_t)>& alive) {
    auto names = cgroupfs::children(record_);
    if (!names && names.error().code == ENOENT) return false;
    if (!names) return names.error();
    names_ = std::move(*names);
    std::erase_if(names_, [&](const std::string& text) {
      auto name = CgroupName::parse(text);
      return !name || alive(name->supervisor, name->start);
    });
    // Empty where its last supervisor was killed between two steps.
    if (names_.empty() && ours_) (void)sys::unlinkat(AT_FDCWD, record_.path.c_str(), AT_REMOVEDIR);
    return !names_.empty();
  }

  Result<void> remove(const CgroupLayout& layout) {
    std::vector<Cgroup> dead;
    for (const std::string& name : names_) {
      auto directory = cgroupfs::open_child(record_, name.c_str());
      if (!directory) continue;  // another start sweeps, too
      Cgroup group;
      group.name_ = name;
      group.path_ = directory->path;
      std::vector<std::string> controllers;
      if (version_ == CgroupVersion::v1) controllers = layout.tracking()->controllers;
      group.places_.push_back({std::move(*directory), version_, std::move(controllers), ours_});
      (void)group.kill();  // what could not be killed shows when the group is removed
      dead.push_back(std::move(group));
    }
    Result<void> result;
    for (const CgroupHierarchy& hierarchy : layout.hierarchies()) {
      bool record_itself = version_ == CgroupVersion::v1 && &hierarchy == layout.tracking();
      if (hierarchy.version == CgroupVersion::v2 || hierarchy.read_only || record_itself) continue;
      auto swept = sweep_legacy({Fd(), hierarchy.mount}, names_, 0);
      if (!swept) result = swept;
    }
    if (!result) return result;  // the record stays: the next start tries again
    for (Cgroup& group : dead) {
      if (auto removed = group.remove(); !removed && result) result = removed.error();
    }
    return result;
  }

 private:
  Directory record_;
  bool ours_;
  CgroupVersion version_;
  std::vector<std::string> names_;  // of groups whose supervisor is dead
};

std::string CgroupName::text() const {
  return std::to_string(supervisor) + "-" + std::to_string(start) + "-" + std::to_string(number);
}

std::optional<CgroupName> CgroupName::parse(std::string_view text) {
  auto supervisor = cgroupfs::number(cgroupfs::take(text, '-'));
  auto start = cgroupfs::number(cgroupfs::take(text, '-'));
  auto number = cgroupfs::number(text);
  if (!supervisor || !start || !number || *supervisor == 0 || *supervisor > 0x7fffffff) return std::nullopt;
  return CgroupName{static_cast<pid_t>(*supervisor), *start, *number};
}

Result<void> sweep_cgroups(const std::function<bool(pid_t, std::uint64_t)>& alive) {
  std::string mount = CCSAND_TRY(CgroupLayout::host_unified_mount());
  if (mount.empty()) return sweep_cgroups_in(*CCSAND_TRY(CgroupLayout::host()), alive);
  auto parent = CCSAND_TRY(cgroupfs::unified_parent(mount, {}));
  CgroupSweep sweep(parent.path, parent.ours, CgroupVersion::v2);
  if (!CCSAND_TRY(sweep.find(alive))) return {};
  return sweep.remove(*CCSAND_TRY(CgroupLayout::host()));
}

Result<void> sweep_cgroups_in(const CgroupLayout& layout,
                              const std::function<bool(pid_t, std::uint64_t)>& alive) {
  const CgroupHierarchy* tracking = layout.tracking();
  if (tracking == nullptr) return {};
  cgroupfs::Parent parent{"", tracking->own + "/" + std::string(cgroupfs::kParentName), true};
  if (tracking->version == CgroupVersion::v2)
    parent = CCSAND_TRY(cgroupfs::unified_parent(tracking->mount, {}));
  CgroupSweep sweep(parent.path, parent.ours, tracking->version);
  if (!CCSAND_TRY(sweep.find(alive))) return {};
  return sweep.remove(layout);
}

}  // namespace ccsand
