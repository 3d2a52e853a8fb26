// After each test case: whatever descriptors, children, mounts, network links and
// cgroups there are that were not there before it is a leak, and fails the run.
#define CATCH_CONFIG_EXTERNAL_INTERFACES  // listeners
#include <dirent.h>
#include <net/if.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>

#include "core/cgroup_layout.hpp"

namespace {

using Names = std::set<std::string>;

Names descriptors() {
  Names names;
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return names;
  std::string own = std::to_string(::dirfd(directory));
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.' || entry->d_name == own) continue;
    char target[256] = {};
    ssize_t size = ::readlinkat(::dirfd(directory), entry->d_name, target, sizeof target - 1);
    names.insert(std::string(entry->d_name) + " -> " + (size > 0 ? target : "?"));
  }
  ::closedir(directory);
  return names;
}

Names mounts() {
  Names names;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) names.insert(line);
  return names;
}

Names links() {
  Names names;
  struct if_nameindex* list = ::if_nameindex();
  for (struct if_nameindex* link = list; link != nullptr && link->if_index != 0; ++link)
    names.insert(std::to_string(link->if_index) + " " + link->if_name);
  if (list != nullptr) ::if_freenameindex(list);
  return names;
}

// Groups that this process made, or one that is dead did: the others are somebody's work.
Names groups() {
  Names names;
  auto layout = ccsand::CgroupLayout::host();
  if (!layout) return names;
  for (const ccsand::CgroupHierarchy& hierarchy : (*layout)->hierarchies()) {
    for (const std::string& above : {hierarchy.mount, hierarchy.own}) {
      DIR* directory = ::opendir((above + "/ccsand").c_str());
      if (directory == nullptr) continue;
      while (const dirent* entry = ::readdir(directory)) {
        int pid = std::atoi(entry->d_name);
        if (pid > 0 && (pid == ::getpid() || ::kill(pid, 0) != 0)) names.insert(above + "/ccsand/" + entry->d_name);
      }
      ::closedir(directory);
    }
  }
  return names;
}

Names children() {
  siginfo_t info{};
  // Without taking their status: it is the test's.
  if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return {};
  return {info.si_pid == 0 ? "one that runs" : "process " + std::to_string(info.si_pid) + ", not waited for"};
}

struct Kind {
  const char* name;
  Names (*now)();
};
constexpr Kind kKinds[] = {
    {"descriptor", descriptors}, {"child", children}, {"mount", mounts}, {"network link", links}, {"cgroup", groups}};

Names added(const Names& before, const Names& after) {
  Names more;
  for (const std::string& name : after)
    if (before.count(name) == 0) more.insert(name);
  return more;
}

class LeakListener : public Catch::TestEventListenerBase {
 public:
  using TestEventListenerBase::TestEventListenerBase;

  void testCaseStarting(const Catch::TestCaseInfo&) override {
    for (std::size_t i = 0; i < std::size(kKinds); ++i) before_[i] = kKinds[i].now();
  }
  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    for (std::size_t i = 0; i < std::size(kKinds); ++i) {
      Names more = added(before_[i], kKinds[i].now());
      // The kernel takes namespaces down after their last process: give it a moment.
      for (int tries = 0; tries < 40 && !more.empty(); ++tries) {
        ::usleep(50'000);
        more = added(before_[i], kKinds[i].now());
      }
      for (const std::string& name : more) {
        std::cerr << "ccsand-leak: " << kKinds[i].name << ": " << name << " (" << stats.testInfo.name << ")\n";
        leaked_ = true;
      }
    }
  }
  void testRunEnded(const Catch::TestRunStats&) override {
    // A listener cannot fail the run: the process ends with a status of its own.
    if (leaked_) (void)std::atexit([] { ::_exit(9); });
  }

 private:
  Names before_[std::size(kKinds)];
  bool leaked_ = false;
};
}  // namespace

CATCH_REGISTER_LISTENER(LeakListener)
