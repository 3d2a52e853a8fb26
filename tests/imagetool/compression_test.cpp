// The compressions that are taken, and damage of every kind.
#include <catch2/catch.hpp>

#include "archive.hpp"
#include "support.hpp"

using namespace ccsand::test;

namespace {
const char* const kFilters[] = {"gzip", "xz", "zstd", "bzip2"};

std::string sample(std::string_view filter) { return Tar(filter).file("a", "hello").directory("d").done(); }
}  // namespace

TEST_CASE_METHOD(Clean, "every format of tar, in every compression") {
  for (const char* format : {"pax", "gnutar", "ustar"}) {
    for (std::string_view filter : {"", "gzip", "xz", "zstd", "bzip2"}) {
      INFO(format << " " << filter);
      Unpacked result(Tar(filter, format).file("a", "hello").done());
      CHECK(result.status() == 0);
      CHECK(result.read("a") == "hello");
    }
  }
}

TEST_CASE_METHOD(Clean, "no other compression, format or nesting is taken") {
  const char* const kReason = "not a tar archive, nor one in gzip, xz, zstd or bzip2";
  CHECK(Unpacked("").refused(kReason));
  CHECK(Unpacked(std::string(100000, 'x')).refused(kReason));
  CHECK(Unpacked(compress(sample(""), "compress")).refused(kReason));
  CHECK(Unpacked(compress(sample(""), "lzma")).refused(kReason));
  CHECK(Unpacked(Tar("", "newc").file("a", "hello").done()).refused(kReason));
  CHECK(Unpacked(Tar("", "zip").file("a", "hello").done()).refused(kReason));
  CHECK(Unpacked(compress(sample("gzip"), "xz")).refused("archive: compressed more than once"));
  CHECK(Unpacked(tar_end()).refused("archive: no entries in it"));
}

TEST_CASE_METHOD(Clean, "a truncated archive is an error, wherever it was cut") {
  for (const char* filter : kFilters) {
    std::string whole = sample(filter);
    for (std::size_t size = 0; size < whole.size(); size += 7) {
      INFO(filter << " cut to " << size << " of " << whole.size());
      Unpacked result(whole.substr(0, size));
      CHECK(result.status() == 1);
      CHECK(result.empty());
    }
  }
  std::string plain = sample("");
  for (std::size_t size : {std::size_t{1}, std::size_t{511}, std::size_t{514}, plain.size() - 1024}) {
    INFO("plain, cut to " << size);
    CHECK(Unpacked(plain.substr(0, size)).status() == 1);
  }
  CHECK(
      Unpacked(plain.substr(0, plain.size() - 1024)).refused("archive: truncated: no end-of-archive block"));
}

TEST_CASE_METHOD(Clean, "anything behind the archive is an error") {
  for (const char* filter : kFilters) {
    INFO(filter);
    CHECK(Unpacked(sample(filter) + "garbage").status() == 1);
    CHECK(Unpacked(compress(sample("") + std::string(512, 'x'), filter))
              .refused("data after the end of the archive"));
  }
  CHECK(Unpacked(sample("") + std::string(5000, '\0') + "x").refused("data after the end of the archive"));
  CHECK(Unpacked(sample("") + sample("")).refused("data after the end of the archive"));
  CHECK(Unpacked(sample("") + std::string(5000, '\0')).status() == 0);
}

TEST_CASE_METHOD(Clean, "a damaged byte is an error") {
  // A zstd frame need not have a checksum, and libarchive writes none.
  for (const char* filter : {"gzip", "xz", "bzip2"}) {
    std::string whole = sample(filter);
    // The middle of the data: behind the header, before the checksum.
    std::string damaged = whole;
    damaged[whole.size() / 2] = static_cast<char>(damaged[whole.size() / 2] ^ 0x55);
    INFO(filter);
    CHECK(Unpacked(damaged).status() == 1);
  }
  // gzip's checksum, which stands before the four bytes of its size.
  std::string checksum = sample("gzip");
  char& byte = checksum[checksum.size() - 5];
  byte = static_cast<char>(byte ^ 1);
  CHECK(Unpacked(checksum).refused("(damaged, or made of several members: then pass --sha256)"));
  std::string members =
      compress(sample("").substr(0, 700), "gzip") + compress(sample("").substr(700), "gzip");
  CHECK(Unpacked(members).refused("(damaged, or made of several members: then pass --sha256)"));
  CHECK(Unpacked(members, {"--sha256", run_program({"digest"}, members).out.substr(0, 64)}).status() == 0);
  std::string plain = sample("");
  plain[3] = 'z';  // the header's checksum is wrong now
  CHECK(Unpacked(plain).status() == 1);
}
