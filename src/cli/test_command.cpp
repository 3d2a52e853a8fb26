// ccsand test: which files, which tests of them, how many at a time. What the words of
// --report and --timeout mean is read in Lua, before anything runs.
#include "cli/test_command.hpp"

#include <getopt.h>

#include <charconv>
#include <cstdio>
#include <cstring>

namespace ccsand {

namespace {
constexpr const char* kTestUsage =
    "usage: ccsand test [FILE | FOLDER]...   runs the tests of *_test.lua; default: those below the current folder\n"
    "  -j, --jobs N            at most N tests at a time; default: as many as there are CPUs\n"
    "  --filter PATTERN        only tests whose name has this Lua pattern, or the tag of '@TAG'; may be repeated\n"
    "  --timeout T             of tests that do not say their own, such as 10s; default: 60s\n"
    "  --repeat N              each test N times\n"
    "  --shuffle[=SEED]        in another order; the same one with the same seed\n"
    "  --report FORMAT[=FILE]  tap, junit or json, to a file or standard output; may be repeated\n"
    "  --update                writes snapshots that are missing or differ\n"
    "  --keep                  keeps containers of failed tests until Ctrl-C\n"
    "  --list                  names the tests and runs none\n"
    "Exit status: 0 where all passed, 1 where not, 2 for wrong usage, 125 where ccsand itself fails.\n";

std::nullopt_t wrong(const char* option, const char* what) {
  (void)std::fprintf(stderr, "ccsand: test: %s%s\n%s", option, what, kTestUsage);
  return std::nullopt;
}

bool read_count(const char* text, std::uint32_t least, std::uint32_t most, std::uint32_t& out) {
  const char* end = text + std::strlen(text);
  auto [stop, error] = std::from_chars(text, end, out);
  return error == std::errc() && stop == end && out >= least && out <= most;
}

// Their values are beyond those of letters.
enum Long : int { kFilter = 256, kTimeout, kRepeat, kShuffle, kReport, kUpdate, kKeep, kList };
constexpr option kOptions[] = {{"jobs", required_argument, nullptr, 'j'},         {"filter", required_argument, nullptr, kFilter},
                               {"timeout", required_argument, nullptr, kTimeout}, {"repeat", required_argument, nullptr, kRepeat},
                               {"shuffle", optional_argument, nullptr, kShuffle}, {"report", required_argument, nullptr, kReport},
                               {"update", no_argument, nullptr, kUpdate},         {"keep", no_argument, nullptr, kKeep},
                               {"list", no_argument, nullptr, kList},             {"help", no_argument, nullptr, 'h'},
                               {nullptr, 0, nullptr, 0}};
}  // namespace

std::optional<TestOptions> read_test_options(int argc, char** argv, int at) {
  TestOptions options;
  argc -= at - 1;
  argv += at - 1;
  optind = 0;  // begins anew: behind the verb, options and paths may mix
  opterr = 0;
  for (int option = 0; (option = getopt_long(argc, argv, "hj:", kOptions, nullptr)) != -1;) {
    switch (option) {
      case 'j':
        if (!read_count(optarg, 1, 4096, options.jobs)) return wrong("-j", " takes a number from 1 to 4096");
        break;
      case kFilter: options.filters.emplace_back(optarg); break;
      case kTimeout: options.timeout = optarg; break;
      case kRepeat:
        if (!read_count(optarg, 1, 1'000'000, options.repeat)) return wrong("--repeat", " takes a number from 1 to 1000000");
        break;
      case kShuffle:
        options.shuffle = true;
        if (optarg == nullptr) break;
        options.seed.emplace();
        if (!read_count(optarg, 0, UINT32_MAX, *options.seed)) return wrong("--shuffle", " takes a seed from 0 to 4294967295");
        break;
      case kReport: options.reports.emplace_back(optarg); break;
      case kUpdate: options.update = true; break;
      case kKeep: options.keep = true; break;
      case kList: options.list = true; break;
      case 'h': options.help = std::fputs(kTestUsage, stdout) >= 0; return options;
      default: return wrong(argv[optind - 1], ": unknown option, or one that lacks its value");
    }
  }
  options.paths.assign(argv + optind, argv + argc);
  return options;
}

}  // namespace ccsand
