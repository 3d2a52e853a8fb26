// ccsand.sys: files, descriptors and sysctls.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "bindings/sys.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/socket.hpp"

namespace ccsand {

namespace {
constexpr Name kOpenFlags[] = {{"rdonly", O_RDONLY},       {"wronly", O_WRONLY},     {"rdwr", O_RDWR},
                               {"creat", O_CREAT},         {"excl", O_EXCL},         {"trunc", O_TRUNC},
                               {"append", O_APPEND},       {"directory", O_DIRECTORY}, {"nofollow", O_NOFOLLOW},
                               {"path", O_PATH},           {"nonblock", O_NONBLOCK}, {"noctty", O_NOCTTY},
                               {"sync", O_SYNC},           {"tmpfile", O_TMPFILE}};
constexpr Name kNodeKinds[] = {
    {"char", S_IFCHR}, {"block", S_IFBLK}, {"fifo", S_IFIFO}, {"socket", S_IFSOCK}, {"file", S_IFREG}};

// The place of a positional path, with the options that follow it.
Result<Place> place_argument(lua_State* L, OneShot& shot, int path, int options, const char* function) {
  std::string text = CCSAND_TRY(text_argument(L, path, function));
  auto table = CCSAND_TRY(options_argument(L, options, function));
  Place place = CCSAND_TRY(place_in(shot, text, table ? &*table : nullptr));
  if (table) CCSAND_TRY(table->finish());
  return place;
}

// open(path, flags, { mode =, root = })
Result<int> open_body(lua_State* L) {
  std::string path = CCSAND_TRY(text_argument(L, 1, "open"));
  std::uint64_t flags = O_RDONLY;
  if (!lua_isnoneornil(L, 2)) flags = CCSAND_TRY(bits_value(L, 2, kOpenFlags, "open.flags", false));
  unsigned mode = 0600;
  int root = -1;
  if (auto options = CCSAND_TRY(options_argument(L, 3, "open"))) {
    CCSAND_TRY(mode_key(*options, "mode", mode));
    root = CCSAND_TRY(descriptor_key(*options, "root"));
    CCSAND_TRY(options->finish());
  }
  bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  if (!makes) mode = 0;  // openat2 refuses it otherwise
  Descriptor& descriptor = push_descriptor(L);
  std::uint64_t resolve = root >= 0 ? RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS : 0;
  descriptor.fd = CCSAND_TRY(sys::openat2(root >= 0 ? root : AT_FDCWD, path.c_str(), static_cast<int>(flags), mode, resolve));
  return 1;
}
Result<int> pipe_body(lua_State* L) {
  Descriptor& read = push_descriptor(L);
  Descriptor& write = push_descriptor(L);
  sys::Pipe pipe = CCSAND_TRY(sys::pipe2(0));
  read.fd = std::move(pipe.read);
  write.fd = std::move(pipe.write);
  return 2;
}
Result<int> socketpair_body(lua_State* L) {
  Descriptor& first = push_descriptor(L);
  Descriptor& second = push_descriptor(L);
  sys::SocketPair pair = CCSAND_TRY(sys::socketpair(SOCK_SEQPACKET));
  first.fd = std::move(pair.first);
  second.fd = std::move(pair.second);
  return 2;
}
// send_descriptor(socket, descriptor, text)
Result<int> send_descriptor_body(lua_State* L) {
  int socket = CCSAND_TRY(descriptor_argument(L, 1, "send_descriptor"));
  int fd = CCSAND_TRY(descriptor_argument(L, 2, "send_descriptor"));
  std::string_view text(".");  // a message has at least a byte
  if (!lua_isnoneornil(L, 3)) {
    if (lua_type(L, 3) != LUA_TSTRING) return make_error(EINVAL, "send_descriptor", "", "takes text as its third argument");
    std::size_t size = 0;
    const char* data = lua_tolstring(L, 3, &size);
    if (size > 0) text = {data, size};
  }
  if (text.size() > 4096) return make_error(EMSGSIZE, "send_descriptor", "", "takes at most 4096 bytes of text");
  CCSAND_TRY(sys::send_message(socket, text, fd));
  return 0;
}
// receive_descriptor(socket): the descriptor and the text; nothing where the other end is closed.
Result<int> receive_descriptor_body(lua_State* L) {
  int socket = CCSAND_TRY(descriptor_argument(L, 1, "receive_descriptor"));
  Descriptor& descriptor = push_descriptor(L);
  char text[4096];
  sys::Message message = CCSAND_TRY(sys::receive_message(socket, &text[0], sizeof text));
  if (message.size == 0) return lua_pushnil(L), 1;
  if (!message.fd.open()) return make_error(ENOMSG, "receive_descriptor", "", "the message carries no descriptor");
  descriptor.fd = std::move(message.fd);
  push_text(L, {&text[0], message.size});
  return 2;
}
// dup2(from, number): also stays open at exec.
Result<int> dup2_body(lua_State* L) {
  OneShot shot;
  int from = CCSAND_TRY(descriptor_argument(L, 1, "dup2"));
  auto to = static_cast<int>(CCSAND_TRY(integer_argument(L, 2, "dup2", 0, 1 << 20)));
  return shot.run(Redirect{{{from, to}}, kNoSlot});
}
// close_range(first, { keep = { numbers } }): at exec, because a descriptor that is
// closed under its userdata would be closed again when it is another file's.
Result<int> close_range_body(lua_State* L) {
  OneShot shot;
  CloseDescriptors op;
  if (!lua_isnoneornil(L, 1)) op.first = static_cast<unsigned>(CCSAND_TRY(integer_argument(L, 1, "close_range", 0, 1 << 30)));
  if (auto options = CCSAND_TRY(options_argument(L, 2, "close_range"))) {
    std::vector<std::int64_t> keep;
    CCSAND_TRY(options->integers("keep", keep, 0, 1 << 30));
    CCSAND_TRY(options->finish());
    op.keep.assign(keep.begin(), keep.end());
    std::sort(op.keep.begin(), op.keep.end());
  }
  return shot.run(op);
}

// mkdir(path, mode, { parents =, root = })
Result<int> mkdir_body(lua_State* L) {
  OneShot shot;
  MakeDirectory op;
  std::string path = CCSAND_TRY(text_argument(L, 1, "mkdir"));
  if (!lua_isnoneornil(L, 2)) op.mode = CCSAND_TRY(mode_value(L, 2, "mkdir.mode"));
  auto options = CCSAND_TRY(options_argument(L, 3, "mkdir"));
  op.place = CCSAND_TRY(place_in(shot, path, options ? &*options : nullptr));
  if (options) {
    CCSAND_TRY(options->boolean("parents", op.parents));
    CCSAND_TRY(options->finish());
  }
  return shot.run(op);
}
// mknod(path, kind, mode, major, minor, { root = })
Result<int> mknod_body(lua_State* L) {
  OneShot shot;
  MakeNode op;
  auto kind = static_cast<unsigned>(CCSAND_TRY(word_value(L, 2, kNodeKinds, "mknod.kind")));
  op.mode = kind | CCSAND_TRY(mode_value(L, 3, "mknod.mode"));
  if (kind == S_IFCHR || kind == S_IFBLK) {
    op.major = static_cast<unsigned>(CCSAND_TRY(integer_argument(L, 4, "mknod", 0, 4095)));
    op.minor = static_cast<unsigned>(CCSAND_TRY(integer_argument(L, 5, "mknod", 0, 1048575)));
  }
  op.place = CCSAND_TRY(place_argument(L, shot, 1, 6, "mknod"));
  return shot.run(op);
}
// symlink(target, path, { root = })
Result<int> symlink_body(lua_State* L) {
  OneShot shot;
  MakeSymlink op;
  op.target = CCSAND_TRY(text_argument(L, 1, "symlink"));
  op.place = CCSAND_TRY(place_argument(L, shot, 2, 3, "symlink"));
  return shot.run(op);
}
// chown(path, uid, gid, { root = }); -1 leaves an id as it is
Result<int> chown_body(lua_State* L) {
  OneShot shot;
  ChangeOwner op;
  op.uid = static_cast<uid_t>(CCSAND_TRY(integer_argument(L, 2, "chown", -1, 4294967294)));
  op.gid = static_cast<gid_t>(CCSAND_TRY(integer_argument(L, 3, "chown", -1, 4294967294)));
  op.place = CCSAND_TRY(place_argument(L, shot, 1, 4, "chown"));
  return shot.run(op);
}
// chmod(path, mode, { root = })
Result<int> chmod_body(lua_State* L) {
  OneShot shot;
  ChangeMode op;
  op.mode = CCSAND_TRY(mode_value(L, 2, "chmod.mode"));
  op.place = CCSAND_TRY(place_argument(L, shot, 1, 3, "chmod"));
  return shot.run(op);
}
// chdir(path, { root = }) or chdir(descriptor)
Result<int> chdir_body(lua_State* L) {
  OneShot shot;
  ChangeDirectory op;
  if (lua_type(L, 1) == LUA_TSTRING) op.place = CCSAND_TRY(place_argument(L, shot, 1, 2, "chdir"));
  else op.place.base = shot.lend(CCSAND_TRY(descriptor_argument(L, 1, "chdir")));
  return shot.run(op);
}
Result<int> chroot_body(lua_State* L) {
  OneShot shot;
  return shot.run(ChangeRoot{CCSAND_TRY(text_argument(L, 1, "chroot"))});
}
// umask(mask): the mask before, as octal text
Result<int> umask_body(lua_State* L) {
  unsigned before = sys::umask(static_cast<mode_t>(CCSAND_TRY(mode_value(L, 1, "umask"))));
  const char text[] = {'0', static_cast<char>('0' + (before >> 6 & 7)), static_cast<char>('0' + (before >> 3 & 7)),
                       static_cast<char>('0' + (before & 7))};
  push_text(L, {&text[0], sizeof text});
  return 1;
}

// sysctl(name): its text; sysctl(name, value): sets it
Result<int> sysctl_body(lua_State* L) {
  std::string name = CCSAND_TRY(text_argument(L, 1, "sysctl"));
  // As sysctl(8): slashes, where there are any, else dots.
  if (name.find('/') == std::string::npos) std::replace(name.begin(), name.end(), '.', '/');
  if (name.empty() || name.front() == '/' || ("/" + name + "/").find("/../") != std::string::npos)
    return make_error(EINVAL, "sysctl", name, "is not the name of a sysctl");
  std::string path = "/proc/sys/" + name;
  if (!lua_isnoneornil(L, 2)) {
    OneShot shot;
    if (lua_type(L, 2) != LUA_TSTRING && lua_type(L, 2) != LUA_TNUMBER)
      return make_error(EINVAL, "sysctl", name, "takes a string or a number");
    return shot.run(WriteFile{{kNoSlot, path}, lua_tostring(L, 2)});
  }
  Fd file = CCSAND_TRY(sys::open(path.c_str(), O_RDONLY));
  std::string text;
  char part[4096];
  while (std::size_t size = CCSAND_TRY(sys::read(file.get(), &part[0], sizeof part, path))) text.append(&part[0], size);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  push_text(L, text);
  return 1;
}

constexpr Function kFunctions[] = {{"open", binding<open_body>},
                                   {"pipe", binding<pipe_body>},
                                   {"socketpair", binding<socketpair_body>},
                                   {"send_descriptor", binding<send_descriptor_body>},
                                   {"receive_descriptor", binding<receive_descriptor_body>},
                                   {"dup2", binding<dup2_body>},
                                   {"close_range", binding<close_range_body>},
                                   {"mkdir", binding<mkdir_body>},
                                   {"mknod", binding<mknod_body>},
                                   {"symlink", binding<symlink_body>},
                                   {"chown", binding<chown_body>},
                                   {"chmod", binding<chmod_body>},
                                   {"chdir", binding<chdir_body>},
                                   {"chroot", binding<chroot_body>},
                                   {"umask", binding<umask_body>},
                                   {"sysctl", binding<sysctl_body>}};
}  // namespace

void add_file_functions(lua_State* L) { register_functions(L, kFunctions); }

}  // namespace ccsand
