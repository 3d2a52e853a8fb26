// Sizes and times with units.
#include <cerrno>
#include <charconv>
#include <cmath>

#include "bindings/table.hpp"

namespace ccsand {

namespace {
struct Unit {
  std::string_view name;
  double factor;
};
constexpr Unit kSizes[] = {{"", 1},          {"B", 1},          {"K", 1024},         {"KiB", 1024},
                           {"M", 1048576},   {"MiB", 1048576},  {"G", 1073741824},   {"GiB", 1073741824},
                           {"T", 1099511627776.0}, {"TiB", 1099511627776.0}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}};
constexpr Unit kTimes[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}};

template <std::size_t N>
Result<double> parse(std::string_view text, const Unit (&units)[N], const char* kind, const char* examples) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  if (error == std::errc() && std::isfinite(value))
    for (const Unit& unit : units)
      if (rest == unit.name || (rest.size() == 1 && unit.name.size() == 1 && (rest[0] ^ 32) == unit.name[0] && unit.factor > 1e3 && kind[0] == 's'))
        return value * unit.factor;
  return make_error(EINVAL, kind, text, std::string("is not a ") + kind + ": " + examples);
}
}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  double bytes = CCSAND_TRY(parse(text, kSizes, "size", "a number of bytes, or text such as \"256M\", \"1.5G\", \"64KiB\""));
  if (bytes < 0 || bytes >= 9.2e18) return make_error(ERANGE, "size", text, "is out of range");
  if (bytes != std::floor(bytes)) return make_error(EINVAL, "size", text, "is not a whole number of bytes");
  return static_cast<std::uint64_t>(bytes);
}
Result<std::int64_t> parse_duration_ns(std::string_view text) {
  double ns = CCSAND_TRY(parse(text, kTimes, "time", "a number of seconds, or text such as \"1.5s\", \"200ms\", \"2m\""));
  if (ns < -9.2e18 || ns >= 9.2e18) return make_error(ERANGE, "time", text, "is out of range");
  return static_cast<std::int64_t>(ns);
}

}  // namespace ccsand
