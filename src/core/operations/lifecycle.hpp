// Operations on what surrounds a process: its cgroup, its init, and the recipe's
// own functions.
#pragma once

#include <memory>
#include <string>

#include "core/cgroup_limits.hpp"
#include "core/context.hpp"

namespace ccsand {

struct CreateCgroup {
  CgroupLimits limits;
};
// Joins the hierarchies that clone could not start the child in (v1).
struct AttachCgroup {};
// Puts the child into all directories of a running container's group.
struct AdoptIntoCgroup {
  const Cgroup* cgroup = nullptr;  // lives as long as the plan
};
// ccsand's own pid 1, in a sealed memfd: exec'd in place of the command, which it
// starts, whose orphans it reaps and to which it passes signals on.
struct OpenInit {
  Slot out = kNoSlot;
};

enum class Phase { created, setup, before_exec, exited };
const char* phase_name(Phase phase);

// A function of the recipe, run at a phase by the process that the phase promises.
class Hook {
 public:
  Hook() = default;
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
  virtual ~Hook() = default;
  virtual Result<void> run(Phase phase, Context& context, Slot root) = 0;
};
struct CallHook {
  Phase phase = Phase::created;
  std::shared_ptr<Hook> hook;
  Slot root = kNoSlot;  // the new root, at the phase before it is entered
};

Result<void> apply(const CreateCgroup& op, Context& context);
Result<void> apply(const AttachCgroup& op, Context& context);
Result<void> apply(const AdoptIntoCgroup& op, Context& context);
Result<void> apply(const OpenInit& op, Context& context);
Result<void> apply(const CallHook& op, Context& context);

std::string describe(const CreateCgroup& op);
std::string describe(const AttachCgroup& op);
std::string describe(const AdoptIntoCgroup& op);
std::string describe(const OpenInit& op);
std::string describe(const CallHook& op);

}  // namespace ccsand
