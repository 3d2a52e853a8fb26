// What this host can do for containers.
#pragma once

#include <string>
#include <vector>

#include "ccsand/result.hpp"

namespace ccsand {

// An error that says what to do, where this process cannot assemble containers.
Result<void> require_privileges();

// One thing that ccsand uses, probed on this host.
struct HostFeature {
  enum State { present, absent, unneeded } state = absent;
  const char* name = "";
  std::string found;   // what the probe saw
  std::string remedy;  // how to mend it, where that is possible
  bool required = false;
};
std::vector<HostFeature> check_host();

}  // namespace ccsand
