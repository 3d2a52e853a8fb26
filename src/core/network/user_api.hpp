// What slirp4netns(1) is told while it runs, by JSON over its API socket. That lies in a filesystem of
// its own that is mounted nowhere: who has no descriptor of it has no way to it, and it goes with them.
#pragma once

#include <string>

#include "ccsand/fd.hpp"
#include "core/network/published_port.hpp"

namespace ccsand {

class UserApi {
 public:
  // Before slirp4netns, which inherits directory() and makes the socket at path().
  static Result<UserApi> make();
  [[nodiscard]] int directory() const { return directory_.get(); }
  [[nodiscard]] std::string path() const;
  // One request: a port of the host's (IPv4) leads to the container from then on.
  Result<void> publish(const PublishedPort& port);

 private:
  Fd directory_;
};

}  // namespace ccsand
