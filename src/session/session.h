/*
 * The record of one session. Server and client keep it in the same struct; what only one of them uses is marked.
 *
 * All of it belongs to the thread of its engine. Only state_event() writes `state`, and only state_bind() `active`.
 */
#pragma once

#include <string.h>

#include "base/list.h"
#include "base/wire.h"
#include "proto/packet.h"
#include "session/engine_state.h"
#include "session/keys.h"
#include "session/limit.h"
#include "session/near.h"
#include "session/path.h"
#include "session/table.h"
#include "session/wheel.h"

struct job;
struct rescue;

/* What a session has to do by the clock; of those due at the same moment the first comes first. */
enum due {
	DUE_DEADLINE, /* of the present state */
	DUE_LIFE,     /* lifetime, renewal, rekey */
	DUE_HEALTH,   /* the active path is looked at */
	DUE_STANDBY,  /* other paths, drain */
	DUE_PMTU,     /* of all paths */
	DUES
};

/* Client: its session's jump under way, and what is remembered of those before. */
struct jump {
	bool pending;
	uint32_t id;
	uint8_t slot; /* target path */
	uint8_t number;
	uint32_t binding; /* the one to name; later than ours when the peer said so */
	enum reason evidence;
	bool dead;            /* data moves at once: the old path carries nothing */
	uint8_t tries;        /* JUMPs sent to this target */
	uint16_t tried;       /* slots tried since RECOVERING began */
	struct jv_time first; /* when the first JUMP went out */
	struct jv_time again; /* when to repeat, or to look for a path again; TIME_NEVER */
	enum reason denied;   /* the last rejection */
	bool ordered;         /* answer `token` */
	uint64_t token;
	/* of switches before */
	struct jv_time failed_back; /* the last one back to a path preferred; TIME_NEVER */
	uint8_t failback_doubt;     /* how often in a row a switch back did not last */
	struct endpoint left_at;    /* where the active path led when the session left ATTACHED */
};

/* Server: the operator's order to jump, which the client has not followed yet. */
struct jump_order {
	uint32_t id;
	uint8_t number; /* of the path to jump to */
	uint8_t tries;  /* JUMPs sent */
	struct jv_time again; /* when to send the next */
	uint64_t token; /* to answer */
};
_Static_assert(sizeof(struct jump_order) <= 24, "only a session that is ordered to jump has one");

/* New keys being agreed on: until they are made, and of who answers until the old ones are gone. */
struct exchange {
	struct job *job; /* under way, or NULL */
	uint8_t e_priv[PROTO_KEY_LEN], e_pub[PROTO_KEY_LEN];
	uint8_t accept_pub[PROTO_KEY_LEN];
	uint8_t offer_pub[PROTO_KEY_LEN]; /* the OFFER that ACCEPT answered */
};
_Static_assert(sizeof(struct exchange) <= 136, "only a session that rekeys has one, and for seconds");

struct rekey {
	bool offered;     /* our OFFER is out */
	bool answered;    /* we sent an ACCEPT for the newest epoch: repeat it when asked again */
	bool unconfirmed; /* we seal with the newest epoch, and the peer has not yet */
	bool ordered;     /* to be done now, be the keys idle or not */
	uint8_t tries;    /* OFFERs sent */
	uint8_t overdue;  /* intervals of the age of `since` that were told */
	struct jv_time made; /* when the newest epoch was made */
	struct jv_time due;  /* next OFFER, or its repetition */
	/* The interval began with the keys we seal with, or when they were idle at the end of the last one. */
	struct jv_time began;
	struct jv_time since; /* the keys we seal with are in use, less the time in which nothing carried */
};

/* Changes of state that are not told yet: beyond AUDIT_CHANGES_PER_MIN in a minute they become one record. */
struct flapping {
	struct list node; /* of engine->flapping */
	struct session *session;
	uint32_t n;                   /* waiting: from the state `from`, the first and last of them then */
	uint32_t late_ms, stalled_ms; /* the worst of them */
	enum state from;
	struct jv_time first, last;
	struct audit_flaps sum;
};
_Static_assert(sizeof(struct flapping) <= 96, "only a session that changes too often to be told of has one");

struct lag {                  /* of DATA in one direction */
	uint64_t mark;        /* the packet that is followed, as an order; 0: none */
	uint64_t seen;        /* the newest that is known to have arrived */
	uint64_t counted;     /* the newest there was at the last strike */
	struct jv_time at;    /* when CONTROL was sent behind the mark; back: when it came */
	struct jv_time since; /* the mark of the first strike in the row */
	uint8_t strikes;      /* in a row */
	bool missed;          /* CONTROL has come without it */
	bool struck;          /* and such that was sent much later */
};

struct lags { /* of the active path; a session has them once DATA has passed */
	struct lag there, back;
};

extern const struct lags lags_never;

/* Does the data that the session sends pass? See passage.h. A session has it once it has sent some. */
struct passage {
	uint64_t highest;     /* of our DATA, as the peer's last report had it */
	struct jv_time since; /* data was sent, and no report since has told of any; TIME_NEVER */
	struct jv_time offered;
	uint32_t mark, seen; /* packets sent: when the last ones passed, at the last report */
	uint32_t stalled_ms; /* the longest time of that kind in this stay in ATTACHED */
	uint8_t epoch;       /* of `highest` */
};

extern const struct passage passage_never;

/* Server: another address under the locator of the active path, and what it has cost. */
struct rebindings {
	struct switch_limit limit; /* with the bounds of switches */
	struct jv_time unsettled;  /* one too many last made the path count as dead; TIME_NEVER */
};

/* What most sessions have none of; one that has nothing in it has no such record. Each member is NULL, or the session's. */
struct rare {
	struct exchange *exchange;
	struct flapping *flapping; /* NULL: all changes of state are told */
	struct job *job;           /* WELCOME under way; the engine's */
	const struct policy *next_policy; /* of engine->policies; taken at the next transition */
	struct lags *lags;                /* NULL: lags_never */
	struct passage *passage;          /* NULL: passage_never */
	struct rebindings *rebindings;    /* NULL: there was none */
};

extern const struct rare rare_never;

/* A locator of the session's, and what travels under it: server, once something authentic came by it; client, always. */
struct slot {
	uint8_t locator[8];
	struct path *path;
};
_Static_assert(sizeof(struct slot) == 16, "most slots of a session are no more than that");
_Static_assert(PROTO_SLOTS_MAX <= TABLE_KEYS, "each slot of a session may have a locator");

#define SESSION_NEVER UINT32_MAX

struct session {
	/* what the data path touches */
	struct engine *engine;
	struct path *active;   /* NULL in BIRTH */
	struct path *draining; /* just left; DATA is accepted until drain_until */
	struct jv_time drain_until;
	struct jv_time unanswered_since; /* first packet sent since the last one received; TIME_NEVER */
	struct jv_time last_rx;          /* authentic, on any path */
	struct jv_time last_data;        /* either direction */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	enum state state : 8;
	enum reason reason : 8;
	enum reason instability : 8; /* why the session left ATTACHED */
	uint8_t paths_used;          /* a bit for each path it was ATTACHED on */
	bool large : 1;       /* something beyond PROTO_PROBE_LEAST went out since its size was last asked for */
	bool policy_owed : 1; /* server: the policy has changed, and its client has not been told */
	bool age_known : 1;   /* age_offset_us is */
	bool closing : 1;     /* no CLOSE is to be sent */
	bool fresh : 1;       /* server: the HELLO it came from bears a cookie of ours */
	bool told : 1;        /* its records are written; on a server from its attachment on */
	uint8_t stall_tries;  /* moves to a path that had stalled, since one carried */
	uint8_t slots;
	uint8_t told_changes; /* of state, one by one, in told_minute */
	uint16_t mtu;
	uint16_t issued; /* a bit for each slot that has a locator */
	uint32_t peer;   /* server: index in config->peers */
	struct keys keys;
	uint32_t quality_hold_ms; /* ATTACHED again, it is not left for loss or latency for these before */
	uint32_t rx_epoch;        /* of the last DATA accepted, by counter */
	uint64_t rx_highest;      /* its counter + 1; 0: none yet */
	struct rescue *rescue;    /* owned; NULL: nothing is kept */

	/* identity and contract */
	uint8_t id[PROTO_SESSION_ID_LEN];
	struct list node;                 /* of engine->sessions, ->superseded or ->dead */
	const struct policy *policy;      /* of engine->policies */

	/* state */
	struct jv_time born, since, left_attached;
	struct jv_time superseded_until; /* superseded: DATA in flight is delivered until then */
	uint32_t state_version, binding_version;
	struct switch_limit limit; /* of switches */
	uint64_t bytes_at_switch;
	uint32_t switches;
	uint32_t policy_generation;
	union {
		struct jump *jump;        /* client */
		struct jump_order *order; /* server: NULL: none */
	};
	uint32_t last_jump_id; /* server: the last one committed */
	uint32_t acked_epoch;  /* server: what its JUMP_ACK reported, and will when it is repeated */
	uint64_t acked_highest;
	struct rare *rare; /* NULL: session_rare() */
	uint32_t next_ping_id, next_jump_id, next_probe_id;
	uint32_t void_ping_id;       /* PONGs to this and older ones are not heeded: the machine slept */
	struct jv_time quality_left; /* when it last left ATTACHED for loss or latency; TIME_NEVER */
	struct jv_time told_minute; /* in which those told one by one are counted; TIME_NEVER */
	struct rekey rekey;
	int64_t age_offset_us; /* our age less the peer's, as the running estimate has it */
	uint64_t sealed[2]; /* orders: what is before had been sealed when [1] came, and AGAIN_MS earlier */
	struct jv_time sealed_at;
	struct jv_time age_sampled;
	uint32_t locators_seq, locators_told; /* server: told last, then */
	struct jv_time locators_sent;
	struct jv_time policy_sent;

	struct timer timer; /* runs for the earliest of those below */
	uint32_t tx_rested; /* `tx_packets`, the lower half, when its passage was given back */
	uint32_t due[DUES]; /* milliseconds since it was born, rounded up as the wheel does; SESSION_NEVER */

	struct slot slot[];
};
_Static_assert(sizeof(struct session) <= 608, "and a slot for each locator");

/* In BIRTH, with its deadline running. NULL without memory or room. */
struct session *session_new(struct engine *e, const struct policy *policy, uint8_t slots, struct jv_time now);
/* The policy that waits is in force now. False: none waits, or there is no memory for its limits. */
bool session_take_policy(struct session *s);
/* This is due then, and not when it was to be before; TIME_NEVER: not at all. */
void session_due(struct session *s, enum due what, struct jv_time at);
/* The same, unless it is due sooner. */
void session_due_earlier(struct session *s, enum due what, struct jv_time at);
struct jv_time session_due_at(const struct session *s, enum due what); /* or TIME_NEVER */
/* When its timer fires: a bit for each that is due now. */
unsigned int session_due_now(const struct session *s, struct jv_time now);
/* The one of these that was due first is so no longer, but for who asks; false: all have had their turn. */
bool session_due_next(struct session *s, unsigned int *left, struct jv_time now, enum due *what);
/* The timer runs for the rest. */
void session_due_rest(struct session *s);
void session_stop_timers(struct session *s);
static inline const struct rare *session_rare(const struct session *s)
{
	return s->rare ? s->rare : &rare_never;
}
/* Client: with a jump under way; server: with an order to jump that is not followed yet. */
static inline bool session_jumps(const struct session *s)
{
	return s->engine->client ? s->jump->pending : s->order != NULL;
}
/* Client: the jump under way leaves a dead path. */
static inline bool session_flees(const struct session *s)
{
	return s->engine->client && s->jump->pending && s->jump->dead;
}
struct jump_order *session_make_order(struct session *s); /* NULL: no memory, counted */
void session_drop_order(struct session *s);
struct exchange *session_need_exchange(struct session *s); /* NULL: no memory, counted */
void session_drop_exchange(struct session *s);             /* its job, if there is one, is nobody's */
/* In the engine's list; NULL: no memory, counted. */
struct flapping *session_need_flapping(struct session *s);
void session_drop_flapping(struct session *s);
/* The slot's locator is not known any more. */
void session_withdraw(struct session *s, uint8_t slot);
/* Under which its session stands in engine->locators. */
static inline uint64_t session_key(const uint8_t locator[8])
{
	be64 v;

	memcpy(v.b, locator, sizeof(v.b));
	return get_be64(v);
}
/* The slot that has this locator, and its session; or NULL. */
struct slot *session_find_slot(struct engine *e, const uint8_t locator[8], struct session **owner);
static inline bool session_issued(const struct session *s, uint8_t slot)
{
	return s->issued >> slot & 1;
}
static inline const uint8_t *session_locator(const struct path *p)
{
	return p->session->slot[p->slot].locator;
}
/* Client: what a RESET for the slot's locator bears. They stand behind the slots. */
static inline uint8_t *session_token(struct session *s, uint8_t slot)
{
	return (uint8_t *)(s->slot + s->slots) + slot * (size_t)PROTO_TOKEN_LEN;
}
/* The path that this locator stands for, or NULL. */
static inline struct path *session_find_path(struct engine *e, const uint8_t locator[8])
{
	struct session *s;
	const struct slot *sl = session_find_slot(e, locator, &s);

	return sl ? sl->path : NULL;
}
/* What it owns goes back to the engine, and itself. */
void session_free(struct session *s);
/* NULL: no memory. */
struct path *session_make_path(struct session *s, uint8_t slot, struct jv_time now);
/* It leads nowhere, and forgets everything but its slot. */
void session_reset_path(struct path *p, struct jv_time now);
void session_drop_path(struct session *s, uint8_t slot);
/* Milliseconds until one of its limits, `l`, allows one more; 0: now. Want of memory is counted. */
uint32_t session_limit_ms(struct session *s, struct switch_limit *l, uint32_t max, struct jv_time now);
/* How well the path carries, to be written to; NULL: no memory, counted. The active path always has it. */
struct health *session_need_health(struct path *p);
static inline const struct lags *session_lags(const struct session *s)
{
	return session_rare(s)->lags ? s->rare->lags : &lags_never;
}
/* How late DATA is, to be written to; NULL: no memory, counted. */
struct lags *session_need_lags(struct session *s);
void session_drop_lags(struct session *s);
static inline const struct passage *session_passage(const struct session *s)
{
	return session_rare(s)->passage ? s->rare->passage : &passage_never;
}
/* To be written to; NULL: no memory, counted. */
struct passage *session_need_passage(struct session *s);
void session_drop_passage(struct session *s);
/* NULL: no memory, counted. */
struct rebindings *session_need_rebindings(struct session *s);
/* There is none any more. */
void session_drop_job(struct session *s);
/* What the path has at times, to be written to; NULL: no memory, counted. */
struct upkeep *session_need_upkeep(struct path *p);
/* It is given back, if there is nothing left of it. */
void session_ease_upkeep(struct path *p, struct jv_time now);
static inline const struct near *session_near(const struct path *p)
{
	static const struct near none;

	return p->lead.near ? &p->session->engine->nears.at[p->lead.near] : &none;
}
static inline void session_route_write(const struct path *p, struct route *out)
{
	const struct near *n = session_near(p);

	out->socket = n->socket;
	out->remote.ip = p->lead.remote;
	out->remote.scope = n->scope;
	out->remote.port = p->lead.port;
	out->remote.zero = 0;
	out->local = n->local;
}
/* Where the path leads. */
static inline struct route session_route(const struct path *p)
{
	struct route r;

	session_route_write(p, &r);
	return r;
}
static inline struct endpoint session_remote(const struct path *p)
{
	return session_route(p).remote;
}
static inline bool session_leads(const struct path *p, const struct route *r)
{
	return p->lead.port == r->remote.port && ip_equal(&p->lead.remote, &r->remote.ip) &&
	       near_is(session_near(p), r);
}
/* Has there been no DATA since the interval of its keys began? */
static inline bool session_is_idle(const struct session *s)
{
	return !time_before(s->rekey.began, s->last_data);
}
/* What is known of sizes here, to be written to; NULL: no memory, counted. */
struct pmtu *session_need_pmtu(struct path *p);
void session_end_trial(struct path *p);
/* The slot gets this locator, in place of the one it had. False: no room in the table. */
bool session_issue(struct session *s, uint8_t slot, const uint8_t locator[8],
		   const uint8_t token[PROTO_TOKEN_LEN]);
/* The newest one in use, the one being left included only if there is no other; or NULL. */
struct path *session_path_numbered(struct session *s, uint8_t number);
/* Since it was born, by our clock. */
static inline uint64_t session_age_us(const struct session *s, struct jv_time now)
{
	return (uint64_t)time_diff_us(now, s->born);
}
/* Another policy, in force from the next transition on. False: no memory, counted; the one before stands. */
bool session_policy(struct session *s, const struct policy *policy, uint32_t generation);
/* The name of the transport in the configuration; "" at a server. */
const char *session_path_name(const struct session *s, uint8_t number);
/* As the configuration in force has it; a client has one. */
static inline const char *session_peer_name(const struct session *s)
{
	return s->engine->client ? "server" : s->engine->config->peers[s->peer].name;
}
/* Client: this candidate is there and can be used. */
bool session_has_candidate(const struct session *s, uint8_t number);
/* Client: its socket is closed and its locator used up; a closed one stays as it is. */
void session_close_path(struct path *p);
/* A slot whose locator was never used, or NULL. */
struct path *session_fresh_slot(struct session *s);
/* DATA leaves on the active path, or on the one being jumped to when the active one is dead. */
struct path *session_data_path(struct session *s);
