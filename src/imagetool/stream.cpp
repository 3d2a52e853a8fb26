// The archive as a stream of tar bytes.
#include "imagetool/stream.hpp"

#include <archive_entry.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "imagetool/calls.hpp"

namespace ccsand::imagetool {

namespace {
constexpr std::size_t kBufferSize = 1 << 16;
constexpr std::uint64_t kTarBlock = 512;

Error damaged(std::string_view reason) { return make_error(EBADMSG, "", "archive", reason); }
}  // namespace

Error archive_failure(struct archive* reader) {
  const char* words = archive_error_string(reader);
  if (words == nullptr) return damaged("libarchive gave up without a reason");
  if (std::string_view(words) == "Unrecognized archive format") {
    return damaged("not a tar archive, nor one in gzip, xz, zstd or bzip2");
  }
  return damaged(words);
}

Result<std::unique_ptr<Stream>> Stream::create(int fd, bool verify_gzip) {
  struct stat status = CCSAND_TRY(fstat(fd, "archive"));
  if (!S_ISREG(status.st_mode)) {
    return make_error(ESPIPE, "", "archive", "not a regular file",
                      "redirect standard input from the archive");
  }
  Sha256 digest = CCSAND_TRY(Sha256::create());
  std::unique_ptr<Stream> stream(new Stream(fd, std::move(digest)));
  stream->file_size_ = static_cast<std::uint64_t>(status.st_size);
  stream->buffer_.resize(kBufferSize);
  CCSAND_TRY(stream->open());
  stream->verify_gzip_ = verify_gzip && archive_filter_code(stream->reader_.get(), 0) == ARCHIVE_FILTER_GZIP;
  return stream;
}

Result<void> Stream::open() {
  reader_.reset(archive_read_new());
  if (reader_ == nullptr) return make_error(ENOMEM, "", "archive", "out of memory");
  bool ready = archive_read_support_format_raw(reader_.get()) == ARCHIVE_OK;
  // ARCHIVE_WARN: libarchive was built to run an outside program for this filter.
  for (auto support : {archive_read_support_filter_gzip, archive_read_support_filter_xz,
                       archive_read_support_filter_zstd, archive_read_support_filter_bzip2}) {
    ready = ready && support(reader_.get()) == ARCHIVE_OK;
  }
  if (!ready) return archive_failure(reader_.get());
  archive_entry* whole = nullptr;
  if (archive_read_open(reader_.get(), this, nullptr, read_callback, nullptr) != ARCHIVE_OK ||
      archive_read_next_header(reader_.get(), &whole) != ARCHIVE_OK) {
    return failure_ ? *failure_ : archive_failure(reader_.get());
  }
  // The filters and "none": libarchive peels as many layers as it finds.
  if (archive_filter_count(reader_.get()) > 2) return damaged("compressed more than once");
  return {};
}

Result<std::size_t> Stream::read_compressed() {
  std::size_t got = CCSAND_TRY(pread(fd_, buffer_, static_cast<std::int64_t>(compressed_), "archive"));
  CCSAND_TRY(digest_.update(std::span(buffer_).first(got)));
  compressed_ += got;
  return got;
}

la_ssize_t Stream::read_callback(struct archive* reader, void* self, const void** data) {
  auto* stream = static_cast<Stream*>(self);
  auto got = stream->read_compressed();
  if (!got) {
    stream->failure_ = got.error();
    archive_set_error(reader, got.error().code, "read failed");
    return -1;
  }
  *data = stream->buffer_.data();
  return static_cast<la_ssize_t>(*got);
}

Result<std::span<const char>> Stream::next() {
  const void* data = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  int status = ARCHIVE_OK;
  do status = archive_read_data_block(reader_.get(), &data, &size, &offset);
  while (status == ARCHIVE_OK && size == 0);
  if (status == ARCHIVE_EOF) return std::span<const char>();
  if (status != ARCHIVE_OK) return failure_ ? *failure_ : archive_failure(reader_.get());
  std::span<const char> block(static_cast<const char*>(data), size);
  auto nonzero = std::find_if(block.rbegin(), block.rend(), [](char c) { return c != '\0'; });
  if (nonzero != block.rend()) last_nonzero_ = produced_ + static_cast<std::uint64_t>(block.rend() - nonzero);
  produced_ += size;
  if (verify_gzip_) checksum_.update(block);
  if (produced_ > limit_) {
    return make_error(EFBIG, "", "archive", "unpacks to more than its limit",
                      "raise --max-bytes if you trust it");
  }
  return block;
}

Result<void> Stream::finish(std::uint64_t entries_end) {
  while (!CCSAND_TRY(next()).empty()) {
  }
  if (last_nonzero_ > entries_end) return damaged("data after the end of the archive");
  if (produced_ < entries_end + kTarBlock) return damaged("truncated: no end-of-archive block");
  auto consumed = static_cast<std::uint64_t>(archive_filter_bytes(reader_.get(), -1));
  if (consumed != file_size_) return damaged("data after the end of the compressed stream");
  return verify_gzip_ ? check_gzip_trailer() : Result<void>();
}

// The last eight bytes: the CRC-32 and the size of what a gzip member holds. A file of
// several members fails, too, as libarchive does not say where they end.
Result<void> Stream::check_gzip_trailer() const {
  unsigned char bytes[8] = {};
  char raw[sizeof bytes] = {};
  if (CCSAND_TRY(pread(fd_, raw, static_cast<std::int64_t>(file_size_ - sizeof raw), "archive")) !=
      sizeof raw) {
    return damaged("changed while it was unpacked");
  }
  std::memcpy(&bytes[0], &raw[0], sizeof raw);
  auto word = [&](std::size_t at) {
    std::uint32_t number = 0;
    for (std::size_t i = 4; i-- > 0;) number = number << 8 | bytes[at + i];
    return number;
  };
  if (word(0) == checksum_.value() && word(4) == static_cast<std::uint32_t>(produced_)) return {};
  return make_error(EBADMSG, "", "archive", "gzip's checksum does not match its contents",
                    "damaged, or made of several members: then pass --sha256");
}

}  // namespace ccsand::imagetool
