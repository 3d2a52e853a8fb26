// A call performed by the supervisor in a container's stead: on a copy of its arguments,
// in the container's namespaces and root and with the caller's rights. A program of
// ccsand's own does it (src/init/performer.cpp), which has nothing of ccsand's memory and
// descriptors, and which the container cannot see, so that a call that blocks blocks its
// caller alone.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/event_poll.hpp"
#include "core/seccomp/caller.hpp"
#include "core/seccomp/perform_request.hpp"

namespace ccsand {

struct Deed {
  PerformRequest::Kind kind = PerformRequest::open;
  std::string path;               // of open, make_node; the target of mount
  std::uint64_t flags = 0, mode = 0, resolve = 0;  // open: as openat2(2); mount: MS_*
  std::uint64_t device = 0;       // of make_node
  std::string address;            // of connect and bind: the bytes of a sockaddr
  Fd object;                      // the socket
  Fd start;                       // what a relative path is relative to; else the current directory
  std::string source, type, data; // of mount
  int ruleset = -1;               // Landlock's, of the container; not for make_node and mount
  int cgroup = -1;                // the container's, a directory of cgroup v2: what is done is counted there
};

class Performance {
 public:
  // Gets the call's result: a value, or -errno; for `open` a descriptor comes with 0.
  using Done = std::function<void(long, Fd)>;

  // Starts it. `done` is called by attend(), once; not at all where it is destroyed before.
  static Result<std::unique_ptr<Performance>> start(const Caller& caller, const Deed& deed, Done done);
  ~Performance();  // ends it
  Performance(const Performance&) = delete;
  Performance& operator=(const Performance&) = delete;

  void enter_interest(bool wanted) { wanted ? socket_.want(POLLIN) : socket_.want_nothing(); }
  [[nodiscard]] bool take_answered() { return socket_.take_ready() != 0; }
  void attend();  // when it is

  // Lets go of what is kept from one to the next: when no container is left that could ask.
  static void close_workshop();

 private:
  Performance() = default;
  void end_process();

  Done done_;
  WatchedFd socket_;  // readable when there is an answer
  Fd pidfd_;
  std::uint64_t owner_ = 0;  // by generation: a forked copy ends nothing
};

}  // namespace ccsand
