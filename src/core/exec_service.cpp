// Clients are this user's own, and yet nothing that they send is believed, nor waited for: a message that
// makes no sense, or does not come, ends its client and nobody else.
#include "core/exec_service.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/clock.hpp"
#include "core/exec_message.hpp"
#include "core/running.hpp"
#include "core/signals.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"
#include "sys/socket.hpp"

namespace ccsand {

namespace {
constexpr std::size_t kMostClients = 64;                 // of one container: each is a process or two
constexpr std::int64_t kRequestTime = 10'000'000'000;    // for a request, once connected
constexpr std::int64_t kHangUpTime = 1'000'000'000;      // from SIGHUP to SIGKILL, where the client has gone
constexpr std::int64_t kRestTime = 200'000'000;          // without descriptors, until it is tried again
constexpr std::int64_t kNever = -1;

Error container_ended() { return make_error(ESRCH, "exec", "", "the container has ended"); }
void answer(int connection, const ExecAnswer& what, int fd = -1) {
  (void)sys::send_message(connection, write_answer(what), fd);  // who has gone is found by the next look
}
}  // namespace

struct ExecService::Client {
  WatchedFd connection;
  std::unique_ptr<Running> command;
  std::int64_t deadline_ns = kNever;  // of the request; then, without a connection, of the command
  bool started = false;               // has been told so

  [[nodiscard]] bool is_to_be_told() const { return connection.open() && command && !started && !command->is_starting(); }
};

ExecService::ExecService(ContainerName name, Running& container, ContainerSpec spec)
    : name_(std::move(name)), container_(container), spec_(std::move(spec)) {
  listener_ = name_.take_socket();
}

std::unique_ptr<ExecService> ExecService::create(ContainerName name, Running& container, ContainerSpec spec) {
  // What only an assembly needs; and what was the first command's alone: numbers of descriptors, of which nobody
  // knows what is behind them by now, and its terminal.
  spec.hooks.clear();
  spec.mounts.clear();
  spec.network = {};
  spec.redirects.clear();
  spec.kept_descriptors.clear();
  spec.init = spec.terminal = false;
  spec.new_session = true;  // or it had the terminal of this process, which is not its client's
  return std::unique_ptr<ExecService>(new ExecService(std::move(name), container, std::move(spec)));
}
ExecService::~ExecService() {
  for (auto& client : clients_) {
    tell_start(*client);
    if (client->connection.open() && !client->started) refuse(*client, container_ended());
    Running::discard(std::move(client->command));  // answers its client
  }
}

// ---- in the loop

void ExecService::enter_interests() {
  // While a function that decides calls waits, and came from here, clients do, too.
  bool takes = !busy_ && clients_.size() < kMostClients && rest_ns_ < 0;  // others wait in the queue
  takes ? listener_.want(POLLIN) : listener_.want_nothing();
  for (auto& client : clients_) busy_ ? client->connection.want_nothing() : client->connection.want(POLLIN);
}
std::int64_t ExecService::due_ns() const {
  if (busy_) return kNever;
  std::int64_t due = rest_ns_;
  for (const auto& client : clients_) {
    if (client->is_to_be_told()) return monotonic_ns();
    if (client->deadline_ns >= 0 && (due < 0 || client->deadline_ns < due)) due = client->deadline_ns;
  }
  return due;
}

void ExecService::attend() {
  if (busy_) return;
  busy_ = true;
  if (rest_ns_ >= 0 && monotonic_ns() >= rest_ns_) rest_ns_ = kNever;
  if (listener_.take_ready() != 0) accept_clients();
  for (auto& client : clients_) attend_client(*client);
  std::erase_if(clients_, [](const std::unique_ptr<Client>& client) {
    bool over = !client->connection.open() && (!client->command || client->command->ended());
    if (over) Running::discard(std::move(client->command));
    return over;
  });
  busy_ = false;
}

void ExecService::accept_clients() {
  while (clients_.size() < kMostClients) {
    auto connection = sys::accept(listener_.get());
    if (!connection) {
      if (connection.error().code != EAGAIN) rest_ns_ = monotonic_ns() + kRestTime;  // EMFILE: they wait in the queue
      return;
    }
    auto peer = sys::peer_credentials(connection->get());
    if (!peer || peer->uid != geteuid()) {
      answer(connection->get(), failed_answer(make_error(EACCES, "exec", "'" + name() + "'", "belongs to another user")));
      continue;
    }
    auto client = std::make_unique<Client>();
    client->connection = std::move(*connection);
    client->deadline_ns = monotonic_ns() + kRequestTime;
    clients_.push_back(std::move(client));
  }
}

void ExecService::attend_client(Client& client) {
  if (client.connection.take_ready() != 0) read_message(client);
  tell_start(client);
  keep_time(client);
}

void ExecService::read_message(Client& client) {
  std::string text(kMostMessage, '\0');
  std::array<Fd, 2> more;
  auto message = sys::receive_message(client.connection.get(), text.data(), text.size(), more);
  if (!message && message.error().code == EAGAIN) return;
  if (!message || message->size == 0) return hang_up(client);
  std::string_view received = std::string_view(text).substr(0, message->size);
  if (message->cut) received = {};  // which makes no sense
  if (client.command) return pass_on(client, received);
  std::vector<Fd> streams;
  for (Fd* fd : {&message->fd, &more[0], &more[1]})
    if (fd->open()) streams.push_back(std::move(*fd));
  start_command(client, received, std::move(streams));
}

// ---- the command

// The container's own, with what was asked for in place.
Result<ContainerSpec> ExecService::spec_for(const ExecRequest& request) const {
  ContainerSpec spec = spec_;
  spec.argv = request.argv;
  if (!request.cwd.empty()) spec.cwd = request.cwd;
  if (!request.user.empty()) {
    std::size_t colon = request.user.find(':');
    spec.command_user = request.user.substr(0, colon);
    spec.command_group = colon == std::string::npos ? "" : request.user.substr(colon + 1);
    spec.command_groups.reset();  // the user's own
    if (spec.command_user.empty()) return make_error(EINVAL, "exec", "--user '" + request.user + "'", "must be USER or USER:GROUP");
  }
  spec.terminal = request.terminal;
  spec.terminal_rows = request.rows, spec.terminal_columns = request.columns;
  auto set = [&spec](const std::string& entry) {
    std::string_view name = std::string_view(entry).substr(0, entry.find('=') + 1);
    std::erase_if(spec.env, [name](const std::string& old) { return old.starts_with(name); });
    if (name == "PATH=") spec.path = entry.substr(name.size());
    if (name == "HOME=") spec.home_from_user = false;
    spec.env.push_back(entry);
  };
  if (request.terminal && !request.term.empty()) set("TERM=" + request.term);
  for (const std::string& entry : request.env) set(entry);
  auto valid = validate(spec);
  if (!valid) return valid.error().in("exec");
  return spec;
}

Result<void> ExecService::try_start(Client& client, std::string_view message, std::vector<Fd> streams) {
  if (message.empty()) return make_error(EMSGSIZE, "exec", "", "a request that is too long, or came with too many descriptors");
  ExecRequest request = CCSAND_TRY(read_request(message));
  if (streams.size() != (request.terminal ? 0 : 3)) return make_error(EBADMSG, "exec", "", "a request brings three descriptors, or asks for a terminal");
  ContainerSpec spec = CCSAND_TRY(spec_for(request));
  for (int i = 0; i < static_cast<int>(streams.size()); ++i) spec.redirects.emplace_back(streams[static_cast<std::size_t>(i)].get(), i);
  RunOptions options;
  options.lend_terminal = request.terminal;
  options.on_end = [&client](const RunResult& result) { finish(client, result); };
  client.command = CCSAND_TRY(Running::exec_for_client(container_, spec, options));
  return {};
}

void ExecService::start_command(Client& client, std::string_view message, std::vector<Fd> streams) {
  client.deadline_ns = kNever;
  if (auto begun = try_start(client, message, std::move(streams)); !begun) refuse(client, begun.error());
}
void ExecService::refuse(Client& client, const Error& error) {
  answer(client.connection.get(), failed_answer(error));
  client.connection.close();
}
// The start goes on in the loop, as the command does: here it is seen to be over.
void ExecService::tell_start(Client& client) {
  if (!client.is_to_be_told()) return;
  if (auto ended = client.command->ended() ? client.command->wait(0) : true; !ended) return refuse(client, ended.error());
  if (client.command->pid() == 0) return refuse(client, container_ended());  // before it was executed
  Fd terminal = client.command->take_lent_terminal();
  answer(client.connection.get(), {ExecAnswer::started, 0, {}, {}, 0}, terminal.get());
  client.started = true;
  if (client.command->ended()) finish(client, client.command->result());
}

// When the command has ended, wherever that was found.
void ExecService::finish(Client& client, const RunResult& result) {
  if (!client.started || !client.connection.open()) return;
  answer(client.connection.get(), {ExecAnswer::ended, result.status, {}, {}, 0});
  client.connection.close();
}

// "signal=15"
void ExecService::pass_on(Client& client, std::string_view message) {
  auto fields = read_fields(message);
  bool good = fields && fields->size() == 1 && (*fields)[0].first == "signal";
  auto signal = good ? read_number((*fields)[0].second, "a signal") : Result<std::int64_t>(make_error(EBADMSG, "", "", ""));
  if (!signal || *signal < 1 || *signal > SIGRTMAX) return hang_up(client);  // who says what makes no sense may say anything
  (void)client.command->kill(static_cast<int>(*signal));                     // it may have ended just now
}

// The command's session is led by it, and its group has its number: until it is waited for, nobody else has that.
void signal_group(const Running& command, int signal) {
  if (!command.ended() && !command.is_starting()) (void)sys::kill(-command.pid(), signal);  // it may have ended just now
}

// As where a terminal is closed; but what does not heed it is not left running for nobody.
void ExecService::hang_up(Client& client) {
  client.connection.close();
  client.deadline_ns = kNever;
  if (!client.command || client.command->ended()) return;
  if (client.command->is_starting()) return (void)client.command->kill(SIGKILL);  // it may have ended just now
  signal_group(*client.command, SIGHUP);
  signal_group(*client.command, SIGCONT);
  client.deadline_ns = monotonic_ns() + kHangUpTime;
}

void ExecService::keep_time(Client& client) {
  if (client.deadline_ns < 0 || monotonic_ns() < client.deadline_ns) return;
  if (!client.command) {
    answer(client.connection.get(), failed_answer(make_error(ETIMEDOUT, "exec", "", "no request came")));
    return client.connection.close();
  }
  client.deadline_ns = kNever;
  signal_group(*client.command, SIGKILL);
  (void)client.command->kill(SIGKILL);  // the group may be another one's by now
}

}  // namespace ccsand
