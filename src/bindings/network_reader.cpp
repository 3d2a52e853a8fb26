// network = "nat", a bridge, or a list of interfaces; ports; rules.
#include "bindings/network_reader.hpp"

#include <linux/if_link.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

namespace ccsand {

namespace {

Error at_key(const Error& error, const std::string& key) {
  std::string reason = error.reason.empty() ? error.message() : std::string(error.reason.view());
  return make_error(EINVAL, "", key, "'" + std::string(error.subject.view()) + "' " + reason);
}

// One text or a list of them.
Result<std::vector<std::string>> read_words(Table& table, const char* key) {
  std::vector<std::string> words;
  lua_State* L = table.state();
  int at = table.push(key);
  if (lua_type(L, at) == LUA_TSTRING) words.emplace_back(lua_tostring(L, at));
  else if (!lua_isnil(L, at)) CCSAND_TRY(table.texts(key, words));
  return words;
}
Result<std::vector<IpAddress>> read_addresses(Table& table, const char* key) {
  std::vector<IpAddress> addresses;
  std::vector<std::string> words = CCSAND_TRY(read_words(table, key));
  for (const std::string& word : words) {
    auto address = parse_address(word);
    if (!address) return at_key(address.error(), table.name_of(key));
    addresses.push_back(*address);
  }
  return addresses;
}

Result<void> read_routes(Table& table, InterfaceSpec& interface) {
  lua_State* L = table.state();
  int at = table.push("routes");
  if (lua_isnil(L, at)) return {};
  if (!lua_istable(L, at)) return table.wrong_type("routes", "a list of { to =, via = }", at);
  CCSAND_TRY(table.require_list("routes", at));
  for (std::size_t i = 1; i <= lua_objlen(L, at); ++i) {
    lua_rawgeti(L, at, static_cast<int>(i));
    std::string name = table.name_of("routes") + "[" + std::to_string(i) + "]";
    if (!lua_istable(L, -1)) return make_error(EINVAL, "", name, "must be a table { to =, via = }");
    Table route(L, lua_gettop(L), name);
    std::string to, via;
    if (!CCSAND_TRY(route.text("to", to))) return route.wrong("to", "is missing");
    RouteSpec spec;
    if (to == "default") spec.to = CCSAND_TRY(parse_prefix("0.0.0.0/0"));
    else spec.to = CCSAND_TRY(prefix_of(to, route.name_of("to")));
    if (CCSAND_TRY(route.text("via", via))) {
      auto address = parse_address(via);
      if (!address) return at_key(address.error(), route.name_of("via"));
      spec.via = *address;
      if (to == "default") spec.to.address.v6 = address->v6;
      if (spec.to.address.v6 != address->v6) return route.wrong("via", "is of another family than 'to'");
    }
    CCSAND_TRY(route.finish());
    spec.to = spec.to.network();
    interface.routes.push_back(spec);
    lua_pop(L, 1);
  }
  return {};
}

// How many keys say what it is.
Result<int> read_interface_kind(Table& table, InterfaceSpec& interface) {
  lua_State* L = table.state();
  int at = table.push("bridge");
  int kinds = lua_isnil(L, at) ? 0 : 1;
  if (lua_type(L, at) == LUA_TSTRING && std::string_view(lua_tostring(L, at)) == "nat") {
    interface.shared = default_bridge();
  } else if (auto bridge = to_bridge(L, at)) {
    interface.network = std::move(bridge);
  } else if (!lua_isnil(L, at)) {
    return table.wrong_type("bridge", "\"nat\" or a network of ccsand.network", at);
  }
  if (CCSAND_TRY(table.text("macvlan", interface.link))) interface.kind = InterfaceSpec::macvlan, ++kinds;
  if (CCSAND_TRY(table.text("device", interface.link))) interface.kind = InterfaceSpec::device, ++kinds;
  std::uint64_t mode = interface.macvlan_mode;
  if (CCSAND_TRY(table.word("mode", kMacvlanModes, mode)) && interface.kind != InterfaceSpec::macvlan) return table.wrong("mode", "is for macvlan");
  interface.macvlan_mode = static_cast<std::uint32_t>(mode);
  return kinds;
}

Result<InterfaceSpec> read_interface(lua_State* L, int at, const std::string& name) {
  InterfaceSpec interface;
  Table table(L, at, name);
  int kinds = CCSAND_TRY(read_interface_kind(table, interface));
  CCSAND_TRY(table.text("name", interface.name));
  std::vector<std::string> addresses = CCSAND_TRY(read_words(table, "address"));
  for (const std::string& word : addresses) interface.addresses.push_back(CCSAND_TRY(prefix_of(word, table.name_of("address"))));
  interface.gateways = CCSAND_TRY(read_addresses(table, "gateway"));
  CCSAND_TRY(table.boolean("default_route", interface.default_route));
  CCSAND_TRY(read_mac(table, "mac", interface.mac));
  std::int64_t mtu = 0;
  if (CCSAND_TRY(table.integer("mtu", mtu, 68, 65535))) interface.mtu = static_cast<std::uint32_t>(mtu);
  CCSAND_TRY(read_routes(table, interface));
  CCSAND_TRY(table.finish());
  if (kinds != 1) return table.wrong("bridge", "or 'macvlan' or 'device': exactly one says what the interface is");
  return interface;
}

Result<void> read_list(Table& container, int at, ContainerSpec& spec) {
  lua_State* L = container.state();
  CCSAND_TRY(container.require_list("network", at));
  for (std::size_t i = 1; i <= lua_objlen(L, at); ++i) {
    lua_rawgeti(L, at, static_cast<int>(i));
    int item = lua_gettop(L);
    std::string name = container.name_of("network") + "[" + std::to_string(i) + "]";
    InterfaceSpec interface;
    std::string_view word = lua_type(L, item) == LUA_TSTRING ? lua_tostring(L, item) : "";
    if (word == "nat") interface.shared = default_bridge();
    else if (word == "user") interface.kind = InterfaceSpec::user;
    else if (auto bridge = to_bridge(L, item)) interface.network = std::move(bridge);
    else if (lua_istable(L, item)) interface = CCSAND_TRY(read_interface(L, item, name));
    else return make_error(EINVAL, "", name, "must be \"nat\", \"user\", a network of ccsand.network, or a table");
    lua_settop(L, item - 1);
    // Without a name of its own it is the next of its kind.
    bool taken = true;
    for (int number = 0; taken; ++number) {
      taken = false;
      for (const InterfaceSpec& other : spec.network.interfaces) taken = taken || other.name == interface.name;
      if (taken && interface.name.starts_with("eth")) interface.name = "eth" + std::to_string(number + 1);
      else break;
    }
    spec.network.interfaces.push_back(std::move(interface));
  }
  if (spec.network.interfaces.empty()) return container.wrong("network", "is an empty list: say \"none\"");
  return {};
}

Result<std::uint16_t> port_number(std::string_view text) {
  unsigned number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0 || number > 65535)
    return make_error(EINVAL, "", text, "is not a port, 1 to 65535");
  return static_cast<std::uint16_t>(number);
}
// "8080:80", "127.0.0.1:53:53/udp", "[::1]:80:80", "80"
Result<PublishedPort> parse_port(std::string_view text) {
  PublishedPort port;
  std::string_view rest = text;
  if (rest.ends_with("/udp")) port.udp = true, rest.remove_suffix(4);
  else if (rest.ends_with("/tcp")) rest.remove_suffix(4);
  std::size_t last = rest.rfind(':');
  port.port = CCSAND_TRY(port_number(last == std::string_view::npos ? rest : rest.substr(last + 1)));
  port.host_port = port.port;
  if (last == std::string_view::npos) return port;
  rest = rest.substr(0, last);
  std::size_t middle = rest.rfind(':');
  if (rest.ends_with(']')) return make_error(EINVAL, "", text, "names no port of the host: \"[address]:host port:port\"");
  port.host_port = CCSAND_TRY(port_number(middle == std::string_view::npos ? rest : rest.substr(middle + 1)));
  if (middle == std::string_view::npos) return port;
  rest = rest.substr(0, middle);
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  IpAddress address = CCSAND_TRY(parse_address(rest));
  if (address.v6 && address.is_loopback())
    return make_error(EINVAL, "", text, "cannot be: the kernel routes nothing from ::1 into another namespace", "publish on 127.0.0.1 or on every address");
  if (!address.is_any()) port.host = address;
  return port;
}

Result<void> read_ports(Table& container, ContainerSpec& spec) {
  std::vector<std::string> words;
  CCSAND_TRY(container.texts("ports", words));
  for (const std::string& word : words) {
    auto port = parse_port(word);
    if (!port) return at_key(port.error(), container.name_of("ports"));
    spec.network.ports.push_back(*port);
  }
  return {};
}

// { text =, counters = { ... } }
Result<void> read_rules(Table& container, ContainerSpec& spec) {
  lua_State* L = container.state();
  int at = container.push("network_rules");
  if (lua_isnil(L, at)) return {};
  if (!lua_istable(L, at)) return container.wrong_type("network_rules", "a table", at);
  Table table(L, at, container.name_of("network_rules"));
  CCSAND_TRY(table.text("text", spec.network.rules));
  CCSAND_TRY(table.texts("counters", spec.network.counters));
  return table.finish();
}
}  // namespace

Result<IpPrefix> prefix_of(std::string_view text, const std::string& key) {
  auto prefix = parse_prefix(text);
  if (!prefix) return at_key(prefix.error(), key);
  return prefix;
}

Result<bool> read_mac(Table& table, const char* key, std::optional<MacAddress>& out) {
  std::string text;
  if (!CCSAND_TRY(table.text(key, text))) return false;
  MacAddress mac = {};
  int used = 0;
  if (text.size() != 17 || sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &used) != 6 || used != 17)
    return table.wrong(key, "must be a hardware address, such as \"02:00:00:00:00:05\"");
  if ((mac[0] & 1) != 0) return table.wrong(key, "is a group's address: the first byte must be even");
  out = mac;
  return true;
}

Result<BridgeSpec> read_bridge(Table& table) {
  BridgeSpec spec;
  CCSAND_TRY(table.text("name", spec.name));
  std::vector<std::string> subnets = CCSAND_TRY(read_words(table, "subnet"));
  for (const std::string& word : subnets) spec.subnets.push_back(CCSAND_TRY(prefix_of(word, table.name_of("subnet"))));
  CCSAND_TRY(table.boolean("isolated", spec.isolated));
  CCSAND_TRY(table.boolean("masquerade", spec.masquerade));
  CCSAND_TRY(table.boolean("host_access", spec.host_access));
  std::int64_t mtu = 0;
  if (CCSAND_TRY(table.integer("mtu", mtu, 1280, 65535))) spec.mtu = static_cast<std::uint32_t>(mtu);
  CCSAND_TRY(table.texts("dns", spec.dns));
  CCSAND_TRY(table.finish());
  CCSAND_TRY(validate(spec, "bridge"));
  return spec;
}

Result<void> read_network(Table& container, ContainerSpec& spec) {
  lua_State* L = container.state();
  CCSAND_TRY(read_ports(container, spec));
  CCSAND_TRY(read_rules(container, spec));
  int at = container.push("network");
  if (lua_isnil(L, at)) return {};
  spec.network_named = true;
  if (auto bridge = to_bridge(L, at)) {
    spec.network.interfaces.emplace_back().network = std::move(bridge);
    return {};
  }
  if (lua_istable(L, at)) return read_list(container, at, spec);
  if (lua_type(L, at) != LUA_TSTRING) return container.wrong_type("network", "a word, a network or a list of them", at);
  std::string word = lua_tostring(L, at);
  if (word == "host") spec.net = {NamespaceChoice::host, {}, -1};
  else if (word == "nat") spec.network.interfaces.emplace_back().shared = default_bridge();
  else if (word == "user") spec.network.interfaces.emplace_back().kind = InterfaceSpec::user;
  else if (word.starts_with('/')) spec.net = {NamespaceChoice::joined, word, -1};
  else if (word != "none") {
    static constexpr std::string_view kWords[] = {"none", "host", "nat", "user"};
    std::string reason = "'" + word + "': must be \"none\", \"host\", \"nat\", \"user\", the path of a namespace, a network or a list";
    if (auto near = nearest(word, kWords); !near.empty()) reason += "; did you mean '" + std::string(near) + "'?";
    return container.wrong("network", reason);
  }
  return {};
}

}  // namespace ccsand
