// Serves commands that other processes ask for in a container that this process holds: a listening socket
// and its clients, each with one command, in the loop that supervises the container.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/container_name.hpp"
#include "core/container_spec.hpp"
#include "core/event_poll.hpp"

namespace ccsand {

struct ExecRequest;
struct RunResult;
class Running;

class ExecService {
 public:
  // `spec` is what `container` was started from: a command gets its credentials, attributes and filter.
  // Its calls are decided as the container's own are.
  static std::unique_ptr<ExecService> create(ContainerName name, Running& container, ContainerSpec spec);
  ~ExecService();  // ends the commands
  ExecService(const ExecService&) = delete;
  ExecService& operator=(const ExecService&) = delete;

  [[nodiscard]] const std::string& name() const { return name_.name(); }
  void enter_interests();                        // before a turn of waiting
  void attend();                                 // after it
  [[nodiscard]] std::int64_t due_ns() const;     // when it must be looked at, whatever is ready; -1 for never
  // Whether it is at work: a function that decides calls may have come from there. Then it must not be destroyed.
  [[nodiscard]] bool is_busy() const { return busy_; }

 private:
  struct Client;
  ExecService(ContainerName name, Running& container, ContainerSpec spec);
  void accept_clients();
  void attend_client(Client& client);
  void read_message(Client& client);
  void start_command(Client& client, std::string_view message, std::vector<Fd> streams);
  static void tell_start(Client& client);
  static void refuse(Client& client, const Error& error);
  Result<void> try_start(Client& client, std::string_view message, std::vector<Fd> streams);
  [[nodiscard]] Result<ContainerSpec> spec_for(const ExecRequest& request) const;
  static void pass_on(Client& client, std::string_view message);
  static void hang_up(Client& client);
  static void keep_time(Client& client);
  static void finish(Client& client, const RunResult& result);

  ContainerName name_;
  Running& container_;
  ContainerSpec spec_;
  WatchedFd listener_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::int64_t rest_ns_ = -1;  // until then nobody is accepted
  bool busy_ = false;
};

}  // namespace ccsand
