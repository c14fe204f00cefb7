/* What the files of the simulator share; see sim.h for what they are together. */
#pragma once

#include "report/verify.h"
#include "proto/packet.h"
#include "sim/sim.h"
#include "unit/make.h"

#define SIM_ENGINES (SIM_WORKERS + SIM_CLIENTS) /* workers first */
#define SOCKETS_MAX 64                          /* open at one client: more is a leak */
#define RELICS 64 /* datagrams of one client and way that the network remembers */
#define STRANGERS 64
#define WATCH_US 250000
#define TALLIES 8

/* --- events: a binary heap, first by time, then by order of coming --- */

enum event_kind { EV_DATAGRAM, EV_JOB, EV_TRAFFIC, EV_CALL, EV_WATCH, EV_LINK };

enum link_news { LINK_UP, LINK_DOWN, LINK_MOVED, LINK_RESOLVED };

struct event_item {
	struct jv_time at;
	uint64_t order;
	enum event_kind kind;
	union {
		struct parcel *parcel;
		struct {
			struct job *job; /* NULL: its engine died */
			unsigned int engine;
			bool run; /* false: forwarded, it has run */
		} job;
		struct {
			unsigned int client;
			enum sim_way way;
			uint32_t serial;
		} traffic;
		struct {
			void (*act)(struct sim *sim, void *arg);
			void *arg;
		} call;
		struct {
			unsigned int client, path;
			enum link_news news;
			enum reason why; /* LINK_DOWN */
		} link;
	};
};

struct heap {
	struct event_item *item;
	size_t n, cap;
	uint64_t order;
};

void heap_push(struct heap *h, struct event_item item);
struct event_item heap_pop(struct heap *h);

/* --- what travels --- */

struct parcel {
	struct parcel *next; /* while free */
	enum sim_way way;
	unsigned int client, path;
	struct endpoint from, to; /* of the client: where it left, where it goes to */
	size_t len;
	uint8_t ecn; /* of the outer header */
	uint8_t data[SIM_DATAGRAM_MAX];
};

/* A datagram that has arrived, kept by the hostile network. */
struct relic {
	size_t len;
	struct route route; /* as its receiver saw it */
	bool taken;         /* it was accepted then */
	uint8_t data[SIM_DATAGRAM_MAX];
};

struct sim_socket {
	uint32_t id;
	uint64_t uid; /* of all sockets there ever were */
	unsigned int path;
	uint16_t port; /* as the world sees it */
	bool swallows[2];
	bool had_fresh; /* a locator that was never used was at hand when it opened */
	struct jv_time used;
};

struct sim_path {
	struct sim_path_setup setup;
	struct link link[2];
	bool up;
	uint8_t address; /* which of its addresses it has now */
	uint16_t next_port;
	uint32_t hold_ppm, hold_ms;
	struct jv_time good_since; /* usable without a break; TIME_NEVER: it is not */
	struct jv_time dead_since; /* nothing of one way has arrived since; TIME_NEVER */
};

/* Of the packets that were offered in one second. */
struct tally {
	uint32_t second, offered, in_time;
};

struct flow {
	struct sim_flow told;
	int64_t interval_us;
	size_t len;
	uint32_t serial;
	uint32_t highest; /* + 1 */
	struct numbered {
		uint32_t at_ms; /* when it was sent */
		bool seen;
	} *packet;
	uint32_t cap;
	struct jv_time waits_since; /* sent since, and nothing arrived; TIME_NEVER */
	struct tally tally[TALLIES];
	struct jv_time bad_since;            /* most of what was offered since does not come in time; TIME_NEVER */
	struct claim {
		uint8_t id[16], path;
		struct jv_time attached; /* by its own clock */
		struct jv_time bad, none; /* since when most, and all, does not pass while it said ATTACHED there */
	} claim[2];                       /* of the client, and of the server */
};

struct sim_client {
	struct config config;
	bool is_peer;
	struct policy policy;
	uint32_t generation;
	struct sim_path path[SIM_PATHS];
	struct sim_socket socket[SOCKETS_MAX];
	unsigned int sockets;
	struct flow flow[2];
	struct relic *relic[2]; /* RELICS each, a ring */
	unsigned int relics[2];
	struct relic hello;         /* the last one */
	struct jv_time apart_since; /* not attached since; TIME_NEVER */
	uint64_t waited_ttl_ms;     /* the longest of its sessions since then */
};

/* --- engines --- */

struct sim_end {
	int64_t offset_us; /* its clock less ours */
	struct jv_time asleep_until;
	struct jv_time leapt; /* woke up, or its clock leapt */
	uint32_t lives;
};

struct sim_engine {
	struct sim *sim;
	unsigned int index, end;
	struct engine *e;
	struct prng rng;
	struct jv_time next; /* its timers, by our clock */
	uint32_t origin;     /* for verify_record() */
	int64_t base_bytes;  /* of an engine without sessions */
};

/* What is being done to an engine now, so that its records can be judged. */
enum sim_doing { DOING_INPUT, DOING_TERMINATE, DOING_SHUTDOWN, DOING_CONFIGURE };

struct sim {
	struct sim_setup setup;
	struct jv_time now;
	struct prng rng;
	struct sim_violation violation;
	uint64_t digest, records;
	struct heap heap;
	unsigned int standstill; /* events at one moment */
	struct parcel *free_parcels;
	struct config *config; /* the server's */
	struct sim_end end[SIM_ENDS];
	struct sim_engine engine[SIM_ENGINES];
	struct sim_client client[SIM_CLIENTS];
	struct verify *verify;
	enum sim_doing doing;
	bool ending;
	uint64_t next_uid;
	uint64_t most_rescue; /* rescue_bytes of any policy there was */
	struct {
		uint64_t sent, got; /* bytes, by the server */
	} stranger[STRANGERS];
	struct table *seals, *locators; /* check.c */
	struct seal *seal_list;
	struct seen_locator *locator_list;
	struct sim_attack_watch {
		bool on;
		uint64_t sends, records, delivers;
	} attacked;
};

static inline bool is_client(const struct sim_engine *se)
{
	return se->index >= SIM_WORKERS;
}

static inline unsigned int client_index(const struct sim_engine *se)
{
	return se->index - SIM_WORKERS;
}

/* sim.c */
struct jv_time engine_clock(const struct sim_engine *se);
bool end_is_awake(const struct sim *sim, unsigned int end);
/* Around each call of an engine: what it allocates is counted, and what it did is checked. */
void engine_enter(struct sim_engine *se);
void engine_leave(struct sim_engine *se);
#define WITH_ENGINE(se, call)     \
	do {                      \
		engine_enter(se); \
		call;             \
		engine_leave(se); \
	} while (0)
void sim_push(struct sim *sim, struct jv_time at, struct event_item item);
void digest_bytes(struct sim *sim, const void *data, size_t len);
void digest_number(struct sim *sim, uint64_t v);
struct sim_engine *worker_for(struct sim *sim, const struct route *from, const uint8_t *data, size_t len);
ptrdiff_t peer_index(const struct sim *sim, unsigned int client);
void *must(void *p); /* aborts without memory */

/* io.c */
extern const struct engine_io sim_io;
struct endpoint server_endpoint(bool v6);
void parcel_arrives(struct sim *sim, struct parcel *p);
void parcel_free(struct sim *sim, struct parcel *p);
void job_finishes(struct sim *sim, const struct event_item *ev);
void traffic_goes(struct sim *sim, const struct event_item *ev);
struct endpoint client_endpoint(const struct sim *sim, unsigned int client, const struct sim_socket *s);
struct route stranger_route(unsigned int number);
struct sim_socket *socket_by_id(struct sim_client *c, uint32_t id);
void path_new_address(struct sim *sim, unsigned int client, unsigned int path);
void io_trace_datagram(struct sim *sim, struct sim_engine *se, const uint8_t *data, size_t len,
		       const char *how);
bool deliver_datagram(struct sim *sim, struct sim_engine *se, const struct route *from, uint8_t ecn,
		      const uint8_t *data, size_t len);

/* check.c: the rules */
void check_new(struct sim *sim);
void check_free(struct sim *sim);
void check_sent(struct sim_engine *se, const struct sim_socket *socket, const uint8_t *data, size_t len,
		unsigned int how);
void check_record(struct sim_engine *se, const struct audit_record *r);
void check_step(struct sim_engine *se);
void check_ticked(struct sim_engine *se); /* its timers have just run */
void check_memory(struct sim *sim);
void check_ended(struct sim *sim); /* after the engines were shut down, and before they are freed */

/* actor.c */
struct opened {
	struct path *path;
	struct packet_id id;
	bool opens;           /* CONTROL: its frames are to be read */
	struct reader frames; /* in `bytes` */
	uint8_t bytes[SIM_DATAGRAM_MAX];
};
/* Opens what this engine has sealed, with its own keys; false: it is none of DATA and CONTROL. */
bool datagram_open(struct sim_engine *se, const uint8_t *data, size_t len, struct opened *out);
/* What the actor on this link makes of a datagram of this engine; false: it is lost. */
bool actor_meets(struct sim_engine *se, struct link *l, const uint8_t *data, size_t len,
		 struct link_fate *fate);

/* data.c: I12 */
void data_offered(struct sim *sim, unsigned int client, enum sim_way way);
void data_arrived(struct sim *sim, unsigned int client, enum sim_way way, uint32_t seq);
void data_watch(struct sim *sim, unsigned int client, struct jv_time good_since);
void data_disturbed(struct sim *sim, unsigned int client);

/* trace.c: a datagram being sent, with what is in it */
void trace_sent(struct sim_engine *se, const struct route *to, const uint8_t *data, size_t len);

/* live.c */
void live_watch(struct sim *sim);
void live_disturbed(struct sim *sim,
		    unsigned int end); /* something happened to it that takes time to get over */
bool path_is_usable(const struct sim *sim, unsigned int client, unsigned int path);

/* mem.c: what engines have allocated; one world at a time */
bool mem_counting(bool on); /* answers what it was */
void mem_reset(void);
int64_t mem_bytes(void);
int64_t mem_blocks(void);
