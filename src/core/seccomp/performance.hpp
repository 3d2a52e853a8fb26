// A call performed by the supervisor in a container's stead: on a copy of its arguments,
// in the container's root and with the caller's rights. A process of ccsand's own does it,
// which the container cannot see, so that a call that blocks blocks its caller alone.
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/seccomp/caller.hpp"

namespace ccsand {

struct Deed {
  enum Kind { open, connect, bind, make_node, mount } kind = open;
  std::string path;               // of open, make_node; the target of mount
  std::uint64_t flags = 0, mode = 0, resolve = 0;  // open: as openat2(2); mount: MS_*
  std::uint64_t device = 0;       // of make_node
  std::string address;            // of connect and bind: the bytes of a sockaddr
  Fd object;                      // the socket
  Fd start;                       // what a relative path is relative to; else the current directory
  std::string source, type, data; // of mount
  // With the supervisor's capabilities instead of the caller's, as the caller's user: for
  // what a container may not do and its recipe allows.
  bool privileged = false;
  int ruleset = -1;               // Landlock's, of the container; not for what is privileged
};

class Performance {
 public:
  // Gets the call's result: a value, for `open` a descriptor of this process that is the
  // receiver's to close; or -errno.
  using Done = std::function<void(long)>;

  // Starts it. `done` is called by attend(), once; not at all where it is destroyed before.
  static Result<std::unique_ptr<Performance>> start(Caller caller, Deed deed, Done done);
  ~Performance();  // ends it
  Performance(const Performance&) = delete;
  Performance& operator=(const Performance&) = delete;

  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  // Calls `done`, if it has ended; whether it has.
  bool attend();

 private:
  Performance() = default;
  static void entry(void* self);
  long take_caller_place();
  long perform();

  Caller caller_;
  Deed deed_;
  Done done_;
  Fd pidfd_;
  void* stack_ = nullptr;
  long result_ = 0;
  std::uint64_t owner_ = 0;  // by generation: a forked copy ends nothing
};

}  // namespace ccsand
