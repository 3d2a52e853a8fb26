// The host's own switches that a routed network needs: remembered as they were, and put back
// when the last such network is gone.
#pragma once

#include "core/network/registry.hpp"

namespace ccsand {

// Lets this network namespace forward packets; IPv6 too where `v6`. Under the lock.
Result<void> enable_forwarding(const NetworkLock& lock, bool v6);
// Puts back what enable_forwarding() changed in this network namespace.
void restore_forwarding(const NetworkLock& lock);
// A sysctl of this network namespace, below /proc/sys/net.
Result<void> set_network_sysctl(const std::string& name, std::string_view value);
Result<std::string> get_network_sysctl(const std::string& name);
// "4026531840": the number of this process's network namespace, which names its records.
Result<std::string> namespace_number();

}  // namespace ccsand
