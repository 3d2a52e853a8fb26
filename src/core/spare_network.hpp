// Network namespaces with nothing in them but their loopback, that one container after the other may have: making
// and removing one takes the kernel longer than all the rest of a container. Counters, timers, caches, neighbours and the modes
// of files remember what was done in a network, and not all of them can be asked: so it is for containers that cannot do anything in it.
#pragma once

#include "ccsand/result.hpp"
#include "core/container_spec.hpp"

namespace ccsand {

// Whether containers of that kind, without sockets and with a read-only /proc (Assembly::guards_network), cannot change what their network
// namespace is. The subject of the error is the key that lets them.
Result<void> suits_spare_network(const ContainerSpec& spec);

}  // namespace ccsand
