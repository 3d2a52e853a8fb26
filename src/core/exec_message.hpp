// What `ccsand exec` and the ccsand that holds the container tell each other: each message is texts
// "key=value", each ended by a zero byte, as in an environment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ccsand/result.hpp"

namespace ccsand {

constexpr std::size_t kMostMessage = 128 * 1024;  // what execve(2) takes as one word, too

// In the order in which they came; keys may repeat.
using Fields = std::vector<std::pair<std::string_view, std::string_view>>;
void add_field(std::string& message, std::string_view key, std::string_view value);
// EBADMSG for what is no such message. The fields lie in `message`.
Result<Fields> read_fields(std::string_view message);
// The whole text as a number that is not negative.
Result<std::int64_t> read_number(std::string_view text, std::string_view what);

// A command for a container that runs.
struct ExecRequest {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // NAME=value, on top of the container's
  std::string user;              // "" for the container's; USER or USER:GROUP
  std::string cwd;               // "" for the container's
  bool terminal = false;         // a pty of the container's; the answer brings its master
  std::string term;              // what TERM is then,
  unsigned short rows = 24, columns = 80;  // and its size
};
Result<std::string> write_request(const ExecRequest& request);
Result<ExecRequest> read_request(std::string_view message);

// What comes back: `started`, then `ended`; or `failed`.
struct ExecAnswer {
  enum Kind { started, ended, failed } kind = failed;
  int status = 0;       // of `ended`
  std::string message;  // of `failed`: the error, its hint and the status of a program that ends with it
  std::string hint;
  int exit_status = 125;
};
std::string write_answer(const ExecAnswer& answer);
ExecAnswer failed_answer(const Error& error);
Result<ExecAnswer> read_answer(std::string_view message);

}  // namespace ccsand
