// An HTTP server of a few lines, in a network namespace of its own.
#include "server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace ccsand::test {

namespace {

constexpr int kNoNamespace = 99;
constexpr unsigned kTimeLimit = 60;  // seconds, for each process

bool enter_network() {
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strcpy(&request.ifr_name[0], "lo");
  request.ifr_flags = IFF_UP;
  return ioctl(control.get(), SIOCSIFFLAGS, &request) == 0;
}

// A child that does `body` and ends; killed with its parent's death by its alarm at the latest.
pid_t in_child(const std::function<int()>& body) {
  pid_t child = fork();
  if (child != 0) return child;
  alarm(kTimeLimit);
  int status = body();
  _exit(status);
}

Fd listen_at(std::uint16_t port) {
  Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr generic = {};
  std::memcpy(&generic, &address, sizeof generic);
  if (bind(listener.get(), &generic, sizeof generic) != 0 || listen(listener.get(), 8) != 0)
    _exit(kNoNamespace);
  return listener;
}

void serve(const Fd& listener, const Answer& answer) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  for (;;) {
    Fd client(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string request;
    char data[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      ssize_t got = read(client.get(), &data[0], sizeof data);
      if (got <= 0) break;
      request.append(&data[0], static_cast<std::size_t>(got));
    }
    answer(request, [&](std::string_view text) {
      while (!text.empty()) {
        ssize_t sent = write(client.get(), text.data(), text.size());
        if (sent <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(sent));
      }
    });
  }
}

int run_client(const TempDir& dir, const std::vector<std::string>& arguments,
               const std::vector<std::string>& environment) {
  return wait_for(in_child([&]() -> int {
    for (const char* name :
         {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"}) {
      unsetenv(name);
    }
    for (const std::string& variable : environment) putenv(const_cast<char*>(variable.c_str()));
    dup2(open((dir / "out").c_str(), O_WRONLY | O_CREAT, 0600), 1);
    dup2(open((dir / "err").c_str(), O_WRONLY | O_CREAT, 0600), 2);
    exec_program(arguments);
  }));
}

}  // namespace

bool can_serve() {
  return wait_for(in_child([] { return enter_network() ? 0 : kNoNamespace; })) == 0;
}

Outcome fetch_from(const Answer& answer, std::vector<std::string> arguments,
                   const std::vector<std::string>& environment) {
  TempDir dir;
  arguments.insert(arguments.begin(), "fetch");
  pid_t child = in_child([&] {
    if (!enter_network()) return kNoNamespace;
    Fd listener = listen_at(8080);
    pid_t server = in_child([&] {
      serve(listener, answer);
      return 0;
    });
    int status = run_client(dir, arguments, environment);
    kill(server, SIGKILL);
    (void)wait_for(server);
    return status;
  });
  Outcome outcome;
  outcome.status = wait_for(child);
  outcome.out = read_file(dir / "out");
  outcome.err = read_file(dir / "err");
  return outcome;
}

}  // namespace ccsand::test
