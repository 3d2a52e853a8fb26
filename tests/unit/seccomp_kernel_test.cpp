// The kernel and the simulator answer alike: filters made at random are loaded by children,
// which make calls that take no arguments with arguments at random.
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <random>

#include "core/seccomp/filter.hpp"
#include "core/seccomp/system_calls.hpp"
#include "support.hpp"
#include "sys/seccomp.hpp"

using namespace ccsand;
using namespace ccsand::test;

namespace {
constexpr int kCalls[] = {SYS_getpid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getppid, SYS_gettid};
constexpr int kPolicies = 2000, kTrials = 12;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  unsigned operator()() { return static_cast<unsigned>(engine_()); }
  std::uint64_t value() {
    static constexpr std::uint64_t kEdges[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~std::uint64_t{0}};
    return kEdges[(*this)() % std::size(kEdges)] + (*this)() % 3 - 1;
  }

 private:
  std::mt19937 engine_;
};

Filter some_filter(Random& random) {
  Filter filter;
  filter.unnamed = filter.unknown = SECCOMP_RET_ALLOW;  // the child has to report
  filter.architectures.push_back({native_architecture().audit, newest_system_call(native_architecture()), {}});
  std::vector<int> numbers(std::begin(kCalls), std::end(kCalls));
  std::sort(numbers.begin(), numbers.end());
  for (int number : numbers) {
    FilterCall call{number, {}};
    for (unsigned count = random() % 3; count > 0; --count) {
      FilterStatement statement{SECCOMP_RET_ERRNO | (random() % 100 + 1), {}};
      for (unsigned any = random() % 2 + 1; any > 0; --any) {
        Conjunction all;
        for (unsigned each = random() % 2 + 1; each > 0; --each) {
          Comparison one{random() % 6, random() % 2 == 0, random() % 2 == 0, static_cast<Comparison::Operator>(random() % 6)};
          if (random() % 3 == 0) one.mask = random.value();
          one.value = random.value() & one.mask;
          all.push_back(one);
        }
        statement.any_of.push_back(all);
      }
      call.statements.push_back(statement);
    }
    call.statements.push_back({random() % 2 == 0 ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | (random() % 100 + 1), {{}}});
    filter.architectures[0].calls.push_back(call);
  }
  return filter;
}

// In a child: loads the program, makes the calls; the first difference, or "".
std::string differences(const std::vector<sock_filter>& program, Random random) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
  std::vector<std::pair<seccomp_data, std::uint32_t>> trials;
  for (int i = 0; i < kTrials; ++i) {
    seccomp_data call = {};
    call.nr = kCalls[random() % std::size(kCalls)];
    call.arch = native_architecture().audit;
    for (auto& argument : call.args) argument = random.value();
    auto expected = simulate(program, call);
    if (!expected) return "the simulator: " + expected.error().message();
    trials.emplace_back(call, *expected);
  }
  if (auto loaded = sys::load_filter(program.data(), program.size(), 0); !loaded) return loaded.error().message();
  for (const auto& [call, expected] : trials) {
    long result = ::syscall(call.nr, call.args[0], call.args[1], call.args[2], call.args[3], call.args[4], call.args[5]);
    long wanted = (expected & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? static_cast<long>(expected & SECCOMP_RET_DATA) : 0;
    long got = result < 0 ? errno : 0;
    if (got != wanted) return "call " + std::to_string(call.nr) + ": the kernel answers " + std::to_string(got) + ", the simulator " + std::to_string(wanted);
  }
  return "";
}
}  // namespace

TEST_CASE("the kernel answers as the simulator, for thousands of filters and calls", "[seccomp]") {
  if (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
    skip_test("this kernel has no seccomp");
    return;
  }
  Random random(20261122);
  constexpr int kEach = 50;  // filters for a child, which forks for each
  for (int batch = 0; batch < kPolicies / kEach; ++batch) {
    std::vector<std::pair<std::vector<sock_filter>, unsigned>> work;
    for (int i = 0; i < kEach; ++i) {
      auto program = emit(some_filter(random));
      REQUIRE(program);
      work.emplace_back(*program, random());
    }
    CAPTURE(batch);
    CHECK(in_child([&work]() -> std::string {
      for (const auto& [program, seed] : work) {
        int ends[2];
        if (::pipe(ends) != 0) return "pipe";
        pid_t pid = ::fork();
        if (pid == 0) {
          std::string told = differences(program, Random(seed));
          (void)!::write(ends[1], told.data(), told.size());
          ::_exit(0);
        }
        ::close(ends[1]);
        char text[512];
        ssize_t size = ::read(ends[0], &text[0], sizeof text);
        ::close(ends[0]);
        int status = 0;
        ::waitpid(pid, &status, 0);
        if (size > 0) return std::string(&text[0], static_cast<std::size_t>(size));
        if (status != 0) return "a child ended with " + std::to_string(status);
      }
      return "";
    }) == "");
  }
}
