// The archive as a stream of tar bytes: decompressed, hashed and counted on the way.
// libarchive's filters run apart from its tar reader, so that the limits hold for
// every byte that comes out of a decompressor, also where the tar reader skips.
#pragma once

#include <archive.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ccsand/result.hpp"
#include "imagetool/crc32.hpp"
#include "imagetool/digest.hpp"

namespace ccsand::imagetool {

struct FreeReader {
  void operator()(struct archive* reader) const { (void)archive_read_free(reader); }  // nothing to flush
};
using Reader = std::unique_ptr<struct archive, FreeReader>;

// What libarchive says of its last failure.
Error archive_failure(struct archive* reader);

class Stream {
 public:
  // `fd` must be a regular file; it is read from its first byte, by offset. A caller that
  // knows its digest can do without gzip's checksum.
  static Result<std::unique_ptr<Stream>> create(int fd, bool verify_gzip);

  // The bytes that may come out of the decompressor altogether.
  void set_limit(std::uint64_t bytes) { limit_ = bytes; }

  // The next tar bytes, valid until the next call; empty at the end.
  Result<std::span<const char>> next();

  // Reads the rest. Fails unless only zeros, and at least one block of them, follow
  // the last entry, which ended at `entries_end`, and nothing follows the compressed data.
  Result<void> finish(std::uint64_t entries_end);

  // SHA-256 of the compressed bytes, after finish().
  Result<std::string> digest() { return digest_.hex(); }

 private:
  Stream(int fd, Sha256 digest) : fd_(fd), digest_(std::move(digest)) {}
  static la_ssize_t read_callback(struct archive* reader, void* self, const void** data);
  Result<void> open();
  Result<std::size_t> read_compressed();
  Result<void> check_gzip_trailer() const;

  int fd_;
  Sha256 digest_;
  Reader reader_;
  std::vector<char> buffer_;
  std::optional<Error> failure_;  // what read_callback could not tell libarchive
  std::uint64_t compressed_ = 0;  // bytes read from the file
  std::uint64_t file_size_ = 0;
  std::uint64_t produced_ = 0;      // tar bytes given out
  std::uint64_t last_nonzero_ = 0;  // the offset behind the last byte that is not zero
  std::uint64_t limit_ = 0;
  bool verify_gzip_ = false;
  Crc32 checksum_;  // of the tar bytes, with verify_gzip_
};

}  // namespace ccsand::imagetool
