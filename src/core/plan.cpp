// Printing plans.
#include "core/plan.hpp"

namespace ccsand {

std::size_t Plan::clone_step() const {
  for (std::size_t i = 0; i < steps_.size(); ++i)
    if (std::holds_alternative<Clone>(steps_[i].operation)) return i;
  return steps_.size();
}

std::string Plan::line(std::size_t index) const {
  std::string digits = std::to_string(index + 1);
  std::string line(digits.size() < 3 ? 3 - digits.size() : 0, ' ');
  line += digits;
  line += steps_[index].side == Side::host ? "  host       " : "  container  ";
  return line + describe(steps_[index].operation);
}

std::string Plan::text() const {
  std::string text;
  for (std::size_t i = 0; i < steps_.size(); ++i) text += line(i) + "\n";
  return text;
}

}  // namespace ccsand
