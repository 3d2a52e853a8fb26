// What `ccsand exec` and its other side tell each other.
#include "core/exec_message.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <random>

#include "core/container_name.hpp"

using namespace ccsand;

namespace {
ExecRequest some_request() {
  ExecRequest request;
  request.argv = {"sh", "-c", "a=b\nc", ""};
  request.env = {"A=1", "B=x=y"};
  request.user = "nobody:12";
  request.cwd = "/tmp";
  request.terminal = true;
  request.term = "vt100";
  request.rows = 33, request.columns = 77;
  return request;
}
}  // namespace

TEST_CASE("a request comes back as it was", "[exec]") {
  ExecRequest request = some_request();
  auto message = write_request(request);
  REQUIRE(message);
  auto read = read_request(*message);
  REQUIRE(read);
  CHECK(read->argv == request.argv);
  CHECK(read->env == request.env);
  CHECK(read->user == request.user);
  CHECK(read->cwd == request.cwd);
  CHECK(read->terminal);
  CHECK(read->term == request.term);
  CHECK(read->rows == 33);
  CHECK(read->columns == 77);
  request.argv.emplace_back(kMostMessage, 'x');
  CHECK(write_request(request).error().code == E2BIG);
}

TEST_CASE("an answer comes back as it was", "[exec]") {
  auto ended = read_answer(write_answer({ExecAnswer::ended, 137, {}, {}, 0}));
  REQUIRE(ended);
  CHECK(ended->kind == ExecAnswer::ended);
  CHECK(ended->status == 137);
  auto failed = read_answer(write_answer(failed_answer(make_error(ENOENT, "execve", "'x'", "", "look for it"))));
  REQUIRE(failed);
  CHECK(failed->kind == ExecAnswer::failed);
  CHECK(failed->message == "execve 'x': No such file or directory (ENOENT)");
  CHECK(failed->hint == "look for it");
  CHECK(failed->exit_status == 125);
}

TEST_CASE("messages that make no sense are errors", "[exec]") {
  using namespace std::string_view_literals;
  for (std::string_view text : {""sv, "x"sv, "\0"sv, "=\0"sv, "=x\0"sv, "a=b"sv, "version=1\0a\0"sv}) {
    CHECK(read_fields(text).has_value() == false);
    CHECK(read_request(text).has_value() == false);
    CHECK(read_answer(text).has_value() == false);
  }
  CHECK(read_request("version=2\0argv=a\0"sv).error().code == EPROTO);
  CHECK(read_request("argv=a\0version=1\0"sv).error().code == EPROTO);
  CHECK(read_request("version=1\0"sv).error().code == EINVAL);
  CHECK(read_request("version=1\0argv=a\0env=b\0"sv).error().code == EINVAL);
  CHECK(read_request("version=1\0argv=a\0env==b\0"sv).error().code == EINVAL);
  for (std::string_view text : {""sv, "-1"sv, " 1"sv, "1x"sv, "99999999999999999999"sv}) CHECK(read_number(text, "it").has_value() == false);
  CHECK(*read_number("15", "it") == 15);
  CHECK(read_request("version=1\0argv=a\0rows=65536\0"sv).error().code == EBADMSG);
}

TEST_CASE("a request with any bytes changed is read or refused", "[exec]") {
  const std::string message = *write_request(some_request());
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string changed = message;
    for (unsigned times = random() % 4 + 1; times > 0; --times) changed[random() % changed.size()] = static_cast<char>(random() % 256);
    if (random() % 4 == 0) changed.resize(random() % changed.size());
    auto read = read_request(changed);
    if (!read) continue;
    CHECK(!read->argv.empty());
    for (const std::string& word : read->argv) CHECK(word.find('\0') == std::string::npos);
  }
}

TEST_CASE("names of containers", "[exec]") {
  for (const char* good : {"web", "a", "1a", "a.b_c-1", "A"}) CHECK(check_container_name(good).has_value());
  CHECK(check_container_name(std::string(63, 'x')).has_value());
  for (const char* bad : {"", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a\n", "12", "\xc3\xa4"}) CHECK(check_container_name(bad).has_value() == false);
  CHECK(check_container_name(std::string(64, 'x')).has_value() == false);
}
