/*
 * The way to an endpoint as the kernel has it, with ip(8) as the other side.
 *
 *     jv0 10.1.0.2, fd00:1::2 ===== jv1     jv2 10.2.0.2, fd00:2::2 ===== jv3     (veth: a cable with two ends)
 */
#include "netns.h"

#include <linux/rtnetlink.h>

#include "net/netlink.h"
#include "worker/way.h"

#define ADDRESSED                                                            \
	"ip addr add 10.1.0.2/24 dev jv0 && ip addr add 10.2.0.2/24 dev jv2" \
	" && ip addr add fd00:1::2/64 dev jv0 nodad && ip addr add fd00:2::2/64 dev jv2 nodad"
#define ROUTED                                                                                     \
	"ip route add default via 10.1.0.1 metric 1 && ip route add default via 10.2.0.1 metric 2" \
	" && ip -6 route add default via fd00:1::1 metric 1 && ip -6 route add default via fd00:2::1 metric 2"
#define FAR4 "203.0.113.1"
#define FAR6 "2001:db8::1"

static struct netlink *nl;
static int tunnel;
static uint32_t mark;

static void note_link(void *ctx, const struct netlink_event *e)
{
	links_event(ctx, e);
}

static int up(const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "ip link show %s | grep -q LOWER_UP", name);
	return run(text);
}

static void build(void **state)
{
	require_netns(state);
	if (!run("ip link add jv0 type veth peer name jv1 && ip link add jv2 type veth peer name jv3")) {
		fprintf(stderr, "SKIP: no veth devices\n");
		skip();
	}
	assert_true(run("for i in 0 1 2 3; do ip link set jv$i addrgenmode none up; done"));
	for (int i = 0; i < 1000 && !(up("jv0") && up("jv2")); i++)
		poll(NULL, 0, 5);
	nl = netlink_open();
	assert_non_null(nl);
	tunnel = 0;
	mark = 0;
}

static void tear_down(void)
{
	netlink_close(nl);
	assert_true(run("ip link del jv0 && ip link del jv2"));
}

/* As they are now. */
static struct links *links_now(void)
{
	struct links *l = links_new();

	assert_non_null(l);
	assert_int_equal(netlink_dump(nl, note_link, l), 0);
	return l;
}

static __attribute__((noinline)) struct way find(const char *interface, const char *address,
						    const char *to, const char *scope)
{
	struct config_transport t = { .name = "t" };
	struct endpoint at = { .ip = ip_of(to),
			       .port = 4433,
			       .scope = scope ? (uint32_t)netlink_ifindex(scope) : 0 };
	struct way_wish w = { .transport = &t, .to = &at, .mark = mark, .tunnel = tunnel };
	struct links *l = links_now();
	struct way way;

	snprintf(t.interface, sizeof(t.interface), "%s", interface);
	if (address[0])
		t.address = ip_of(address);
	way_find(nl, l, &w, &way);
	links_free(l);
	return way;
}

static __attribute__((noinline)) void expect_way(const char *interface, const char *address, const char *to,
						 const char *by, const char *source)
{
	const struct way way = find(interface, address, to, NULL);
	const struct ip from = ip_of(source);

	assert_int_equal(way.fault, FAULT_NONE);
	assert_string_equal(way.interface, by);
	assert_true(ip_equal(&way.source, &from));
}

static __attribute__((noinline)) void expect_fault(const char *interface, const char *address, const char *to,
						   enum path_fault fault)
{
	assert_int_equal(find(interface, address, to, NULL).fault, fault);
}

static void test_by_interface_address_or_neither(void **state)
{
	build(state);
	assert_true(run(ADDRESSED));
	assert_true(run(ROUTED));
	expect_way("", "", FAR4, "jv0", "10.1.0.2");
	expect_way("", "", FAR6, "jv0", "fd00:1::2");
	expect_way("jv2", "", FAR4, "jv2", "10.2.0.2");
	expect_way("jv2", "", FAR6, "jv2", "fd00:2::2");
	expect_way("", "10.2.0.2", FAR4, "jv0", "10.2.0.2"); /* no rule sends it elsewhere */
	expect_way("jv2", "10.2.0.2", FAR4, "jv2", "10.2.0.2");
	expect_fault("jv0", "10.9.9.9", FAR4, FAULT_NO_ADDRESS);
	expect_fault("", "10.1.0.2", FAR6, FAULT_NO_ADDRESS);
	expect_fault("jv9", "", FAR4, FAULT_NO_INTERFACE);
	assert_true(run("ip link property add dev jv2 altname wan-two"));
	expect_way("wan-two", "", FAR4, "jv2", "10.2.0.2");
	tear_down();
}

static void test_without_a_route(void **state)
{
	build(state);
	assert_true(run(ADDRESSED));
	expect_fault("", "", FAR4, FAULT_NO_ROUTE);
	expect_fault("jv0", "", FAR4, FAULT_NO_ROUTE); /* the kernel would ask who has it, on the link */
	expect_fault("jv0", "", FAR6, FAULT_NO_ROUTE);
	expect_way("jv0", "", "10.1.0.9", "jv0", "10.1.0.2");
	assert_true(run("ip route add " FAR4 " dev jv0 && ip addr flush dev jv0 && ip addr flush dev jv2"
			" && ip route add " FAR4 " dev jv0"));
	expect_fault("jv0", "", FAR4, FAULT_NO_ADDRESS);
	tear_down();
}

static void test_carrier(void **state)
{
	build(state);
	assert_true(run(ADDRESSED));
	assert_true(run(ROUTED));
	assert_true(run("ip link set jv1 down")); /* the far end: jv0 keeps its routes */
	for (int i = 0; i < 1000 && up("jv0"); i++)
		poll(NULL, 0, 5);
	expect_fault("jv0", "", FAR4, FAULT_NO_CARRIER);
	expect_way("", "", FAR4, "jv2", "10.2.0.2");
	expect_way("", "", FAR6, "jv2", "fd00:2::2");
	assert_true(run("ip link set jv3 down"));
	for (int i = 0; i < 1000 && up("jv2"); i++)
		poll(NULL, 0, 5);
	expect_fault("", "", FAR4, FAULT_NO_CARRIER);
	tear_down();
}

/* What the tunnel took is not there for its own packets: longest prefix, then metric, among the others. */
static void test_past_the_tunnel(void **state)
{
	build(state);
	assert_true(run(ADDRESSED));
	assert_true(run(ROUTED));
	tunnel = netlink_ifindex("jv0");
	expect_way("", "", FAR4, "jv2", "10.2.0.2");
	expect_way("", "", FAR6, "jv2", "fd00:2::2");
	expect_fault("jv0", "", FAR4, FAULT_TUNNEL);
	assert_true(run(
		"ip link add jv4 type veth peer name jv5 && ip link set jv4 up && ip link set jv5 up"
		" && ip addr add 10.4.0.2/24 dev jv4 && ip route add 203.0.113.0/24 via 10.4.0.1 metric 900"
		" && ip route add " FAR4 " dev jv0"));
	for (int i = 0; i < 1000 && !up("jv4"); i++)
		poll(NULL, 0, 5);
	expect_way("", "", FAR4, "jv4", "10.4.0.2");
	assert_true(run("ip route del 203.0.113.0/24 && ip route del default via 10.2.0.1"));
	expect_fault("", "", FAR4, FAULT_NO_ROUTE);
	assert_true(run("ip link del jv4"));
	tear_down();
}

static void test_rules(void **state)
{
	build(state);
	assert_true(run(ADDRESSED));
	assert_true(run(
		"ip route add default via 10.1.0.1 && ip route add default via 10.2.0.1 table 202"
		" && ip rule add pref 90 from 10.2.0.2 lookup 202 && ip rule add pref 91 fwmark 7 lookup 202"
		" && ip -6 route add default via fd00:1::1 && ip -6 route add default via fd00:2::1 table 202"
		" && ip -6 rule add pref 90 from fd00:2::2 lookup 202"));
	expect_way("", "", FAR4, "jv0", "10.1.0.2");
	expect_way("jv2", "", FAR4, "jv2", "10.2.0.2"); /* by its address, which nobody had to write down */
	assert_true(find("jv2", "", FAR4, NULL).fixed);
	assert_false(find("jv0", "", FAR4, NULL).fixed);
	expect_way("jv2", "", FAR6, "jv2", "fd00:2::2");
	expect_way("", "10.2.0.2", FAR4, "jv2", "10.2.0.2");
	expect_way("", "fd00:2::2", FAR6, "jv2", "fd00:2::2");
	mark = 7;
	expect_way("", "", FAR4, "jv2", "10.2.0.2");
	assert_true(run(
		"ip rule del pref 90; ip rule del pref 91; ip -6 rule del pref 90; ip route flush table 202;"
		" ip -6 route flush table 202"));
	tear_down();
}

/* The address may stand on any interface, and the gateway be of the other family. */
static void test_unnumbered(void **state)
{
	build(state);
	assert_true(run("ip addr add 10.40.0.2/32 dev lo && ip addr add fe80::2/64 dev jv0 nodad"
			" && ip route add default dev jv0 src 10.40.0.2"
			" && ip addr add fd77::2/128 dev lo && ip -6 route add default via fe80::1 dev jv0"));
	expect_way("jv0", "", FAR4, "jv0", "10.40.0.2");
	expect_way("", "", FAR4, "jv0", "10.40.0.2");
	expect_way("jv0", "10.40.0.2", FAR4, "jv0", "10.40.0.2");
	expect_way("", "10.40.0.2", FAR4, "jv0", "10.40.0.2");
	expect_way("jv0", "", FAR6, "jv0", "fd77::2");
	if (run("ip -4 route replace default via inet6 fe80::1 dev jv0"))
		expect_way("", "", FAR4, "jv0", "10.40.0.2");
	assert_true(run("ip addr del fd77::2/128 dev lo"));
	expect_fault("jv0", "", FAR6, FAULT_NO_ADDRESS); /* a router lets nothing from fe80:: through */
	assert_true(run("ip addr del 10.40.0.2/32 dev lo"));
	tear_down();
}

/* An inner address is no source of outer packets, whoever has none. */
static void test_inner_address(void **state)
{
	build(state);
	tunnel = netlink_ifindex("jv2");
	assert_true(run("ip addr add 10.8.0.2/24 dev jv2 && ip addr add fd00:8::2/64 dev jv2 nodad"
			" && ip addr add fe80::2/64 dev jv0 nodad"
			" && ip route add " FAR4 " dev jv0 && ip -6 route add default via fe80::1 dev jv0"));
	expect_fault("jv0", "", FAR4, FAULT_NO_ADDRESS);
	expect_fault("jv0", "", FAR6, FAULT_NO_ADDRESS);
	expect_fault("", "", FAR6, FAULT_NO_ADDRESS);
	expect_fault("jv0", "10.8.0.2", FAR4, FAULT_NO_ADDRESS);
	assert_true(run("ip addr add fd00:1::2/64 dev jv0 nodad preferred_lft 0")); /* the kernel likes the inner one better */
	expect_way("jv0", "", FAR6, "jv0", "fd00:1::2");
	tear_down();
}

static void test_link_local(void **state)
{
	build(state);
	assert_true(run("ip addr add fe80::2/64 dev jv0 nodad && ip addr add fe80::3/64 dev jv2 nodad"
			" && ip addr add 169.254.7.2/16 dev jv0"));
	expect_way("jv0", "", "fe80::1", "jv0", "fe80::2");
	expect_way("jv0", "", "169.254.7.1", "jv0", "169.254.7.2");
	expect_fault("", "", "fe80::1", FAULT_NO_SCOPE);
	assert_int_equal(find("jv0", "", "fe80::1", "jv2").fault, FAULT_OTHER_LINK);
	assert_int_equal(find("jv2", "", "fe80::1", "jv2").fault, FAULT_NONE);
	assert_string_equal(find("", "", "fe80::1", "jv2").interface, "jv2");
	tear_down();
}

static void test_refusals(void **state)
{
	build(state);
	assert_true(run(ADDRESSED));
	assert_true(run(ROUTED));
	assert_true(run("ip route add blackhole 198.51.100.0/24 && ip route add prohibit 203.0.113.0/24"
			" && ip -6 route add unreachable 2001:db8::/32"));
	expect_fault("", "", "198.51.100.1", FAULT_REFUSED);
	expect_fault("", "", FAR4, FAULT_REFUSED);
	expect_fault("jv0", "", FAR4, FAULT_NO_ROUTE); /* of a device the kernel says no more */
	expect_fault("", "", FAR6, FAULT_REFUSED);
	assert_true(run("ip route del blackhole 198.51.100.0/24 && ip route del prohibit 203.0.113.0/24"
			" && ip -6 route del unreachable 2001:db8::/32"));
	tear_down();
}

static void test_many_hops(void **state)
{
	build(state);
	assert_true(run(ADDRESSED));
	assert_true(run("ip route add default nexthop via 10.1.0.1 nexthop via 10.2.0.1"
			" && ip -6 route add default nexthop via fd00:1::1 nexthop via fd00:2::1"));
	assert_int_equal(find("", "", FAR4, NULL).fault, FAULT_NONE);
	expect_way("jv0", "", FAR4, "jv0", "10.1.0.2");
	expect_way("jv2", "", FAR4, "jv2", "10.2.0.2");
	expect_way("jv0", "", FAR6, "jv0", "fd00:1::2");
	expect_way("jv2", "", FAR6, "jv2", "fd00:2::2");
	tunnel = netlink_ifindex("jv0");
	expect_way("", "", FAR4, "jv2", "10.2.0.2");
	tear_down();
}

/* What happens all day is no reason to leave a socket. */
static void test_moved(void **state)
{
	struct way a, b;
	struct links *l;

	build(state);
	assert_true(run(ADDRESSED));
	assert_true(run(ROUTED));
	a = find("", "", FAR4, NULL);
	assert_true(run(
		"ip addr add 10.1.0.9/24 dev jv0 && ip route replace default via 10.1.0.3 src 10.1.0.9 metric 1"));
	b = find("", "", FAR4, NULL);
	l = links_now();
	assert_false(way_has_moved(
		l, &a, &b)); /* another gateway and source, and the old source is still there */
	links_free(l);
	assert_true(run("ip addr del 10.1.0.2/24 dev jv0"));
	l = links_now();
	assert_true(way_has_moved(l, &a, &b));
	links_free(l);
	b = find("jv2", "", FAR4, NULL);
	l = links_now();
	assert_true(way_has_moved(l, &a, &b));
	links_free(l);
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_interface_address_or_neither),
		cmocka_unit_test(test_without_a_route),
		cmocka_unit_test(test_carrier),
		cmocka_unit_test(test_past_the_tunnel),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_unnumbered),
		cmocka_unit_test(test_inner_address),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_many_hops),
		cmocka_unit_test(test_moved),
	};

	return cmocka_run_group_tests(tests, enter_netns, NULL);
}
