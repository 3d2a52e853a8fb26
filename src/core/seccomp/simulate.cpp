// The kernel's interpreter of classic BPF, as far as seccomp_check_filter() lets programs
// use it.
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "core/seccomp/filter.hpp"

namespace ccsand {

namespace {
struct Machine {
  std::uint32_t a = 0, x = 0;
  std::array<std::uint32_t, BPF_MEMWORDS> memory = {};
};

bool compute(Machine& machine, const sock_filter& one) {
  std::uint32_t operand = BPF_SRC(one.code) == BPF_X ? machine.x : one.k;
  std::uint32_t& a = machine.a;
  switch (BPF_OP(one.code)) {
    case BPF_ADD: a += operand; return true;
    case BPF_SUB: a -= operand; return true;
    case BPF_MUL: a *= operand; return true;
    case BPF_DIV: return operand != 0 && (a /= operand, true);
    case BPF_AND: a &= operand; return true;
    case BPF_OR: a |= operand; return true;
    case BPF_XOR: a ^= operand; return true;
    case BPF_LSH: return operand < 32 && (a <<= operand, true);
    case BPF_RSH: return operand < 32 && (a >>= operand, true);
    case BPF_NEG: a = 0U - a; return true;
    default: return false;
  }
}

bool load(Machine& machine, const sock_filter& one, const seccomp_data& call) {
  std::uint32_t& target = BPF_CLASS(one.code) == BPF_LD ? machine.a : machine.x;
  switch (BPF_MODE(one.code)) {
    case BPF_IMM: target = one.k; return true;
    case BPF_LEN: target = sizeof call; return true;
    case BPF_MEM: return one.k < BPF_MEMWORDS && (target = machine.memory.at(one.k), true);
    case BPF_ABS:
      if (BPF_CLASS(one.code) != BPF_LD || one.k % 4 != 0 || one.k >= sizeof call) return false;
      std::memcpy(&target, reinterpret_cast<const char*>(&call) + one.k, sizeof target);
      return true;
    default: return false;
  }
}

// How many instructions to pass over; none where the code is unknown.
std::optional<std::uint32_t> jump(const Machine& machine, const sock_filter& one) {
  std::uint32_t operand = BPF_SRC(one.code) == BPF_X ? machine.x : one.k;
  switch (BPF_OP(one.code)) {
    case BPF_JA: return one.k;
    case BPF_JEQ: return machine.a == operand ? one.jt : one.jf;
    case BPF_JGT: return machine.a > operand ? one.jt : one.jf;
    case BPF_JGE: return machine.a >= operand ? one.jt : one.jf;
    case BPF_JSET: return (machine.a & operand) != 0 ? one.jt : one.jf;
    default: return std::nullopt;
  }
}
}  // namespace

Result<std::uint32_t> simulate(std::span<const sock_filter> program, const seccomp_data& call) {
  Machine machine;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& one = program[at];
    bool good = true;
    switch (BPF_CLASS(one.code)) {
      case BPF_LD:
      case BPF_LDX: good = load(machine, one, call); break;
      case BPF_ST: good = one.k < BPF_MEMWORDS && (machine.memory.at(one.k) = machine.a, true); break;
      case BPF_STX: good = one.k < BPF_MEMWORDS && (machine.memory.at(one.k) = machine.x, true); break;
      case BPF_ALU: good = compute(machine, one); break;
      case BPF_JMP: {
        auto distance = jump(machine, one);
        good = distance.has_value();
        if (good) at += *distance;
        break;
      }
      case BPF_RET: return BPF_RVAL(one.code) == BPF_A ? machine.a : one.k;
      case BPF_MISC: (BPF_MISCOP(one.code) == BPF_TAX ? machine.x : machine.a) = BPF_MISCOP(one.code) == BPF_TAX ? machine.a : machine.x; break;
      default: good = false;
    }
    if (!good) return make_error(EINVAL, "BPF", "", "instruction " + std::to_string(at) + " is none that a filter may have");
  }
  return make_error(EINVAL, "BPF", "", "the program ends without an answer");
}

}  // namespace ccsand
