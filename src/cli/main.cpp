// The command line: which recipe, with what, in which mode. Nothing else is decided here.
#include <fcntl.h>
#include <getopt.h>
#include <sys/prctl.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "ccsand/host.hpp"
#include "cli/container_commands.hpp"
#include "cli/test_command.hpp"
#include "core/host_check.hpp"
#include "core/printable.hpp"
#include "sys/process.hpp"

namespace {
using namespace ccsand;

constexpr int kOwnFailure = 125;

constexpr const char* kUsage =
    "usage: ccsand [--trace] [--show-denied] [--name NAME] RECIPE [ARGUMENT...]\n"
    "                                                  run a recipe: a Lua file, or one that ships\n"
    "       ccsand run [--name NAME] IMAGE [COMMAND...]\n"
    "                                                  run a command in an image\n"
    "       ccsand plan RECIPE [ARGUMENT...]           print what would be done; needs no privileges\n"
    "       ccsand check RECIPE [ARGUMENT...]          load and validate a recipe\n"
    "       ccsand learn [--into FILE | -o FILE] RECIPE [ARGUMENT...] [-- COMMAND...]\n"
    "                                                  watch a command, write the policy that it needs\n"
    "       ccsand test [FILE | FOLDER]... [OPTIONS]   run the tests of *_test.lua; 'ccsand test --help' has the options\n"
    "       ccsand exec [-t] NAME|PID -- COMMAND...    run a command in a container that another ccsand runs\n"
    "       ccsand list [--json]                       containers that have a name and run\n"
    "       ccsand recipes                             list the recipes that ship\n"
    "       ccsand doctor                              what this host can do, and how to mend it\n"
    "       ccsand --version | --help\n"
    "\n"
    "Words after '--' are the recipe's own. Exit status: 125 where ccsand itself fails, 126 and\n"
    "127 where the command cannot be executed or found, else the container's, or 128 + signal.\n";

int fail(const Error& error) {
  // A recipe's error may hold what a container printed.
  (void)std::fprintf(stderr, "ccsand: %s\n", printable(error.message()).c_str());
  if (*error.hint != '\0') (void)std::fprintf(stderr, "  hint: %s\n", printable(error.hint).c_str());
  return error.exit_status;
}

int doctor() {
  int missing = 0;
  for (const HostFeature& feature : check_host()) {
    const char* mark = feature.state == HostFeature::absent ? (feature.required ? "MISSING" : "absent") : "ok";
    (void)std::printf("%-8s %-18s %s\n", mark, feature.name, feature.found.c_str());
    if (!feature.remedy.empty()) (void)std::printf("%27s-> %s\n", "", feature.remedy.c_str());
    missing += feature.state == HostFeature::absent && feature.required ? 1 : 0;
  }
  return missing == 0 ? 0 : 1;
}

// 0, 1 and 2 must be somebody's: what is opened next must not become a container's stream.
bool open_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) return false;
  return true;
}

struct CommandLine {
  RecipeOptions options;
  std::string recipe;
  std::vector<std::string> arguments;
};

// The rest of the line: RECIPE [--] [ARGUMENT...].
bool take_recipe(CommandLine& line, int argc, char** argv, int at) {
  if (at >= argc) return false;
  line.recipe = argv[at++];
  if (at < argc && std::strcmp(argv[at], "--") == 0) ++at;
  line.arguments.assign(argv + at, argv + argc);
  return true;
}

int run(const CommandLine& line) {
  auto host = Host::create();
  if (!host) return fail(host.error());
  auto status = (*host)->run_recipe(line.recipe, line.arguments, line.options);
  if (!status) return fail(status.error());
  return *status & 0xff;
}

int usage_error(const char* what) {
  (void)std::fprintf(stderr, "ccsand: %s\n%s", what, kUsage);
  return kOwnFailure;
}

// learn [--into FILE | -o FILE] RECIPE [ARGUMENT...] [-- COMMAND...]
int learn(CommandLine& line, int argc, char** argv, int at) {
  static const option kOptions[] = {{"into", required_argument, nullptr, 'i'}, {"output", required_argument, nullptr, 'o'}, {nullptr, 0, nullptr, 0}};
  line.options.mode = RecipeMode::learn;
  optind = at;
  for (int option = 0; (option = getopt_long(argc, argv, "+o:", kOptions, nullptr)) != -1;) {
    if (option == 'i') line.options.learn.into = optarg;
    else if (option == 'o') line.options.learn.output = optarg;
    else return usage_error("unknown option of learn");
  }
  if (optind >= argc) return usage_error("a recipe is missing");
  line.recipe = argv[optind++];
  int end = optind;
  while (end < argc && std::strcmp(argv[end], "--") != 0) ++end;
  line.arguments.assign(argv + optind, argv + end);
  if (end < argc) line.options.learn.command.assign(argv + end + 1, argv + argc);
  return run(line);
}

int test(int argc, char** argv, int at) {
  constexpr int kUsageError = 2;
  auto options = read_test_options(argc, argv, at);
  if (!options) return kUsageError;
  if (options->help) return 0;
  auto host = Host::create();
  if (!host) return fail(host.error());
  auto status = (*host)->run_tests(*options);
  return status ? *status : fail(status.error());
}

int command(CommandLine& line, int argc, char** argv, int at) {
  std::string_view word = argv[at];
  if (word == "doctor") return doctor();
  if (word == "recipes" && at + 1 == argc) {
    for (const std::string& name : shipped_recipes()) (void)std::puts(name.c_str());
    return 0;
  }
  if (word == "exec" || word == "list") {
    auto status = word == "exec" ? exec_command(argc, argv, at + 1) : list_command(argc, argv, at + 1);
    return status ? *status : fail(status.error());
  }
  if (word == "learn") return learn(line, argc, argv, at + 1);
  if (word == "test") return test(argc, argv, at + 1);
  if (word == "plan" || word == "check") {
    line.options.mode = word == "plan" ? RecipeMode::plan : RecipeMode::check;
    ++at;
  }
  if (word == "run") line.options.shipped_only = true;
  if (!take_recipe(line, argc, argv, at)) return usage_error("a recipe is missing");
  return run(line);
}

// What whoever has started this process may have left differently.
Result<void> settle() {
  // Nobody may look into its memory, which children share that have dropped their rights: see launching.hpp.
  CCSAND_TRY(sys::prctl(PR_SET_DUMPABLE, 0, 0, 0, "PR_SET_DUMPABLE"));
  std::signal(SIGCHLD, SIG_DFL);  // where it is ignored the kernel reaps children, and nobody learns how they ended
  return {};
}
}  // namespace

int main(int argc, char** argv) {
  if (auto settled = settle(); !settled) return fail(settled.error());
  if (!open_standard_streams()) return kOwnFailure;
  static const option kOptions[] = {{"trace", no_argument, nullptr, 't'},
                                    {"show-denied", no_argument, nullptr, 'd'},
                                    {"name", required_argument, nullptr, 'n'},
                                    {"help", no_argument, nullptr, 'h'},
                                    {"version", no_argument, nullptr, 'V'},
                                    {nullptr, 0, nullptr, 0}};
  CommandLine line;
  for (int option = 0; (option = getopt_long(argc, argv, "+hV", kOptions, nullptr)) != -1;) {
    if (option == 't') line.options.trace = true;
    else if (option == 'd') line.options.show_denied = true;
    else if (option == 'n' && *optarg != '\0') line.options.name = optarg;
    else if (option == 'n') return usage_error("--name: takes a name");
    else if (option == 'h') return std::fputs(kUsage, stdout) < 0 ? 1 : 0;
    else if (option == 'V') return std::puts("ccsand " CCSAND_VERSION) < 0 ? 1 : 0;
    else return usage_error("unknown option");
  }
  if (optind >= argc) return usage_error("a recipe is missing");
  return command(line, argc, argv, optind);
}
