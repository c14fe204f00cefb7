/*
 * What the kernel says over rtnetlink: events that wait, and answers to the questions that are asked. The input is what
 * each receive brings; behind it nothing may be read, which the address sanitizer sees.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <sys/socket.h>

#include "fuzz.h"

#ifdef __SANITIZE_ADDRESS__
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

static struct input in;

/* A request is to be put where an answer stood. */
static struct nlmsghdr *request_begins(void *buf, size_t room)
{
	ASAN_UNPOISON_MEMORY_REGION(buf, room);
	return mnl_nlmsg_put_header(buf);
}

static ssize_t request_goes(const void *message, size_t len)
{
	(void)message; /* nowhere */
	return (ssize_t)len;
}

static ssize_t input_receives(void *buf, size_t room)
{
	const uint8_t *data;
	size_t len;

	ASAN_UNPOISON_MEMORY_REGION(buf, room);
	if (in.left == 0) {
		errno = EAGAIN;
		return -1;
	}
	len = input_bytes(&in, true, &data);
	if (len > room)
		len = room;
	memcpy(buf, data, len);
	ASAN_POISON_MEMORY_REGION((uint8_t *)buf + len, room - len);
	return (ssize_t)len;
}

static char *input_names(unsigned int index, char *name)
{
	return index % 5 == 0 ? NULL : strcpy(name, "an-interface-15");
}

/* Instead of the kernel. */
#define mnl_nlmsg_put_header(buf) request_begins(buf, sizeof(buf))
#define mnl_socket_sendto(socket, message, len) request_goes(message, len)
#define mnl_socket_recvfrom(socket, buf, room) input_receives(buf, room)
#define if_indextoname(index, name) input_names(index, name)
#include "net/netlink.c"
#include "net/route.c"
#include "net/watch.c"

struct told {
	unsigned int routes, others;
};

static void told(void *ctx, const struct netlink_event *e)
{
	struct told *t = ctx;

	HOLDS(e->kind <= NETLINK_WAYS_CHANGED && memchr(e->interface, '\0', sizeof(e->interface)));
	HOLDS(t->routes == 0); /* at most once, and last */
	if (e->kind == NETLINK_WAYS_CHANGED)
		t->routes++;
	else
		t->others++;
	if (e->kind != NETLINK_ADDRESS_ADDED && e->kind != NETLINK_ADDRESS_REMOVED)
		HOLDS(ip_is_zero(&e->address));
}

static void ask(struct netlink *nl, const struct ip *dst)
{
	const struct route_query q = { .dst = *dst, .ifindex = 7 };
	struct route_answer a;
	struct route_rank rank;
	const int r = netlink_route_get(nl, &q, &a);

	HOLDS(r < 0 || (a.ifindex > 0 && a.routed == (a.table != 0)));
	HOLDS(netlink_route_rank(nl, &q, &rank) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct netlink *nl;
	static const struct ip to = { .b = { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1 } };
	static const struct netlink_concern concern = { .to = &to, .n = 1, .except = 7 };
	struct told t = { 0 };
	struct ip dst;
	uint8_t what;

	in = (struct input){ data, size };
	what = input_byte(&in);
	if (!nl && !(nl = malloc(sizeof(*nl))))
		abort();
	ASAN_UNPOISON_MEMORY_REGION(nl, sizeof(*nl));
	memset(nl, 0, sizeof(*nl));
	switch (what % 3) {
	case 0:
		if (what & 0x40)
			netlink_concern(nl, &concern);
		HOLDS(netlink_read(nl, told, &t) == 0);
		break;
	case 1:
		HOLDS(netlink_dump(nl, told, &t) <= 0 && t.routes == 0);
		break;
	default:
		HOLDS(ip_parse(what & 0x80 ? "2001:db8::1" : "192.0.2.1", &dst));
		ask(nl, &dst);
	}
	return 0;
}
