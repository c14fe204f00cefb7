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
	bool up, point_to_point;
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
	list_remove(&a->node);
	free(a);
}

/* Two links cannot have one name: a link that had it before has been renamed, or is gone. */
static void link_name(struct links *l, struct link *k, const char *name)
{
	struct link *former = by_name(l, name);

	if (former && former != k)
		former->name[0] = '\0';
	snprintf(k->name, sizeof(k->name), "%s", name);
}

void links_event(struct links *l, const struct netlink_event *ev)
{
	struct link *k = ev->kind == NETLINK_WAYS_CHANGED ? NULL : link_add(l, ev->ifindex);

	if (!k)
		return;
	if (ev->interface[0])
		link_name(l, k, ev->interface);
	if (ev->kind == NETLINK_LINK_UP || ev->kind == NETLINK_LINK_DOWN) {
		k->up = ev->kind == NETLINK_LINK_UP;
		k->point_to_point = ev->point_to_point;
	} else if (ev->kind == NETLINK_ADDRESS_ADDED) {
		address_added(k, &ev->address, ev->len);
	} else {
		address_removed(k, &ev->address);
	}
}

const char *links_name(const struct links *l, int ifindex)
{
	const struct link *k = by_index(l, ifindex);

	return k && k->name[0] ? k->name : NULL;
}

bool links_is_up(const struct links *l, int ifindex)
{
	const struct link *k = by_index(l, ifindex);

	return k && k->up;
}

bool links_is_point_to_point(const struct links *l, int ifindex)
{
	const struct link *k = by_index(l, ifindex);

	return k && k->point_to_point;
}

bool links_has_address(const struct links *l, const struct ip *ip)
{
	const struct list *pos;

	list_for_each(pos, &l->list)
		if (find_address(container_of(pos, struct link, node), ip))
			return true;
	return false;
}

bool links_own_address(const struct links *l, int ifindex, const struct ip *ip)
{
	const struct link *k = by_index(l, ifindex);

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

const struct ip *links_address(const struct links *l, int ifindex, bool v4, size_t n)
{
	const struct link *k = by_index(l, ifindex);
	const struct list *pos;

	if (!k)
		return NULL;
	list_for_each(pos, &k->addresses) {
		const struct ip *ip = &container_of(pos, struct address, node)->ip;

		if (ip_is_v4(ip) == v4 && (v4 || !ip_is_link_local(ip)) && n-- == 0)
			return ip;
	}
	return NULL;
}

void links_each(const struct links *l, void (*each)(void *ctx, int ifindex), void *ctx)
{
	const struct list *pos;

	list_for_each(pos, &l->list) {
		const struct link *k = container_of(pos, struct link, node);

		if (k->up)
			each(ctx, k->ifindex);
	}
}

/* A link that is down and has no address tells no more than one that is not there, and may well be gone. */
void links_settle(struct links *l)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &l->list) {
		struct link *k = container_of(pos, struct link, node);

		if (!k->up && list_is_empty(&k->addresses))
			link_free(k);
	}
}
