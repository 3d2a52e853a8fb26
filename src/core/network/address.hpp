// Internet addresses and prefixes of both families. Values: no names, no sockets.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "ccsand/result.hpp"

namespace ccsand {

struct IpAddress {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes = {};  // in network order; four of them for IPv4

  [[nodiscard]] std::size_t size() const { return v6 ? 16 : 4; }
  [[nodiscard]] unsigned bits() const { return v6 ? 128 : 32; }
  [[nodiscard]] FixedText<64> text() const;
  [[nodiscard]] bool is_loopback() const { return v6 ? bytes == kLoopback6 : bytes[0] == 127; }
  [[nodiscard]] bool is_any() const { return bytes == std::array<std::uint8_t, 16>{}; }
  bool operator==(const IpAddress&) const = default;

 private:
  static constexpr std::array<std::uint8_t, 16> kLoopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
};

// An address with the length of its network's prefix: "10.1.0.5/16".
struct IpPrefix {
  IpAddress address;
  unsigned length = 0;

  [[nodiscard]] FixedText<64> text() const;
  [[nodiscard]] IpPrefix network() const;                       // the bits after the prefix cleared
  [[nodiscard]] bool contains(const IpAddress& other) const;
  [[nodiscard]] bool overlaps(const IpPrefix& other) const;
  // The address `index` above the network's own.
  [[nodiscard]] IpAddress host(std::uint32_t index) const;
  // The index of an address of this network; UINT32_MAX where it is beyond 32 bits.
  [[nodiscard]] std::uint32_t index_of(const IpAddress& host) const;
  // How many indexes there are, the network's own and IPv4's broadcast address among them; at most 2^31.
  [[nodiscard]] std::uint32_t size() const;
  bool operator==(const IpPrefix&) const = default;
};

Result<IpAddress> parse_address(std::string_view text);  // "10.0.0.1", "fd00::1"
// "10.0.0.0/8"; a bare address has all of its bits for a prefix.
Result<IpPrefix> parse_prefix(std::string_view text);

}  // namespace ccsand
