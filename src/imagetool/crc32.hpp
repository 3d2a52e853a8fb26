// The CRC-32 of gzip (RFC 1952). libarchive reads past it, so that a damaged byte in a
// .gz would go unnoticed; zlib would be one more library to link for one function.
#pragma once

#include <cstdint>
#include <span>

namespace ccsand::imagetool {

class Crc32 {
 public:
  void update(std::span<const char> data);
  [[nodiscard]] std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = 0xffffffffU;
};

}  // namespace ccsand::imagetool
