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

#define SOCKET_BATCHES 16   /* receive batches per socket and turn: then the others have theirs */
#define HANDOVER_SLOTS 4096 /* of all rings to one worker */
#define HANDOVER_LEAST 32   /* of one ring */
#define HANDOVER_MOST 256

struct handover { /* an element of worker->packets */
	bool inner;
	uint16_t len;
	struct route from;
	uint8_t header[PROTO_HEADER_LEN]; /* the engine seals in place */
	uint8_t data[TUN_PACKET + PROTO_TAG_LEN];
};
static_assert(UDP_BUFFER <= TUN_PACKET + PROTO_TAG_LEN, "whatever comes in fits");

/* --- from one worker to another --- */

static void hand_over(struct worker *w, uint32_t to, bool inner, const struct route *from,
		      const uint8_t *data, size_t len)
{
	struct worker *home = daemon_worker(w->daemon, to);
	struct handover *h = ring_reserve(home->packets[w->index]);

	if (!h) {
		engine_count(w->engine, COUNT_DROP_RING_FULL, 1);
		return;
	}
	h->inner = inner;
	h->len = (uint16_t)len;
	if (from)
		h->from = *from;
	memcpy(h->data, data, len);
	ring_publish(home->packets[w->index]);
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
				engine_datagram(w->engine, &h->from, h->data, h->len, now);
			/* What was sealed in the ring's slot was copied by io_send(). */
			ring_release(w->packets[i]);
		}
		if (h)
			uv_async_send(&w->wake); /* the rest in the next turn */
	}
}

/* --- sockets --- */

static void datagram_received(struct worker *w, uint32_t socket, struct udp_datagram *d, struct jv_time now)
{
	struct route from = { .socket = socket, .remote = d->remote };
	uint32_t home;

	if (d->truncated) {
		engine_count(w->engine, COUNT_DROP_MALFORMED, 1);
		return;
	}
	if (!w->client)
		from.local = d->local;
	home = w->client ? w->index : engine_datagram_home(w->engine, d->data, d->len);
	if (home == w->index)
		engine_datagram(w->engine, &from, d->data, d->len, now);
	else
		hand_over(w, home, false, &from, d->data, d->len);
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

	(void)events;
	/* libuv stops polling a socket with a pending error (an ICMP message, say); reading clears it. */
	if (status < 0 && s->open)
		uv_poll_start(poll, UV_READABLE, socket_readable);
	for (int turn = 0; turn < SOCKET_BATCHES && s->open; turn++) {
		const uint32_t id = s->id;
		int n = udp_receive(s->fd, w->rx, UDP_BATCH);
		struct jv_time now;

		if (n < 0) {
			socket_error(w, id, n);
			continue;
		}
		now = worker_now();
		for (int i = 0; i < n; i++)
			datagram_received(w, id, &w->rx[i], now);
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

/* --- the tunnel --- */

/* Somebody took the device away. What stood on it cannot be put back without privileges: the daemon ends. */
static void tunnel_lost(struct worker *w)
{
	const struct message m = { .kind = MESSAGE_LOST, .worker = w->index };

	uv_poll_stop(&w->tun_poll);
	daemon_answer(w->daemon, w, &m);
}

static void tun_readable(uv_poll_t *poll, int status, int events)
{
	struct worker *w = container_of(poll, struct worker, tun_poll);
	struct jv_time now = worker_now();
	int n = 0;

	(void)events;
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, tun_readable);
	for (size_t i = 0; i < TUN_BATCH; i++) {
		uint8_t *packet = w->tun_slab + i * TUN_BUFFER + PROTO_HEADER_LEN;
		uint32_t home;

		n = tun_read(w->tun_fd, packet, TUN_PACKET);
		if (n <= 0)
			break;
		home = engine_inner_home(w->engine, packet, (size_t)n);
		if (home == w->index)
			engine_inner(w->engine, packet, (size_t)n, now);
		else
			hand_over(w, home, true, NULL, packet, (size_t)n);
	}
	worker_flush(w);
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

int packets_init(struct worker *w)
{
	int rc = rings_init(w);

	w->rx_slab = malloc((size_t)UDP_BATCH * UDP_BUFFER);
	w->tun_slab = malloc((size_t)TUN_BATCH * TUN_BUFFER);
	if (rc < 0 || !w->rx_slab || !w->tun_slab)
		return -ENOMEM;
	for (size_t i = 0; i < UDP_BATCH; i++)
		w->rx[i].data = w->rx_slab + i * UDP_BUFFER;
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
	free(w->tun_slab);
}
