// What bridges of the host put where it outlives their process: found, taken down, and swept.
#pragma once

#include <string>
#include <vector>

#include "core/network/registry.hpp"

namespace ccsand {

constexpr std::uint8_t kBridgeMac = 0xc0;  // the second byte of a bridge's hardware address; the first is 2

// The name of a bridge's record in the run directory; `number` is its network namespace's.
std::string record_name(const std::string& number, const std::string& bridge);
// The bridges of a network namespace that have a record: their names.
std::vector<std::string> recorded_bridges(const NetworkLock& lock, const std::string& number);

// What a bridge put on the host besides its files.
struct OnHost {
  explicit OnHost(const Registry& registry) : link(registry->bridge), rules(registry->rules != 0), cuts(registry->cuts != 0) {}
  std::uint32_t link;
  bool rules, cuts;  // where there are none, the kernel may not even know of such tables
};
// Takes it down. Under the lock; with nobody left who uses it. Where something cannot be removed
// the record stays for the next sweep.
void take_down(const NetworkLock& lock, const std::string& number, const std::string& name, const OnHost& made);

// Takes back what dead processes had of a bridge: their published ports and their names, in the files of `key`.
void forget_on_host(const std::string& bridge, const std::string& key, const Registry::Forgotten& forgotten);

}  // namespace ccsand
