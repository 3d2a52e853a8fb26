// Network changes as lines of text.
#include "core/network/change.hpp"

namespace ccsand {

namespace {
std::string link_text(std::uint32_t link) { return "link " + std::to_string(link); }
std::string target_text(const NamespaceTarget& target) {
  return target.fd >= 0 || target.pid > 0 ? " in another namespace" : "";
}

std::string text(const AddLink& op) {
  return "add " + op.kind + " '" + op.name + "'" + (op.peer.empty() ? "" : " and '" + op.peer + "'" + target_text(op.peer_target)) + target_text(op.target);
}
std::string text(const SetLink& op) {
  std::string line = "set " + link_text(op.link);
  if (op.up) line += *op.up ? " up" : " down";
  if (op.mtu) line += " mtu " + std::to_string(*op.mtu);
  if (op.master) line += *op.master == 0 ? std::string(" of no bridge") : " of bridge " + std::to_string(*op.master);
  if (!op.new_name.empty()) line += " name '" + op.new_name + "'";
  return line + target_text(op.target);
}
std::string text(const RemoveLink& op) { return "remove " + link_text(op.link); }
std::string text(const AddAddress& op) { return "add address " + std::string(op.address.text().view()) + " to " + link_text(op.link); }
std::string text(const RemoveAddress& op) { return "remove address " + std::string(op.address.text().view()) + " of " + link_text(op.link); }
std::string text(const AddRoute& op) {
  return (op.remove ? "remove route to " : "add route to ") + std::string(op.to.text().view()) + (op.via ? " via " + std::string(op.via->text().view()) : "");
}
std::string text(const AddNeighbour& op) { return (op.remove ? "remove neighbour " : "add neighbour ") + std::string(op.address.text().view()); }
std::string text(const SetQueue& op) { return "set queue of " + link_text(op.link); }
}  // namespace

std::string describe(const NetworkChange& change) {
  return std::visit([](const auto& op) { return text(op); }, change);
}

bool is_link_name(std::string_view name) {
  if (name.empty() || name.size() > 15 || name == "." || name == "..") return false;
  for (char c : name)
    if (c == '/' || c == ':' || static_cast<unsigned char>(c) <= ' ' || c == 127) return false;
  return true;
}

}  // namespace ccsand
