/*
 * What all sessions of one worker share: struct engine, which engine.c makes and frees, and the small tables that it holds.
 * Read and written by the thread of that worker alone.
 */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "proto/cookie.h"
#include "session/counter.h"
#include "session/io.h"
#include "session/keys.h"
#include "session/limit.h"
#include "session/near.h"
#include "session/policies.h"
#include "session/table.h"
#include "session/wheel.h"

struct client;
struct engine;
struct job;
struct path;
struct session;

#define FLOOD_KINDS 24 /* events and reasons that refuse something, and more */
#define FLOOD_SOURCE_BITS 256

struct flood { /* refusals of one event and reason, summarised per second */
	uint64_t waiting;
	struct jv_time last;                     /* TIME_ZERO: not in use */
	uint64_t source[FLOOD_SOURCE_BITS / 64]; /* a bit for each address, by its hash */
	struct audit_record record;
};

/* What one peer has beside its attached session: what is in BIRTH, the older one first, and the session that was superseded last. */
#define BIRTHS_MAX 2

struct births {
	struct session *s[BIRTHS_MAX];
	struct session *superseded;
};

/* What a server remembers of a peer that has called with its key, and the sessions of it that carry nothing; kept over reloads. */
struct caller {
	struct births has;
	uint64_t number; /* the highest of a HELLO of his */
	struct bucket births;
	struct bucket logins; /* sessions that attach */
	/* sessions that never attached, and are not told of yet */
	uint32_t unattached;
	uint32_t next;       /* index + 1 in callers of the next one with such; 0: none */
	struct jv_time told; /* when the last record of them was written; zero: never */
	enum reason why;     /* of the last of them */
	struct endpoint remote;
};

/*
 * Keys that knocked and are no peer's: each is told of once a minute, with how often it came meanwhile. More keys than there
 * is room for push each other out, and are held by the sum of a second alone.
 */
#define STRANGERS 64
#define STRANGER_MS 60000

struct stranger {
	uint8_t key[8]; /* its beginning */
	uint32_t untold;
	struct jv_time told; /* zero: free */
};

/* Server: the CONTROL that is being answered. One that did not come from where its path leads earns answers of so many bytes. */
struct answering {
	const struct path *path; /* NULL: none */
	bool stray;
	uint16_t len;
	uint32_t left; /* stray: bytes that may still go out */
};

/* For so long after the shell said that it loses what comes, answers may be among that: it is not the sessions' fault. */
#define PRESSED_MS 200

struct engine {
	struct engine_io io;
	void *ctx;
	const struct config *config;
	uint32_t policy_version; /* of what happens now: of the configuration in force, or the one that ends it */
	uint32_t worker, workers;
	bool hardware_aes;
	struct wheel wheel;
	void (*session_fire)(struct timer *t, struct jv_time now); /* of each session's timer */
	struct table *locators; /* of the sessions; a key is a slot's */
	struct keycache *cache;
	struct key_store key_store;
	struct policies policies;
	struct slab session_slab[PROTO_SLOTS_MAX + 1]; /* by their number of slots */
	struct nears nears;
	struct slab paths, lags, healths, upkeeps, pmtus, trials;
	struct slab jumps, orders, exchanges, flaps, passages, rebindings, rares; /* see session.h: what a session has for a while */
	struct list sessions, superseded, dead, jobs;
	struct list walks;                   /* through `sessions`, see walk.h */
	uint32_t by_state[STATE_COUNT];      /* of `sessions` */
	struct session *met;                 /* the last one that a walk has shown; NULL: it has gone */
	size_t max_sessions; /* server: see admit_has_room() */
	size_t nsessions, nsuperseded, njobs;
	struct counters counters;
	uint64_t rescue_bytes; /* of all sessions' rings */
	struct flood flood[FLOOD_KINDS];
	struct timer flood_timer;
	struct list flapping; /* changes of state that wait to be told, by session */
	/*
	 * By how much this input came too late for the timers that were due before it: the worker slept, was stopped, or
	 * had too much to do. What is overdue now is not the sessions' fault, whoever notices it: a timer, or a packet that is
	 * handed in before the timers run.
	 */
	uint32_t late_ms;
	struct jv_time pressed; /* when what came last found a socket full; TIME_NEVER */
	struct cookie_keys *cookie_keys;
	/* server */
	struct answering answering;
	struct jv_time challenge_at; /* there was no memory for one: not before */
	/* by index in config->peers, with room for more */
	struct session **by_peer; /* the attached session */
	struct caller **callers;  /* NULL: he has not called yet */
	size_t peer_room;
	uint64_t callers_since; /* wall clock, us: what was recorded before it is old, whose ever it is */
	struct net_item *items;   /* POLICY_PARTS_MAX * POLICY_ITEMS_MAX, to compose POLICY frames */
	struct cookie_jar *jar;
	uint8_t reset_key[32];
	uint32_t steer_key; /* by which locators tell their worker */
	struct hash_key locator_key; /* by which the server knows its own locators */
	struct net_limit *hello_limit, *proven_limit;
	struct source_limit *reset_limit;
	struct seen *seen;      /* HELLOs that were dealt with */
	struct turns *turns;    /* HELLOs that wait */
	struct stranger stranger[STRANGERS];
	uint32_t unattached;                /* index + 1 of the first caller with something untold; 0: none */
	uint32_t hello_second, hello_count; /* rate in the present second, for "under load" */
	struct source_limit *icmp_limit;
	/* fragments of inner packets, and probes, are made here */
	uint8_t room[PROTO_HEADER_LEN + PROTO_MTU_MAX + PROTO_TAG_LEN];
	struct jv_time last_input, woke; /* from the last sleep; TIME_ZERO */
	/* client */
	struct client *client;
};
