// The command line of ccsand-image. Reads arguments, calls fetch, digest or unpack, and
// prints one line when that fails. Confinement is the caller's: ccsand runs this program
// in a sandbox that holds no more than the archive and the directory to fill.
#include <fcntl.h>
#include <getopt.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "ccsand/fd.hpp"
#include "imagetool/digest.hpp"
#include "imagetool/fetch.hpp"
#include "imagetool/unpack.hpp"
#include "sys/file.hpp"

// g++ and clang each have a way of their own to say that they sanitize addresses.
#if defined(__SANITIZE_ADDRESS__)
#define CCSAND_IMAGE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CCSAND_IMAGE_SANITIZED 1
#endif
#endif
#ifndef CCSAND_IMAGE_SANITIZED
#define CCSAND_IMAGE_SANITIZED 0
#endif

namespace {

using ccsand::Fd;
using ccsand::Result;
namespace imagetool = ccsand::imagetool;

constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr std::uint64_t kMaxBytes = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMaxEntries = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMaxSeconds = 24 * 3600;

const char* const kHelp =
    "usage: ccsand-image fetch --url URL --max-bytes N [--insecure-http] [--progress]\n"
    "                          [--connect-timeout SECONDS] [--stall-timeout SECONDS] > FILE\n"
    "       ccsand-image digest < FILE\n"
    "       ccsand-image unpack --into DIR [--sha256 HEX] [--max-bytes N] [--max-entries N] < ARCHIVE\n"
    "       ccsand-image --help | --version\n";

// Names in an archive, and servers, must neither add lines to a message nor steer a terminal.
std::string one_line(std::string_view text) {
  std::string line;
  for (char c : text) {
    if (c >= ' ' && c <= '~') {
      line.push_back(c);
      continue;
    }
    auto byte = static_cast<unsigned char>(c);
    line.append("\\x").append(1, "0123456789abcdef"[byte >> 4]).append(1, "0123456789abcdef"[byte & 15]);
  }
  return line;
}

void print_failure(std::string_view text) {
  (void)std::fprintf(stderr, "ccsand-image: %s\n", one_line(text).c_str());
}

int exit_code(const Result<void>& outcome) {
  if (outcome) return 0;
  std::string text = outcome.error().message();
  if (*outcome.error().hint != '\0') text.append(" (").append(outcome.error().hint).append(")");
  print_failure(text);
  return kFailure;
}

int usage_error(std::string_view text) {
  print_failure(std::string(text).append("; see ccsand-image --help"));
  return kUsage;
}

// Takes `--name value` options off a command line. The first mistake is kept.
class Options {
 public:
  Options(int argc, char** argv, const option* options) : argc_(argc), argv_(argv), options_(options) {}

  // The next option's letter, or -1.
  int next() { return getopt_long(argc_, argv_, ":", options_, nullptr); }
  bool number(const char* name, std::uint64_t least, std::uint64_t most, std::uint64_t& into) {
    std::string_view text = optarg;
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), into);
    bool valid = code == std::errc() && end == text.data() + text.size() && into >= least && into <= most;
    if (!valid) mistake_ = std::string(name).append(" takes a number, not '").append(text).append("'");
    return valid;
  }
  void unknown() {
    const char* argument = argv_[optind - 1];
    mistake_ = std::string(argument) + (optopt != 0 ? ": this option needs a value" : ": unknown option");
  }
  void wrong(std::string text) { mistake_ = std::move(text); }
  // What is wrong with the command line, or "".
  std::string mistake() {
    if (mistake_.empty() && optind < argc_) return std::string(argv_[optind]) + ": unexpected argument";
    return mistake_;
  }

 private:
  int argc_;
  char** argv_;
  const option* options_;
  std::string mistake_;
};

const option kFetchOptions[] = {{"url", required_argument, nullptr, 'u'},
                                {"max-bytes", required_argument, nullptr, 'b'},
                                {"connect-timeout", required_argument, nullptr, 'c'},
                                {"stall-timeout", required_argument, nullptr, 's'},
                                {"insecure-http", no_argument, nullptr, 'i'},
                                {"progress", no_argument, nullptr, 'p'},
                                {nullptr, 0, nullptr, 0}};

int run_fetch(int argc, char** argv) {
  Options options(argc, argv, &kFetchOptions[0]);
  imagetool::FetchRequest request;
  auto seconds = [&](const char* name, long& into) {
    std::uint64_t number = 0;
    if (options.number(name, 1, kMaxSeconds, number)) into = static_cast<long>(number);
  };
  for (int letter = 0; (letter = options.next()) != -1;) {
    switch (letter) {
      case 'u': request.url = optarg; break;
      case 'b': (void)options.number("--max-bytes", 1, kMaxBytes, request.max_bytes); break;  // noted
      case 'c': seconds("--connect-timeout", request.connect_timeout); break;
      case 's': seconds("--stall-timeout", request.stall_timeout); break;
      case 'i': request.insecure_http = true; break;
      case 'p': request.progress = true; break;
      default: options.unknown();
    }
  }
  if (std::string mistake = options.mistake(); !mistake.empty()) return usage_error(mistake);
  if (request.url.empty()) return usage_error("fetch needs --url");
  if (request.max_bytes == 0) return usage_error("fetch needs --max-bytes");
  return exit_code(imagetool::fetch(request));
}

int run_digest(int argc, char**) {
  if (argc > 1) return usage_error("digest takes no arguments: it reads standard input");
  auto digest = imagetool::digest_of_input(0);
  if (!digest) return exit_code(digest.error());
  return exit_code(ccsand::sys::write_all(1, *digest + "\n", "standard output"));
}

// A decompressor's memory is what the archive asks for, up to gigabytes. (A sanitizer
// reserves more than any limit.)
void limit_memory() {
#if !CCSAND_IMAGE_SANITIZED
  constexpr rlim_t kMemory = 512U << 20;
  const rlimit limit = {kMemory, kMemory};
  (void)setrlimit(RLIMIT_DATA, &limit);  // a lower limit of the caller's stays in force
#endif
}

Result<void> unpack_into(const std::string& directory, imagetool::UnpackRequest request) {
  Fd into = CCSAND_TRY(ccsand::sys::open(directory.c_str(), O_RDONLY | O_DIRECTORY));
  request.archive = 0;
  request.directory = into.get();
  limit_memory();
  (void)umask(022);  // answers the old mask
  return imagetool::unpack(request);
}

int run_unpack(int argc, char** argv) {
  static const option kOptions[] = {{"into", required_argument, nullptr, 'd'},
                                    {"sha256", required_argument, nullptr, 'h'},
                                    {"max-bytes", required_argument, nullptr, 'b'},
                                    {"max-entries", required_argument, nullptr, 'e'},
                                    {nullptr, 0, nullptr, 0}};
  Options options(argc, argv, &kOptions[0]);
  imagetool::UnpackRequest request;
  std::string directory;
  for (int letter = 0; (letter = options.next()) != -1;) {
    switch (letter) {
      case 'd':
        directory = optarg;
        break;
      case 'h':
        request.sha256 = optarg;
        if (!imagetool::is_sha256(optarg)) options.wrong("--sha256 takes 64 hexadecimal digits");
        break;
      case 'b':
        (void)options.number("--max-bytes", 1, kMaxBytes, request.max_bytes);
        break;  // kept as mistake
      case 'e':
        (void)options.number("--max-entries", 1, kMaxEntries, request.max_entries);
        break;  // the same
      default:
        options.unknown();
    }
  }
  if (std::string mistake = options.mistake(); !mistake.empty()) return usage_error(mistake);
  if (directory.empty()) return usage_error("unpack needs --into");
  auto outcome = unpack_into(directory, request);
  if (!outcome) return exit_code(outcome.error().in("unpack"));
  return 0;
}

int run(int argc, char** argv) {
  std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "fetch") return run_fetch(argc - 1, argv + 1);
  if (command == "digest") return run_digest(argc - 1, argv + 1);
  if (command == "unpack") return run_unpack(argc - 1, argv + 1);
  if (command == "--help") return std::fputs(kHelp, stdout) >= 0 ? 0 : kFailure;
  if (command == "--version") return std::puts("ccsand-image " CCSAND_VERSION) >= 0 ? 0 : kFailure;
  return usage_error(command.empty() ? "a command is missing" : std::string(command) + ": unknown command");
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away is an error of write(2) with a message, not a silent death.
  (void)std::signal(SIGPIPE, SIG_IGN);  // cannot fail for this signal
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {  // the memory limit: std::bad_alloc
    print_failure(error.what());
    return kFailure;
  }
}
