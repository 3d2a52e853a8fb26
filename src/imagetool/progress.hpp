// The line on standard error that shows how far a download is.
#pragma once

#include <chrono>
#include <cstdint>

namespace ccsand::imagetool {

class Progress {
 public:
  // `total` is 0 where the server did not say. Prints at most ten times a second.
  void show(std::int64_t now, std::int64_t total);
  void end();  // shows the last figures and ends the line, if there is one

 private:
  void print() const;

  std::chrono::steady_clock::time_point printed_;
  std::int64_t now_ = 0;
  std::int64_t total_ = 0;
  bool shown_ = false;
};

}  // namespace ccsand::imagetool
