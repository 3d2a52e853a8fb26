// A container's network.
#include "core/operations/network.hpp"

#include <linux/netlink.h>

#include <cerrno>

#include "core/operations/describe.hpp"
#include "core/operations/mounts.hpp"
#include "sys/netlink.hpp"

namespace ccsand {

Result<void> apply(const PrepareNetwork& op, Context& context) {
  context.network = CCSAND_TRY(NetworkAttachment::prepare(op.spec));
  return {};
}
Result<void> apply(const ConnectNetwork&, Context& context) { return context.network->connect(context.child, context.child_pidfd); }
Result<void> apply(const ConfigureNetwork&, Context& context) { return context.network->configure(); }

Result<void> apply(const OpenNameFiles& op, Context& context) {
  std::string hosts = CCSAND_TRY(context.network->hosts_path()), resolver = CCSAND_TRY(context.network->resolver_path());
  CCSAND_TRY(apply(OpenTree{{kNoSlot, hosts}, false, op.hosts, false}, context));
  return apply(OpenTree{{kNoSlot, resolver}, false, op.resolver, false}, context);
}

Result<void> apply(const ChangeNetwork& op, Context&) {
  const Mnl& mnl = *CCSAND_TRY(load_mnl());
  Fd own;
  if (op.socket < 0) own = CCSAND_TRY(sys::netlink_socket(NETLINK_ROUTE));
  return send_changes(mnl, op.socket < 0 ? own.get() : op.socket, op.changes);
}

std::string describe(const PrepareNetwork& op) { return "lease network: " + describe(*op.spec); }
std::string describe(const ConnectNetwork& op) {
  return "connect network: " + describe(*op.spec) + (op.spec->rules.empty() ? "" : ", with rules");
}
std::string describe(const ConfigureNetwork& op) {
  std::string line = "configure lo";
  for (const InterfaceSpec& one : op.spec->interfaces) line += ", " + one.name;
  return line;
}
std::string describe(const OpenNameFiles& op) { return "open hosts as " + slot_name(op.hosts) + ", resolv.conf as " + slot_name(op.resolver); }
std::string describe(const ChangeNetwork& op) {
  std::string line;
  for (const NetworkChange& change : op.changes) line += (line.empty() ? "" : "; ") + describe(change);
  return line;
}

}  // namespace ccsand
