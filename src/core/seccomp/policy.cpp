// Names become numbers, for each architecture.
#include "core/seccomp/policy.hpp"

#include <algorithm>
#include <cerrno>

#include "core/names.hpp"
#include "core/seccomp/expression.hpp"
#include "core/seccomp/system_calls.hpp"

namespace ccsand {

namespace {
bool is_narrow(std::uint32_t audit) { return (audit & 0x80000000U) == 0; }  // __AUDIT_ARCH_64BIT

Result<std::vector<Conjunction>> condition_of(const Policy& policy, const PolicyStatement& statement, const std::string& call, bool narrow) {
  if (statement.when.empty()) return std::vector<Conjunction>{{}};
  auto signature = policy.signatures.find(call);
  if (signature == policy.signatures.end())
    return make_error(EINVAL, "seccomp", call, "its parameters are not known: it takes no condition");
  auto parsed = parse_condition(statement.when, parse_signature(signature->second), narrow);
  if (!parsed) return parsed.error().in(call);
  return parsed;
}

Error unknown_call(const std::string& call) {
  std::vector<std::string_view> names;
  for (const std::string& name : system_call_names()) names.emplace_back(name);
  std::string reason = "there is no such system call";
  if (std::string_view near = nearest(call, names); !near.empty()) reason += "; did you mean '" + std::string(near) + "'?";
  return make_error(EINVAL, "seccomp", call, reason);
}

Result<FilterArchitecture> build_architecture(const Policy& policy, const Architecture& architecture) {
  FilterArchitecture result;
  result.audit = architecture.audit;
  result.newest = newest_system_call(architecture);
  std::map<int, std::vector<FilterStatement>> by_number;
  for (auto statement = policy.statements.rbegin(); statement != policy.statements.rend(); ++statement) {
    for (const std::string& call : statement->calls) {
      auto number = system_call_number(architecture, call);
      if (!number && !is_system_call(call)) return unknown_call(call);
      if (!number) continue;
      auto& answers = by_number[*number];
      if (!answers.empty() && answers.back().always()) continue;  // decided by what stands later
      auto condition = condition_of(policy, *statement, call, is_narrow(architecture.audit));
      if (!condition) return condition.error();
      answers.push_back({statement->action, std::move(*condition)});
    }
  }
  for (auto& [number, answers] : by_number) {
    if (!answers.back().always()) answers.push_back({policy.unnamed, {{}}});
    result.calls.push_back({number, std::move(answers)});
  }
  return result;
}
}  // namespace

Result<Filter> build_filter(const Policy& policy) {
  Filter filter;
  filter.unnamed = policy.unnamed;
  filter.unknown = policy.unknown;
  filter.foreign = policy.foreign;
  for (const std::string& name : policy.architectures) {
    const Architecture* architecture = CCSAND_TRY(require_architecture(name));
    auto built = build_architecture(policy, *architecture);
    if (!built) return built.error();
    filter.architectures.push_back(std::move(*built));
  }
  return filter;
}

}  // namespace ccsand
