// The rules of ccsand's own tables, as nft(8) reads them: one table for each bridge on the host.
// What is here makes text and changes nothing.
#pragma once

#include <span>
#include <string>

#include "core/network/registry.hpp"

namespace ccsand {

struct BridgeRules {
  std::string bridge;                 // the link's name
  std::span<const IpPrefix> subnets;
  bool masquerade = true;             // containers reach the outside by the host's addresses
  bool host_access = false;           // ... and the host itself
};
// Without a rule the host forwards what it is asked to: the table says what may come in, too.
std::string table_of(const BridgeRules& rules);
std::string table_removal(const std::string& bridge);
// A published port is an element of a map: there are no rules to search for.
std::string port_addition(const std::string& bridge, std::span<const PortRecord> ports);
std::string port_removal(const std::string& bridge, std::span<const PortRecord> ports);

// Pairs of ports between which the bridge drops everything.
std::string cuts_table(const std::string& bridge);
std::string cuts_removal(const std::string& bridge);
std::string cuts_change(const std::string& bridge, const char* verb, const std::string& one, const std::string& other);

}  // namespace ccsand
