// The netlink messages of a container on a bridge, and nothing besides: a veth pair whose one end
// is a port of the bridge and whose other end is the child's, with an address and a default route of
// each family.
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

static union {
    char bytes[4096];
    struct nlmsghdr first;
} net_buffer;
static char *net_end;
static struct nlmsghdr *net_message;

static void *net_put(size_t size) {
    void *at = net_end;
    memset(at, 0, NLMSG_ALIGN(size));
    net_end += NLMSG_ALIGN(size);
    if (net_message) net_message->nlmsg_len = (unsigned)(net_end - (char *)net_message);
    return at;
}
static void *net_begin(int type, int flags, size_t header) {
    net_message = NULL;
    struct nlmsghdr *message = net_put(sizeof *message);
    net_message = message;
    message->nlmsg_type = (unsigned short)type;
    message->nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags);
    return net_put(header);
}
static struct nlattr *net_attribute(int type, const void *data, size_t size) {
    struct nlattr *attribute = net_put(sizeof *attribute + size);
    attribute->nla_type = (unsigned short)type;
    attribute->nla_len = (unsigned short)(sizeof *attribute + size);
    if (size) memcpy(attribute + 1, data, size);
    return attribute;
}
static void net_number(int type, unsigned value) { net_attribute(type, &value, sizeof value); }
static void net_close(struct nlattr *nest) { nest->nla_len = (unsigned short)(net_end - (char *)nest); }

static void net_send(int handle) {
    char answer[1024];
    net_message->nlmsg_flags |= NLM_F_ACK;
    must(send(handle, net_buffer.bytes, (size_t)(net_end - net_buffer.bytes), 0), "netlink");
    must(recv(handle, answer, sizeof answer, 0), "netlink");
    errno = -((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)answer))->error;
    if (errno) fail("netlink");
    net_end = net_buffer.bytes;
}

// On the host's side.
static void net_connect(int handle, unsigned bridge, pid_t child, unsigned number) {
    char name[16];
    snprintf(name, sizeof name, "fl%u", number);
    net_end = net_buffer.bytes;
    struct ifinfomsg *link = net_begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link);
    link->ifi_flags = link->ifi_change = IFF_UP;
    net_attribute(IFLA_IFNAME, name, strlen(name) + 1);
    net_number(IFLA_MASTER, bridge);
    struct nlattr *info = net_attribute(IFLA_LINKINFO, NULL, 0);
    net_attribute(IFLA_INFO_KIND, "veth", 5);
    struct nlattr *data = net_attribute(IFLA_INFO_DATA, NULL, 0), *peer = net_attribute(VETH_INFO_PEER, NULL, 0);
    net_put(sizeof(struct ifinfomsg));
    net_attribute(IFLA_IFNAME, "eth0", 5);
    net_number(IFLA_NET_NS_PID, (unsigned)child);
    net_close(peer), net_close(data), net_close(info);
    net_send(handle);
}

static void net_up(int index) {
    struct ifinfomsg *link = net_begin(RTM_NEWLINK, 0, sizeof *link);
    link->ifi_index = index;
    link->ifi_flags = link->ifi_change = IFF_UP;
}
static void net_address(int index, int family, const char *text, int length, const char *gateway) {
    unsigned char bytes[16];
    size_t size = family == AF_INET ? 4 : 16;
    inet_pton(family, text, bytes);
    struct ifaddrmsg *address = net_begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *address);
    address->ifa_family = (unsigned char)family;
    address->ifa_prefixlen = (unsigned char)length;
    address->ifa_index = (unsigned)index;
    if (family == AF_INET6) address->ifa_flags = IFA_F_NODAD;
    net_attribute(IFA_LOCAL, bytes, size);
    net_attribute(IFA_ADDRESS, bytes, size);
    inet_pton(family, gateway, bytes);
    struct rtmsg *route = net_begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *route);
    route->rtm_family = (unsigned char)family;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_STATIC;
    route->rtm_type = RTN_UNICAST;
    net_attribute(RTA_GATEWAY, bytes, size);
    net_number(RTA_OIF, (unsigned)index);
}
// In the container; eth0 is the second link of its namespace.
static void net_configure(void) {
    int handle = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    must(handle, "netlink");
    net_end = net_buffer.bytes;
    net_up(1);
    net_up(2);
    net_address(2, AF_INET, "10.203.0.77", 16, "10.203.0.1");
    net_address(2, AF_INET6, "fd63:6373:616e::77", 64, "fd63:6373:616e::1");
    net_send(handle);
    close(handle);
}
