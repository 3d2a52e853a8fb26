// ccsand-performer: makes one system call in the stead of a container's process, on a copy
// of its arguments, as far as possible as that process would make it: its ids, its
// namespaces, its root, its Landlock rules, its capabilities. It has no libc, nothing of
// ccsand's memory, and of its descriptors those that it was given.
//
//   ccsand-performer SOCKET
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <linux/signal.h>
#include <linux/uio.h>
#include <sys/syscall.h>

#include "bare.hpp"
#include "core/seccomp/perform_request.hpp"

namespace {

using namespace bare;
using ccsand::PerformRequest;
using ccsand::PerformResult;

constexpr Word kNotImplemented = -38;
PerformRequest request;

// What libc has in <sys/socket.h>.
struct Message {
  void* name;
  int name_size;
  iovec* parts;
  unsigned long part_count;
  void* control;
  unsigned long control_size;
  unsigned flags;
};
struct ControlHead {
  unsigned long size;
  int level, type;
};
constexpr int kSocketLevel = 1, kRights = 1, kNoSignal = 0x4000;

// The first that fails ends the row.
Word result = 0;
void then(Word number, Word a = 0, Word b = 0, Word c = 0, Word d = 0, Word e = 0) {
  if (result >= 0) result = call(number, a, b, c, d, e);
}

void set_capabilities(unsigned long long set) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  auto low = static_cast<unsigned>(set), high = static_cast<unsigned>(set >> 32);
  __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  then(SYS_capset, address(&header), address(&data[0]));
}

void take_ids() {
  then(SYS_prctl, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);  // capabilities go where we say
  then(SYS_setgroups, request.group_count, address(&request.groups[0]));
  then(SYS_setresgid, request.gid[0], request.gid[1], request.gid[2]);
  then(SYS_setresuid, request.uid[0], request.uid[1], request.uid[2]);
  if (result < 0) return;
  call(SYS_setfsgid, request.fsgid);  // they answer the old ones, not errors
  call(SYS_setfsuid, request.fsuid);
  call(SYS_umask, request.umask);
}

void take_place() {
  // The controlling terminal and the keys of whoever runs ccsand are not the container's.
  then(SYS_setsid);
  then(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
  if (result == kNotImplemented) result = 0;  // a kernel without keys
  take_ids();
  for (int space : request.namespaces)
    if (space >= 0) then(SYS_setns, space, 0);
  then(SYS_fchdir, request.root);
  then(SYS_chroot, address("."));
  then(SYS_fchdir, request.start);
  // Last: in it, there is no right to join what belongs to others.
  if (request.user_namespace >= 0) then(SYS_setns, request.user_namespace, CLONE_NEWUSER);
  then(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
  if (request.ruleset >= 0) then(SYS_landlock_restrict_self, request.ruleset, 0);
  // From the exec on it can be looked into, by whoever has all of its rights: before they are the caller's it cannot any more.
  then(SYS_prctl, PR_SET_DUMPABLE, 0);
  set_capabilities(request.capabilities);
  // Was cleared by what went before; and ccsand may have died meanwhile: its end of the socket is closed then.
  then(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
}

// Of a node or a mount, the directory is found first, without links of /proc, which could
// lead out of the root; then what is in it by its name.
Word in_directory_of(char* path, char** name) {
  Word size = length(path), slash = size;
  while (slash > 0 && path[slash - 1] != '/') --slash;
  *name = path + slash;
  open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_MAGICLINKS;
  static char here[] = ".";
  static char top[] = "/";
  if (slash == 0) return call(SYS_openat2, AT_FDCWD, address(&here[0]), address(&how), sizeof how);
  if (slash == 1) return call(SYS_openat2, AT_FDCWD, address(&top[0]), address(&how), sizeof how);
  path[slash - 1] = '\0';
  return call(SYS_openat2, AT_FDCWD, address(path), address(&how), sizeof how);
}

Word perform() {
  char* name = nullptr;
  switch (request.kind) {
    case PerformRequest::open: {
      open_how how = {};
      how.flags = request.flags | O_CLOEXEC;  // the caller's copy has its own flag
      how.mode = request.mode;
      how.resolve = request.resolve | RESOLVE_NO_MAGICLINKS;  // they would be this process's own
      return call(SYS_openat2, AT_FDCWD, address(&request.path[0]), address(&how), sizeof how);
    }
    case PerformRequest::connect: return call(SYS_connect, request.object, address(&request.address[0]), request.address_size);
    case PerformRequest::bind: return call(SYS_bind, request.object, address(&request.address[0]), request.address_size);
    case PerformRequest::make_node: {
      Word directory = in_directory_of(&request.path[0], &name);
      if (directory < 0) return directory;
      return call(SYS_mknodat, directory, address(name), static_cast<Word>(request.mode), static_cast<Word>(request.device));
    }
    case PerformRequest::mount: {
      open_how how = {};
      how.flags = O_PATH | O_CLOEXEC;
      how.resolve = RESOLVE_NO_MAGICLINKS;
      Word target = call(SYS_openat2, AT_FDCWD, address(&request.path[0]), address(&how), sizeof how);
      if (target < 0) return target;
      Word moved = call(SYS_fchdir, target);
      if (moved < 0) return moved;
      return call(SYS_mount, address(&request.source[0]), address("."), address(&request.type[0]), static_cast<Word>(request.flags), address(&request.data[0]));
    }
    default: return kNotImplemented;
  }
}

void answer(int socket, Word value, Word fd) {
  PerformResult text = {value};
  iovec part = {&text, sizeof text};
  struct {
    ControlHead head;
    int fd;
  } control = {{sizeof(ControlHead) + sizeof(int), kSocketLevel, kRights}, static_cast<int>(fd)};
  Message message = {nullptr, 0, &part, 1, fd >= 0 ? &control : nullptr, fd >= 0 ? sizeof control : 0, 0};
  call(SYS_sendmsg, socket, address(&message), kNoSignal);
}

bool supervisor_has_gone(int socket) {
  // Nothing was sent besides the request: an end of the stream is the end of ccsand.
  char byte = 0;
  constexpr int kPeek = 2, kDoNotWait = 0x40;
  return call(SYS_recvfrom, socket, address(&byte), 1, kPeek | kDoNotWait) == 0;
}

int number(const char* text) {
  int value = 0;
  for (; *text >= '0' && *text <= '9'; ++text) value = value * 10 + (*text - '0');
  return value;
}

[[noreturn]] void run(int count, char** arguments) {
  if (count < 2) leave(2);
  int socket = number(arguments[1]);
  if (call(SYS_read, socket, address(&request), sizeof request) != static_cast<Word>(sizeof request)) leave(1);
  take_place();
  if (supervisor_has_gone(socket)) leave(1);
  if (result >= 0) result = perform();
  bool opened = request.kind == PerformRequest::open && result >= 0;
  answer(socket, opened ? 0 : result, opened ? result : -1);
  leave(0);
}

}  // namespace

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n\thlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x0, sp\n\tbl begin\n\tbrk 1\n");
#endif
extern "C" [[noreturn]] void begin(long* stack);
void begin(long* stack) { run(static_cast<int>(stack[0]), reinterpret_cast<char**>(stack + 1)); }
