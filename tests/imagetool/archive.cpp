// Archives for the tests.
#include "archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>

namespace ccsand::test {

namespace {
la_ssize_t append(struct archive*, void* bytes, const void* data, std::size_t size) {
  static_cast<std::string*>(bytes)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

struct archive* open_writer(std::string_view filter, std::string_view format, std::string& bytes) {
  struct archive* writer = archive_write_new();
  REQUIRE(writer != nullptr);
  if (!filter.empty()) {
    REQUIRE(archive_write_add_filter_by_name(writer, std::string(filter).c_str()) == ARCHIVE_OK);
  }
  REQUIRE(archive_write_set_format_by_name(writer, std::string(format).c_str()) == ARCHIVE_OK);
  REQUIRE(archive_write_set_bytes_in_last_block(writer, 1) == ARCHIVE_OK);
  REQUIRE(archive_write_open(writer, &bytes, nullptr, append, nullptr) == ARCHIVE_OK);
  return writer;
}

// ustar's fields, by offset and length.
void put(std::string& header, std::size_t offset, std::string_view text) {
  header.replace(offset, text.size(), text);
}

std::string octal(std::uint64_t number, int digits) {
  char text[32];
  std::snprintf(&text[0], sizeof text, "%0*llo", digits, static_cast<unsigned long long>(number));
  return &text[0];
}
}  // namespace

Tar::Tar(std::string_view filter, std::string_view format) : writer_(open_writer(filter, format, bytes_)) {}

Tar::~Tar() { archive_write_free(writer_); }

Tar& Tar::add(const char* path, unsigned type, const Change& change, std::string_view contents) {
  struct archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, path);
  archive_entry_set_filetype(entry, type);
  archive_entry_set_perm(entry, 0644);
  // Ours, so that most tests need not be root.
  archive_entry_set_uid(entry, geteuid());
  archive_entry_set_gid(entry, getegid());
  archive_entry_set_mtime(entry, 1'000'000'000, 0);
  archive_entry_set_size(entry, static_cast<la_int64_t>(contents.size()));
  if (change) change(entry);
  // ARCHIVE_WARN: a name that is not ASCII.
  CHECK(archive_write_header(writer_, entry) >= ARCHIVE_WARN);
  if (!contents.empty()) CHECK(archive_write_data(writer_, contents.data(), contents.size()) >= 0);
  archive_entry_free(entry);
  return *this;
}

Tar& Tar::file(const char* path, std::string_view contents, const Change& change) {
  return add(path, AE_IFREG, change, contents);
}
Tar& Tar::directory(const char* path, unsigned mode, const Change& change) {
  return add(path, AE_IFDIR, [&](struct archive_entry* entry) {
    archive_entry_set_perm(entry, static_cast<__LA_MODE_T>(mode));
    if (change) change(entry);
  });
}
Tar& Tar::symlink(const char* path, const char* target) {
  return add(path, AE_IFLNK, [&](struct archive_entry* entry) { archive_entry_set_symlink(entry, target); });
}
Tar& Tar::hard_link(const char* path, const char* target) {
  return add(path, AE_IFREG, [&](struct archive_entry* entry) { archive_entry_set_hardlink(entry, target); });
}
Tar& Tar::node(const char* path, unsigned type) {
  return add(path, type, [](struct archive_entry* entry) { archive_entry_set_rdev(entry, 0x103); });
}

std::string Tar::done() {
  CHECK(archive_write_close(writer_) == ARCHIVE_OK);
  return bytes_;
}

std::string raw_entry(const RawEntry& entry) {
  std::string header(512, '\0');
  put(header, 0, entry.name);
  put(header, 100, "0000644");
  put(header, 108, octal(geteuid(), 7));
  put(header, 116, octal(getegid(), 7));
  put(header, 124, entry.size.empty() ? octal(entry.contents.size(), 11) : entry.size);
  put(header, 136, "00000000000");
  put(header, 148, "        ");
  header[156] = entry.type;
  put(header, 157, entry.target);
  put(header, 257, std::string_view("ustar\00000", 8));
  unsigned sum = 0;
  for (char c : header) sum += static_cast<unsigned char>(c);
  put(header, 148, octal(sum, 6) + '\0');
  std::string padded = entry.contents;
  padded.resize((padded.size() + 511) / 512 * 512);
  return header + padded;
}

std::string tar_end() { return std::string(1024, '\0'); }

std::string raw_tar(const std::initializer_list<RawEntry>& entries) {
  std::string bytes;
  for (const RawEntry& entry : entries) bytes += raw_entry(entry);
  return bytes + tar_end();
}

std::string compress(std::string_view data, const char* filter) {
  std::string bytes;
  struct archive* writer = open_writer(filter, "raw", bytes);
  struct archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  CHECK(archive_write_header(writer, entry) == ARCHIVE_OK);
  CHECK(archive_write_data(writer, data.data(), data.size()) >= 0);
  CHECK(archive_write_close(writer) == ARCHIVE_OK);
  archive_entry_free(entry);
  archive_write_free(writer);
  return bytes;
}

}  // namespace ccsand::test
