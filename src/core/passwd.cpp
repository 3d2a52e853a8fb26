// A strict reader of passwd(5) and group(5).
#include "core/passwd.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>

#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kMostText = 1U << 20;
constexpr std::size_t kMostLine = 4096;
constexpr std::size_t kMostGroups = 1024;

std::optional<std::uint32_t> as_number(std::string_view text) {
  std::uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || value == UINT32_MAX) return std::nullopt;
  return value;
}

// Calls `use` with the fields of each well-formed line until it says true.
template <typename Use>
void each_line(std::string_view text, std::size_t fields, Use use) {
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.size() > kMostLine || line.find('\0') != std::string_view::npos) continue;
    std::vector<std::string_view> parts;
    for (std::string_view rest = line;;) {
      std::size_t colon = rest.find(':');
      parts.push_back(rest.substr(0, colon));
      if (colon == std::string_view::npos) break;
      rest.remove_prefix(colon + 1);
    }
    if (parts.size() == fields && !parts[0].empty() && use(parts)) return;
  }
}

bool lists(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    std::size_t comma = members.find(',');
    if (members.substr(0, comma) == name) return true;
    members.remove_prefix(comma == std::string_view::npos ? members.size() : comma + 1);
  }
  return false;
}

Result<std::string> read_file(int root, const char* path) {
  auto file = sys::openat2(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (!file) {
    if (file.error().code == ENOENT || file.error().code == ENOTDIR) return std::string();
    return file.error().in("the container's root");
  }
  auto status = CCSAND_TRY(sys::fstatat(file->get(), "", AT_EMPTY_PATH));
  if (!S_ISREG(status.st_mode)) return make_error(EINVAL, "read", path, "is not a regular file in the container's root");
  std::string text;
  char part[8192];
  while (text.size() < kMostText) {
    std::size_t size = CCSAND_TRY(sys::read(file->get(), &part[0], sizeof part, path));
    if (size == 0) break;
    text.append(&part[0], size);
  }
  return text;
}
}  // namespace

Result<Identity> find_identity(std::string_view passwd, std::string_view group_file, std::string_view user,
                               std::string_view group, const std::optional<std::vector<gid_t>>& groups) {
  Identity identity;
  std::optional<std::uint32_t> uid = user.empty() ? 0U : as_number(user);
  bool found = false;
  each_line(passwd, 7, [&](const std::vector<std::string_view>& field) {
    auto entry_uid = as_number(field[2]);
    auto entry_gid = as_number(field[3]);
    if (!entry_uid || !entry_gid || (uid ? *uid != *entry_uid : field[0] != user)) return false;
    identity.uid = *entry_uid;
    identity.gid = *entry_gid;
    identity.name = field[0];
    if (field[5].starts_with('/')) identity.home = field[5];
    return found = true;
  });
  if (!found) {
    if (!uid)
      return make_error(ENOENT, "user", user, "is not in etc/passwd of the container's root",
                        "name a user that is there, or give its number");
    identity.uid = *uid;
  }
  if (!group.empty()) {
    std::optional<std::uint32_t> gid = as_number(group);
    each_line(group_file, 4, [&](const std::vector<std::string_view>& field) {
      if (gid) return true;
      if (field[0] == group) gid = as_number(field[2]);
      return gid.has_value();
    });
    if (!gid)
      return make_error(ENOENT, "group", group, "is not in etc/group of the container's root",
                        "name a group that is there, or give its number");
    identity.gid = *gid;
  }
  if (groups) {
    identity.groups = *groups;
  } else if (!identity.name.empty()) {
    each_line(group_file, 4, [&](const std::vector<std::string_view>& field) {
      auto gid = as_number(field[2]);
      if (gid && lists(field[3], identity.name)) identity.groups.push_back(*gid);
      return identity.groups.size() >= kMostGroups;
    });
  }
  return identity;
}

Result<Identity> look_up_identity(int root, std::string_view user, std::string_view group,
                                  const std::optional<std::vector<gid_t>>& groups, bool home) {
  if (groups && !home && as_number(user) && as_number(group)) {
    Identity identity;
    identity.uid = *as_number(user);
    identity.gid = *as_number(group);
    identity.groups = *groups;
    return identity;
  }
  std::string passwd = CCSAND_TRY(read_file(root, "etc/passwd"));
  std::string group_file = CCSAND_TRY(read_file(root, "etc/group"));
  return find_identity(passwd, group_file, user, group, groups);
}

}  // namespace ccsand
