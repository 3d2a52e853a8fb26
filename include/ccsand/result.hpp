// Result<T>: a value or an Error, with std::expected's method names (C++23).
#pragma once

#include <utility>
#include <variant>

#include "ccsand/error.hpp"

namespace ccsand {

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT(*-explicit-*)
  Result(const Error& error) : state_(std::in_place_index<1>, error) {}        // NOLINT(*-explicit-*)

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] T& value() { return *std::get_if<0>(&state_); }
  [[nodiscard]] const T& value() const { return *std::get_if<0>(&state_); }
  [[nodiscard]] T& operator*() { return value(); }
  [[nodiscard]] const T& operator*() const { return value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }
  [[nodiscard]] Error& error() { return *std::get_if<1>(&state_); }
  [[nodiscard]] const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(const Error& error) : state_(std::in_place_index<1>, error) {}        // NOLINT(*-explicit-*)

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  [[nodiscard]] Error& error() { return *std::get_if<1>(&state_); }
  [[nodiscard]] const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<std::monostate, Error> state_;
};

namespace detail {
template <typename T>
T take(Result<T>& result) {
  return std::move(result.value());
}
inline void take(Result<void>&) {}
}  // namespace detail

}  // namespace ccsand

// The value of `expression`, or leaves the calling function with its error.
#define CCSAND_TRY(expression)                                         \
  __extension__({                                                      \
    auto ccsand_result = (expression);                                 \
    if (!ccsand_result) return ccsand_result.error();                  \
    ::ccsand::detail::take(ccsand_result);                             \
  })
