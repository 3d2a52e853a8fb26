// Text of containers for terminals and reports.
#include "core/printable.hpp"

namespace ccsand {

namespace {
// Bytes of the character that the text begins with; 0 where that is no character of UTF-8, or one that controls.
std::size_t size_of_character(std::string_view text) {
  auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  auto follows = [&byte](std::size_t i) { return (byte(i) & 0xc0U) == 0x80; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return (first >= ' ' && first != 0x7f) || first == '\n' || first == '\t' ? 1 : 0;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) && (first > 0xc2 || second >= 0xa0) ? 2 : 0;  // up to U+009F they control
  if (first >= 0xe0 && first <= 0xef) {
    bool overlong = first == 0xe0 && second < 0xa0, surrogate = first == 0xed && second > 0x9f;
    bool beyond = first == 0xef && second == 0xbf && byte(2) >= 0xbe;  // U+FFFE, U+FFFF
    // U+2028 and U+2029 end a line of YAML, U+200E to U+202E and U+2066 to U+2069 turn its direction.
    bool turns = first == 0xe2 && ((second == 0x80 && ((byte(2) >= 0xa8 && byte(2) <= 0xae) || byte(2) == 0x8e || byte(2) == 0x8f)) || (second == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9));
    return follows(1) && follows(2) && !overlong && !surrogate && !beyond && !turns ? 3 : 0;
  }
  if (first < 0xf0 || first > 0xf4) return 0;
  bool overlong = first == 0xf0 && second < 0x90, beyond = first == 0xf4 && second > 0x8f;
  return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
}
}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::size_t size = size_of_character(text);
    if (size == 0) {
      auto byte = static_cast<unsigned char>(text[0]);
      out.append("\\x").append(1, "0123456789abcdef"[byte >> 4]).append(1, "0123456789abcdef"[byte & 15]);
      size = 1;
    } else {
      out.append(text.substr(0, size));
    }
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace ccsand
