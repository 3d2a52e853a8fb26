// The memory that both sides of a launch meet in, and the stack of a child that shares the parent's.
#include <sys/mman.h>
#include <sys/prctl.h>

#include <cerrno>

#include "core/generation.hpp"
#include "core/launching.hpp"
#include "sys/process.hpp"

namespace ccsand::launching {

namespace {
std::vector<Arena> free_arenas;  // kept: a launch needs one for a moment

Result<Arena> make_arena() {
  constexpr std::size_t kBlockSize = sizeof(Block) + kExecSpace;
  void* block = mmap(nullptr, kBlockSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (block == MAP_FAILED) return make_error(ENOMEM, "mmap", "the page shared with the container", "out of memory");
  // The lowest page stays without access: an overflow ends the child, not the parent's heap.
  void* stack = mmap(nullptr, kStackSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED || mprotect(static_cast<char*>(stack) + 4096, kStackSize - 4096, PROT_READ | PROT_WRITE) != 0) {
    (void)munmap(block, kBlockSize);  // ours, just made
    return make_error(ENOMEM, "mmap", "the container's stack", "out of memory");
  }
  return Arena{static_cast<Block*>(block), static_cast<char*>(stack), process_generation()};
}
}  // namespace

Result<Arena> take_arena() {
  Arena arena;
  while (!free_arenas.empty() && arena.block == nullptr) {
    if (free_arenas.back().owner == process_generation()) arena = free_arenas.back();
    free_arenas.pop_back();
  }
  if (arena.block == nullptr) arena = CCSAND_TRY(make_arena());
  Block& block = *arena.block;
  block.host_done = block.child_done = block.running = block.failed = block.holding = block.released = 0;
  block.terminal = block.listener = -1;
  block.words = {};
  return arena;
}
void return_arena(const Arena& arena) {
  if (arena.block != nullptr && arena.owner == process_generation()) free_arenas.push_back(arena);
}
namespace {
int kept_pidfd = -1;
std::uint64_t pidfd_owner = 0;  // a forked copy is another process
}  // namespace
Result<void> prepare_process() {
  CCSAND_TRY(sys::prctl(PR_SET_DUMPABLE, 0, 0, 0, "PR_SET_DUMPABLE"));  // what is executed has new memory
  if (pidfd_owner == process_generation()) return {};
  kept_pidfd = CCSAND_TRY(sys::pidfd_open(sys::getpid())).release();
  pidfd_owner = process_generation();
  return {};
}
int own_pidfd() { return kept_pidfd; }

}  // namespace ccsand::launching
