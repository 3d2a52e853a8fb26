// What a filter is proved to keep every process under it from, whatever its calls' arguments are and whichever of the
// machine's architectures they are made as. A true answer may be more than can be; no filter proves nothing.
#pragma once

#include <linux/filter.h>

#include <span>

namespace ccsand {

// Sockets of AF_UNIX; and of any other family, with io_uring, too.
bool may_make_unix_sockets(std::span<const sock_filter> program);
bool may_make_other_sockets(std::span<const sock_filter> program);
// A new mount of a filesystem, in a user namespace of its own, too: mount(2), fsopen(2).
bool may_mount_filesystems(std::span<const sock_filter> program);

}  // namespace ccsand
