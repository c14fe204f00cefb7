#include "worker/links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

struct address {
	struct list node;
	struct ip ip;
	uint8_t len; /* of its network */
};

struct link {
	struct list node;
	int ifindex;
	char name[16];
	bool up;
	bool lost_v4, lost_v6;
	struct list addresses;
};

struct links {
	struct list list;
};

struct links *links_new(void)
{
	struct links *l = calloc(1, sizeof(*l));

	if (l)
		list_init(&l->list);
	return l;
}

static void link_free(struct link *k)
{
	while (!list_is_empty(&k->addresses)) {
		struct address *a = container_of(k->addresses.next, struct address, node);

		list_remove(&a->node);
		free(a);
	}
	list_remove(&k->node);
	free(k);
}

void links_clear(struct links *l)
{
	while (!list_is_empty(&l->list))
		link_free(container_of(l->list.next, struct link, node));
}

void links_free(struct links *l)
{
	if (!l)
		return;
	links_clear(l);
	free(l);
}

static struct link *by_index(const struct links *l, int ifindex)
{
	const struct list *pos;

	list_for_each(pos, &l->list) {
		struct link *k = container_of(pos, struct link, node);

		if (k->ifindex == ifindex)
			return k;
	}
	return NULL;
}

static struct link *by_name(const struct links *l, const char *name)
{
	const struct list *pos;

	list_for_each(pos, &l->list) {
		struct link *k = container_of(pos, struct link, node);

		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

static struct link *link_add(struct links *l, int ifindex)
{
	struct link *k = by_index(l, ifindex);

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->ifindex = ifindex;
	list_init(&k->addresses);
	list_append(&l->list, &k->node);
	return k;
}

static struct address *find_address(const struct link *k, const struct ip *ip)
{
	const struct list *pos;

	list_for_each(pos, &k->addresses) {
		struct address *a = container_of(pos, struct address, node);

		if (ip_equal(&a->ip, ip))
			return a;
	}
	return NULL;
}

static void address_added(struct link *k, const struct ip *ip, uint8_t len)
{
	struct address *a = find_address(k, ip);

	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return;
		a->ip = *ip;
		list_append(&k->addresses, &a->node);
	}
	a->len = len;
}

static void address_removed(struct link *k, const struct ip *ip)
{
	struct address *a = find_address(k, ip);

	if (!a)
		return;
	if (ip_is_v4(ip))
		k->lost_v4 = true;
	else
		k->lost_v6 = true;
	list_remove(&a->node);
	free(a);
}

/* A name is one link's: whoever bore it before has another name now, or is gone. */
static void link_name(struct links *l, struct link *k, const char *name)
{
	struct link *former = by_name(l, name);

	if (former && former != k)
		former->name[0] = '\0';
	snprintf(k->name, sizeof(k->name), "%s", name);
}

void links_event(struct links *l, const struct netlink_event *ev)
{
	struct link *k = ev->kind == NETLINK_ROUTES_CHANGED ? NULL : link_add(l, ev->ifindex);

	if (!k)
		return;
	if (ev->interface[0])
		link_name(l, k, ev->interface);
	if (ev->kind == NETLINK_LINK_UP)
		k->up = true;
	else if (ev->kind == NETLINK_LINK_DOWN)
		k->up = false;
	else if (ev->kind == NETLINK_ADDRESS_ADDED)
		address_added(k, &ev->address, ev->len);
	else
		address_removed(k, &ev->address);
}

const char *links_name(const struct links *l, int ifindex)
{
	const struct link *k = by_index(l, ifindex);

	return k && k->name[0] ? k->name : NULL;
}

bool links_has(const struct links *l, const char *interface)
{
	return by_name(l, interface);
}

bool links_is_up(const struct links *l, const char *interface)
{
	const struct link *k = by_name(l, interface);

	return k && k->up;
}

bool links_has_address(const struct links *l, const char *interface, const struct ip *ip)
{
	const struct link *k = by_name(l, interface);

	return k && find_address(k, ip);
}

static bool link_connected(const struct link *k, const struct prefix *p)
{
	const struct list *pos;

	list_for_each(pos, &k->addresses) {
		const struct address *a = container_of(pos, struct address, node);
		const struct prefix net = { a->ip, a->len };

		if (p->len >= net.len && prefix_contains(&net, &p->ip))
			return true;
	}
	return false;
}

bool links_connected(const struct links *l, int except, const struct prefix *p)
{
	const struct list *pos;

	list_for_each(pos, &l->list) {
		const struct link *k = container_of(pos, struct link, node);

		if (k->ifindex != except && link_connected(k, p))
			return true;
	}
	return false;
}

static bool is_link_local(const struct ip *ip)
{
	if (ip_is_v4(ip))
		return ip->b[12] == 169 && ip->b[13] == 254;
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

const struct ip *links_address(const struct links *l, const char *interface, bool v4)
{
	const struct link *k = by_name(l, interface);
	const struct list *pos;

	if (!k)
		return NULL;
	list_for_each(pos, &k->addresses) {
		const struct ip *ip = &container_of(pos, struct address, node)->ip;

		if (ip_is_v4(ip) == v4 && !is_link_local(ip))
			return ip;
	}
	return NULL;
}

bool links_has_family(const struct links *l, const char *interface, bool v4)
{
	return links_address(l, interface, v4);
}

bool links_lost_address(const struct links *l, const char *interface, bool v4)
{
	const struct link *k = by_name(l, interface);

	return k && (v4 ? k->lost_v4 : k->lost_v6);
}

/* A link that is down and has no address tells no more than one that is not there, and may well be gone. */
void links_settle(struct links *l)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &l->list) {
		struct link *k = container_of(pos, struct link, node);

		k->lost_v4 = k->lost_v6 = false;
		if (!k->up && list_is_empty(&k->addresses))
			link_free(k);
	}
}
