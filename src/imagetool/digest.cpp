// SHA-256 through libcrypto.
#include "imagetool/digest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "imagetool/calls.hpp"
#include "sys/file.hpp"

namespace ccsand::imagetool {

namespace {
constexpr std::size_t kBufferSize = 1 << 16;

Error crypto_error(const char* call) { return make_error(EIO, "sha256", call, "libcrypto refused the call"); }
}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Result<Sha256> Sha256::create() {
  Sha256 digest(EVP_MD_CTX_new());
  if (digest.context_ == nullptr || EVP_DigestInit_ex(digest.context_.get(), EVP_sha256(), nullptr) != 1) {
    return crypto_error("EVP_DigestInit_ex");
  }
  return digest;
}

Result<void> Sha256::update(std::span<const char> data) {
  if (EVP_DigestUpdate(context_.get(), data.data(), data.size()) != 1)
    return crypto_error("EVP_DigestUpdate");
  return {};
}

Result<std::string> Sha256::hex() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_.get(), &bytes[0], &size) != 1) return crypto_error("EVP_DigestFinal_ex");
  std::string text;
  for (unsigned char byte : std::span(&bytes[0], size)) {
    text.push_back("0123456789abcdef"[byte >> 4]);
    text.push_back("0123456789abcdef"[byte & 15]);
  }
  return text;
}

Result<std::string> digest_of_input(int fd) {
  Sha256 digest = CCSAND_TRY(Sha256::create());
  std::vector<char> buffer(kBufferSize);
  while (std::size_t got = CCSAND_TRY(sys::read(fd, buffer.data(), buffer.size(), "standard input"))) {
    CCSAND_TRY(digest.update(std::span(buffer).first(got)));
  }
  return digest.hex();
}

Result<std::string> digest_of_file(int fd) {
  Sha256 digest = CCSAND_TRY(Sha256::create());
  std::vector<char> buffer(kBufferSize);
  std::int64_t offset = 0;
  while (std::size_t got = CCSAND_TRY(pread(fd, buffer, offset, "archive"))) {
    CCSAND_TRY(digest.update(std::span(buffer).first(got)));
    offset += static_cast<std::int64_t>(got);
  }
  return digest.hex();
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::string lowercase(std::string_view text) {
  std::string folded(text);
  std::transform(folded.begin(), folded.end(), folded.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return folded;
}

}  // namespace ccsand::imagetool
