/*
 * rtnetlink against the kernel, with ip(8) as the second opinion.
 *
 *     jv0 ===== jv1     jv2 ===== jv3     (veth: a cable with two ends)
 */
#include "netns.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/netlink.h"
#include "net/route.h"

#define EVENTS 24

struct events {
	size_t n;
	struct netlink_event e[EVENTS];
};

static void note(void *ctx, const struct netlink_event *e)
{
	struct events *events = ctx;

	assert_true(events->n < EVENTS);
	events->e[events->n++] = *e;
}

/* Not inlined: a caller has many of these, and frames are small here. */
static __attribute__((noinline)) bool noted(const struct events *events, enum netlink_event_kind kind,
					    const char *interface, const char *address)
{
	struct ip ip = { .b = { 0 } };

	if (address)
		ip = ip_of(address);
	for (size_t i = 0; i < events->n; i++) {
		const struct netlink_event *e = &events->e[i];

		if (e->kind == kind && strcmp(e->interface, interface) == 0 && ip_equal(&e->address, &ip))
			return true;
	}
	return false;
}

static size_t count(const struct events *events, enum netlink_event_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < events->n; i++)
		n += events->e[i].kind == kind;
	return n;
}

/* What an administrator does is announced before his command returns, except for a new IPv6 address. */
static void read_events(struct netlink *nl, struct events *events)
{
	memset(events, 0, sizeof(*events));
	assert_int_equal(netlink_read(nl, note, events), 0);
}

/* What the carrier does, and that an IPv6 address is ready, is announced a little later. */
static void await_event(struct netlink *nl, enum netlink_event_kind kind, const char *interface,
			const char *address)
{
	struct events events;

	do {
		wait_for(netlink_fd(nl), POLLIN);
		read_events(nl, &events);
	} while (!noted(&events, kind, interface, address));
}

/* Without link-local addresses, which would make events of their own in their own time. */
static void require_cables(void **state)
{
	require_netns(state);
	if (!run("ip link add jv0 type veth peer name jv1 && ip link add jv2 type veth peer name jv3")) {
		fprintf(stderr, "SKIP: no veth devices\n");
		skip();
	}
	assert_true(run("for i in 0 1 2 3; do ip link set jv$i addrgenmode none; done"));
}

static void remove_cables(void)
{
	assert_true(run("ip link del jv0 && ip link del jv2"));
}

static int index_of(const char *name)
{
	int index = netlink_ifindex(name);

	assert_true(index > 0);
	return index;
}

static struct netlink *open_requests(void)
{
	struct netlink *nl = netlink_open();

	assert_non_null(nl);
	return nl;
}

static struct netlink *open_watch(void)
{
	struct netlink *nl = netlink_watch();

	assert_non_null(nl);
	return nl;
}

static void cables_up(void)
{
	struct netlink *nl = open_watch();

	assert_true(run("ip link set jv0 up && ip link set jv1 up"));
	await_event(nl, NETLINK_LINK_UP, "jv0", NULL);
	assert_true(run("ip link set jv2 up && ip link set jv3 up"));
	await_event(nl, NETLINK_LINK_UP, "jv2", NULL);
	netlink_close(nl);
}

static void test_index(void **state)
{
	require_netns(state);
	assert_int_equal(netlink_ifindex("lo"), 1);
	assert_int_equal(netlink_ifindex("nosuch0"), -ENODEV);
}

static void test_link_up_sets_mtu(void **state)
{
	struct netlink *nl;

	require_cables(state);
	nl = open_requests();
	assert_int_equal(netlink_link_up(nl, index_of("jv0"), 1420), 0);
	assert_true(run("ip link show jv0 | grep -q 'UP.*mtu 1420'"));
	assert_int_equal(netlink_link_up(nl, index_of("jv0"), 1420), 0);
	assert_int_equal(netlink_link_up(nl, index_of("jv0"), 1), -EINVAL);
	assert_int_equal(netlink_link_up(nl, 99999, 1420), -ENODEV);
	netlink_close(nl);
	remove_cables();
}

/* Brought up without one, and with its own addresses later all the same. */
static void test_no_link_local(void **state)
{
	struct netlink *nl;

	require_cables(state);
	nl = open_requests();
	assert_true(run("ip link set jv0 down && ip link set jv1 up"));
	assert_int_equal(netlink_no_link_local(nl, index_of("jv0")), 0);
	assert_int_equal(netlink_link_up(nl, index_of("jv0"), 1420), 0);
	assert_false(run("ip -6 addr show dev jv0 scope link | grep -q fe80"));
	assert_true(run("ip -6 addr add fd00:8::2/128 dev jv0"));
	assert_int_equal(netlink_no_link_local(nl, 99999), -ENODEV);
	netlink_close(nl);
	remove_cables();
}

static void address_twice(struct netlink *nl, const char *address, const char *grep)
{
	struct prefix p = prefix_of(address);
	int index = index_of("jv0");
	char command[160];

	for (int add = 1; add >= 0; add--) {
		for (int i = 0; i < 2; i++) {
			assert_int_equal(netlink_address(nl, index, &p, add), 0);
			snprintf(command, sizeof(command), "[ $(ip addr show dev jv0 | grep -c '%s') = %d ]",
				 grep, add);
			assert_true(run(command));
		}
	}
}

static void test_addresses_are_idempotent(void **state)
{
	struct prefix p;
	struct netlink *nl;

	require_cables(state);
	cables_up();
	nl = open_requests();
	address_twice(nl, "10.8.0.1/24", "inet 10.8.0.1/24 scope global jv0$");
	address_twice(nl, "10.8.0.9", "inet 10.8.0.9/32 ");
	address_twice(nl, "fd00:8::1/64", "inet6 fd00:8::1/64 scope global nodad");
	address_twice(nl, "fd00:8::9", "inet6 fd00:8::9/128 ");
	p = prefix_of("10.8.0.1/24");
	assert_int_equal(netlink_address(nl, 99999, &p, true), -ENODEV);
	assert_int_equal(netlink_address(nl, 99999, &p, false), 0);
	p.len = 95;
	assert_int_equal(netlink_address(nl, index_of("jv0"), &p, true), -EINVAL);
	p.len = 129;
	assert_int_equal(netlink_address(nl, index_of("jv0"), &p, true), -EINVAL);
	netlink_close(nl);
	remove_cables();
}

/* A /24 brings its connected route, and the IPv6 address can be bound in the same breath. */
static void test_address_works_at_once(void **state)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	struct prefix v4 = prefix_of("10.8.0.1/24");
	struct prefix v6 = prefix_of("fd00:8::1/64");
	struct netlink *nl;
	int fd;

	require_cables(state);
	cables_up();
	nl = open_requests();
	assert_int_equal(netlink_address(nl, index_of("jv0"), &v4, true), 0);
	assert_int_equal(netlink_address(nl, index_of("jv0"), &v6, true), 0);
	memcpy(&a.sin6_addr, v6.ip.b, 16);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	assert_true(run("ip route | grep -q '^10.8.0.0/24 dev jv0'"));
	assert_true(run("ip -6 route | grep -q '^fd00:8::/64 dev jv0'"));
	netlink_close(nl);
	remove_cables();
}

static void route_twice(struct netlink *nl, const char *dst, const char *show)
{
	struct prefix p = prefix_of(dst);
	int index = index_of("jv0");
	char command[160];

	for (int add = 1; add >= 0; add--) {
		for (int i = 0; i < 2; i++) {
			assert_int_equal(netlink_route(nl, index, &p, add), 0);
			snprintf(command, sizeof(command), "[ $(%s | grep -c 'dev jv0.*static') = %d ]", show,
				 add);
			assert_true(run(command));
		}
	}
}

static void test_routes_are_idempotent(void **state)
{
	struct prefix p;
	struct netlink *nl;

	require_cables(state);
	cables_up();
	nl = open_requests();
	route_twice(nl, "10.20.0.0/16", "ip -d route show 10.20.0.0/16");
	route_twice(nl, "10.20.3.4/16", "ip -d route show 10.20.0.0/16"); /* host bits do not matter */
	route_twice(nl, "0.0.0.0/0", "ip -d route show default");
	route_twice(nl, "2001:db8:5::/48", "ip -6 -d route show 2001:db8:5::/48");
	route_twice(nl, "::/0", "ip -6 -d route show default");
	p = prefix_of("10.20.0.0/16");
	assert_int_equal(netlink_route(nl, 99999, &p, true), -ENODEV);
	assert_int_equal(netlink_route(nl, 99999, &p, false), 0);
	netlink_close(nl);
	remove_cables();
}

/* Another manager's default route yields to ours, survives it, and rules again afterwards. */
static void test_other_default_route_survives(void **state)
{
	struct prefix v4 = prefix_of("0.0.0.0/0");
	struct prefix v6 = prefix_of("::/0");
	struct netlink *nl;
	int index;

	require_cables(state);
	cables_up();
	nl = open_requests();
	index = index_of("jv0");
	assert_true(run("ip route add default dev jv2 && ip -6 route add default dev jv2 metric 100"));
	assert_int_equal(netlink_route(nl, index, &v4, true), 0);
	assert_int_equal(netlink_route(nl, index, &v6, true), 0);
	assert_true(run("ip route get 203.0.113.1 | grep -q 'dev jv0'"));
	assert_true(run("ip -6 route get 2001:db8::1 | grep -q 'dev jv0'"));
	assert_int_equal(netlink_route(nl, index, &v4, false), 0);
	assert_int_equal(netlink_route(nl, index, &v6, false), 0);
	assert_true(run("ip route get 203.0.113.1 | grep -q 'dev jv2'"));
	assert_true(run("ip -6 route get 2001:db8::1 | grep -q 'dev jv2'"));
	/* Gone already: what is left is not ours to remove. */
	assert_int_equal(netlink_route(nl, index, &v4, false), 0);
	assert_int_equal(netlink_route(nl, index, &v6, false), 0);
	assert_true(run("ip route show default | grep -q jv2 && ip -6 route show default | grep -q jv2"));
	netlink_close(nl);
	remove_cables();
}

/* Asks with all that decides; answers the index or -errno. */
static int ask(struct netlink *nl, const char *dst, const char *source, int ifindex, uint32_t mark,
	       struct route_answer *a)
{
	struct route_query q = { .dst = ip_of(dst), .ifindex = ifindex, .mark = mark };
	int r;

	if (source)
		q.source = ip_of(source);
	memset(a, 0, sizeof(*a));
	r = netlink_route_get(nl, &q, a);
	return r < 0 ? r : a->ifindex;
}

static __attribute__((noinline)) bool is_ip(const struct ip *ip, const char *text)
{
	struct ip other = ip_of(text);

	return ip_equal(ip, &other);
}

static void test_kernel_answers_by_rules_and_marks(void **state)
{
	struct route_answer a;
	struct netlink *nl;
	int jv0, jv2;

	require_cables(state);
	nl = open_requests();
	jv0 = index_of("jv0");
	jv2 = index_of("jv2");
	cables_up();
	assert_int_equal(ask(nl, "203.0.113.1", NULL, 0, 0, &a), -ENETUNREACH);
	assert_true(run(
		"ip addr add 10.1.0.2/24 dev jv0 && ip addr add 10.2.0.2/24 dev jv2"
		" && ip route add default via 10.1.0.1 table 201 && ip route add default via 10.2.0.1 table 202"
		" && ip rule add pref 100 fwmark 7 lookup 202 && ip rule add pref 101 from 10.2.0.2 lookup 202"
		" && ip rule add pref 40000 lookup 201"));
	assert_int_equal(ask(nl, "203.0.113.1", NULL, 0, 0, &a), jv0);
	assert_true(is_ip(&a.gateway, "10.1.0.1") && is_ip(&a.source, "10.1.0.2"));
	assert_true(a.routed && !a.local && a.table == 201);
	assert_int_equal(ask(nl, "203.0.113.1", NULL, 0, 7, &a), jv2);
	assert_int_equal(a.table, 202);
	assert_int_equal(ask(nl, "203.0.113.1", "10.2.0.2", 0, 0, &a), jv2);
	assert_true(is_ip(&a.gateway, "10.2.0.1"));
	assert_int_equal(ask(nl, "10.1.0.9", NULL, 0, 0, &a), jv0);
	assert_true(ip_is_zero(&a.gateway) && a.routed);
	assert_int_equal(ask(nl, "10.1.0.2", NULL, 0, 0, &a), 1);
	assert_true(a.local);
	assert_true(run(
		"ip rule del pref 100; ip rule del pref 101; ip rule del pref 40000; ip route flush table 201;"
		" ip route flush table 202"));
	netlink_close(nl);
	remove_cables();
}

/* A device alone makes any IPv4 address on-link, and that is no route. */
static void test_kernel_answers_of_one_device(void **state)
{
	struct route_answer a;
	struct netlink *nl;
	int jv0, jv2;

	require_cables(state);
	nl = open_requests();
	jv0 = index_of("jv0");
	jv2 = index_of("jv2");
	cables_up();
	assert_true(run(
		"ip addr add 10.1.0.2/24 dev jv0 && ip route add default via 10.1.0.1"
		" && ip -6 addr add fd00:1::2/64 dev jv0 nodad && ip -6 route add default via fd00:1::1"));
	assert_int_equal(ask(nl, "203.0.113.1", NULL, jv0, 0, &a), jv0);
	assert_true(a.routed && a.table == RT_TABLE_MAIN && is_ip(&a.gateway, "10.1.0.1"));
	assert_int_equal(ask(nl, "203.0.113.1", NULL, jv2, 0, &a), jv2);
	assert_false(a.routed);
	assert_int_equal(ask(nl, "2001:db8::1", NULL, jv0, 0, &a), jv0);
	assert_true(a.routed && a.table == RT_TABLE_MAIN && is_ip(&a.gateway, "fd00:1::1") &&
		    is_ip(&a.source, "fd00:1::2"));
	assert_int_equal(ask(nl, "2001:db8::1", NULL, jv2, 0, &a), -ENETUNREACH);
	netlink_close(nl);
	remove_cables();
}

static void test_kernel_answers_of_odd_gateways(void **state)
{
	struct route_answer a;
	struct netlink *nl;
	int jv0;

	require_cables(state);
	nl = open_requests();
	jv0 = index_of("jv0");
	cables_up();
	assert_true(run("ip addr add 10.40.0.2/32 dev lo && ip route add 203.0.113.0/24 dev jv0 src 10.40.0.2"
			" && ip -6 addr add fe80::2/64 dev jv0 nodad"));
	assert_int_equal(ask(nl, "203.0.113.1", NULL, 0, 0, &a), jv0);
	assert_true(ip_is_zero(&a.gateway) && is_ip(&a.source, "10.40.0.2") && a.routed);
	if (run("ip route add 198.51.100.0/24 via inet6 fe80::1 dev jv0")) {
		assert_int_equal(ask(nl, "198.51.100.1", NULL, 0, 0, &a), jv0);
		assert_true(is_ip(&a.gateway, "fe80::1"));
	}
	if (run("ip nexthop add id 7 dev jv0 && ip route add 192.0.2.0/24 nhid 7")) {
		assert_int_equal(ask(nl, "192.0.2.1", NULL, 0, 0, &a), jv0);
		assert_true(a.routed);
	}
	netlink_close(nl);
	assert_true(run("ip addr del 10.40.0.2/32 dev lo"));
	remove_cables();
}

static void test_kernel_answers_refusals(void **state)
{
	struct route_answer a;
	struct netlink *nl;

	require_cables(state);
	nl = open_requests();
	cables_up();
	assert_true(run(
		"ip route add default dev jv0 && ip -6 route add default dev jv0"
		" && ip route add blackhole 198.51.100.0/26 && ip route add prohibit 198.51.100.64/26"
		" && ip route add unreachable 198.51.100.128/26 && ip -6 route add unreachable 2001:db8::/48"));
	assert_int_equal(ask(nl, "198.51.100.1", NULL, 0, 0, &a), -EINVAL);
	assert_int_equal(ask(nl, "198.51.100.65", NULL, 0, 0, &a), -EACCES);
	assert_int_equal(ask(nl, "198.51.100.129", NULL, 0, 0, &a), -EHOSTUNREACH);
	assert_true(ask(nl, "2001:db8::1", NULL, 0, 0, &a) < 0);
	assert_true(ask(nl, "203.0.113.1", "192.0.2.77", 0, 0, &a) < 0); /* not ours */
	netlink_close(nl);
	assert_true(run(
		"ip route del blackhole 198.51.100.0/26; ip route del prohibit 198.51.100.64/26;"
		" ip route del unreachable 198.51.100.128/26; ip -6 route del unreachable 2001:db8::/48"));
	remove_cables();
}

static void test_watch_tells_of_links(void **state)
{
	struct events events;
	struct netlink *nl;

	require_cables(state);
	nl = open_watch();
	assert_int_equal(fcntl(netlink_fd(nl), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	read_events(nl, &events);
	assert_int_equal(events.n, 0);

	assert_true(run("ip link set jv1 up && ip link set jv0 up"));
	await_event(nl, NETLINK_LINK_UP, "jv0", NULL);
	assert_true(run("ip link set jv1 down")); /* jv0 is still IFF_UP, but nothing runs */
	await_event(nl, NETLINK_LINK_DOWN, "jv0", NULL);

	assert_true(run("ip addr add 10.8.0.1/24 dev jv0 && ip link set jv1 up"));
	await_event(nl, NETLINK_LINK_UP, "jv0", NULL);
	assert_true(run("ip link set jv0 down"));
	read_events(nl, &events);
	assert_true(noted(&events, NETLINK_LINK_DOWN, "jv0", NULL));
	assert_int_equal(events.e[events.n - 1].kind, NETLINK_WAYS_CHANGED); /* 10.8.0.0/24 went with it */
	for (size_t i = 0; i + 1 < events.n; i++)
		assert_int_equal(events.e[i].ifindex, index_of(events.e[i].interface));

	remove_cables();
	read_events(nl, &events);
	assert_true(noted(&events, NETLINK_LINK_DOWN, "jv2", NULL));
	netlink_close(nl);
}

static void test_watch_tells_of_addresses(void **state)
{
	struct events events;
	struct netlink *nl;

	require_cables(state);
	cables_up();
	nl = open_watch();
	assert_true(run("ip addr add 10.8.0.1/24 dev jv0 && ip addr add 10.9.0.1 peer 10.9.0.2 dev jv0"));
	read_events(nl, &events);
	assert_true(noted(&events, NETLINK_ADDRESS_ADDED, "jv0", "10.8.0.1"));
	assert_true(noted(&events, NETLINK_ADDRESS_ADDED, "jv0", "10.9.0.1")); /* not the peer's */
	for (size_t i = 0; i < events.n; i++)
		if (events.e[i].kind == NETLINK_ADDRESS_ADDED)
			assert_int_equal(events.e[i].ifindex, index_of(events.e[i].interface));
	assert_true(run("ip addr add fd00:8::1/64 dev jv0 nodad"));
	await_event(nl, NETLINK_ADDRESS_ADDED, "jv0", "fd00:8::1");

	assert_true(run("ip addr del 10.8.0.1/24 dev jv0 && ip addr del fd00:8::1/64 dev jv0"));
	read_events(nl, &events);
	assert_true(noted(&events, NETLINK_ADDRESS_REMOVED, "jv0", "10.8.0.1"));
	assert_true(noted(&events, NETLINK_ADDRESS_REMOVED, "jv0", "fd00:8::1"));
	assert_true(noted(&events, NETLINK_WAYS_CHANGED, "", NULL));
	netlink_close(nl);
	remove_cables();
}

/* Duplicate address detection takes a while; until it has passed there is no address to speak of. */
static void test_watch_waits_for_tentative_addresses(void **state)
{
	struct events events;
	struct netlink *nl;

	require_cables(state);
	nl = open_watch();
	/* jv0 has no carrier yet, so the address stays tentative for certain. */
	assert_true(run("ip link set jv0 up && ip addr add fd00:8::1/64 dev jv0"));
	assert_true(run("ip addr show dev jv0 | grep -q 'fd00:8::1.*tentative'"));
	read_events(nl, &events);
	assert_false(noted(&events, NETLINK_ADDRESS_ADDED, "jv0", "fd00:8::1"));
	assert_int_equal(netlink_dump(nl, note, &events), 0);
	assert_false(noted(&events, NETLINK_ADDRESS_ADDED, "jv0", "fd00:8::1"));

	assert_true(run("ip link set jv1 up"));
	await_event(nl, NETLINK_ADDRESS_ADDED, "jv0", "fd00:8::1");
	netlink_close(nl);
	remove_cables();
}

/* Many route changes are one event, of whatever table: a rule may lead there. */
static void test_watch_tells_of_routes(void **state)
{
	struct events events;
	struct netlink *nl;

	require_cables(state);
	cables_up();
	nl = open_watch();
	assert_true(run("ip route add 10.1.0.0/16 dev jv0 table 77"));
	read_events(nl, &events);
	assert_int_equal(count(&events, NETLINK_WAYS_CHANGED), 1);
	assert_true(run("for i in 1 2 3 4 5; do ip route add 10.$i.0.0/16 dev jv0; done"
			" && ip route add 10.2.0.0/16 dev jv0 table 77"));
	read_events(nl, &events);
	assert_int_equal(count(&events, NETLINK_WAYS_CHANGED), 1);
	assert_true(noted(&events, NETLINK_WAYS_CHANGED, "", NULL));
	assert_true(run("ip route del 10.1.0.0/16 dev jv0"));
	read_events(nl, &events);
	assert_int_equal(count(&events, NETLINK_WAYS_CHANGED), 1);
	assert_true(run("ip -6 route add 2001:db8::/32 dev jv0"));
	read_events(nl, &events);
	assert_int_equal(count(&events, NETLINK_WAYS_CHANGED), 1);
	netlink_close(nl);
	remove_cables();
}

static size_t ways_changed(struct netlink *nl, const char *command)
{
	struct events events;

	assert_true(run(command));
	read_events(nl, &events);
	return count(&events, NETLINK_WAYS_CHANGED);
}

/* Of thousands of routes only those are told that lead to where we go, and nothing of our own. */
static void test_watch_sifts(void **state)
{
	struct ip to[2] = { ip_of("203.0.113.5"), ip_of("2001:db8::5") };
	struct netlink_concern concern = { .to = to, .n = 2 };
	struct netlink *nl;

	require_cables(state);
	cables_up();
	nl = open_watch();
	concern.except = index_of("jv2");
	netlink_concern(nl, &concern);
	assert_int_equal(ways_changed(nl, "ip route add 198.51.100.0/24 dev jv0"), 0);
	assert_int_equal(ways_changed(nl, "ip -6 route add 2001:db8:1::/48 dev jv0"), 0);
	assert_int_equal(ways_changed(nl, "ip route add 203.0.113.0/24 dev jv0"), 1);
	assert_int_equal(ways_changed(nl, "ip route del 203.0.113.0/24 dev jv0"), 1);
	assert_int_equal(ways_changed(nl, "ip -6 route add 2001:db8::/64 dev jv0"), 1);
	assert_int_equal(ways_changed(nl, "ip route add default dev jv0 table 77"), 1);
	assert_int_equal(ways_changed(nl, "ip route add default dev jv2"), 0); /* our own device */
	assert_int_equal(ways_changed(nl, "ip route add 203.0.113.0/25 dev jv0 proto 74"), 0);
	assert_int_equal(ways_changed(nl, "ip rule add pref 99 lookup 77"), 1);
	assert_int_equal(ways_changed(nl, "ip -6 rule add pref 99 lookup 77"), 1);
	assert_int_equal(ways_changed(nl, "ip rule add pref 98 lookup 77 protocol 74"), 0);
	assert_int_equal(ways_changed(nl, "ip rule del pref 98"), 0);
	if (run("ip nexthop add id 7 dev jv0")) {
		assert_int_equal(ways_changed(nl, "ip nexthop replace id 7 dev jv0 proto static"), 1);
		assert_int_equal(ways_changed(nl, "ip nexthop del id 7"), 1);
	}
	assert_true(run("ip rule del pref 99 && ip -6 rule del pref 99 && ip route flush table 77"));
	netlink_close(nl);
	remove_cables();
}

/* A port that leaves its bridge is announced as a deleted link, and is none. */
static void test_watch_ignores_bridge_ports(void **state)
{
	struct events events;
	struct netlink *nl;

	require_netns(state);
	if (!run("ip link add jbr type bridge")) {
		fprintf(stderr, "SKIP: no bridge devices\n");
		skip();
	}
	require_cables(state);
	cables_up();
	assert_true(run("ip link set jv0 master jbr"));
	nl = open_watch();
	assert_true(run("ip link set jv0 nomaster"));
	read_events(nl, &events);
	assert_false(noted(&events, NETLINK_LINK_DOWN, "jv0", NULL));
	netlink_close(nl);
	remove_cables();
	assert_true(run("ip link del jbr"));
}

static void expect_dump(struct netlink *nl)
{
	struct events events = { .n = 0 };

	assert_int_equal(netlink_dump(nl, note, &events), 0);
	assert_true(noted(&events, NETLINK_LINK_UP, "lo", NULL));
	assert_true(noted(&events, NETLINK_LINK_UP, "jv0", NULL));
	assert_true(noted(&events, NETLINK_LINK_DOWN, "jv2", NULL));
	assert_true(noted(&events, NETLINK_ADDRESS_ADDED, "lo", "127.0.0.1"));
	assert_true(noted(&events, NETLINK_ADDRESS_ADDED, "lo", "::1"));
	assert_true(noted(&events, NETLINK_ADDRESS_ADDED, "jv0", "10.8.0.1"));
	for (size_t i = 0; i < events.n; i++)
		assert_int_not_equal(events.e[i].kind, NETLINK_ADDRESS_REMOVED);
}

static void test_dump_on_either_socket(void **state)
{
	struct events events;
	struct netlink *requests;
	struct netlink *watch;

	require_cables(state);
	requests = open_requests();
	watch = open_watch();
	assert_true(run("ip link set jv0 up && ip link set jv1 up"));
	await_event(watch, NETLINK_LINK_UP, "jv0", NULL);
	assert_true(run("ip addr add 10.8.0.1/24 dev jv0"));
	expect_dump(requests);
	expect_dump(watch);
	read_events(watch, &events); /* what was waiting is still there */
	assert_true(noted(&events, NETLINK_ADDRESS_ADDED, "jv0", "10.8.0.1"));
	netlink_close(requests);
	netlink_close(watch);
	remove_cables();
}

static void ignore(void *ctx, const struct netlink_event *e)
{
	(void)ctx;
	(void)e;
}

static void test_overrun_is_told_once(void **state)
{
	struct events events;
	struct netlink *nl;
	int small = 1;

	require_cables(state);
	nl = open_watch();
	assert_int_equal(setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 10; i++)
		assert_true(run("ip link set jv0 up && ip link set jv0 down"));
	assert_int_equal(netlink_read(nl, ignore, NULL), -ENOBUFS);
	assert_int_equal(netlink_read(nl, ignore, NULL), 0);
	assert_int_equal(netlink_read(nl, ignore, NULL), 0);
	small = 1 << 20;
	assert_int_equal(setsockopt(netlink_fd(nl), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_true(run("ip addr add 10.8.0.1/24 dev jv0"));
	read_events(nl, &events); /* and it works on */
	assert_true(noted(&events, NETLINK_ADDRESS_ADDED, "jv0", "10.8.0.1"));
	netlink_close(nl);
	remove_cables();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_link_up_sets_mtu),
		cmocka_unit_test(test_no_link_local),
		cmocka_unit_test(test_addresses_are_idempotent),
		cmocka_unit_test(test_address_works_at_once),
		cmocka_unit_test(test_routes_are_idempotent),
		cmocka_unit_test(test_other_default_route_survives),
		cmocka_unit_test(test_kernel_answers_by_rules_and_marks),
		cmocka_unit_test(test_kernel_answers_of_one_device),
		cmocka_unit_test(test_kernel_answers_of_odd_gateways),
		cmocka_unit_test(test_kernel_answers_refusals),
		cmocka_unit_test(test_watch_tells_of_links),
		cmocka_unit_test(test_watch_tells_of_addresses),
		cmocka_unit_test(test_watch_waits_for_tentative_addresses),
		cmocka_unit_test(test_watch_tells_of_routes),
		cmocka_unit_test(test_watch_sifts),
		cmocka_unit_test(test_watch_ignores_bridge_ports),
		cmocka_unit_test(test_dump_on_either_socket),
		cmocka_unit_test(test_overrun_is_told_once),
	};

	return cmocka_run_group_tests(tests, enter_netns, NULL);
}
