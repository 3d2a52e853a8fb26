// The rules for names and types: an archive that breaks one leaves nothing behind.
#include <archive_entry.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "archive.hpp"
#include "imagetool/path.hpp"
#include "support.hpp"

using namespace ccsand::test;
using ccsand::imagetool::clean_path;
using ccsand::imagetool::levels_climbed;

TEST_CASE_METHOD(Clean, "paths are cleaned, or refused") {
  CHECK(*clean_path("./", "e") == "");
  CHECK(*clean_path("./a//b/./c/", "e") == "a/b/c");
  CHECK(*clean_path("a/...", "e") == "a/...");
  CHECK(*clean_path(std::string(255, 'x').c_str(), "e") == std::string(255, 'x'));
  for (const char* bad : {"", "/", "/a", "..", "a/..", "../a", "a/../b", "./.."}) {
    auto path = clean_path(bad, "e");
    CHECK(!path);
    CHECK(path.error().subject.view() == "'e'");
  }
  CHECK(!clean_path(nullptr, "e"));
  CHECK(!clean_path(std::string(256, 'x').c_str(), "e"));
  std::string longest;
  while (longest.size() < 4095) longest += "a/";
  CHECK(!clean_path(longest.c_str(), "e"));
  longest.pop_back();
  CHECK(clean_path(longest.c_str(), "e"));
}

TEST_CASE_METHOD(Clean, "climbing is counted at its highest") {
  CHECK(levels_climbed("a/b") == 0);
  CHECK(levels_climbed("../a") == 1);
  CHECK(levels_climbed("a/../../b") == 1);
  CHECK(levels_climbed("a/../..//./..") == 2);
  CHECK(levels_climbed("../../a/b/c") == 2);
}

TEST_CASE_METHOD(Clean, "names that leave the root are refused") {
  CHECK(Unpacked(Tar().file("a").file("../b").done()).refused("entry '../b': '..' in a path is refused"));
  CHECK(Unpacked(Tar().file("a/../../b").done()).refused("'..' in a path is refused"));
  CHECK(Unpacked(Tar().directory("a/..").done()).refused("'..' in a path is refused"));
  CHECK(
      Unpacked(Tar().file("/etc/passwd").done()).refused("entry '/etc/passwd': absolute paths are refused"));
}

TEST_CASE_METHOD(Clean, "names that no file can have are refused") {
  CHECK(Unpacked(raw_tar({{.name = ""}})).status() == 1);
  CHECK(Unpacked(Tar().file(std::string(256, 'n').c_str()).done()).refused("a name longer than 255 bytes"));
  std::string path = "a";
  while (path.size() < 4097) path += "/a";
  CHECK(Unpacked(Tar().file(path.c_str()).done()).refused("a path longer than 4095 bytes"));
  CHECK(Unpacked(Tar().symlink("./", "x").done()).refused("the root can only be a directory"));
}

TEST_CASE_METHOD(Clean, "a name ends at a NUL, for the check and for the file alike") {
  const std::string pax = std::string("18 path=a") + '\0' + "/../../x\n";
  Unpacked result(
      raw_tar({{.name = "x", .type = 'x', .contents = pax}, {.name = "plain", .contents = "text"}}));
  CHECK((result.status() == 0 ? result.read("a") == "text" : result.empty()));
}

TEST_CASE_METHOD(Clean, "a message is one line, whatever the name") {
  Unpacked result(raw_tar({{.name = "bad\n\x1b[2Jname", .type = '3'}}));
  CHECK(result.refused("entry 'bad\\x0a\\x1b[2Jname': character devices are refused"));
}

TEST_CASE_METHOD(Clean, "devices, pipes and sockets are refused") {
  CHECK(Unpacked(Tar().node("d", AE_IFBLK).done()).refused("entry 'd': block devices are refused"));
  CHECK(Unpacked(Tar().node("d", AE_IFCHR).done()).refused("entry 'd': character devices are refused"));
  CHECK(Unpacked(Tar().node("d", AE_IFIFO).done()).refused("entry 'd': named pipes are refused"));
}

TEST_CASE_METHOD(Clean, "names are bytes: accents are not composed") {
  const char* const kDecomposed = "e\xcc\x81";
  const char* const kComposed = "\xc3\xa9";
  Unpacked result(Tar("", "gnutar").file(kDecomposed, "1").file(kComposed, "2").file("\xff\xfe", "3").done());
  REQUIRE(result.status() == 0);
  CHECK(result.read(kDecomposed) == "1");
  CHECK(result.read(kComposed) == "2");
  CHECK(result.read("\xff\xfe") == "3");
  auto pax = [](const std::string& name) {
    std::string record = " path=" + name + "\n";
    return RawEntry{.name = "x", .type = 'x', .contents = std::to_string(record.size() + 2) + record};
  };
  Unpacked by_pax(raw_tar({pax("decomposed-" + std::string(kDecomposed)),
                           {.name = "a", .contents = "1"},
                           pax("decomposed-" + std::string(kComposed)),
                           {.name = "b", .contents = "2"}}));
  REQUIRE(by_pax.status() == 0);
  CHECK(by_pax.read("decomposed-" + std::string(kDecomposed)) == "1");
  CHECK(by_pax.read("decomposed-" + std::string(kComposed)) == "2");
}

TEST_CASE_METHOD(Clean, "a later entry replaces a file, but no directory") {
  Unpacked twice(Tar().file("a", "old").file("a", "new").done());
  CHECK(twice.status() == 0);
  CHECK(twice.read("a") == "new");
  CHECK(Unpacked(Tar().directory("d").file("d").done())
            .refused("entry 'd': it would replace a directory by something else"));
  CHECK(Unpacked(Tar().file("d/f").symlink("d", "x").done())
            .refused("it would replace a directory by something else"));
  Unpacked directory(Tar().file("d").directory("d").file("d/f", "x").done());
  CHECK(directory.status() == 0);
  CHECK(directory.read("d/f") == "x");
  CHECK(
      Unpacked(Tar().file("f").file("f/g").done()).refused("entry 'f/g': a parent of it is not a directory"));
}

TEST_CASE_METHOD(Clean, "replacing a file does not write through its other names") {
  Unpacked result(Tar().file("a", "old").hard_link("b", "a").file("b", "new").done());
  REQUIRE(result.status() == 0);
  CHECK(result.read("a") == "old");
  CHECK(result.read("b") == "new");
}

TEST_CASE_METHOD(Clean, "missing parents are made, also deep ones, and removed again") {
  std::string deep = "d";
  while (deep.size() < 4000) deep += "/d";
  Unpacked good(Tar().file("a/b/c", "x").done());
  CHECK(good.status() == 0);
  struct stat status = {};
  REQUIRE(stat(good.path("a/b").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0755);
  CHECK(Unpacked(Tar().file((deep + "/f").c_str()).file("../x").done()).refused("'..' in a path is refused"));
}
