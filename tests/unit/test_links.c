/*
 * What netlink tells of links, and what can be asked of it: interfaces come, go, and come back under the old
 * name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/links.h"

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(text, &ip));
	return ip;
}

static void tell(struct links *l, enum netlink_event_kind kind, int ifindex, const char *name,
		 const char *address)
{
	struct netlink_event ev = { .kind = kind, .ifindex = ifindex };

	snprintf(ev.interface, sizeof(ev.interface), "%s", name);
	if (address)
		ev.address = ip_of(address);
	links_event(l, &ev);
}

static void test_link_up_and_down(void **state)
{
	struct links *l = links_new();

	assert_false(links_is_up(l, 3));
	tell(l, NETLINK_LINK_UP, 3, "wlan0", NULL);
	assert_true(links_is_up(l, 3));
	assert_string_equal(links_name(l, 3), "wlan0");
	assert_null(links_name(l, 4));
	tell(l, NETLINK_LINK_DOWN, 3, "wlan0", NULL);
	assert_false(links_is_up(l, 3));
	links_free(l);
}

static void test_addresses_and_families(void **state)
{
	struct links *l = links_new();
	struct ip v4 = ip_of("10.1.1.2"), v6 = ip_of("fe80::1");

	tell(l, NETLINK_LINK_UP, 3, "wlan0", NULL);
	tell(l, NETLINK_ADDRESS_ADDED, 3, "wlan0", "fe80::1");
	assert_null(links_address(l, 3, true, 0));
	assert_null(links_address(l, 3, false, 0)); /* link-local */
	assert_true(links_has_address(l, &v6));
	tell(l, NETLINK_ADDRESS_ADDED, 3, "wlan0", "169.254.7.7");
	tell(l, NETLINK_ADDRESS_ADDED, 3, "wlan0", "10.1.1.2");
	tell(l, NETLINK_ADDRESS_ADDED, 3, "wlan0", "10.1.1.2"); /* told twice, there once */
	assert_true(links_has_address(l, &v4));
	assert_non_null(links_address(l, 3, true, 0));
	assert_true(ip_equal(links_address(l, 3, true, 1), &v4));
	assert_null(links_address(l, 3, true, 2));
	tell(l, NETLINK_ADDRESS_REMOVED, 3, "wlan0", "10.1.1.2");
	tell(l, NETLINK_ADDRESS_REMOVED, 3, "wlan0", "10.1.1.9"); /* never had it */
	assert_false(links_has_address(l, &v4));
	assert_null(links_address(l, 3, true, 1));
	links_free(l);
}

/*
 * A modem that is plugged in again has its old name and a new index. The kernel may name it before the old one is
 * told to be gone.
 */
static void test_name_of_a_new_link(void **state)
{
	struct links *l = links_new();

	tell(l, NETLINK_LINK_UP, 3, "wwan0", NULL);
	tell(l, NETLINK_ADDRESS_ADDED, 3, "wwan0", "10.1.1.2");
	tell(l, NETLINK_LINK_DOWN, 3, "wwan0", NULL);
	tell(l, NETLINK_LINK_UP, 9, "wwan0", NULL);
	assert_true(links_is_up(l, 9));
	assert_null(links_address(l, 9, true, 0));
	assert_string_equal(links_name(l, 9), "wwan0");
	assert_null(links_name(l, 3));
	tell(l, NETLINK_LINK_DOWN, 3, "", NULL);
	assert_true(links_is_up(l, 9));
	links_free(l);
}

static void test_renamed(void **state)
{
	struct links *l = links_new();

	tell(l, NETLINK_LINK_UP, 3, "eth0", NULL);
	tell(l, NETLINK_LINK_UP, 3, "lan0", NULL);
	assert_string_equal(links_name(l, 3), "lan0");
	assert_true(links_is_up(l, 3));
	links_free(l);
}

static void count_link(void *ctx, int ifindex)
{
	*(int *)ctx += ifindex;
}

/* Containers come and go all day: what is gone takes no room. */
static void test_forgets_what_is_gone(void **state)
{
	struct links *l = links_new();
	int sum = 0;

	tell(l, NETLINK_LINK_UP, 4, "wlan0", NULL);
	tell(l, NETLINK_LINK_UP, 3, "veth1", NULL);
	tell(l, NETLINK_ADDRESS_ADDED, 3, "veth1", "10.1.1.2");
	tell(l, NETLINK_LINK_DOWN, 3, "veth1", NULL);
	links_settle(l);
	assert_non_null(links_name(l, 3)); /* down, and keeps its address */
	links_each(l, count_link, &sum);
	assert_int_equal(sum, 4);
	tell(l, NETLINK_ADDRESS_REMOVED, 3, "veth1", "10.1.1.2");
	links_settle(l);
	assert_null(links_name(l, 3));
	links_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_up_and_down),     cmocka_unit_test(test_addresses_and_families),
		cmocka_unit_test(test_name_of_a_new_link),   cmocka_unit_test(test_renamed),
		cmocka_unit_test(test_forgets_what_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
