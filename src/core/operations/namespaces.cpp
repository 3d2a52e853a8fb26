// Namespaces. What the container's side runs allocates nothing.
#include "core/operations/namespaces.hpp"

#include <fcntl.h>

#include <cerrno>

#include "core/names.hpp"
#include "core/operations/describe.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/namespace.hpp"

namespace ccsand {

namespace {
Result<void> join(std::uint64_t kind, const std::string& path, int fd, std::string_view what) {
  if (fd >= 0) return sys::setns(fd, kind, what);
  Fd opened = CCSAND_TRY(sys::open(path.c_str(), O_RDONLY));
  auto done = sys::setns(opened.get(), kind, path);
  if (!done && done.error().code == EINVAL) {
    Error error = done.error();
    error.hint = "the path is not a namespace of this kind, or it is the one that is joined already";
    return error;
  }
  return done;
}

using ProcPath = FixedText<64>;
ProcPath of_child(pid_t pid, std::string_view file) {
  ProcPath path("/proc/");
  path.append_number(pid).append("/").append(file);
  return path;
}
Result<void> write_once(const char* path, std::string_view text) {
  Fd file = CCSAND_TRY(sys::open(path, O_WRONLY));
  CCSAND_TRY(sys::write(file.get(), text.data(), text.size(), path));
  return {};
}
using Offsets = FixedText<128>;
Offsets offsets_of(const EnterTimeNamespace& op, std::string_view end) {
  Offsets text;
  auto append = [&text, end](std::string_view clock, std::int64_t nanoseconds) {
    std::int64_t seconds = nanoseconds / 1'000'000'000;
    std::int64_t rest = nanoseconds % 1'000'000'000;
    if (rest < 0) rest += 1'000'000'000, --seconds;
    text.append(clock).append(" ").append_number(seconds).append(" ").append_number(rest).append(end);
  };
  append("monotonic", op.monotonic_ns);
  append("boottime", op.boottime_ns);
  return text;
}
}  // namespace

Result<void> apply(const Clone&, Context&) {
  return make_error(EINVAL, "clone", "", "is carried out by the executor");
}
Result<void> apply(const Unshare& op, Context&) { return sys::unshare(op.namespaces); }
Result<void> apply(const JoinNamespace& op, Context& context) {
  int fd = op.slot != kNoSlot ? context.fd(op.slot) : op.fd;
  return join(op.kind, op.path, fd, word_of(namespace_names(), op.kind));
}
Result<void> apply(const OpenNamespacePath& op, Context& context) {
  context.put(op.out, CCSAND_TRY(sys::open(op.path.c_str(), O_RDONLY)));
  return {};
}
Result<void> apply(const JoinForChild& op, Context& context) {
  std::string_view word = word_of(namespace_names(), op.kind);
  if (op.restore) {
    for (auto& [kind, home] : context.home_namespaces) {
      if (kind != op.kind || home < 0) continue;
      Fd own(std::exchange(home, -1));
      return sys::setns(own.get(), kind, word);
    }
    return {};
  }
  FixedText<64> path("/proc/self/ns/");
  path.append(word);
  Fd own = CCSAND_TRY(sys::open(path.c_str(), O_RDONLY));
  auto joined = sys::setns(op.slot != kNoSlot ? context.fd(op.slot) : op.fd, op.kind, word);
  if (!joined && joined.error().code == EUSERS) {  // time: not where the memory is shared
    Error error = joined.error();
    error.hint = "while other containers are being started or wait in pools, a time namespace is joined without a new user namespace only";
    return error;
  }
  CCSAND_TRY(joined);
  context.home_namespaces.emplace_back(op.kind, own.release());
  return {};
}
Result<void> apply(const EnterTimeNamespace& op, Context&) {
  CCSAND_TRY(sys::unshare(CLONE_NEWTIME));  // of its children
  CCSAND_TRY(write_once("/proc/self/timens_offsets", offsets_of(op, "\n").view()));
  Fd made = CCSAND_TRY(sys::open("/proc/self/ns/time_for_children", O_RDONLY));
  return sys::setns(made.get(), CLONE_NEWTIME, "time");
}
Result<void> apply(const WriteIdMap& op, Context& context) {
  FixedText<4096> text;  // the kernel takes one page
  for (const IdRange& range : op.ranges)
    text.append_number(range.inside).append(" ").append_number(range.outside).append(" ").append_number(range.count).append("\n");
  auto done = write_once(of_child(context.child, op.groups ? "gid_map" : "uid_map").c_str(), text.view());
  if (!done && done.error().code == EPERM) {
    Error error = done.error();
    error.hint = "the ranges must lie within what this process may map (user_namespaces(7))";
    return error;
  }
  return done;
}
Result<void> apply(const OpenNamespace& op, Context& context) {
  FixedText<64> file("ns/");
  std::string_view word = word_of(namespace_names(), op.kind);
  file.append(word == "mount" ? "mnt" : word);
  context.put(op.out, CCSAND_TRY(sys::open(of_child(context.child, file.view()).c_str(), O_RDONLY)));
  return {};
}
Result<void> apply(const OpenProcessRoot& op, Context& context) {
  context.put(op.out, CCSAND_TRY(sys::open(op.pid == 0 ? "/" : of_child(op.pid, "root").c_str(), O_PATH | O_DIRECTORY)));
  return {};
}
Result<void> apply(const SetHostname& op, Context&) { return sys::sethostname(op.name); }
Result<void> apply(const SetDomainname& op, Context&) { return sys::setdomainname(op.name); }
Result<void> apply(const BringUpLoopback&, Context&) { return sys::bring_loopback_up(); }

namespace {
std::string source(const std::string& path, int fd) { return fd >= 0 ? "descriptor " + number(fd) : quoted(path); }
}  // namespace

std::string describe(const Clone& op) {
  return "clone" + also(words_of_bits(namespace_names(), op.namespaces)) + (op.into_cgroup ? " into cgroup" : "") +
         (op.copies_memory ? " copying memory" : "");
}
std::string describe(const Unshare& op) { return "unshare" + also(words_of_bits(namespace_names(), op.namespaces)); }
std::string describe(const OpenNamespacePath& op) {
  return "open namespace " + quoted(op.path) + " as " + slot_name(op.out);
}
std::string describe(const JoinNamespace& op) {
  if (op.slot != kNoSlot) return "setns " + words_of_bits(namespace_names(), op.kind) + " of " + slot_name(op.slot);
  return "setns " + words_of_bits(namespace_names(), op.kind) + " of " + source(op.path, op.fd);
}
std::string describe(const JoinForChild& op) {
  std::string word(word_of(namespace_names(), op.kind));
  if (op.restore) return "setns back to this process's own " + word + " namespace";
  return "setns " + word + " of " + (op.slot != kNoSlot ? slot_name(op.slot) : source({}, op.fd)) + " for the next child";
}
std::string describe(const EnterTimeNamespace& op) {
  std::string text(offsets_of(op, " ").view());
  return "unshare time and enter it: " + text.substr(0, text.size() - 1);
}
std::string describe(const WriteIdMap& op) {
  std::string line = op.groups ? "write gid_map" : "write uid_map";
  for (const IdRange& range : op.ranges)
    line += " " + number(range.inside) + ":" + number(range.outside) + ":" + number(range.count);
  return line;
}
std::string describe(const OpenNamespace& op) {
  return "open " + std::string(word_of(namespace_names(), op.kind)) + " namespace of the child as " + slot_name(op.out);
}
std::string describe(const OpenProcessRoot& op) {
  return (op.pid == 0 ? "open root" : "open root of process " + number(op.pid)) + " as " + slot_name(op.out);
}
std::string describe(const SetHostname& op) { return "sethostname " + quoted(op.name); }
std::string describe(const SetDomainname& op) { return "setdomainname " + quoted(op.name); }
std::string describe(const BringUpLoopback&) { return "bring up lo"; }

}  // namespace ccsand
