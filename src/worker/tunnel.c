#include "worker/tunnel.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/own.h"
#include "worker/mend.h"

#define ROUNDS 3      /* a look that changed something looks once more */
#define SETTLE_MS 50  /* what is damaged at once is mended at once */
#define V6_MS 2000    /* that IPv6 is switched on again is told by nobody */
#define RETRY_MS 1000 /* what cannot be set: at first, then more rarely */
#define PAUSE_MAX_MS 60000
#define MENDED_AT_ONCE 30 /* in a minute; more is a fight */
#define MINUTE_MS 60000

struct tunnel {
	struct netlink *nl, *watch;
	char name[16];
	struct prefix *addresses, *routes; /* wanted */
	struct tunnel_way *ways;
	struct wanted_for want; /* points to these */
	uint16_t mtu;
	uv_loop_t *loop; /* NULL: not looked after */
	uv_poll_t poll;
	uv_timer_t timer;
	uint64_t due;        /* of the timer; 0: none */
	uint64_t minute;     /* when its counting began */
	uint64_t rest;       /* no mending before */
	unsigned int mended; /* in this minute */
	unsigned int pause_ms, retry_ms;
	char trouble[256], told[256];
};

struct tunnel *tunnel_new(const char *name)
{
	struct tunnel *t = calloc(1, sizeof(*t));
	int index = netlink_ifindex(name);

	if (!t)
		return NULL;
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->nl = index > 0 ? netlink_open() : NULL;
	if (!t->nl) {
		errno = index > 0 ? errno : -index;
		free(t);
		return NULL;
	}
	t->want = (struct wanted_for){ .name = t->name, .ifindex = index, .mark = tunnel_mark(name) };
	(void)netlink_no_link_local(t->nl, index); /* before it is brought up */
	tunnel_undo(t);
	t->want.ending = false;
	return t;
}

int tunnel_index(const struct tunnel *t)
{
	return t->want.ifindex;
}

const char *tunnel_trouble(const struct tunnel *t)
{
	return t->trouble;
}

/* --- looking --- */

static void timer_due(uv_timer_t *timer);

static void look_within(struct tunnel *t, uint64_t ms)
{
	const uint64_t now = t->loop ? uv_now(t->loop) : 0;
	uint64_t at = now + ms;

	if (!t->loop)
		return;
	at = at < t->rest ? t->rest : at;
	if (t->due && t->due <= at)
		return;
	t->due = at;
	uv_timer_start(&t->timer, timer_due, at - now, 0);
}

/* Once for each kind of trouble, and once that it is over. */
static void tell(struct tunnel *t, const struct mend *m)
{
	snprintf(t->trouble, sizeof(t->trouble), "%s", m->trouble);
	if (m->more > 0)
		snprintf(t->trouble + strlen(t->trouble), sizeof(t->trouble) - strlen(t->trouble),
			 ", and %u more", m->more);
	if (strcmp(t->trouble, t->told) == 0)
		return;
	if (t->trouble[0])
		log_error("%s: %s", t->name, t->trouble);
	else
		log_info("%s: is as it should be again", t->name);
	snprintf(t->told, sizeof(t->told), "%s", t->trouble);
}

static unsigned int changes(const struct mend *m)
{
	return m->link + m->addresses + m->routes + m->rules;
}

static void sum_up(struct mend *all, const struct mend *m)
{
	const struct mend before = *all;

	*all = *m;
	all->link += before.link;
	all->addresses += before.addresses;
	all->routes += before.routes;
	all->rules += before.rules;
}

/* With an address others may go, with a link all routes: what was changed is looked at again. */
static struct mend look(struct tunnel *t, const struct prefix *former, size_t nformer)
{
	struct mend all = { .error = 0 }, m = { .error = 0 };

	for (int i = 0; i < ROUNDS && (i == 0 || m.link + m.addresses > 0); i++) {
		mend_device(t->nl, &t->want, t->mtu, former, nformer, &m);
		sum_up(&all, &m);
		t->want.no_sources |= m.no_sources;
	}
	tell(t, &all);
	if (!all.trouble[0]) {
		t->retry_ms = 0;
		return all;
	}
	t->retry_ms = all.error == 0 ? V6_MS : t->retry_ms == 0 ? RETRY_MS : 2 * t->retry_ms;
	t->retry_ms = t->retry_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : t->retry_ms;
	look_within(t, t->retry_ms);
	return all;
}

/* --- looking after it --- */

/* Another program may change the device back each time: mending slows down, and the log says so. */
static void count_mending(struct tunnel *t, const struct mend *m)
{
	const uint64_t now = uv_now(t->loop);
	char what[80];

	if (now - t->minute >= MINUTE_MS + t->pause_ms) {
		t->minute = now;
		t->mended = t->pause_ms = 0;
	}
	if (++t->mended <= MENDED_AT_ONCE) {
		log_warn("%s: somebody else has changed it; put right: %s", t->name, mend_text(m, what));
		return;
	}
	if (t->pause_ms == 0)
		log_error(
			"%s: somebody else changes it again and again (NetworkManager or systemd-networkd, perhaps, which "
			"should leave it unmanaged): put right more and more rarely; last: %s",
			t->name, mend_text(m, what));
	t->pause_ms = t->pause_ms == 0 ? RETRY_MS : 2 * t->pause_ms;
	t->pause_ms = t->pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : t->pause_ms;
	t->minute = now;
	t->rest = now + t->pause_ms;
}

static void timer_due(uv_timer_t *timer)
{
	struct tunnel *t = timer->data;
	struct mend m;

	t->due = 0;
	m = look(t, NULL, 0);
	if (changes(&m) > 0)
		count_mending(t, &m);
	else if (uv_now(t->loop) - t->minute >= MINUTE_MS)
		t->mended = t->pause_ms = 0;
	if (t->pause_ms == 0)
		return;
	if (!t->trouble[0])
		snprintf(t->trouble, sizeof(t->trouble), "somebody else changes it again and again");
	look_within(t, MINUTE_MS); /* to see that this is over */
}

static void heard(uv_poll_t *poll, int status, int events)
{
	struct tunnel *t = poll->data;

	(void)events;
	/* libuv stops polling a socket with a pending error, and an overrun is one. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, heard);
	if (device_heard(t->watch) || status < 0)
		look_within(t, SETTLE_MS);
}

void tunnel_start(struct tunnel *t, uv_loop_t *loop)
{
	t->watch = device_watch(t->want.ifindex);
	if (!t->watch || uv_poll_init(loop, &t->poll, netlink_fd(t->watch)) < 0) {
		log_warn("%s: changes by others cannot be heard of, and are not mended: %s", t->name,
			 strerror(errno));
		return;
	}
	uv_timer_init(loop, &t->timer);
	t->poll.data = t->timer.data = t;
	t->loop = loop;
	uv_poll_start(&t->poll, UV_READABLE, heard);
	look_within(t, SETTLE_MS);
}

/* --- what is wanted --- */

static struct prefix *copy(const struct prefix *list, size_t n)
{
	struct prefix *p = malloc((n + 1) * sizeof(*p));

	if (p && n > 0)
		memcpy(p, list, n * sizeof(*p));
	return p;
}

int tunnel_apply(struct tunnel *t, const struct tunnel_wish *w)
{
	struct prefix *addresses = copy(w->addresses, w->naddresses), *routes = copy(w->routes, w->nroutes);
	struct prefix *former = t->addresses;
	const size_t nformer = t->want.naddresses;
	struct mend m;

	if (!addresses || !routes) {
		free(addresses);
		free(routes);
		return -ENOMEM;
	}
	free(t->routes);
	t->want.addresses = t->addresses = addresses;
	t->want.routes = t->routes = routes;
	t->want.naddresses = w->naddresses;
	t->want.nroutes = w->nroutes;
	t->want.table = w->table;
	memcpy(t->want.own_marks, w->marks, sizeof(w->marks));
	t->want.server = w->server;
	t->mtu = w->mtu;
	m = look(t, former, nformer);
	free(former);
	return m.error;
}

static bool same_ways(const struct tunnel *t, const struct tunnel_way *list, size_t n)
{
	if (n != t->want.nways)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct tunnel_way *a = &t->ways[i], *b = &list[i];

		if (!ip_equal(&a->endpoint.ip, &b->endpoint.ip) || a->ifindex != b->ifindex ||
		    !ip_equal(&a->gateway, &b->gateway) || !ip_equal(&a->source, &b->source))
			return false;
	}
	return true;
}

void tunnel_escape(struct tunnel *t, const struct tunnel_way *list, size_t n)
{
	struct tunnel_way *ways;

	if (same_ways(t, list, n))
		return;
	ways = calloc(n + 1, sizeof(*ways));
	if (!ways)
		return;
	for (size_t i = 0; i < n; i++) {
		ways[i] = list[i];
		if (!if_indextoname((unsigned int)list[i].ifindex, ways[i].interface))
			ways[i].interface[0] = '\0';
	}
	free(t->ways);
	t->want.ways = t->ways = ways;
	t->want.nways = n;
	(void)look(t, NULL, 0);
}

void tunnel_undo(struct tunnel *t)
{
	struct mend m;

	if (t->loop && !uv_is_closing((uv_handle_t *)&t->poll)) {
		uv_poll_stop(&t->poll);
		uv_timer_stop(&t->timer);
	}
	t->loop = NULL;
	t->want = (struct wanted_for){
		.name = t->name, .ifindex = t->want.ifindex, .mark = t->want.mark, .ending = true
	};
	mend_device(t->nl, &t->want, 0, NULL, 0, &m);
	if (m.trouble[0])
		log_warn("%s: %s", t->name, m.trouble);
}

void tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	if (!t->want.ending)
		tunnel_undo(t);
	netlink_close(t->watch);
	netlink_close(t->nl);
	free(t->addresses);
	free(t->routes);
	free(t->ways);
	free(t);
}
