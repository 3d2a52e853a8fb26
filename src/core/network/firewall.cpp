// Rules as text.
#include "core/network/firewall.hpp"

namespace ccsand {

namespace {
std::string table_name(const std::string& bridge) { return "inet ccsand-" + bridge; }

// Maps from what is asked of the host to the container that answers.
void add_port_maps(std::string& text) {
  for (const char* version : {"4", "6"}) {
    std::string address = version[0] == '4' ? "ipv4_addr" : "ipv6_addr";
    text += std::string("  map at") + version + " { type " + address + " . inet_proto . inet_service : " + address + " . inet_service; }\n";
    text += std::string("  map any") + version + " { type inet_proto . inet_service : " + address + " . inet_service; }\n";
  }
}
void add_nat(std::string& text, const BridgeRules& rules) {
  text +=
      "  chain ports {\n"
      "    dnat ip to ip daddr . meta l4proto . th dport map @at4\n"
      "    dnat ip6 to ip6 daddr . meta l4proto . th dport map @at6\n"
      "    dnat ip to meta l4proto . th dport map @any4\n"
      "    dnat ip6 to meta l4proto . th dport map @any6\n"
      "  }\n"
      "  chain prerouting { type nat hook prerouting priority dstnat; fib daddr type local jump ports; }\n"
      "  chain output { type nat hook output priority -100; fib daddr type local jump ports; }\n"
      "  chain postrouting { type nat hook postrouting priority srcnat;\n";
  std::string out = "oifname \"" + rules.bridge + "\"";
  // The host asks itself by 127.0.0.1, and a container its neighbour by the host's address:
  // the answer has to come back the same way.
  text += "    " + out + " ct status dnat ip saddr 127.0.0.0/8 masquerade\n";
  for (const IpPrefix& subnet : rules.subnets) {
    std::string family = subnet.address.v6 ? "ip6" : "ip", net(subnet.network().text().view());
    text += "    " + out + " ct status dnat " + family + " saddr " + net + " masquerade\n";
    if (rules.masquerade) text += "    oifname != \"" + rules.bridge + "\" " + family + " saddr " + net + " masquerade\n";
  }
  text += "  }\n";
}
void add_filters(std::string& text, const BridgeRules& rules) {
  std::string in = "    iifname \"" + rules.bridge + "\" ", out = "    oifname \"" + rules.bridge + "\" ";
  // With route_localnet, which published ports need, 127.0.0.1 of the host could be asked for from outside, or be
  // the sender of what comes from there.
  text += "  chain guard { type filter hook prerouting priority raw;\n" + in + "ip daddr 127.0.0.0/8 drop\n" + in + "ip saddr 127.0.0.0/8 drop\n  }\n";
  text += "  chain forward { type filter hook forward priority filter;\n";
  text += in + "oifname \"" + rules.bridge + "\" accept\n";
  text += out + "ct state established,related accept\n" + out + "ct status dnat accept\n" + out + "counter drop\n";
  // Nobody sends by an address that is not its network's, nor in a family that it does not have: the host may
  // forward that for another network.
  bool has[2] = {};
  for (const IpPrefix& subnet : rules.subnets) {
    has[subnet.address.v6 ? 1 : 0] = true;
    text += in + (subnet.address.v6 ? "ip6 saddr != " : "ip saddr != ") + std::string(subnet.network().text().view()) + " counter drop\n";
  }
  for (int v6 : {0, 1})
    if (!has[v6]) text += in + "meta nfproto " + (v6 != 0 ? "ipv6" : "ipv4") + " counter drop\n";
  if (!rules.masquerade) text += in + "ct state established,related accept\n" + in + "counter drop\n";
  text += "  }\n  chain input { type filter hook input priority filter;\n";
  if (!rules.host_access) {
    text += in + "ct state established,related accept\n";
    text += in + "icmp type echo-request accept\n";
    text += in + "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, echo-request } accept\n";
    text += in + "counter drop\n";
  }
  text += "  }\n";
}

std::string elements(const char* verb, const std::string& bridge, std::span<const PortRecord> ports, bool with_values) {
  std::string text;
  for (const PortRecord& port : ports) {
    bool any = port.host.is_any();
    text += std::string(verb) + " element " + table_name(bridge) + (any ? " any" : " at") + (port.container.v6 ? "6 { " : "4 { ");
    if (!any) text += std::string(port.host.text().view()) + " . ";
    text += std::string(port.udp ? "udp . " : "tcp . ") + std::to_string(port.host_port);
    if (with_values) text += " : " + std::string(port.container.text().view()) + " . " + std::to_string(port.port);
    text += " }\n";
  }
  return text;
}
}  // namespace

std::string table_of(const BridgeRules& rules) {
  std::string text = "table " + table_name(rules.bridge) + " {\n";
  add_port_maps(text);
  add_nat(text, rules);
  add_filters(text, rules);
  return text + "}\n";
}
std::string table_removal(const std::string& bridge) {
  // Named first, so that it may be gone already.
  return "table " + table_name(bridge) + " {}\ndelete table " + table_name(bridge) + "\n";
}
std::string port_addition(const std::string& bridge, std::span<const PortRecord> ports) { return elements("add", bridge, ports, true); }
std::string port_removal(const std::string& bridge, std::span<const PortRecord> ports) { return elements("delete", bridge, ports, false); }


namespace {
std::string cuts_name(const std::string& bridge) { return "bridge ccsand-" + bridge; }
}  // namespace
std::string cuts_table(const std::string& bridge) {
  return "table " + cuts_name(bridge) + " {\n  set cuts { type ifname . ifname; }\n"
         "  chain forward { type filter hook forward priority filter; iifname . oifname @cuts drop; }\n}\n";
}
std::string cuts_removal(const std::string& bridge) { return "table " + cuts_name(bridge) + " {}\ndelete table " + cuts_name(bridge) + "\n"; }
std::string cuts_change(const std::string& bridge, const char* verb, const std::string& one, const std::string& other) {
  return std::string(verb) + " element " + cuts_name(bridge) + " cuts { \"" + one + "\" . \"" + other + "\", \"" + other + "\" . \"" + one + "\" }\n";
}

}  // namespace ccsand
