// Locking what is lent. The kernel locks the attributes of mounts (MNT_LOCK_*) when a
// mount namespace is copied into a less privileged user namespace, and only then
// (mount_namespaces(7)). A short-lived process makes such a copy; clones of its mounts
// keep the locks, and take the place of the trees.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <new>

#include "core/operations/mounts.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/mount.hpp"
#include "sys/namespace.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kMostTrees = 1024;

// What the process tells. It shares the table of descriptors, too.
struct Report {
  Error error;
  bool failed = true;  // until it has come to its end
  int copies[kMostTrees];
};

Result<void> attach_trees(const LockMounts& op, const Context& context) {
  sys::MountAttributes own;
  own.propagation = MS_PRIVATE;
  CCSAND_TRY(sys::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, own, "/"));
  Fd fs = CCSAND_TRY(sys::fsopen("tmpfs"));
  CCSAND_TRY(sys::fsconfig_create(fs.get(), "tmpfs"));
  Fd stage = CCSAND_TRY(sys::fsmount(fs.get(), 0));
  CCSAND_TRY(sys::move_mount(stage.get(), "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH, "tmpfs", "/"));
  CCSAND_TRY(sys::fchdir(stage.get(), "the stage"));
  CCSAND_TRY(sys::chroot("."));  // what is not at the root of its mounts makes no user namespace
  for (std::size_t i = 0; i < op.trees.size(); ++i) {
    int tree = context.fd(op.trees[i]);
    if (tree < 0) continue;  // an optional source that was not there
    FixedText<16> name;
    name.append_number(static_cast<long long>(i));
    auto status = CCSAND_TRY(sys::fstatat(tree, "", AT_EMPTY_PATH));
    if (S_ISDIR(status.st_mode)) CCSAND_TRY(sys::mkdirat(AT_FDCWD, name.c_str(), 0700));
    else CCSAND_TRY(sys::mknodat(AT_FDCWD, name.c_str(), S_IFREG | 0600, 0));
    CCSAND_TRY(sys::move_mount(tree, "", AT_FDCWD, name.c_str(), MOVE_MOUNT_F_EMPTY_PATH, "tree", name.view()));
  }
  return {};
}

Result<void> copy_locked(const LockMounts& op, const Context& context, Report& report) {
  CCSAND_TRY(attach_trees(op, context));
  CCSAND_TRY(sys::unshare(CLONE_NEWUSER | CLONE_NEWNS));
  for (std::size_t i = 0; i < op.trees.size(); ++i) {
    if (context.fd(op.trees[i]) < 0) continue;
    FixedText<16> name;
    name.append_number(static_cast<long long>(i));
    report.copies[i] = CCSAND_TRY(sys::open_tree(AT_FDCWD, name.c_str(), OPEN_TREE_CLONE | AT_RECURSIVE)).release();
  }
  return {};
}

Result<void> run_copier(const LockMounts& op, const Context& context, Report& report) {
  sys::CloneRequest request;
  request.flags = CLONE_NEWNS | CLONE_FILES;
  auto child = CCSAND_TRY(sys::clone_copy(request));
  if (child.pid == 0) {
    auto done = copy_locked(op, context, report);
    if (!done) report.error = done.error();
    report.failed = !done;
    sys::exit_group(0);
  }
  CCSAND_TRY(sys::waitid(P_PIDFD, child.pidfd.get(), WEXITED));
  if (!report.failed) return {};
  if (report.error.code == 0) return make_error(ECHILD, "lock mounts", "", "the process that copies them was killed");
  return report.error;
}
}  // namespace

Result<void> apply(const LockMounts& op, Context& context) {
  if (op.trees.size() > kMostTrees) return make_error(E2BIG, "lock mounts", "", "more than 1024 trees");
  void* memory = mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return make_error(ENOMEM, "mmap", "the report of a process", "out of memory");
  auto* report = new (memory) Report;
  for (int& copy : report->copies) copy = -1;
  auto done = run_copier(op, context, *report);
  for (std::size_t i = 0; i < op.trees.size(); ++i) {
    Fd copy(report->copies[i]);
    if (done && copy.open()) context.put(op.trees[i], std::move(copy));
  }
  (void)munmap(memory, sizeof(Report));  // ours, and whole
  return done;
}

}  // namespace ccsand
