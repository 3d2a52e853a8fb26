// What this host has of cgroups: which hierarchies are mounted where, v1 or v2, and
// where this process is in them. Reads only; makes no group.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ccsand/result.hpp"

namespace ccsand {

enum class CgroupVersion { v1, v2 };

// unified: v2 alone (a v1 hierarchy without controllers, such as name=systemd, does
// not count); hybrid: v2 beside v1 controllers; legacy: v1 alone.
enum class CgroupMode { none, unified, hybrid, legacy };

// One mounted hierarchy; see cgroups(7).
struct CgroupHierarchy {
  CgroupVersion version = CgroupVersion::v2;
  std::vector<std::string> controllers;  // v1 only; those of v2 are in its cgroup.controllers
  std::string mount;                     // where it is mounted
  std::string own;                       // the directory of this process's own group; v1 only
  bool read_only = false;

  [[nodiscard]] bool has(std::string_view controller) const;
};

class CgroupLayout {
 public:
  // From the text of /proc/self/mountinfo and /proc/self/cgroup (proc(5)). Mounts that
  // later ones hide are left out; of several mounts of one hierarchy, the first that is
  // writable and shows this process's own group is taken.
  static Result<CgroupLayout> parse(std::string_view mountinfo, std::string_view self_cgroup);

  // This host's, read at the first use. On a unified host at the usual place that is a
  // single statfs(2).
  static Result<const CgroupLayout*> host();

  // Where this host's v2 hierarchy is mounted, "" where it has none that can be written.
  // Costs one or two statfs(2) where the mount is at its usual place, and no parsing.
  static Result<std::string> host_unified_mount();

  [[nodiscard]] CgroupMode mode() const;

  // The v2 hierarchy, nullptr where there is none that can be written.
  [[nodiscard]] const CgroupHierarchy* unified() const;

  // The v1 hierarchy of a controller, nullptr where no v1 mount has it.
  [[nodiscard]] const CgroupHierarchy* legacy(std::string_view controller) const;

  // All v1 hierarchies, and v2 where it is mounted.
  [[nodiscard]] const std::vector<CgroupHierarchy>& hierarchies() const { return hierarchies_; }

  // How a controller is to be used: v1 where a v1 mount has it, else v2 where v2 is
  // mounted (that it has the controller shows when it is enabled), else nullopt.
  [[nodiscard]] std::optional<CgroupVersion> version_of(std::string_view controller) const;

  // The hierarchy that has a directory for every group, whatever its limits: v2, else
  // the v1 freezer, else any v1 hierarchy. nullptr where none can be written.
  [[nodiscard]] const CgroupHierarchy* tracking() const;

 private:
  std::vector<CgroupHierarchy> hierarchies_;
};

}  // namespace ccsand
