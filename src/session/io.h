/*
 * What an engine and the shell around it hand each other: candidate paths and configured networks come in as values, and
 * struct engine_io is all that an engine ever does to the outside. The shell implements it; it is called on the engine's
 * thread, in the midst of an input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/record.h"
#include "config/config.h"
#include "session/travel.h"

struct job;

/* What a client's tunnel device shall have, as the server says. */
struct net_setup {
	uint16_t mtu;
	const struct net_item *items; /* addresses, routes, name servers */
	size_t count;
	const struct net_item *refused; /* what it says, too, and is not to have */
	size_t nrefused;
};

#define ENGINE_AHEAD 32 /* datagrams that are told of at once: see engine_ahead() */

enum send_how {
	SEND_ECN = 0x03,   /* these two bits */
	SEND_WHOLE = 0x04, /* a path MTU probe: nobody may fragment it */
	SEND_DATA = 0x10,  /* an inner packet: where a socket is full, it may be dropped */
	SEND_STANDS =
		0x08, /* the datagram stands until flush() is called, and the next may stand right behind it */
	SEND_SINGLY = 0x20, /* not in one piece with others: those do not arrive there */
};

struct engine_io {
	/* A datagram to the network. It stands in a buffer of the engine, and is good until send() returns, or longer
	 * with SEND_STANDS. `how`: ECN of the outer header, and the other flags above. */
	void (*send)(void *ctx, const struct route *to, const uint8_t *datagram, size_t len,
		     unsigned int how);
	/* What send() was given is about to be overwritten. NULL where send() keeps nothing. */
	void (*flush)(void *ctx);
	/* Where the next inner packet is to be opened, be it delivered then or not: as much room as the longest takes. NULL
	 * where they are opened in place. */
	uint8_t *(*room)(void *ctx);
	/* An inner packet to the tunnel device. It stands in the room it was given, where the datagram stood that it came
	 * in, or in a buffer of the engine: good until this returns. */
	void (*deliver)(void *ctx, const uint8_t *packet, size_t len);
	void (*audit)(void *ctx, const struct audit_record *r);
	/* Run it on any thread and give it back to engine_job_done() of the same engine. Owned by the shell
	 * meanwhile. */
	void (*job)(void *ctx, struct job *j);
	/* Server: this job belongs to another worker's engine; give it to engine_job_done() there. */
	void (*forward)(void *ctx, uint32_t worker, struct job *j);
	void (*random)(void *ctx, void *out, size_t len);
	/* Microseconds of the wall clock, for the number of a HELLO and nothing else; 0 where the machine does not know the
	 * time. NULL: there is none. */
	uint64_t (*wall_us)(void *ctx);
	/* The result of engine_jump(): REASON_NONE when the session has moved. */
	void (*jump_done)(void *ctx, uint64_t token, enum reason why, uint32_t retry_after_ms);

	/* Client: open a socket for candidate `number` from a fresh port, towards `remote`, and call it
	 * `socket`; close it. */
	bool (*path_open)(void *ctx, uint32_t socket, uint8_t number, const struct endpoint *remote);
	void (*path_close)(void *ctx, uint32_t socket);
	/* Client: all remotes of this candidate were tried in vain. Look the names up again, without waiting,
	 * and tell by engine_candidate_up(). Not asked more often than every PROTO_RESOLVE_MS. */
	void (*resolve)(void *ctx, uint8_t number);
	/* Client: no HELLO has been welcomed for 5 s, or for another minute. engine_connecting() tells what came of them;
	 * nothing else may be asked of the engine before this returns. */
	void (*unanswered)(void *ctx);
	/* Client: set the tunnel device up like this (again and again: idempotent). */
	void (*net_setup)(void *ctx, const struct net_setup *n);
	/* Client: is this not the server's to give, for it is this machine's own, or lies on a link of it? NULL: nothing is.
	 * engine_net_again() asks anew. */
	bool (*net_taken)(void *ctx, const struct net_item *item);
};

#define CANDIDATE_REMOTES_MAX 8

struct candidate {
	uint8_t number; /* rank among the candidates, 0..PROTO_PATHS_MAX-1 */
	uint8_t via; /* the same for candidates with one local end: they do not lead to one address twice */
	char name[CONFIG_NAME_MAX];
	char interface[CONFIG_IFNAME_MAX]; /* for show: its transport's own, or "" */
	uint8_t remotes; /* 1..CANDIDATE_REMOTES_MAX; 0: only in engine_candidate_known() */
	struct endpoint
		remote[CANDIDATE_REMOTES_MAX]; /* where the server may be reached, in order of preference */
};

/* See engine_candidate_up(). */
#define CANDIDATE_SETTLE_MS 1000
#define CANDIDATE_BURST 3

/*
 * The segments of a super-packet: of one source, destination and class, none longer than the first. The same as one
 * after the other. next() answers where one stands, which may be changed, until it is called again; NULL: that was all.
 */
struct inner_run {
	uint8_t *(*next)(struct inner_run *r, size_t *len);
};
