// What a filter is proved to keep every process under it from, whatever its calls' arguments are and whichever of the
// machine's architectures they are made as. A true answer may be more than can be; no filter proves nothing.
#pragma once

#include <linux/filter.h>

#include <span>

namespace ccsand {

// A socket that it was not given: socket(2), socketpair(2), io_uring. What tests ask of no_sockets_filter().
bool may_make_sockets(std::span<const sock_filter> program);
// A new mount of a filesystem, in a user namespace of its own, too, or another configuration of one: mount(2), fsopen(2), fspick(2).
bool may_mount_filesystems(std::span<const sock_filter> program);

}  // namespace ccsand
