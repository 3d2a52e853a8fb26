// What an operation may reach while it is applied: the descriptors of its run and
// what earlier operations found out. Both sides of a clone have one each.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"

namespace ccsand {

class Cgroup;
class NetworkAttachment;

// A place in the run's table of descriptors; -1 is none (the current directory).
using Slot = int;
constexpr Slot kNoSlot = -1;

// The identity that a container's command gets.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string name, home;  // from the container's passwd, where a name was looked up
};

// argv and envp in the form that execve takes, made before the clone.
struct ExecImage {
  std::vector<std::string> text;
  std::vector<const char*> argv, envp;
  std::vector<std::string> path_text;
  std::vector<const char*> paths;  // tried in turn, the last is nullptr
};

// The same of a command that is told to a child that waits for it: in memory of both.
struct ExecWords {
  const char* const* argv = nullptr;
  const char* const* envp = nullptr;
  const char* const* paths = nullptr;  // ends with nullptr
};

struct Context {
  bool owns = true;              // the descriptors: else they are another table's numbers
  std::vector<int> fds;          // by Slot; -1 where nothing is open
  pid_t child = 0;               // on the host's side, after the clone
  int child_pidfd = -1;
  int supervisor_pidfd = -1;     // on the container's side: who must live for it to go on
  Identity identity;
  ExecImage exec;
  std::unique_ptr<Cgroup> cgroup;
  std::shared_ptr<NetworkAttachment> network;  // of both sides, while the container is assembled
  std::vector<std::pair<std::uint64_t, int>> home_namespaces;  // by kind: to go back to, after JoinForChild
  bool devices_to_bind = false;  // the device tree has places for nodes, and no nodes: BindDevices
  int* child_terminal = nullptr; // shared by both sides: the master's number in the child
  const ExecWords* later_words = nullptr;  // goes before `exec` once it has an argv
  int* child_listener = nullptr; // ... and the filter listener's

  Context();
  ~Context();
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;

  [[nodiscard]] int fd(Slot slot) const { return slot < 0 ? -100 /* AT_FDCWD */ : fds[static_cast<std::size_t>(slot)]; }
  void put(Slot slot, Fd fd);    // closes what was there
  Fd take(Slot slot);
  void close_all();
};

}  // namespace ccsand
