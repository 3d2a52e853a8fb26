// SHA-256: computed, verified before anything is unpacked, and again while it is.
#include "imagetool/digest.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "archive.hpp"
#include "imagetool/unpack.hpp"
#include "support.hpp"

using namespace ccsand::test;
namespace imagetool = ccsand::imagetool;

namespace {
const char* const kDigestOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

std::string digest_of(std::string_view text) {
  std::string line = run_program({"digest"}, text).out;
  line.pop_back();
  return line;
}
}  // namespace

TEST_CASE_METHOD(Clean, "the digest of standard input") {
  Outcome outcome = run_program({"digest"}, "abc");
  CHECK(outcome.status == 0);
  CHECK(outcome.out == std::string(kDigestOfAbc) + "\n");
  CHECK(digest_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(imagetool::is_sha256(kDigestOfAbc));
  CHECK(!imagetool::is_sha256("ba78"));
  CHECK(!imagetool::is_sha256(std::string(64, 'g')));
}

TEST_CASE_METHOD(Clean, "the digest is verified before anything is unpacked") {
  std::string archive = Tar("gzip").file("a", "hello").done();
  std::string digest = digest_of(archive);
  CHECK(Unpacked(archive, {"--sha256", digest}).status() == 0);
  for (char& c : digest) c = static_cast<char>(std::toupper(c));
  CHECK(Unpacked(archive, {"--sha256", digest}).status() == 0);
  Unpacked wrong(archive, {"--sha256", kDigestOfAbc});
  CHECK(wrong.refused("(the file is damaged, or not the one that was meant)"));
  CHECK(wrong.err().find(kDigestOfAbc) != std::string::npos);
  // The digest comes first: what the archive holds is not looked at.
  Unpacked hostile(Tar().file("../a").done(), {"--sha256", kDigestOfAbc});
  CHECK(hostile.refused("(the file is damaged, or not the one that was meant)"));
}

TEST_CASE_METHOD(Clean, "the archive is read from its start, by offset") {
  TempDir dir;
  ccsand::Fd file(memfd_create("archive", MFD_CLOEXEC));
  ccsand::Fd into(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string archive = Tar().file("a", "hello").done();
  REQUIRE(write(file.get(), archive.data(), archive.size()) == static_cast<ssize_t>(archive.size()));
  imagetool::UnpackRequest request;
  request.archive = file.get();
  request.directory = into.get();
  CHECK(imagetool::unpack(request));
  CHECK(read_file(dir / "a") == "hello");
}

TEST_CASE_METHOD(Clean, "a pipe is no archive") {
  TempDir dir;
  int ends[2];
  REQUIRE(pipe2(&ends[0], O_CLOEXEC) == 0);
  ccsand::Fd read_end(ends[0]);
  ccsand::Fd write_end(ends[1]);
  ccsand::Fd into(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  imagetool::UnpackRequest request;
  request.archive = read_end.get();
  request.directory = into.get();
  auto outcome = imagetool::unpack(request);
  REQUIRE(!outcome);
  CHECK(outcome.error().reason.view() == "not a regular file");
}
