// Filters: what the emitter makes answers as libseccomp's compiler would have it, as the
// model says, and as the conditions read.
#include <linux/audit.h>
#include <seccomp.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <random>

#include "core/seccomp/constants.hpp"
#include "core/seccomp/expression.hpp"
#include "core/seccomp/filter.hpp"
#include "core/seccomp/no_sockets.hpp"
#include "core/seccomp/policy.hpp"
#include "core/seccomp/proof.hpp"
#include "core/seccomp/system_calls.hpp"
#include "support.hpp"

using namespace ccsand;

namespace {
// The same numbers in each run.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  unsigned operator()() { return static_cast<unsigned>(engine_()); }

 private:
  std::mt19937 engine_;
};

seccomp_data call_of(const Architecture& architecture, int number, std::array<std::uint64_t, 6> arguments = {}) {
  seccomp_data call = {};
  call.arch = architecture.audit;
  call.nr = number;
  for (std::size_t i = 0; i < 6; ++i) call.args[i] = arguments.at(i);
  return call;
}

std::uint32_t answer(const std::vector<sock_filter>& program, const seccomp_data& call) {
  auto result = simulate(program, call);
  REQUIRE(result);
  return *result;
}

bool holds_by_hand(const Comparison& one, const std::array<std::uint64_t, 6>& arguments) {
  std::uint64_t left = arguments.at(one.index) & one.mask, right = one.value;
  if (!one.wide) left &= UINT32_MAX, right &= UINT32_MAX;
  auto order = [&one](std::uint64_t value) {
    if (!one.has_sign) return value;
    return one.wide ? value ^ (std::uint64_t{1} << 63) : value ^ 0x80000000U;
  };
  switch (one.op) {
    case Comparison::equal: return left == right;
    case Comparison::not_equal: return left != right;
    case Comparison::less: return order(left) < order(right);
    case Comparison::less_equal: return order(left) <= order(right);
    case Comparison::greater: return order(left) > order(right);
    case Comparison::greater_equal: return order(left) >= order(right);
  }
  return false;
}

std::uint64_t some_value(Random& random) {
  static constexpr std::uint64_t kEdges[] = {0, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000, 0x17fffffff,
                                             0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff};
  std::uint64_t edge = kEdges[random() % std::size(kEdges)];
  return random() % 3 == 0 ? edge + random() % 3 - 1 : edge;
}
Comparison some_comparison(Random& random) {
  Comparison one;
  one.index = random() % 6;
  one.wide = random() % 2 == 0;
  one.has_sign = random() % 2 == 0;
  one.op = static_cast<Comparison::Operator>(random() % 6);
  if (random() % 3 == 0 && (one.op == Comparison::equal || one.op == Comparison::not_equal)) one.mask = some_value(random);
  one.value = some_value(random) & one.mask;
  return one;
}
Filter some_filter(Random& random, int calls) {
  Filter filter;
  filter.unnamed = SECCOMP_RET_ERRNO | EPERM;
  filter.unknown = SECCOMP_RET_ERRNO | ENOSYS;
  FilterArchitecture architecture;
  architecture.audit = native_architecture().audit;
  architecture.newest = 460;
  int number = 0;
  for (int i = 0; i < calls; ++i) {
    number += 1 + static_cast<int>(random() % 3);
    FilterCall call{number, {}};
    for (unsigned count = random() % 3; count > 0; --count) {
      FilterStatement statement{SECCOMP_RET_ERRNO | (random() % 40 + 1), {}};
      for (unsigned any = random() % 3 + 1; any > 0; --any) {
        Conjunction all;
        for (unsigned each = random() % 3 + 1; each > 0; --each) all.push_back(some_comparison(random));
        statement.any_of.push_back(all);
      }
      call.statements.push_back(statement);
    }
    call.statements.push_back({random() % 2 == 0 ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS, {{}}});
    architecture.calls.push_back(call);
  }
  filter.architectures.push_back(architecture);
  return filter;
}
std::uint32_t answer_by_hand(const Filter& filter, int number, const std::array<std::uint64_t, 6>& arguments) {
  if (number >= 0x40000000 && filter.architectures[0].audit == AUDIT_ARCH_X86_64) return SECCOMP_RET_ERRNO | ENOSYS;
  for (const FilterCall& call : filter.architectures[0].calls) {
    if (call.number != number) continue;
    for (const FilterStatement& statement : call.statements)
      for (const Conjunction& all : statement.any_of)
        if (std::all_of(all.begin(), all.end(), [&](const Comparison& one) { return holds_by_hand(one, arguments); })) return statement.action;
  }
  return number < 0 || number > filter.architectures[0].newest ? filter.unknown : filter.unnamed;
}

// libseccomp's own compiler, for what it can express: one comparison for an argument.
class Reference {
 public:
  explicit Reference(std::uint32_t otherwise) : context_(seccomp_init(otherwise)) {}
  ~Reference() { seccomp_release(context_); }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  int add(std::uint32_t action, int number, const std::vector<scmp_arg_cmp>& comparisons) {
    return seccomp_rule_add_array(context_, action, number, static_cast<unsigned>(comparisons.size()), comparisons.data());
  }
  std::vector<sock_filter> program() {
    FILE* file = std::tmpfile();
    REQUIRE(seccomp_export_bpf(context_, fileno(file)) == 0);
    std::vector<sock_filter> code(static_cast<std::size_t>(::lseek(fileno(file), 0, SEEK_END)) / sizeof(sock_filter));
    REQUIRE(::pread(fileno(file), code.data(), code.size() * sizeof(sock_filter), 0) > 0);
    std::fclose(file);
    return code;
  }

 private:
  scmp_filter_ctx context_;
};

// The kernel's own check of a program, as far as it goes without loading it.
void check_structure(const std::vector<sock_filter>& program) {
  for (std::size_t i = 0; i < program.size(); ++i) {
    const sock_filter& one = program[i];
    if (BPF_CLASS(one.code) != BPF_JMP) continue;
    if (BPF_OP(one.code) == BPF_JA) REQUIRE(i + 1 + one.k < program.size());
    else REQUIRE(i + 1 + std::max(one.jt, one.jf) < program.size());
  }
  REQUIRE(BPF_CLASS(program.back().code) == BPF_RET);
}
}  // namespace

TEST_CASE("a filter answers what its model says", "[seccomp]") {
  Random random(20261122);
  for (int round = 0; round < 60; ++round) {
    Filter filter = some_filter(random, 1 + static_cast<int>(random() % 150));
    auto program = emit(filter);
    if (!program) {
      CHECK(program.error().code == E2BIG);
      continue;
    }
    check_structure(*program);
    for (int trial = 0; trial < 400; ++trial) {
      int number = static_cast<int>(random() % 480) - 2;
      if (trial % 50 == 0) number += 0x40000000;
      std::array<std::uint64_t, 6> arguments = {};
      for (std::uint64_t& argument : arguments) argument = some_value(random);
      CAPTURE(round, number, arguments);
      REQUIRE(answer(*program, call_of(native_architecture(), number, arguments)) == answer_by_hand(filter, number, arguments));
    }
  }
}

TEST_CASE("jumps beyond 255 instructions", "[seccomp]") {
  Random random(7);
  Filter filter = some_filter(random, 1);
  FilterCall& call = filter.architectures[0].calls[0];
  call.statements.clear();
  FilterStatement far{SECCOMP_RET_TRAP, {}};
  for (std::uint64_t i = 0; i < 300; ++i) far.any_of.push_back({{0, true, false, Comparison::equal, ~std::uint64_t{0}, i << 32 | i}});
  call.statements = {far, {SECCOMP_RET_ALLOW, {{}}}};
  auto program = emit(filter);
  REQUIRE(program);
  check_structure(*program);
  for (std::uint64_t i = 0; i < 310; ++i)
    CHECK(answer(*program, call_of(native_architecture(), call.number, {i << 32 | i})) == (i < 300 ? SECCOMP_RET_TRAP : SECCOMP_RET_ALLOW));
  CHECK(answer(*program, call_of(native_architecture(), call.number, {5})) == SECCOMP_RET_ALLOW);
}

TEST_CASE("libseccomp compiles the same policy to the same answers", "[seccomp]") {
  Random random(42);
  constexpr std::pair<Comparison::Operator, scmp_compare> kOperators[] = {
      {Comparison::equal, SCMP_CMP_EQ}, {Comparison::not_equal, SCMP_CMP_NE},       {Comparison::less, SCMP_CMP_LT},
      {Comparison::less_equal, SCMP_CMP_LE}, {Comparison::greater, SCMP_CMP_GT}, {Comparison::greater_equal, SCMP_CMP_GE}};
  for (int round = 0; round < 25; ++round) {
    Reference reference(SCMP_ACT_ERRNO(EPERM));
    Filter filter;
    filter.unnamed = filter.unknown = SECCOMP_RET_ERRNO | EPERM;
    filter.architectures.push_back({native_architecture().audit, newest_system_call(native_architecture()), {}});
    for (int number = 0; number < 330; number += 1 + static_cast<int>(random() % 3)) {
      FilterStatement statement{SECCOMP_RET_ALLOW, {{}}};
      std::vector<scmp_arg_cmp> comparisons;
      if (random() % 3 == 0) {
        unsigned index = random() % 6;
        const auto& [op, theirs] = kOperators[random() % std::size(kOperators)];
        std::uint64_t value = some_value(random);
        statement.any_of = {{{index, true, false, op, ~std::uint64_t{0}, value}}};
        comparisons.push_back({index, theirs, value, 0});
      }
      if (reference.add(SCMP_ACT_ALLOW, number, comparisons) != 0) continue;
      FilterCall call{number, {statement}};
      if (!statement.always()) call.statements.push_back({filter.unnamed, {{}}});
      filter.architectures[0].calls.push_back(call);
    }
    auto ours = emit(filter);
    REQUIRE(ours);
    std::vector<sock_filter> theirs = reference.program();
    for (int trial = 0; trial < 600; ++trial) {
      int number = static_cast<int>(random() % 340);
      std::array<std::uint64_t, 6> arguments = {};
      for (std::uint64_t& argument : arguments) argument = some_value(random);
      seccomp_data call = call_of(native_architecture(), number, arguments);
      CAPTURE(round, number, arguments);
      REQUIRE(answer(*ours, call) == answer(theirs, call));
    }
  }
}

TEST_CASE("calls of other architectures, x32 calls and newer calls", "[seccomp]") {
  Policy policy;
  policy.architectures = {"native"};
  policy.unnamed = SECCOMP_RET_ALLOW;
  policy.unknown = SECCOMP_RET_ALLOW;
  policy.foreign = SECCOMP_RET_KILL_PROCESS;
  auto filter = build_filter(policy);
  REQUIRE(filter);
  auto program = emit(*filter);
  REQUIRE(program);
  CHECK(answer(*program, call_of(native_architecture(), 0)) == SECCOMP_RET_ALLOW);
  CHECK(answer(*program, call_of(native_architecture(), 5000)) == SECCOMP_RET_ALLOW);
  CHECK(answer(*program, call_of(*find_architecture("arm"), 0)) == SECCOMP_RET_KILL_PROCESS);
  if (native_architecture().audit == AUDIT_ARCH_X86_64) {
    CHECK(answer(*program, call_of(native_architecture(), 0x40000000)) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(answer(*program, call_of(native_architecture(), -1)) == (SECCOMP_RET_ERRNO | ENOSYS));
  }
}

TEST_CASE("conditions: what they mean", "[seccomp]") {
  const auto parameters = parse_signature("int domain:AF_, uint type:SOCK_, long offset, ulong flags, pointer where");
  REQUIRE(parameters.size() == 5);
  CHECK(parameters[0].constants == "AF_");
  auto holds = [&parameters](std::string_view text, std::array<std::uint64_t, 6> arguments) {
    auto parsed = parse_condition(text, parameters, false);
    INFO(text);
    REQUIRE(parsed);
    return std::any_of(parsed->begin(), parsed->end(), [&](const Conjunction& all) {
      return std::all_of(all.begin(), all.end(), [&](const Comparison& one) { return holds_by_hand(one, arguments); });
    });
  };
  CHECK(holds("domain == AF_UNIX", {1}));
  CHECK(holds("domain == AF_UNIX", {0xdead00000001}));  // the kernel looks at 32 bits
  CHECK_FALSE(holds("domain == AF_UNIX", {2}));
  CHECK(holds("domain == -1", {0xffffffff}));
  CHECK(holds("domain < 0", {0x80000000}));
  CHECK_FALSE(holds("type < 5", {0, 0x80000000}));
  CHECK(holds("offset < 0", {0, 0, ~std::uint64_t{0}}));
  CHECK_FALSE(holds("flags < 1", {0, 0, 0, 0x100000000}));
  CHECK(holds("domain == AF_UNIX or (domain == AF_INET and type & SOCK_STREAM != 0)", {2, 1}));
  CHECK_FALSE(holds("domain == AF_UNIX or (domain == AF_INET and type & SOCK_STREAM != 0)", {2, 2}));
  CHECK(holds("not (domain == AF_UNIX or domain == AF_INET)", {10}));
  CHECK_FALSE(holds("!(domain == AF_UNIX || domain == AF_INET)", {2}));
  CHECK(holds("domain in { AF_UNIX, AF_INET6 }", {10}));
  CHECK(holds("not domain in { AF_UNIX, AF_INET6 }", {2}));
  CHECK_FALSE(holds("not domain in { AF_UNIX, AF_INET6 }", {1}));
  CHECK(holds("type & (SOCK_NONBLOCK | SOCK_CLOEXEC)", {0, 02000000}));
  CHECK(holds("(type & 0xf) == SOCK_STREAM", {0, 02000001}));
  CHECK(holds("type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK) == SOCK_STREAM", {0, 02000001}));
  CHECK(holds("flags == 1 << 40", {0, 0, 0, std::uint64_t{1} << 40}));
  CHECK(holds("where == 0", {}));
  CHECK(holds("domain == 0755", {0755}));
}

TEST_CASE("conditions: what makes no sense is told where", "[seccomp]") {
  const auto parameters = parse_signature("int domain:AF_, pointer where");
  struct Bad {
    const char* text;
    const char* reason;
  };
  const Bad kBad[] = {{"", "no parameter"},
                      {"domian == 1", "did you mean 'domain'?"},
                      {"domain == AF_UNX", "did you mean 'AF_UNIX'?"},
                      {"domain", "a comparison is missing"},
                      {"domain ==", "no constant"},
                      {"domain == 1 domain == 2", "'and' or 'or' is missing"},
                      {"(domain == 1", "')' is missing"},
                      {"domain in { 1", "'}' or ',' is missing"},
                      {"domain == 99999999999", "32 bits"},
                      {"where == 5", "is an address"},
                      {"where & 1", "is an address"},
                      {"domain == 1x", "is no number"},
                      {"AF_UNIX == domain", "no parameter"}};
  for (const Bad& bad : kBad) {
    auto parsed = parse_condition(bad.text, parameters, false);
    INFO(bad.text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == EINVAL);
    CHECK(parsed.error().message().find(bad.reason) != std::string::npos);
    CHECK(parsed.error().message().find("at character") != std::string::npos);
  }
  std::string deep(20000, '(');
  CHECK_FALSE(parse_condition(deep, parameters, false));
  std::string wide = "domain == 1";
  for (int i = 0; i < 2000; ++i) wide += " and (domain == 1 or domain == 2)";
  CHECK_FALSE(parse_condition(wide, parameters, false));  // more than 256 alternatives
}

TEST_CASE("the simulator refuses what the kernel would", "[seccomp]") {
  const std::vector<std::vector<sock_filter>> kBad = {{}, {{0x20, 0, 0, 0}}, {{0x20, 0, 0, 3}, {6, 0, 0, 0}}, {{0x20, 0, 0, 64}, {6, 0, 0, 0}}, {{0x05, 0, 0, 9}, {6, 0, 0, 0}}, {{0xff, 0, 0, 0}}};
  for (const auto& program : kBad) CHECK_FALSE(simulate(program, seccomp_data{}));
}

TEST_CASE("what is proved of a call of which only a part is known", "[seccomp]") {
  Random random(20261123);
  const std::uint32_t audit = native_architecture().audit;
  int proved = 0, found = 0;
  for (int round = 0; round < 60; ++round) {
    auto program = emit(some_filter(random, 1 + static_cast<int>(random() % 60)));
    if (!program) continue;
    for (int trial = 0; trial < 100; ++trial) {
      int number = static_cast<int>(random() % 200);
      std::array<std::uint64_t, 6> arguments = {};
      for (std::uint64_t& argument : arguments) argument = some_value(random);
      bool passes = answer(*program, call_of(native_architecture(), number, arguments)) == SECCOMP_RET_ALLOW;
      CAPTURE(round, number, arguments);
      // Whatever passes in one case may pass.
      if (passes) REQUIRE(may_pass(*program, {audit, number}));
      ++(may_pass(*program, {audit, number}) ? found : proved);
    }
  }
  CHECK(proved > 1000);
  CHECK(found > 300);
  // What is computed from what is not known is not known; what does not depend on it is.
  const sock_filter load_number = {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}, load_second = {BPF_LD | BPF_W | BPF_ABS, 0, 0, 24};
  auto ends = [](std::vector<sock_filter> program, sock_filter test) {
    program.push_back(test);
    program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 1});
    program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
    return program;
  };
  auto unless = [](std::uint32_t value) { return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value}; };  // denied where it is equal
  CHECK_FALSE(may_pass(ends({load_number}, unless(7)), {audit, 7}));
  CHECK(may_pass(ends({load_number}, unless(8)), {audit, 7}));
  CHECK(may_pass(ends({load_second}, unless(7)), {audit, 7}));
  CHECK(may_pass(ends({load_second, {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xff}}, unless(7)), {audit, 7}));
  CHECK(may_pass(ends({load_second, {BPF_ST, 0, 0, 3}, load_number, {BPF_LD | BPF_MEM, 0, 0, 3}}, unless(7)), {audit, 7}));
  CHECK_FALSE(may_pass(ends({load_number, {BPF_ST, 0, 0, 3}, load_second, {BPF_LD | BPF_MEM, 0, 0, 3}}, unless(7)), {audit, 7}));
  // Two ways that meet with different values.
  CHECK(may_pass(ends({load_second, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 1}, load_number}, unless(7)), {audit, 7}));
  for (std::uint32_t action : {SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF})
    CHECK(may_pass(std::vector<sock_filter>{{BPF_RET | BPF_K, 0, 0, action}}, {audit, 7}));
  for (std::uint32_t action : {SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP})
    CHECK_FALSE(may_pass(std::vector<sock_filter>{{BPF_RET | BPF_K, 0, 0, action}}, {audit, 7}));
  CHECK(may_pass(std::vector<sock_filter>{load_second, {BPF_RET | BPF_A, 0, 0, 0}}, {audit, 7}));
  CHECK(may_pass({}, {audit, 7}));
  CHECK(may_pass(std::vector<sock_filter>{{BPF_JMP | BPF_JA, 0, 0, 9}, {BPF_RET | BPF_K, 0, 0, 0}}, {audit, 7}));
  CHECK(may_pass(std::vector<sock_filter>{load_number}, {audit, 7}));
}

TEST_CASE("a filter is proved to keep from sockets and from mounts, or is not", "[seccomp]") {
  auto denying = [](std::vector<const char*> names, std::uint32_t foreign = SECCOMP_RET_KILL_PROCESS) {
    Filter filter;
    filter.unnamed = filter.unknown = SECCOMP_RET_ALLOW;
    filter.foreign = foreign;
    FilterArchitecture architecture;
    architecture.audit = native_architecture().audit;
    architecture.newest = newest_system_call(native_architecture());
    for (const char* name : names) {
      auto number = system_call_number(native_architecture(), name);
      if (number) architecture.calls.push_back({*number, {{SECCOMP_RET_ERRNO | EPERM, {{}}}}});
    }
    std::sort(architecture.calls.begin(), architecture.calls.end(), [](const FilterCall& l, const FilterCall& r) { return l.number < r.number; });
    filter.architectures.push_back(architecture);
    auto program = emit(filter);
    REQUIRE(program);
    return *program;
  };
  CHECK_FALSE(may_make_sockets(denying({"socket", "socketpair", "io_uring_setup"})));
  CHECK(may_make_sockets(denying({"socket", "socketpair", "io_uring_setup"}, SECCOMP_RET_ALLOW)));
  CHECK(may_make_sockets(denying({"socketpair", "io_uring_setup"})));
  CHECK(may_make_sockets(denying({"socket", "io_uring_setup"})));
  CHECK(may_make_sockets(denying({"socket", "socketpair"})));
  CHECK(may_make_sockets({}));
  auto none = no_sockets_filter();
  REQUIRE_VALUE(none);
  CHECK_FALSE(may_make_sockets(**none));
  for (const char* name : {"read", "mount", "clone", "sendmsg", "bind"})
    CHECK(answer(**none, call_of(native_architecture(), *system_call_number(native_architecture(), name))) == SECCOMP_RET_ALLOW);
  CHECK(answer(**none, call_of(native_architecture(), 4000)) == (SECCOMP_RET_ERRNO | ENOSYS));
  CHECK_FALSE(may_mount_filesystems(denying({"mount", "fsopen", "fspick"})));
  CHECK(may_mount_filesystems(denying({"fsopen", "fspick"})));
  CHECK(may_mount_filesystems(denying({"mount", "fspick"})));
  CHECK(may_mount_filesystems(denying({"mount", "fsopen"})));
  CHECK(may_mount_filesystems(denying({"mount", "fsopen", "fspick"}, SECCOMP_RET_ALLOW)));
  CHECK(may_mount_filesystems({}));
}

TEST_CASE("names, numbers and constants", "[seccomp]") {
  for (const std::string& name : system_call_names()) {
    auto number = system_call_number(native_architecture(), name);
    REQUIRE(number);
    CHECK(system_call_name(native_architecture(), *number) == std::optional<std::string_view>(name));
  }
  CHECK(system_call_number(native_architecture(), "read") == std::optional<int>(SYS_read));
  CHECK_FALSE(system_call_number(native_architecture(), "raed"));
  CHECK(kernel_constant("AF_UNIX") == std::optional<std::uint64_t>(1));
  CHECK_FALSE(kernel_constant("AF_UNX"));
}
