/*
 * Connections to a listening socket on a libuv loop: accepted, read, bounded in number and in time, closed. What is said on
 * them is their owner's.
 *
 * A struct conn stands at the beginning of the owner's struct for one connection, a struct conn_set in that of the socket.
 * Where there is no memory for one more, it is taken and closed: what was not taken would be the last that libuv tells of.
 */
#pragma once

#include <uv.h>

#include "base/list.h"

union conn_handle {
	uv_handle_t handle;
	uv_stream_t stream;
	uv_pipe_t pipe;
	uv_tcp_t tcp;
};

struct conn_set;

struct conn {
	struct list node;
	struct conn_set *set;
	union conn_handle handle;
	uv_timer_t timer;
	unsigned int handles; /* not yet closed */
	bool asked;           /* the request has come: what follows it is not looked at */
	bool closing;
	size_t len; /* of what was read */
	char *in;
};

struct conn_kind {
	size_t size;       /* of the owner's struct */
	size_t room;       /* for what is read; one more byte stands behind it */
	unsigned int most; /* connections */
	uint64_t idle_ms;  /* for the request to come */
	/* Who gives way to one more, when there are so many; NULL: nobody. */
	struct conn *(*dispensable)(const struct conn_set *set);
	/* And there are more: it is to be ended. May be NULL, where somebody always gives way. */
	void (*too_many)(struct conn *c);
	/* So many bytes have come, the last ones of `len`; not once it has asked. */
	void (*read)(struct conn *c, size_t n);
	/* The other side sends no more: `whole`, or it has gone. */
	void (*ended)(struct conn *c, bool whole);
	/* It is about to close: nothing points to it any more when this returns. */
	void (*closing)(struct conn *c);
	/* It has closed, and is freed. May be NULL. */
	void (*freed)(struct conn *c);
};

struct conn_set {
	union conn_handle listener, refused;
	const struct conn_kind *kind;
	struct list connections;
	size_t n;
	size_t closing;                     /* handles that still wait for their close callback */
	bool stopping, refusing, waits;     /* waits: one more to be taken, once the one refused has closed */
	void (*gone)(struct conn_set *set); /* all is closed, after conn_stop() */
};

/* `listener` is the owner's to initialize and bind. 0 or -errno. */
int conn_listen(struct conn_set *set);
void conn_init(struct conn_set *set, const struct conn_kind *kind, void (*gone)(struct conn_set *set));
/* Closes all, also what never listened; gone() comes when the loop has run. */
void conn_stop(struct conn_set *set);
void conn_close(struct conn *c);
/* Closed after so long, unless there is another such call; 0: never. */
void conn_bound(struct conn *c, uint64_t ms);
