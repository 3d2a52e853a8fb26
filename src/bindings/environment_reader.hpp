// The keys of a container's table that say what it runs in: namespaces, root, mounts.
#pragma once

#include "bindings/table.hpp"
#include "core/container_spec.hpp"

namespace ccsand {
Result<void> read_environment(Table& container, ContainerSpec& spec);
}  // namespace ccsand
