// The kernel's interpreter of classic BPF, as far as seccomp_check_filter() lets programs
// use it; and the same where only a part of the call is known.
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "core/seccomp/filter.hpp"

namespace ccsand {

namespace {
using Value = std::optional<std::uint32_t>;  // none: it may be any
using Words = std::array<Value, sizeof(seccomp_data) / sizeof(std::uint32_t)>;

struct Machine {
  Value a = 0, x = 0;
  std::array<Value, BPF_MEMWORDS> memory;
  Machine() { memory.fill(0); }
};
// What comes after an instruction.
struct Next {
  bool good = true;               // false: no filter may have it
  std::uint32_t skip = 0, or_skip = 0;  // instructions to pass over: two ways, where the condition is not known
  bool answers = false;
  Value answer = {};
};

bool compute(Machine& machine, const sock_filter& one) {
  Value operand = BPF_SRC(one.code) == BPF_X ? machine.x : Value(one.k);
  Value& a = machine.a;
  auto both = [&](auto what) {
    a = a && operand ? Value(what(*a, *operand)) : Value();
    return true;
  };
  switch (BPF_OP(one.code)) {
    case BPF_ADD: return both([](auto l, auto r) { return l + r; });
    case BPF_SUB: return both([](auto l, auto r) { return l - r; });
    case BPF_MUL: return both([](auto l, auto r) { return l * r; });
    case BPF_DIV: return operand != 0U && both([](auto l, auto r) { return l / r; });
    case BPF_AND: return both([](auto l, auto r) { return l & r; });
    case BPF_OR: return both([](auto l, auto r) { return l | r; });
    case BPF_XOR: return both([](auto l, auto r) { return l ^ r; });
    case BPF_LSH: return (!operand || *operand < 32) && both([](auto l, auto r) { return l << r; });
    case BPF_RSH: return (!operand || *operand < 32) && both([](auto l, auto r) { return l >> r; });
    case BPF_NEG:
      if (a) a = 0U - *a;
      return true;
    default: return false;
  }
}

bool load(Machine& machine, const sock_filter& one, const Words& call) {
  Value& target = BPF_CLASS(one.code) == BPF_LD ? machine.a : machine.x;
  switch (BPF_MODE(one.code)) {
    case BPF_IMM: target = one.k; return true;
    case BPF_LEN: target = sizeof(seccomp_data); return true;
    case BPF_MEM: return one.k < BPF_MEMWORDS && (target = machine.memory.at(one.k), true);
    case BPF_ABS:
      if (BPF_CLASS(one.code) != BPF_LD || one.k % 4 != 0 || one.k >= sizeof(seccomp_data)) return false;
      target = call.at(one.k / 4);
      return true;
    default: return false;
  }
}

Next jump(const Machine& machine, const sock_filter& one) {
  Value operand = BPF_SRC(one.code) == BPF_X ? machine.x : Value(one.k), a = machine.a;
  auto where = [&](auto condition) {
    if (!a || !operand) return Next{true, one.jt, one.jf};
    std::uint32_t skip = condition(*a, *operand) ? one.jt : one.jf;
    return Next{true, skip, skip};
  };
  switch (BPF_OP(one.code)) {
    case BPF_JA: return {true, one.k, one.k};
    case BPF_JEQ: return where([](auto l, auto r) { return l == r; });
    case BPF_JGT: return where([](auto l, auto r) { return l > r; });
    case BPF_JGE: return where([](auto l, auto r) { return l >= r; });
    case BPF_JSET: return where([](auto l, auto r) { return (l & r) != 0; });
    default: return {false};
  }
}

Next execute(Machine& machine, const sock_filter& one, const Words& call) {
  switch (BPF_CLASS(one.code)) {
    case BPF_LD:
    case BPF_LDX: return {load(machine, one, call)};
    case BPF_ST: return {one.k < BPF_MEMWORDS && (machine.memory.at(one.k) = machine.a, true)};
    case BPF_STX: return {one.k < BPF_MEMWORDS && (machine.memory.at(one.k) = machine.x, true)};
    case BPF_ALU: return {compute(machine, one)};
    case BPF_JMP: return jump(machine, one);
    case BPF_RET: return {true, 0, 0, true, BPF_RVAL(one.code) == BPF_A ? machine.a : Value(one.k)};
    case BPF_MISC:
      BPF_MISCOP(one.code) == BPF_TAX ? machine.x = machine.a : machine.a = machine.x;
      return {};
    default: return {false};
  }
}

constexpr std::size_t kNumber = offsetof(seccomp_data, nr) / 4, kArchitecture = offsetof(seccomp_data, arch) / 4;

void meet(std::optional<Machine>& state, const Machine& other) {
  auto one = [](Value& value, const Value& from) {
    if (value != from) value.reset();
  };
  if (!state) {
    state = other;
    return;
  }
  one(state->a, other.a);
  one(state->x, other.x);
  for (std::size_t i = 0; i < other.memory.size(); ++i) one(state->memory.at(i), other.memory.at(i));
}
bool lets_through(const Value& answer) {
  if (!answer) return true;
  std::uint32_t action = *answer & SECCOMP_RET_ACTION_FULL;
  return action != SECCOMP_RET_ERRNO && action != SECCOMP_RET_KILL_PROCESS && action != SECCOMP_RET_KILL_THREAD && action != SECCOMP_RET_TRAP;
}
}  // namespace

Result<std::uint32_t> simulate(std::span<const sock_filter> program, const seccomp_data& call) {
  Machine machine;
  Words words;
  for (std::size_t i = 0; i < words.size(); ++i) std::memcpy(&words.at(i).emplace(), reinterpret_cast<const char*>(&call) + i * 4, 4);
  for (std::size_t at = 0; at < program.size(); ++at) {
    Next next = execute(machine, program[at], words);
    if (!next.good) return make_error(EINVAL, "BPF", "", "instruction " + std::to_string(at) + " is none that a filter may have");
    if (next.answers) return *next.answer;
    at += next.skip;
  }
  return make_error(EINVAL, "BPF", "", "the program ends without an answer");
}

bool may_pass(std::span<const sock_filter> program, const PartOfCall& call) {
  Words words;
  words.at(kNumber) = static_cast<std::uint32_t>(call.number);
  words.at(kArchitecture) = call.architecture;
  // Jumps go forward: who comes to an instruction has come from before it.
  std::vector<std::optional<Machine>> states(program.size());
  if (program.empty()) return true;
  states.front().emplace();
  for (std::size_t at = 0; at < program.size(); ++at) {
    if (!states[at]) continue;
    Machine machine = *states[at];
    Next next = execute(machine, program[at], words);
    if (!next.good || (next.answers && lets_through(next.answer))) return true;
    if (next.answers) continue;
    for (std::size_t skip : {next.skip, next.or_skip}) {
      if (skip >= program.size() - at - 1) return true;
      meet(states[at + 1 + skip], machine);
    }
  }
  return false;
}

}  // namespace ccsand
