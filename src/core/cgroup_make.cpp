// Making the directories of groups.
#include "core/cgroup_make.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "sys/file.hpp"
#include "sys/process.hpp"

namespace ccsand::cgroupfs {

namespace {

// Another ccsand may remove an empty parent just after it was found or made.
constexpr int kTries = 16;

Result<void> make_directory(const std::string& path) {
  auto made = sys::mkdirat(AT_FDCWD, path.c_str(), 0755);
  if (made) return {};
  Error error = made.error();
  error.context.append("make a cgroup");
  if (error.code == EACCES || error.code == EPERM || error.code == EROFS) {
    error.hint =
        "run as root, or name a cgroup that is delegated to you in CCSAND_CGROUP (relative to the cgroup2 "
        "mount)";
  }
  return error;
}

Result<void> make_directory_if_missing(const std::string& path) {
  auto made = make_directory(path);
  if (made || made.error().code == EEXIST) return {};
  return made;
}

void remove_directory_if_empty(const std::string& path) {
  (void)sys::unlinkat(AT_FDCWD, path.c_str(), AT_REMOVEDIR);  // cleaning up after an error that is reported
}

// Opens a directory that was just made, or takes it away again.
Result<Directory> open_made(std::string path) {
  auto directory = open_directory(path);
  if (!directory) remove_directory_if_empty(path);
  return directory;
}

// A parent is removed by another ccsand: no such path, or no such group any more.
bool is_gone(const Error& error) { return error.code == ENOENT || error.code == ENODEV; }

// Makes sure that a group has no processes of its own, by moving this process below it
// if it is the only one. The kernel refuses controllers such as memory to groups below
// one with processes; with others, such as pids, it lets no process into them.
Result<void> vacate(const Directory& group) {
  Buffer buffer;
  if (!read_if_any(group, "cgroup.type", buffer)) return {};  // the root, which may have processes
  const std::string self = std::to_string(sys::getpid());
  std::size_t mine = 0;
  std::size_t others = 0;
  CCSAND_TRY(
      for_each_line(group, "cgroup.procs", [&](std::string_view pid) { ++(pid == self ? mine : others); }));
  if (others != 0) {
    return make_error(
        EBUSY, "enable controllers in", "'" + group.path + "'",
        "processes live in that cgroup, so that it cannot limit cgroups below it (EBUSY)",
        "name an empty cgroup that is delegated to ccsand in CCSAND_CGROUP (relative to the cgroup2 "
        "mount), or move the processes into a cgroup below");
  }
  if (mine == 0) return {};
  Directory leaf{Fd(), group.path + "/" + std::string(kSupervisorName)};
  CCSAND_TRY(make_directory_if_missing(leaf.path));
  return write(leaf, "cgroup.procs", "0");  // 0: the writer
}

// The error of enabling controllers, told by what the group lacks.
Error lacking(const Directory& group, const std::vector<std::string>& controllers, const Error& error) {
  if (error.code != ENOENT && error.code != EINVAL) return error;
  Buffer buffer;
  auto offered = read(group, "cgroup.controllers", buffer);
  if (!offered) return offered.error();
  std::string missing;
  for (const std::string& name : controllers) {
    std::string_view rest = *offered;
    bool found = false;
    while (!rest.empty()) found = take(rest, ' ') == name || found;
    if (!found) missing.append(missing.empty() ? "'" : ", '").append(name).append("'");
  }
  if (missing.empty()) return error;
  return make_error(
      ENOTSUP, "cgroup controller", missing,
      "cgroup v2 at '" + group.path + "' offers only: " + std::string(*offered),
      "in a container or a delegated cgroup: enable it in cgroup.subtree_control above; on the host: "
      "see cgroup_disable= and cgroup_no_v1= on the kernel's command line, or mount its v1 hierarchy");
}

// A group below one with processes or threads of its own may take no process.
Result<void> check_type(const Directory& group) {
  Buffer buffer;
  std::string_view type = CCSAND_TRY(read(group, "cgroup.type", buffer));
  if (type == "domain") return {};
  return make_error(EOPNOTSUPP, "make a cgroup", "'" + group.path + "'",
                    "its type is '" + std::string(type) + "', which takes no processes",
                    "the parent cgroup has processes or is threaded: name an empty one in CCSAND_CGROUP");
}

// A v1 cpuset starts without CPUs and memory nodes and takes no process until it has some.
Result<void> inherit_cpuset(const Directory& own, const Directory& parent, const Directory& group) {
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    Buffer buffer;
    std::string_view value = CCSAND_TRY(read(parent, file, buffer));
    if (value.empty()) {
      value = CCSAND_TRY(read(own, file, buffer));
      CCSAND_TRY(write(parent, file, value));
    }
    CCSAND_TRY(write(group, file, value));
  }
  return {};
}

}  // namespace

Result<Parent> unified_parent(const std::string& mount, std::string_view wanted) {
  if (wanted.empty()) {
    const char* variable = std::getenv("CCSAND_CGROUP");
    if (variable != nullptr) wanted = variable;
  }
  if (wanted.empty()) return Parent{mount, mount + "/" + std::string(kParentName), true};
  Parent parent{mount, mount, false};
  for (std::string_view rest = wanted; !rest.empty();) {
    std::string_view part = take(rest, '/');
    if (part == "..") return make_error(EINVAL, "parent cgroup", wanted, "'..' in the path");
    if (!part.empty() && part != ".") parent.path.append("/").append(part);
  }
  return parent;
}

Result<void> enable(const Parent& parent, const std::vector<std::string>& controllers) {
  std::string text;
  for (const std::string& name : controllers) text.append(text.empty() ? "+" : " +").append(name);
  Directory group{Fd(), parent.path};
  // Most often the root has them enabled already: ask our own directory first.
  auto enabled = parent.ours ? Result<void>() : vacate(group);
  if (enabled) enabled = write(group, "cgroup.subtree_control", text);
  if (enabled) return {};
  bool above = parent.ours && (enabled.error().code == ENOENT || enabled.error().code == EINVAL);
  if (!above) return lacking(group, controllers, enabled.error());
  Directory root{Fd(), parent.mount};
  CCSAND_TRY(vacate(root));
  if (auto result = write(root, "cgroup.subtree_control", text); !result)
    return lacking(root, controllers, result.error());
  if (auto result = write(group, "cgroup.subtree_control", text); !result)
    return lacking(group, controllers, result.error());
  return {};
}

Result<Directory> make_unified(const Parent& parent, std::string_view name,
                               const std::vector<std::string>& controllers) {
  std::string path = parent.path + "/" + std::string(name);
  auto made = make_directory(path);
  for (int tries = 0; !made && is_gone(made.error()) && tries < kTries; ++tries) {
    if (!parent.ours) {
      Error error = made.error();
      error.hint = "the parent cgroup (CCSAND_CGROUP) must exist: its path is relative to the cgroup2 mount";
      return error;
    }
    CCSAND_TRY(make_directory_if_missing(parent.path));
    auto enabled = controllers.empty() ? Result<void>() : enable(parent, controllers);
    if (enabled) made = make_directory(path);
    else made = enabled;
  }
  auto group = made ? open_made(path) : Result<Directory>(made.error());
  if (group && !parent.ours) {
    auto usable = check_type(*group);
    if (!usable) {
      remove_directory_if_empty(path);
      group = usable.error();
    }
  }
  if (!group && parent.ours) remove_directory_if_empty(parent.path);
  return group;
}

Result<Directory> make_legacy(const CgroupHierarchy& hierarchy, std::string_view name) {
  if (hierarchy.read_only) {
    return make_error(EROFS, "make a cgroup", "in '" + hierarchy.mount + "'",
                      "the hierarchy is mounted read-only");
  }
  std::string parent = hierarchy.own + "/" + std::string(kParentName);
  std::string path = parent + "/" + std::string(name);
  auto made = make_directory(path);
  for (int tries = 0; !made && is_gone(made.error()) && tries < kTries; ++tries) {
    CCSAND_TRY(make_directory_if_missing(parent));
    made = make_directory(path);
  }
  auto group = made ? open_made(path) : Result<Directory>(made.error());
  if (group && hierarchy.has("cpuset")) {
    auto given = inherit_cpuset({Fd(), hierarchy.own}, {Fd(), parent}, *group);
    if (!given) {
      remove_directory_if_empty(path);
      group = given.error();
    }
  }
  if (!group) remove_directory_if_empty(parent);
  return group;
}

}  // namespace ccsand::cgroupfs
