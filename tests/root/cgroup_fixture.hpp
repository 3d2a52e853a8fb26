// What the tests of cgroups in the real kernel share: the host as it is and without its
// v2 mount, processes in a group, and the check that no group is left.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/cgroup.hpp"
#include "support.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/namespace.hpp"
#include "sys/process.hpp"

namespace ccsand::test {

inline bool skip(const char* why) { return skip_test(why); }

inline std::string slurp(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The host as it is, and the host without its v2 mount.
inline const CgroupLayout& host() { return **CgroupLayout::host(); }
inline CgroupLayout host_without_v2() {
  std::istringstream lines(slurp("/proc/self/mountinfo"));
  std::string rest;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" - cgroup2 ") == std::string::npos) rest += line + "\n";
  }
  return *CgroupLayout::parse(rest, slurp("/proc/self/cgroup"));
}

inline bool unusable() {
  if (::geteuid() != 0) return skip("needs root");
  if (host().tracking() == nullptr) return skip("this host has no cgroups that can be written");
  return false;
}
// The name of a group of this process. Its start time has to be right: a ccsand that
// starts on this host meanwhile sweeps the groups of those who are not there.
inline CgroupName name_of_this_process(std::uint64_t number) {
  const std::string text = slurp("/proc/self/stat");
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;  // proc(5): the name, in (), is field 2
  return {::getpid(), std::stoull(field), number};
}
inline std::string unique_name() {
  static std::uint64_t number = 0;
  return name_of_this_process(++number).text();
}

// Whether the host gives a controller: a group with it can be made.
inline bool has(const CgroupLayout& layout, const char* controller) {
  CgroupLimits limits;
  if (std::strcmp(controller, "memory") == 0) limits.memory = 64 << 20;
  if (std::strcmp(controller, "pids") == 0) limits.pids = 100;
  if (std::strcmp(controller, "cpu") == 0) limits.cpu_weight = 100;
  if (std::strcmp(controller, "cpuset") == 0) limits.cpuset_mems = "0";
  auto group = Cgroup::create_in(layout, unique_name(), limits);
  if (!group && group.error().code != ENOTSUP) FAIL(group.error().message());
  return group.has_value();
}
inline bool lacks(const CgroupLayout& layout, const char* controller) {
  return !has(layout, controller) && skip((std::string("no controller ") + controller).c_str());
}

template <typename T>
T need(Result<T> result) {
  if (!result) FAIL(result.error().message());
  return std::move(*result);
}
inline void need(const Result<void>& result) {
  if (!result) FAIL(result.error().message());
}

// A process in the group, as the executor starts it; killed and reaped at the end.
class Process {
 public:
  template <typename F>
  Process(const Cgroup& group, F body) {
    sys::Pipe gate = need(sys::pipe2(0));
    sys::CloneRequest request;
    request.cgroup = group.clone_into();
    if (request.cgroup >= 0) request.flags = CLONE_INTO_CGROUP;
    sys::Child child = need(sys::clone_copy(request));
    if (child.pid == 0) {
      char go = 0;
      gate.write.close();
      (void)sys::read(gate.read.get(), &go, 1, "gate");
      ::_exit(body());
    }
    pid = child.pid;
    if (group.needs_attach()) need(group.attach(pid));
    need(sys::write_all(gate.write.get(), "x", "gate"));
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid, 0), &status, 0);
    return status;
  }
  pid_t pid = 0;
};
inline int sleep_for_ever() {
  for (;;) ::pause();
}

// No test leaves a group, nor an empty directory of groups. Other test programs may run
// at the same time, and be between making that directory and the first group in it.
struct LeakCheck {
  ~LeakCheck() {
    for (const CgroupHierarchy& hierarchy : host().hierarchies()) {
      cgroupfs::Directory parent{Fd(), hierarchy.own + "/ccsand"};
      INFO(parent.path);
      auto groups = cgroupfs::children(parent);
      for (int tries = 0; tries < 3 && groups && groups->empty(); ++tries) {
        ::usleep(20'000);
        groups = cgroupfs::children(parent);
      }
      CHECK_FALSE((groups && groups->empty()));
      if (!groups) continue;
      for (const std::string& group : *groups)
        CHECK_FALSE(group.starts_with(std::to_string(::getpid()) + "-"));
    }
  }
};

}  // namespace ccsand::test

#define EACH_LAYOUT()                                                  \
  if (unusable()) return;                                              \
  LeakCheck leak_check;                                                \
  const bool without_v2 = GENERATE(false, true);                       \
  const CgroupLayout layout = without_v2 ? host_without_v2() : host(); \
  INFO((without_v2 ? "v1 alone" : "all of the host's hierarchies"));   \
  if (layout.tracking() == nullptr) return
