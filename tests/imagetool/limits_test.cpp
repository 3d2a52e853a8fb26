// Limits, bombs, and what happens to the directory.
#include <archive_entry.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "archive.hpp"
#include "support.hpp"

using namespace ccsand::test;

namespace {
// A file of `size` bytes that is one hole but for its first byte.
Tar::Change sparse(la_int64_t size) {
  return [size](struct archive_entry* entry) {
    archive_entry_set_size(entry, size);
    archive_entry_sparse_add_entry(entry, 0, 1);
  };
}
}  // namespace

TEST_CASE_METHOD(Clean, "the contents' total is limited") {
  std::string archive = Tar().file("a", "12345").file("b", "67890").done();
  CHECK(Unpacked(archive, {"--max-bytes", "10"}).status() == 0);
  CHECK(Unpacked(archive, {"--max-bytes", "9"}).refused("entry 'b': more bytes than --max-bytes"));
}

TEST_CASE_METHOD(Clean, "the number of entries is limited, implied directories included") {
  std::string archive = Tar().file("a").file("b").file("c").done();
  CHECK(Unpacked(archive, {"--max-entries", "3"}).status() == 0);
  CHECK(Unpacked(archive, {"--max-entries", "2"}).refused("entry 'c': more entries than --max-entries"));
  CHECK(Unpacked(Tar().file("a/b/c/d").done(), {"--max-entries", "3"})
            .refused("entry 'a/b/c/d': more files and directories than --max-entries"));
}

TEST_CASE_METHOD(Clean, "holes count as bytes, and stay holes") {
  std::string bomb = Tar().file("hole", "x", sparse(la_int64_t{1} << 40)).done();
  CHECK(bomb.size() < 8192);
  CHECK(Unpacked(bomb).refused("entry 'hole': more bytes than --max-bytes"));
  Unpacked result(Tar().file("hole", "x", sparse(la_int64_t{1} << 30)).done());
  REQUIRE(result.status() == 0);
  struct stat status = {};
  REQUIRE(stat(result.path("hole").c_str(), &status) == 0);
  CHECK(status.st_size == la_int64_t{1} << 30);
  CHECK(status.st_blocks < 1024);
}

TEST_CASE_METHOD(Clean, "a declared size that cannot be is refused") {
  // Base-256 numbers: 2^62, and -1.
  std::string huge = "\x80" + std::string(3, '\0') + "\x40" + std::string(7, '\0');
  CHECK(Unpacked(raw_tar({{.name = "f", .size = huge}})).status() == 1);
  CHECK(Unpacked(raw_tar({{.name = "f", .size = std::string(12, '\xff')}})).status() == 1);
}

TEST_CASE_METHOD(Clean, "a bomb stops at the decompressor's limit, wherever its bytes are") {
  // Two hundred megabytes behind the end of the archive, where no entry counts them.
  std::string bomb = raw_tar({{.name = "a", .contents = "x"}}) + std::string(200 << 20, '\0');
  Unpacked result(compress(bomb, "gzip"), {"--max-bytes", "1000"});
  CHECK(result.refused("unpacks to more than its limit (raise --max-bytes if you trust it)"));
}

TEST_CASE_METHOD(Clean, "the directory must be there, and empty") {
  TempDir dir;
  write_file(dir / "mine", "kept");
  Outcome outcome = run_program({"unpack", "--into", dir.path()}, Tar().file("a").done());
  CHECK(outcome.status == 1);
  CHECK(outcome.err == "ccsand-image: unpack: the directory to unpack into: not empty\n");
  CHECK(read_file(dir / "mine") == "kept");
  CHECK(run_program({"unpack", "--into", dir / "none"}, Tar().file("a").done()).status == 1);
}

TEST_CASE_METHOD(Clean, "usage errors exit with 2") {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"frob"},
                                             {"unpack"},
                                             {"unpack", "--into"},
                                             {"unpack", "--into", "/", "--sha256", "12"},
                                             {"unpack", "--into", "/", "--max-bytes", "-1"},
                                             {"unpack", "--into", "/", "--max-bytes", "10k"},
                                             {"unpack", "--into", "/", "extra"},
                                             {"unpack", "--frob"},
                                             {"digest", "x"},
                                             {"fetch"},
                                             {"fetch", "--url", "https://host.invalid/"},
                                             {"fetch", "--max-bytes", "10"}}) {
    Outcome outcome = run_program(arguments);
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.ends_with("see ccsand-image --help\n"));
  }
  CHECK(run_program({"--help"}).status == 0);
  CHECK(run_program({"--version"}).out.starts_with("ccsand-image "));
}
