// Files of a container that runs, opened for ccsand.
#pragma once

#include <string>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"
#include "core/running.hpp"

namespace ccsand {

// Opens a regular file as the container's root would: by its mounts, with its rights, so that no link of the
// container leads to what it could not open itself. Anything but a regular file is refused. `flags` are open(2)'s; what
// is made gets `mode` and belongs to the container's root.
Result<Fd> open_in_container(const Running& container, const std::string& path, int flags, unsigned mode);
// Whether there is anything at a path of the container; ENOENT and what else keeps from it is false.
bool exists_in_container(const Running& container, const std::string& path);

// Copies from one descriptor to another; an error where there are more than `limit` bytes. `name` is the source's.
Result<std::uint64_t> copy_bytes(int from, int to, std::uint64_t limit, const std::string& name);

}  // namespace ccsand
