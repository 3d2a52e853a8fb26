// What ccsand tells the program that performs a call (src/init/performer.cpp), which has
// no libc. Descriptors are numbers that both have; -1 is none.
#pragma once

#include <sys/syscall.h>

namespace ccsand {

struct PerformRequest {
  enum Kind { open, connect, bind, make_node, mount };
  enum { most_groups = 1024, longest_path = 4096, longest_address = 128, most_namespaces = 6 };

  int kind;
  unsigned uid[3], gid[3], fsuid, fsgid, umask;
  unsigned group_count, groups[most_groups];
  unsigned long long capabilities;
  unsigned long long flags, mode, resolve, device;
  int root, start;              // directories: chroot(2) to the one, then fchdir(2) to the other
  int user_namespace;           // entered last; -1 too where the call takes rights of ccsand's
  int namespaces[most_namespaces];
  int object;                   // a socket
  int ruleset;                  // Landlock's
  unsigned address_size;
  char address[longest_address];
  char path[longest_path], source[longest_path], type[64], data[longest_path];
};

// The answer: a value or -errno. For `open`, the descriptor comes with it (SCM_RIGHTS).
struct PerformResult {
  long long value;
};

}  // namespace ccsand
