/* What the engine asks of the world: datagrams out, packets into the tunnel, random bytes, key agreements. */
#include "worker/outside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "net/tun.h"

#define BATCH 32        /* datagrams or runs for one socket in a row */
#define ASK_BYTES 65536 /* sent until a socket is asked whether it is full: it cannot fill up in between */
#define NOT_SET_BEFORE 1577836800 /* a clock that says less (2020) was never set */
#define ASK_FLUSHES 64            /* while one is, each flush asks */

/* --- packets into the tunnel --- */

/* The segments of a super-packet, each by itself; how many of them the device took. */
static size_t write_singly(struct worker *w, const struct vnet_header *v, uint8_t *packet, size_t len)
{
	static const struct vnet_header none;
	struct split s;
	uint8_t *segment;
	size_t written = 0, n;

	if (!split_begin(&s, v, packet, len))
		return 0;
	while ((segment = split_next(&s, &n))) {
		memcpy(segment - sizeof(none), &none, sizeof(none));
		written += tun_write(w->tun_fd, w->tun_header, segment - sizeof(none), n + sizeof(none)) == 0;
	}
	return written;
}

/*
 * Kernels have refused super-packets of their own kind. What this one held goes on one by one, from a copy, for what
 * did not join it stands right behind; and if that is taken, it is the last one that this device was offered.
 */
static size_t super_refused(struct worker *w, const uint8_t *packet, size_t len, int error)
{
	struct vnet_header v;
	uint8_t *copy = malloc(len);
	size_t written;

	if (!copy)
		return 0;
	memcpy(copy, packet, len);
	memcpy(&v, copy, sizeof(v));
	written = write_singly(w, &v, copy + sizeof(v), len - sizeof(v));
	free(copy);
	if (written == 0)
		return 0;
	engine_count(w->engine, COUNT_TUN_RUN_REFUSED, 1);
	w->merge_kinds = (struct merge_kinds){ false, false };
	w->tun_singly = true;
	log_warn("%s refuses super-packets (%s): worker %u writes packets one by one from now on; "
		 "tunnel.offload: off spares the attempt",
		 w->tunnel, strerror(-error), w->index);
	return written;
}

static void merge_write(struct worker *w)
{
	const size_t packets = w->merge.n;
	size_t len, written = packets;
	const uint8_t *packet = merge_finish(&w->merge, &len);
	int rc = tun_write(w->tun_fd, w->tun_header, packet, len);

	if (rc < 0)
		written = packets > 1 && tun_is_super_error(rc) ? super_refused(w, packet, len, rc) : 0;
	engine_count(w->engine, COUNT_DROP_TUN_FULL, packets - written);
}

static void tunnel_flush(struct worker *w)
{
	if (w->merge.n > 0)
		merge_write(w);
}

static uint8_t *io_room(void *ctx)
{
	struct worker *w = ctx;

	if (merge_is_closed(&w->merge))
		merge_write(w);
	return merge_room(&w->merge);
}

static void io_deliver(void *ctx, const uint8_t *packet, size_t len)
{
	struct worker *w = ctx;

	if (packet != w->merge.next) /* from a buffer of the engine */
		memcpy(io_room(w), packet, len);
	if (!merge_add(&w->merge, w->merge_kinds, len)) {
		merge_write(w);
		merge_add(&w->merge, w->merge_kinds, len);
	}
}

/* --- datagrams --- */

static size_t datagrams_of(const struct udp_datagram *d, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (d[i].len + d[i].segment - 1) / d[i].segment;
	return sum;
}

static void send_failed(struct worker *w, int fd, size_t n, int error)
{
	const struct list *pos;

	engine_count(w->engine, COUNT_DROP_SOCKET_ERROR, n);
	list_for_each(pos, &w->path_sockets) {
		const struct worker_socket *s = container_of(pos, struct worker_socket, node);

		if (s->fd == fd)
			engine_path_error(w->engine, s->id, error);
	}
}

static void run_refused(struct worker *w, int fd, const struct udp_datagram *run, int error);

static void send_batch(struct worker *w, int fd, const struct udp_datagram *d, size_t n)
{
	while (n > 0) {
		int error = 0;
		const size_t sent = (size_t)udp_send(fd, d, n, &error);

		d += sent;
		n -= sent;
		if (error == EAGAIN || error == ENOBUFS) {
			/* What comes behind would find it just as full. */
			engine_count(w->engine, COUNT_DROP_SOCKET_FULL, datagrams_of(d, n));
			return;
		}
		if (error == 0)
			continue;
		if (d->len > d->segment && udp_is_run_error(error))
			run_refused(w, fd, d, error);
		else if (!d->whole) /* a probe larger than the first link has told what it was to tell */
			send_failed(w, fd, datagrams_of(d, 1), error);
		d++;
		n--;
	}
}

static void send_singly(struct worker *w, int fd, const struct udp_datagram *run)
{
	for (size_t at = 0; at < run->len; at += run->segment) {
		struct udp_datagram d = *run;

		d.data += at;
		if (d.segment > run->len - at)
			d.segment = run->len - at;
		d.len = d.segment;
		send_batch(w, fd, &d, 1);
	}
}

/* It was not sent at all: nothing of it is lost. */
static void run_refused(struct worker *w, int fd, const struct udp_datagram *run, int error)
{
	char text[ENDPOINT_STRLEN];

	engine_count(w->engine, COUNT_UDP_RUN_REFUSED, 1);
	if (refused_add(&w->refused, fd, &run->remote, w->turn))
		log_info(
			"worker %u: a run of datagrams to %s was refused (%s): what goes there goes one by one for "
			"%d s; udp_run_refused counts this one and all others",
			w->index, endpoint_format(&run->remote, text), strerror(error), REFUSED_MS / 1000);
	send_singly(w, fd, run);
}

/*
 * A link slower than what is sent to it fills its socket, which all sessions of a listener share. From half full on
 * those lose who send most; control packets, which look after paths, and everybody else have the other half.
 */
static bool is_full(struct worker *w, int fd)
{
	if (w->asking == 0 && w->unasked < ASK_BYTES)
		return false;
	w->unasked = 0;
	if (udp_queued(fd) < UDP_QUEUE_MOST)
		return false;
	w->asking = ASK_FLUSHES;
	return true;
}

static void flush_datagrams(struct worker *w)
{
	struct udp_datagram batch[BATCH];
	size_t i = 0;

	while (i < w->ntx) {
		const int fd = w->tx[i].fd;
		const bool full = is_full(w, fd);
		size_t n = 0;

		for (; i < w->ntx && w->tx[i].fd == fd && n < BATCH; i++) {
			const struct udp_datagram *d = &w->tx[i].d;
			const bool data = w->tx[i].how & SEND_DATA;

			share_offer(&w->share, &d->remote, (uint32_t)d->len);
			w->unasked += d->len;
			if (full && data && share_exceeded(&w->share, &d->remote))
				engine_count(w->engine, COUNT_DROP_SOCKET_FULL, datagrams_of(d, 1));
			else
				batch[n++] = *d;
		}
		send_batch(w, fd, batch, n);
	}
	w->asking -= w->asking > 0;
	w->ntx = 0;
	w->copied = 0;
}

void outside_flush(struct worker *w)
{
	tunnel_flush(w);
	flush_datagrams(w);
	if (w->audited)
		w->wake_control(w->control);
	w->audited = false;
}

struct worker_socket *outside_path_socket(const struct worker *w, uint32_t id)
{
	const struct list *pos;

	list_for_each(pos, &w->path_sockets) {
		struct worker_socket *s = container_of(pos, struct worker_socket, node);

		if (s->id == id)
			return s;
	}
	return NULL;
}

static int socket_of(const struct worker *w, const struct route *to)
{
	const struct worker_socket *s;

	if (w->paths) {
		s = outside_path_socket(w, to->socket);
		return s ? s->fd : -1;
	}
	return to->socket < w->nlisteners ? w->listeners[to->socket].fd : -1;
}

/* Does it stand right behind the last one, on its way to the same place? */
static bool joins(const struct worker *w, const struct worker_tx *last, int fd, const struct route *to,
		  const uint8_t *datagram, size_t len, unsigned int how)
{
	const struct udp_datagram *d = &last->d;

	return w->runs && !last->singly && last->how == how && !d->whole && last->fd == fd &&
	       d->data + d->len == datagram && len <= d->segment && d->len % d->segment == 0 &&
	       d->len + len <= UDP_RUN_BYTES && d->len < (UDP_RUN_SEGMENTS - 1) * d->segment &&
	       endpoint_equal(&d->remote, &to->remote) && ip_equal(&d->local, &to->local);
}

static void io_send(void *ctx, const struct route *to, const uint8_t *datagram, size_t len, unsigned int how)
{
	struct worker *w = ctx;
	const int fd = socket_of(w, to);

	if (fd < 0 || len > UDP_BUFFER) {
		engine_count(w->engine, COUNT_DROP_SOCKET_ERROR, 1);
		return;
	}
	if (w->ntx == WORKER_TX || w->copied + len > COPY_SLAB)
		flush_datagrams(w);
	if (!(how & SEND_STANDS)) {
		memcpy(w->copy_slab + w->copied, datagram, len);
		datagram = w->copy_slab + w->copied;
		w->copied += len;
	}
	how &= ~(unsigned int)SEND_STANDS;
	if (w->ntx > 0 && joins(w, &w->tx[w->ntx - 1], fd, to, datagram, len, how)) {
		w->tx[w->ntx - 1].d.len += len;
		return;
	}
	w->tx[w->ntx++] = (struct worker_tx){
		.fd = fd,
		.how = how,
		.singly =
			how & SEND_SINGLY || (w->runs && refused_has(&w->refused, fd, &to->remote, w->turn)),
		.d = { .data = (uint8_t *)(uintptr_t)datagram,
		       .len = len,
		       .segment = len,
		       .remote = to->remote,
		       .local = to->local,
		       .ecn = how & SEND_ECN,
		       .whole = how & SEND_WHOLE },
	};
}

static void io_flush(void *ctx)
{
	flush_datagrams(ctx);
}

/* --- records and random bytes --- */

static void io_audit(void *ctx, const struct audit_record *r)
{
	struct worker *w = ctx;

	audit_push(w->audit, r);
	w->audited = true;
}

static void io_random(void *ctx, void *out, size_t len)
{
	struct worker *w = ctx;
	uint8_t *p = out;

	while (len > 0) {
		size_t n;

		if (w->random_left == 0) {
			if (getrandom(w->random, sizeof(w->random), 0) != (ssize_t)sizeof(w->random))
				bug("getrandom: %s", strerror(errno));
			w->random_left = sizeof(w->random);
		}
		n = len < w->random_left ? len : w->random_left;
		w->random_left -= n;
		memcpy(p, w->random + w->random_left, n);
		explicit_bzero(w->random + w->random_left, n); /* never handed out twice */
		p += n;
		len -= n;
	}
}

/* 0: the machine's clock was never set, and shows a date long past. */
static uint64_t io_wall_us(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec < NOT_SET_BEFORE ? 0 : (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* --- other workers, and the control loop --- */

static void io_forward(void *ctx, uint32_t worker, struct job *j)
{
	struct worker *w = ctx;
	struct worker *home = &w->siblings[worker];
	const struct message m = { .kind = MESSAGE_JOB, .job = j };

	if (!ring_push(home->mail[w->index], &m)) {
		engine_count(w->engine, COUNT_HELLO_BUSY, 1);
		job_free(j);
		return;
	}
	uv_async_send(&home->wake);
}

void outside_answer(struct worker *w, const struct message *m)
{
	/* worker_post() counts what is asked, and the outbox has room for all of it. */
	if (!ring_push(w->outbox, m))
		bug("worker %u: outbox full", w->index);
	w->wake_control(w->control);
}

static void io_jump_done(void *ctx, uint64_t token, enum reason why, uint32_t retry_after_ms)
{
	struct worker *w = ctx;
	const struct message m = { .kind = MESSAGE_JUMP,
				   .worker = w->index,
				   .token = token,
				   .reason = why,
				   .retry_after_ms = retry_after_ms };

	outside_answer(w, &m);
}

void outside_io(struct engine_io *io)
{
	*io = (struct engine_io){
		.send = io_send,
		.flush = io_flush,
		.room = io_room,
		.deliver = io_deliver,
		.audit = io_audit,
		.forward = io_forward,
		.random = io_random,
		.wall_us = io_wall_us,
		.jump_done = io_jump_done,
	};
}

/* --- life --- */

int outside_init(struct worker *w)
{
	w->copy_slab = malloc(COPY_SLAB);
	w->merge_slab = malloc(MERGE_SLAB);
	if (!w->copy_slab || !w->merge_slab)
		return -ENOMEM;
	merge_init(&w->merge, w->merge_slab);
	return 0;
}

void outside_free(struct worker *w)
{
	free(w->copy_slab);
	free(w->merge_slab);
	explicit_bzero(w->random, sizeof(w->random));
}
