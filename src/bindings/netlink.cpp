// ccsand.netlink: links, addresses, routes, neighbours, queues and rules of a network namespace.
// Recipes mostly use ccsand.network.
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>

#include <cerrno>
#include <charconv>

#include "bindings/hook.hpp"
#include "bindings/modules.hpp"
#include "bindings/network_reader.hpp"
#include "bindings/network_value.hpp"
#include "bindings/sys.hpp"
#include "core/network/dump.hpp"
#include "core/network/forwarding.hpp"
#include "core/network/visit.hpp"
#include "core/operations/network.hpp"
#include "sys/file.hpp"
#include "sys/netlink.hpp"

namespace ccsand {

namespace {
constexpr const char* kSocketType = "ccsand.netlink";

// A socket that stays in the namespace it was made in.
struct NetlinkSocket {
  Fd socket, place;
};

Result<NetlinkSocket*> self(lua_State* L, const char* method) {
  auto* socket = static_cast<NetlinkSocket*>(userdata_of(L, 1, kSocketType));
  if (socket == nullptr) return make_error(EINVAL, method, "", "is a method of netlink sockets: net:" + std::string(method) + "(...)");
  if (!socket->socket.open()) return make_error(EBADF, method, "netlink socket", "is closed");
  return socket;
}

// The descriptor of a namespace: of a path, a descriptor, a process or a number of one; none for nil.
Result<Fd> namespace_argument(lua_State* L, int index) {
  if (lua_isnoneornil(L, index)) return own_network_namespace();
  if (lua_type(L, index) == LUA_TSTRING) return sys::open(lua_tostring(L, index), O_RDONLY);
  if (Process* process = to_process(L, index)) {
    std::string path = "/proc/" + std::to_string(process->pid) + "/ns/net";
    return sys::open(path.c_str(), O_RDONLY);
  }
  int fd = CCSAND_TRY(descriptor_argument(L, index, "open"));
  return sys::dup_cloexec(fd);
}

Result<void> fill(NetlinkSocket& to, Fd place) {
  NamespaceVisit visit = CCSAND_TRY(NamespaceVisit::enter(place.get()));
  to.socket = CCSAND_TRY(sys::netlink_socket(NETLINK_ROUTE));
  to.place = std::move(place);
  return {};
}
NetlinkSocket& push_socket(lua_State* L) {
  auto* socket = new (lua_newuserdata(L, sizeof(NetlinkSocket))) NetlinkSocket;
  luaL_getmetatable(L, kSocketType);
  lua_setmetatable(L, -2);
  return *socket;
}

// open(namespace): a socket in it; nil is the one that this process is in.
Result<int> open_body(lua_State* L) {
  lua_settop(L, 1);  // or what is pushed would be the argument
  NetlinkSocket& socket = push_socket(L);
  Fd place = CCSAND_TRY(namespace_argument(L, 1));
  CCSAND_TRY(fill(socket, std::move(place)));
  return 1;
}
// namespace(): a new network namespace, as a descriptor that holds it.
Result<int> namespace_body(lua_State* L) {
  Descriptor& descriptor = push_descriptor(L);
  NamespaceVisit visit = CCSAND_TRY(NamespaceVisit::enter(-1));
  descriptor.fd = CCSAND_TRY(own_network_namespace());
  return 1;
}

// ---- reading

using ccsand::set_field;
void set_field(lua_State* L, const char* key, const std::optional<MacAddress>& mac) {
  if (!mac) return;
  char text[18];
  const MacAddress& m = *mac;
  (void)snprintf(&text[0], sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
  set_field(L, key, std::string_view(&text[0]));
}
std::string link_name(const std::vector<LinkInfo>& links, std::uint32_t index) {
  for (const LinkInfo& link : links)
    if (link.index == index) return link.name;
  return std::to_string(index);
}

Result<int> links_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "links"));
  const Mnl& mnl = *CCSAND_TRY(load_mnl());
  auto links = CCSAND_TRY(dump_links(mnl, socket->socket.get()));
  lua_createtable(L, static_cast<int>(links.size()), 0);
  int count = 0;
  for (const LinkInfo& link : links) {
    lua_createtable(L, 0, 9);
    set_field(L, "index", static_cast<double>(link.index));
    set_field(L, "name", std::string_view(link.name));
    if (!link.kind.empty()) set_field(L, "kind", std::string_view(link.kind));
    set_field(L, "mac", link.mac);
    set_field(L, "mtu", static_cast<double>(link.mtu));
    set_field(L, "up", link.up);
    set_field(L, "carrier", link.carrier);
    if (link.master != 0) set_field(L, "master", std::string_view(link_name(links, link.master)));
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}
Result<int> addresses_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "addresses"));
  const Mnl& mnl = *CCSAND_TRY(load_mnl());
  auto links = CCSAND_TRY(dump_links(mnl, socket->socket.get()));
  auto addresses = CCSAND_TRY(dump_addresses(mnl, socket->socket.get()));
  lua_createtable(L, static_cast<int>(addresses.size()), 0);
  int count = 0;
  for (const AddressInfo& one : addresses) {
    lua_createtable(L, 0, 2);
    set_field(L, "link", std::string_view(link_name(links, one.link)));
    set_field(L, "address", one.address.text().view());
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}
Result<int> routes_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "routes"));
  const Mnl& mnl = *CCSAND_TRY(load_mnl());
  auto links = CCSAND_TRY(dump_links(mnl, socket->socket.get()));
  auto routes = CCSAND_TRY(dump_routes(mnl, socket->socket.get()));
  lua_createtable(L, static_cast<int>(routes.size()), 0);
  int count = 0;
  for (const RouteInfo& route : routes) {
    lua_createtable(L, 0, 4);
    set_field(L, "to", route.to.text().view());
    if (route.via) set_field(L, "via", route.via->text().view());
    if (route.link != 0) set_field(L, "link", std::string_view(link_name(links, route.link)));
    if (route.metric != 0) set_field(L, "metric", static_cast<double>(route.metric));
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}
Result<int> neighbours_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "neighbours"));
  const Mnl& mnl = *CCSAND_TRY(load_mnl());
  auto links = CCSAND_TRY(dump_links(mnl, socket->socket.get()));
  auto neighbours = CCSAND_TRY(dump_neighbours(mnl, socket->socket.get()));
  lua_createtable(L, static_cast<int>(neighbours.size()), 0);
  int count = 0;
  for (const NeighbourInfo& one : neighbours) {
    lua_createtable(L, 0, 4);
    set_field(L, "link", std::string_view(link_name(links, one.link)));
    set_field(L, "address", one.address.text().view());
    set_field(L, "mac", one.mac);
    set_field(L, "permanent", one.permanent);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

// ---- changing

Result<int> change(const NetlinkSocket& socket, NetworkChange what) {
  OneShot shot;
  ChangeNetwork op;
  op.changes.push_back(std::move(what));
  op.socket = socket.socket.get();
  return shot.run(op);
}
Result<std::uint32_t> link_index(const NetlinkSocket& socket, const std::string& name) { return sys::interface_index(socket.socket.get(), name); }
Result<std::uint32_t> link_key(Table& table, const NetlinkSocket& socket, const char* key) {
  std::string name;
  if (!CCSAND_TRY(table.text(key, name))) return std::uint32_t{0};
  return link_index(socket, name);
}
Result<std::uint32_t> needed_link(Table& table, const NetlinkSocket& socket) {
  std::string name;
  bool there = CCSAND_TRY(table.text("link", name));
  CCSAND_TRY(need(table, "link", there));
  return link_index(socket, name);
}
// A namespace that a link goes to; the descriptor lives as long as `kept`.
Result<void> read_target(Table& table, const char* key, NamespaceTarget& target, Fd& kept) {
  lua_State* L = table.state();
  int at = table.push(key);
  if (lua_isnil(L, at)) return {};
  kept = CCSAND_TRY(namespace_argument(L, at));
  target.fd = kept.get();
  return {};
}
Result<std::uint32_t> read_mtu(Table& table) {
  std::int64_t mtu = 0;
  CCSAND_TRY(table.integer("mtu", mtu, 68, 65535));
  return static_cast<std::uint32_t>(mtu);
}
Result<void> need_name(Table& table, const char* key, const std::string& name) {
  if (name.empty()) return table.wrong(key, "is missing");
  if (!is_link_name(name)) return table.wrong(key, "must be 1 to 15 bytes without '/', ':' and spaces");
  return {};
}

// peer = "name" or { name =, namespace =, mac = }
Result<void> read_peer(Table& table, AddLink& link, Fd& kept) {
  lua_State* L = table.state();
  int at = table.push("peer");
  if (lua_isnil(L, at)) return {};
  if (lua_type(L, at) == LUA_TSTRING) {
    link.peer = lua_tostring(L, at);
    return need_name(table, "peer", link.peer);
  }
  if (!lua_istable(L, at)) return table.wrong_type("peer", "a name or a table", at);
  Table peer(L, at, table.name_of("peer"));
  CCSAND_TRY(peer.text("name", link.peer));
  CCSAND_TRY(need_name(peer, "name", link.peer));
  CCSAND_TRY(read_mac(peer, "mac", link.peer_mac));
  CCSAND_TRY(read_target(peer, "namespace", link.peer_target, kept));
  return peer.finish();
}

Result<int> link_add_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "link_add"));
  Table table = CCSAND_TRY(Table::argument(L, 2, "link_add"));
  AddLink link;
  Fd target, peer_target;
  CCSAND_TRY(table.text("name", link.name));
  CCSAND_TRY(need_name(table, "name", link.name));
  bool has_kind = CCSAND_TRY(table.text("kind", link.kind));
  CCSAND_TRY(need(table, "kind", has_kind));
  CCSAND_TRY(table.boolean("up", link.up));
  link.mtu = CCSAND_TRY(read_mtu(table));
  CCSAND_TRY(read_mac(table, "mac", link.mac));
  link.master = CCSAND_TRY(link_key(table, *socket, "master"));
  link.parent = CCSAND_TRY(link_key(table, *socket, "parent"));
  std::uint64_t mode = MACVLAN_MODE_BRIDGE;
  CCSAND_TRY(table.word("mode", kMacvlanModes, mode));
  link.macvlan_mode = static_cast<std::uint32_t>(mode);
  std::int64_t vlan = 0;
  CCSAND_TRY(table.integer("vlan", vlan, 1, 4094));
  link.vlan = static_cast<std::uint16_t>(vlan);
  CCSAND_TRY(read_peer(table, link, peer_target));
  CCSAND_TRY(read_target(table, "namespace", link.target, target));
  CCSAND_TRY(table.finish());
  if (link.kind == "veth" && link.peer.empty()) return table.wrong("peer", "is missing: the name of the other end");
  if ((link.kind == "macvlan" || link.kind == "vlan") && link.parent == 0) return table.wrong("parent", "is missing: the link below");
  return change(*socket, link);
}
Result<int> link_set_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "link_set"));
  SetLink link;
  std::string name = CCSAND_TRY(text_argument(L, 2, "link_set"));
  link.link = CCSAND_TRY(link_index(*socket, name));
  Table table = CCSAND_TRY(Table::argument(L, 3, "link_set"));
  Fd target;
  bool up = false;
  if (CCSAND_TRY(table.boolean("up", up))) link.up = up;
  if (std::uint32_t mtu = CCSAND_TRY(read_mtu(table)); mtu != 0) link.mtu = mtu;
  CCSAND_TRY(read_mac(table, "mac", link.mac));
  std::string master;
  if (CCSAND_TRY(table.text("master", master))) link.master = master.empty() ? 0 : CCSAND_TRY(link_index(*socket, master));
  bool renamed = CCSAND_TRY(table.text("name", link.new_name));
  if (renamed) CCSAND_TRY(need_name(table, "name", link.new_name));
  CCSAND_TRY(read_target(table, "namespace", link.target, target));
  CCSAND_TRY(table.finish());
  return change(*socket, link);
}
Result<int> link_remove_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "link_remove"));
  std::string name = CCSAND_TRY(text_argument(L, 2, "link_remove"));
  std::uint32_t index = CCSAND_TRY(link_index(*socket, name));
  return change(*socket, RemoveLink{index});
}

template <typename Op>
Result<int> address_change(lua_State* L, const char* method) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, method));
  Table table = CCSAND_TRY(Table::argument(L, 2, method));
  Op op;
  op.link = CCSAND_TRY(needed_link(table, *socket));
  std::string text;
  bool there = CCSAND_TRY(table.text("address", text));
  CCSAND_TRY(need(table, "address", there));
  op.address = CCSAND_TRY(prefix_of(text, table.name_of("address")));
  CCSAND_TRY(table.finish());
  return change(*socket, op);
}
Result<int> address_add_body(lua_State* L) { return address_change<AddAddress>(L, "address_add"); }
Result<int> address_remove_body(lua_State* L) { return address_change<RemoveAddress>(L, "address_remove"); }

Result<int> route_change(lua_State* L, const char* method, bool remove) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, method));
  Table table = CCSAND_TRY(Table::argument(L, 2, method));
  AddRoute op;
  op.remove = remove;
  std::string to, via;
  bool there = CCSAND_TRY(table.text("to", to));
  CCSAND_TRY(need(table, "to", there));
  if (CCSAND_TRY(table.text("via", via))) op.via = CCSAND_TRY(prefix_of(via, table.name_of("via"))).address;
  if (to != "default") op.to = CCSAND_TRY(prefix_of(to, table.name_of("to"))).network();
  else op.to.address.v6 = op.via && op.via->v6;
  op.link = CCSAND_TRY(link_key(table, *socket, "link"));
  std::int64_t metric = 0;
  CCSAND_TRY(table.integer("metric", metric, 0, 4294967295));
  op.metric = static_cast<std::uint32_t>(metric);
  CCSAND_TRY(table.finish());
  return change(*socket, op);
}
Result<int> route_add_body(lua_State* L) { return route_change(L, "route_add", false); }
Result<int> route_remove_body(lua_State* L) { return route_change(L, "route_remove", true); }

Result<int> neighbour_change(lua_State* L, const char* method, bool remove) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, method));
  Table table = CCSAND_TRY(Table::argument(L, 2, method));
  AddNeighbour op;
  op.remove = remove;
  op.link = CCSAND_TRY(needed_link(table, *socket));
  std::string text;
  bool there = CCSAND_TRY(table.text("address", text));
  CCSAND_TRY(need(table, "address", there));
  op.address = CCSAND_TRY(prefix_of(text, table.name_of("address"))).address;
  std::optional<MacAddress> mac;
  CCSAND_TRY(read_mac(table, "mac", mac));
  if (!remove) CCSAND_TRY(need(table, "mac", mac.has_value()));
  if (mac) op.mac = *mac;
  CCSAND_TRY(table.finish());
  return change(*socket, op);
}
Result<int> neighbour_add_body(lua_State* L) { return neighbour_change(L, "neighbour_add", false); }
Result<int> neighbour_remove_body(lua_State* L) { return neighbour_change(L, "neighbour_remove", true); }

// "10mbit", "1gbit", "300kbit" of bits, or a size, of bytes, a second.
Result<std::uint64_t> parse_rate(std::string_view text) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {{"kbit", 125}, {"mbit", 125e3}, {"gbit", 125e6}, {"bit", 0.125}};
  for (const auto& [unit, bytes] : kUnits) {
    if (!text.ends_with(unit)) continue;
    double number = 0;
    std::string_view digits = text.substr(0, text.size() - unit.size());
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || number * bytes < 1 || number * bytes > 1e12) break;
    return static_cast<std::uint64_t>(number * bytes);
  }
  return parse_size(text);
}
Result<void> read_share(Table& table, const char* key, double& out) {
  if (CCSAND_TRY(table.number(key, out)) && !(out >= 0 && out <= 1)) return table.wrong(key, "must be a share from 0 to 1");
  return {};
}
// queue_set(link, { rate =, delay =, jitter =, loss =, duplicate =, reorder =, burst =, limit = }); {} takes it away
Result<int> queue_set_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "queue_set"));
  SetQueue op;
  std::string name = CCSAND_TRY(text_argument(L, 2, "queue_set"));
  op.link = CCSAND_TRY(link_index(*socket, name));
  Table table = CCSAND_TRY(Table::argument(L, 3, "queue_set"));
  int at = table.push("rate");
  if (!lua_isnil(L, at)) {
    auto rate = lua_isstring(L, at) != 0 ? parse_rate(lua_tostring(L, at)) : Result<std::uint64_t>(make_error(EINVAL, "", "", ""));
    if (!rate || *rate == 0) return table.wrong("rate", "must be bits a second, such as \"10mbit\", or bytes, such as 1000 or \"1M\"");
    op.rate = *rate;
  }
  CCSAND_TRY(table.size("burst", op.burst));
  CCSAND_TRY(table.duration_ns("delay", op.delay_ns));
  CCSAND_TRY(table.duration_ns("jitter", op.jitter_ns));
  CCSAND_TRY(read_share(table, "loss", op.loss));
  CCSAND_TRY(read_share(table, "duplicate", op.duplicate));
  CCSAND_TRY(read_share(table, "reorder", op.reorder));
  std::int64_t limit = op.limit;
  CCSAND_TRY(table.integer("limit", limit, 1, 1'000'000));
  op.limit = static_cast<std::uint32_t>(limit);
  CCSAND_TRY(table.finish());
  if (op.reorder > 0 && op.delay_ns == 0) return table.wrong("reorder", "needs a delay: what is sent at once overtakes what waits");
  auto done = change(*socket, op);
  if (!done && op.is_none() && (done.error().code == ENOENT || done.error().code == EINVAL)) return 0;  // there was none
  return done;
}

// The JSON of a table, by ccsand.json.
Result<std::string> json_of(lua_State* L, int index) {
  int top = lua_gettop(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "ccsand.json");
  if (lua_pcall(L, 1, 1, 0) != 0) return error_from_lua(L, "nft");
  lua_getfield(L, -1, "encode");
  lua_pushvalue(L, index);
  if (lua_pcall(L, 1, 1, 0) != 0) return error_from_lua(L, "nft");
  auto text = text_argument(L, lua_gettop(L), "nft");
  lua_settop(L, top);
  return text;
}
// nft(rules, { json = true }): what they print; rules as text, or a table as libnftables-json(5) has it
Result<int> nft_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "nft"));
  bool json = lua_istable(L, 2);
  std::string rules = CCSAND_TRY(json ? json_of(L, 2) : text_argument(L, 2, "nft"));
  if (auto options = CCSAND_TRY(options_argument(L, 3, "nft"))) {
    CCSAND_TRY(options->boolean("json", json));
    CCSAND_TRY(options->finish());
  }
  NamespaceVisit visit = CCSAND_TRY(NamespaceVisit::enter(socket->place.get()));
  std::string printed = CCSAND_TRY(run_nft(rules, json));
  push_text(L, printed);
  return 1;
}
// sysctl("ipv4/ip_forward"): its value; sysctl("ipv4/ip_forward", "1") sets it
Result<int> sysctl_body(lua_State* L) {
  NetlinkSocket* socket = CCSAND_TRY(self(L, "sysctl"));
  std::string name = CCSAND_TRY(text_argument(L, 2, "sysctl"));
  if (name.find("..") != std::string::npos || name.starts_with('/')) return make_error(EINVAL, "sysctl", name, "must be a name below net, such as ipv4/conf/eth0/forwarding");
  std::string value;
  bool sets = !lua_isnoneornil(L, 3);
  if (sets) value = CCSAND_TRY(text_argument(L, 3, "sysctl"));
  {
    NamespaceVisit visit = CCSAND_TRY(NamespaceVisit::enter(socket->place.get()));
    if (sets) CCSAND_TRY(set_network_sysctl(name, value));
    else value = CCSAND_TRY(get_network_sysctl(name));
  }
  if (sets) return 0;
  push_text(L, value);
  return 1;
}
Result<int> close_body(lua_State* L) {
  if (auto* socket = static_cast<NetlinkSocket*>(userdata_of(L, 1, kSocketType))) socket->socket.close(), socket->place.close();
  return 0;
}
int collect_socket(lua_State* L) {
  static_cast<NetlinkSocket*>(lua_touserdata(L, 1))->~NetlinkSocket();
  return 0;
}
int socket_to_string(lua_State* L) {
  lua_pushliteral(L, "netlink socket");
  return 1;
}

constexpr Function kSocketMethods[] = {
    {"links", binding<links_body>},           {"addresses", binding<addresses_body>},
    {"routes", binding<routes_body>},         {"neighbours", binding<neighbours_body>},
    {"link_add", binding<link_add_body>},     {"link_set", binding<link_set_body>},
    {"link_remove", binding<link_remove_body>}, {"address_add", binding<address_add_body>},
    {"address_remove", binding<address_remove_body>}, {"route_add", binding<route_add_body>},
    {"route_remove", binding<route_remove_body>}, {"neighbour_add", binding<neighbour_add_body>},
    {"neighbour_remove", binding<neighbour_remove_body>}, {"queue_set", binding<queue_set_body>},
    {"nft", binding<nft_body>},               {"sysctl", binding<sysctl_body>},
    {"close", binding<close_body>}};
constexpr Function kFunctions[] = {{"open", binding<open_body>},
                                   {"namespace", binding<namespace_body>}};
}  // namespace

Result<void> push_netlink_socket(lua_State* L, int namespace_fd) {
  NetlinkSocket& socket = push_socket(L);
  Fd place = CCSAND_TRY(namespace_fd >= 0 ? sys::dup_cloexec(namespace_fd) : own_network_namespace());
  return fill(socket, std::move(place));
}

int open_netlink(lua_State* L) {
  open_descriptors(L);
  begin_type(L, kSocketType, collect_socket, socket_to_string, "a netlink socket");
  register_functions(L, kSocketMethods);
  end_type(L);
  open_bridges(L);
  lua_createtable(L, 0, 4);
  register_functions(L, kFunctions);
  register_bridge_functions(L);
  return 1;
}

}  // namespace ccsand
