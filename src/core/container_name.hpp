// Names of containers that run: for each a record and a socket in run_directory(), by which other
// processes find a container and the ccsand that holds it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ccsand/fd.hpp"
#include "ccsand/result.hpp"
#include "core/state.hpp"

namespace ccsand {

// An error unless it is 1 to 63 letters, digits, '.', '_' and '-', begins with one of the first two
// and is no number, which would be a pid.
Result<void> check_container_name(std::string_view name);

struct NamedContainer {
  std::string name;
  pid_t pid = 0;                      // 0: it is being assembled
  ProcessKey holder;                  // the ccsand that runs it
  std::int64_t since = 0;             // seconds of CLOCK_REALTIME
  std::vector<std::string> command;
};

// A name that is this process's, while the value lives; of a forked copy it is not.
class ContainerName {
 public:
  // EEXIST where a living process has it. What a dead one left of it goes.
  static Result<ContainerName> take(const std::string& name);
  ~ContainerName();
  ContainerName(ContainerName&& other) noexcept;
  ContainerName& operator=(ContainerName&&) = delete;
  ContainerName(const ContainerName&) = delete;
  ContainerName& operator=(const ContainerName&) = delete;

  [[nodiscard]] const std::string& name() const { return record_.name; }
  // From here on it is listed.
  Result<void> tell(pid_t pid, const std::vector<std::string>& command);
  Fd take_socket() { return std::move(socket_); }  // listens since the name was taken; non-blocking

 private:
  ContainerName() = default;
  NamedContainer record_;
  Fd directory_, socket_;
  std::uint64_t owner_ = 0;  // by generation; 0: of nobody
};

// Those of living processes that have been assembled, by name. They are not asked. Empty where there
// is no run_directory().
Result<std::vector<NamedContainer>> named_containers();
// The one of a name, or of a pid as named_containers() has it. ESRCH where there is none.
Result<NamedContainer> find_container(std::string_view name_or_pid);
// A connection to the socket of one.
Result<Fd> connect_to(const NamedContainer& container);

// For sweep(): whether a file of run_directory() is of these, and the end of those of the dead.
bool is_name_file(std::string_view file);
void sweep_names();

}  // namespace ccsand
