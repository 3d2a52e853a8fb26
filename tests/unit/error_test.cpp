// The text of errors, and results that carry them.
#include <catch2/catch.hpp>
#include <cerrno>
#include <memory>

#include "ccsand/result.hpp"
#include "support.hpp"
#include "sys/file.hpp"

using namespace ccsand;

TEST_CASE("an error names operation, subject, reason and code", "[error]") {
  Error error;
  error.code = EPERM;
  error.operation = "mount";
  error.subject = "'proc' on '/r/proc'";
  CHECK(error.message() == "mount 'proc' on '/r/proc': Operation not permitted (EPERM)");
  CHECK(error.in("prepare rootfs").message() == "prepare rootfs: mount 'proc' on '/r/proc': Operation not permitted (EPERM)");
  CHECK(error.in("inner").in("outer").message() ==
        "outer: inner: mount 'proc' on '/r/proc': Operation not permitted (EPERM)");
  CHECK(error.context.empty());  // the original is as it was
}

TEST_CASE("a reason stands in for the errno's text, a hint beside it", "[error]") {
  Error error = make_error(ENOENT, "user", "joe", "is not in etc/passwd", "add it");
  CHECK(error.message() == "user joe: is not in etc/passwd");
  CHECK(error.hint == std::string_view("add it"));
  CHECK(error.in("step 4/63").hint == std::string_view("add it"));
  CHECK(error.exit_status == 125);
}

TEST_CASE("errors with parts missing read well", "[error]") {
  CHECK(make_error(EINVAL, "", "key", "is unknown").message() == "key: is unknown");
  CHECK(make_error(EINVAL, "fork", "", "is refused").message() == "fork: is refused");
  CHECK(make_error(EINVAL, "", "", "plain words").message() == "plain words");
  Error unknown;
  unknown.code = 9999;
  unknown.operation = "ioctl";
  CHECK(unknown.message() == "ioctl: unknown error (E?)");
}

TEST_CASE("codes have the kernel's names", "[error]") {
  CHECK(error_name(EPERM) == std::string_view("EPERM"));
  CHECK(error_name(ENOENT) == std::string_view("ENOENT"));
  CHECK(error_name(123456) == std::string_view("E?"));
  CHECK(error_name(-1) == std::string_view("E?"));
}

TEST_CASE("text that does not fit is cut and says so", "[error]") {
  FixedText<16> text("12345678");
  text.append("1234567");
  CHECK(text.view() == "123456781234567");  // just fits
  text.append("8");
  CHECK(text.view() == "123456781234...");
  text.append("more");
  CHECK(text.view() == "123456781234...");
  CHECK(text.c_str()[15] == '\0');
  text.clear();
  CHECK(text.empty());
  CHECK(text.append(std::string(10000, 'x')).view() == "xxxxxxxxxxxx...");
}

TEST_CASE("numbers in fixed text", "[error]") {
  FixedText<64> text;
  text.append_number(0).append(" ").append_number(-1).append(" ").append_number(INT64_MIN);
  CHECK(text.view() == "0 -1 -9223372036854775808");
}

TEST_CASE("an error survives a copy through memory, as from a child", "[error]") {
  Error error = make_error(EACCES, "open", std::string(2000, 'p'), "");
  alignas(Error) unsigned char bytes[sizeof(Error)];
  std::memcpy(bytes, static_cast<const void*>(&error), sizeof error);
  Error copy;
  std::memcpy(static_cast<void*>(&copy), bytes, sizeof copy);
  CHECK(copy.message() == error.message());
  CHECK(copy.message().size() < 600);
}

TEST_CASE("a system call's failure names the path", "[error]") {
  auto file = sys::openat2(-100, "/no/such/file", 0, 0, 0);
  REQUIRE_FALSE(file);
  CHECK(file.error().code == ENOENT);
  CHECK(file.error().message().find("/no/such/file") != std::string::npos);
  CHECK(file.error().message().find("(ENOENT)") != std::string::npos);
}

namespace {
Result<std::unique_ptr<int>> half(int value) {
  if (value % 2 != 0) return make_error(EINVAL, "half", std::to_string(value), "is odd");
  return std::make_unique<int>(value / 2);
}
Result<int> quarter(int value) {
  auto once = CCSAND_TRY(half(value));
  auto twice = CCSAND_TRY(half(*once));
  return *twice;
}
Result<void> check(int value) {
  CCSAND_TRY(quarter(value));
  return {};
}
}  // namespace

TEST_CASE("results hand values on and leave with errors", "[error]") {
  CHECK(REQUIRE_VALUE(quarter(12)) == 3);
  auto bad = quarter(6);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message() == "half 3: is odd");
  CHECK(check(8));
  CHECK(check(7).error().message() == "half 7: is odd");
}
