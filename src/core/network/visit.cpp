// Going to another network namespace and back.
#include "core/network/visit.hpp"

#include <fcntl.h>

#include <cstdlib>

#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/namespace.hpp"

namespace ccsand {

Result<Fd> own_network_namespace() { return sys::open("/proc/self/ns/net", O_RDONLY); }

Result<NamespaceVisit> NamespaceVisit::enter(int fd) {
  Fd home = CCSAND_TRY(own_network_namespace());
  if (fd >= 0) CCSAND_TRY(sys::setns(fd, CLONE_NEWNET, "net"));
  else CCSAND_TRY(sys::unshare(CLONE_NEWNET));
  NamespaceVisit visit;
  visit.home_ = std::move(home);
  return visit;
}
NamespaceVisit::~NamespaceVisit() {
  if (!home_.open()) return;
  for (int tries = 0; tries < 3; ++tries)  // the kernel may be out of memory for a moment
    if (sys::setns(home_.get(), CLONE_NEWNET, "net")) return;
  std::abort();
}

}  // namespace ccsand
