// Telling a process from its forked copies.
#include "core/generation.hpp"

#include <sys/mman.h>

#include <new>

namespace ccsand {

std::uint64_t process_generation() {
  static std::uint64_t count = 0;
  static std::uint64_t* const number = [] {
    void* page = mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || madvise(page, sizeof(std::uint64_t), MADV_WIPEONFORK) != 0) throw std::bad_alloc();  // Linux 4.14
    return static_cast<std::uint64_t*>(page);
  }();
  if (*number == 0) *number = ++count;  // the kernel wipes it in every child
  return *number;
}

}  // namespace ccsand
