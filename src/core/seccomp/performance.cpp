// Starts what performs, and hears its answer.
#include "core/seccomp/performance.hpp"

#include <fcntl.h>
#include <poll.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/bare_programs.hpp"
#include "core/generation.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/kernel_abi.hpp"
#include "sys/namespace.hpp"
#include "sys/process.hpp"
#include "sys/socket.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kStackSize = 32 * 1024;

// The program's file and a stack for the moment between clone and exec: made once.
struct Workshop {
  Fd program;
  char* stack = nullptr;
  std::uint64_t owner = 0;
};
Workshop workshop;

Result<void> open_workshop() {
  if (workshop.owner == process_generation()) return {};
  Fd program = CCSAND_TRY(open_sealed(performer_program(), "ccsand-performer"));
  void* stack = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED) return make_error(ENOMEM, "mmap", "a stack", "out of memory");
  workshop = {std::move(program), static_cast<char*>(stack), process_generation()};
  return {};
}

// Processes that were killed and had not ended when last looked at: one may hang in a
// filesystem of its own, and nobody is to wait for it.
std::vector<Fd> ending;
void reap_ending() {
  ending.erase(std::remove_if(ending.begin(), ending.end(), [](const Fd& pidfd) {
    auto status = sys::waitid(P_PIDFD, pidfd.get(), WEXITED | WNOHANG);
    return !status || status->ended;
  }), ending.end());
}

bool put_text(char* to, std::size_t size, const std::string& text) {
  if (text.size() >= size) return false;
  std::memcpy(to, text.c_str(), text.size() + 1);
  return true;
}

// An errno where it does not fit.
int fill(PerformRequest& request, const Caller& caller, const Deed& deed, std::vector<int>& kept) {
  auto keep = [&kept](int fd) {
    if (fd >= 0) kept.push_back(fd);
    return fd;
  };
  bool lent = deed.kind == PerformRequest::make_node || deed.kind == PerformRequest::mount;
  request.kind = deed.kind;
  for (std::size_t i = 0; i < 3; ++i) request.uid[i] = caller.uid[i], request.gid[i] = caller.gid[i];
  request.fsuid = caller.fsuid;
  request.fsgid = caller.fsgid;
  request.umask = caller.umask;
  if (caller.groups.size() > PerformRequest::most_groups || caller.namespaces.size() > PerformRequest::most_namespaces) return EPERM;
  request.group_count = static_cast<unsigned>(caller.groups.size());
  std::copy(caller.groups.begin(), caller.groups.end(), &request.groups[0]);
  // The one right of ccsand's that the call takes, or those of the caller.
  auto one = [](int capability) { return std::uint64_t{1} << capability; };
  request.capabilities = !lent ? caller.capabilities : deed.kind == PerformRequest::mount ? one(CAP_SYS_ADMIN) : one(CAP_MKNOD);
  request.flags = deed.flags;
  request.mode = deed.mode;
  request.resolve = deed.resolve;
  request.device = deed.device;
  request.root = keep(caller.root.get());
  request.start = keep(deed.start.open() ? deed.start.get() : caller.directory.get());
  request.user_namespace = lent ? -1 : keep(caller.user_namespace.get());
  std::fill(std::begin(request.namespaces), std::end(request.namespaces), -1);
  for (std::size_t i = 0; i < caller.namespaces.size(); ++i) request.namespaces[i] = keep(caller.namespaces[i].get());
  request.object = keep(deed.object.get());
  request.ruleset = lent ? -1 : keep(deed.ruleset);
  if (deed.address.size() > sizeof request.address) return EINVAL;
  request.address_size = static_cast<unsigned>(deed.address.size());
  std::memcpy(&request.address[0], deed.address.data(), deed.address.size());
  bool fits = put_text(&request.path[0], sizeof request.path, deed.path) && put_text(&request.source[0], sizeof request.source, deed.source) &&
              put_text(&request.type[0], sizeof request.type, deed.type) && put_text(&request.data[0], sizeof request.data, deed.data);
  return fits ? 0 : ENAMETOOLONG;
}

// From clone to exec: nothing allocates, for the memory may be shared.
struct Start {
  int program;
  const std::vector<int>* kept;
  const char* const* arguments;
};
[[noreturn]] void execute(const Start& start) {
  (void)sys::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, "PR_SET_PDEATHSIG");  // set again, and checked, by the program
  static const char* const no_environment[] = {nullptr};
  bool good = static_cast<bool>(sys::close_range(0, ~0U, CLOSE_RANGE_CLOEXEC));
  for (int fd : *start.kept) good = good && sys::keep_at_exec(fd);
  sys::set_signal_mask(0);
  if (good) (void)sys::execveat(start.program, "", start.arguments, &no_environment[0], AT_EMPTY_PATH);
  sys::exit_group(125);
}
void execute_shared(void* start) { execute(*static_cast<const Start*>(start)); }

Result<sys::Child> start_program(const Start& start, int cgroup) {
  sys::CloneRequest request;
  request.suspend_parent = true;
  request.cgroup = cgroup;
  std::uint64_t mask = sys::block_all_signals();
  // In the container's cgroup it has memory of its own from the start: whoever is killed for
  // the container's memory must not have ccsand's.
  bool own_memory = cgroup >= 0;
#ifdef __SANITIZE_ADDRESS__
  own_memory = true;  // its run-time cannot follow two processes in one memory
#endif
  auto child = own_memory ? sys::clone_copy(request)
                          : sys::clone_shared(request, workshop.stack, kStackSize, execute_shared, const_cast<Start*>(&start));
  if (child && child->pid == 0) execute(start);
  sys::set_signal_mask(mask);
  return child;
}
}  // namespace

Result<std::unique_ptr<Performance>> Performance::start(const Caller& caller, const Deed& deed, Done done) {
  CCSAND_TRY(open_workshop());
  reap_ending();
  auto request = std::make_unique<PerformRequest>();
  std::vector<int> kept;
  if (int problem = fill(*request, caller, deed, kept); problem != 0) return make_error(problem, "perform", deed.path, "");
  sys::SocketPair ends = CCSAND_TRY(sys::socketpair(SOCK_SEQPACKET));
  CCSAND_TRY(sys::send_message(ends.first.get(), {reinterpret_cast<const char*>(request.get()), sizeof *request}));
  kept.push_back(ends.second.get());
  std::string number = std::to_string(ends.second.get());
  const char* const arguments[] = {"ccsand-performer", number.c_str(), nullptr};
  auto child = start_program({workshop.program.get(), &kept, &arguments[0]}, deed.cgroup);
  if (!child) return child.error();
  std::unique_ptr<Performance> one(new Performance);
  one->done_ = std::move(done);
  one->socket_ = std::move(ends.first);
  one->pidfd_ = std::move(child->pidfd);
  one->owner_ = process_generation();
  return one;
}

void Performance::end_process() {
  if (!pidfd_.open() || owner_ != process_generation()) return;
  (void)sys::pidfd_send_signal(pidfd_.get(), SIGKILL);  // it may have ended
  ending.push_back(std::move(pidfd_));
  reap_ending();
}
Performance::~Performance() { end_process(); }

void Performance::close_workshop() {
  if (workshop.owner != process_generation()) return;
  if (workshop.stack != nullptr) (void)munmap(workshop.stack, kStackSize);  // ours
  workshop = {};
  // They were killed just now; one that hangs in a filesystem is left to the next look.
  constexpr int kPatience = 100;  // milliseconds
  for (const Fd& pidfd : ending) {
    pollfd end = {pidfd.get(), POLLIN, 0};
    (void)sys::poll(&end, 1, kPatience);
  }
  reap_ending();
}

void Performance::attend() {
  PerformResult result = {};
  auto message = sys::receive_message(socket_.get(), &result, sizeof result);
  bool whole = message && message->size == sizeof result;
  Fd opened = whole ? std::move(message->fd) : Fd();
  socket_.close();
  end_process();
  Done done = std::move(done_);
  done(whole ? static_cast<long>(result.value) : -EPERM, std::move(opened));  // of a process that was killed
}

}  // namespace ccsand
