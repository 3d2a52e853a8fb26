// What /proc says of a process that waits.
#include "core/seccomp/caller.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "core/directory.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/seccomp.hpp"

namespace ccsand {

namespace {
std::string proc_path(pid_t thread, const char* name) { return "/proc/" + std::to_string(thread) + "/" + name; }

// The numbers of the line "Name:\t1\t2\t3".
std::vector<std::uint64_t> numbers_of(const std::string& status, const char* name, int base = 10) {
  std::vector<std::uint64_t> numbers;
  std::size_t at = status.find(std::string("\n") + name + ":");
  if (at == std::string::npos) return numbers;
  at += std::strlen(name) + 2;
  std::size_t end = std::min(status.find('\n', at), status.size());
  while (at < end) {
    while (at < end && (status[at] == ' ' || status[at] == '\t')) ++at;
    std::uint64_t number = 0;
    auto [next, problem] = std::from_chars(status.data() + at, status.data() + end, number, base);
    if (problem != std::errc()) break;
    numbers.push_back(number);
    at = static_cast<std::size_t>(next - status.data());
  }
  return numbers;
}

bool take_ids(const std::vector<std::uint64_t>& numbers, std::uint32_t* ids, std::uint32_t& filesystem) {
  if (numbers.size() != 4) return false;
  for (std::size_t i = 0; i < 3; ++i) ids[i] = static_cast<std::uint32_t>(numbers[i]);
  filesystem = static_cast<std::uint32_t>(numbers[3]);
  return true;
}

Result<Fd> foreign_namespace(pid_t thread, const char* kind) {
  std::string own = std::string("/proc/self/ns/") + kind, other = proc_path(thread, "ns/") + kind;
  struct stat here = CCSAND_TRY(sys::fstatat(AT_FDCWD, own.c_str(), 0));
  Fd there = CCSAND_TRY(sys::open(other.c_str(), O_RDONLY));
  struct stat found = CCSAND_TRY(sys::fstatat(there.get(), "", AT_EMPTY_PATH));
  if (here.st_ino == found.st_ino && here.st_dev == found.st_dev) return Fd();
  return there;
}
}  // namespace

Result<Caller> examine_caller(pid_t thread) {
  Caller caller;
  caller.thread = thread;
  std::string status = CCSAND_TRY(read_text(AT_FDCWD, proc_path(thread, "status")));
  auto first = [&status](const char* name, std::uint64_t otherwise, int base = 10) {
    auto numbers = numbers_of(status, name, base);
    return numbers.empty() ? otherwise : numbers.front();
  };
  caller.process = static_cast<pid_t>(first("Tgid", 0));
  auto inner = numbers_of(status, "NStgid");
  caller.inner_process = inner.empty() ? caller.process : static_cast<pid_t>(inner.back());
  if (caller.process == 0 || !take_ids(numbers_of(status, "Uid"), caller.uid, caller.fsuid) ||
      !take_ids(numbers_of(status, "Gid"), caller.gid, caller.fsgid))
    return make_error(EINVAL, "status", proc_path(thread, "status"), "is not what the kernel writes");
  for (std::uint64_t group : numbers_of(status, "Groups")) caller.groups.push_back(static_cast<gid_t>(group));
  caller.capabilities = first("CapEff", 0, 16);
  caller.umask = static_cast<unsigned>(first("Umask", 022, 8));
  caller.root = CCSAND_TRY(sys::open(proc_path(thread, "root").c_str(), O_PATH | O_DIRECTORY));
  caller.directory = CCSAND_TRY(sys::open(proc_path(thread, "cwd").c_str(), O_PATH | O_DIRECTORY));
  caller.user_namespace = CCSAND_TRY(foreign_namespace(thread, "user"));
  for (const char* kind : {"mnt", "net", "ipc", "uts", "cgroup"})
    if (Fd space = CCSAND_TRY(foreign_namespace(thread, kind)); space.open()) caller.namespaces.push_back(std::move(space));
  return caller;
}

Result<Fd> descriptor_of(const Caller& caller, int number) {
  auto thread = sys::pidfd_open_thread(caller.thread);  // a thread can have descriptors of its own
  if (thread) return sys::pidfd_getfd(thread->get(), number);
  Fd process = CCSAND_TRY(sys::pidfd_open(caller.process));
  return sys::pidfd_getfd(process.get(), number);
}
Result<Fd> directory_of(const Caller& caller, int number) {
  std::string path = proc_path(caller.thread, "fd/") + std::to_string(number);
  auto directory = sys::open(path.c_str(), O_PATH | O_DIRECTORY);
  if (!directory && directory.error().code == ENOENT) return make_error(EBADF, "open", path, "");
  return directory;
}

Result<std::string> read_string(pid_t thread, std::uint64_t address, std::size_t limit) {
  std::string text;
  while (text.size() < limit) {
    // Up to the end of the page: what follows may not be there.
    std::size_t size = std::min<std::size_t>(4096 - (address + text.size()) % 4096, limit - text.size());
    char part[4096];
    std::size_t found = CCSAND_TRY(sys::read_memory(thread, address + text.size(), {&part[0], size}));
    const void* end = std::memchr(&part[0], 0, found);
    if (end != nullptr) return text.append(&part[0], static_cast<std::size_t>(static_cast<const char*>(end) - &part[0]));
    text.append(&part[0], found);
    if (found < size) return make_error(EFAULT, "read", "the caller's memory", "");
  }
  return make_error(ENAMETOOLONG, "read", "the caller's memory", "");
}
Result<std::string> read_bytes(pid_t thread, std::uint64_t address, std::size_t size) {
  std::string bytes(size, '\0');
  if (size == 0) return bytes;
  std::size_t found = CCSAND_TRY(sys::read_memory(thread, address, {bytes.data(), bytes.size()}));
  if (found < size) return make_error(EFAULT, "read", "the caller's memory", "");
  return bytes;
}

}  // namespace ccsand
