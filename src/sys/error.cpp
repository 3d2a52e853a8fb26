// The text of errors. strerror_l is avoided on purpose: message() may run in a
// child that must not take libc's locale lock.
#include "ccsand/error.hpp"

#include <cstring>

namespace ccsand {

Error Error::in(std::string_view what) const {
  Error outer = *this;
  outer.context.clear();
  outer.context.append(what);
  if (!context.empty()) outer.context.append(": ").append(context.view());
  return outer;
}

std::string Error::message() const {
  std::string text;
  if (!context.empty()) text.append(context.view()).append(": ");
  text.append(operation);
  if (!subject.empty()) text.append(*operation != '\0' ? " " : "").append(subject.view());
  if (!text.empty()) text.append(": ");
  if (!reason.empty()) {
    text.append(reason.view());
  } else {
    const char* words = strerrordesc_np(code);
    text.append(words != nullptr ? words : "unknown error");
    text.append(" (").append(error_name(code)).append(")");
  }
  return text;
}

const char* error_name(int code) {
  const char* name = strerrorname_np(code);
  return name != nullptr ? name : "E?";
}

Error make_error(int code, const char* operation, std::string_view subject, std::string_view reason,
                 const char* hint) {
  Error error;
  error.code = code;
  error.operation = operation;
  error.subject.append(subject);
  error.reason.append(reason);
  error.hint = hint;
  return error;
}

}  // namespace ccsand
