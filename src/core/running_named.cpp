// Containers that other processes find by a name, and run commands in.
#include <cerrno>
#include <utility>

#include "core/background_launch.hpp"
#include "core/exec_service.hpp"
#include "core/running.hpp"

namespace ccsand {

Result<void> Running::serve_as(ContainerName name, const ContainerSpec& spec) {
  CCSAND_TRY(name.tell(launched_.pid, spec.argv));
  service_ = ExecService::create(std::move(name), *this, spec);
  return {};
}
Result<void> Running::serve(const std::string& name, const ContainerSpec& spec) {
  if (ended_ || pending_) return make_error(ESRCH, "name", "'" + name + "'", ended_ ? "the container has ended" : "the container has no command yet");
  if (service_) return make_error(EEXIST, "name", "'" + name + "'", "the container has the name '" + service_->name() + "'");
  return serve_as(CCSAND_TRY(ContainerName::take(name)), spec);
}
std::string Running::name() const { return service_ && !ended_ ? service_->name() : std::string(); }

Result<std::unique_ptr<Running>> Running::exec_for_client(Running& target, const ContainerSpec& spec, RunOptions options) {
  if (target.options_.supervisor) options.supervisor = target.options_.supervisor->another();
  return exec(target, spec, options);
}

}  // namespace ccsand
