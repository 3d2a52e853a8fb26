// Internet addresses: text, prefixes and counting in them.
#include "core/network/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace ccsand {

namespace {
unsigned family(const IpAddress& address) { return address.v6 ? AF_INET6 : AF_INET; }

// Whether the first `length` bits are the same.
bool same_start(const IpAddress& a, const IpAddress& b, unsigned length) {
  if (a.v6 != b.v6) return false;
  for (unsigned i = 0; i < length; i += 8) {
    unsigned mask = length - i >= 8 ? 0xff : 0xff00U >> (length - i) & 0xff;
    if (((a.bytes[i / 8] ^ b.bytes[i / 8]) & mask) != 0) return false;
  }
  return true;
}
}  // namespace

FixedText<64> IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN];
  return {inet_ntop(static_cast<int>(family(*this)), bytes.data(), &buffer[0], sizeof buffer)};  // the buffer is large enough
}
FixedText<64> IpPrefix::text() const {
  FixedText<64> text = address.text();
  text.append("/").append_number(length);
  return text;
}
IpPrefix IpPrefix::network() const {
  IpPrefix result = *this;
  for (unsigned i = length; i < address.bits(); ++i) result.address.bytes[i / 8] &= static_cast<std::uint8_t>(~(0x80U >> (i % 8)));
  return result;
}
bool IpPrefix::contains(const IpAddress& other) const { return same_start(address, other, length); }
bool IpPrefix::overlaps(const IpPrefix& other) const { return same_start(address, other.address, std::min(length, other.length)); }

IpAddress IpPrefix::host(std::uint32_t index) const {
  IpAddress result = network().address;
  std::size_t last = result.size() - 1;
  for (unsigned i = 0; i < 4; ++i) result.bytes[last - i] |= static_cast<std::uint8_t>(index >> (8 * i));
  return result;
}
std::uint32_t IpPrefix::index_of(const IpAddress& host) const {
  std::size_t size = host.size();
  IpAddress own = network().address;
  std::uint32_t index = 0;
  for (std::size_t i = 0; i < size; ++i) {
    auto rest = static_cast<std::uint8_t>(host.bytes[i] ^ own.bytes[i]);
    if (i + 4 < size && rest != 0) return UINT32_MAX;
    index = index << 8 | rest;
  }
  return index;
}
std::uint32_t IpPrefix::size() const { return 1U << std::min(31U, address.bits() - length); }

Result<IpAddress> parse_address(std::string_view text) {
  FixedText<64> word(text);
  IpAddress address;
  address.v6 = text.find(':') != std::string_view::npos;
  if (text.size() > 45 || inet_pton(static_cast<int>(family(address)), word.c_str(), address.bytes.data()) != 1)
    return make_error(EINVAL, "", text, "is not an IP address, such as \"10.1.0.5\" or \"fd00::5\"");
  return address;
}
Result<IpPrefix> parse_prefix(std::string_view text) {
  std::size_t slash = text.find('/');
  IpPrefix prefix;
  prefix.address = CCSAND_TRY(parse_address(text.substr(0, slash)));
  prefix.length = prefix.address.bits();
  if (slash == std::string_view::npos) return prefix;
  std::string_view digits = text.substr(slash + 1);
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix.length);
  if (error != std::errc() || end != digits.data() + digits.size() || prefix.length > prefix.address.bits())
    return make_error(EINVAL, "", text, "has a prefix length that is not one, such as /24");
  return prefix;
}

}  // namespace ccsand
