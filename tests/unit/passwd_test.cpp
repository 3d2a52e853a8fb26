// Users and groups out of files that the image's maker wrote.
#include "core/passwd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "support.hpp"

using namespace ccsand;
using namespace ccsand::test;

namespace {
constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "bin:x:1:1:bin:/bin:/sbin/nologin\n"
    "joe:x:1000:1000:Joe,,,:/home/joe:/bin/sh\n"
    "ann:x:1001:100::relative:/bin/sh\n";
constexpr const char* kGroup =
    "root:x:0:root\n"
    "wheel:x:10:root,joe\n"
    "users:x:100:\n"
    "audio:x:18:joe,ann\n"
    "joe:x:1000:\n"
    "joey:x:1002:joey,xjoe,joex\n";

Result<Identity> find(std::string_view user, std::string_view group = "", std::string_view passwd = kPasswd,
                      std::string_view groups = kGroup) {
  return find_identity(passwd, groups, user, group, std::nullopt);
}
}  // namespace

TEST_CASE("users by name, by number and by default", "[passwd]") {
  Identity root = REQUIRE_VALUE(find(""));
  CHECK(root.uid == 0);
  CHECK(root.gid == 0);
  CHECK(root.home == "/root");
  CHECK(root.groups == std::vector<gid_t>{0, 10});
  Identity joe = REQUIRE_VALUE(find("joe"));
  CHECK(joe.uid == 1000);
  CHECK(joe.gid == 1000);
  CHECK(joe.name == "joe");
  CHECK(joe.home == "/home/joe");
  CHECK(joe.groups == std::vector<gid_t>{10, 18});
  CHECK(REQUIRE_VALUE(find("1000")).name == "joe");
  Identity ann = REQUIRE_VALUE(find("ann"));
  CHECK(ann.gid == 100);
  CHECK(ann.home.empty());  // not an absolute path
}

TEST_CASE("a number needs no entry", "[passwd]") {
  Identity stranger = REQUIRE_VALUE(find("4242"));
  CHECK(stranger.uid == 4242);
  CHECK(stranger.gid == 0);
  CHECK(stranger.name.empty());
  CHECK(stranger.groups.empty());
  CHECK(REQUIRE_VALUE(find("4242", "77", "", "")).gid == 77);
  CHECK(REQUIRE_VALUE(find("", "", "", "")).uid == 0);
}

TEST_CASE("groups by name and by number, and given ones instead", "[passwd]") {
  CHECK(REQUIRE_VALUE(find("joe", "audio")).gid == 18);
  CHECK(REQUIRE_VALUE(find("joe", "5")).gid == 5);
  Identity given = REQUIRE_VALUE(find_identity(kPasswd, kGroup, "joe", "", std::vector<gid_t>{7}));
  CHECK(given.groups == std::vector<gid_t>{7});
  CHECK(REQUIRE_VALUE(find_identity(kPasswd, kGroup, "joe", "", std::vector<gid_t>{})).groups.empty());
}

TEST_CASE("who is not there is an error that names them", "[passwd]") {
  auto user = find("mallory");
  REQUIRE_FALSE(user);
  CHECK(user.error().code == ENOENT);
  CHECK(user.error().operation == std::string_view("user"));
  CHECK(user.error().subject.view() == "mallory");
  auto group = find("joe", "nobodies");
  REQUIRE_FALSE(group);
  CHECK(group.error().operation == std::string_view("group"));
  CHECK(group.error().subject.view() == "nobodies");
  for (const char* text : {"joe ", " joe", "JOE", "jo", "-1", "+0", "0x0", "4294967295", "4294967296", "99999999999999999999", "1.0", "joe:x"}) {
    CAPTURE(text);
    CHECK_FALSE(find(text));
    CHECK_FALSE(find("joe", text));
  }
}

TEST_CASE("lines that are not well formed make nobody root", "[passwd]") {
  const std::string lines[] = {
      "eve",                                  // too few fields
      "eve:x:0:0:::",                         // right: the one that counts below
      "eve:x:0:0:a:/:/bin/sh:more",           // too many
      "eve:x::0:::",                          // no number
      "eve:x:-1:0:::",                        // numbers that wrap
      "eve:x:4294967296:0:::",
      "eve:x:18446744073709551616:0:::",
      "eve:x:0 :0:::",
      "eve:x: 0:0:::",
      "eve:x:0x0:0:::",
      "eve:x:4294967295:0:::",                // (uid_t)-1, "leave as it is" to setresuid
      "eve:x:0:4294967295:::",
      std::string("eve\0:x:0:0:::", 13),      // a name that C would cut
      std::string("eve:x:0:0::\0:", 13),
      "eve:x:0:0::" + std::string(5000, '/') + ":",  // a line beyond all measure
      "EVE:x:0:0:::",
      "+eve:x:0:0:::",                        // NIS's words mean nothing
      "eve:x:0:0:::\r"};
  for (const std::string& line : lines) {
    CAPTURE(line.substr(0, 60));
    auto found = find("eve", "", line + "\n", "");
    bool well_formed = line == "eve:x:0:0:::" || line.ends_with('\r');  // \r is a strange shell, not a strange user
    CHECK(found.has_value() == well_formed);
  }
  CHECK(REQUIRE_VALUE(find("eve", "", "eve:x:-1:0:::\neve:x:5:6:::\neve:x:0:0:::\n", "")).uid == 5);  // the first good one
  CHECK_FALSE(find("x", "", ":x:0:0:::\n", ""));
}

TEST_CASE("huge files are read to an end", "[passwd]") {
  std::string many;
  for (int i = 0; i < 20000; ++i) many += "g" + std::to_string(i) + ":x:" + std::to_string(i) + ":joe\n";
  Identity joe = REQUIRE_VALUE(find("joe", "", kPasswd, many));
  CHECK(joe.groups.size() == 1024);
  std::string colons(1 << 20, ':');
  CHECK_FALSE(find("joe", "", colons, colons));
  std::string lines(1 << 20, '\n');
  CHECK_FALSE(find("joe", "", lines, lines));
  std::string no_end = "joe:x:1:1:::";
  CHECK(REQUIRE_VALUE(find("joe", "", no_end, "")).uid == 1);
}

namespace {
struct Root : ScratchDirectory {
  Root() : fd(::open(path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}
  Result<Identity> find(const char* user) { return look_up_identity(fd.get(), user, "", std::nullopt, true); }
  Fd fd;
};
}  // namespace

TEST_CASE("the files are those of the container's root", "[passwd]") {
  Root root;
  CHECK(REQUIRE_VALUE(root.find("")).uid == 0);  // no files: numbers still work
  CHECK_FALSE(root.find("joe"));
  root.file("etc/passwd", kPasswd);
  CHECK(REQUIRE_VALUE(root.find("joe")).uid == 1000);
}

TEST_CASE("links in the root do not lead out of it", "[passwd]") {
  Root root, outside;
  std::string secret = outside.file("passwd", "eve:x:0:0:::\n");
  root.file("etc/there", kPasswd);
  std::string link = root.path() + "/etc/passwd";
  REQUIRE(::symlink(secret.c_str(), link.c_str()) == 0);
  CHECK_FALSE(root.find("eve"));
  ::unlink(link.c_str());
  REQUIRE(::symlink("../../../../../../../../../../etc/there", link.c_str()) == 0);  // stays within
  CHECK(REQUIRE_VALUE(root.find("joe")).uid == 1000);
  ::unlink(link.c_str());
  REQUIRE(::symlink("passwd", link.c_str()) == 0);  // to itself
  auto loop = root.find("joe");
  REQUIRE_FALSE(loop);
  CHECK(loop.error().code == ELOOP);
}

TEST_CASE("what is no regular file is refused, without waiting for it", "[passwd]") {
  Root root;
  root.file("etc/there", "");
  std::string path = root.path() + "/etc/passwd";
  REQUIRE(::mkfifo(path.c_str(), 0644) == 0);
  auto fifo = root.find("joe");
  REQUIRE_FALSE(fifo);
  CHECK(fifo.error().message().find("regular file") != std::string::npos);
  ::unlink(path.c_str());
  REQUIRE(::mkdir(path.c_str(), 0755) == 0);
  CHECK_FALSE(root.find("joe"));
}

TEST_CASE("what lies beyond the first mebibyte is not looked at", "[passwd]") {
  Root root;
  root.file("etc/passwd", std::string((1 << 20) + 8192, '\n') + "joe:x:0:0:::\n");
  CHECK_FALSE(root.find("joe"));
}
