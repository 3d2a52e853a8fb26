// Calls that wait for the answer of a Lua function, and who runs it: shared by what decides
// them (call_supervisor.cpp) and the methods that they have in Lua (call_methods.cpp).
#pragma once

#include <linux/seccomp.h>

#include <memory>
#include <vector>

#include "bindings/binding.hpp"
#include "core/seccomp/performance.hpp"
#include "core/seccomp/supervisor.hpp"

namespace ccsand {

// A call that waits.
struct WaitingCall {
  std::int64_t token = 0;  // its name for Lua
  int listener = -1;
  seccomp_notif notification = {};
  bool answered = false;
  bool deferred = false;  // its handler waits
  std::unique_ptr<Performance> performance;

  // No effect on one that has its answer, or whose process was killed.
  void answer(int error, std::int64_t value, std::uint32_t flags = 0);
  void answer_descriptor(int fd, bool close_on_exec);
};
using SharedCall = std::shared_ptr<WaitingCall>;

class LuaCallSupervisor;

// What Lua's one value for all calls of a supervisor holds.
struct CallHub {
  LuaCallSupervisor* supervisor = nullptr;  // null once it has ended
};
using SharedHub = std::shared_ptr<CallHub>;
constexpr const char* kCallType = "ccsand.call";

class LuaCallSupervisor final : public CallSupervisor {
 public:
  LuaCallSupervisor(lua_State* L, int index);
  ~LuaCallSupervisor() override { hub_->supervisor = nullptr; }  // the state may be closing: references are its own

  [[nodiscard]] std::shared_ptr<CallSupervisor> another() const override;
  void decide(int listener, const seccomp_notif& notification) override;
  void enter_interests(bool wanted) override;
  [[nodiscard]] std::int64_t deadline_ns() const override;
  void attend() override;
  void end() override;
  void restrict_with(int ruleset, int cgroup) override { ruleset_ = ruleset, cgroup_ = cgroup; }
  [[nodiscard]] bool has_killed() const override { return killed_; }

  [[nodiscard]] SharedCall find(std::int64_t token) const;  // null where it has its answer
  [[nodiscard]] int ruleset() const { return ruleset_; }
  [[nodiscard]] int cgroup() const { return cgroup_; }
  [[nodiscard]] std::size_t performances() const;
  void forget_gone();  // ends what is performed for callers that were killed meanwhile
  void note_killed() { killed_ = true; }

 private:
  // A Lua thread that handlers run in, so that they can wait: it takes one call after the other.
  struct Worker {
    lua_State* state = nullptr;
    int reference = 0;  // in Lua's registry
  };
  struct Timer {
    std::int64_t due_ns;
    Worker worker;  // which waits in this call's handler
    SharedCall call;
  };
  SharedCall admit(int listener, const seccomp_notif& notification);
  Worker take_worker();
  void lay_aside(Worker worker);
  void drop(Worker worker) { luaL_unref(worker.state, LUA_REGISTRYINDEX, worker.reference); }
  void push_names(lua_State* L, const seccomp_data& data);
  void resume(Worker worker, const SharedCall& call, int arguments);
  void forget_answered();
  void settle_end();

  lua_State* state_;                 // no handler runs on it
  int thread_ = 0, function_ = 0, handle_ = 0, names_ = 0;  // in Lua's registry
  SharedHub hub_ = std::make_shared<CallHub>();
  const void* hub_value_ = nullptr;  // Lua's
  std::int64_t last_token_ = 0;
  std::vector<SharedCall> calls_;    // without an answer yet
  SharedCall spare_;                 // memory of one that has its answer
  std::vector<Worker> idle_;
  std::vector<Timer> timers_;
  bool killed_ = false, ended_ = false;
  int depth_ = 0;                    // of handlers that are at work
  int ruleset_ = -1, cgroup_ = -1;
  std::int64_t next_look_ns_ = 0;
};

// Into the table on top of the stack.
void register_call_methods(lua_State* L);

}  // namespace ccsand
