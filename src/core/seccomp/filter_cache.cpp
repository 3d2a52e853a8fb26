// The cache of filters. Nothing of it is needed: every failure is an empty answer.
#include "core/seccomp/filter_cache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "core/image_store.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kLargest = 1 << 20;
constexpr int kMostFiles = 256;

// Only who could change ccsand itself may have written it.
bool is_trusted(int fd) {
  auto found = sys::fstatat(fd, "", AT_EMPTY_PATH);
  return found && (found->st_uid == 0 || found->st_uid == geteuid()) && (found->st_mode & 022) == 0;
}

// What filters are made of besides their policy: this build of ccsand.
std::optional<std::string> whole_key(std::string_view key) {
  if (const char* path = std::getenv("CCSAND_LUA_PATH"); path != nullptr && *path != '\0') return std::nullopt;
  auto self = sys::fstatat(AT_FDCWD, "/proc/self/exe", 0);
  if (!self) return std::nullopt;
  std::string whole = CCSAND_VERSION " " + std::to_string(self->st_dev) + " " + std::to_string(self->st_ino) + " " +
                      std::to_string(self->st_size) + " " + std::to_string(self->st_mtim.tv_sec) + "." +
                      std::to_string(self->st_mtim.tv_nsec) + "\n";
  return whole.append(key).append(1, '\0');
}

std::string name_of(std::string_view key) {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a: two keys of one name take turns, no more
  for (char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  std::string name;
  for (int shift = 60; shift >= 0; shift -= 4) name += "0123456789abcdef"[hash >> shift & 15];
  return name;
}

std::optional<Fd> open_cache() {
  auto store = sys::open(store_directory().c_str(), O_RDONLY | O_DIRECTORY);
  if (!store || !is_trusted(store->get())) return std::nullopt;
  auto cache = sys::openat2(store->get(), "filters", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!cache || !is_trusted(cache->get())) return std::nullopt;
  return std::move(*cache);
}

void make_cache() {
  (void)sys::mkdirat(AT_FDCWD, store_directory().c_str(), 0700);  // it may be there, or its parent may not
  (void)sys::mkdirat(AT_FDCWD, (store_directory() + "/filters").c_str(), 0700);
}

// Policies that are made by programs can be without number.
void bound(int cache) {
  auto again = sys::openat2(cache, ".", O_RDONLY | O_DIRECTORY);
  DIR* stream = again ? fdopendir(again->get()) : nullptr;
  if (stream == nullptr) return;
  (void)again->release();  // the stream's now
  int count = 0;
  while (readdir(stream) != nullptr) ++count;
  if (count > kMostFiles) {
    rewinddir(stream);
    while (const dirent* entry = readdir(stream))
      if (entry->d_name[0] != '.') (void)sys::unlinkat(cache, entry->d_name, 0);  // another process may have been first
  }
  (void)closedir(stream);  // read only
}
}  // namespace

std::optional<std::string> find_filter(std::string_view key) {
  auto whole = whole_key(key);
  auto cache = whole ? open_cache() : std::nullopt;
  if (!cache) return std::nullopt;
  auto file = sys::openat2(cache->get(), name_of(*whole).c_str(), O_RDONLY | O_NOFOLLOW);
  if (!file || !is_trusted(file->get())) return std::nullopt;
  std::string text;
  char part[16384];
  for (;;) {
    auto size = sys::read(file->get(), &part[0], sizeof part, "filter");
    if (!size || text.size() > kLargest) return std::nullopt;
    if (*size == 0) break;
    text.append(&part[0], *size);
  }
  if (!std::string_view(text).starts_with(*whole)) return std::nullopt;
  text.erase(0, whole->size());
  bool whole_program = !text.empty() && text.size() % sizeof(sock_filter) == 0 && text.size() / sizeof(sock_filter) <= BPF_MAXINSNS;
  return whole_program ? std::optional(std::move(text)) : std::nullopt;
}

void keep_filter(std::string_view key, std::string_view program) {
  auto whole = whole_key(key);
  if (!whole) return;
  make_cache();
  auto cache = open_cache();
  if (!cache) return;
  bound(cache->get());
  std::string name = name_of(*whole), temporary = name + "." + std::to_string(sys::getpid());
  auto file = sys::openat2(cache->get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!file) return;
  whole->append(program);
  bool good = sys::write_all(file->get(), *whole, "filter") &&
              sys::renameat2(cache->get(), temporary.c_str(), cache->get(), name.c_str(), 0);
  if (!good) (void)sys::unlinkat(cache->get(), temporary.c_str(), 0);  // a full disk
}

}  // namespace ccsand
