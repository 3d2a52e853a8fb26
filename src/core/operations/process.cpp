// A process's attributes, descriptors and execution. What the container's side
// runs allocates nothing.
#include "core/operations/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>

#include "core/names.hpp"
#include "core/operations/describe.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/process.hpp"

namespace ccsand {

Result<void> apply(const SetResourceLimit& op, Context& context) {
  rlimit64 limit = {op.soft, op.hard};
  auto done = sys::prlimit(context.child, op.resource, limit, word_of(resource_names(), static_cast<std::uint64_t>(op.resource)));
  if (!done && done.error().code == EPERM) {
    Error error = done.error();
    error.hint = "a hard limit above the caller's own cannot be set in a user namespace; raise ccsand's own limit first";
    return error;
  }
  return done;
}
Result<void> apply(const SetNice& op, Context& context) { return sys::setpriority(0 /* PRIO_PROCESS */, context.child, op.nice); }
Result<void> apply(const SetScheduler& op, Context& context) { return sys::sched_setscheduler(context.child, op.policy, op.priority); }
Result<void> apply(const SetAffinity& op, Context& context) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (int cpu : op.cpus) CPU_SET(static_cast<std::size_t>(cpu), &cpus);
  return sys::sched_setaffinity(context.child, cpus);
}
Result<void> apply(const SetIoPriority& op, Context& context) {
  return sys::ioprio_set(1 /* IOPRIO_WHO_PROCESS */, context.child, op.io_class << 13 | op.level);
}
Result<void> apply(const SetOomScoreAdj& op, Context& context) {
  FixedText<64> path("/proc/");
  if (context.child != 0) path.append_number(context.child);
  else path.append("self");
  path.append("/oom_score_adj");
  Fd file = CCSAND_TRY(sys::open(path.c_str(), O_WRONLY));
  FixedText<16> text;
  text.append_number(op.value);
  return sys::write_all(file.get(), text.view(), path.view());
}
Result<void> apply(const SetPersonality& op, Context&) { return sys::personality(op.persona); }
Result<void> apply(const SetUmask& op, Context&) {
  (void)sys::umask(op.mask);  // cannot fail: umask(2)
  return {};
}
Result<void> apply(const SetParentDeathSignal& op, Context& context) {
  CCSAND_TRY(sys::prctl(PR_SET_PDEATHSIG, static_cast<unsigned long>(op.signal), 0, 0, "PR_SET_PDEATHSIG"));
  if (!op.check_parent) return {};
  // The parent may have died before the call above: nobody would tell us then.
  pollfd parent = {context.supervisor_pidfd, POLLIN, 0};
  if (CCSAND_TRY(sys::poll(&parent, 1, 0)) > 0) sys::exit_group(125);
  return {};
}
Result<void> apply(const SetDumpable& op, Context&) {
  return sys::prctl(PR_SET_DUMPABLE, op.dumpable ? 1 : 0, 0, 0, "PR_SET_DUMPABLE");
}
Result<void> apply(const SetChildSubreaper& op, Context&) {
  return sys::prctl(PR_SET_CHILD_SUBREAPER, op.subreaper ? 1 : 0, 0, 0, "PR_SET_CHILD_SUBREAPER");
}
Result<void> apply(const SetProcessName& op, Context&) {
  return sys::prctl(PR_SET_NAME, reinterpret_cast<unsigned long>(op.name.c_str()), 0, 0, "PR_SET_NAME");
}
Result<void> apply(const StartSession&, Context&) { return sys::setsid(); }
Result<void> apply(const ResetSignals&, Context&) {
  sys::reset_signals();
  return {};
}
Result<void> apply(const Redirect& op, Context& context) {
  if (op.slot != kNoSlot) {
    for (int to = 0; to < 3; ++to) CCSAND_TRY(sys::dup3(context.fd(op.slot), to, 0));
    return {};
  }
  // Those that are in another's place are out of its way first.
  int from[32], to[32], lifted[32];
  std::size_t count = op.pairs.size() + op.slots.size(), lifts = 0;
  if (count > 32) return make_error(E2BIG, "redirect", "", "more than 32 descriptors");
  for (std::size_t i = 0; i < count; ++i) {
    bool by_slot = i >= op.pairs.size();
    const auto& pair = by_slot ? op.slots[i - op.pairs.size()] : op.pairs[i];
    from[i] = by_slot ? context.fd(pair.first) : pair.first;
    to[i] = pair.second;
  }
  auto is_place = [&](int fd) { return std::find(&to[0], &to[count], fd) != &to[count]; };
  for (std::size_t i = 0; i < count; ++i)
    if (is_place(from[i])) from[i] = lifted[lifts++] = CCSAND_TRY(sys::dup_cloexec(from[i])).release();
  for (std::size_t i = 0; i < count; ++i) CCSAND_TRY(sys::dup3(from[i], to[i], 0));
  for (std::size_t i = 0; i < lifts; ++i)
    if (!is_place(lifted[i])) Fd closing(lifted[i]);
  return {};
}
Result<void> apply(const CloseDescriptors& op, Context&) {
  unsigned first = op.first;
  for (int kept : op.keep) {
    // What ccsand holds itself is close-on-exec: a number that is not the recipe's stays here.
    bool closing = (CCSAND_TRY(sys::descriptor_flags(kept)) & FD_CLOEXEC) != 0;
    if (closing) return make_error(EBADF, "keep", FixedText<32>("descriptor ").append_number(kept).view(), "is closed on exec",
                                   "it is one of ccsand's own, or its FD_CLOEXEC must be cleared first");
    auto fd = static_cast<unsigned>(kept);
    if (fd > first) CCSAND_TRY(sys::close_range(first, fd - 1, CLOSE_RANGE_CLOEXEC));
    if (fd >= first) first = fd + 1;
  }
  return sys::close_range(first, ~0U, CLOSE_RANGE_CLOEXEC);
}
Result<void> apply(const OpenTerminal& op, Context& context) {
  const auto in_root = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  Fd master = CCSAND_TRY(sys::openat2(context.fd(op.root), "dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, in_root));
  CCSAND_TRY(sys::unlock_terminal(master.get()));
  Fd terminal = CCSAND_TRY(sys::open_terminal_peer(master.get()));
  CCSAND_TRY(sys::set_controlling_terminal(terminal.get()));
  for (int to = 0; to < 3; ++to) CCSAND_TRY(sys::dup3(terminal.get(), to, 0));
  // The command's user owns it, as a login would have it.
  CCSAND_TRY(sys::fchownat(terminal.get(), "", context.identity.uid, static_cast<gid_t>(-1), AT_EMPTY_PATH));
  *context.child_terminal = master.get();
  context.put(op.master, std::move(master));
  return {};
}
Result<void> apply(const ReceiveTerminal& op, Context& context) {
  context.put(op.master, CCSAND_TRY(sys::pidfd_getfd(context.child_pidfd, *context.child_terminal)));
  (void)sys::set_window_size(context.fd(op.master), {op.rows, op.columns});  // a size is a courtesy
  return {};
}

ExecImage make_image(const Exec& op, const Identity& identity) {
  ExecImage image;
  image.text.reserve(op.argv.size() + op.env.size() + 1);
  for (const std::string& word : op.argv) image.text.push_back(word);
  for (const std::string& entry : op.env) image.text.push_back(entry);
  if (op.home_from_identity)
    image.text.push_back("HOME=" + (!identity.home.empty() ? identity.home : identity.uid == 0 ? "/root" : "/"));
  for (std::size_t i = 0; i < image.text.size(); ++i)
    (i < op.argv.size() ? image.argv : image.envp).push_back(image.text[i].c_str());
  image.argv.push_back(nullptr);
  image.envp.push_back(nullptr);
  image.paths.push_back(nullptr);
  if (op.argv.empty() || op.fd >= 0 || op.slot != kNoSlot) return image;
  image.paths.pop_back();
  if (op.argv[0].find('/') != std::string::npos || op.path.empty()) {
    image.paths.push_back(image.argv[0]);
    image.paths.push_back(nullptr);
    return image;
  }
  for (std::string_view rest = op.path;;) {
    std::size_t colon = rest.find(':');
    std::string_view directory = rest.substr(0, colon);
    image.path_text.push_back(std::string(directory.empty() ? "." : directory) + "/" + op.argv[0]);
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  for (const std::string& path : image.path_text) image.paths.push_back(path.c_str());
  image.paths.push_back(nullptr);
  return image;
}

namespace {
Result<void> exec_words(const ExecWords& words, bool landlocked) {
  Error first;
  for (const char* const* path = words.paths; *path != nullptr; ++path) {
    auto done = sys::execve(*path, words.argv, words.envp);
    const Error& error = done.error();
    // As a shell searches: what is missing is passed over, what may not be executed
    // is remembered, and everything else ends the search.
    bool missing = error.code == ENOENT || error.code == ENOTDIR;
    if (first.code == 0 || (!missing && (first.code == ENOENT || first.code == ENOTDIR))) first = error;
    if (!missing && error.code != EACCES) break;
  }
  if (first.code == ENOENT || first.code == ENOTDIR) {
    first.subject.clear();
    first.subject.append("'").append(words.argv[0]).append("'");
    first.exit_status = 127;
    first.hint = "the command, or the interpreter or loader that it names, does not exist in the container";
    return first;
  }
  first.exit_status = 126;
  if (first.code == EACCES) {
    first.hint = landlocked ? "landlock does not allow to read and execute it or its interpreter, or it is not executable for this user"
                            : "the file is not executable for this user, or lies on a noexec mount";
  } else if (first.code == ENOEXEC) {
    first.hint = "not a program for this machine, or a script without a '#!' line";
  }
  return first;
}
}  // namespace

Result<void> apply(const Exec& op, Context& context) {
  int fd = op.slot != kNoSlot ? context.fd(op.slot) : op.fd;
  ExecImage own;
  if (context.exec.argv.empty() && context.later_words == nullptr) own = make_image(op, context.identity);  // as a primitive: this process may allocate
  const ExecImage& image = context.exec.argv.empty() ? own : context.exec;
  ExecWords words = context.later_words != nullptr ? *context.later_words : ExecWords{image.argv.data(), image.envp.data(), image.paths.data()};
  if (fd < 0) return exec_words(words, op.landlocked);
  return sys::execveat(fd, "", words.argv, words.envp, AT_EMPTY_PATH);
}

}  // namespace ccsand
