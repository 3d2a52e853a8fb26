// An HTTP server of a few lines, in a network namespace that the test makes for itself.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support.hpp"

namespace ccsand::test {

// Answers one request: `request` is its head, `answer` sends bytes to the client.
using Answer =
    std::function<void(const std::string& request, const std::function<void(std::string_view)>& send)>;

// Whether a network namespace can be made here.
bool can_serve();

// Runs `ccsand-image fetch arguments...` in a new network namespace in which a server at
// 127.0.0.1:8080 answers. `environment` are variables to set, as "NAME=value".
Outcome fetch_from(const Answer& answer, std::vector<std::string> arguments,
                   const std::vector<std::string>& environment = {});

}  // namespace ccsand::test
