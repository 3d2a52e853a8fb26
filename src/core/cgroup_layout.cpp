// What this host has of cgroups.
#include "core/cgroup_layout.hpp"

#include <linux/magic.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "core/cgroup_file.hpp"
#include "sys/file.hpp"
#include "sys/inspect.hpp"

namespace ccsand {

namespace {

using cgroupfs::take;

constexpr const char* kUsualMount = "/sys/fs/cgroup";
constexpr const char* kUsualHybridMount = "/sys/fs/cgroup/unified";

// What a line of mountinfo says, as far as it matters here.
struct MountLine {
  std::string_view id, parent;
  std::string root;
  std::string point;
  std::string_view options, type, super_options;
};

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::optional<MountLine> parse_mount(std::string_view line) {
  MountLine mount;
  mount.id = take(line, ' ');
  mount.parent = take(line, ' ');
  (void)take(line, ' ');  // device
  mount.root = unescape(take(line, ' '));
  mount.point = unescape(take(line, ' '));
  mount.options = take(line, ' ');
  while (!line.empty() && take(line, ' ') != "-") {
  }  // optional fields, as many as there are
  mount.type = take(line, ' ');
  (void)take(line, ' ');  // source
  mount.super_options = take(line, ' ');
  if (mount.point.empty() || mount.type.empty()) return std::nullopt;
  return mount;
}

bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    if (take(list, ',') == word) return true;
  }
  return false;
}

// The options of a v1 mount that are not controllers.
bool is_mount_option(std::string_view word) {
  constexpr std::string_view kOptions[] = {
      "rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"};
  return std::find(std::begin(kOptions), std::end(kOptions), word) != std::end(kOptions) ||
         word.starts_with("release_agent=");
}

std::vector<std::string> controllers_of(std::string_view super_options) {
  std::vector<std::string> names;
  while (!super_options.empty()) {
    std::string_view word = take(super_options, ',');
    if (!is_mount_option(word)) names.emplace_back(word);
  }
  return names;
}

// Is `path` the directory `top`, or below it?
bool is_within(std::string_view path, std::string_view top) {
  if (top == "/") return true;
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

// Is the mount covered by another one? Not the order of the lines tells, because a
// mount keeps its number when it is moved, but what is mounted on what.
bool is_hidden(const MountLine& mount, const std::vector<MountLine>& all) {
  std::vector<std::string_view> chain = {mount.id};  // the mount, what it is mounted on, and so on
  for (std::size_t i = 0; i < chain.size() && i < all.size(); ++i) {
    for (const MountLine& other : all) {
      if (other.id == chain[i] && other.parent != other.id) chain.push_back(other.parent);
    }
  }
  auto in_chain = [&](std::string_view id) {
    return std::find(chain.begin(), chain.end(), id) != chain.end();
  };
  return std::any_of(all.begin(), all.end(), [&](const MountLine& other) {
    return is_within(mount.point, other.point) && in_chain(other.parent) && !in_chain(other.id);
  });
}

// The path of this process's group in the v1 hierarchy with these controllers.
std::string_view own_path(std::string_view self_cgroup, const std::vector<std::string>& controllers) {
  while (!self_cgroup.empty()) {
    std::string_view line = take(self_cgroup, '\n');
    (void)take(line, ':');  // the number of the hierarchy
    std::string_view list = take(line, ':');
    if (!list.empty() && !controllers.empty() && lists(list, controllers.front())) return line;
  }
  return {};
}

// Sets `own`; false where the mount does not show this process's group, which then
// counts as being in the group that is mounted.
bool find_own(CgroupHierarchy& hierarchy, std::string_view root, std::string_view path) {
  hierarchy.own = hierarchy.mount;
  if (path.empty() || path.starts_with("/..") || root.starts_with("/..") || !is_within(path, root))
    return false;
  if (root != "/") path.remove_prefix(root.size());
  if (path != "/") hierarchy.own += path;
  return true;
}

// One mount of a hierarchy, and how good it is among several of the same.
struct Candidate {
  CgroupHierarchy hierarchy;
  int score = 0;
};
Candidate to_candidate(const MountLine& mount, std::string_view self_cgroup) {
  Candidate next;
  next.hierarchy.version = mount.type == "cgroup2" ? CgroupVersion::v2 : CgroupVersion::v1;
  next.hierarchy.mount = mount.point;
  next.hierarchy.own = mount.point;
  next.hierarchy.read_only = lists(mount.options, "ro") || lists(mount.super_options, "ro");
  bool shows_own = true;
  if (next.hierarchy.version == CgroupVersion::v1) {
    next.hierarchy.controllers = controllers_of(mount.super_options);
    shows_own = find_own(next.hierarchy, mount.root, own_path(self_cgroup, next.hierarchy.controllers));
  }
  next.score = (next.hierarchy.read_only ? 0 : 2) + (shows_own ? 1 : 0);
  return next;
}

// The whole file, piece by piece: files of /proc do not tell theirs.
Result<std::string> read_all(const char* path) {
  Fd fd = CCSAND_TRY(sys::open(path, O_RDONLY));
  std::string text;
  char piece[4096];
  for (;;) {
    std::size_t size = CCSAND_TRY(sys::read(fd.get(), &piece[0], sizeof piece, path));
    if (size == 0) return text;
    text.append(&piece[0], size);
  }
}

bool is_writable_unified(const char* path) {
  auto status = sys::statfs(path);
  return status && status->type == CGROUP2_SUPER_MAGIC && (status->flags & ST_RDONLY) == 0;
}

}  // namespace

bool CgroupHierarchy::has(std::string_view controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

Result<CgroupLayout> CgroupLayout::parse(std::string_view mountinfo, std::string_view self_cgroup) {
  std::vector<MountLine> mounts;
  while (!mountinfo.empty()) {
    if (auto mount = parse_mount(take(mountinfo, '\n'))) mounts.push_back(std::move(*mount));
  }
  std::vector<Candidate> candidates;
  for (const MountLine& mount : mounts) {
    if (mount.type != "cgroup" && mount.type != "cgroup2") continue;
    if (!is_hidden(mount, mounts)) candidates.push_back(to_candidate(mount, self_cgroup));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  CgroupLayout layout;
  for (Candidate& next : candidates) {
    bool known =
        std::any_of(layout.hierarchies_.begin(), layout.hierarchies_.end(), [&](const CgroupHierarchy& old) {
          return old.version == next.hierarchy.version && old.controllers == next.hierarchy.controllers;
        });
    if (!known) layout.hierarchies_.push_back(std::move(next.hierarchy));
  }
  return layout;
}

Result<const CgroupLayout*> CgroupLayout::host() {
  static std::optional<CgroupLayout> known;
  if (known) return &*known;
  if (is_writable_unified(kUsualMount)) {
    known.emplace();
    known->hierarchies_.push_back({CgroupVersion::v2, {}, kUsualMount, kUsualMount, false});
    return &*known;
  }
  std::string mountinfo = CCSAND_TRY(read_all("/proc/self/mountinfo"));
  std::string self_cgroup = CCSAND_TRY(read_all("/proc/self/cgroup"));
  known = CCSAND_TRY(parse(mountinfo, self_cgroup));
  return &*known;
}

Result<std::string> CgroupLayout::host_unified_mount() {
  if (is_writable_unified(kUsualMount)) return std::string(kUsualMount);
  if (is_writable_unified(kUsualHybridMount)) return std::string(kUsualHybridMount);
  const CgroupHierarchy* unified = CCSAND_TRY(host())->unified();
  return unified != nullptr ? unified->mount : std::string();
}

CgroupMode CgroupLayout::mode() const {
  bool has_v1 = false;
  bool has_v2 = false;
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (hierarchy.version == CgroupVersion::v2) has_v2 = true;
    for (const std::string& name : hierarchy.controllers) has_v1 = has_v1 || !name.starts_with("name=");
  }
  if (has_v2) return has_v1 ? CgroupMode::hybrid : CgroupMode::unified;
  return has_v1 ? CgroupMode::legacy : CgroupMode::none;
}

const CgroupHierarchy* CgroupLayout::unified() const {
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (hierarchy.version == CgroupVersion::v2 && !hierarchy.read_only) return &hierarchy;
  }
  return nullptr;
}

const CgroupHierarchy* CgroupLayout::legacy(std::string_view controller) const {
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (hierarchy.version == CgroupVersion::v1 && hierarchy.has(controller)) return &hierarchy;
  }
  return nullptr;
}

std::optional<CgroupVersion> CgroupLayout::version_of(std::string_view controller) const {
  if (legacy(controller) != nullptr) return CgroupVersion::v1;
  if (unified() != nullptr) return CgroupVersion::v2;
  return std::nullopt;
}

const CgroupHierarchy* CgroupLayout::tracking() const {
  if (const CgroupHierarchy* v2 = unified()) return v2;
  const CgroupHierarchy* freezer = legacy("freezer");
  if (freezer != nullptr && !freezer->read_only) return freezer;
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (!hierarchy.read_only) return &hierarchy;
  }
  return nullptr;
}

}  // namespace ccsand
