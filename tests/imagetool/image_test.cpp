// Real images, where there are some: every tarball in CCSAND_IMAGE_PATH.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "support.hpp"

using namespace ccsand::test;

TEST_CASE_METHOD(Clean, "real images unpack") {
  const char* path = std::getenv("CCSAND_IMAGE_PATH");
  CCSAND_NEED(path != nullptr, "CCSAND_IMAGE_PATH names no directory of image tarballs");
  int images = 0;
  for (const auto& file : std::filesystem::directory_iterator(path)) {
    if (file.path().filename().string().find(".tar") == std::string::npos) continue;
    INFO(file.path().filename().string());
    std::string archive = read_file(file.path().string());
    std::string digest = run_program({"digest"}, archive).out.substr(0, 64);
    Unpacked result(archive, {"--sha256", digest});
    CHECK(result.err().empty());
    CHECK(result.status() == 0);
    CHECK(result.has("bin/sh"));
    CHECK(result.has("etc/passwd"));
    ++images;
  }
  CCSAND_NEED(images > 0, "no image tarballs in CCSAND_IMAGE_PATH");
}
