// Forwarding, switched on and back.
#include "core/network/forwarding.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <vector>

#include "core/directory.hpp"
#include "sys/file.hpp"
#include "sys/inspect.hpp"

namespace ccsand {

namespace {
std::string path_of(const std::string& name) { return "/proc/sys/net/" + name; }

Result<std::string> record_name() { return "forwarding-" + CCSAND_TRY(namespace_number()); }

// Sets it and notes what it was: "name value" on a line, before the change.
Result<void> change(const NetworkLock& lock, const std::string& name, std::string_view value) {
  std::string before = CCSAND_TRY(get_network_sysctl(name));
  if (before == value) return {};
  std::string record = CCSAND_TRY(record_name());
  Fd file = CCSAND_TRY(sys::openat2(lock.directory(), record.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
  CCSAND_TRY(sys::write_all(file.get(), name + " " + before + "\n", record));
  return set_network_sysctl(name, value);
}

// A host that has its default route from a router's advertisement would lose it: who forwards
// takes none, unless it is told to (accept_ra = 2).
Result<void> keep_advertisements(const NetworkLock& lock) {
  auto directory = sys::open("/proc/sys/net/ipv6/conf", O_RDONLY | O_DIRECTORY);
  if (!directory) return directory.error();
  Result<void> done;
  CCSAND_TRY(for_each_entry(directory->get(), "conf", [&](std::string_view link, unsigned char) {
    // Not what later links begin with: nobody on a bridge of ours is to be believed.
    if (!done || link.starts_with('.') || link == "all" || link == "default") return;
    std::string name = "ipv6/conf/" + std::string(link) + "/accept_ra";
    auto value = get_network_sysctl(name);
    if (value && *value == "1") done = change(lock, name, "2");
  }));
  return done;
}
}  // namespace

Result<std::string> get_network_sysctl(const std::string& name) {
  std::string text = CCSAND_TRY(read_text(AT_FDCWD, path_of(name)));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Result<std::string> namespace_number() {
  auto status = CCSAND_TRY(sys::fstatat(AT_FDCWD, "/proc/self/ns/net", 0));
  return std::to_string(status.st_ino);
}

Result<void> set_network_sysctl(const std::string& name, std::string_view value) {
  Fd file = CCSAND_TRY(sys::open(path_of(name).c_str(), O_WRONLY));
  CCSAND_TRY(sys::write(file.get(), value.data(), value.size(), path_of(name)));
  return {};
}

Result<void> enable_forwarding(const NetworkLock& lock, bool v6) {
  CCSAND_TRY(change(lock, "ipv4/ip_forward", "1"));
  if (!v6) return {};
  auto on = get_network_sysctl("ipv6/conf/all/forwarding");
  if (on && *on == "1") return {};
  CCSAND_TRY(keep_advertisements(lock));
  return change(lock, "ipv6/conf/all/forwarding", "1");
}

void restore_forwarding(const NetworkLock& lock) {
  auto record = record_name();
  auto text = record ? read_text(lock.directory(), *record) : Result<std::string>(record.error());
  if (!text) return;  // nothing was changed
  std::string_view rest = *text;
  std::vector<std::pair<std::string, std::string>> changes;
  while (!rest.empty()) {
    std::size_t end = rest.find('\n'), space = rest.find(' ');
    if (end == std::string_view::npos || space > end) break;  // a line that was not finished: nothing was changed after it
    changes.emplace_back(rest.substr(0, space), rest.substr(space + 1, end - space - 1));
    rest.remove_prefix(end + 1);
  }
  // Backwards: the first that was changed is the last to go back.
  for (auto at = changes.rbegin(); at != changes.rend(); ++at)
    (void)set_network_sysctl(at->first, at->second);  // an interface that is gone has none
  (void)sys::unlinkat(lock.directory(), record->c_str(), 0);
}

}  // namespace ccsand
