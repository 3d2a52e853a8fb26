// The side of `ccsand exec`: asks the ccsand that holds a container to run a command in it.
#pragma once

#include <string>

#include "core/exec_message.hpp"

namespace ccsand {

// Runs the command on this process's streams, or joined to its terminal, to its end; signals are passed on. The
// command's status, or 128 + signal. An error of the other side is answered as its own.
Result<int> exec_in_container(const std::string& name_or_pid, ExecRequest request);

}  // namespace ccsand
