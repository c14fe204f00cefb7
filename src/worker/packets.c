/*
 * What comes in: datagrams from the sockets, packets from the tunnel queue, and of both what surfaced at
 * another worker and was handed over.
 */
#include "worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/tun.h"
#include "worker/client.h"
#include "worker/daemon.h"

#define SOCKET_BATCHES 16   /* receive batches per socket and turn: then the others have theirs, */
#define TURN_BYTES TUN_SLAB /* or so many bytes, from the tunnel as well: some 0.2 ms */
#define HANDOVER_SLOTS 4096 /* of all rings to one worker */
#define HANDOVER_LEAST 32   /* of one ring */
#define HANDOVER_MOST 256

struct handover { /* an element of worker->packets */
	bool inner;
	uint8_t ecn;
	uint16_t len;
	struct route from;
	uint8_t header[PROTO_HEADER_LEN]; /* the engine seals in place */
	uint8_t data[TUN_PACKET + PROTO_TAG_LEN];
};
static_assert(UDP_BUFFER <= TUN_PACKET + PROTO_TAG_LEN, "whatever comes in fits");

/* --- from one worker to another --- */

static void hand_over(struct worker *w, uint32_t to, bool inner, const struct route *from, uint8_t ecn,
		      const uint8_t *data, size_t len)
{
	struct worker *home = daemon_worker(w->daemon, to);
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

void packets_take(struct worker *w, struct jv_time now)
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
			/* What was sealed in the ring's slot was copied by io_send(). */
			ring_release(w->packets[i]);
		}
		if (h)
			uv_async_send(&w->wake); /* the rest in the next turn */
	}
}

/* --- sockets --- */

static void datagram_received(struct worker *w, const struct route *from, uint8_t ecn, uint8_t *data,
			      size_t len, struct jv_time now)
{
	uint32_t home;

	if (len > UDP_BUFFER) {
		engine_count(w->engine, COUNT_DROP_MALFORMED, 1);
		return;
	}
	home = w->client ? w->index : engine_datagram_home(w->engine, data, len);
	if (home == w->index)
		engine_datagram(w->engine, from, ecn, data, len, now);
	else
		hand_over(w, home, false, from, ecn, data, len);
}

static void run_received(struct worker *w, uint32_t socket, const struct udp_datagram *d, struct jv_time now)
{
	const size_t segment = d->segment ? d->segment : d->len;
	struct route from = { .socket = socket, .remote = d->remote };

	if (!w->client)
		from.local = d->local;
	for (size_t at = 0; at < d->len; at += segment)
		datagram_received(w, &from, d->ecn, d->data + at,
				  d->len - at < segment ? d->len - at : segment, now);
}

/* An ICMP error proves nothing by itself (anybody can send one): probes find out. */
static void socket_error(struct worker *w, uint32_t id, int error)
{
	engine_count(w->engine, COUNT_DROP_SOCKET_ERROR, 1);
	log_debug("socket %u: %s", id, strerror(-error));
}

static void socket_readable(uv_poll_t *poll, int status, int events)
{
	struct worker_socket *s = container_of(poll, struct worker_socket, poll);
	struct worker *w = s->worker;
	size_t bytes = 0;

	(void)events;
	/* libuv stops polling a socket with a pending error (an ICMP message, say); reading clears it. */
	if (status < 0 && s->open)
		uv_poll_start(poll, UV_READABLE, socket_readable);
	for (int turn = 0; turn < SOCKET_BATCHES && bytes < TURN_BYTES && s->open; turn++) {
		const uint32_t id = s->id;
		int n = udp_receive(s->fd, w->rx, UDP_BATCH);
		struct jv_time now;

		if (n < 0) {
			socket_error(w, id, n);
			continue;
		}
		now = worker_now();
		for (int i = 0; i < n; i++) {
			run_received(w, id, &w->rx[i], now);
			bytes += w->rx[i].len;
		}
		worker_flush(w);
		if (n < UDP_BATCH)
			break;
	}
}

int worker_socket_start(struct worker *w, struct worker_socket *s)
{
	int rc = uv_poll_init(&w->loop, &s->poll, s->fd);

	if (rc < 0)
		return rc;
	s->worker = w;
	s->open = true;
	uv_poll_start(&s->poll, UV_READABLE, socket_readable);
	return 0;
}

void worker_socket_count(struct worker *w, struct worker_socket *s)
{
	const uint32_t dropped = udp_dropped(s->fd);

	engine_count(w->engine, COUNT_DROP_RECEIVE_FULL, dropped - s->dropped);
	s->dropped = dropped;
}

/* --- the tunnel --- */

/* Somebody took the device away. What stood on it cannot be put back without privileges: the daemon ends. */
static void tunnel_lost(struct worker *w)
{
	const struct message m = { .kind = MESSAGE_LOST, .worker = w->index };

	uv_poll_stop(&w->tun_poll);
	daemon_answer(w->daemon, w, &m);
}

/* Where the next packet can be sealed, so that its datagram stands right behind the one before. */
static uint8_t *tun_slot(struct worker *w, size_t len)
{
	if (w->tun_used + PROTO_OVERHEAD + len > TUN_SLAB)
		worker_flush(w);
	return w->tun_slab + w->tun_used + PROTO_HEADER_LEN;
}

/* `packet` stands in the last tun_slot(). */
static void inner_read(struct worker *w, uint32_t home, uint8_t *packet, size_t len, struct jv_time now)
{
	if (home == w->index) {
		w->tun_used += PROTO_OVERHEAD + len;
		engine_inner(w->engine, packet, len, now);
	} else {
		hand_over(w, home, true, NULL, 0, packet, len);
	}
}

/* What a super-packet holds goes out as if it had been read one by one. */
static void super_read(struct worker *w, const struct vnet_header *v, const uint8_t *packet, size_t len,
		       struct jv_time now)
{
	const uint32_t home = engine_inner_home(w->engine, packet, len);
	struct split s;
	size_t n;

	if (!split_begin(&s, v, packet, len) || split_longest(&s) > TUN_PACKET) {
		engine_count(w->engine, COUNT_DROP_BAD_INNER, 1);
		return;
	}
	if (home == w->index)
		split_fit(&s, engine_inner_fits(w->engine, packet, len));
	for (;;) {
		uint8_t *slot = tun_slot(w, split_longest(&s));

		n = split_next(&s, slot);
		if (n == 0)
			break;
		inner_read(w, home, slot, n, now);
	}
}

/* The first `TUN_PACKET` bytes stand in `slot`, the others in their place of w->super. */
static void tunnel_read(struct worker *w, const struct vnet_header *v, uint8_t *slot, size_t len,
			struct jv_time now)
{
	if (vnet_is_super(v)) {
		memcpy(w->super, slot, len < TUN_PACKET ? len : TUN_PACKET);
		super_read(w, v, w->super, len, now);
	} else if (len > TUN_PACKET || !offload_checksum(v, slot, len)) {
		engine_count(w->engine, COUNT_DROP_BAD_INNER, 1);
	} else {
		inner_read(w, engine_inner_home(w->engine, slot, len), slot, len, now);
	}
}

static void tun_readable(uv_poll_t *poll, int status, int events)
{
	struct worker *w = container_of(poll, struct worker, tun_poll);
	struct jv_time now = worker_now();
	size_t bytes = 0;
	int n = 0;

	(void)events;
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, tun_readable);
	for (size_t i = 0; i < TUN_BATCH && bytes < TURN_BYTES; i++) {
		uint8_t *slot = tun_slot(w, TUN_PACKET);
		struct vnet_header v;

		n = tun_read(w->tun_fd, &v, slot, TUN_PACKET, w->super + TUN_PACKET);
		if (n <= 0)
			break;
		tunnel_read(w, &v, slot, (size_t)n, now);
		bytes += (size_t)n;
	}
	worker_flush(w);
	if (n == -EBADFD)
		tunnel_lost(w);
}

static void merge_write(struct worker *w)
{
	const size_t packets = w->merge.n;
	size_t n;
	const struct iovec *iov = merge_finish(&w->merge, &n);

	if (tun_write(w->tun_fd, iov, n) < 0)
		engine_count(w->engine, COUNT_DROP_TUN_FULL, packets);
}

void packets_flush(struct worker *w)
{
	if (w->merge.n > 0)
		merge_write(w);
}

static bool in_rx_slab(const struct worker *w, const uint8_t *p)
{
	return p >= w->rx_slab && p < w->rx_slab + (size_t)UDP_BATCH * UDP_ROOM;
}

void packets_deliver(void *ctx, const uint8_t *packet, size_t len)
{
	const struct merge_kinds none = { false, false };
	struct worker *w = ctx;
	uint8_t *p = (uint8_t *)(uintptr_t)packet;

	/* What was opened in the slab stays there until the next receive, and may wait for its neighbours. */
	if (in_rx_slab(w, packet)) {
		if (!merge_add(&w->merge, w->merge_kinds, p, len)) {
			merge_write(w);
			merge_add(&w->merge, w->merge_kinds, p, len);
		}
		return;
	}
	packets_flush(w);
	merge_add(&w->merge, none, p, len);
	merge_write(w);
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

int packets_init(struct worker *w)
{
	int rc = rings_init(w);

	w->rx_slab = malloc((size_t)UDP_BATCH * UDP_ROOM);
	w->super = malloc(TUN_PACKET + OFFLOAD_SUPER_MAX);
	w->tun_slab = malloc(TUN_SLAB);
	if (rc < 0 || !w->rx_slab || !w->super || !w->tun_slab)
		return -ENOMEM;
	for (size_t i = 0; i < UDP_BATCH; i++)
		w->rx[i].data = w->rx_slab + i * UDP_ROOM;
	rc = uv_poll_init(&w->loop, &w->tun_poll, w->tun_fd);
	if (rc == 0)
		rc = uv_poll_start(&w->tun_poll, UV_READABLE, tun_readable);
	for (size_t i = 0; rc == 0 && i < w->nlisteners; i++)
		rc = worker_socket_start(w, &w->listeners[i]);
	return rc;
}

void packets_stop(struct worker *w)
{
	uv_poll_stop(&w->tun_poll);
	for (size_t i = 0; i < w->nlisteners; i++) {
		w->listeners[i].open = false;
		uv_poll_stop(&w->listeners[i].poll);
	}
}

void packets_free(struct worker *w)
{
	for (uint32_t i = 0; w->packets && i < w->workers; i++)
		ring_free(w->packets[i]);
	free(w->packets);
	free(w->rx_slab);
	free(w->super);
	free(w->tun_slab);
}
