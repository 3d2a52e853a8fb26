// A parser by recursive descent. Negations move down to the comparisons as they are
// read, so that what comes out is already "and" and "or" of comparisons.
#include "core/seccomp/expression.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "core/names.hpp"
#include "core/seccomp/constants.hpp"

namespace ccsand {

bool Parameter::wide() const { return type != "int" && type != "uint" && type != "fd" && type != "mode"; }
bool Parameter::has_sign() const { return type == "int" || type == "fd" || type == "long"; }
bool Parameter::is_address() const {
  return type == "path" || type == "string" || type == "sockaddr" || type == "argv" || type == "pointer";
}

namespace {
std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}
}  // namespace

std::vector<Parameter> parse_signature(std::string_view signature) {
  std::vector<Parameter> parameters;
  for (std::string_view rest = trimmed(signature); !rest.empty();) {
    std::size_t comma = rest.find(',');
    std::string_view one = trimmed(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    std::size_t space = one.find(' ');
    Parameter parameter{one.substr(0, space), trimmed(one.substr(std::min(space, one.size()))), {}};
    if (std::size_t colon = parameter.name.find(':'); colon != std::string_view::npos) {
      parameter.constants = parameter.name.substr(colon + 1);
      parameter.name = parameter.name.substr(0, colon);
    }
    parameters.push_back(parameter);
  }
  return parameters;
}

namespace {
using Alternatives = std::vector<Conjunction>;
constexpr std::size_t kMostAlternatives = 256;
constexpr int kDeepest = 64;

class Parser {
 public:
  Parser(std::string_view text, std::vector<Parameter> parameters, bool narrow)
      : text_(text), parameters_(std::move(parameters)), narrow_(narrow) {}

  Result<Alternatives> whole() {
    auto result = either(false, 0);
    if (!result) return result;
    skip_space();
    if (at_ != text_.size()) return wrong("'and' or 'or' is missing before '" + word_at(at_) + "'");
    return result;
  }
  Result<std::uint64_t> whole_constant() {
    auto value = sum(0);
    skip_space();
    if (value && at_ != text_.size()) return wrong("nothing may follow the value");
    return value;
  }

 private:
  std::string_view text_;
  std::vector<Parameter> parameters_;
  bool narrow_;
  std::size_t at_ = 0;

  [[nodiscard]] Error wrong(const std::string& what, const char* hint = "") const {
    return make_error(EINVAL, "condition", std::string(text_), what + ", at character " + std::to_string(at_ + 1), hint);
  }
  [[nodiscard]] std::string word_at(std::size_t from) const {
    std::size_t to = from;
    while (to < text_.size() && (is_name(text_[to]) || to == from)) ++to;
    return from >= text_.size() ? "the end" : std::string(text_.substr(from, to - from));
  }
  static bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  // Takes a sign or a word, if it comes next.
  bool take(std::string_view sign) {
    skip_space();
    if (text_.substr(at_, sign.size()) != sign) return false;
    if (is_name(sign.back()) && at_ + sign.size() < text_.size() && is_name(text_[at_ + sign.size()])) return false;
    at_ += sign.size();
    return true;
  }

  // ---- and, or, not

  static Alternatives any(Alternatives a, const Alternatives& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  static Alternatives all(const Alternatives& a, const Alternatives& b) {
    Alternatives product;
    for (const Conjunction& left : a)
      for (const Conjunction& right : b) {
        product.push_back(left);
        product.back().insert(product.back().end(), right.begin(), right.end());
        if (product.size() > kMostAlternatives) return product;
      }
    return product;
  }
  Result<Alternatives> bounded(Alternatives alternatives) const {
    if (alternatives.size() > kMostAlternatives) return wrong("the condition has more than 256 alternatives");
    return alternatives;
  }

  Result<Alternatives> either(bool negated, int depth) {
    auto left = both(negated, depth);
    while (left && (take("or") || take("||"))) {
      auto right = both(negated, depth);
      if (!right) return right;
      left = bounded(negated ? all(*left, *right) : any(std::move(*left), *right));
    }
    return left;
  }
  Result<Alternatives> both(bool negated, int depth) {
    auto left = single(negated, depth);
    while (left && (take("and") || take("&&"))) {
      auto right = single(negated, depth);
      if (!right) return right;
      left = bounded(negated ? any(std::move(*left), *right) : all(*left, *right));
    }
    return left;
  }
  Result<Alternatives> single(bool negated, int depth) {
    if (depth > kDeepest) return wrong("the condition is nested too deep");
    if (take("not") || (text_.substr(at_, 2) != "!=" && take("!"))) return single(!negated, depth + 1);
    skip_space();
    if (at_ < text_.size() && text_[at_] == '(' && !is_operand_in_parentheses()) {
      ++at_;
      auto inner = either(negated, depth + 1);
      if (inner && !take(")")) return wrong("')' is missing");
      return inner;
    }
    return comparison(negated);
  }
  // Whether the parenthesis that opens here is that of "(flags & X) == Y".
  [[nodiscard]] bool is_operand_in_parentheses() const {
    std::size_t close = text_.find(')', at_);
    int open = 0;
    for (close = at_; close < text_.size(); ++close) {
      if (text_[close] == '(') ++open;
      if (text_[close] == ')' && --open == 0) break;
    }
    std::string_view inner = text_.substr(at_, close - at_);
    if (inner.find_first_of("=<>!{") != std::string_view::npos) return false;
    std::size_t next = close + 1;
    while (next < text_.size() && text_[next] == ' ') ++next;
    return next < text_.size() && (text_[next] == '=' || text_[next] == '!' || text_[next] == '<' || text_[next] == '>');
  }

  // ---- comparisons

  Result<Alternatives> comparison(bool negated) {
    bool parenthesis = take("(");
    Comparison one;
    const Parameter* parameter = CCSAND_TRY(take_parameter());
    one.index = static_cast<unsigned>(parameter - parameters_.data());
    one.wide = parameter->wide() && !narrow_;
    one.has_sign = parameter->has_sign();
    bool masked = take("&");
    if (masked) one.mask = CCSAND_TRY(term(0));
    if (parenthesis && !take(")")) return wrong("')' is missing");
    if (take("in")) return in_list(one, negated);
    auto op = take_operator();
    if (!op && !masked)
      return wrong("a comparison is missing after '" + std::string(parameter->name) + "'", "write for example: domain == AF_UNIX");
    one.op = op.value_or(Comparison::not_equal);  // "flags & X" alone: any of these bits
    std::uint64_t value = op ? CCSAND_TRY(sum(0)) : 0;
    if (parameter->is_address() && (value != 0 || masked || (one.op != Comparison::equal && one.op != Comparison::not_equal)))
      return wrong("'" + std::string(parameter->name) + "' is an address: a filter does not see what is there",
                   "only == 0 and != 0 make sense here; decide at run time instead: notify");
    one.value = CCSAND_TRY(fitting(value, *parameter));
    return Alternatives{{finished(one, negated)}};
  }
  Result<Alternatives> in_list(Comparison one, bool negated) {
    if (!take("{")) return wrong("'{' is missing after 'in'");
    const Parameter& parameter = parameters_[one.index];
    Alternatives result;
    one.op = Comparison::equal;
    do {
      std::uint64_t value = CCSAND_TRY(sum(0));
      one.value = CCSAND_TRY(fitting(value, parameter));
      Comparison next = finished(one, negated);
      if (negated && !result.empty()) result[0].push_back(next);
      else result.push_back({next});
    } while (take(","));
    if (!take("}")) return wrong("'}' or ',' is missing");
    return bounded(std::move(result));
  }
  static Comparison finished(Comparison one, bool negated) {
    using enum Comparison::Operator;
    if (!one.wide) one.mask &= UINT32_MAX, one.value &= UINT32_MAX;
    if (!negated) return one;
    switch (one.op) {
      case equal: one.op = not_equal; break;
      case not_equal: one.op = equal; break;
      case less: one.op = greater_equal; break;
      case less_equal: one.op = greater; break;
      case greater: one.op = less_equal; break;
      case greater_equal: one.op = less; break;
    }
    return one;
  }
  // A value that the parameter can have: else a comparison that never holds, or always.
  Result<std::uint64_t> fitting(std::uint64_t value, const Parameter& parameter) const {
    auto number = static_cast<std::int64_t>(value);
    if (!parameter.wide() && !(number >= INT32_MIN && number <= std::int64_t{UINT32_MAX}))
      return wrong("the value does not fit '" + std::string(parameter.name) + "', which has 32 bits");
    return value;
  }
  std::optional<Comparison::Operator> take_operator() {
    using enum Comparison::Operator;
    if (take("==")) return equal;
    if (take("!=") || take("~=")) return not_equal;
    if (take("<=")) return less_equal;
    if (take(">=")) return greater_equal;
    if (text_.substr(at_, 2) != "<<" && take("<")) return less;
    if (text_.substr(at_, 2) != ">>" && take(">")) return greater;
    return std::nullopt;
  }
  Result<const Parameter*> take_parameter() {
    skip_space();
    std::string name = word_at(at_);
    for (const Parameter& parameter : parameters_)
      if (parameter.name == name) {
        at_ += name.size();
        return &parameter;
      }
    std::vector<std::string_view> names;
    std::string list;
    for (const Parameter& parameter : parameters_) {
      names.push_back(parameter.name);
      list += (list.empty() ? "" : ", ") + std::string(parameter.name);
    }
    std::string what = "'" + name + "' is no parameter of this call, which has " + (list.empty() ? "none" : list);
    if (std::string_view near = nearest(name, names); !near.empty()) what += "; did you mean '" + std::string(near) + "'?";
    if (kernel_constant(name)) return wrong(what, "the parameter stands on the left, the constant on the right");
    return wrong(what);
  }

  // ---- constants

  Result<std::uint64_t> sum(int depth) {
    std::uint64_t value = CCSAND_TRY(term(depth));
    for (;;) {
      if (text_.substr(at_, 2) != "||" && (skip_space(), text_.substr(at_, 2) != "||") && take("|")) {
        std::uint64_t right = CCSAND_TRY(term(depth));
        value |= right;
      } else if (take("<<")) {
        std::uint64_t right = CCSAND_TRY(term(depth));
        if (right > 63) return wrong("a shift by more than 63");
        value <<= right;
      } else {
        return value;
      }
    }
  }
  Result<std::uint64_t> term(int depth) {
    if (depth > kDeepest) return wrong("the value is nested too deep");
    if (take("(")) {
      std::uint64_t value = CCSAND_TRY(sum(depth + 1));
      if (!take(")")) return wrong("')' is missing");
      return value;
    }
    if (take("~")) {
      std::uint64_t value = CCSAND_TRY(term(depth + 1));
      return ~value;
    }
    if (take("-")) {
      std::uint64_t value = CCSAND_TRY(term(depth + 1));
      return 0 - value;
    }
    skip_space();
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) return number();
    std::string name = word_at(at_);
    auto constant = kernel_constant(name);
    if (!constant) return unknown_constant(name);
    at_ += name.size();
    return *constant;
  }
  Result<std::uint64_t> number() {
    std::string digits = word_at(at_);
    char* end = nullptr;
    errno = 0;
    std::uint64_t value = std::strtoull(digits.c_str(), &end, 0);  // as C has them: 10, 0x1f, 0755
    if (*end != '\0' || errno != 0) return wrong("'" + digits + "' is no number");
    at_ += digits.size();
    return value;
  }
  [[nodiscard]] Error unknown_constant(const std::string& name) const {
    std::vector<std::string_view> names;
    for (const KernelConstant& constant : kernel_constants()) names.push_back(constant.name);
    std::string what = "'" + name + "' is no constant that ccsand knows";
    if (std::string_view near = nearest(name, names); !near.empty()) what += "; did you mean '" + std::string(near) + "'?";
    return wrong(what, "a number is taken, too");
  }
};
}  // namespace

Result<std::vector<Conjunction>> parse_condition(std::string_view text, const std::vector<Parameter>& parameters, bool narrow) {
  return Parser(text, parameters, narrow).whole();
}

Result<std::uint64_t> parse_constant(std::string_view text) { return Parser(text, {}, false).whole_constant(); }

}  // namespace ccsand
