// The one description of a failure, from the system call to the command line.
// It owns fixed-size text and nothing else, so that a child between clone and
// exec can fill it in shared memory without allocating.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ccsand {

// Text of at most N - 1 bytes. What does not fit is cut and ends in "...".
template <std::size_t N>
class FixedText {
  static_assert(N >= 8 && N <= 65535);

 public:
  FixedText() = default;
  FixedText(std::string_view text) { append(text); }        // NOLINT(*-explicit-*)
  FixedText(const char* text) { append(text); }              // NOLINT(*-explicit-*)
  FixedText(const std::string& text) { append(text); }       // NOLINT(*-explicit-*)

  FixedText& append(std::string_view text) {
    if (text.empty()) return *this;  // may be at nullptr, which memcpy must not get
    std::size_t room = N - 1 - size_;
    if (text.size() <= room) {
      std::memcpy(data_ + size_, text.data(), text.size());
      size_ = static_cast<std::uint16_t>(size_ + text.size());
    } else {
      std::memcpy(data_ + size_, text.data(), room);
      std::memcpy(data_ + N - 4, "...", 3);
      size_ = N - 1;
    }
    data_[size_] = '\0';
    return *this;
  }
  FixedText& append_number(long long value) {
    char digits[24];
    char* end = digits + sizeof digits;
    char* at = end;
    unsigned long long rest = value < 0 ? 0ULL - static_cast<unsigned long long>(value)
                                        : static_cast<unsigned long long>(value);
    do *--at = static_cast<char>('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0) *--at = '-';
    return append(std::string_view(at, static_cast<std::size_t>(end - at)));
  }
  void clear() { data_[size_ = 0] = '\0'; }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const char* c_str() const { return data_; }
  [[nodiscard]] std::string_view view() const { return {data_, size_}; }

 private:
  std::uint16_t size_ = 0;
  char data_[N] = {};
};

// Says what failed, on what, and why. `code` is an errno value. `reason` stands in
// for the errno's text where ccsand itself found the fault; `hint` says what to do.
// `operation` and `hint` are string literals.
struct Error {
  int code = 0;
  const char* operation = "";
  FixedText<448> subject;
  FixedText<1536> reason;
  FixedText<256> context;
  const char* hint = "";
  int exit_status = 125;  // of a program that ends with this error: 126 and 127 as a shell has them

  // The same error, found while doing `what`: "prepare rootfs: mount ...".
  [[nodiscard]] Error in(std::string_view what) const;

  // "context: operation subject: reason (CODE)", without the hint.
  [[nodiscard]] std::string message() const;
};

// The kernel's name of an errno value ("EPERM"), or "E?" for one it does not know.
const char* error_name(int code);

// An error of ccsand's own: bad input, or a rule of ours that was broken.
Error make_error(int code, const char* operation, std::string_view subject, std::string_view reason,
                 const char* hint = "");

}  // namespace ccsand
