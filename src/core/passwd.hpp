// Users and groups of a container, read from its own files. They are hostile
// input: nothing of libc's nss touches them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/context.hpp"

namespace ccsand {

// `root` is a descriptor of the container's root directory. `user` and `group` are
// names or numbers; "" is root, or the user's own group. Files are read only where
// numbers alone do not answer.
Result<Identity> look_up_identity(int root, std::string_view user, std::string_view group,
                                  const std::optional<std::vector<gid_t>>& groups, bool home);

// The same on the texts of the two files; what they hold beyond 1 MiB or in a line
// of more than 4 KiB is not looked at.
Result<Identity> find_identity(std::string_view passwd, std::string_view group_file, std::string_view user,
                               std::string_view group, const std::optional<std::vector<gid_t>>& groups);

}  // namespace ccsand
