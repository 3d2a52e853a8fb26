// Network namespaces with nothing in them but their loopback, that one container after the other may have: making
// and removing one takes the kernel longer than all the rest of a container. Counters, timers, caches, neighbours and the modes
// of files remember what was done in a network, and not all of them can be asked: so it is for containers that cannot do anything in it.
#pragma once

#include "ccsand/result.hpp"
#include "core/container_spec.hpp"

namespace ccsand {

// Whether containers of that kind can neither send anything, for their filter is proved to keep them from having a
// socket, nor change what their network namespace is, with a /proc that is read-only (Assembly::read_only_proc). The subject of the
// error is the key that lets them.
Result<void> suits_spare_network(const ContainerSpec& spec);

}  // namespace ccsand
