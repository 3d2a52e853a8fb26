// Operations on a container's network, and on network namespaces.
#pragma once

#include <memory>
#include <string>

#include "core/context.hpp"
#include "core/network/attachment.hpp"

namespace ccsand {

// Leases addresses and ports, before there is a container.
struct PrepareNetwork {
  std::shared_ptr<const NetworkSpec> spec;
};
// Makes the links whose one end is the child's, and loads the rules of its namespace.
struct ConnectNetwork {
  std::shared_ptr<const NetworkSpec> spec;
};
// In the container: loopback, addresses, routes.
struct ConfigureNetwork {
  std::shared_ptr<const NetworkSpec> spec;
};
// Detached copies of the files by which the container finds names.
struct OpenNameFiles {
  Slot hosts = kNoSlot, resolver = kNoSlot;
};
// Changes of the network namespace that this process is in, or of a socket's.
struct ChangeNetwork {
  std::vector<NetworkChange> changes;
  int socket = -1;  // -1: one is made
};

Result<void> apply(const PrepareNetwork& op, Context& context);
Result<void> apply(const ConnectNetwork& op, Context& context);
Result<void> apply(const ConfigureNetwork& op, Context& context);
Result<void> apply(const OpenNameFiles& op, Context& context);
Result<void> apply(const ChangeNetwork& op, Context& context);

std::string describe(const PrepareNetwork& op);
std::string describe(const ConnectNetwork& op);
std::string describe(const ConfigureNetwork& op);
std::string describe(const OpenNameFiles& op);
std::string describe(const ChangeNetwork& op);

}  // namespace ccsand
