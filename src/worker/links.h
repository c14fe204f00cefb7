/* Links and their addresses as netlink has told of them: answers questions, decides nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/netlink.h"

struct links;

struct links *links_new(void);
void links_free(struct links *l);
void links_event(struct links *l, const struct netlink_event *ev);
/* Before everything is told anew. */
void links_clear(struct links *l);
const char *links_name(const struct links *l, int ifindex); /* or NULL */
bool links_is_up(const struct links *l, int ifindex);
bool links_is_point_to_point(const struct links *l, int ifindex);
/* Has any link this address? */
bool links_has_address(const struct links *l, const struct ip *ip);
bool links_own_address(const struct links *l, int ifindex, const struct ip *ip); /* has this one? */
/* Its addresses of one family, counted from 0, without IPv6's link-local ones; behind the last NULL. */
const struct ip *links_address(const struct links *l, int ifindex, bool v4, size_t n);
/* Is it, or does it lie in, a network that one of our links is connected to? `except`: the index of one that does not count. */
bool links_connected(const struct links *l, int except, const struct prefix *p);
/* Those that are up. */
void links_each(const struct links *l, void (*each)(void *ctx, int ifindex), void *ctx);
/* Forgets links of which nothing is left. */
void links_settle(struct links *l);
