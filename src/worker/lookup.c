#include "worker/lookup.h"

#define CARES_NO_DEPRECATED
#include <ares.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/list.h"
#include "net/sockaddr.h"

#define TRY_MS 2000
#define TRIES 2 /* of each server, the second with twice the time */

struct socket_poll {
	uv_poll_t poll;
	struct lookup *lookup;
	int fd;
	struct list node;
};

struct lookup {
	uv_loop_t *loop;
	ares_channel channel;
	uv_timer_t timer;
	uint64_t until; /* uv_now() */
	struct list sockets;
	struct nameservers servers;
	const struct lookup_how *how;
	void *asker;
	bool finished, cancelled;
	int status;
	struct lookup_answer answer;
};

/* --- sockets, as c-ares wants them --- */

static ares_socket_t open_socket(int family, int type, int protocol, void *ctx)
{
	(void)ctx;
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *ctx)
{
	(void)ctx;
	return close(fd);
}

/* c-ares knows no scopes. */
static uint32_t scope_of(const struct lookup *l, const struct ip *ip)
{
	for (size_t i = 0; i < l->servers.n; i++)
		if (ip_equal(&l->servers.list[i].ip, ip))
			return l->servers.list[i].scope;
	return 0;
}

/* Split routes stand in the main table: what is bound to an interface goes past them, and past a default into the tunnel. */
static int connect_socket(ares_socket_t fd, const struct sockaddr *sa, ares_socklen_t len, void *ctx)
{
	const struct lookup *l = ctx;
	const struct endpoint to = sockaddr_endpoint(sa);
	const int device = l->how->device(l->how->ctx, &to.ip);
	struct sockaddr_in6 in6;
	char name[IF_NAMESIZE];

	if (device > 0 && l->how->mark) /* without it, it is still bound */
		(void)setsockopt(fd, SOL_SOCKET, SO_MARK, &l->how->mark, sizeof(l->how->mark));
	if (device > 0 && if_indextoname((unsigned int)device, name) &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) < 0)
		return -1;
	if (sa->sa_family != AF_INET6 || scope_of(l, &to.ip) == 0)
		return connect(fd, sa, len);
	memcpy(&in6, sa, sizeof(in6));
	in6.sin6_scope_id = scope_of(l, &to.ip);
	return connect(fd, (const struct sockaddr *)(const void *)&in6, sizeof(in6));
}

static ares_ssize_t receive(ares_socket_t fd, void *data, size_t len, int flags, struct sockaddr *from,
			    ares_socklen_t *from_len, void *ctx)
{
	(void)ctx;
	return recvfrom(fd, data, len, flags, from, from_len);
}

static ares_ssize_t send_all(ares_socket_t fd, const struct iovec *iov, int n, void *ctx)
{
	const struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };

	(void)ctx;
	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
	.asocket = open_socket,
	.aclose = close_socket,
	.aconnect = connect_socket,
	.arecvfrom = receive,
	.asendv = send_all,
};

/* --- turns of the loop --- */

static void timer_closed(uv_handle_t *h)
{
	free(container_of((uv_timer_t *)h, struct lookup, timer));
}

static void lookup_end(struct lookup *l)
{
	ares_destroy(l->channel);
	uv_close((uv_handle_t *)&l->timer, timer_closed);
}

static void turn(uv_timer_t *t);

/* When c-ares, or the end of our patience, is due. */
static void wait_on(struct lookup *l)
{
	const uint64_t now = uv_now(l->loop), left = l->until > now ? l->until - now : 0;
	struct timeval most = { .tv_sec = (time_t)(left / 1000),
				.tv_usec = (suseconds_t)(left % 1000 * 1000) },
		       due;
	const struct timeval *next;

	if (l->finished) {
		uv_timer_start(&l->timer, turn, 0, 0);
		return;
	}
	next = ares_timeout(l->channel, &most, &due);
	uv_timer_start(&l->timer, turn, (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1,
		       0);
}

static void turn(uv_timer_t *t)
{
	struct lookup *l = container_of(t, struct lookup, timer);

	if (!l->finished && uv_now(l->loop) >= l->until)
		ares_cancel(l->channel);
	else if (!l->finished)
		ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (!l->finished) {
		wait_on(l);
		return;
	}
	l->how->done(l->how->ctx, l->asker, &l->answer);
	l->cancelled = true;
	lookup_end(l);
}

static void socket_ready(uv_poll_t *p, int status, int events)
{
	struct socket_poll *s = container_of(p, struct socket_poll, poll);
	struct lookup *l = s->lookup;
	const bool in = status < 0 || (events & UV_READABLE), out = status < 0 || (events & UV_WRITABLE);

	ares_process_fd(l->channel, in ? s->fd : ARES_SOCKET_BAD, out ? s->fd : ARES_SOCKET_BAD);
	wait_on(l);
}

static void socket_closed(uv_handle_t *h)
{
	free(container_of((uv_poll_t *)h, struct socket_poll, poll));
}

static struct socket_poll *find_socket(struct lookup *l, int fd)
{
	struct list *pos;

	list_for_each(pos, &l->sockets) {
		struct socket_poll *s = container_of(pos, struct socket_poll, node);

		if (s->fd == fd)
			return s;
	}
	return NULL;
}

static struct socket_poll *add_socket(struct lookup *l, int fd)
{
	struct socket_poll *s = calloc(1, sizeof(*s));

	if (!s || uv_poll_init(l->loop, &s->poll, fd) < 0) {
		free(s);
		return NULL;
	}
	s->lookup = l;
	s->fd = fd;
	list_append(&l->sockets, &s->node);
	return s;
}

/* A socket that cannot be polled is given up when its time is over. */
static void socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct lookup *l = ctx;
	struct socket_poll *s = find_socket(l, fd);

	if (readable || writable) {
		s = s ? s : add_socket(l, fd);
		if (s)
			uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
				      socket_ready);
	} else if (s) {
		list_remove(&s->node);
		uv_close((uv_handle_t *)&s->poll, socket_closed);
	}
}

/* --- the answer --- */

static const char *error_text(int status)
{
	switch (status) {
	case ARES_ECANCELLED:
	case ARES_ETIMEOUT:
		return "no answer";
	case ARES_ECONNREFUSED:
		return "no name server can be reached";
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
		return "no such name";
	case ARES_ESERVFAIL:
		return "the name server failed (SERVFAIL)";
	case ARES_EREFUSED:
		return "the name server refused";
	default:
		return ares_strerror(status);
	}
}

static void take(struct lookup_answer *a, const struct ares_addrinfo *found)
{
	size_t families[2] = { 0 };

	a->ttl_s = UINT32_MAX;
	for (const struct ares_addrinfo_node *i = found->nodes; i; i = i->ai_next) {
		const bool v4 = i->ai_family == AF_INET;

		if ((!v4 && i->ai_family != AF_INET6) || families[v4] == LOOKUP_ADDRESSES_MAX)
			continue;
		families[v4]++;
		a->address[a->n++] = sockaddr_endpoint(i->ai_addr);
		if (i->ai_ttl >= 0 && (uint32_t)i->ai_ttl < a->ttl_s)
			a->ttl_s = (uint32_t)i->ai_ttl;
	}
	if (a->n == 0) {
		a->ttl_s = 0;
		a->error = error_text(ARES_ENODATA);
	}
}

static void found(void *ctx, int status, int timeouts, struct ares_addrinfo *result)
{
	struct lookup *l = ctx;

	(void)timeouts;
	l->finished = true;
	if (!l->cancelled && status == ARES_SUCCESS) {
		take(&l->answer, result);
	} else if (!l->cancelled) {
		l->answer.error = error_text(status);
		l->answer.silent = status == ARES_ECANCELLED || status == ARES_ETIMEOUT;
	}
	if (result)
		ares_freeaddrinfo(result);
}

/* --- life --- */

/* c-ares' form of the list: each with a port, IPv6 in brackets, no scopes. */
static int set_servers(const struct lookup *l)
{
	char text[NAMESERVERS_MAX * ENDPOINT_STRLEN] = "", one[ENDPOINT_STRLEN];
	size_t len = 0;

	for (size_t i = 0; i < l->servers.n; i++) {
		const struct endpoint e = { .ip = l->servers.list[i].ip, .port = l->servers.list[i].port };

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "," : "",
					endpoint_format(&e, one));
	}
	return l->servers.n ? ares_set_servers_ports_csv(l->channel, text) : ARES_SUCCESS;
}

static int open_channel(struct lookup *l)
{
	char domains[sizeof(l->servers.search)], files[] = "f", *list[8], *rest = NULL;
	struct ares_options o = { .timeout = TRY_MS,
				  .tries = TRIES,
				  .sock_state_cb = socket_state,
				  .sock_state_cb_data = l,
				  .domains = list };
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_DOMAINS, rc;

	memcpy(domains, l->servers.search, sizeof(domains));
	for (char *d = strtok_r(domains, " \t", &rest); d && o.ndomains < 8; d = strtok_r(NULL, " \t", &rest))
		list[o.ndomains++] = d;
	if (l->servers.n == 0) {
		o.lookups = files;
		mask |= ARES_OPT_LOOKUPS;
	}
	rc = ares_init_options(&l->channel, &o, mask);
	if (rc != ARES_SUCCESS)
		return rc;
	ares_set_socket_functions(l->channel, &socket_functions, l);
	rc = set_servers(l);
	if (rc != ARES_SUCCESS)
		ares_destroy(l->channel);
	return rc;
}

struct lookup *lookup_start(uv_loop_t *loop, const char *host, const struct nameservers *servers,
			    const struct lookup_how *how, void *asker)
{
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	struct lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->loop = loop;
	l->servers = *servers;
	l->how = how;
	l->asker = asker;
	list_init(&l->sockets);
	if (open_channel(l) != ARES_SUCCESS) {
		free(l);
		return NULL;
	}
	uv_timer_init(loop, &l->timer);
	uv_update_time(loop);
	l->until = uv_now(loop) + LOOKUP_MS;
	ares_getaddrinfo(l->channel, host, NULL, &hints, found, l);
	wait_on(l);
	return l;
}

void lookup_cancel(struct lookup *l)
{
	l->cancelled = true;
	lookup_end(l);
}
