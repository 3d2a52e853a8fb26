// The zygote's side, which serves, and this process's, which asks; they share memory, and a socket.
#include "core/zygote.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <span>

#include "core/clock.hpp"
#include "core/generation.hpp"
#include "core/launching.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/socket.hpp"

namespace ccsand {

using namespace launching;

namespace {
constexpr std::size_t kMostSent = 253;  // SCM_MAX_FD
constexpr std::int64_t kPatience = 5'000'000'000;  // a clone takes a fraction of a millisecond

// Of a child whose pid nobody else can have: it has not been waited for.
Result<Fd> open_newborn(pid_t pid) {
  auto pidfd = sys::pidfd_open(pid);
  if (pidfd) return pidfd;
  if (sys::kill(pid, SIGKILL)) (void)sys::waitid(P_PID, pid, WEXITED);
  return pidfd;
}

// ---- the zygote's side: nothing allocates

// The numbers that this process was sent descriptors as, in place of the sender's.
void put_numbers(Birth& birth, std::span<const Fd> fds) {
  std::vector<int>& kept = birth.child_side->kept;
  std::size_t count = 0;
  for (int* place : birth.places) {
    *place = fds[count].get();
    kept[count++] = *place;
  }
  kept[count++] = own_pidfd();
  kept.resize(count);
  std::sort(kept.begin(), kept.end());
}
void serve(void* argument) {
  int socket = *static_cast<int*>(argument);
  for (;;) {
    std::array<Fd, kMostSent> fds;
    Birth* birth = nullptr;
    auto message = sys::receive_message(socket, &birth, sizeof birth, std::span(fds).subspan(1));
    if (!message || message->size != sizeof birth) sys::exit_group(125);  // it was told to end
    if (message->cut) {
      birth->child = make_error(EMFILE, "pool", "", "has no room for the descriptors of a container (EMFILE)", "raise RLIMIT_NOFILE (ulimit -n)");
    } else {
      fds[0] = std::move(message->fd);
      put_numbers(*birth, fds);
      birth->child = sys::clone_shared(birth->request, birth->stack, kStackSize, container_entry, birth->child_side);
    }
    store(birth->done, 1);
    sys::futex_wake(&birth->done);
  }
}
}  // namespace

Zygote::Zygote() : owner_(process_generation()) {}
Zygote::~Zygote() = default;

Result<std::shared_ptr<Zygote>> Zygote::start(const ContainerSpec& spec, bool guards_network) {
  if (!can_have_zygote(spec)) return std::shared_ptr<Zygote>();
  std::shared_ptr<Zygote> zygote(new Zygote);
  zygote->plan_ = compile_zygote(spec, guards_network);
  if (clone_of(zygote->plan_).copies_memory) return std::shared_ptr<Zygote>();
  sys::SocketPair pair = CCSAND_TRY(sys::socketpair(SOCK_SEQPACKET));
  zygote->orders_ = std::move(pair.first);
  zygote->socket_ = pair.second.get();
  zygote->process_ = CCSAND_TRY(BackgroundLaunch::begin_own(zygote->plan_, zygote->socket_, serve, &zygote->socket_));
  CCSAND_TRY(zygote->process_->ready());
  Context& context = zygote->process_->context();
  if (context.devices_to_bind) return std::shared_ptr<Zygote>();
  zygote->identity_ = context.identity;
  for (Slot slot = 0; slot < zygote->plan_.slots(); ++slot) context.take(slot).close();
  return zygote;
}

Result<void> Zygote::ask(Birth& birth, const std::vector<Fd>& leftovers) {
  std::vector<int> fds;
  for (const int* place : birth.places) fds.push_back(*place);
  for (const Fd& fd : leftovers)
    if (fds.size() < kMostSent) fds.push_back(fd.get());
  birth.child_side->kept.resize(birth.places.size() + 1);  // the zygote makes it no longer
  birth.request.as_sibling = true;
  birth.request.told_pid = &birth.pid;
  Birth* text = &birth;
  pollfd room = {orders_.get(), POLLOUT, 0};
  for (std::int64_t deadline = monotonic_ns() + kPatience; CCSAND_TRY(sys::poll(&room, 1, 100)) == 0;)
    if (monotonic_ns() > deadline) return killed();
  auto sent = sys::send_message(orders_.get(), std::string_view(reinterpret_cast<const char*>(&text), sizeof text), fds);
  if (sent || (sent.error().code != ECONNRESET && sent.error().code != EPIPE && sent.error().code != ENOTCONN)) return sent;
  return killed();  // its socket is closed before its end can be seen
}
Error Zygote::killed() const {
  kill_child(process_->pidfd());
  return make_error(ECHILD, "pool", "zygote", "the process that its containers are cloned from has been killed, or does not answer (ECHILD)");
}
Result<void> Zygote::await(Birth& birth) {
  constexpr std::int64_t kLook = 20'000'000;  // one that was killed wakes nobody
  std::int64_t deadline = monotonic_ns() + kPatience;
  while (load(birth.done) == 0 && is_of_use())
    if (!sys::futex_wait(&birth.done, 0, kLook) && monotonic_ns() > deadline) kill_child(process_->pidfd());
  // Killed between the two, it has made a child and told nobody.
  if (load(birth.done) == 0 && birth.pid != 0) birth.child = sys::Child{birth.pid, {}};
  else if (load(birth.done) == 0) return killed();
  if (birth.child) birth.child->pidfd = CCSAND_TRY(open_newborn(birth.child->pid));
  return {};
}
bool Zygote::is_of_use() const { return owner_ == process_generation() && process_->is_alive(); }

}  // namespace ccsand
