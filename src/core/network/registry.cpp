// The shared record of a network.
#include "core/network/registry.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "sys/file.hpp"
#include "sys/netlink.hpp"

namespace ccsand {

namespace {
constexpr char kMagic[8] = {'c', 'c', 's', 'n', 'e', 't', '0', '1'};

// own_key() asks the kernel: once, not for each of many places.
bool is_same(const ProcessKey& one, const ProcessKey& other) { return one.pid == other.pid && one.start == other.start; }

// Addresses are handed out from a window that grows when it is full: what has never been leased need not
// be looked at, nor have memory.
constexpr std::uint32_t kFirstWindow = 256;

// How many indexes an address may have: of both families, the smaller; not IPv4's broadcast.
std::uint32_t end_of(const NetworkRecord& record) {
  std::uint32_t end = NetworkRecord::kMostLeases;
  for (std::uint32_t i = 0; i < record.subnets; ++i)
    end = std::min(end, record.subnet[i].size() - (record.subnet[i].address.v6 ? 0 : 1));
  return end;
}
}  // namespace

Result<NetworkLock> NetworkLock::take() {
  std::string path = run_directory();
  auto directory = sys::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory && directory.error().code == ENOENT) {
    auto made = sys::mkdirat(AT_FDCWD, path.c_str(), 0700);
    if (!made && made.error().code != EEXIST) return made.error();
    directory = sys::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }
  NetworkLock lock;
  lock.directory_ = CCSAND_TRY(std::move(directory));
  CCSAND_TRY(sys::lock_directory(lock.directory_.get(), path));
  return lock;
}

Registry::~Registry() {
  if (record_ != nullptr) (void)munmap(record_, sizeof(NetworkRecord));
}
Registry::Registry(Registry&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
Registry& Registry::operator=(Registry&& other) noexcept {
  std::swap(record_, other.record_);
  return *this;
}

Result<Registry> Registry::anonymous() {
  void* memory = mmap(nullptr, sizeof(NetworkRecord), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return make_error(ENOMEM, "mmap", "the record of a network", "out of memory");
  Registry registry;
  registry.record_ = static_cast<NetworkRecord*>(memory);
  return registry;
}
Result<Registry> Registry::open(const NetworkLock& lock, const std::string& name, bool create) {
  Fd file = CCSAND_TRY(sys::openat2(lock.directory(), name.c_str(), O_RDWR | O_NOFOLLOW | (create ? O_CREAT : 0), create ? 0600 : 0));
  auto status = CCSAND_TRY(sys::fstatat(file.get(), "", AT_EMPTY_PATH));
  if (status.st_size == 0) CCSAND_TRY(sys::ftruncate(file.get(), sizeof(NetworkRecord)));
  else if (status.st_size != sizeof(NetworkRecord))
    return make_error(EINVAL, "network", name, "its record is of another version of ccsand", "end the containers of that version first");
  void* memory = mmap(nullptr, sizeof(NetworkRecord), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return make_error(ENOMEM, "mmap", name, "out of memory");
  Registry registry;
  registry.record_ = static_cast<NetworkRecord*>(memory);
  return registry;
}
bool Registry::is_new() const { return std::memcmp(&record_->magic[0], &kMagic[0], sizeof kMagic) != 0; }
void Registry::mark_ready() { std::memcpy(&record_->magic[0], &kMagic[0], sizeof kMagic); }

Result<std::uint32_t> Registry::lease(std::string_view network) {
  std::uint32_t end = end_of(*record_);
  if (record_->window == 0) record_->window = std::min(kFirstWindow, end);
  for (;;) {
    // Not the one that was given back last: neighbours may still remember whose it was.
    for (std::uint32_t tries = 2; tries < record_->window; ++tries) {
      std::uint32_t index = record_->next < 2 || record_->next >= record_->window ? 2 : record_->next;
      record_->next = index + 1;
      if (record_->leases[index].pid != 0) continue;
      record_->leases[index] = own_key();
      return index;
    }
    if (record_->window >= end) break;
    record_->next = record_->window;
    record_->window = std::min(record_->window * 4, end);
  }
  return make_error(ENOSPC, "lease", network, "every address of its subnet is taken (ENOSPC)", "end containers, or give the network a larger subnet");
}
Result<void> Registry::lease_this(std::uint32_t index, const IpAddress& address) {
  if (index < 2 || index >= end_of(*record_))
    return make_error(ERANGE, "lease", address.text().view(), "is not an address for a container: the network's own, its first (the bridge's), the broadcast address or one beyond the 65536th");
  if (record_->leases[index].pid != 0) return make_error(EADDRINUSE, "lease", address.text().view(), "another container has this address (EADDRINUSE)");
  record_->leases[index] = own_key();
  record_->window = std::max(record_->window, index + 1);
  return {};
}
void Registry::give_back(std::uint32_t index) {
  if (is_same(record_->leases[index], own_key())) record_->leases[index] = {};
}

Result<void> Registry::hold() {
  const ProcessKey own = own_key();
  for (ProcessKey& holder : record_->holders)
    if (is_same(holder, own)) return {};
  for (ProcessKey& holder : record_->holders)
    if (holder.pid == 0) return holder = own, Result<void>();
  return make_error(ENOSPC, "network", "", "256 ccsand processes use this network already");
}
void Registry::let_go() {
  const ProcessKey own = own_key();
  for (ProcessKey& holder : record_->holders)
    if (is_same(holder, own)) holder = {};
}
bool Registry::is_held() const {
  return std::any_of(std::begin(record_->holders), std::end(record_->holders), [](const ProcessKey& key) { return key.pid != 0; });
}

Result<std::uint32_t> Registry::take_name(std::uint32_t index) {
  for (std::uint32_t place = 0; place < NetworkRecord::kMostNames; ++place) {
    if (record_->names[place] != 0) continue;
    record_->names[place] = index;
    return place;
  }
  return make_error(ENOSPC, "network", "", "4096 containers have names in this network already");
}

Registry::Forgotten Registry::forget_dead() {
  std::map<std::pair<pid_t, std::uint64_t>, bool> known;  // whether a process lives: one look at each
  auto dead = [&known](const ProcessKey& key) {
    if (key.pid == 0) return false;
    auto [entry, fresh] = known.try_emplace({key.pid, key.start}, true);
    if (fresh) entry->second = is_alive(key);
    return !entry->second;
  };
  Forgotten forgotten;
  for (ProcessKey& holder : record_->holders)
    if (dead(holder)) holder = {};
  for (PortRecord& port : record_->ports) {
    if (!dead(port.owner)) continue;
    forgotten.ports.push_back(port);
    port = {};
  }
  for (std::uint32_t index = 2, end = std::min(record_->window, NetworkRecord::kMostLeases); index < end; ++index)
    if (dead(record_->leases[index])) record_->leases[index] = {};
  for (std::uint32_t place = 0; place < NetworkRecord::kMostNames; ++place) {
    std::uint32_t index = record_->names[place];
    if (index == 0 || record_->leases[index].pid != 0) continue;
    forgotten.names.push_back(place);
    record_->names[place] = 0;
  }
  return forgotten;
}

}  // namespace ccsand
