// Which addresses and ports of a bridge are taken, by whom, across ccsand processes: a file in
// run_directory(), mapped, one for each bridge; or memory alone for a network that no other
// process sees. Who writes to it holds the NetworkLock.
#pragma once

#include <string>
#include <vector>

#include "ccsand/fd.hpp"
#include "core/network/address.hpp"
#include "core/state.hpp"

namespace ccsand {

// Held by one process at a time while it changes what networks share. Waits.
class NetworkLock {
 public:
  static Result<NetworkLock> take();
  [[nodiscard]] int directory() const { return directory_.get(); }

 private:
  Fd directory_;  // closing it lets go
};

struct PortRecord {
  ProcessKey owner;          // pid 0: a free place
  IpAddress host;            // all zero: every address of the host's
  IpAddress container;
  std::uint16_t host_port = 0, port = 0;
  bool udp = false;
};

// What the file holds. Plain memory of one layout; a file of another one is not read.
struct NetworkRecord {
  static constexpr std::uint32_t kMostLeases = 65536, kMostPorts = 1024, kMostHolders = 256, kMostNames = 4096;
  char magic[8];
  std::uint32_t bridge;                  // the link's number, of what a sweep may remove
  std::uint32_t next;                    // where the search for a free address begins
  std::uint32_t window;                  // only indexes below it have ever been leased
  std::uint32_t subnets;
  std::uint32_t masquerades;
  std::uint32_t rules;                   // whether there may be the table of the bridge's rules
  std::uint32_t cuts;                    // whether there is a table of cuts
  IpPrefix subnet[2];
  ProcessKey holders[kMostHolders];      // processes that use the bridge
  PortRecord ports[kMostPorts];
  std::uint32_t names[kMostNames];       // by place in the hosts file: the index of whose it is, 0 for nobody's
  ProcessKey leases[kMostLeases];        // by index in the subnet
};

class Registry {
 public:
  Registry() = default;
  ~Registry();
  Registry(Registry&& other) noexcept;
  Registry& operator=(Registry&& other) noexcept;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  static Result<Registry> anonymous();
  // The file of that name; made where it is not there and `create`.
  static Result<Registry> open(const NetworkLock& lock, const std::string& name, bool create);
  [[nodiscard]] bool is_new() const;     // nobody has set it up yet
  void mark_ready();
  NetworkRecord* operator->() const { return record_; }
  [[nodiscard]] explicit operator bool() const { return record_ != nullptr; }

  // An index that is free now, from 2 on; ENOSPC where there is none.
  Result<std::uint32_t> lease(std::string_view network);
  Result<void> lease_this(std::uint32_t index, const IpAddress& address);
  void give_back(std::uint32_t index);
  Result<void> hold();
  void let_go();
  [[nodiscard]] bool is_held() const;
  // A place in the hosts file for the container with that index; ENOSPC where there is none.
  Result<std::uint32_t> take_name(std::uint32_t index);
  void give_back_name(std::uint32_t place) { record_->names[place] = 0; }
  // Forgets holders, leases, names and ports of processes that are gone.
  struct Forgotten {
    std::vector<PortRecord> ports;
    std::vector<std::uint32_t> names;
  };
  Forgotten forget_dead();

 private:
  NetworkRecord* record_ = nullptr;
};

}  // namespace ccsand
