// From the model to BPF: an assembler with labels, and what it is fed.
#include <linux/audit.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>

#include "core/seccomp/filter.hpp"

namespace ccsand {

bool FilterStatement::always() const {
  return std::any_of(any_of.begin(), any_of.end(), [](const Conjunction& all) { return all.empty(); });
}

namespace {
using Label = int;
constexpr Label kNext = -1;  // falls through

// Instructions whose jumps name labels. A conditional jump of BPF reaches 255
// instructions, an unconditional one any: those that are too far get one of the latter.
class Assembler {
 public:
  Label new_label() {
    places_.push_back(0);
    return static_cast<Label>(places_.size() - 1);
  }
  void bind(Label label) { places_[static_cast<std::size_t>(label)] = instructions_.size(); }
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void alu(int operation, std::uint32_t value) { add(static_cast<std::uint16_t>(BPF_ALU | operation | BPF_K), value); }
  void jump(int operation, std::uint32_t value, Label yes, Label no) {
    if (yes == no) return go(yes);
    instructions_.push_back({static_cast<std::uint16_t>(BPF_JMP | operation | BPF_K), value, yes, no, 1});
  }
  void go(Label label) {
    if (label != kNext) instructions_.push_back({BPF_JMP | BPF_JA, 0, label, kNext, 1});
  }
  void answer(std::uint32_t action) { add(BPF_RET | BPF_K, action); }

  std::vector<sock_filter> finish();

 private:
  struct Instruction {
    std::uint16_t code;
    std::uint32_t value;
    Label yes, no;
    std::size_t size;  // 1, or with far jumps behind it up to 3
  };
  void add(std::uint16_t code, std::uint32_t value) { instructions_.push_back({code, value, kNext, kNext, 1}); }
  [[nodiscard]] static bool is_conditional(const Instruction& one) {
    return BPF_CLASS(one.code) == BPF_JMP && BPF_OP(one.code) != BPF_JA;
  }
  [[nodiscard]] std::size_t target(std::size_t from, Label label) const {
    return label == kNext ? starts_[from + 1] : starts_[places_[static_cast<std::size_t>(label)]];
  }
  void measure();

  std::vector<Instruction> instructions_;
  std::vector<std::size_t> places_;  // by label: the instruction
  std::vector<std::size_t> starts_;  // by instruction: where it will be
};

void Assembler::measure() {
  starts_.assign(instructions_.size() + 1, 0);
  for (std::size_t i = 0; i < instructions_.size(); ++i) starts_[i + 1] = starts_[i] + instructions_[i].size;
}

std::vector<sock_filter> Assembler::finish() {
  measure();
  for (bool grown = true; grown;) {
    grown = false;
    for (std::size_t i = 0; i < instructions_.size(); ++i) {
      Instruction& one = instructions_[i];
      if (!is_conditional(one) || one.size > 1) continue;
      std::size_t reach = starts_[i] + 1 + 255;
      if (target(i, one.yes) <= reach && target(i, one.no) <= reach) continue;
      one.size = one.no == kNext ? 2 : 3;
      grown = true;
    }
    measure();
  }
  std::vector<sock_filter> program;
  program.reserve(starts_.back());
  auto distance = [&program](std::size_t to) { return static_cast<std::uint32_t>(to - program.size() - 1); };
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    const Instruction& one = instructions_[i];
    if (one.code == (BPF_JMP | BPF_JA)) {
      program.push_back({one.code, 0, 0, distance(target(i, one.yes))});
    } else if (!is_conditional(one)) {
      program.push_back({one.code, 0, 0, one.value});
    } else if (one.size == 1) {
      program.push_back({one.code, static_cast<std::uint8_t>(distance(target(i, one.yes))),
                         static_cast<std::uint8_t>(distance(target(i, one.no))), one.value});
    } else {
      program.push_back({one.code, 0, 1, one.value});
      program.push_back({BPF_JMP | BPF_JA, 0, 0, distance(target(i, one.yes))});
      if (one.size == 3) program.push_back({BPF_JMP | BPF_JA, 0, 0, distance(target(i, one.no))});
    }
  }
  return program;
}

// ---- comparisons

std::size_t low_word(unsigned index) { return offsetof(seccomp_data, args) + index * 8; }  // little-endian
std::size_t high_word(unsigned index) { return low_word(index) + 4; }

void load_masked(Assembler& out, std::size_t offset, std::uint32_t mask, bool flip_sign) {
  out.load(offset);
  if (mask != UINT32_MAX) out.alu(BPF_AND, mask);
  if (flip_sign) out.alu(BPF_XOR, 0x80000000U);  // signed order becomes unsigned order
}

// Goes to `yes` or `no`, one of which may be what follows.
void compare(Assembler& out, const Comparison& one, Label yes, Label no) {
  using enum Comparison::Operator;
  switch (one.op) {  // three kinds are the opposites of the others
    case not_equal: return compare(out, {one.index, one.wide, one.has_sign, equal, one.mask, one.value}, no, yes);
    case less: return compare(out, {one.index, one.wide, one.has_sign, greater_equal, one.mask, one.value}, no, yes);
    case less_equal: return compare(out, {one.index, one.wide, one.has_sign, greater, one.mask, one.value}, no, yes);
    default: break;
  }
  auto word = [](std::uint64_t value) { return static_cast<std::uint32_t>(value & UINT32_MAX); };
  bool ordered = one.op != equal;
  bool flip = ordered && one.has_sign;
  std::uint32_t high = word(one.value >> 32), low = word(one.value);
  Label end = out.new_label();
  if (one.wide) {
    load_masked(out, high_word(one.index), word(one.mask >> 32), flip);
    if (flip) high ^= 0x80000000U;
    if (ordered) out.jump(BPF_JGT, high, yes == kNext ? end : yes, kNext);
    out.jump(BPF_JEQ, high, kNext, no == kNext ? end : no);
  } else if (flip) {
    low ^= 0x80000000U;
  }
  load_masked(out, low_word(one.index), word(one.mask), flip && !one.wide);
  int operation = one.op == equal ? BPF_JEQ : one.op == greater ? BPF_JGT : BPF_JGE;
  out.jump(operation, low, yes, no);
  out.bind(end);
}

void emit_call(Assembler& out, const FilterCall& call) {
  for (const FilterStatement& statement : call.statements) {
    if (statement.always()) return out.answer(statement.action);
    Label holds = out.new_label(), next_statement = out.new_label();
    for (std::size_t i = 0; i < statement.any_of.size(); ++i) {
      const Conjunction& all = statement.any_of[i];
      bool last = i + 1 == statement.any_of.size();
      Label next = last ? next_statement : out.new_label();
      for (const Comparison& one : all) compare(out, one, kNext, next);
      if (last) break;
      out.go(holds);
      out.bind(next);
    }
    out.bind(holds);
    out.answer(statement.action);
    out.bind(next_statement);
  }
}

// ---- numbers

// From `first` on, up to the next range.
struct Range {
  std::uint32_t first;
  std::uint32_t action;
  const FilterCall* call;  // or what depends on arguments

  [[nodiscard]] bool same(const Range& other) const { return call == nullptr && other.call == nullptr && action == other.action; }
};

std::vector<Range> ranges_of(const FilterArchitecture& architecture, const Filter& filter) {
  std::vector<Range> ranges;
  auto add = [&ranges](const Range& range) {
    if (!ranges.empty() && ranges.back().first == range.first) ranges.pop_back();
    if (ranges.empty() || !ranges.back().same(range)) ranges.push_back(range);
  };
  add({0, filter.unnamed, nullptr});
  auto after = static_cast<std::uint32_t>(architecture.newest) + 1;  // the first that is unknown
  for (const FilterCall& call : architecture.calls) {
    auto number = static_cast<std::uint32_t>(call.number);
    if (number > after && ranges.back().first < after) add({after, filter.unknown, nullptr});
    bool plain = call.statements.front().always();
    add({number, call.statements.front().action, plain ? nullptr : &call});
    add({number + 1, number + 1 > after ? filter.unknown : filter.unnamed, nullptr});
  }
  if (architecture.calls.empty() || static_cast<std::uint32_t>(architecture.calls.back().number) < after)
    add({after, filter.unknown, nullptr});
  if (architecture.audit == AUDIT_ARCH_X86_64) add({0x40000000U, SECCOMP_RET_ERRNO | ENOSYS, nullptr});
  return ranges;
}

void search(Assembler& out, std::span<const Range> ranges, std::vector<std::pair<Label, const FilterCall*>>& later) {
  if (ranges.size() == 1) {
    if (ranges[0].call == nullptr) return out.answer(ranges[0].action);
    later.emplace_back(out.new_label(), ranges[0].call);
    return out.go(later.back().first);
  }
  std::size_t middle = ranges.size() / 2;
  Label above = out.new_label();
  out.jump(BPF_JGE, ranges[middle].first, above, kNext);
  search(out, ranges.first(middle), later);
  out.bind(above);
  search(out, ranges.subspan(middle), later);
}
}  // namespace

Result<std::vector<sock_filter>> emit(const Filter& filter) {
  Assembler out;
  out.load(offsetof(seccomp_data, arch));
  for (const FilterArchitecture& architecture : filter.architectures) {
    Label next = out.new_label();
    out.jump(BPF_JEQ, architecture.audit, kNext, next);
    out.load(offsetof(seccomp_data, nr));
    std::vector<std::pair<Label, const FilterCall*>> later;
    std::vector<Range> ranges = ranges_of(architecture, filter);
    search(out, ranges, later);
    for (const auto& [label, call] : later) {
      out.bind(label);
      emit_call(out, *call);
    }
    out.bind(next);
  }
  out.answer(filter.foreign);
  std::vector<sock_filter> program = out.finish();
  if (program.size() > BPF_MAXINSNS)
    return make_error(E2BIG, "seccomp", "", "the filter has " + std::to_string(program.size()) + " instructions, the kernel takes 4096",
                      "use fewer conditions, or fewer architectures");
  return program;
}

}  // namespace ccsand
