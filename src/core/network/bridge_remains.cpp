// Under the lock of the run directory throughout.
#include "core/network/bridge_remains.hpp"

#include <fcntl.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstdio>

#include "core/directory.hpp"
#include "core/network/bridge.hpp"
#include "core/network/dump.hpp"
#include "core/network/firewall.hpp"
#include "core/network/forwarding.hpp"
#include "core/network/name_files.hpp"
#include "sys/file.hpp"
#include "sys/netlink.hpp"

namespace ccsand {

namespace {
// What follows `start` in the names of files in the run directory.
std::vector<std::string> files_from(const NetworkLock& lock, const std::string& start) {
  std::vector<std::string> names;
  auto listing = sys::openat2(lock.directory(), ".", O_RDONLY | O_DIRECTORY);
  if (!listing) return names;
  (void)for_each_entry(listing->get(), "run directory", [&](std::string_view name, unsigned char) {  // the rest is left to the next sweep
    if (name.starts_with(start)) names.emplace_back(name.substr(start.size()));
  });
  return names;
}
// The files of names of isolated networks whose process is gone: "pPID-START-COUNT".
void sweep_isolated(const NetworkLock& lock) {
  for (const std::string& rest : files_from(lock, "hosts-p")) {
    unsigned long long pid = 0, start = 0;
    if (sscanf(rest.c_str(), "%llu-%llu-", &pid, &start) != 2 || is_alive({static_cast<pid_t>(pid), start})) continue;
    (void)remove_name_files(lock.directory(), "p" + rest);  // or the next sweep does
  }
}
}  // namespace

std::string record_name(const std::string& number, const std::string& bridge) { return "net-" + number + "-" + bridge; }

void take_down(const NetworkLock& lock, const std::string& number, const std::string& name, const OnHost& made) {
  std::uint32_t index = made.link;
  auto mnl = load_mnl();
  auto socket = sys::netlink_socket(NETLINK_ROUTE);
  bool gone = false;
  if (mnl && socket) {
    // A crash may have come before the number was noted: ccsand's bridges have addresses of its own kind.
    auto links = dump_links(**mnl, socket->get());
    if (links && index == 0)
      for (const LinkInfo& link : *links)
        if (link.name == name && link.kind == "bridge" && link.mac && (*link.mac)[0] == 0x02 && (*link.mac)[1] == kBridgeMac) index = link.index;
    auto found = sys::interface_index(socket->get(), name);
    std::vector<NetworkChange> removals;
    // Its ports go with their containers' namespaces, which the kernel takes down a while after their end.
    if (links && index != 0)
      for (const LinkInfo& link : *links)
        if (link.master == index && link.name.starts_with("cs")) removals.emplace_back(RemoveLink{link.index});
    if (found && index != 0 && *found == index) removals.emplace_back(RemoveLink{index});
    for (const NetworkChange& removal : removals) (void)send_changes(**mnl, socket->get(), {&removal, 1});
    auto after = dump_links(**mnl, socket->get());
    gone = links && after && std::none_of(after->begin(), after->end(), [index](const LinkInfo& link) { return index != 0 && link.index == index; });
  }
  if (made.rules) gone = bool(run_nft(table_removal(name))) && gone;
  if (made.cuts) (void)run_nft(cuts_removal(name));  // it does nothing without the bridge
  gone = remove_name_files(lock.directory(), number + "-" + name) && gone;
  if (!gone) return;
  (void)sys::unlinkat(lock.directory(), record_name(number, name).c_str(), 0);
}
std::vector<std::string> recorded_bridges(const NetworkLock& lock, const std::string& number) { return files_from(lock, record_name(number, "")); }

void forget_on_host(const std::string& bridge, const std::string& key, const Registry::Forgotten& forgotten) {
  if (!forgotten.ports.empty()) (void)run_nft(port_removal(bridge, forgotten.ports));
  if (forgotten.names.empty()) return;
  auto hosts = HostsFile::open(key);
  if (!hosts) return;  // a stale name is no harm
  for (std::uint32_t place : forgotten.names) hosts->clear(place);
}

void sweep_networks() {
  auto lock = NetworkLock::take();
  auto number = namespace_number();
  if (!lock || !number) return;
  bool left = false;
  for (const std::string& name : recorded_bridges(*lock, *number)) {
    auto registry = Registry::open(*lock, record_name(*number, name), false);
    if (!registry) continue;
    auto forgotten = registry->forget_dead();
    if (registry->is_new() || !registry->is_held()) {
      take_down(*lock, *number, name, OnHost(*registry));
      continue;
    }
    left = true;
    forget_on_host(name, *number + "-" + name, forgotten);
  }
  if (!left) restore_forwarding(*lock);
  sweep_isolated(*lock);
}

}  // namespace ccsand
