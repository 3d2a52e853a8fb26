// The kernel's words.
#include "core/names.hpp"

#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <set>

#include "sys/kernel_abi.hpp"

using namespace ccsand;

TEST_CASE("words are found in any case and with the kernel's prefixes", "[names]") {
  CHECK(value_of(capability_names(), "net_admin") == CAP_NET_ADMIN);
  CHECK(value_of(capability_names(), "CAP_NET_ADMIN") == CAP_NET_ADMIN);
  CHECK(value_of(capability_names(), "Cap_Chown") == CAP_CHOWN);
  CHECK(value_of(signal_names(), "TERM") == SIGTERM);
  CHECK(value_of(signal_names(), "SIGTERM") == SIGTERM);
  CHECK(value_of(signal_names(), "sigusr1") == SIGUSR1);
  CHECK(value_of(resource_names(), "RLIMIT_NOFILE") == RLIMIT_NOFILE);
  CHECK(value_of(scheduler_names(), "SCHED_BATCH") == SCHED_BATCH);
  CHECK(value_of(namespace_names(), "mount") == CLONE_NEWNS);
  CHECK(value_of(mount_attribute_names(), "nosuid") == MOUNT_ATTR_NOSUID);
}

TEST_CASE("what is not a word is not found", "[names]") {
  for (const char* word : {"", "cap_", "CAP_", "chow", "chownn", " chown", "chown ", "cap_cap_chown", "0"})
    CHECK_FALSE(value_of(capability_names(), word));
  CHECK_FALSE(value_of(signal_names(), "SIG"));
  CHECK_FALSE(value_of(signal_names(), std::string_view("TERM\0", 5)));
  CHECK_FALSE(value_of({}, "chown"));
}

TEST_CASE("no table holds a word or a value twice", "[names]") {
  for (auto names : {namespace_names(), mount_attribute_names(), propagation_names(), unmount_names(), capability_names(),
                     resource_names(), signal_names(), securebit_names(), scheduler_names(), personality_names(),
                     landlock_right_names(), landlock_scope_names()}) {
    std::set<std::string_view> words;
    std::set<std::uint64_t> values;
    for (const Name& name : names) {
      CAPTURE(name.word);
      CHECK(words.insert(name.word).second);
      CHECK(values.insert(name.value).second);
      CHECK(value_of(names, name.word) == name.value);
      CHECK(word_of(names, name.value) == name.word);
    }
  }
}

TEST_CASE("all of this kernel's headers' capabilities have a word", "[names]") {
  for (std::uint64_t capability = 0; capability <= CAP_LAST_CAP; ++capability) CHECK_FALSE(word_of(capability_names(), capability).empty());
}

TEST_CASE("bits and sets are printed as words", "[names]") {
  CHECK(words_of_bits(mount_attribute_names(), 0).empty());
  CHECK(words_of_bits(mount_attribute_names(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC) == "ro,noexec");
  CHECK(words_of_set(capability_names(), 0).empty());
  CHECK(words_of_set(capability_names(), 1U << CAP_CHOWN | 1U << CAP_KILL) == "chown,kill");
  CHECK(words_of_bits(namespace_names(), CLONE_NEWPID | CLONE_NEWNET) == "pid,net");
  CHECK(word_of(signal_names(), 99).empty());
}

TEST_CASE("a misspelt word is told what was meant", "[names]") {
  CHECK(nearest("net_amdin", capability_names()) == "net_admin");
  CHECK(nearest("nosiud", mount_attribute_names()) == "nosuid");
  constexpr std::string_view kKeys[] = {"command", "hostname", "limits", "mounts", "network"};
  CHECK(nearest("comand", kKeys) == "command");
  CHECK(nearest("host_name", kKeys) == "hostname");
  CHECK(nearest("mount", kKeys) == "mounts");
}

TEST_CASE("a word that is like none gets no advice", "[names]") {
  constexpr std::string_view kKeys[] = {"command", "hostname", "limits"};
  CHECK(nearest("seccomp_profile", kKeys).empty());
  CHECK(nearest("", kKeys).empty());
  CHECK(nearest("xy", kKeys).empty());  // two letters away from any word of two letters
  CHECK(nearest("anything", std::span<const std::string_view>()).empty());
  CHECK(nearest(std::string(5000, 'x'), kKeys).size() <= 8);  // long ones end, too
}
