// A control group.
#include "core/cgroup.hpp"

#include "core/generation.hpp"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/cgroup_make.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {

using cgroupfs::Deadline;
using cgroupfs::Directory;

constexpr std::chrono::milliseconds kPatience{2000};  // for freezing, and for dying processes

// Without dots: no file of the parent can be meant ("cgroup.procs").
Result<void> check_name(std::string_view name) {
  bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
  });
  if (plain && !name.empty() && name.size() <= 200) return {};
  return make_error(EINVAL, "cgroup name", name, "not 1 to 200 letters, digits, '_' and '-'");
}

Result<void> write_pid(const Directory& directory, pid_t pid) {
  return cgroupfs::write(directory, "cgroup.procs", std::to_string(pid));
}

Result<void> freeze_v1(const Directory& directory) {
  Deadline deadline(kPatience);
  for (;;) {
    // Written again each time: a process that forked meanwhile can hold up the kernel.
    CCSAND_TRY(cgroupfs::write(directory, "freezer.state", "FROZEN"));
    cgroupfs::Buffer buffer;
    if (CCSAND_TRY(cgroupfs::read(directory, "freezer.state", buffer)) == "FROZEN") return {};
    int pause = deadline.next_pause();
    if (pause == 0)
      return make_error(ETIMEDOUT, "freeze cgroup", "'" + directory.path + "'",
                        "not all processes stopped in time");
    (void)CCSAND_TRY(sys::poll(nullptr, 0, pause));  // the v1 freezer has no event
  }
}

// SIGKILL to those of `pids` that are in the group still. A pidfd that was opened before
// the second look cannot mean a process outside that got the number of one that died.
void kill_members(const Directory& directory, const std::vector<pid_t>& pids) {
  std::vector<Fd> pidfds;
  for (pid_t pid : pids) {
    auto opened = sys::pidfd_open(pid);  // fails for one that has ended
    pidfds.push_back(opened ? std::move(*opened) : Fd());
  }
  std::vector<pid_t> members;
  cgroupfs::collect_processes(directory, members);
  for (std::size_t i = 0; i < pids.size(); ++i) {
    bool member = std::find(members.begin(), members.end(), pids[i]) != members.end();
    if (member && pidfds[i].open()) (void)sys::pidfd_send_signal(pidfds[i].get(), SIGKILL);  // may have ended
  }
}

template <typename T>
void add_once(std::vector<T>& list, const T& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

// The v2 controllers that the writes need.
std::vector<std::string> unified_controllers(const std::vector<CgroupWrite>& writes) {
  std::vector<std::string> names;
  for (const CgroupWrite& write : writes) {
    if (write.version == CgroupVersion::v2 && !write.controller.empty()) add_once(names, write.controller);
  }
  return names;
}

Error removed_error(std::string_view path) {
  return make_error(ENOENT, "use cgroup", "'" + std::string(path) + "'", "it has been removed");
}

}  // namespace

Result<Cgroup> Cgroup::create(std::string_view name, const CgroupLimits& limits, std::string_view parent) {
  return create_in(*CCSAND_TRY(CgroupLayout::host()), name, limits, parent);
}

Result<Cgroup> Cgroup::create_in(const CgroupLayout& layout, std::string_view name,
                                 const CgroupLimits& limits, std::string_view parent) {
  CCSAND_TRY(check_name(name));
  CCSAND_TRY(validate(limits));
  std::vector<CgroupWrite> writes = CCSAND_TRY(cgroup_writes(limits, layout));
  std::optional<cgroupfs::Parent> above;
  if (layout.unified() != nullptr)
    above = CCSAND_TRY(cgroupfs::unified_parent(layout.unified()->mount, parent));
  Cgroup group;
  group.name_ = name;
  group.owner_ = process_generation();
  CCSAND_TRY(group.make_places(layout, writes, above ? &*above : nullptr));
  CCSAND_TRY(group.apply(writes, above ? &*above : nullptr));
  return group;
}

Result<void> Cgroup::make_places(const CgroupLayout& layout, const std::vector<CgroupWrite>& writes,
                                 const cgroupfs::Parent* parent) {
  const CgroupHierarchy* tracking = layout.tracking();
  if (tracking == nullptr) {
    return make_error(ENOTSUP, "make a cgroup", name_,
                      "this host has no cgroup hierarchy that can be written",
                      "mount cgroup v2 (mount -t cgroup2 none /sys/fs/cgroup)");
  }
  std::vector<const CgroupHierarchy*> legacy;
  if (tracking->version == CgroupVersion::v1) legacy.push_back(tracking);
  for (const CgroupWrite& write : writes) {
    if (write.version == CgroupVersion::v1) add_once(legacy, layout.legacy(write.controller));
  }
  if (parent != nullptr) {
    Directory directory = CCSAND_TRY(cgroupfs::make_unified(*parent, name_, unified_controllers(writes)));
    places_.push_back({std::move(directory), CgroupVersion::v2, {}, parent->ours});
  }
  for (const CgroupHierarchy* hierarchy : legacy) {
    Directory directory = CCSAND_TRY(cgroupfs::make_legacy(*hierarchy, name_));
    places_.push_back({std::move(directory), CgroupVersion::v1, hierarchy->controllers, true});
  }
  path_ = places_.front().directory.path;
  return {};
}

Result<void> Cgroup::apply(const std::vector<CgroupWrite>& writes, const cgroupfs::Parent* parent) const {
  bool enabled = false;
  for (const CgroupWrite& write : writes) {
    const Place* place =
        write.version == CgroupVersion::v1 ? find_legacy(write.controller) : &places_.front();
    auto written = cgroupfs::write(place->directory, write.file.c_str(), write.value);
    auto missing = [&] { return !written && written.error().code == ENOENT; };
    if (missing() && !enabled && place->version == CgroupVersion::v2 && !write.controller.empty()) {
      // The parent was there, without the controller.
      CCSAND_TRY(cgroupfs::enable(*parent, unified_controllers(writes)));
      enabled = true;
      written = cgroupfs::write(place->directory, write.file.c_str(), write.value);
    }
    if (missing() && !write.alternative.empty()) {
      written = cgroupfs::write(place->directory, write.alternative.c_str(), write.value);
    }
    if (written) continue;
    Error error = written.error().in("set cgroup limit");
    if (missing()) {
      error.hint =
          "the kernel lacks this file: swap needs swapaccount=1 on some, io.weight a device with BFQ or "
          "io.cost";
    }
    return error;
  }
  return {};
}

Cgroup::~Cgroup() { remove_in_owner(); }
Cgroup::Cgroup(Cgroup&& other) noexcept
    : name_(std::move(other.name_)),
      path_(std::move(other.path_)),
      places_(std::exchange(other.places_, {})),
      owner_(other.owner_) {}
Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
  if (this != &other) {
    remove_in_owner();
    name_ = std::move(other.name_);
    path_ = std::move(other.path_);
    places_ = std::exchange(other.places_, {});
    owner_ = other.owner_;
  }
  return *this;
}
// A forked child has a copy of the object, and must not take the parent's group away.
void Cgroup::remove_in_owner() {
  if (places_.empty() || process_generation() != owner_) return;
  // A backstop, with nobody to tell: the next start sweeps what is left.
  (void)kill();
  (void)remove();
}

const Cgroup::Place* Cgroup::find_legacy(std::string_view controller) const {
  for (const Place& place : places_) {
    const auto& names = place.controllers;
    if (std::find(names.begin(), names.end(), controller) != names.end()) return &place;
  }
  return nullptr;
}
const Cgroup::Place* Cgroup::find(std::string_view controller) const {
  if (const Place* place = find_legacy(controller)) return place;
  bool unified = !places_.empty() && places_.front().version == CgroupVersion::v2;
  return unified ? &places_.front() : nullptr;
}

int Cgroup::clone_into() const {
  bool unified = !places_.empty() && places_.front().version == CgroupVersion::v2;
  return unified ? places_.front().directory.fd.get() : -1;
}
bool Cgroup::needs_attach() const { return !places_.empty() && places_.back().version == CgroupVersion::v1; }

Result<void> Cgroup::attach(pid_t pid) const {
  if (places_.empty()) return removed_error(path_);
  for (const Place& place : places_) {
    if (place.version == CgroupVersion::v1) CCSAND_TRY(write_pid(place.directory, pid));
  }
  return {};
}
Result<void> Cgroup::adopt(pid_t pid) const {
  if (clone_into() >= 0) CCSAND_TRY(write_pid(places_.front().directory, pid));
  return attach(pid);
}

Result<CgroupStats> Cgroup::stats() const {
  if (places_.empty()) return removed_error(path_);
  CgroupStats stats;
  if (const Place* place = find("memory")) cgroupfs::read_memory(place->directory, place->version, stats);
  if (const Place* place = find("pids")) cgroupfs::read_pids(place->directory, stats);
  // cpu and cpuacct may be apart in v1; v2 counts time without a controller.
  for (const Place& place : places_) cgroupfs::read_cpu(place.directory, place.version, stats);
  const Place* io = find_legacy("blkio");
  if (io == nullptr) io = find("io");
  if (io != nullptr) cgroupfs::read_io(io->directory, io->version, stats);
  if (clone_into() >= 0) cgroupfs::read_pressures(places_.front().directory, stats);
  return stats;
}

std::optional<std::uint64_t> Cgroup::oom_kills() const {
  const Place* place = find("memory");
  return place != nullptr ? cgroupfs::read_oom_kills(place->directory, place->version) : std::nullopt;
}

Result<void> Cgroup::freeze() const {
  if (places_.empty()) return removed_error(path_);
  Result<void> frozen;
  if (clone_into() >= 0) {
    const Directory& directory = places_.front().directory;
    CCSAND_TRY(cgroupfs::write(directory, "cgroup.freeze", "1"));
    Deadline deadline(kPatience);
    frozen = cgroupfs::await_event(directory, "frozen", 1, deadline);
  } else if (const Place* freezer = find_legacy("freezer")) {
    frozen = freeze_v1(freezer->directory);
  } else {
    return make_error(ENOTSUP, "freeze cgroup", "'" + path_ + "'",
                      "this host has neither cgroup v2 nor the v1 freezer");
  }
  if (!frozen) (void)thaw();  // half frozen helps nobody; the first error is the one to report
  return frozen;
}

Result<void> Cgroup::thaw() const {
  if (places_.empty()) return removed_error(path_);
  if (clone_into() >= 0) {
    const Directory& directory = places_.front().directory;
    CCSAND_TRY(cgroupfs::write(directory, "cgroup.freeze", "0"));
    Deadline deadline(kPatience);
    return cgroupfs::await_event(directory, "frozen", 0, deadline);
  }
  const Place* freezer = find_legacy("freezer");
  if (freezer == nullptr) return {};  // then nothing can be frozen
  return cgroupfs::write(freezer->directory, "freezer.state", "THAWED");
}

Result<void> Cgroup::kill() const {
  if (places_.empty()) return {};
  if (clone_into() >= 0) {
    auto killed = cgroupfs::write(places_.front().directory, "cgroup.kill", "1");  // Linux 5.14
    if (killed || killed.error().code != ENOENT) return killed;
  }
  return kill_one_by_one();
}

Result<void> Cgroup::kill_one_by_one() const {
  const Directory& directory = places_.front().directory;
  // Frozen, the group cannot fork while it is killed. Without, the loop has to win.
  bool frozen = freeze().has_value();
  Deadline deadline(kPatience);
  for (;;) {
    std::vector<pid_t> pids;
    cgroupfs::collect_processes(directory, pids);
    if (pids.empty()) break;
    kill_members(directory, pids);
    if (frozen) break;
    int pause = deadline.next_pause();
    if (pause == 0)
      return make_error(ETIMEDOUT, "kill cgroup", "'" + path_ + "'", "processes are left in it");
    (void)sys::poll(nullptr, 0, pause);
  }
  if (!frozen) return {};
  return thaw();  // v1: only then they die
}

Result<void> Cgroup::remove() {
  Deadline deadline(kPatience);
  while (!places_.empty()) {
    const Place& place = places_.back();
    CCSAND_TRY(cgroupfs::remove_tree(place.directory, name_.c_str(), deadline));
    // Others may have groups in it (EBUSY, ENOTEMPTY): the last one to leave removes it.
    if (place.parent_is_ours) {
      std::string parent = "../../" + std::string(cgroupfs::kParentName);
      (void)sys::unlinkat(place.directory.fd.get(), parent.c_str(), AT_REMOVEDIR);
    }
    places_.pop_back();
  }
  return {};
}

}  // namespace ccsand
