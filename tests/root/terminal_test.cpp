// A terminal of the container's own, driven as a person would.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "container_fixture.hpp"

using namespace ccsand;
using namespace ccsand::test;

namespace {
// A person at a terminal in which ccsand runs.
class Session {
 public:
  explicit Session(const Place& place, const std::string& more = "") {
    std::string recipe = place.recipe("terminal.lua", "return require(\"ccsand\").container { root = \"ROOT\", terminal = \"auto\", init = true, " + more +
                                                          " env = { PS1 = 'prompt> ', ENV = '' }, command = { \"/bin/sh\", \"-i\" } }");
    int master = -1, slave = -1;
    winsize size = {24, 80, 0, 0};
    if (::openpty(&master, &slave, nullptr, nullptr, &size) != 0) FAIL("openpty");
    master_ = Fd(master);
    slave_ = Fd(slave);
    (void)::fcntl(master, F_SETFD, FD_CLOEXEC);
    (void)::fcntl(slave, F_SETFD, FD_CLOEXEC);
    ::tcgetattr(slave, &before_);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::setsid();
    ::ioctl(slave, TIOCSCTTY, 0);
    for (int to = 0; to < 3; ++to) ::dup2(slave, to);
    ProgramOptions options = place.options();
    for (const std::string& variable : options.env) ::putenv(const_cast<char*>(variable.c_str()));
    std::string binary = ccsand_binary();
    ::execl(binary.c_str(), binary.c_str(), recipe.c_str(), nullptr);
    ::_exit(127);
  }
  ~Session() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void type(const std::string& text) { REQUIRE(::write(master_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())); }
  // Until `text` comes up on the screen, after what was expected before.
  bool expect(const std::string& text, int milliseconds = 10'000) {
    auto deadline = Clock::now() + std::chrono::milliseconds(milliseconds);
    for (;;) {
      std::size_t at = screen_.find(text, seen_);
      if (at != std::string::npos) {
        seen_ = at + text.size();
        return true;
      }
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      pollfd polled = {master_.get(), POLLIN, 0};
      if (left <= 0 || ::poll(&polled, 1, static_cast<int>(left)) <= 0) return false;
      char part[4096];
      ssize_t size = ::read(master_.get(), part, sizeof part);
      if (size <= 0) return false;
      screen_.append(part, static_cast<std::size_t>(size));
    }
  }
  void resize(unsigned short rows, unsigned short columns) {
    winsize size = {rows, columns, 0, 0};
    REQUIRE(::ioctl(master_.get(), TIOCSWINSZ, &size) == 0);
  }
  int wait(int most_tries = 1000) {
    int status = 0;
    for (int tries = 0; tries < most_tries; ++tries) {
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      }
      pollfd polled = {master_.get(), POLLIN, 0};
      char part[4096];
      if (::poll(&polled, 1, 10) > 0 && ::read(master_.get(), part, sizeof part) < 0) ::usleep(1000);
    }
    return -1;
  }
  [[nodiscard]] bool raw() const {
    termios now = {};
    return ::tcgetattr(slave_.get(), &now) == 0 && (now.c_lflag & ICANON) == 0;
  }
  [[nodiscard]] bool restored() const {
    termios now = {};
    ::tcgetattr(slave_.get(), &now);
    return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag && now.c_oflag == before_.c_oflag && now.c_cflag == before_.c_cflag;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& screen() const { return screen_; }

 private:
  pid_t pid_ = -1;
  Fd master_, slave_;
  termios before_ = {};
  std::string screen_;
  std::size_t seen_ = 0;
};
}  // namespace

TEST_CASE("a shell on a terminal of its own: prompt, status, settings", "[terminal]") {
  REQUIRE_CONTAINERS();
  Place place;
  Session session(place);
  INFO(session.screen());
  REQUIRE(session.expect("prompt> "));
  CHECK(session.raw());
  session.type("tty; test -t 0 && test -t 1 && test -t 2 && echo is$((1+1))all\r");
  CHECK(session.expect("/dev/pts/0"));
  CHECK(session.expect("is2all"));
  session.type("ls /dev/pts; echo /dev/console; stat -c %u /dev/pts/0\r");
  CHECK(session.expect("prompt> "));
  session.type("exit 7\r");
  CHECK(session.wait() == 7);
  CHECK(session.restored());
  CHECK(place.leftovers() == "");
}

TEST_CASE("the terminal's size is the caller's, and follows it", "[terminal]") {
  REQUIRE_CONTAINERS();
  Place place;
  Session session(place);
  REQUIRE(session.expect("prompt> "));
  session.type("stty size\r");
  CHECK(session.expect("24 80"));
  // The shell waits for the change itself: no time is guessed.
  session.type("trap 'echo size $(stty size)' WINCH; while ! [ \"$(stty size)\" = '50 132' ]; do sleep 0.02; done; echo fol''lowed\r");
  session.resize(50, 132);
  CHECK(session.expect("followed"));
  REQUIRE(session.expect("prompt> "));
  session.type("exit\r");
  CHECK(session.wait() == 0);
}

TEST_CASE("Ctrl-C interrupts the job in front and not the shell", "[terminal]") {
  REQUIRE_CONTAINERS();
  Place place;
  Session session(place);
  REQUIRE(session.expect("prompt> "));
  session.type("echo go''ing; sleep 60\r");
  REQUIRE(session.expect("going"));
  // The shell may not have handed the terminal to sleep as yet: until it says 130.
  bool interrupted = false;
  for (int tries = 0; tries < 20 && !interrupted; ++tries) {
    session.type("\x03");
    session.type("echo st''atus $?\r");
    interrupted = session.expect("status 130");
  }
  INFO(session.screen());
  CHECK(interrupted);
  session.type("echo still he''re\r");
  CHECK(session.expect("still here"));
  REQUIRE(session.expect("prompt> "));
  session.type("exit 3\r");
  CHECK(session.wait() == 3);
  CHECK(session.restored());
}

TEST_CASE("Ctrl-Z stops the job in front", "[terminal]") {
  REQUIRE_CONTAINERS();
  Place place;
  Session session(place);
  REQUIRE(session.expect("prompt> "));
  session.type("echo go''ing; sleep 60\r");
  REQUIRE(session.expect("going"));
  // No event tells that sleep has the terminal: a key that came too early is pressed again.
  bool stopped = false;
  for (int tries = 0; tries < 20 && !stopped; ++tries) {
    session.type("\x1a");
    stopped = session.expect("Stopped", 500);
  }
  CHECK(stopped);
  REQUIRE(session.expect("prompt> "));
  session.type("kill -9 %1; wait; echo en''ded\r");
  CHECK(session.expect("ended"));
  REQUIRE(session.expect("prompt> "));
  int status = -1;
  for (int tries = 0; tries < 5 && status < 0; ++tries) {  // the first may only warn of a job that is being reaped
    session.type("exit 0\r");
    status = session.wait(200);
  }
  CHECK(status == 0);
  INFO(session.screen());
}

TEST_CASE("Ctrl-D ends the shell", "[terminal]") {
  REQUIRE_CONTAINERS();
  Place place;
  Session session(place);
  REQUIRE(session.expect("prompt> "));
  session.type("(exit 5)\r");
  REQUIRE(session.expect("prompt> "));
  session.type("\x04");
  CHECK(session.wait() == 5);
  CHECK(session.restored());
}

TEST_CASE("a signal that ends ccsand restores the terminal", "[terminal]") {
  REQUIRE_CONTAINERS();
  Place place;
  Session session(place, "timeout = \"20s\",");
  REQUIRE(session.expect("prompt> "));
  CHECK(session.raw());
  ::kill(session.pid(), SIGHUP);
  CHECK(session.wait() >= 0);
  CHECK(session.restored());
  CHECK(place.leftovers() == "");
}

TEST_CASE("a large paste arrives whole", "[terminal]") {
  REQUIRE_CONTAINERS();
  Place place;
  Session session(place);
  REQUIRE(session.expect("prompt> "));
  session.type("stty -echo; head -c 100000 /dev/zero | tr '\\0' x | fold -w 100; echo en''d\r");
  CHECK(session.expect("end"));
  std::size_t count = 0;
  for (char c : session.screen()) count += c == 'x' ? 1 : 0;
  CHECK(count >= 100000);
  REQUIRE(session.expect("prompt> "));
  session.type("exit\r");
  CHECK(session.wait() == 0);
}

TEST_CASE("what performs calls has no terminal, not even ccsand's", "[terminal]") {
  REQUIRE_CONTAINERS();
  Place place;
  Session session(place, "files = function() return true end,");
  REQUIRE(session.expect("prompt> "));
  session.type("test -c /dev/tty && true </dev/tty; echo \"<$?>\"\n");
  CHECK(session.expect("No such device or address"));
  CHECK(session.expect("<1>"));
}
