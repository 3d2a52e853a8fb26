// hosts and resolv.conf.
#include "core/network/name_files.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <functional>

#include "core/directory.hpp"
#include "core/state.hpp"
#include "sys/file.hpp"
#include "sys/inspect.hpp"

namespace ccsand {

namespace {
constexpr std::string_view kHead =
    "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 ccsand\n";
// A container's place in the file: lines of a fixed size, so that each change is one write
// at a place of its own, and a reader sees the old or the new.
constexpr std::size_t kPlace = 240;

std::int64_t offset_of(std::uint32_t place) { return static_cast<std::int64_t>(kHead.size() + place * kPlace); }

}  // namespace

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name[0] == '-' || name[0] == '.') return false;
  for (char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_')) return false;
  return true;
}

Result<HostsFile> HostsFile::open(const std::string& name) {
  HostsFile hosts;
  hosts.path_ = run_directory() + "/hosts-" + name;
  hosts.file_ = CCSAND_TRY(sys::open(hosts.path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
  CCSAND_TRY(sys::fchmodat(AT_FDCWD, hosts.path_.c_str(), 0644));  // whatever the umask: containers read it
  CCSAND_TRY(sys::pwrite(hosts.file_.get(), kHead.data(), kHead.size(), 0, hosts.path_));
  return hosts;
}
Result<void> HostsFile::set(std::uint32_t place, std::string_view name, std::span<const IpPrefix> addresses) {
  std::string text;
  for (const IpPrefix& prefix : addresses) text += std::string(prefix.address.text().view()) + " " + std::string(name) + "\n";
  if (text.size() > kPlace - 1) return make_error(ENAMETOOLONG, "hosts", name, "is too long for a line of hosts(5)");
  text.append(kPlace - 1 - text.size(), ' ').append("\n");
  // Places before it that nobody had yet would read as zero bytes.
  auto status = CCSAND_TRY(sys::fstatat(file_.get(), "", AT_EMPTY_PATH));
  if (status.st_size < offset_of(place)) {
    std::string gap(static_cast<std::size_t>(offset_of(place) - status.st_size), ' ');
    for (std::size_t at = 0; at < gap.size(); ++at)
      if ((static_cast<std::size_t>(status.st_size) + at - kHead.size()) % kPlace == kPlace - 1) gap[at] = '\n';
    CCSAND_TRY(sys::pwrite(file_.get(), gap.data(), gap.size(), status.st_size, path_));
  }
  CCSAND_TRY(sys::pwrite(file_.get(), text.data(), text.size(), offset_of(place), path_));
  return {};
}
void HostsFile::clear(std::uint32_t place) {
  std::string blank = std::string(kPlace - 1, ' ') + "\n";
  (void)sys::pwrite(file_.get(), blank.data(), blank.size(), offset_of(place), path_);  // a stale name is no harm
}

Result<std::string> resolver_file(const std::string& network, const std::string& text) {
  std::string path = run_directory() + "/resolv-" + network + "-" + std::to_string(std::hash<std::string>()(text));
  auto there = read_text(AT_FDCWD, path);
  if (there && *there == text) return path;
  // Whole or not at all: another process may look at the same moment.
  std::string draft = path + "-" + std::to_string(own_key().pid);
  Fd file = CCSAND_TRY(sys::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644));
  CCSAND_TRY(sys::fchmodat(AT_FDCWD, draft.c_str(), 0644));
  CCSAND_TRY(sys::write_all(file.get(), text, draft));
  // Never in the place of another's: what a container's mount is about to be made of must keep its name.
  auto renamed = sys::renameat2(AT_FDCWD, draft.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
  if (renamed) return path;
  (void)sys::unlinkat(AT_FDCWD, draft.c_str(), 0);
  if (renamed.error().code != EEXIST) return renamed.error();
  return path;
}

Result<std::string> host_resolvers() {
  // What systemd-resolved asks itself comes first to none; its second file has the real ones (systemd-resolved(8)).
  for (const char* path : {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}) {
    auto text = read_text(AT_FDCWD, path);
    if (!text) continue;
    std::string kept;
    bool reachable = false;
    std::string_view rest = *text;
    while (!rest.empty()) {
      std::size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (line.starts_with("nameserver")) {
        std::string_view word = line.substr(10);
        while (!word.empty() && (word[0] == ' ' || word[0] == '\t')) word.remove_prefix(1);
        word = word.substr(0, word.find_first_of(" \t%"));
        auto address = parse_address(word);
        if (!address || address->is_loopback()) continue;
        reachable = true;
      } else if (!line.starts_with("search") && !line.starts_with("domain") && !line.starts_with("options")) {
        continue;
      }
      kept.append(line).append("\n");
    }
    if (reachable) return kept;
  }
  return std::string("# the host has no resolver that a container could reach: give it dns = { \"address\" }\n");
}

bool remove_name_files(int directory, const std::string& network) {
  auto listing = sys::openat2(directory, ".", O_RDONLY | O_DIRECTORY);
  if (!listing) return false;
  std::vector<std::string> names;
  const std::string start = "resolv-" + network + "-";
  auto listed = for_each_entry(listing->get(), "run directory", [&](std::string_view name, unsigned char) {
    if (name.starts_with(start)) names.emplace_back(name);
  });
  if (!listed) return false;
  names.push_back("hosts-" + network);  // the last: by it a sweep finds the rest
  for (const std::string& name : names) {
    auto removed = sys::unlinkat(directory, name.c_str(), 0);
    if (!removed && removed.error().code != ENOENT) return false;
  }
  return true;
}

}  // namespace ccsand
