// A short-lived child enters the container and opens the file there; its table of descriptors is
// ccsand's own, so that what it opened is here. It executes nothing of the container.
#include "core/container_file.hpp"

#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>

#include "core/operation.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/namespace.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
constexpr int kNeverWait = O_NONBLOCK | O_NOCTTY;  // whatever it turns out to be

struct Answer {
  int fd;
  bool failed;
  Error error;
};
Answer* shared_answer() {
  void* page = mmap(nullptr, sizeof(Answer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? nullptr : new (page) Answer{-1, false, {}};
}

// In the child.
Result<Fd> enter_and_open(const Running& container, const char* path, int flags, unsigned mode) {
  Context context;
  CCSAND_TRY(apply(SetDumpable{false}, context));
  std::uint64_t kinds = CLONE_NEWNS;
  if (container.has_user_namespace()) kinds |= CLONE_NEWUSER;
  CCSAND_TRY(apply(JoinNamespace{kinds, {}, container.pidfd(), kNoSlot}, context));
  if (container.has_user_namespace()) CCSAND_TRY(apply(SetIdentity{0, 0, std::vector<gid_t>{}, false, false}, context));
  (void)sys::umask(0);
  return sys::openat2(AT_FDCWD, path, flags | kNeverWait, mode, RESOLVE_NO_MAGICLINKS);
}
}  // namespace

Result<Fd> open_in_container(const Running& container, const std::string& path, int flags, unsigned mode) {
  if (container.ended()) return make_error(ESRCH, "open", "'" + path + "'", "the container has ended");
  if (!path.starts_with('/')) return make_error(EINVAL, "open", "'" + path + "'", "must be an absolute path of the container");
  Answer* answer = shared_answer();
  if (answer == nullptr) return make_error(ENOMEM, "mmap", "a page shared with a child", "out of memory");
  sys::CloneRequest request;
  request.flags = CLONE_FILES;
  request.suspend_parent = true;  // until it has ended
  std::uint64_t mask = sys::block_all_signals();
  auto child = sys::clone_copy(request);
  if (child && child->pid == 0) {
    auto opened = enter_and_open(container, path.c_str(), flags, mode);
    answer->failed = !opened;
    if (opened) answer->fd = opened->release();
    else answer->error = opened.error();
    sys::exit_group(0);
  }
  sys::set_signal_mask(mask);
  Fd file;
  Error error;
  if (child) {
    (void)sys::waitid(P_PIDFD, child->pidfd.get(), WEXITED);
    file = Fd(answer->fd);
    error = answer->failed ? answer->error : make_error(ECHILD, "open", "'" + path + "'", "the child that opens it was killed");
  } else {
    error = child.error();
  }
  (void)munmap(answer, sizeof(Answer));  // ours
  if (!file.open()) return error.in("in the container");
  struct stat status = CCSAND_TRY(sys::fstatat(file.get(), "", AT_EMPTY_PATH));
  if (!S_ISREG(status.st_mode))
    return make_error(EINVAL, "open", "'" + path + "'", "is no regular file", "directories are copied by a command, such as tar; devices and FIFOs not at all").in("in the container");
  return file;
}

bool exists_in_container(const Running& container, const std::string& path) {
  if (container.ended()) return false;
  FixedText<64> root("/proc/");
  root.append_number(container.pid()).append("/root");
  auto directory = sys::open(root.c_str(), O_PATH | O_DIRECTORY);
  // To name a thing is not to open it: this touches neither devices nor FIFOs.
  return directory && sys::openat2(directory->get(), path.c_str(), O_PATH, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

Result<std::uint64_t> copy_bytes(int from, int to, std::uint64_t limit, const std::string& name) {
  std::array<char, 65536> part;
  std::uint64_t sum = 0;
  for (;;) {
    std::size_t size = CCSAND_TRY(sys::read(from, part.data(), part.size(), name));
    if (size == 0) return sum;
    sum += size;
    if (sum > limit) return make_error(EFBIG, "copy", "'" + name + "'", "has more than " + std::to_string(limit) + " bytes", "raise it: { limit = \"1G\" }");
    CCSAND_TRY(sys::write_all(to, {part.data(), size}, "the copy of " + name));
  }
}

}  // namespace ccsand
