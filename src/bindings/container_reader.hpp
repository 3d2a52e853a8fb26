// From the table of ccsand.container { ... } to a ContainerSpec.
#pragma once

#include <lua.hpp>

#include "bindings/table.hpp"
#include "core/container_spec.hpp"
#include "core/running.hpp"

namespace ccsand {

struct ContainerRequest {
  ContainerSpec spec;
  RunOptions options;
  bool terminal_if_interactive = false;  // terminal = "auto"
};

// Reads and validates the table at `index`. Errors name the key.
Result<ContainerRequest> read_container(lua_State* L, int index);
// The keys of `limits` alone, which ccsand.sys takes, too.
Result<CgroupLimits> read_limits(lua_State* L, int index, const char* what);

// The key `capabilities` alone.
Result<void> read_capabilities(Table& container, ContainerSpec& spec);

}  // namespace ccsand
