#include "worker/in.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/tun.h"
#include "worker/clock.h"
#include "worker/outside.h"

#define SOCKET_BATCHES 16 /* receive batches per socket and turn: then the others have theirs, */
#define RUN_BATCH 4       /* receives in one, as long as it may be runs that come: they stay in the cache, */
#define HELLO_RUNS 2      /* receives from a socket for HELLOs in one turn: some 100 at most */
#define SHORT 2048        /* and UDP_BATCH when it was less than this each, the last time */
#define SOCKET_BYTES (4 * 65536) /* or so many bytes: some 0.2 ms */
/* Twice as many from the tunnel. Super-packets, sealed, are a little more than runs can be, and are cut anew: the
 * shorter the turn, the more often a run is sent that is only what was left. */
#define TUNNEL_BYTES (8 * 65536)
#define HANDOVER_SLOTS 4096 /* of all rings to one worker */
#define HANDOVER_LEAST 32   /* of one ring */
#define HANDOVER_MOST 256

struct handover { /* an element of worker->packets */
	bool inner;
	uint8_t ecn;
	uint16_t len;
	struct route from;
	uint8_t data[TUN_PACKET];
};
static_assert(UDP_BUFFER <= TUN_PACKET, "whatever comes in fits");
static_assert(UDP_BATCH <= ENGINE_AHEAD, "what is received at once is looked up at once");
static_assert(UDP_BUFFER <= MERGE_PACKET_MAX, "and has room to be opened");

/* --- from one worker to another --- */

static void hand_over(struct worker *w, uint32_t to, bool inner, const struct route *from, uint8_t ecn,
		      const uint8_t *data, size_t len)
{
	struct worker *home = &w->siblings[to];
	struct handover *h = ring_reserve(home->packets[w->index]);

	if (!h) {
		engine_count(w->engine, COUNT_DROP_RING_FULL, 1);
		return;
	}
	h->inner = inner;
	h->ecn = ecn;
	h->len = (uint16_t)len;
	if (from)
		h->from = *from;
	memcpy(h->data, data, len);
	ring_publish(home->packets[w->index]);
	engine_count(w->engine, COUNT_HANDED_OVER, 1);
	uv_async_send(&home->wake);
}

void in_take(struct worker *w, struct jv_time now)
{
	for (uint32_t i = 0; i < w->workers; i++) {
		struct handover *h = NULL;

		for (int n = 0; w->packets[i] && n < HANDOVER_MOST && (h = ring_peek(w->packets[i])); n++) {
			if (w->stopping)
				; /* every session has ended */
			else if (h->inner)
				engine_inner(w->engine, h->data, h->len, now);
			else
				engine_datagram(w->engine, &h->from, h->ecn, h->data, h->len, now);
			ring_release(w->packets[i]);
		}
		if (h)
			uv_async_send(&w->wake); /* the rest in the next turn */
	}
}

/* --- sockets --- */

static uint32_t home_at(const struct worker *w, const uint8_t *run, size_t len, size_t segment, size_t at)
{
	return engine_datagram_home(w->engine, run + at, len - at < segment ? len - at : segment);
}

/* The longest piece of a run that belongs to one worker, from its beginning. */
static size_t piece_of(const struct worker *w, const uint8_t *run, size_t len, size_t segment, uint32_t *home)
{
	size_t at = segment;

	*home = w->index;
	if (w->paths || w->workers == 1)
		return len;
	*home = home_at(w, run, len, segment, 0);
	while (at < len && home_at(w, run, len, segment, at) == *home)
		at += segment;
	return at < len ? at : len;
}

static void run_received(struct worker *w, uint32_t socket, const struct udp_datagram *d, struct jv_time now)
{
	const size_t segment = d->segment ? d->segment : d->len;
	struct route from = { .socket = socket, .remote = d->remote };
	size_t at = 0;

	if (segment == 0 || segment > UDP_BUFFER) {
		engine_count(w->engine, COUNT_DROP_MALFORMED,
			     segment == 0 ? 1 : (d->len + segment - 1) / segment);
		return;
	}
	/* A session that travelled inside of another, or of itself, would carry what it carries for ever. */
	if (d->interface == w->tun_index) {
		engine_count(w->engine, COUNT_DROP_INSIDE, (d->len + segment - 1) / segment);
		return;
	}
	if (!w->paths)
		from.local = d->local;
	while (at < d->len) {
		uint32_t home;
		const size_t len = piece_of(w, d->data + at, d->len - at, segment, &home);

		if (home == w->index)
			engine_datagrams(w->engine, &from, d->ecn, d->data + at, len, segment, now);
		else
			for (size_t i = 0; i < len; i += segment)
				hand_over(w, home, false, &from, d->ecn, d->data + at + i,
					  len - i < segment ? len - i : segment);
		at += len;
	}
}

/* All datagrams of a batch, or of runs the first ones, before the first is handed in. */
static void look_ahead(const struct worker *w, int n)
{
	const uint8_t *first[UDP_BATCH];
	size_t count = 0;

	for (int i = 0; i < n; i++)
		if (w->rx[i].len >= PROTO_OVERHEAD)
			first[count++] = w->rx[i].data;
	engine_ahead(w->engine, first, count);
}

/* An ICMP error proves nothing by itself (anybody can send one): probes find out. */
static void socket_error(struct worker *w, uint32_t id, int error)
{
	engine_count(w->engine, COUNT_DROP_SOCKET_ERROR, 1);
	engine_path_error(w->engine, id, -error);
	log_debug("socket %u: %s", id, strerror(-error));
}

void in_socket_count(struct worker *w, struct worker_socket *s)
{
	const uint32_t dropped = udp_dropped(s->fd);

	engine_count(w->engine, s->hellos ? COUNT_DROP_HELLO_FULL : COUNT_DROP_RECEIVE_FULL,
		     dropped - s->dropped);
	s->dropped = dropped;
}

/* More has come than a turn may read. As long as the socket has room for it, it only waits. */
static void more_waits(struct worker *w, struct worker_socket *s)
{
	const uint32_t before = s->dropped;

	in_socket_count(w, s);
	if (s->dropped != before)
		engine_pressed(w->engine, clock_now());
}

static void socket_readable(uv_poll_t *poll, int status, int events)
{
	struct worker_socket *s = container_of(poll, struct worker_socket, poll);
	struct worker *w = s->worker;
	bool more = true;
	size_t bytes = 0;

	(void)events;
	/* libuv stops polling a socket with a pending error (an ICMP message, say); reading clears it. */
	if (status < 0 && s->open)
		uv_poll_start(poll, UV_READABLE, socket_readable);
	for (int turn = 0; more && turn < SOCKET_BATCHES && bytes < SOCKET_BYTES && s->open; turn++) {
		const uint32_t id = s->id;
		const int most = w->short_ones ? UDP_BATCH : RUN_BATCH;
		const size_t before = bytes;
		int n = udp_receive(s->fd, w->rx, (size_t)most);
		struct jv_time now;

		if (n < 0) {
			socket_error(w, id, n);
			continue;
		}
		now = clock_now();
		look_ahead(w, n);
		for (int i = 0; i < n; i++) {
			run_received(w, id, &w->rx[i], now);
			bytes += w->rx[i].len;
		}
		outside_flush(w);
		if (n > 0)
			w->short_ones = bytes - before < (size_t)n * SHORT;
		more = n == most;
	}
	if (more && s->open)
		more_waits(w, s);
}

static void hellos_readable(uv_poll_t *poll, int status, int events)
{
	struct worker_socket *s = container_of(poll, struct worker_socket, poll);

	(void)events;
	if (status < 0 && s->open)
		uv_poll_start(poll, UV_READABLE, hellos_readable);
	s->waits = true;
}

void in_hellos(struct worker *w, struct jv_time now)
{
	for (size_t i = 0; w->hellos && i < w->nlisteners; i++) {
		struct worker_socket *s = &w->hellos[i];
		int n;

		if (!s->waits || !s->open)
			continue;
		s->waits = false; /* if more are there, the next turn of the loop says so */
		n = udp_receive(s->fd, w->rx, HELLO_RUNS);
		if (n < 0)
			socket_error(w, s->id, n);
		for (int k = 0; k < n; k++)
			run_received(w, s->id, &w->rx[k], now);
		outside_flush(w);
	}
}

int in_socket_start(struct worker *w, struct worker_socket *s)
{
	int rc = uv_poll_init(&w->loop, &s->poll, s->fd);

	if (rc < 0)
		return rc;
	s->worker = w;
	s->open = true;
	uv_poll_start(&s->poll, UV_READABLE, s->hellos ? hellos_readable : socket_readable);
	return 0;
}

/* The number stays, by which others know it. */
static void replace_socket(struct worker *w, struct worker_socket *s, int fd)
{
	if (fd < 0)
		return;
	if (s->fd < 0) {
		s->fd = fd;
		if (in_socket_start(w, s) < 0) {
			log_error("worker %u: a listening socket cannot be polled, and is closed", w->index);
			close(fd);
			s->fd = -1;
		}
		return;
	}
	uv_poll_stop(&s->poll);
	if (dup3(fd, s->fd, O_CLOEXEC) < 0)
		log_error("worker %u: a listening socket cannot be replaced: %s", w->index, strerror(errno));
	close(fd);
	s->dropped = 0;
	uv_poll_start(&s->poll, UV_READABLE, s->hellos ? hellos_readable : socket_readable);
}

void in_listen(struct worker *w, const struct message_listen *l)
{
	if (w->stopping) {
		close(l->fd);
		if (l->hello_fd >= 0)
			close(l->hello_fd);
		return;
	}
	replace_socket(w, &w->listeners[l->index], l->fd);
	replace_socket(w, &w->hellos[l->index], l->hello_fd);
}

/* --- the tunnel --- */

/* Somebody took the device away. What stood on it cannot be put back without privileges: the daemon ends. */
static void tunnel_lost(struct worker *w)
{
	const struct message m = { .kind = MESSAGE_LOST, .worker = w->index };

	uv_poll_stop(&w->tun_poll);
	outside_answer(w, &m);
}

/* What a super-packet holds goes out as if it had been read one by one. */
struct segments {
	struct inner_run run;
	struct split split;
};

static uint8_t *next_segment(struct inner_run *r, size_t *len)
{
	return split_next(&container_of(r, struct segments, run)->split, len);
}

static void super_read(struct worker *w, uint32_t home, struct tun_packet *p, size_t len, struct jv_time now)
{
	struct segments s;
	uint8_t *segment;
	size_t n;

	s.run.next = next_segment;
	if (!split_begin(&s.split, &p->vnet, p->data, len) || split_longest(&s.split) > TUN_PACKET) {
		engine_count(w->engine, COUNT_DROP_BAD_INNER, 1);
	} else if (home == w->index) {
		split_fit(&s.split, engine_inner_fits(w->engine, p->data, len));
		engine_inner_run(w->engine, &s.run, now);
	} else {
		while ((segment = split_next(&s.split, &n)))
			hand_over(w, home, true, NULL, 0, segment, n);
	}
}

static void tunnel_read(struct worker *w, struct tun_packet *p, size_t len, struct jv_time now)
{
	const uint32_t home = engine_inner_home(w->engine, p->data, len);

	if (vnet_is_super(&p->vnet))
		super_read(w, home, p, len, now);
	else if (len > TUN_PACKET || !offload_checksum(&p->vnet, p->data, len))
		engine_count(w->engine, COUNT_DROP_BAD_INNER, 1);
	else if (home == w->index)
		engine_inner(w->engine, p->data, len, now);
	else
		hand_over(w, home, true, NULL, 0, p->data, len);
}

static void tun_readable(uv_poll_t *poll, int status, int events)
{
	struct worker *w = container_of(poll, struct worker, tun_poll);
	struct jv_time now = clock_now();
	size_t bytes = 0;
	int n = 0;

	(void)events;
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, tun_readable);
	for (size_t i = 0; i < TUN_BATCH && bytes < TUNNEL_BYTES; i++) {
		n = tun_read(w->tun_fd, w->tun_header, w->inner);
		if (n <= 0)
			break;
		tunnel_read(w, w->inner, (size_t)n, now);
		bytes += (size_t)n;
	}
	outside_flush(w);
	if (n == -EBADFD)
		tunnel_lost(w);
}

/* --- life --- */

/* A ring for each other worker. Their pages are touched only where packets surface at the wrong worker. */
static int rings_init(struct worker *w)
{
	size_t slots = HANDOVER_MOST;

	w->packets = calloc(w->workers, sizeof(*w->packets));
	if (!w->packets)
		return -ENOMEM;
	while (slots > HANDOVER_LEAST && slots * w->workers > HANDOVER_SLOTS)
		slots /= 2;
	for (uint32_t i = 0; i < w->workers; i++) {
		if (i == w->index)
			continue;
		w->packets[i] = ring_new(slots, sizeof(struct handover));
		if (!w->packets[i])
			return -ENOMEM;
	}
	return 0;
}

int in_init(struct worker *w)
{
	int rc = rings_init(w);

	w->rx_slab = malloc((size_t)UDP_BATCH * UDP_ROOM);
	w->inner = malloc(sizeof(*w->inner));
	if (rc < 0 || !w->rx_slab || !w->inner)
		return -ENOMEM;
	for (size_t i = 0; i < UDP_BATCH; i++)
		w->rx[i].data = w->rx_slab + i * UDP_ROOM;
	rc = uv_poll_init(&w->loop, &w->tun_poll, w->tun_fd);
	if (rc == 0)
		rc = uv_poll_start(&w->tun_poll, UV_READABLE, tun_readable);
	for (size_t i = 0; rc == 0 && i < w->nlisteners; i++)
		if (w->listeners[i].fd >= 0)
			rc = in_socket_start(w, &w->listeners[i]);
	for (size_t i = 0; rc == 0 && w->hellos && i < w->nlisteners; i++)
		if (w->hellos[i].fd >= 0)
			rc = in_socket_start(w, &w->hellos[i]);
	return rc;
}

void in_stop(struct worker *w)
{
	uv_poll_stop(&w->tun_poll);
	for (size_t i = 0; i < w->nlisteners; i++) {
		if (w->listeners[i].open)
			uv_poll_stop(&w->listeners[i].poll);
		w->listeners[i].open = false;
		if (w->hellos && w->hellos[i].open)
			uv_poll_stop(&w->hellos[i].poll);
		if (w->hellos)
			w->hellos[i].open = false;
	}
}

void in_free(struct worker *w)
{
	for (uint32_t i = 0; w->packets && i < w->workers; i++)
		ring_free(w->packets[i]);
	free(w->packets);
	free(w->rx_slab);
	free(w->inner);
}
