// A run's descriptors.
#include "core/context.hpp"

#include "core/cgroup.hpp"

namespace ccsand {

Context::Context() = default;
Context::~Context() { close_all(); }
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;

void Context::put(Slot slot, Fd fd) {
  Fd before(std::exchange(fds[static_cast<std::size_t>(slot)], fd.release()));
}
Fd Context::take(Slot slot) { return Fd(std::exchange(fds[static_cast<std::size_t>(slot)], -1)); }
void Context::close_all() {
  if (!owns) return;
  for (int& fd : fds) Fd closing(std::exchange(fd, -1));
  for (auto& [kind, home] : home_namespaces) Fd closing(std::exchange(home, -1));
}

}  // namespace ccsand
