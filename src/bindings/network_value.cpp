// Networks that containers are put on, as values of ccsand.netlink.
#include <cerrno>

#include "bindings/binding.hpp"
#include "bindings/descriptor.hpp"
#include "bindings/network_reader.hpp"
#include "bindings/network_value.hpp"
#include "core/network/bridge.hpp"

namespace ccsand {

namespace {
constexpr const char* kBridgeType = "ccsand.bridge";

struct BridgeHandle {
  std::shared_ptr<Bridge> bridge;
};
Result<std::shared_ptr<Bridge>> bridge_self(lua_State* L, const char* method) {
  if (auto bridge = to_bridge(L, 1)) return bridge;
  return make_error(EINVAL, method, "", "is a method of networks: network:" + std::string(method) + "(...)");
}
// bridge { name =, subnet =, isolated =, masquerade =, host_access =, mtu =, dns = }: made when it is first used
Result<int> bridge_body(lua_State* L) {
  BridgeSpec spec;
  if (lua_type(L, 1) == LUA_TSTRING && std::string_view(lua_tostring(L, 1)) == "nat") {
    spec = default_bridge();
  } else {
    Table table = CCSAND_TRY(Table::argument(L, 1, "bridge"));
    spec = CCSAND_TRY(read_bridge(table));
  }
  push_bridge(L, spec.isolated ? std::make_shared<Bridge>(std::move(spec)) : CCSAND_TRY(shared_bridge(spec)));
  return 1;
}
Result<int> bridge_open_body(lua_State* L) {
  auto bridge = CCSAND_TRY(bridge_self(L, "open"));
  CCSAND_TRY(bridge->open());
  return 0;
}
// netlink(): a socket in the namespace that the bridge is in
Result<int> bridge_netlink_body(lua_State* L) {
  auto bridge = CCSAND_TRY(bridge_self(L, "netlink"));
  CCSAND_TRY(bridge->open());
  CCSAND_TRY(push_netlink_socket(L, bridge->namespace_fd()));
  return 1;
}
Result<int> bridge_subnets_body(lua_State* L) {
  auto bridge = CCSAND_TRY(bridge_self(L, "subnets"));
  lua_createtable(L, 2, 0);
  int count = 0;
  for (const IpPrefix& subnet : bridge->is_open() ? bridge->subnets() : bridge->spec().subnets) {
    push_text(L, subnet.text().view());
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}
// cut(a, b), heal(a, b): between the ports of these names, the host ends of containers' interfaces
Result<int> bridge_cut_body(lua_State* L) {
  auto bridge = CCSAND_TRY(bridge_self(L, "cut"));
  std::string one = CCSAND_TRY(text_argument(L, 2, "cut")), other = CCSAND_TRY(text_argument(L, 3, "cut"));
  if (!is_link_name(one) || !is_link_name(other)) return make_error(EINVAL, "cut", "", "takes the names of two links");
  CCSAND_TRY(bridge->open());
  CCSAND_TRY(bridge->cut(one, other));
  return 0;
}
Result<int> bridge_heal_body(lua_State* L) {
  auto bridge = CCSAND_TRY(bridge_self(L, "heal"));
  std::string one = CCSAND_TRY(text_argument(L, 2, "heal")), other = CCSAND_TRY(text_argument(L, 3, "heal"));
  if (!is_link_name(one) || !is_link_name(other)) return make_error(EINVAL, "heal", "", "takes the names of two links");
  CCSAND_TRY(bridge->heal(one, other));
  return 0;
}
Result<int> bridge_name_body(lua_State* L) {
  auto bridge = CCSAND_TRY(bridge_self(L, "name"));
  push_text(L, bridge->spec().name);
  return 1;
}
Result<int> bridge_close_body(lua_State* L) {
  auto bridge = CCSAND_TRY(bridge_self(L, "close"));
  if (bridge->is_used()) return make_error(EBUSY, "close", "network", "containers of this process are on it", "end them first");
  bridge->close();
  return 0;
}
int collect_bridge(lua_State* L) {
  static_cast<BridgeHandle*>(lua_touserdata(L, 1))->~BridgeHandle();
  return 0;
}
int bridge_equal(lua_State* L) {
  lua_pushboolean(L, to_bridge(L, 1) == to_bridge(L, 2) ? 1 : 0);
  return 1;
}
int bridge_to_string(lua_State* L) {
  auto bridge = to_bridge(L, 1);
  std::string text = bridge && !bridge->spec().isolated ? "network " + bridge->spec().name : std::string("isolated network");
  if (bridge)
    for (const IpPrefix& subnet : bridge->subnets().empty() ? bridge->spec().subnets : bridge->subnets()) text += " " + std::string(subnet.text().view());
  push_text(L, text);
  return 1;
}

// close_all(): takes down every network that no container of this process is on
Result<int> close_all_body(lua_State*) {
  close_networks();
  return 0;
}

constexpr Function kMethods[] = {{"open", binding<bridge_open_body>},       {"close", binding<bridge_close_body>},
                                       {"netlink", binding<bridge_netlink_body>}, {"subnets", binding<bridge_subnets_body>}, {"cut", binding<bridge_cut_body>}, {"heal", binding<bridge_heal_body>},
                                       {"name", binding<bridge_name_body>}};
constexpr Function kFunctions[] = {{"bridge", binding<bridge_body>}, {"close_all", binding<close_all_body>}};
}  // namespace

std::shared_ptr<Bridge> to_bridge(lua_State* L, int index) {
  auto* handle = static_cast<BridgeHandle*>(userdata_of(L, index, kBridgeType));
  return handle != nullptr ? handle->bridge : nullptr;
}

void push_bridge(lua_State* L, std::shared_ptr<Bridge> bridge) {
  auto* handle = new (lua_newuserdata(L, sizeof(BridgeHandle))) BridgeHandle;
  luaL_getmetatable(L, kBridgeType);
  lua_setmetatable(L, -2);
  handle->bridge = std::move(bridge);
}

void open_bridges(lua_State* L) {
  begin_type(L, kBridgeType, collect_bridge, bridge_to_string, "a network");
  lua_pushcfunction(L, bridge_equal);
  lua_setfield(L, -3, "__eq");
  register_functions(L, kMethods);
  end_type(L);
}
void register_bridge_functions(lua_State* L) { register_functions(L, kFunctions); }

}  // namespace ccsand
