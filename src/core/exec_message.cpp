// Messages of `ccsand exec`. Who reads them believes nothing of what the other side wrote.
#include "core/exec_message.hpp"

#include <cerrno>
#include <charconv>

namespace ccsand {

namespace {
constexpr std::string_view kVersion = "1";  // of request and answers; another one is not understood

Error malformed(std::string_view what) { return make_error(EBADMSG, "exec", "", "a message makes no sense: " + std::string(what)); }

Error unknown(std::string_view key) { return malformed("it has the field '" + std::string(key.substr(0, 32)) + "'"); }
}  // namespace

void add_field(std::string& message, std::string_view key, std::string_view value) {
  message.append(key).append("=").append(value).push_back('\0');
}

Result<Fields> read_fields(std::string_view message) {
  if (message.empty() || message.back() != '\0') return malformed("it does not end with a zero byte");
  Fields fields;
  while (!message.empty()) {
    std::string_view field = message.substr(0, message.find('\0'));
    std::size_t equals = field.find('=');
    if (equals == std::string_view::npos || equals == 0) return malformed("it has a field without a key");
    fields.emplace_back(field.substr(0, equals), field.substr(equals + 1));
    message.remove_prefix(field.size() + 1);
  }
  return fields;
}

Result<std::int64_t> read_number(std::string_view text, std::string_view what) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0) return malformed(std::string(what) + " is no number");
  return number;
}

namespace {
Result<unsigned short> read_size(std::string_view text) {
  std::int64_t number = CCSAND_TRY(read_number(text, "the size of a terminal"));
  if (number > UINT16_MAX) return malformed("a terminal is not that large");
  return static_cast<unsigned short>(number);
}
}  // namespace

Result<std::string> write_request(const ExecRequest& request) {
  std::string message;
  add_field(message, "version", kVersion);
  for (const auto& [key, words] : {std::pair{"argv", &request.argv}, std::pair{"env", &request.env}})
    for (const std::string& word : *words) add_field(message, key, word);
  for (const auto& [key, text] : {std::pair{"user", &request.user}, std::pair{"cwd", &request.cwd}})
    if (!text->empty()) add_field(message, key, *text);
  if (request.terminal) {
    add_field(message, "terminal", request.term);
    add_field(message, "rows", std::to_string(request.rows));
    add_field(message, "columns", std::to_string(request.columns));
  }
  if (message.size() > kMostMessage)
    return make_error(E2BIG, "exec", "", "command and environment have more than " + std::to_string(kMostMessage) + " bytes",
                      "what is long is for its standard input, or a file");
  return message;
}

Result<ExecRequest> read_request(std::string_view message) {
  ExecRequest request;
  Fields fields = CCSAND_TRY(read_fields(message));
  if (fields[0].first != "version" || fields[0].second != kVersion)
    return make_error(EPROTO, "exec", "", "is of another version of ccsand than the one that runs the container");
  fields.erase(fields.begin());
  for (const auto& [key, value] : fields) {
    if (key == "argv") request.argv.emplace_back(value);
    else if (key == "env") request.env.emplace_back(value);
    else if (key == "user") request.user = value;
    else if (key == "cwd") request.cwd = value;
    else if (key == "terminal") request.terminal = true, request.term = value;
    else if (key == "rows") request.rows = CCSAND_TRY(read_size(value));
    else if (key == "columns") request.columns = CCSAND_TRY(read_size(value));
    else return unknown(key);
  }
  if (request.argv.empty() || request.argv[0].empty()) return make_error(EINVAL, "exec", "", "a command is missing");
  for (const std::string& entry : request.env)
    if (entry.find('=') == std::string::npos || entry[0] == '=')
      return make_error(EINVAL, "exec", "--env '" + entry.substr(0, 64) + "'", "must be NAME=VALUE");
  return request;
}

std::string write_answer(const ExecAnswer& answer) {
  static constexpr std::string_view kKinds[] = {"started", "ended", "failed"};
  std::string message;
  add_field(message, "answer", kKinds[answer.kind]);
  if (answer.kind == ExecAnswer::ended) add_field(message, "status", std::to_string(answer.status));
  if (answer.kind != ExecAnswer::failed) return message;
  add_field(message, "message", answer.message);
  add_field(message, "hint", answer.hint);
  add_field(message, "exit_status", std::to_string(answer.exit_status));
  return message;
}
ExecAnswer failed_answer(const Error& error) {
  ExecAnswer answer;
  answer.message = error.message();
  answer.hint = error.hint;
  answer.exit_status = error.exit_status;
  for (char& c : answer.message)
    if (c == '\0') c = '?';  // a name in the container may hold anything but this
  return answer;
}

Result<ExecAnswer> read_answer(std::string_view message) {
  ExecAnswer answer;
  for (const auto& [key, value] : CCSAND_TRY(read_fields(message))) {
    if (key == "answer") {
      if (value != "started" && value != "ended" && value != "failed") return malformed("an unknown answer");
      answer.kind = value == "started" ? ExecAnswer::started : value == "ended" ? ExecAnswer::ended : ExecAnswer::failed;
    } else if (key == "status") answer.status = static_cast<int>(CCSAND_TRY(read_number(value, "a status")) & 0xff);
    else if (key == "exit_status") answer.exit_status = static_cast<int>(CCSAND_TRY(read_number(value, "a status")) & 0xff);
    else if (key == "message") answer.message = value;
    else if (key == "hint") answer.hint = value;
    else return unknown(key);
  }
  return answer;
}

}  // namespace ccsand
