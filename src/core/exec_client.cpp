// The command belongs to the other process: here are its streams, its signals and its status.
#include "core/exec_client.hpp"

#include <signal.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "core/container_name.hpp"
#include "core/event_poll.hpp"
#include "core/signals.hpp"
#include "core/terminal_relay.hpp"
#include "sys/device.hpp"
#include "sys/process.hpp"
#include "sys/socket.hpp"

namespace ccsand {

namespace {
struct Received {
  ExecAnswer answer;
  Fd terminal;
};

class ExecClient {
 public:
  static Result<int> run(const std::string& name_or_pid, const ExecRequest& request);

 private:
  Result<void> connect(const std::string& name_or_pid);
  Result<Received> receive();
  Result<int> await_end();
  void pass_on(int signal);
  [[nodiscard]] Error holder_gone() const;

  NamedContainer container_;
  WatchedFd connection_, holder_;
  std::unique_ptr<TerminalRelay> relay_;
};

Error ExecClient::holder_gone() const {
  return make_error(ECONNRESET, "exec", "'" + container_.name + "'",
                    "the ccsand that runs it, process " + std::to_string(container_.holder.pid) + ", has ended or does not answer");
}

Result<void> ExecClient::connect(const std::string& name_or_pid) {
  container_ = CCSAND_TRY(find_container(name_or_pid));
  // Its end is told by its pidfd: a forked copy of it may have the other end of the connection.
  holder_ = CCSAND_TRY(sys::pidfd_open(container_.holder.pid));
  connection_ = CCSAND_TRY(connect_to(container_));
  if (!is_alive(container_.holder)) return holder_gone();
  return {};
}

// The next answer, which is awaited.
Result<Received> ExecClient::receive() {
  pollfd ends[2] = {{connection_.get(), POLLIN, 0}, {holder_.get(), POLLIN, 0}};
  while (ends[0].revents == 0 && ends[1].revents == 0) (void)CCSAND_TRY(sys::poll(&ends[0], 2, -1));
  if (ends[0].revents == 0) return holder_gone();
  std::string text(kMostMessage, '\0');
  auto message = sys::receive_message(connection_.get(), text.data(), text.size());
  if (!message && message.error().code == ECONNRESET)  // told first where the request was not read; the answer is there
    message = sys::receive_message(connection_.get(), text.data(), text.size());
  if (!message || message->size == 0) return holder_gone();
  Received received;
  received.answer = CCSAND_TRY(read_answer(std::string_view(text).substr(0, message->size)));
  received.terminal = std::move(message->fd);
  if (received.answer.kind != ExecAnswer::failed) return received;
  Error error = make_error(ECANCELED, "", "", received.answer.message);
  static std::string hint;  // errors have literals: this one is the last of the process
  hint = received.answer.hint;
  error.hint = hint.c_str();
  error.exit_status = received.answer.exit_status;
  return error;
}

void ExecClient::pass_on(int signal) {
  if (signal == SIGWINCH && relay_) return relay_->follow_size();
  if (signal == SIGWINCH) return;
  std::string message;
  add_field(message, "signal", std::to_string(signal));
  (void)sys::send_message(connection_.get(), message);  // it may have ended just now
}

Result<int> ExecClient::await_end() {
  SignalWatch watch;
  CCSAND_TRY(SignalWatch::begin(watch));
  for (;;) {
    connection_.want(POLLIN);
    holder_.want(POLLIN);
    watch.enter_interest();
    if (relay_) relay_->enter_interests();
    CCSAND_TRY(wait_for_events(-1, nullptr, nullptr));
    if (watch.take_ready())
      for (int signal = watch.next(); signal != 0; signal = watch.next()) pass_on(signal);
    if (relay_) relay_->attend();
    if (connection_.take_ready() == 0 && holder_.take_ready() == 0) continue;
    auto received = receive();
    if (relay_) relay_->drain();
    if (!received) return received.error();
    if (received->answer.kind == ExecAnswer::ended) return received->answer.status;
  }
}

Result<int> ExecClient::run(const std::string& name_or_pid, const ExecRequest& request) {
  ExecClient client;
  std::string message = CCSAND_TRY(write_request(request));
  CCSAND_TRY(client.connect(name_or_pid));
  constexpr int kStreams[] = {0, 1, 2};
  auto streams = request.terminal ? std::span<const int>() : std::span<const int>(kStreams);
  auto sent = sys::send_message(client.connection_.get(), message, streams);
  if (!sent && sent.error().code != EPIPE) return sent.error();  // who does not want it says why
  // Until the command is there, signals end this process, and with its connection what comes of the request.
  Received started = CCSAND_TRY(client.receive());
  if (request.terminal) {
    if (!started.terminal.open()) return make_error(EPROTO, "exec", "'" + name_or_pid + "'", "the answer brings no terminal");
    client.relay_ = CCSAND_TRY(TerminalRelay::create(std::move(started.terminal)));
  }
  return client.await_end();
}
}  // namespace

Result<int> exec_in_container(const std::string& name_or_pid, ExecRequest request) {
  if (auto size = sys::get_window_size(0)) request.rows = size->rows, request.columns = size->columns;
  return ExecClient::run(name_or_pid, request);
}

}  // namespace ccsand
