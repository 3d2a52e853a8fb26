// Work in another network namespace: this process goes there and comes back.
#pragma once

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand {

class NamespaceVisit {
 public:
  // Into the namespace of a descriptor (or of the process of a pidfd); -1: into a new one.
  static Result<NamespaceVisit> enter(int fd);
  NamespaceVisit(NamespaceVisit&&) = default;
  NamespaceVisit& operator=(NamespaceVisit&&) = delete;
  ~NamespaceVisit();  // comes back; a process that cannot is ended: it would work on the wrong host

 private:
  NamespaceVisit() = default;
  Fd home_;
};

// A descriptor of the network namespace that this process is in.
Result<Fd> own_network_namespace();

}  // namespace ccsand
