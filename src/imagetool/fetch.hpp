// Downloading one file over HTTPS (HTTP where the caller allows it) to a descriptor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ccsand/result.hpp"

namespace ccsand::imagetool {

struct FetchRequest {
  std::string url;
  int output = 1;
  std::uint64_t max_bytes = 0;
  long connect_timeout = 30;  // seconds
  long stall_timeout = 30;    // seconds with next to nothing received
  bool insecure_http = false;
  bool progress = false;  // a line on standard error
};

// What was written stays written when it fails: the caller throws it away.
// The environment's proxy settings are honoured (see libcurl-env(3)).
Result<void> fetch(const FetchRequest& request);

// Whether a transfer that began at scheme `from` may go on at scheme `to`.
bool may_redirect(std::string_view from, std::string_view to, bool insecure_http);

}  // namespace ccsand::imagetool
