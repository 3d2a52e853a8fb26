// The line on standard error that shows how far a download is.
#include "imagetool/progress.hpp"

#include <cinttypes>
#include <cstdio>

namespace ccsand::imagetool {

namespace {
constexpr auto kInterval = std::chrono::milliseconds(100);
}

void Progress::print() const {
  if (total_ > 0) {
    auto percent = static_cast<int>(100.0 * static_cast<double>(now_) / static_cast<double>(total_));
    (void)std::fprintf(stderr, "\r%" PRId64 " of %" PRId64 " bytes, %d%%", now_, total_, percent);
  } else {
    (void)std::fprintf(stderr, "\r%" PRId64 " bytes", now_);
  }
  (void)std::fflush(stderr);  // a line that cannot be shown is no reason to stop
}

void Progress::show(std::int64_t now, std::int64_t total) {
  now_ = now;
  total_ = total;
  if (now == 0) return;
  auto time = std::chrono::steady_clock::now();
  if (shown_ && time - printed_ < kInterval) return;
  printed_ = time;
  shown_ = true;
  print();
}

void Progress::end() {
  if (!shown_) return;
  print();
  (void)std::fputc('\n', stderr);
}

}  // namespace ccsand::imagetool
