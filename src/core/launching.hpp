// The two sides of a launch, for those who carry one out: executor.cpp at once, background_launch.cpp
// while the host does other things.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/executor.hpp"
#include "core/state.hpp"
#include "sys/namespace.hpp"

namespace ccsand::launching {

constexpr std::size_t kMostTraced = 1024;
constexpr std::size_t kStackSize = 256 * 1024;
constexpr std::size_t kExecSpace = 512 * 1024;  // for the words of a command that is told later

// What both sides see. What it points at is string literals, or in the memory behind it.
struct Block {
  std::uint32_t host_done;   // the number of the last step that the host finished, counted from 1
  std::uint32_t child_done;  // the same of the child
  std::uint32_t running;     // cleared by the kernel when a child that shares memory execs or ends
  std::uint32_t failed;      // 1 + the index of the child's failed step
  std::uint32_t holding;     // the child waits for its command
  std::uint32_t released;    // it has it
  int terminal, listener;
  ExecWords words;           // the command of a child that was held
  Error error;
  std::int64_t trace_ns[kMostTraced];
};

// A block and a stack: of one launch at a time. The block is followed by kExecSpace bytes.
struct Arena {
  Block* block = nullptr;
  char* stack = nullptr;
  std::uint64_t owner = 0;  // a forked copy makes its own: the block is shared
};
Result<Arena> take_arena();
void return_arena(const Arena& arena);
// First of all, of each launch: nobody may trace this process, and it has a descriptor of itself. A child that has dropped its rights,
// and shares this process's memory until it execs, has no more of them than a container, which may see the host's processes.
Result<void> prepare_process();
int own_pidfd();  // after that; lives as long as the process

std::uint32_t load(const std::uint32_t& word);
void store(std::uint32_t& word, std::uint32_t value);

// One launch, as both sides know it.
struct Launch {
  const Plan& plan;
  std::size_t clone_at;
  bool trace;
  Arena arena;
  Block* block;
  Context* context;                        // this side's
  std::vector<std::uint32_t> other_before; // by step: what the other side must have finished
  std::vector<bool> hands_over;            // by step: the other side's step comes next
  std::size_t filtered_at;                 // the container's step from which on it may make no system call but exec
  std::size_t hold_at;                     // the container's step before which it waits to be released
  std::vector<int> kept = {};              // ascending: the only descriptors that a child has which does not exec at once
  std::int64_t deadline_ns = -1;           // by monotonic_ns(): the child is killed then
  bool late = false;                       // it was
  std::int64_t return_ns = -1;             // by monotonic_ns(): from then on the host waits for nothing, and comes back
  void (*afterwards)(void*) = nullptr;     // what the child does after its last step, where that is no exec
  void* argument = nullptr;
};
void prepare_order(Launch& launch);

// The pipe that tells when a child has exec'd: one with memory of its own, or one that is not waited for.
struct ExecSignal {
  Fd read, write;
};

// A clone that a zygote makes for this process, whose memory it shares, but not its descriptors.
struct Birth {
  sys::CloneRequest request;
  char* stack = nullptr;
  Launch* child_side = nullptr;
  std::vector<int*> places;  // where the numbers of the descriptors that it is sent belong
  Result<sys::Child> child = make_error(0, "", "", "");
  std::uint32_t done = 0;
  pid_t pid = 0;             // from before it runs
};

// The step that it came to: `to`, or one that is for a later call, from return_ns on.
Result<std::size_t> run_host_steps(Launch& launch, std::size_t from, std::size_t to, int pidfd);
// The launch up to its clone; `child_side` and `child_context` have to stay until the child has exec'd.
struct Cloning {
  Clone op;
  bool suspend;            // the host, until the child has exec'd
  bool tell = false;       // by the signal: nobody waits for it, and others' descriptors are closed where it has memory of its own
  bool by_zygote = false;  // which puts in what the child needs
};
Result<sys::Child> clone_child(Launch& host, Launch& child_side, Context& child_context, const Cloning& how, ExecSignal& signal);
// The same in two, for a child that is cloned by another process of ours.
Result<sys::CloneRequest> prepare_clone(Launch& host, Launch& child_side, Context& child_context, const Cloning& how, ExecSignal& signal);
Result<sys::Child> cloned(const Launch& host, Result<sys::Child> child, ExecSignal& signal);
std::vector<int> needed_descriptors(const Plan& plan, const Context& context, const ExecSignal& signal);
void container_entry(void* launch);  // what the clone of a child that shares memory runs
bool has_ended(int pidfd);
bool kill_late(Launch& launch, int pidfd);  // whether its time is over: then the child is dead, or about to be
bool signalled(const ExecSignal& signal);
// False where it is still to come, from return_ns on.
bool await_exec(Launch& launch, const Clone& op, ExecSignal& signal, int pidfd, int listener, std::vector<seccomp_notif>& asked);
bool came_to_exec(const Launch& launch);
Error child_error(const Launch& launch, int pidfd);
void kill_child(int pidfd);
void end_child(int pidfd);  // and waits for it
const Exec* exec_of(const Plan& plan);
void undo_own_changes(Context& context);
Clone clone_of(const Plan& plan);

}  // namespace ccsand::launching
