// ccsand exec and ccsand list.
#include "cli/container_commands.hpp"

#include <getopt.h>
#include <jansson.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>

#include "core/container_name.hpp"
#include "core/exec_client.hpp"

namespace ccsand {

namespace {
constexpr const char* kExecUsage =
    "usage: ccsand exec [OPTION]... NAME|PID [--] COMMAND...   runs a command in a container that another ccsand runs\n"
    "  -t, --tty             on a terminal of the container's, joined to this one\n"
    "  -i, --interactive     nothing more: standard input is the command's in any case\n"
    "  -u, --user USER[:GROUP]  of the container's; default: as the container's own command\n"
    "  -e, --env NAME[=VALUE]   on top of the container's; without a value this one's; may be repeated\n"
    "  -w, --cwd FOLDER      where it begins; default: as the container's own command\n"
    "Its policy is the container's. Exit status: the command's, or 128 + signal; 125, 126 and 127 as with recipes.\n";
constexpr const char* kListUsage =
    "usage: ccsand list [--json]   containers with a name that run: pid, the ccsand that runs them, since when, command\n";

int wrong(const char* usage, const std::string& what) {
  constexpr int kOwnFailure = 125;
  (void)std::fprintf(stderr, "ccsand: %s\n%s", what.c_str(), usage);
  return kOwnFailure;
}

// NAME=VALUE, or NAME and what it is here.
bool add_env(ExecRequest& request, const char* word) {
  if (std::strchr(word, '=') != nullptr) return request.env.emplace_back(word), true;
  const char* value = std::getenv(word);
  if (value != nullptr) request.env.push_back(std::string(word) + "=" + value);
  return value != nullptr;
}

// ---- list

std::string time_text(std::int64_t seconds, const char* format, bool utc) {
  auto moment = static_cast<std::time_t>(seconds);
  std::tm parts = {};
  char text[64] = {};
  (void)(utc ? gmtime_r(&moment, &parts) : localtime_r(&moment, &parts));
  (void)std::strftime(&text[0], sizeof text, format, &parts);
  return &text[0];
}

// As it would be typed; what a terminal might take for more than text is shown as '?'.
std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,@+%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (char c : word) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '\'') quoted += "'\\''";
    else quoted += byte < 32 || byte == 127 ? '?' : c;
  }
  return quoted + "'";
}

void print_table(const std::vector<NamedContainer>& all) {
  std::size_t width = 4;
  for (const NamedContainer& one : all) width = std::max(width, one.name.size());
  (void)std::printf("%-*s  %7s  %7s  %-19s  %s\n", static_cast<int>(width), "NAME", "PID", "HOLDER", "SINCE", "COMMAND");
  for (const NamedContainer& one : all) {
    std::string command;
    for (const std::string& word : one.command) command += (command.empty() ? "" : " ") + shell_word(word);
    (void)std::printf("%-*s  %7d  %7d  %-19s  %s\n", static_cast<int>(width), one.name.c_str(), one.pid, one.holder.pid,
                      time_text(one.since, "%Y-%m-%d %H:%M:%S", false).c_str(), command.c_str());
  }
}

struct JsonRelease {
  void operator()(json_t* value) const { json_decref(value); }
};
// Words that are no UTF-8, which JSON cannot have, are shown with '?' in place of what is not ASCII.
json_t* json_word(const std::string& word) {
  json_t* value = json_stringn(word.data(), word.size());
  if (value != nullptr) return value;
  std::string ascii = word;
  for (char& c : ascii)
    if (static_cast<unsigned char>(c) >= 128) c = '?';
  return json_stringn(ascii.data(), ascii.size());
}
bool print_json(const std::vector<NamedContainer>& all) {
  std::unique_ptr<json_t, JsonRelease> list(json_array());
  for (const NamedContainer& one : all) {
    json_t* command = json_array();
    for (const std::string& word : one.command) (void)json_array_append_new(command, json_word(word));
    (void)json_array_append_new(list.get(), json_pack("{s:s, s:i, s:i, s:s, s:o}", "name", one.name.c_str(), "pid", one.pid, "holder", one.holder.pid,
                                                      "since", time_text(one.since, "%Y-%m-%dT%H:%M:%SZ", true).c_str(), "command", command));
  }
  return json_dumpf(list.get(), stdout, JSON_INDENT(2)) == 0 && std::puts("") >= 0;
}
}  // namespace

Result<int> exec_command(int argc, char** argv, int at) {
  static const option kOptions[] = {{"tty", no_argument, nullptr, 't'},      {"interactive", no_argument, nullptr, 'i'},
                                    {"user", required_argument, nullptr, 'u'}, {"env", required_argument, nullptr, 'e'},
                                    {"cwd", required_argument, nullptr, 'w'},  {"help", no_argument, nullptr, 'h'},
                                    {nullptr, 0, nullptr, 0}};
  ExecRequest request;
  optind = at;
  opterr = 0;
  for (int option = 0; (option = getopt_long(argc, argv, "+tiu:e:w:h", kOptions, nullptr)) != -1;) {
    switch (option) {
      case 't': request.terminal = true; break;
      case 'i': break;
      case 'u': request.user = optarg; break;
      case 'e':
        if (!add_env(request, optarg)) return wrong(kExecUsage, "exec: --env " + std::string(optarg) + ": has no value, here neither");
        break;
      case 'w': request.cwd = optarg; break;
      case 'h': return std::fputs(kExecUsage, stdout) < 0 ? 1 : 0;
      default: return wrong(kExecUsage, "exec: unknown option, or one that lacks its value");
    }
  }
  if (optind >= argc) return wrong(kExecUsage, "exec: the name of a container is missing");
  std::string name = argv[optind++];
  if (optind < argc && std::strcmp(argv[optind], "--") == 0) ++optind;
  if (optind >= argc) return wrong(kExecUsage, "exec: a command is missing");
  request.argv.assign(argv + optind, argv + argc);
  const char* term = std::getenv("TERM");
  request.term = term != nullptr ? term : "";
  return exec_in_container(name, std::move(request));
}

Result<int> list_command(int argc, char** argv, int at) {
  bool json = at < argc && std::strcmp(argv[at], "--json") == 0;
  if (at < argc && (std::strcmp(argv[at], "--help") == 0 || std::strcmp(argv[at], "-h") == 0)) return std::fputs(kListUsage, stdout) < 0 ? 1 : 0;
  if (at + (json ? 1 : 0) < argc) return wrong(kListUsage, "list: takes nothing but --json");
  auto all = CCSAND_TRY(named_containers());
  if (json) return print_json(all) ? 0 : 1;
  print_table(all);
  return 0;
}

}  // namespace ccsand
