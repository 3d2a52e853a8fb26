// Addresses, leases and rules of networks: what needs no kernel.
#include <unistd.h>

#include <set>

#include "core/network/address.hpp"
#include "core/network/bridge.hpp"
#include "core/network/firewall.hpp"
#include "core/network/registry.hpp"
#include "support.hpp"

using namespace ccsand;

namespace {
IpPrefix prefix(std::string_view text) {
  auto parsed = parse_prefix(text);
  REQUIRE(parsed);
  return *parsed;
}
std::string text_of(std::string_view text) { return std::string(prefix(text).text().view()); }

Registry registry_of(std::initializer_list<const char*> subnets) {
  auto registry = Registry::anonymous();
  REQUIRE(registry);
  for (const char* subnet : subnets) (*registry)->subnet[(*registry)->subnets++] = prefix(subnet);
  return std::move(*registry);
}
}  // namespace

TEST_CASE("addresses and prefixes are read and written", "[network]") {
  CHECK(text_of("10.1.0.5/16") == "10.1.0.5/16");
  CHECK(text_of("10.1.0.5") == "10.1.0.5/32");
  CHECK(text_of("0.0.0.0/0") == "0.0.0.0/0");
  CHECK(text_of("FD00:0:0::1/64") == "fd00::1/64");
  CHECK(text_of("::") == "::/128");
  for (const char* wrong : {"", "/", "10.1.0/16", "10.1.0.5/", "10.1.0.5/33", "10.1.0.5/-1", "10.1.0.5/8x", "10.1.0.256", "fd00::/129", "fd00:::1", " 10.1.0.5",
                            "10.1.0.5/8/8", "1.2.3.4.5", "::ffff:10.1.0.5:1", "localhost"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_prefix(wrong));
  }
  CHECK_FALSE(parse_address(std::string(300, '1')));
  CHECK(parse_address("127.8.0.1")->is_loopback());
  CHECK(parse_address("::1")->is_loopback());
  CHECK_FALSE(parse_address("::2")->is_loopback());
  CHECK(parse_address("::")->is_any());
}

TEST_CASE("prefixes contain, overlap and count", "[network]") {
  CHECK(prefix("10.1.255.5/15").network().text().view() == "10.0.0.0/15");
  CHECK(prefix("fd00::ff/121").network().text().view() == "fd00::80/121");
  CHECK(prefix("10.1.0.0/17").contains(*parse_address("10.1.127.255")));
  CHECK_FALSE(prefix("10.1.0.0/17").contains(*parse_address("10.1.128.0")));
  CHECK_FALSE(prefix("0.0.0.0/0").contains(*parse_address("::")));
  CHECK(prefix("10.0.0.0/8").overlaps(prefix("10.9.0.0/24")));
  CHECK(prefix("10.9.0.0/24").overlaps(prefix("10.0.0.0/8")));
  CHECK_FALSE(prefix("10.9.0.0/24").overlaps(prefix("10.9.1.0/24")));
  CHECK_FALSE(prefix("10.0.0.0/8").overlaps(prefix("a00::/8")));
  CHECK(prefix("10.9.0.0/30").size() == 4);
  CHECK(prefix("10.0.0.0/8").size() == 1U << 24);
  CHECK(prefix("fd00::/64").size() == 1U << 31);
  for (const char* network : {"10.9.0.0/16", "10.9.8.0/21", "fd00::/64", "fd00:1:2:3::/96"})
    for (std::uint32_t index : {0U, 1U, 2U, 255U, 256U, 2047U}) {
      CAPTURE(network, index);
      CHECK(prefix(network).index_of(prefix(network).host(index)) == index);
    }
  CHECK(prefix("10.9.8.0/21").host(257).text().view() == "10.9.9.1");
  CHECK(prefix("fd00::/64").host(65535).text().view() == "fd00::ffff");
  CHECK(prefix("fd00::/64").index_of(*parse_address("fd00::1:0:0:1")) == UINT32_MAX);
}

TEST_CASE("leases are unique, come back, and fill the subnet", "[network]") {
  Registry registry = registry_of({"10.9.0.0/22"});
  std::set<std::uint32_t> seen;
  // Beyond the first window: 1024 addresses but for the network's, the bridge's and the broadcast.
  for (int i = 0; i < 1021; ++i) {
    auto index = registry.lease("net");
    REQUIRE(index);
    CHECK(*index >= 2);
    CHECK(*index <= 1022);
    CHECK(seen.insert(*index).second);
  }
  auto full = registry.lease("net");
  REQUIRE_FALSE(full);
  CHECK(full.error().code == ENOSPC);
  CHECK(full.error().subject.view() == "net");
  registry.give_back(777);
  auto again = registry.lease("net");
  REQUIRE(again);
  CHECK(*again == 777);
}

TEST_CASE("of two subnets the smaller says how many leases there are", "[network]") {
  Registry registry = registry_of({"10.9.0.0/16", "fd00::/126"});
  CHECK(registry.lease("net"));
  CHECK(registry.lease("net"));
  CHECK_FALSE(registry.lease("net"));
}

TEST_CASE("an address that was given back is not the next", "[network]") {
  Registry registry = registry_of({"10.9.0.0/29"});
  std::uint32_t last = 0;
  for (int i = 0; i < 20; ++i) {
    auto index = registry.lease("net");
    REQUIRE(index);
    CHECK(*index != last);
    last = *index;
    registry.give_back(last);
  }
}

TEST_CASE("an address that is asked for", "[network]") {
  Registry registry = registry_of({"10.9.0.0/24"});
  IpAddress address = prefix("10.9.0.0/24").host(200);
  CHECK(registry.lease_this(200, address));
  auto taken = registry.lease_this(200, address);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == EADDRINUSE);
  CHECK(taken.error().subject.view() == "10.9.0.200");
  for (std::uint32_t index : {0U, 1U, 255U, 256U, 65536U, UINT32_MAX}) {
    CAPTURE(index);
    CHECK_FALSE(registry.lease_this(index, address));
  }
  for (int i = 0; i < 252; ++i) {
    auto index = registry.lease("net");
    REQUIRE(index);
    CHECK(*index != 200);
  }
  CHECK_FALSE(registry.lease("net"));
}

TEST_CASE("what the dead had is forgotten, what the living have is not", "[network]") {
  Registry registry = registry_of({"10.9.0.0/24"});
  const ProcessKey dead = {own_key().pid, own_key().start + 1};  // that number is another process's now
  auto own = registry.lease("net"), theirs = registry.lease("net");
  REQUIRE((own && theirs));
  registry->leases[*theirs] = dead;
  auto own_name = registry.take_name(*own), their_name = registry.take_name(*theirs);
  REQUIRE((own_name && their_name));
  REQUIRE(registry.hold());
  REQUIRE(registry.hold());  // once
  registry->holders[7] = dead;
  registry->ports[0] = {own_key(), {}, prefix("10.9.0.0/24").host(*own), 80, 80, false};
  registry->ports[1] = {dead, {}, prefix("10.9.0.0/24").host(*theirs), 81, 80, false};
  auto forgotten = registry.forget_dead();
  CHECK(registry->leases[*own].pid == own_key().pid);
  CHECK(registry->leases[*theirs].pid == 0);
  REQUIRE(forgotten.ports.size() == 1);
  CHECK(forgotten.ports[0].host_port == 81);
  CHECK(registry->ports[0].owner.pid == own_key().pid);
  CHECK(forgotten.names == std::vector<std::uint32_t>{*their_name});
  CHECK(registry->names[*own_name] == *own);
  CHECK(registry.is_held());
  registry.let_go();
  CHECK_FALSE(registry.is_held());
}

TEST_CASE("rules name their bridge and what goes through", "[network]") {
  std::vector<IpPrefix> both = {prefix("10.9.0.0/24"), prefix("fd09::/64")}, one = {prefix("10.9.0.0/24")};
  std::string text = table_of({"br0", both, true, false});
  CHECK(text.starts_with("table inet ccsand-br0 {\n"));
  CHECK(text.find("oifname != \"br0\" ip saddr 10.9.0.0/24 masquerade") != std::string::npos);
  CHECK(text.find("oifname != \"br0\" ip6 saddr fd09::/64 masquerade") != std::string::npos);
  CHECK(text.find("ip saddr != 10.9.0.0/24 counter drop") != std::string::npos);
  CHECK(text.find("ip6 saddr != fd09::/64 counter drop") != std::string::npos);
  CHECK(text.find("meta nfproto ipv") == std::string::npos);
  // A family that the network does not have is not forwarded.
  CHECK(table_of({"br0", one, true, false}).find("iifname \"br0\" meta nfproto ipv6 counter drop") != std::string::npos);
  CHECK(table_of({"br0", one, false, false}).find("oifname != \"br0\"") == std::string::npos);
  auto input = [](const std::string& rules) { return rules.substr(rules.find("chain input")); };
  CHECK(input(text).find("counter drop") != std::string::npos);
  CHECK(input(table_of({"br0", both, true, true})).find("drop") == std::string::npos);
  PortRecord any = {{}, {}, both[0].host(5), 8080, 80, false}, at = {{}, *parse_address("127.0.0.1"), both[0].host(5), 53, 5353, true};
  std::vector<PortRecord> ports = {any, at};
  CHECK(port_addition("br0", ports) ==
        "add element inet ccsand-br0 any4 { tcp . 8080 : 10.9.0.5 . 80 }\n"
        "add element inet ccsand-br0 at4 { 127.0.0.1 . udp . 53 : 10.9.0.5 . 5353 }\n");
  CHECK(port_removal("br0", ports) == "delete element inet ccsand-br0 any4 { tcp . 8080 }\ndelete element inet ccsand-br0 at4 { 127.0.0.1 . udp . 53 }\n");
}

TEST_CASE("hardware addresses are made of Internet addresses", "[network]") {
  Lease lease;
  lease.addresses = {prefix("10.9.1.5/16")};
  CHECK(container_mac(lease) == MacAddress{0x02, 0xcc, 10, 9, 1, 5});
}
