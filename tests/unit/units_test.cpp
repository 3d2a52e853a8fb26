// Sizes and times with units.
#include <catch2/catch.hpp>
#include <cerrno>

#include "bindings/table.hpp"

using namespace ccsand;

namespace {
std::uint64_t size_of(std::string_view text) {
  auto size = parse_size(text);
  if (!size) FAIL(size.error().message());
  return *size;
}
std::int64_t time_of(std::string_view text) {
  auto time = parse_duration_ns(text);
  if (!time) FAIL(time.error().message());
  return *time;
}
}  // namespace

TEST_CASE("sizes", "[units]") {
  CHECK(size_of("0") == 0);
  CHECK(size_of("4096") == 4096);
  CHECK(size_of("4096B") == 4096);
  CHECK(size_of("64K") == 65536);
  CHECK(size_of("64k") == 65536);
  CHECK(size_of("64KiB") == 65536);
  CHECK(size_of("64kB") == 64000);
  CHECK(size_of("256M") == 268435456);
  CHECK(size_of("256m") == 268435456);
  CHECK(size_of("256 MiB") == 268435456);
  CHECK(size_of("1MB") == 1000000);
  CHECK(size_of("1.5G") == 1610612736);
  CHECK(size_of("1g") == 1073741824);
  CHECK(size_of("2T") == 2199023255552);
  CHECK(size_of("1e3") == 1000);
}

TEST_CASE("what is not a size", "[units]") {
  for (const char* text : {"", " ", "M", "abc", "1X", "1MM", "1 M B", "0x10", "inf", "nan", "1e999", "--1", "1,5G", "1M ", "+", "1b"}) {
    CAPTURE(text);
    auto size = parse_size(text);
    REQUIRE_FALSE(size);
    CHECK(size.error().code == EINVAL);
    CHECK(size.error().operation == std::string_view("size"));
    CHECK(size.error().subject.view() == text);
    CHECK(size.error().message().find("256M") != std::string::npos);  // shows how it is written
  }
  CHECK_FALSE(parse_size(std::string_view("1M\0", 3)));
  CHECK_FALSE(parse_size(std::string(10000, '9') + "x"));
}

TEST_CASE("sizes out of range", "[units]") {
  for (const char* text : {"-1", "-1G", "9300000000000000000", "1e30", "9999999T"}) {
    CAPTURE(text);
    auto size = parse_size(text);
    REQUIRE_FALSE(size);
    CHECK(size.error().code == ERANGE);
  }
}

TEST_CASE("times", "[units]") {
  CHECK(time_of("0") == 0);
  CHECK(time_of("2") == 2'000'000'000);
  CHECK(time_of("1.5") == 1'500'000'000);
  CHECK(time_of("1.5s") == 1'500'000'000);
  CHECK(time_of("200ms") == 200'000'000);
  CHECK(time_of("200 ms") == 200'000'000);
  CHECK(time_of("7us") == 7'000);
  CHECK(time_of("7ns") == 7);
  CHECK(time_of("2m") == 120'000'000'000);
  CHECK(time_of("2min") == 120'000'000'000);
  CHECK(time_of("1h") == 3'600'000'000'000);
  CHECK(time_of("-1s") == -1'000'000'000);  // an offset may lie in the past
}

TEST_CASE("what is not a time", "[units]") {
  for (const char* text : {"", "s", "1M", "1S", "soon", "1:30", "1s2", "inf", "nan"}) {
    CAPTURE(text);
    auto time = parse_duration_ns(text);
    REQUIRE_FALSE(time);
    CHECK(time.error().code == EINVAL);
    CHECK(time.error().operation == std::string_view("time"));
  }
  auto much = parse_duration_ns("9999999999h");
  REQUIRE_FALSE(much);
  CHECK(much.error().code == ERANGE);
}
