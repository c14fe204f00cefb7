/* What requests, routes and events over rtnetlink have in common. Of src/net alone. */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "net/netlink.h"

#define NETLINK_ANSWER_MAX 32768 /* what the kernel makes of a dump at most, and the longest link message */
#define NETLINK_DUMP_TRIES 3
#define NETLINK_GROUP(g) (1u << ((g)-1)) /* of enum rtnetlink_groups */

struct netlink {
	struct mnl_socket *socket;
	unsigned int portid;
	uint32_t seq;
	bool watch;
	struct netlink_concern concern;
	bool sifts; /* `concern` is set */
	_Alignas(struct nlmsghdr) uint8_t buf[NETLINK_ANSWER_MAX];
};

typedef void (*netlink_message_fn)(void *ctx, const struct nlmsghdr *nlh);

/* Non-blocking, subscribed to groups (NETLINK_GROUP(); those that this kernel does not know are never heard of). */
struct netlink *netlink_watch_new(unsigned int groups, int buffer);
/* A request at the start of the buffer, to be filled and handed to netlink_exchange(). */
struct nlmsghdr *netlink_request(struct netlink *nl, uint16_t type, uint16_t flags);
/*
 * Sends it and takes the answers until its end: 0 or -errno; -EINTR for a dump during which the kernel's list changed.
 * `each` may be NULL.
 */
int netlink_exchange(struct netlink *nl, struct nlmsghdr *nlh, netlink_message_fn each, void *ctx);
/* What a dump tells, element by element. */
struct netlink_list {
	size_t size; /* of an element */
	size_t n;
	void *list;
	bool no_memory;
};
void netlink_list_add(struct netlink_list *l, const void *element);
/*
 * Asks for a dump of `type` with this family header, NETLINK_DUMP_TRIES times while the kernel's list changes: then it is
 * taken as it was seen last. One of a family that the kernel has not is empty. `each` adds to `l` what it wants of the
 * messages. 0, and the list is the caller's, or -errno, and there is none.
 */
int netlink_list(struct netlink *nl, uint16_t type, const void *head, size_t len, netlink_message_fn each,
		 void *ctx, struct netlink_list *l);
/* One receive into the buffer: its length or -errno. */
ssize_t netlink_receive(struct netlink *nl);
/* Is there one more message in `left` bytes, and all of it? */
bool netlink_is_whole(const struct nlmsghdr *nlh, int left);

uint8_t netlink_family(const struct ip *ip);
uint8_t netlink_bits(const struct prefix *p); /* its length in its own family */
bool netlink_prefix_is_sane(const struct prefix *p);
void netlink_put_ip(struct nlmsghdr *nlh, uint16_t type, const struct ip *ip);
/* Read attributes whose length is right, and no others. */
bool netlink_get_u32(const struct nlattr *attr, uint32_t *out);
bool netlink_get_ip(const struct nlattr *attr, uint8_t family, struct ip *out);
/*
 * Of an address message: its flags, where they stand in an attribute, and whose it is. IFA_LOCAL is ours; IFA_ADDRESS is the
 * peer's where there is one, and all that IPv6 sends otherwise.
 */
bool netlink_get_address(const struct nlmsghdr *nlh, uint32_t *flags, struct ip *ip);
