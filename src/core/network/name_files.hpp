// The files by which containers find names: hosts(5), one for each network, in which a container
// has a line as long as it lives, and resolv.conf(5). They lie in run_directory() and are bound
// into containers, read-only.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ccsand/fd.hpp"
#include "core/network/address.hpp"

namespace ccsand {

class HostsFile {
 public:
  // The file of a network, made where it is not there.
  static Result<HostsFile> open(const std::string& name);
  [[nodiscard]] const std::string& path() const { return path_; }
  // The lines of the container that has that place, one for each address; each change is one write.
  Result<void> set(std::uint32_t place, std::string_view name, std::span<const IpPrefix> addresses);
  void clear(std::uint32_t place);

 private:
  Fd file_;
  std::string path_;
};

// Whether a name can stand in hosts(5): letters, digits, '-', '.' and '_', at most 64.
bool is_host_name(std::string_view name);

// The path of a resolv.conf(5) with these lines, in run_directory(); the same for the same text.
Result<std::string> resolver_file(const std::string& network, const std::string& text);
// The host's resolvers, as a container can reach them: those on loopback it cannot.
Result<std::string> host_resolvers();

// Removes the files of a network; false where some are left.
bool remove_name_files(int directory, const std::string& network);

}  // namespace ccsand
