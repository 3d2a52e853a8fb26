// slirp4netns as a child of this process.
#include "core/network/user_network.hpp"

#include <fcntl.h>
#include <sys/wait.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "core/network/user_api.hpp"
#include "sys/device.hpp"
#include "sys/file.hpp"
#include "sys/inspect.hpp"
#include "sys/namespace.hpp"
#include "sys/netlink.hpp"
#include "sys/process.hpp"

namespace ccsand {

namespace {
// Of the system alone: ccsand may run as root with somebody's PATH.
constexpr const char* kPlaces[] = {"/usr/bin/slirp4netns", "/usr/local/bin/slirp4netns", "/bin/slirp4netns"};

Result<const char*> find_program() {
  for (const char* place : kPlaces)
    if (sys::fstatat(AT_FDCWD, place, 0)) return place;
  return make_error(ENOENT, "network", "user", "slirp4netns is not installed", "install Debian's package slirp4netns");
}

std::string text_of(int file) {
  std::string text(1024, '\0');
  auto size = sys::pread(file, text.data(), text.size(), 0, "messages");
  text.resize(size ? *size : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}
}  // namespace

Result<void> UserNetwork::try_ports(std::span<const PublishedPort> ports) {
  for (const PublishedPort& port : ports) {
    IpAddress host = port.host.value_or(IpAddress());
    auto tried = sys::reserve_port(port.udp, host.bytes.data(), host.size(), port.host_port, sys::PortUse::try_it, name_of_port(host, port.host_port, port.udp).view());
    if (!tried) return port_refusal(tried.error());
  }
  return {};
}

Result<std::unique_ptr<UserNetwork>> UserNetwork::start(pid_t child, const std::string& name, std::uint32_t mtu, std::span<const PublishedPort> ports) {
  const char* program = CCSAND_TRY(find_program());
  sys::Pipe ready = CCSAND_TRY(sys::pipe2(0)), end = CCSAND_TRY(sys::pipe2(0));
  Fd messages = CCSAND_TRY(sys::memfd_create("slirp4netns", 1 /* MFD_CLOEXEC */));
  Fd null = CCSAND_TRY(sys::open("/dev/null", O_RDWR));
  std::optional<UserApi> api;
  if (!ports.empty()) api = CCSAND_TRY(UserApi::make());
  std::vector<std::string> words = {"slirp4netns", "--configure", "--enable-ipv6", "--enable-sandbox", "--disable-host-loopback",
                                    "--mtu=" + std::to_string(mtu != 0 ? mtu : 65520), "--ready-fd=" + std::to_string(ready.write.get()),
                                    "--exit-fd=" + std::to_string(end.read.get())};
  if (api) words.push_back("--api-socket=" + api->path());
  words.push_back(std::to_string(child));
  words.push_back(name);
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  arguments.push_back(nullptr);
  static const char* const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
  std::uint64_t mask = sys::block_all_signals();
  auto started = sys::clone_copy({});
  if (started && started->pid == 0) {
    sys::reset_signals();
    bool good = sys::dup3(null.get(), 0, 0) && sys::dup3(null.get(), 1, 0) && sys::dup3(messages.get(), 2, 0) &&
                sys::keep_at_exec(ready.write.get()) && sys::keep_at_exec(end.read.get()) &&
                (!api || sys::keep_at_exec(api->directory()));
    if (good) (void)sys::execve(program, arguments.data(), &environment[0]);
    sys::exit_group(127);
  }
  sys::set_signal_mask(mask);
  if (!started) return started.error();
  std::unique_ptr<UserNetwork> network(new UserNetwork);
  network->pidfd_ = std::move(started->pidfd);
  network->exit_ = std::move(end.write);
  ready.write.close();
  char byte = 0;
  auto size = sys::read(ready.read.get(), &byte, 1, "slirp4netns");
  if (size && *size == 1) {
    for (const PublishedPort& port : ports) CCSAND_TRY(api->publish(port));
    return network;
  }
  std::string why = text_of(messages.get());
  return make_error(EIO, "network", "user", why.empty() ? std::string("slirp4netns ended before the network was ready") : "slirp4netns: " + why,
                    "it needs /dev/net/tun; slirp4netns(1)");
}

UserNetwork::~UserNetwork() {
  exit_.close();
  if (!pidfd_.open()) return;
  (void)sys::pidfd_send_signal(pidfd_.get(), SIGKILL);  // it has nothing to put away
  (void)sys::waitid(P_PIDFD, pidfd_.get(), WEXITED);
}

}  // namespace ccsand
