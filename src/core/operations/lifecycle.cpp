// What surrounds a process.
#include "core/operations/lifecycle.hpp"

#include <fcntl.h>
#include <linux/memfd.h>

#include <cerrno>

#include "core/cgroup.hpp"
#include "core/bare_programs.hpp"
#include "core/operations/describe.hpp"
#include "core/state.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"

namespace ccsand {

const char* phase_name(Phase phase) {
  switch (phase) {
    case Phase::created: return "created";
    case Phase::setup: return "setup";
    case Phase::before_exec: return "before_exec";
    case Phase::exited: return "exited";
  }
  return "";
}

Result<void> apply(const CreateCgroup& op, Context& context) {
  static std::uint64_t count = 0;
  const ProcessKey& key = own_key();
  std::string name = CgroupName{key.pid, key.start, ++count}.text();
  context.cgroup = std::make_unique<Cgroup>(CCSAND_TRY(Cgroup::create(name, op.limits)));
  return {};
}
Result<void> apply(const AttachCgroup&, Context& context) {
  return context.cgroup->needs_attach() ? context.cgroup->attach(context.child) : Result<void>();
}
Result<void> apply(const AdoptIntoCgroup& op, Context& context) { return op.cgroup->adopt(context.child); }

Result<void> apply(const OpenInit& op, Context& context) {
  context.put(op.out, CCSAND_TRY(open_sealed(init_program(), "ccsand-init")));  // one for each container
  return {};
}
Result<void> apply(const CallHook& op, Context& context) { return op.hook->run(op.phase, context, op.root); }

std::string describe(const CreateCgroup& op) {
  const CgroupLimits& limits = op.limits;
  std::string line = "create cgroup";
  auto add = [&line](const char* name, const auto& value) {
    if (value) line += std::string(" ") + name + "=" + std::to_string(*value);
  };
  add("memory", limits.memory);
  add("swap", limits.swap);
  add("memory_high", limits.memory_high);
  add("memory_low", limits.memory_low);
  add("pids", limits.pids);
  add("cpus", limits.cpus);
  add("cpu_weight", limits.cpu_weight);
  add("io_weight", limits.io_weight);
  if (!limits.cpuset_cpus.empty()) line += " cpuset_cpus=" + limits.cpuset_cpus;
  if (!limits.cpuset_mems.empty()) line += " cpuset_mems=" + limits.cpuset_mems;
  for (const auto& io : limits.io) line += " io=" + io.device;
  for (const auto& [size, bytes] : limits.hugetlb) line += " hugetlb." + size + "=" + std::to_string(bytes);
  for (const auto& [file, value] : limits.raw) line += " " + file + "=" + value;
  return line;
}
std::string describe(const AttachCgroup&) { return "attach to cgroup"; }
std::string describe(const AdoptIntoCgroup& op) { return "attach to cgroup " + quoted(op.cgroup->name()); }
std::string describe(const OpenInit& op) { return "open init as " + slot_name(op.out); }
std::string describe(const CallHook& op) { return std::string("call ") + phase_name(op.phase) + " of the recipe"; }

}  // namespace ccsand
