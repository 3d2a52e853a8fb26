// Unpacking a tar archive into an empty directory.
#include "imagetool/unpack.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>

#include "imagetool/attributes.hpp"
#include "imagetool/path.hpp"
#include "imagetool/stream.hpp"
#include "imagetool/tree.hpp"
#include "sys/file.hpp"

namespace ccsand::imagetool {

namespace {

// What tar adds to the contents: headers, attributes and padding of an entry, and the
// zeros at the end. Only a bound on what a decompressor may produce.
constexpr std::uint64_t kOverheadPerEntry = 1 << 16;
constexpr std::uint64_t kOverhead = 64U << 20;

const char* forbidden_type(mode_t type) {
  switch (type) {
    case AE_IFBLK:
      return "block devices are refused";
    case AE_IFCHR:
      return "character devices are refused";
    case AE_IFIFO:
      return "named pipes are refused";
    case AE_IFSOCK:
      return "sockets are refused";
    default:
      return "a type of file that is not known";
  }
}

class Unpacker {
 public:
  Unpacker(Stream& stream, Tree& tree, const UnpackRequest& request)
      : stream_(stream), tree_(tree), request_(request) {}

  Result<void> run();

 private:
  static la_ssize_t read_callback(struct archive* reader, void* self, const void** data);
  Result<void> open();
  Error failure() const { return failure_ ? *failure_ : archive_failure(reader_.get()); }
  Result<bool> next_header(struct archive_entry** entry);
  Result<void> unpack_entry(struct archive_entry* entry);
  Result<void> count_bytes(struct archive_entry* entry, const std::string& path);
  Result<void> make_link(struct archive_entry* entry, const std::string& path);
  Result<void> make_file(struct archive_entry* entry, const std::string& path, const Attributes& attributes);
  Result<void> write_contents(int fd, std::uint64_t size, const std::string& path);

  Stream& stream_;
  Tree& tree_;
  const UnpackRequest& request_;
  Reader reader_;
  std::optional<Error> failure_;  // what read_callback could not tell libarchive
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
};

la_ssize_t Unpacker::read_callback(struct archive* reader, void* self, const void** data) {
  auto* unpacker = static_cast<Unpacker*>(self);
  auto block = unpacker->stream_.next();
  if (!block) {
    unpacker->failure_ = block.error();
    archive_set_error(reader, block.error().code, "read failed");
    return -1;
  }
  *data = block->data();
  return static_cast<la_ssize_t>(block->size());
}

Result<void> Unpacker::open() {
  stream_.set_limit(request_.max_bytes + kOverhead);
  reader_.reset(archive_read_new());
  if (reader_ == nullptr) return make_error(ENOMEM, "", "archive", "out of memory");
  if (archive_read_support_format_tar(reader_.get()) != ARCHIVE_OK) return failure();
  if (archive_read_open(reader_.get(), this, nullptr, read_callback, nullptr) != ARCHIVE_OK) return failure();
  return {};
}

Result<bool> Unpacker::next_header(struct archive_entry** entry) {
  int status = archive_read_next_header(reader_.get(), entry);
  if (status == ARCHIVE_EOF) return false;
  if (status == ARCHIVE_OK) return true;
  // The program stays in the C locale, where libarchive hands names through byte by byte
  // and warns that they are not ASCII. In a UTF-8 locale it would compose accents, and
  // two files of an image could become one.
  const char* words = archive_error_string(reader_.get());
  bool only_not_ascii = status == ARCHIVE_WARN && words != nullptr &&
                        std::string_view(words).find("can't be converted from") != std::string_view::npos;
  if (only_not_ascii) return true;
  return failure();
}

Result<void> Unpacker::run() {
  CCSAND_TRY(open());
  struct archive_entry* entry = nullptr;
  while (CCSAND_TRY(next_header(&entry))) {
    CCSAND_TRY(unpack_entry(entry));
  }
  if (entries_ == 0) return make_error(EBADMSG, "", "archive", "no entries in it");
  // At the end of the archive this is where the next header would have been.
  CCSAND_TRY(stream_.finish(static_cast<std::uint64_t>(archive_read_header_position(reader_.get()))));
  if (!request_.sha256.empty() && CCSAND_TRY(stream_.digest()) != lowercase(request_.sha256)) {
    return make_error(EBADMSG, "", "archive", "changed while it was unpacked");
  }
  return tree_.finish();
}

Result<void> Unpacker::count_bytes(struct archive_entry* entry, const std::string& path) {
  // Every size counts, also of what should have no contents: it will have to be read.
  la_int64_t size = archive_entry_size(entry);
  if (size < 0) return refusal(path, "a negative size");
  std::uint64_t room = request_.max_bytes - bytes_;
  if (static_cast<std::uint64_t>(size) > room) return refusal(path, "more bytes than --max-bytes");
  bytes_ += static_cast<std::uint64_t>(size);
  return {};
}

Result<void> Unpacker::unpack_entry(struct archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  std::string path = CCSAND_TRY(clean_path(name, name != nullptr ? name : ""));
  if (++entries_ > request_.max_entries) return refusal(path, "more entries than --max-entries");
  stream_.set_limit(request_.max_bytes + kOverhead + entries_ * kOverheadPerEntry);
  CCSAND_TRY(count_bytes(entry, path));
  Attributes attributes = CCSAND_TRY(read_attributes(entry, path));
  if (archive_entry_hardlink(entry) != nullptr) return make_link(entry, path);
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return make_file(entry, path, attributes);
    case AE_IFDIR:
      return tree_.make_directory(path, attributes);
    case AE_IFLNK: {
      const char* target = archive_entry_symlink(entry);
      return tree_.make_symlink(path, target != nullptr ? target : "", attributes);
    }
    default:
      return refusal(path, forbidden_type(archive_entry_filetype(entry)));
  }
}

Result<void> Unpacker::make_link(struct archive_entry* entry, const std::string& path) {
  if (archive_entry_size(entry) > 0) return refusal(path, "a hard link with contents");
  auto target = clean_path(archive_entry_hardlink(entry), path);
  if (!target) return target.error().in("hard link's target");
  return tree_.make_hard_link(path, *target);
}

Result<void> Unpacker::make_file(struct archive_entry* entry, const std::string& path,
                                 const Attributes& attributes) {
  Fd file = CCSAND_TRY(tree_.create_file(path));
  CCSAND_TRY(write_contents(file.get(), static_cast<std::uint64_t>(archive_entry_size(entry)), path));
  return apply_attributes(file.get(), attributes, path);
}

Result<void> Unpacker::write_contents(int fd, std::uint64_t size, const std::string& path) {
  const void* data = nullptr;
  std::size_t length = 0;
  la_int64_t offset = 0;
  std::uint64_t end = 0;
  int status = ARCHIVE_OK;
  while ((status = archive_read_data_block(reader_.get(), &data, &length, &offset)) == ARCHIVE_OK) {
    auto at = static_cast<std::uint64_t>(offset);
    if (offset < 0 || at > size || length > size - at) return refusal(path, "contents beyond its size");
    for (std::size_t written = 0; written < length;) {
      written += CCSAND_TRY(sys::pwrite(fd, static_cast<const char*>(data) + written, length - written,
                                        offset + static_cast<std::int64_t>(written), path));
    }
    end = std::max(end, at + length);
  }
  if (status != ARCHIVE_EOF) return failure().in("entry '" + path + "'");
  // A file that ends in a hole.
  if (end < size) return sys::ftruncate(fd, static_cast<std::int64_t>(size));
  return {};
}

Result<void> verify(const UnpackRequest& request) {
  std::string actual = CCSAND_TRY(digest_of_file(request.archive));
  if (actual == lowercase(request.sha256)) return {};
  return make_error(EBADMSG, "", "archive", "its SHA-256 is " + actual + ", not " + lowercase(request.sha256),
                    "the file is damaged, or not the one that was meant");
}

Result<void> fill(Tree& tree, const UnpackRequest& request) {
  auto stream = CCSAND_TRY(Stream::create(request.archive, request.sha256.empty()));
  return Unpacker(*stream, tree, request).run();
}

}  // namespace

Result<void> unpack(const UnpackRequest& request) {
  if (!request.sha256.empty()) CCSAND_TRY(verify(request));
  Tree tree = CCSAND_TRY(Tree::open(request.directory, request.max_entries));
  auto outcome = fill(tree, request);
  if (!outcome && !tree.discard()) outcome.error().hint = "what was unpacked could not be removed";
  return outcome;
}

}  // namespace ccsand::imagetool
