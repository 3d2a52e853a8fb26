// The state file: a page of records, mapped, so that noting a process is a store.
#include "core/state.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "core/cgroup.hpp"
#include "core/container_name.hpp"
#include "core/directory.hpp"
#include "core/generation.hpp"
#include "core/network/bridge.hpp"
#include "sys/file.hpp"
#include "sys/inspect.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
constexpr int kRecords = 4096;

// A process born at `born_ns` (CLOCK_BOOTTIME) or up to a second later. pid 0 is a free place.
struct Record {
  std::int64_t born_ns;
  std::int32_t pid;
  std::int32_t used;
};
struct State {
  Record* records = nullptr;
  Fd file;
  std::string path;
  std::uint64_t owner = 0;  // by generation
  int next = 0;
};
State state;

std::int64_t boottime_ns() {
  timespec time = {};
  (void)clock_gettime(CLOCK_BOOTTIME, &time);  // cannot fail for this clock
  return time.tv_sec * 1'000'000'000L + time.tv_nsec;
}

bool usable() { return state.records != nullptr && state.owner == process_generation(); }

// Ends a process that was noted, if it is still the one: its start time must be
// where the record says that it was born.
void end_noted(const Record& record) {
  auto pidfd = sys::pidfd_open(record.pid);
  if (!pidfd) return;
  auto start = start_time_of(record.pid);
  if (!start) return;
  constexpr std::int64_t kTick = 10'000'000;  // USER_HZ is 100 on all of Linux
  std::int64_t born = static_cast<std::int64_t>(*start) * kTick;
  if (born < record.born_ns - 2 * kTick || born > record.born_ns + 1'000'000'000) return;
  (void)sys::pidfd_send_signal(pidfd->get(), SIGKILL);  // gone is what we want
}

// One file of a dead process: its lock can be had.
void sweep_file(int directory, const char* name) {
  if (usable() && state.path.ends_with(std::string("/") + name)) return;  // closing it would end our own lock
  auto file = sys::openat2(directory, name, O_RDWR | O_NOFOLLOW);
  if (!file || !sys::lock_file(file->get(), name)) return;
  Record record = {};
  for (auto size = sys::read(file->get(), &record, sizeof record, name); size && *size == sizeof record;
       size = sys::read(file->get(), &record, sizeof record, name))
    if (record.used != 0 && record.pid > 1) end_noted(record);
  (void)sys::unlinkat(directory, name, 0);  // another sweep may have been first
}

Result<std::uint64_t> parse_start_time(std::string_view stat) {
  // The second field is a name in parentheses that may hold anything.
  std::size_t close = stat.rfind(')');
  if (close == std::string_view::npos) return make_error(EINVAL, "stat", "", "no name");
  stat.remove_prefix(close + 1);
  for (int field = 3; field <= 22; ++field) {
    std::size_t space = stat.find(' ');
    if (space == std::string_view::npos) return make_error(EINVAL, "stat", "", "too short");
    stat.remove_prefix(space + 1);
  }
  std::uint64_t ticks = 0;
  (void)std::from_chars(stat.data(), stat.data() + stat.size(), ticks);  // the kernel's own number
  return ticks;
}
}  // namespace

std::string run_directory() {
  const char* directory = std::getenv("CCSAND_RUN_DIR");
  return directory != nullptr && *directory == '/' ? directory : "/run/ccsand";
}

StateRecord::StateRecord() {
  if (!usable()) return;
  for (int tries = 0; tries < kRecords; ++tries) {
    int index = state.next = (state.next + 1) % kRecords;
    if (state.records[index].used != 0) continue;
    state.records[index] = {boottime_ns(), 0, 1};
    index_ = index;
    return;
  }
}
StateRecord::~StateRecord() {
  if (index_ >= 0 && !kept_) state.records[index_].used = 0;
}
void StateRecord::note(pid_t pid) {
  if (index_ >= 0) state.records[index_].pid = pid;
}
void forget_process(pid_t pid) {
  if (!usable()) return;
  for (int i = 0; i < kRecords; ++i) {
    int index = (state.next - i + kRecords) % kRecords;  // the newest is the likeliest
    if (state.records[index].used == 0 || state.records[index].pid != pid) continue;
    state.records[index].used = 0;
    return;
  }
}

namespace {
// proc_pid_stat(5)
Result<FixedText<1024>> stat_of(pid_t pid) {
  FixedText<64> path("/proc/");
  path.append_number(pid).append("/stat");
  Fd file = CCSAND_TRY(sys::open(path.c_str(), O_RDONLY));
  char text[1024];
  std::size_t size = CCSAND_TRY(sys::read(file.get(), &text[0], sizeof text - 1, path.view()));
  return FixedText<1024>(std::string_view(&text[0], size));
}
}  // namespace

Result<std::uint64_t> start_time_of(pid_t pid) {
  auto text = CCSAND_TRY(stat_of(pid));
  return parse_start_time(text.view());
}
const ProcessKey& own_key() {
  static ProcessKey key;
  if (pid_t pid = sys::getpid(); key.pid != pid) {
    auto start = start_time_of(pid);
    key = {pid, start ? *start : 0};
  }
  return key;
}
bool is_alive(const ProcessKey& key) {
  auto text = stat_of(key.pid);
  if (text) {
    auto start = parse_start_time(text->view());
    // Dead, too, is who is only not yet waited for: ") Z ".
    std::size_t name_end = text->view().rfind(')');
    bool ended = name_end != std::string_view::npos && text->view().substr(name_end).starts_with(") Z");
    // Who could not read its own start time (out of descriptors) is alive as long as its number is.
    return start && (key.start == 0 || *start == key.start) && !ended;
  }
  // Out of descriptors or memory is no death: what looks dead is ended by the sweep.
  return text.error().code != ENOENT && text.error().code != ESRCH;
}

Result<void> sweep() {
  std::string path = run_directory();
  bool networks = false, names = false;
  if (auto directory = sys::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
    // What cannot be read now is left to the next start.
    (void)for_each_entry(directory->get(), path, [&](const char* entry, unsigned char) {
      std::string_view name(entry);
      names = names || is_name_file(name);
      if (name.starts_with("state-")) sweep_file(directory->get(), entry);
      for (const char* start : {"net-", "forwarding-", "hosts-", "resolv-"}) networks = networks || name.starts_with(start);
    });
  }
  if (networks) sweep_networks();
  if (names) sweep_names();
  return sweep_cgroups([](pid_t pid, std::uint64_t start) { return is_alive({pid, start}); });
}

Result<void> open_state() {
  if (usable()) return {};
  std::string directory = run_directory();
  std::string path = directory + "/state-" + std::to_string(sys::getpid());
  constexpr int kFlags = O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW;
  auto opened = sys::open(path.c_str(), kFlags, 0600);
  if (!opened && opened.error().code == ENOENT) {
    auto made = sys::mkdirat(AT_FDCWD, directory.c_str(), 0700);
    if (!made && made.error().code != EEXIST) return made.error();
    opened = sys::open(path.c_str(), kFlags, 0600);
  }
  Fd file = CCSAND_TRY(std::move(opened));
  // Held until this process ends: who can take it knows that the owner is gone, even
  // while a child that it forked lives on with a copy of the descriptor.
  CCSAND_TRY(sys::lock_file(file.get(), path));
  constexpr std::size_t kSize = kRecords * sizeof(Record);
  CCSAND_TRY(sys::ftruncate(file.get(), static_cast<std::int64_t>(kSize)));
  void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return make_error(ENOMEM, "mmap", path, "out of memory");
  state = {static_cast<Record*>(memory), std::move(file), path, process_generation(), 0};
  return {};
}
void close_state() {
  close_networks();
  if (!usable()) return;
  (void)sys::unlinkat(AT_FDCWD, state.path.c_str(), 0);  // the next start would sweep it
  (void)munmap(state.records, kRecords * sizeof(Record));
  state = {};
}

}  // namespace ccsand
