// Owners, modes, times and extended attributes.
#include "imagetool/attributes.hpp"

#include <archive_entry.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "archive.hpp"
#include "support.hpp"

using namespace ccsand::test;
using ccsand::imagetool::rule_for_xattr;
using ccsand::imagetool::XattrRule;

namespace {
struct stat status_of(const std::string& path) {
  struct stat status = {};
  REQUIRE(lstat(path.c_str(), &status) == 0);
  return status;
}

Tar::Change with_xattr(const char* name, std::string_view value) {
  return [name, value](struct archive_entry* entry) {
    archive_entry_xattr_add_entry(entry, name, value.data(), value.size());
  };
}

std::string xattr_of(const std::string& path, const char* name) {
  char value[64];
  ssize_t size = lgetxattr(path.c_str(), name, &value[0], sizeof value);
  return size < 0 ? "(none)" : std::string(&value[0], static_cast<std::size_t>(size));
}

// Version 2 of a file capability: CAP_NET_RAW, effective.
const std::string_view kCapability("\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
}  // namespace

TEST_CASE_METHOD(Clean, "modes keep setuid, setgid and sticky bits, whatever the umask") {
  auto mode = [](unsigned bits) {
    return [bits](struct archive_entry* entry) {
      archive_entry_set_perm(entry, static_cast<__LA_MODE_T>(bits));
    };
  };
  Unpacked result(Tar()
                      .file("su", "x", mode(04755))
                      .file("sg", "x", mode(02755))
                      .file("none", "x", mode(0))
                      .file("all", "x", mode(0777))
                      .directory("tmp", 01777)
                      .file("tmp/f")
                      .done());
  REQUIRE(result.status() == 0);
  CHECK(status_of(result.path("su")).st_mode == (S_IFREG | 04755));
  CHECK(status_of(result.path("sg")).st_mode == (S_IFREG | 02755));
  CHECK(status_of(result.path("none")).st_mode == (S_IFREG | 0));
  CHECK(status_of(result.path("all")).st_mode == (S_IFREG | 0777));
  CHECK(status_of(result.path("tmp")).st_mode == (S_IFDIR | 01777));
}

TEST_CASE_METHOD(Clean, "directories get mode and time last") {
  CCSAND_NEED(geteuid() == 0, "to look into a closed directory needs root");
  Unpacked result(
      Tar().directory("./", 0711).directory("d", 0500).directory("d/e", 0).file("d/e/f", "x").done());
  REQUIRE(result.status() == 0);
  CHECK(status_of(result.path("d")).st_mode == (S_IFDIR | 0500));
  CHECK(status_of(result.path("d/e")).st_mode == S_IFDIR);
  CHECK(status_of(result.path(".")).st_mode == (S_IFDIR | 0711));
  for (const char* path : {".", "d", "d/e", "d/e/f"})
    CHECK(status_of(result.path(path)).st_mtime == 1'000'000'000);
}

TEST_CASE_METHOD(Clean, "owners are numbers within 0..65535") {
  CCSAND_NEED(geteuid() == 0, "to give files away needs root");
  auto owner = [](la_int64_t uid, la_int64_t gid) {
    return [uid, gid](struct archive_entry* entry) {
      archive_entry_set_uid(entry, uid);
      archive_entry_set_gid(entry, gid);
      archive_entry_set_uname(entry, "root");
    };
  };
  Unpacked result(Tar().file("f", "x", owner(1000, 65535)).directory("d", 0755, owner(65534, 7)).done());
  REQUIRE(result.status() == 0);
  CHECK(status_of(result.path("f")).st_uid == 1000);
  CHECK(status_of(result.path("f")).st_gid == 65535);
  CHECK(status_of(result.path("d")).st_uid == 65534);
  CHECK(status_of(result.path("d")).st_gid == 7);
  const char* const kReason = "entry 'f': an owner or group that is not within 0..65535";
  CHECK(Unpacked(Tar().file("f", "", owner(65536, 0)).done()).refused(kReason));
  CHECK(Unpacked(Tar().file("f", "", owner(0, 4294967295)).done()).refused(kReason));
}

TEST_CASE_METHOD(Clean, "a file that cannot be given away is an error") {
  TempDir dir;
  std::string archive =
      Tar().file("f", "x", [](struct archive_entry* entry) { archive_entry_set_uid(entry, 7); }).done();
  // Out of the bounding set, the program does not get it, even as root.
  auto drop = [] {
    (void)prctl(PR_CAPBSET_DROP, CAP_CHOWN);
  };  // fails without privilege: then it is not there
  Outcome outcome = run_program({"unpack", "--into", dir.path()}, archive, drop);
  CHECK(outcome.status == 1);
  CHECK(outcome.err ==
        "ccsand-image: unpack: chown 'f': Operation not permitted (EPERM) "
        "(giving files away needs CAP_CHOWN: run as root)\n");
}

TEST_CASE_METHOD(Clean, "which extended attributes are kept") {
  CHECK(rule_for_xattr("user.a") == XattrRule::kKeep);
  CHECK(rule_for_xattr("security.capability") == XattrRule::kKeep);
  CHECK(rule_for_xattr("security.selinux") == XattrRule::kDrop);
  CHECK(rule_for_xattr("system.posix_acl_access") == XattrRule::kDrop);
  CHECK(rule_for_xattr("trusted.overlay.opaque") == XattrRule::kRefuse);
  CHECK(rule_for_xattr("user.overlay.redirect") == XattrRule::kRefuse);
}

TEST_CASE_METHOD(Clean, "extended attributes are set, dropped or refused") {
  TempDir probe;
  CCSAND_NEED(setxattr(probe.path().c_str(), "user.probe", "1", 1, 0) == 0,
              "no user.* attributes on this file system");
  Unpacked result(Tar()
                      .file("f", "x", with_xattr("user.note", "hello"))
                      .directory("d", 0755, with_xattr("user.d", "1"))
                      .file("s", "x", with_xattr("security.selinux", "label"))
                      .done());
  REQUIRE(result.status() == 0);
  CHECK(xattr_of(result.path("f"), "user.note") == "hello");
  CHECK(xattr_of(result.path("d"), "user.d") == "1");
  CHECK(xattr_of(result.path("s"), "security.selinux") != "label");
  CHECK(Unpacked(Tar().file("f", "x", with_xattr("trusted.overlay.opaque", "y")).done())
            .refused("entry 'f': the extended attribute trusted.overlay.opaque is refused"));
}

TEST_CASE_METHOD(Clean, "file capabilities are kept") {
  TempDir probe;
  write_file(probe / "f", "");
  CCSAND_NEED(
      setxattr((probe / "f").c_str(), "security.capability", kCapability.data(), kCapability.size(), 0) == 0,
      "to set file capabilities needs CAP_SETFCAP");
  Unpacked result(Tar().file("ping", "x", with_xattr("security.capability", kCapability)).done());
  REQUIRE(result.status() == 0);
  CHECK(xattr_of(result.path("ping"), "security.capability") == kCapability);
}
