// A network namespace with nothing in it but its loopback, that one container after the other may have: making
// and removing one takes the kernel longer than all the rest of a container.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"
#include "core/container_spec.hpp"

namespace ccsand {

class SpareNetwork {
 public:
  // Whether containers of that kind cannot change what their network namespace is, so that looking at what it
  // counts tells all there is to tell. The subject of the error is the key that lets them.
  static Result<void> suits(const ContainerSpec& spec);
  // Whether they see /proc/net, which tells more of a network than else can be asked.
  static bool is_shown(const ContainerSpec& spec) { return spec.proc && !spec.only_pids; }
  // That of a process which has not done anything in it yet. One that is not `shown` is never for those who see more.
  static Result<SpareNetwork> open(pid_t pid, bool shown);
  [[nodiscard]] bool shown() const { return shown_; }

  [[nodiscard]] int fd() const { return namespace_.get(); }
  enum class State {
    untouched,    // what it tells of packets and failed attempts is what it told when it was opened
    has_sockets,  // of processes that have ended: the kernel removes them a moment later, unless somebody holds one
    touched,
  };
  // To be asked when no process is left in it.
  [[nodiscard]] State look() const;

 private:
  static constexpr std::size_t kFiles = 4;
  [[nodiscard]] Result<std::string_view> read_file(std::size_t index) const;  // valid until the next
  [[nodiscard]] Result<std::string> read_counters() const;
  Fd namespace_;
  bool shown_ = true;
  std::array<Fd, kFiles> files_;  // of its /proc/net
  std::string counters_;          // as they were at first
};

}  // namespace ccsand
