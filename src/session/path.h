/*
 * One path of a session: what travels under the locator of its slot.
 *
 * The server has one for each locator by which something authentic came; the client one for each slot, on a socket of its
 * own. What a path has only at times stands in records of its own, read through a constant where it has none. Health is learned from CONTROL packets alone (RTT as RFC 6298 has it, loss from the counts in PING and
 * PONG).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/time.h"
#include "jumpvpn/policy.h"
#include "jumpvpn/proto.h"
#include "proto/frame.h"
#include "session/travel.h"

struct session;

#define PATH_NONE 0xff
#define PATH_DROPS_MAX 32     /* PINGs in a row */
#define PATH_PONG_REACH 32    /* how far back a PONG may reach and still tell the round trip */
#define PATH_ONE_WAY_DROPS 20 /* of them, while something still comes */

#define PMTU_ROUND 8        /* sizes asked for at once */

/* What is known of a size: RFC 8899 section 5.2, without Disabled. */
enum pmtu_state {
	PMTU_BASE,     /* nothing yet */
	PMTU_SEARCH,   /* probes are out */
	PMTU_COMPLETE, /* `size` has passed */
	PMTU_ERROR,    /* not even the least probe has passed: no matter of size */
};

struct pmtu {
	uint16_t size;              /* in use; 0: all */
	uint8_t state;              /* enum pmtu_state */
	uint8_t n, tries;           /* of the round */
	uint16_t low;               /* has passed in this search */
	uint16_t probe[PMTU_ROUND]; /* ascending; the highest is what the round is about */
	bool doubt; /* a probe with PROBE_BACK is out: is it size that packets are lost for? */
	uint8_t doubt_tries, doubt_small; /* sent, and small ones answered */
	uint32_t id, doubt_id;
	uint32_t raise_ms;    /* the last time from one search up to the next */
	struct jv_time raise; /* when to look for more than `size`; TIME_NEVER */
	struct jv_time due, doubt_due; /* of the round, or TIME_NEVER */
	struct jv_time confirmed; /* `size` passed; TIME_NEVER: not on this path, or not since it moved */
	struct jv_time changed;   /* `size` got smaller */
	struct jv_time cleared;   /* loss until then was none of size; TIME_NEVER */
	struct jv_time forgiven;  /* loss until then was of size; TIME_NEVER */
	struct jv_time asked;     /* the round began */
	uint8_t errors;           /* rounds in a row that ended in PMTU_ERROR */
};

/* Of a path that never asked for a size. */
extern const struct pmtu pmtu_never;

static inline void pmtu_init(struct pmtu *m)
{
	*m = pmtu_never;
}

struct runs {
	bool singly, found; /* it was that */
	uint8_t windows;
	struct jv_time not_before;
};

enum stalled { STALLED_THERE = 1, STALLED_BACK = 2 };

struct stall {
	struct jv_time at; /* when it did; TIME_NEVER */
	uint32_t hold_ms;  /* not to be taken again before */
	uint8_t on;        /* enum stalled: these ways it has stalled, and nothing came in time since */
	bool told;         /* server: the client says so */
};

struct challenge {
	bool out; /* not answered yet */
	uint8_t nonce[8];
	struct jv_time sent;    /* last */
	struct jv_time counted; /* the one whose time runs */
};

/* Each state but SPENT implies those before it. */
enum path_state {
	PATH_UNUSED, /* no path leads anywhere yet; its locator has not been used */
	PATH_SPENT,  /* client: the locator was used, and the path is closed; until the slot has another one */
	PATH_KNOWN,  /* `lead` is set */
	PATH_PROVEN, /* and that address has answered: at the server a challenge, at the client a PING of ours */
};

/* Another address that an active path's packets come from, until it has answered, or is left for the one before. */
struct trial {
	struct route route;
	uint16_t near;
	struct challenge challenge; /* to it */
	uint32_t rx, tx;            /* bytes from and to it: what one address has sent is no credit for another */
};
_Static_assert(sizeof(struct trial) <= 88, "only a path that moves has one");

/*
 * How well a path carries: what its PINGs have told, what is lost and late on it. A client has one for each path; a server for
 * the path that carries data, and for others from the first PING on.
 */
struct health {
	uint32_t ping_id;       /* of the last PING; 0: none was sent */
	uint32_t asking;        /* PINGs not answered yet: bit n for the one whose id is n less than ping_id */
	bool ping_out : 1;      /* the last PING is not answered */
	bool deaf : 1;          /* the peer sends, but says that it hears nothing from us */
	bool quiet : 1;         /* nothing at all has come for a while: no matter of loss */
	bool window_open : 1;   /* of loss, see below */
	bool loss_bad : 1;      /* loss was proven to be beyond the threshold, and has not been well below it since */
	bool lost_there : 1;    /* in the last whole window, of what we sent */
	bool latency_bad : 1;   /* as loss_bad, of the round trip */
	bool lossy : 1;         /* packets are missing since the size in use was last confirmed */
	uint8_t unanswered;     /* PINGs in a row */
	uint8_t unheard;        /* those of them since which nothing has come */
	uint32_t silent_sent;   /* `sent` at silent_since */
	uint32_t missing;       /* packets sent until the last PING, less those received, less a constant */
	uint32_t peer_received; /* packets, by the peer's last report */
	uint64_t answered_us;   /* our age in the latest PING that was answered */
	struct jv_time ping_sent, silent_since; /* of the first PING in that row */
	struct jv_time last_pong, stable_since;
	int64_t srtt_us, rttvar_us; /* 0: not measured */

	/* loss: where the present window began, and what the last whole one told */
	struct runs runs;
	struct jv_time window_start;
	struct jv_time loss_since, loss_proven; /* the last window that proved loss */
	uint32_t ping_sent_count;               /* `sent` in the last PING */
	uint32_t base_sent, base_peer_received, base_peer_sent, base_received;
	uint32_t loss_ppm;   /* what is known, proven or not */
	uint32_t pings_lost; /* of the last 32 PINGs, a bit each, the newest first */

	/* round trips against latency_volatile_threshold_ms: a bit for each of the last 32 samples, the
	 * newest first, says that it was longer than that; and than three quarters of it */
	uint32_t latency_above, latency_near;
	struct jv_time latency_taken;

	uint64_t newest; /* DATA sent since the session moved here, as an order; 0: none */
	struct stall stall;
};
_Static_assert(sizeof(struct health) <= 192, "a resting session has one, of the path that carries data");

/* Of a path that was never asked. */
extern const struct health health_never;

/*
 * What a path has at times: a challenge that is out, the credit of an address that is not proven, another address on trial,
 * sizes, answers to PROBEs. A client's path has it always; a server's when it is needed, and no longer.
 */
struct upkeep {
	struct challenge challenge;    /* to where the path leads */
	uint32_t credit_rx, credit_tx; /* bytes from and to the unproven address */
	uint32_t answers_second;       /* of the clock, and what was sent in answer to PROBEs in it */
	uint32_t answers_bytes;
	struct trial *trial; /* server: of another address under the same locator, or NULL */
	struct pmtu *pmtu;   /* NULL, at a server: no size was ever asked for here */
};
_Static_assert(sizeof(struct upkeep) <= 64, "each path of a server has one for a round trip in PROTO_PROOF_MS");

/* Where a path leads: the other end, and the number of this one, see near.h. */
struct lead {
	struct ip remote;
	uint16_t port;
	uint16_t near; /* owned by the session; 0: it has not led anywhere yet */
};

/* Of a path that has none of it. */
extern const struct upkeep upkeep_never;

struct path {
	struct session *session;
	struct health *health; /* as `upkeep` owned by the session; NULL: path_health() */
	struct upkeep *upkeep; /* NULL: path_upkeep() */
	uint8_t slot;
	uint8_t number; /* of the candidate path, or PATH_NONE while the slot is not in use */
	uint8_t state;  /* enum path_state */
	/* Challenges in a row to the address that went unanswered; client: that came on the path, with no PONG that had
	 * none. */
	uint8_t ignored;
	uint32_t sent, received; /* packets, as reported in PING and PONG */
	struct lead lead;        /* see session_route() */
	uint64_t heard;          /* server: order of the newest CONTROL that was heard, plus 1 */
	struct jv_time opened, last_rx, proven_at;
};
_Static_assert(sizeof(struct path) <= 88, "a resting session has one for each path that was heard");

static inline bool path_is_known(const struct path *p)
{
	return p->state >= PATH_KNOWN;
}

static inline bool path_is_proven(const struct path *p)
{
	return p->state == PATH_PROVEN;
}

static inline const struct health *path_health(const struct path *p)
{
	return p->health ? p->health : &health_never;
}

static inline const struct pmtu *path_pmtu(const struct path *p)
{
	return p->upkeep && p->upkeep->pmtu ? p->upkeep->pmtu : &pmtu_never;
}

static inline const struct upkeep *path_upkeep(const struct path *p)
{
	return p->upkeep ? p->upkeep : &upkeep_never;
}

static inline struct trial *path_trial(const struct path *p)
{
	return p->upkeep ? p->upkeep->trial : NULL;
}

/* The address on trial, if it is this one. */
static inline bool path_tries(const struct path *p, const struct route *r)
{
	return path_trial(p) && route_equal(&path_trial(p)->route, r);
}
/* Forgets everything but its slot; what it owns it keeps, but the near end of its route, which is given back before. */
void path_reset(struct path *p, struct jv_time now);
void path_rtt_sample(struct path *p, int64_t rtt_us);
/* How long an answer may take: max(2 srtt + 4 rttvar, PROTO_SILENCE_MIN_MS). */
int64_t path_patience_us(const struct path *p);
/*
 * How long until the next PING of a row, or the verdict: max(srtt, PROTO_FIRST_PROBE_MS), twice max(3/4 srtt,
 * PROTO_REPROBE_MIN_MS), then from twice max(srtt, PROTO_REPROBE_MIN_MS) on twice as long each time, up to `most_us`.
 */
int64_t path_wait_us(const struct path *p, int64_t most_us);
/*
 * PINGs in a row that make the path dead: max_consecutive_drops, and so many more that a path which is known
 * to lose would have lost all of them once in 100,000 rows.
 */
uint32_t path_drops(const struct path *p, const struct policy *policy);
/* The same of packets of DATA that CONTROL came without; by the loss of PINGs, for that of DATA is what is in question. */
uint32_t path_strikes(const struct path *p, const struct policy *policy);
/* Were `most` PINGs in a row followed by nothing at all, or by nothing that speaks of having heard us? */
bool path_is_silent(const struct path *p, uint32_t most);
/* Is a PONG with this id the first answer to a PING of this path? A second one is none: it would make up a round trip, and
 * a sign of life. */
bool path_asks(const struct path *p, uint32_t id);
/* A PING goes out now. */
void path_pinged(struct path *p, uint32_t id, struct jv_time now);
/* The peer told how many of our packets it has received on this path. */
void path_reported(struct path *p, const struct path_report *report, struct jv_time now);
/* A PONG to an earlier PING came: the path is alive. */
void path_answered(struct path *p, struct jv_time now);
/* A PONG to our last PING came, with the peer's counts; true when a loss window was completed. */
bool path_ponged(struct path *p, const struct path_report *report, const struct policy *policy,
		 struct jv_time now);
/* One more sample against latency_volatile_threshold_ms; at most two in a heartbeat_interval_ms are taken. */
void path_latency_sample(struct path *p, int64_t rtt_us, const struct policy *policy, struct jv_time now);
/* Is the 90th percentile of the last 32 samples beyond latency_volatile_threshold_ms? */
bool path_latency_exceeded(const struct path *p);
/* Loss as candidates are ranked by: of the window, or of the PINGs where those tell of more. */
uint32_t path_loss_ppm(const struct path *p);
/* Packets were lost for their size, which is no matter of loss: the counts begin anew. */
void path_size_changed(struct path *p);
/* The machine slept: what was counted before tells nothing about the path now. */
void path_void(struct path *p, struct jv_time now);
/* The session moves to it: what a window told when it last carried data counts no more than its own PINGs do. */
void path_taken(struct path *p);
/* May `len` bytes go to this address: under the 3x rule while it is unproven? Counts them when they may. */
bool path_may_send(struct path *p, uint32_t len);
/* The same of the one on trial. */
bool path_may_try(struct path *p, uint32_t len);
/* So many challenges went unanswered that the address is not usable. */
bool path_is_ignored(const struct path *p);
/* Warm: open, proven and answering, and no challenges without end. */
bool path_is_warm(const struct path *p, const struct policy *policy);
/* Is `a` the better candidate: not known to carry no DATA, warm, least loss (in steps of 5 %: less is chance), least latency, longest
 * stable, lowest number. */
bool path_is_better(const struct path *a, const struct path *b, const struct policy *policy);
