// The CRC-32 of gzip.
#include "imagetool/crc32.hpp"

#include <array>

namespace ccsand::imagetool {

namespace {
constexpr std::uint32_t kPolynomial = 0xedb88320U;  // bit-reversed

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table = {};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? kPolynomial : 0);
    table[byte] = rest;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kTable = make_table();
}  // namespace

void Crc32::update(std::span<const char> data) {
  std::uint32_t state = state_;
  for (char c : data) state = (state >> 8) ^ kTable[(state ^ static_cast<unsigned char>(c)) & 0xff];
  state_ = state;
}

}  // namespace ccsand::imagetool
