// Archives for the tests: honest ones through libarchive, and hand-made tar headers for
// what libarchive would not write.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

struct archive;
struct archive_entry;

namespace ccsand::test {

class Tar {
 public:
  // `filter` is "", "gzip", "xz", "zstd" or "bzip2"; `format` "pax", "gnutar" or "ustar".
  explicit Tar(std::string_view filter = "", std::string_view format = "pax");
  ~Tar();
  Tar(const Tar&) = delete;
  Tar& operator=(const Tar&) = delete;

  using Change = std::function<void(struct archive_entry*)>;
  Tar& file(const char* path, std::string_view contents = "", const Change& change = nullptr);
  Tar& directory(const char* path, unsigned mode = 0755, const Change& change = nullptr);
  Tar& symlink(const char* path, const char* target);
  Tar& hard_link(const char* path, const char* target);
  Tar& node(const char* path, unsigned type);
  std::string done();  // the archive's bytes

 private:
  Tar& add(const char* path, unsigned type, const Change& change, std::string_view contents = "");

  struct archive* writer_;
  std::string bytes_;
};

// One ustar header with its checksum, and the contents padded to a block.
struct RawEntry {
  std::string name = {};
  char type = '0';
  std::string target = {};
  std::string contents = {};
  std::string size = {};  // as in the header; "" for the contents' size in octal
};
std::string raw_tar(const std::initializer_list<RawEntry>& entries);
std::string raw_entry(const RawEntry& entry);

// The end of a tar archive.
std::string tar_end();

// `data`, compressed by libarchive.
std::string compress(std::string_view data, const char* filter);

}  // namespace ccsand::test
