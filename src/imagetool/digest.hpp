// SHA-256 through libcrypto.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ccsand/result.hpp"

struct evp_md_ctx_st;

namespace ccsand::imagetool {

class Sha256 {
 public:
  static Result<Sha256> create();

  Result<void> update(std::span<const char> data);
  Result<std::string> hex();  // ends the computation; 64 lowercase digits

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  explicit Sha256(evp_md_ctx_st* context) : context_(context) {}

  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// The digest of everything that read(2) gives; for pipes, too.
Result<std::string> digest_of_input(int fd);

// The digest of a regular file from its first byte; its file offset stays as it is.
Result<std::string> digest_of_file(int fd);

// Whether `text` is a SHA-256 in hexadecimal. Either case is taken; lowercase() folds it.
bool is_sha256(std::string_view text);
std::string lowercase(std::string_view text);

}  // namespace ccsand::imagetool
