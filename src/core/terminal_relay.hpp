// The caller's terminal, joined to the pty of a container: raw while the container
// runs, its size followed, everything put back at the end.
#pragma once

#include <termios.h>

#include <memory>
#include <string>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"
#include "core/event_poll.hpp"

namespace ccsand {

class TerminalRelay {
 public:
  // `master` is the container's pty. The caller's terminal is on 0; where it is
  // none, bytes are passed as they are.
  static Result<std::unique_ptr<TerminalRelay>> create(Fd master);
  ~TerminalRelay();
  TerminalRelay(const TerminalRelay&) = delete;
  TerminalRelay& operator=(const TerminalRelay&) = delete;

  void follow_size();              // on SIGWINCH
  void enter_interests();  // before a turn of waiting
  void attend();                   // after it
  void drain();                    // the rest of the output, after the container's end

 private:
  TerminalRelay() = default;
  WatchedFd master_;
  Interest caller_in_, caller_out_;  // 0 and 1
  bool raw_ = false;
  bool input_open_ = true;
  bool output_open_ = true;
  termios before_ = {};
  std::string to_container_, to_caller_;  // read and not yet written
};

}  // namespace ccsand
