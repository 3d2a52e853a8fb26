// A network namespace with nothing in it but its loopback, that one container after the other may have: making
// and removing one takes the kernel longer than all the rest of a container. Counters, timers, caches and neighbours remember
// what was done in a network, and not all of them can be asked: so it is for containers that cannot do anything in it.
#pragma once

#include <sys/types.h>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"
#include "core/container_spec.hpp"

namespace ccsand {

class SpareNetwork {
 public:
  // Whether containers of that kind can neither send anything, for their filter is proved to keep them from having any
  // but unix sockets, nor change what their network namespace is. The subject of the error is the key that lets them.
  static Result<void> suits(const ContainerSpec& spec);
  // That of a process which has not begun its command. `makes_unix_sockets`: may_make_unix_sockets() of its filter.
  static Result<SpareNetwork> open(pid_t pid, bool makes_unix_sockets);

  [[nodiscard]] int fd() const { return namespace_.get(); }
  // Whether sockets are left of processes that have ended. The kernel removes them a moment later, unless somebody
  // holds one.
  [[nodiscard]] bool has_sockets() const;

 private:
  Fd namespace_;
  Fd sockets_;  // its /proc/net/sockstat, where any can be made
};

}  // namespace ccsand
