// The caller's terminal, joined to the pty of a container: raw while the container
// runs, its size followed, everything put back at the end.
#pragma once

#include <poll.h>
#include <termios.h>

#include <memory>
#include <string>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

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
  // What to poll for, and what to do when it is ready.
  void add_polls(pollfd (&polls)[3]) const;
  void handle(const pollfd (&polls)[3]);
  void drain();                    // the rest of the output, after the container's end

 private:
  TerminalRelay() = default;
  Fd master_;
  bool raw_ = false;
  bool input_open_ = true;
  bool output_open_ = true;
  termios before_ = {};
  std::string to_container_, to_caller_;  // read and not yet written
};

}  // namespace ccsand
