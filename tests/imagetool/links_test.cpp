// Links, symbolic and hard: they may not lead out, nor may anything be unpacked through
// one to the outside.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "archive.hpp"
#include "support.hpp"

using namespace ccsand::test;

TEST_CASE_METHOD(Clean, "symbolic links keep their text") {
  Unpacked result(
      Tar().symlink("a", "../usr/bin/../x/.").directory("d").symlink("d/b", "/etc//passwd").done());
  CHECK(result.refused("entry 'a': the link leads out of the root with '..'"));
  Unpacked good(Tar().directory("d").symlink("d/a", "../usr/../x").symlink("d/b", "/etc//passwd").done());
  REQUIRE(good.status() == 0);
  CHECK(std::filesystem::read_symlink(good.path("d/a")) == "../usr/../x");
  CHECK(std::filesystem::read_symlink(good.path("d/b")) == "/etc//passwd");
  struct stat status = {};
  REQUIRE(lstat(good.path("d/a").c_str(), &status) == 0);
  CHECK(status.st_mtime == 1'000'000'000);
}

TEST_CASE_METHOD(Clean, "symbolic links out of the root are refused") {
  const char* const kReason = "the link leads out of the root with '..'";
  CHECK(Unpacked(Tar().symlink("a", "..").done()).refused(kReason));
  CHECK(Unpacked(Tar().symlink("d/a", "../../etc").done()).refused(kReason));
  CHECK(Unpacked(Tar().symlink("d/a", "x/../../../y").done()).refused(kReason));
  CHECK(Unpacked(Tar().symlink("a", "/..").done()).refused(kReason));
  // One level deep by its name, but really in the root.
  CHECK(Unpacked(Tar().symlink("here", ".").symlink("here/a", "..").done()).refused(kReason));
  // One level deep by its name, really two.
  Unpacked deeper(Tar()
                      .directory("usr")
                      .directory("usr/lib")
                      .symlink("lib", "usr/lib")
                      .symlink("lib/a", "../../x")
                      .done());
  CHECK(deeper.status() == 0);
  CHECK(Unpacked(raw_tar({{.name = "a", .type = '2', .target = ""}}))
            .refused("entry 'a': a link with an empty target"));
}

TEST_CASE_METHOD(Clean, "a parent may be a link within the root") {
  Unpacked result(Tar()
                      .directory("usr/lib")
                      .symlink("lib", "usr/lib")
                      .symlink("lib64", "/usr/lib")
                      .file("lib/a", "1")
                      .file("lib64/b", "2")
                      .directory("lib/d", 0711)
                      .done());
  REQUIRE(result.status() == 0);
  CHECK(result.read("usr/lib/a") == "1");
  CHECK(result.read("usr/lib/b") == "2");
  struct stat status = {};
  REQUIRE(stat(result.path("usr/lib/d").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0711);
}

TEST_CASE_METHOD(Clean, "nothing is written through a link to the outside") {
  TempDir outside;
  Unpacked absolute(Tar().symlink("out", outside.path().c_str()).file("out/f", "x").done());
  // Within the root there is no such directory, so that the link leads nowhere.
  CHECK(absolute.refused("entry 'out/f': a parent of it is a link to nothing"));
  CHECK(std::filesystem::is_empty(outside.path()));
  CHECK(Unpacked(Tar().symlink("a", "b").symlink("b", "a").file("a/f").done())
            .refused("entry 'a/f': a parent of it is a loop of links"));
}

TEST_CASE_METHOD(Clean, "the last component is never followed") {
  TempDir outside;
  write_file(outside / "target", "old");
  Unpacked file(Tar().symlink("l", (outside / "target").c_str()).file("l", "new").done());
  REQUIRE(file.status() == 0);
  CHECK(file.read("l") == "new");
  CHECK(read_file(outside / "target") == "old");
  Unpacked directory(
      Tar().directory("real").symlink("l", "real").directory("l", 0700).file("l/f", "x").done());
  REQUIRE(directory.status() == 0);
  CHECK(!directory.has("real/f"));
  CHECK(directory.read("l/f") == "x");
}

TEST_CASE_METHOD(Clean, "a directory that a later link hides is an error") {
  Unpacked result(Tar()
                      .directory("a")
                      .directory("b")
                      .directory("b/d")
                      .symlink("l", "a")
                      .directory("l/d")
                      .symlink("l", "b")
                      .done());
  CHECK(result.refused("entry 'l/d': a link on the way to this directory was replaced later"));
}

TEST_CASE_METHOD(Clean, "hard links join files") {
  Unpacked result(Tar().directory("d").file("d/a", "x").hard_link("b", "d/a").hard_link("d/a", "./b").done());
  REQUIRE(result.status() == 0);
  struct stat first = {};
  struct stat second = {};
  REQUIRE(lstat(result.path("d/a").c_str(), &first) == 0);
  REQUIRE(lstat(result.path("b").c_str(), &second) == 0);
  CHECK(first.st_ino == second.st_ino);
  CHECK(first.st_nlink == 2);
}

TEST_CASE_METHOD(Clean, "hard links out of the root, to nothing, or to no file are refused") {
  TempDir outside;
  write_file(outside / "secret", "x");
  CHECK(Unpacked(Tar().hard_link("a", "/etc/passwd").done()).refused("absolute paths are refused"));
  CHECK(Unpacked(Tar().hard_link("a", "../x").done()).refused("'..' in a path is refused"));
  const char* const kMissing = "entry 'a': its hard link's target was not unpacked before it";
  CHECK(Unpacked(Tar().hard_link("a", "b").file("b").done()).refused(kMissing));
  CHECK(Unpacked(Tar().hard_link("a", "a").done()).refused(kMissing));
  CHECK(Unpacked(Tar().symlink("d", outside.path().c_str()).hard_link("a", "d/secret").done())
            .refused(kMissing));
  const char* const kNoFile = "entry 'a': its hard link's target is not a regular file";
  CHECK(
      Unpacked(Tar().symlink("l", (outside / "secret").c_str()).hard_link("a", "l").done()).refused(kNoFile));
  CHECK(Unpacked(Tar().directory("d").hard_link("a", "d").done()).refused(kNoFile));
  CHECK(Unpacked(Tar().hard_link("a", ".").done()).refused(kNoFile));
}
