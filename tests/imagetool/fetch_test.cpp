// Downloads, from a server that misbehaves in one way at a time.
#include "imagetool/fetch.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "server.hpp"
#include "support.hpp"

using namespace ccsand::test;
using ccsand::imagetool::may_redirect;

namespace {
using Send = std::function<void(std::string_view)>;

const char* const kNoNetwork = "network namespaces cannot be made here";

// The arguments of most tests: the address, a limit of 1000 bytes, HTTP allowed.
std::vector<std::string> plain(const std::string& path, std::vector<std::string> more = {}) {
  std::vector<std::string> all = {"--url", "http://127.0.0.1:8080" + path, "--max-bytes", "1000",
                                  "--insecure-http"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string answer_with(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string redirect_to(const std::string& location) {
  return "HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 4\r\n\r\nbody";
}

// Answers every request with the same bytes and closes the connection.
Answer always(std::string bytes) {
  return [bytes](const std::string&, const Send& send) { send(bytes); };
}

bool failed_with(const Outcome& outcome, std::string_view message) {
  UNSCOPED_INFO("status " << outcome.status << ", message: " << outcome.err);
  return outcome.status == 1 && outcome.err == "ccsand-image: fetch " + std::string(message) + "\n";
}
}  // namespace

TEST_CASE_METHOD(Clean, "where a redirect may lead") {
  CHECK(may_redirect("https", "https", false));
  CHECK(may_redirect("http", "https", true));
  CHECK(may_redirect("http", "http", true));
  CHECK(!may_redirect("http", "http", false));
  CHECK(!may_redirect("https", "http", true));
  CHECK(!may_redirect("https", "file", true));
  CHECK(!may_redirect("http", "ftp", true));
}

TEST_CASE_METHOD(Clean, "only https addresses are fetched, unless http is allowed") {
  auto fetch = [](const char* url) { return run_program({"fetch", "--url", url, "--max-bytes", "10"}); };
  CHECK(
      failed_with(fetch("file:///etc/passwd"),
                  "file:///etc/passwd: the scheme file is refused (only https:// addresses can be fetched)"));
  CHECK(fetch("http://host.invalid/").err.find("the scheme http is refused") != std::string::npos);
  CHECK(fetch("ftp://host.invalid/").err.find("the scheme ftp is refused") != std::string::npos);
  CHECK(fetch("no address").status == 1);
  CHECK(fetch("http://user:secret@host.invalid/").err.find("secret") == std::string::npos);
}

TEST_CASE_METHOD(Clean, "a file is fetched") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  Outcome outcome = fetch_from(always(answer_with("hello")), plain("/file"));
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "hello");
  CHECK(outcome.err.empty());
  Outcome shown = fetch_from(always(answer_with("hello")), plain("/file", {"--progress"}));
  CHECK(shown.err.starts_with("\r"));
  CHECK(shown.err.ends_with("\r5 of 5 bytes, 100%\n"));
}

TEST_CASE_METHOD(Clean, "the size is limited, announced or not") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  const char* const kMessage =
      "http://127.0.0.1:8080/f: larger than 1000 bytes (raise --max-bytes if you trust it)";
  Outcome announced = fetch_from(always(answer_with(std::string(1001, 'x'))), plain("/f"));
  CHECK(failed_with(announced, kMessage));
  CHECK(announced.out.empty());
  Outcome endless = fetch_from(always("HTTP/1.1 200 OK\r\n\r\n" + std::string(100000, 'x')), plain("/f"));
  CHECK(failed_with(endless, kMessage));
  CHECK(endless.out.size() <= 1000);
  CHECK(fetch_from(always(answer_with(std::string(1000, 'x'))), plain("/f")).out.size() == 1000);
}

TEST_CASE_METHOD(Clean, "a body that is cut short is an error") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  Outcome outcome = fetch_from(always("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), plain("/f"));
  CHECK(outcome.status == 1);
  CHECK(outcome.err.ends_with("(the connection broke: try again)\n"));
}

TEST_CASE_METHOD(Clean, "an answer other than 200 is an error, and its body is not the file") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  Outcome missing =
      fetch_from(always("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nbody"), plain("/f"));
  CHECK(failed_with(missing,
                    "http://127.0.0.1:8080/f: the server answered 404 "
                    "(check the address: the server has no such file)"));
  CHECK(missing.out.empty());
  Outcome partial =
      fetch_from(always("HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n\r\nbody"), plain("/f"));
  CHECK(failed_with(partial, "http://127.0.0.1:8080/f: the server answered 206"));
  CHECK(partial.out.empty());
  CHECK(fetch_from(always("not http\r\n\r\n"), plain("/f")).status == 1);
  CHECK(fetch_from(always(""), plain("/f")).status == 1);
}

TEST_CASE_METHOD(Clean, "redirects are followed, five of them") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  Answer count_down = [](const std::string& request, const Send& send) {
    int left = request[5] - '0';  // "GET /N"
    send(left == 0 ? answer_with("there") : redirect_to("/" + std::to_string(left - 1)));
  };
  Outcome five = fetch_from(count_down, plain("/5"));
  CHECK(five.status == 0);
  CHECK(five.out == "there");
  Outcome six = fetch_from(count_down, plain("/6"));
  CHECK(failed_with(six, "http://127.0.0.1:8080/6: more than 5 redirects"));
  CHECK(six.out.empty());
  CHECK(failed_with(fetch_from(always(redirect_to("/loop")), plain("/loop")),
                    "http://127.0.0.1:8080/loop: more than 5 redirects"));
}

TEST_CASE_METHOD(Clean, "a redirect to another scheme is refused") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  Outcome file = fetch_from(always(redirect_to("file:///etc/passwd")), plain("/f"));
  CHECK(file.err.find("redirected to file is refused") != std::string::npos);
  CHECK(file.status == 1);
  CHECK(file.out.empty());
}

TEST_CASE_METHOD(Clean, "a server that stalls is given up") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  const char* const kMessage =
      "http://127.0.0.1:8080/f: the transfer stalled (try again, or raise --stall-timeout)";
  Answer silent = [](const std::string&, const Send&) { sleep(30); };
  Answer half = [](const std::string&, const Send& send) {
    send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    sleep(30);
  };
  for (const Answer& answer : {silent, half}) {
    auto start = std::chrono::steady_clock::now();
    CHECK(failed_with(fetch_from(answer, plain("/f", {"--stall-timeout", "1"})), kMessage));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
  }
}

TEST_CASE_METHOD(Clean, "headers without end are given up") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  Answer flood = [](const std::string&, const Send& send) {
    send("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 10000; ++i) send("X-Header: " + std::string(200, 'x') + "\r\n");
  };
  Outcome outcome = fetch_from(flood, plain("/f"));
  CHECK(outcome.status == 1);
  CHECK(outcome.out.empty());
}

TEST_CASE_METHOD(Clean, "a server that is not there") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  Outcome outcome = fetch_from(always(""), {"--url", "https://127.0.0.1:1/", "--max-bytes", "10"});
  CHECK(outcome.status == 1);
  CHECK(outcome.err.ends_with("(check that the host is reachable, or needs a proxy)\n"));
}

TEST_CASE_METHOD(Clean, "the proxy of the environment is asked") {
  CCSAND_NEED(can_serve(), kNoNetwork);
  Answer proxy = [](const std::string& request, const Send& send) {
    send(answer_with(request.substr(0, request.find('\r'))));
  };
  Outcome outcome =
      fetch_from(proxy, {"--url", "http://image.invalid/f", "--max-bytes", "1000", "--insecure-http"},
                 {"http_proxy=http://127.0.0.1:8080"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "GET http://image.invalid/f HTTP/1.1");
}
