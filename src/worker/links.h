/* Links and their addresses as netlink has told of them: answers questions, decides nothing. */
#pragma once

#include <stdbool.h>

#include "net/netlink.h"

struct links;

struct links *links_new(void);
void links_free(struct links *l);
void links_event(struct links *l, const struct netlink_event *ev);
/* Before everything is told anew. */
void links_clear(struct links *l);
const char *links_name(const struct links *l, int ifindex); /* or NULL */
bool links_has(const struct links *l, const char *interface);
bool links_is_up(const struct links *l, const char *interface);
bool links_has_address(const struct links *l, const char *interface, const struct ip *ip);
/* One of its addresses of this family that can reach beyond the link, or NULL. */
const struct ip *links_address(const struct links *l, const char *interface, bool v4);
/* Is it, or does it lie in, a network that one of our links is connected to? `except`: the index of one that does not count. */
bool links_connected(const struct links *l, int except, const struct prefix *p);
/* Has it an address of this family that can reach beyond the link? */
bool links_has_family(const struct links *l, const char *interface, bool v4);
/* Did it lose an address of this family since links_settle()? */
bool links_lost_address(const struct links *l, const char *interface, bool v4);
/* Forgets losses, and links of which nothing is left. */
void links_settle(struct links *l);
