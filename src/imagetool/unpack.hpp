// Unpacking a tar archive into an empty directory: everything that the archive says is
// taken for hostile, and one entry that breaks a rule refuses the whole archive.
#pragma once

#include <cstdint>
#include <string>

#include "ccsand/result.hpp"

namespace ccsand::imagetool {

struct UnpackRequest {
  int archive = -1;    // a regular file, read from its first byte
  int directory = -1;  // empty
  std::string sha256;  // of the compressed file; "" where the caller has verified it
  std::uint64_t max_bytes = std::uint64_t{8} << 30;  // of file contents, holes included
  std::uint64_t max_entries = 1'000'000;
};

// Removes what it unpacked when it fails.
Result<void> unpack(const UnpackRequest& request);

}  // namespace ccsand::imagetool
