// What it takes of a kernel to keep Landlock's rules.
#include "core/operations/landlock.hpp"

#include <catch2/catch.hpp>
#include <cerrno>

#include "core/names.hpp"
#include "support.hpp"
#include "sys/kernel_abi.hpp"

using namespace ccsand;

namespace {
LandlockPolicy files(std::string_view word, int least_abi = 0) {
  LandlockPolicy policy;
  policy.files = true;
  policy.rules = {{"/usr", *value_of(landlock_right_names(), word), false}};
  policy.least_abi = least_abi;
  return policy;
}
LandlockPolicy ports() {
  LandlockPolicy policy;
  policy.connect.emplace();
  return policy;
}
LandlockPolicy scopes() {
  LandlockPolicy policy;
  policy.scopes = LANDLOCK_SCOPE_SIGNAL;
  return policy;
}
}  // namespace

TEST_CASE("each part of a policy needs the ABI that brought it", "[landlock]") {
  CHECK(landlock_need(files("read")).abi == 5);  // all that is not allowed is denied: ioctls, too
  CHECK(landlock_need(files("read", 1)).abi == 1);
  CHECK(landlock_need(files("read", 3)).abi == 3);
  CHECK(landlock_need(files("write", 1)).abi == 2);  // refer cannot be allowed by an older one
  CHECK(landlock_need(files("refer", 1)).abi == 2);
  CHECK(landlock_need(files("read", 7)).abi == 7);
  CHECK(landlock_need(ports()).abi == 4);
  CHECK(landlock_need(scopes()).abi == 6);
  LandlockPolicy all = files("read", 1);
  all.bind = {80};
  CHECK(landlock_need(all).abi == 4);
  all.scopes = LANDLOCK_SCOPE_SIGNAL;
  CHECK(landlock_need(all).abi == 6);
  CHECK(std::string(landlock_need(all).key) == "scope");
}

TEST_CASE("a kernel that is too old is an error that names both ABIs", "[landlock]") {
  struct Case {
    LandlockPolicy policy;
    int abi;
    const char* message;
  };
  const Case cases[] = {
      {files("read"), 4, "landlock paths: needs ABI 5 (Linux 6.10) to deny the ioctls of devices, and this kernel has ABI 4"},
      {files("write", 1), 1, "landlock paths: needs ABI 2 (Linux 5.19) to allow 'refer', and this kernel has ABI 1"},
      {ports(), 3, "landlock connect: needs ABI 4 (Linux 6.7) to deny TCP ports, and this kernel has ABI 3"},
      {scopes(), 5, "landlock scope: needs ABI 6 (Linux 6.12) to deny what is out of scope, and this kernel has ABI 5"},
      {files("read", 7), 6, "landlock least_abi: needs ABI 7 (Linux 6.15) as it says, and this kernel has ABI 6"},
      {scopes(), 0, "landlock scope: needs ABI 6 (Linux 6.12) to deny what is out of scope, and this kernel has no Landlock"},
      {files("read", 1), 0, "landlock: needs ABI 1 (Linux 5.13) for any rule, and this kernel has no Landlock"},
  };
  for (const Case& one : cases) {
    auto done = check_landlock(one.policy, one.abi);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == EOPNOTSUPP);
    CHECK(done.error().message().find(one.message) == 0);
    CHECK(check_landlock(one.policy, landlock_need(one.policy).abi));
    CHECK(check_landlock(one.policy, 99));  // newer than what is known
  }
  CHECK(std::string(check_landlock(files("read"), 4).error().hint).find("least_abi = 3") == 0);
  CHECK(std::string(check_landlock(files("read"), 2).error().hint).find("least_abi = 1") == 0);
  CHECK(std::string(check_landlock(files("read"), 0).error().hint).find("CONFIG_SECURITY_LANDLOCK") != std::string::npos);
}

TEST_CASE("all rights on files that an ABI has are handled", "[landlock]") {
  CHECK(landlock_file_rights(0) == 0);
  CHECK(landlock_file_rights(1) == 0x1fff);
  CHECK(landlock_file_rights(2) == 0x3fff);
  CHECK(landlock_file_rights(3) == 0x7fff);
  CHECK(landlock_file_rights(4) == 0x7fff);
  CHECK(landlock_file_rights(5) == 0xffff);
  CHECK(landlock_file_rights(99) == 0xffff);
  std::uint64_t words = 0;
  for (const Name& name : landlock_right_names()) words |= name.value;
  CHECK(words == landlock_file_rights(99));
}

TEST_CASE("policies that make no sense", "[landlock]") {
  CHECK_FALSE(validate(LandlockPolicy{}, "landlock"));
  CHECK(validate(files("read"), "landlock"));
  for (const char* path : {"", "usr", "/usr/..", "/../etc", "/a/../b"}) {
    LandlockPolicy policy = files("read");
    policy.rules[0].path = path;
    CAPTURE(path);
    CHECK_FALSE(validate(policy, "landlock"));
  }
  for (const char* path : {"/", "/usr/", "/a..b", "/..a", "/a../b"}) {
    LandlockPolicy policy = files("read");
    policy.rules[0].path = path;
    CAPTURE(path);
    CHECK(validate(policy, "landlock"));
  }
  CHECK_FALSE(validate(files("read", 8), "landlock"));
  CHECK_FALSE(validate(files("read", -1), "landlock"));
}
