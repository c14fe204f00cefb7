/*
 * A world in one thread under virtual time: server workers, clients, the links between them, and what travels
 * inside.
 *
 * Each candidate path of each client is a link with its own delay, loss, cuts and NAT. All that the engines
 * hand out is kept: audit records, inner packets, results. world_free() holds every record to the invariants
 * of DESIGN section 6, so every test that uses the world is a test of them.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "a_frame.h"
#include "make.h"
#include "session/info.h"
#include "session/session.h"

#define WORLD_WORKERS 2
#define WORLD_CLIENTS 3
#define WORLD_PATHS 4
#define WORLD_ENGINES (WORLD_WORKERS + WORLD_CLIENTS)
#define WORLD_DATAGRAM_MAX 1600
#define START_US 1000000000 /* boot was a while ago */

struct world_link {
	int64_t delay_us;
	int64_t data_late_us;  /* DATA takes so much longer */
	bool data_up, data_down; /* swallows DATA from, to the client */
	uint32_t jitter_us;    /* up to so much more, each by itself: datagrams overtake each other */
	uint32_t twice_ppm;    /* arrive again, after a jitter of their own */
	uint32_t loss_ppm;     /* each direction */
	bool cut_up, cut_down; /* swallows everything from, to the client */
	size_t hole_up, hole_down; /* swallows what is longer, from, to the client; 0: nothing */
	uint16_t nat;          /* one more: all mappings are new, the old ones are gone */
};

struct datagram {
	struct jv_time at;
	uint64_t order;
	bool up;             /* client to server */
	unsigned int client; /* WORLD_CLIENTS: a stranger */
	uint8_t path;
	struct route route;  /* as the receiver sees it */
	bool inner;          /* DATA: its sender says so, for nobody on the way can tell it from CONTROL */
	unsigned int frames; /* of CONTROL: a bit for each type */
	uint8_t ecn;
	bool singly; /* it was sent so */
	size_t len;
	uint8_t data[WORLD_DATAGRAM_MAX];
};

static inline bool is_control(const struct datagram *d)
{
	return d->len > 0 && d->data[0] == PACKET_SEALED && !d->inner;
}

struct datagrams {
	struct datagram *list;
	size_t n, cap;
};

/* Numbered inner packets in one direction. */
struct traffic {
	int64_t interval_us; /* 0: off */
	bool echo;           /* the receiver answers each at once */
	struct jv_time next;
	uint32_t sent, got, twice, echoed; /* echoed: answers that came back */
	uint32_t late, newest;             /* late: arrived behind a newer one */
	uint8_t *seen;
	uint32_t cap;
	struct jv_time last_got;
	int64_t gap_us; /* longest time between two arrivals */
};

struct world_audit {
	unsigned int engine;
	struct audit_record r;
};

struct world_standing { /* a datagram that was sent and is to stand where it is */
	const uint8_t *at;
	size_t len;
	uint32_t sum;
};

struct world_engine {
	struct world *w;
	unsigned int index; /* workers first, then clients */
	struct engine *e;
	struct prng rng;
	uint32_t icmp; /* ICMP errors delivered, and the last one's type and code */
	uint8_t icmp_type, icmp_code;
	struct world_standing *standing;
	size_t nstanding, standing_cap;
	uint8_t room[PROTO_MTU_MAX]; /* where inner packets are opened */
	uint8_t last[64];            /* the beginning of the last one delivered */
	uint32_t strange; /* other inner packets that are no traffic of the world's */
};

struct world_client {
	struct config config;
	struct {
		uint8_t path;
		bool open;
		struct endpoint remote;
	} * socket;
	size_t sockets;
	uint32_t opens, closes; /* of sockets */
	uint32_t resolves;      /* calls of resolve() */
	uint32_t complaints;    /* calls of unanswered() */
	struct world_link link[WORLD_PATHS];
	struct traffic up, down;
	uint16_t mtu;
	uint32_t nets; /* calls of net_setup */
	struct net_item item[POLICY_PARTS_MAX * POLICY_ITEMS_MAX];
	size_t items;
};

struct world_job {
	struct jv_time at;
	unsigned int engine;
	bool run; /* false: forwarded, it has run */
	struct job *job;
};

struct world {
	struct jv_time now;
	unsigned int workers, clients, paths;
	struct prng rng;
	int64_t job_us;            /* what a Diffie-Hellman takes */
	bool one_thread;           /* and they are done one after the other */
	struct jv_time job_last;   /* when the last one handed out ends */
	uint64_t wall_us[2];       /* wall clocks of clients and of the server at START_US; 0: they have none */
	bool aes[2];               /* clients', server's */
	unsigned int hello_worker; /* whom the kernel gives HELLOs */
	struct config *config;     /* the server's */
	uint8_t machine;           /* and which machine it runs on */
	struct world_engine engine[WORLD_ENGINES];
	struct world_client client[WORLD_CLIENTS];
	struct datagrams flight, record;
	enum { RECORD_NOTHING, RECORD_SENT, RECORD_ARRIVED } recording;
	uint64_t order;
	struct world_job *job;
	size_t jobs, jobs_cap;
	struct {
		unsigned int engine;
		uint8_t kind, client;
		uint32_t seq;
	} reply[256];
	size_t replies;
	struct world_audit *audit;
	size_t audits, audits_cap;
	struct {
		uint32_t n;
		uint64_t token;
		enum reason why;
		uint32_t retry_after_ms;
	} jumped;
	/* True: the datagram is lost. */
	bool (*swallow)(struct world *w, const struct datagram *d);
	unsigned int swallow_frames; /* of world_swallow_frame() */
	uint32_t swallow_left, swallowed, holed;
	bool swallow_up;
	uint64_t stranger_bytes; /* sent to addresses that no client has */
	uint32_t stranger_datagrams;
	uint8_t stranger_type;
	uint32_t max_switches; /* the bounds to hold the records to */
	uint32_t recovery_window_ms;
	uint32_t locators_reused; /* datagrams of a client with a locator that was seen on another socket */
	struct {
		uint8_t locator[8];
		unsigned int client;
		uint32_t socket;
	} * seen;
	size_t seens, seens_cap;
	struct world_key *key; /* what was sealed under each key */
	size_t keys, keys_cap;
};

/* Default policy with 4 paths of 1 ms round trip; change config, links and policy, then start. */
struct world *world_new(unsigned int workers, unsigned int clients);
void world_start(struct world *w); /* engines, and all candidates up; no time passes */
void world_candidate(struct world *w, unsigned int client, uint8_t path); /* up, or up again */
/* A worker comes back with the same key and knows nothing. */
void world_restart(struct world *w, unsigned int worker);
void world_check(struct world *w); /* the invariants */
/* Records from..to-1 to stderr, to see what happened. */
void world_explain(const struct world *w, size_t from, size_t to);
void world_free(struct world *w); /* checks the invariants first */
/* For each of the server's peers, present and to come. */
void world_policy(struct world *w, const struct policy *p);
/* A copy of the server's configuration, generation + 1, to be changed and given to world_reload(). */
struct config *world_config_next(const struct world *w);
void world_reload(struct world *w, struct config *next);

void world_run(struct world *w, uint64_t ms);
/* This end of a session is under that policy at once, and tells nobody. */
void world_session_policy(struct session *s, const struct policy *policy);
/* Until the question is answered by yes; false when that was not so within `ms`. */
bool world_until(struct world *w, bool (*question)(struct world *w), uint64_t ms);
bool world_all_attached(struct world *w); /* every client, on both ends, to the same session and path */
/* world_start() and until all are attached and their paths are warm. */
void world_attach(struct world *w);

/* Where the path leads; it stands for the next few calls. */
const struct route *world_route(const struct path *p);
struct engine *world_client_engine(struct world *w, unsigned int client);
struct session *world_session(struct world *w, unsigned int client); /* the client's, or NULL */
struct session *world_peer(struct world *w, unsigned int client);    /* the server's attached one, or NULL */
struct engine *world_home(struct world *w, unsigned int client);
uint64_t world_count(struct world *w, unsigned int engine, enum counter c);
uint64_t world_served(struct world *w, enum counter c); /* all workers together */
/* Records of this event (and reason, unless REASON_NONE) of clients or of workers, from the `from`th on. */
unsigned int world_audits(struct world *w, bool clients, enum audit_event event, enum reason why,
			  size_t from);
void world_jump(struct world *w, unsigned int client, uint8_t path, uint64_t token);

/* The next `n` datagrams of that direction with one of these frames are lost. */
void world_swallow_frame(struct world *w, bool up, unsigned int frames, uint32_t n);
void world_swallow_type(struct world *w, bool up, enum packet_type type, uint32_t n); /* of PACKET_SEALED: CONTROL */
/* assert_true(), and the last records when it is not. */
#define world_assert(w, question)                                                               \
	do {                                                                                    \
		if (!(question)) {                                                              \
			world_explain(w, (w)->audits < 30 ? 0 : (w)->audits - 30, (w)->audits); \
			fail_msg("at %lld us: %s", (long long)(w)->now.us, #question);          \
		}                                                                               \
	} while (0)
#define FRAME_BIT(type) (1u << (type))

/* Every datagram that an engine sends: no nonce twice, but for the same bytes on another path; none whose length tells
 * what it is, where that can be helped. */
void world_sealed(struct world *w, unsigned int engine, const uint8_t *datagram, size_t len, unsigned int how);
/* What the world itself takes, not its engines: world_allocates is not zero meanwhile. */
void *world_realloc(void *p, size_t len);
extern unsigned int world_allocates;
/* For world.c: what is due by the links and the tunnel devices. */
void world_arrive(struct world *w, struct datagram *d);
void world_reply(struct world *w);
void world_traffic_send(struct world *w);
struct ip world_server_ip(void);
extern const struct engine_io world_io;

/* What `s` would tell now in a PING or an ordered JUMP of this id and path. */
struct a_frame world_a_ping(const struct session *s, uint32_t id, uint8_t path, struct jv_time now);
struct a_frame world_a_jump(const struct session *s, uint32_t id, uint8_t path, struct jv_time now);
/* A datagram as if the network had brought it, now. */
void world_inject_up(struct world *w, const struct route *from, const void *data, size_t len);
void world_inject_down(struct world *w, unsigned int client, const struct route *from, const void *data,
		       size_t len);
struct route world_stranger(unsigned int number);
/* The last recorded datagram of that direction with one of these frames; fails when there is none. */
struct datagram world_recorded(struct world *w, bool up, unsigned int frames);
void world_late(struct world *w, const struct datagram *d); /* it arrives now, as it was sent */
void world_inner(struct world *w, unsigned int engine, const uint8_t *packet, size_t len);
/* An IPv4 UDP packet of `len` bytes in `out`; answers `len`. */
size_t world_packet(uint8_t *out, size_t len, const char *src, const char *dst);
void world_traffic(struct world *w, struct traffic *t, int64_t interval_us, bool echo);
/* `packet` as the session's other end would get it, its `len` bytes of content in place behind the room of a header;
 * answers its length. */
size_t world_seal(struct session *s, struct epoch *ep, uint8_t *packet, size_t len, enum sealed_kind kind,
		  const uint8_t locator[8]);
/* Fails when sessions, counters, records or recorded datagrams differ. */
void world_alike(struct world *a, struct world *b);
/* Everything that can be seen from outside of all sessions of an engine, at `now`. */
size_t world_view(struct world *w, unsigned int engine, struct session_info *out, size_t max);
