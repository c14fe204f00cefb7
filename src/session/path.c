/*
 * One path as a value: round trips, loss, the 3x rule's credit. No session, no timer and no packet is known here.
 *
 * On the thread of its owner.
 */
#include "session/path.h"

#include <string.h>

#define LOSS_LEAST_PACKETS 10    /* fewer in a window say nothing about loss */
#define LOSS_LEAST_LOST 8        /* fewer lost are no proof */
#define LOSS_WINDOWS_MAX 32      /* a window that tells nothing grows up to so many times loss_window_ms */
#define LOSS_SIGMAS 4            /* beyond the threshold by so many standard deviations: no chance */
#define LOSS_PACKETS_MAX 1000000 /* more add nothing, and would overflow */
#define LOSS_STEP_PPM 50000      /* in the ranking */
#define RECOVERED(threshold) ((threshold) / 4 * 3) /* well again */

#define EVEN_REPROBES 3       /* PINGs of a row before the time between them doubles */
#define QUIET_PINGS 4         /* so many unanswered, and nothing else came: not a matter of loss */
#define DEAF_PACKETS 10       /* so many sent, and the peer's count has not moved: it hears nothing */
#define FALSE_DEATH_PPB 10000 /* of a row of PINGs */

#define LATENCY_ABOVE 4 /* of 32 samples: then their 90th percentile is above */
#define LATENCY_WELL 4  /* samples in a row */

/* clang-format off */
#define NEVER { INT64_MAX } /* TIME_NEVER, where a constant must stand */
/* clang-format on */
const struct pmtu pmtu_never = {
	.due = NEVER,
	.doubt_due = NEVER,
	.confirmed = NEVER,
	.changed = NEVER,
	.raise = NEVER,
	.cleared = NEVER,
	.forgiven = NEVER,
};
const struct health health_never = { .last_pong = NEVER, .stall.at = NEVER };
const struct upkeep upkeep_never = { .trial = NULL };
#undef NEVER

void path_reset(struct path *p, struct jv_time now)
{
	struct path fresh = { .session = p->session, .slot = p->slot, .number = PATH_NONE };

	fresh.last_rx = TIME_NEVER;
	fresh.opened = now;
	fresh.health = p->health;
	if (p->health) {
		*p->health = health_never;
		p->health->stable_since = now;
	}
	fresh.upkeep = p->upkeep;
	if (p->upkeep) {
		*p->upkeep = (struct upkeep){ .trial = p->upkeep->trial, .pmtu = p->upkeep->pmtu };
		if (p->upkeep->pmtu)
			pmtu_init(p->upkeep->pmtu);
	}
	*p = fresh;
}

void path_rtt_sample(struct path *p, int64_t rtt_us)
{
	struct health *h = p->health;
	int64_t delta;

	if (rtt_us < 1)
		rtt_us = 1;
	if (h->srtt_us == 0) {
		h->srtt_us = rtt_us;
		h->rttvar_us = rtt_us / 2;
		return;
	}
	delta = h->srtt_us > rtt_us ? h->srtt_us - rtt_us : rtt_us - h->srtt_us;
	h->rttvar_us += (delta - h->rttvar_us) / 4;
	h->srtt_us += (rtt_us - h->srtt_us) / 8;
}

static int64_t at_least(int64_t us, int64_t ms)
{
	return us > ms * 1000 ? us : ms * 1000;
}

int64_t path_patience_us(const struct path *p)
{
	const struct health *h = path_health(p);
	const int64_t us = 2 * h->srtt_us + 4 * h->rttvar_us;

	if (h->srtt_us == 0)
		return (int64_t)PROTO_HELLO_RETRY_MIN_MS * 1000;
	return at_least(us, PROTO_SILENCE_MIN_MS);
}

int64_t path_wait_us(const struct path *p, int64_t most_us)
{
	const struct health *h = path_health(p);
	const int64_t srtt_us = h->srtt_us ? h->srtt_us : (int64_t)PROTO_HELLO_RETRY_MIN_MS * 1000;
	int64_t us = at_least(srtt_us, PROTO_REPROBE_MIN_MS);

	if (h->unanswered <= 1)
		return at_least(srtt_us, PROTO_FIRST_PROBE_MS);
	if (h->unanswered <= EVEN_REPROBES && h->srtt_us)
		return at_least(srtt_us * 3 / 4, PROTO_REPROBE_MIN_MS);
	for (uint8_t n = EVEN_REPROBES; n < h->unanswered && us < most_us; n++)
		us = us * 2 < most_us ? us * 2 : most_us;
	return us;
}

/* So many in a row that, where `lost_ppm` of them are lost, all are in one of 100,000 rows. */
static uint32_t row_of(uint64_t lost_ppm, const struct policy *policy)
{
	uint64_t all_ppb = 1000000000;
	uint32_t n = 0;

	while (all_ppb > FALSE_DEATH_PPB && n < PATH_DROPS_MAX) {
		all_ppb = all_ppb * lost_ppm / POLICY_PPM;
		n++;
	}
	return n > policy->max_consecutive_drops ? n : policy->max_consecutive_drops;
}

uint32_t path_drops(const struct path *p, const struct policy *policy)
{
	const struct health *h = path_health(p);
	const uint64_t arrives = POLICY_PPM - h->loss_ppm;

	return row_of(POLICY_PPM - arrives * arrives / POLICY_PPM, policy); /* PING or PONG */
}

static uint32_t ping_loss_ppm(const struct path *p)
{
	const struct health *h = path_health(p);

	return (uint32_t)__builtin_popcount(h->pings_lost) * (POLICY_PPM / 32);
}

uint32_t path_strikes(const struct path *p, const struct policy *policy)
{
	return row_of(ping_loss_ppm(p), policy);
}

static bool nothing_came(const struct path *p)
{
	const struct health *h = path_health(p);

	return time_is_never(p->last_rx) || time_before(p->last_rx, h->ping_sent);
}

bool path_is_silent(const struct path *p, uint32_t most)
{
	const struct health *h = path_health(p);

	return h->deaf ? h->unanswered >= most : h->unheard >= most && nothing_came(p);
}

bool path_asks(const struct path *p, uint32_t id)
{
	const struct health *h = path_health(p);

	return h->ping_id - id < PATH_PONG_REACH && h->asking >> (h->ping_id - id) & 1;
}

void path_pinged(struct path *p, uint32_t id, struct jv_time now)
{
	struct health *h = p->health;

	if (h->ping_out)
		h->pings_lost = h->pings_lost << 1 | 1;
	if (h->unanswered == 0) {
		h->silent_since = now;
		h->silent_sent = p->sent;
	} else {
		h->stable_since = now;
	}
	if (h->unanswered == 0 || !nothing_came(p))
		h->unheard = 0;
	if (h->unheard < UINT8_MAX)
		h->unheard++;
	if (h->unheard > QUIET_PINGS)
		h->quiet = true;
	if (h->unanswered < UINT8_MAX)
		h->unanswered++;
	h->asking = (id - h->ping_id < PATH_PONG_REACH ? h->asking << (id - h->ping_id) : 0) | 1;
	h->ping_id = id;
	h->ping_out = true;
	h->ping_sent = now;
	h->ping_sent_count = p->sent + 1; /* the PING counts itself */
}

static void window_begin(struct path *p, const struct path_report *report, struct jv_time now)
{
	struct health *h = p->health;

	h->window_open = true;
	h->window_start = now;
	h->base_sent = h->ping_sent_count;
	h->base_peer_received = report->received;
	h->base_peer_sent = report->sent;
	h->base_received = p->received;
}

struct loss { /* in one direction, over a window */
	uint64_t sent, lost;
	uint32_t ppm;
};

static struct loss loss_of(uint32_t sent, uint32_t received)
{
	struct loss l = { .sent = sent };

	if (sent >= LOSS_LEAST_PACKETS && received < sent) {
		l.lost = sent - received;
		l.ppm = (uint32_t)(l.lost * POLICY_PPM / sent);
	}
	return l;
}

/* Is that more than the threshold, and not by chance? (The variance of so many packets at the threshold.) */
static bool is_proven(const struct loss *l, uint32_t threshold)
{
	const uint64_t n = l->sent < LOSS_PACKETS_MAX ? l->sent : LOSS_PACKETS_MAX;
	const uint64_t excess = l->ppm > threshold ? l->ppm - threshold : 0;
	const uint64_t variance = (uint64_t)threshold * (POLICY_PPM - threshold);

	return l->lost >= LOSS_LEAST_LOST &&
	       excess * excess * n > (uint64_t)LOSS_SIGMAS * LOSS_SIGMAS * variance;
}

void path_reported(struct path *p, const struct path_report *report, struct jv_time now)
{
	struct health *h = p->health;
	bool progress;

	if (!h)
		return;
	progress = report->received != h->peer_received;
	h->peer_received = report->received;
	if (progress)
		h->deaf = false;
	/* A few packets may stand in a queue. */
	else if (h->unanswered > 0 && p->sent - h->silent_sent >= DEAF_PACKETS &&
		 time_diff_us(now, h->silent_since) > path_patience_us(p))
		h->deaf = true;
}

void path_answered(struct path *p, struct jv_time now)
{
	struct health *h = p->health;

	if (h->ping_out)
		h->pings_lost <<= 1;
	if (h->quiet)
		h->window_open = false; /* that was a hole; the counts of before and behind it begin anew */
	h->ping_out = h->deaf = h->quiet = false;
	h->unanswered = h->unheard = 0;
	h->last_pong = now;
}

/* What the window has shown so far: true when that is enough to end it. */
static bool window_look(struct path *p, const struct path_report *report, const struct policy *policy,
			struct jv_time now)
{
	struct health *h = p->health;
	const struct loss there =
		loss_of(h->ping_sent_count - h->base_sent, report->received - h->base_peer_received);
	const struct loss back = loss_of(report->sent - h->base_peer_sent, p->received - h->base_received);
	const uint64_t ms = time_since_ms(now, h->window_start);
	const uint64_t most = (uint64_t)policy->loss_window_ms * LOSS_WINDOWS_MAX;
	const bool enough = there.sent >= LOSS_LEAST_PACKETS || back.sent >= LOSS_LEAST_PACKETS;

	if (!enough)
		return ms >= most;
	h->loss_ppm = there.ppm > back.ppm ? there.ppm : back.ppm;
	if (ms < policy->loss_window_ms)
		return false;
	h->lost_there = is_proven(&there, policy->loss_volatile_threshold);
	if (is_proven(&there, policy->loss_volatile_threshold) ||
	    is_proven(&back, policy->loss_volatile_threshold)) {
		h->loss_bad = true;
		h->loss_since = h->window_start;
		h->loss_proven = now;
	} else if (h->loss_ppm > policy->loss_volatile_threshold) {
		return ms >= most; /* perhaps by chance: more will tell */
	} else if (h->loss_ppm <= RECOVERED(policy->loss_volatile_threshold)) {
		h->loss_bad = false;
	}
	return true;
}

bool path_ponged(struct path *p, const struct path_report *report, const struct policy *policy,
		 struct jv_time now)
{
	const struct health *h = path_health(p);

	path_answered(p, now);
	if (h->window_open && !window_look(p, report, policy, now))
		return false;
	if (!h->window_open) {
		window_begin(p, report, now);
		return false;
	}
	window_begin(p, report, now);
	return true;
}

void path_latency_sample(struct path *p, int64_t rtt_us, const struct policy *policy, struct jv_time now)
{
	struct health *h = p->health;
	const int64_t threshold = (int64_t)policy->latency_volatile_threshold_ms * 1000;

	if (threshold == 0) {
		h->latency_above = h->latency_near = 0;
		h->latency_bad = false;
		return;
	}
	/* Suspicion brings samples in bursts: they are of one moment. */
	if (time_since_ms(now, h->latency_taken) < policy->heartbeat_interval_ms / 2)
		return;
	h->latency_taken = now;
	h->latency_above = h->latency_above << 1 | (rtt_us > threshold);
	h->latency_near = h->latency_near << 1 | (rtt_us > RECOVERED(threshold));
	if (path_latency_exceeded(p))
		h->latency_bad = true;
	else if ((h->latency_near & ((1u << LATENCY_WELL) - 1)) == 0)
		h->latency_bad = false;
}

bool path_latency_exceeded(const struct path *p)
{
	const struct health *h = path_health(p);

	return __builtin_popcount(h->latency_above) >= LATENCY_ABOVE;
}

uint32_t path_loss_ppm(const struct path *p)
{
	const struct health *h = path_health(p);
	const uint32_t pings = ping_loss_ppm(p);

	return h->loss_ppm > pings ? h->loss_ppm : pings;
}

void path_taken(struct path *p)
{
	struct health *h = p->health;
	const uint32_t pings = ping_loss_ppm(p);

	h->window_open = false; /* DATA that came before its JUMP was refused: no loss of the path */
	if (h->loss_ppm > pings)
		h->loss_ppm = pings;
}

void path_size_changed(struct path *p)
{
	struct health *h = p->health;

	if (!h)
		return;
	h->window_open = h->loss_bad = false;
	h->loss_ppm = 0;
}

void path_void(struct path *p, struct jv_time now)
{
	struct health *h = p->health;

	if (!h)
		return;
	h->ping_id = 0;
	h->ping_out = h->deaf = h->quiet = h->window_open = h->loss_bad = h->latency_bad = false;
	h->unanswered = h->unheard = 0;
	h->ping_sent = TIME_ZERO;
	h->stable_since = now;
	h->loss_ppm = h->pings_lost = h->latency_above = h->latency_near = 0;
}

bool path_may_send(struct path *p, uint32_t len)
{
	struct upkeep *u = p->upkeep;

	if (path_is_proven(p))
		return true;
	if (!u || (uint64_t)u->credit_tx + len > (uint64_t)u->credit_rx * PROTO_AMPLIFICATION)
		return false;
	u->credit_tx += len;
	return true;
}

bool path_may_try(struct path *p, uint32_t len)
{
	struct trial *trial = path_trial(p);

	if (!trial || (uint64_t)trial->tx + len > (uint64_t)trial->rx * PROTO_AMPLIFICATION)
		return false;
	trial->tx += len;
	return true;
}

bool path_is_ignored(const struct path *p)
{
	return p->ignored >= PROTO_CHALLENGES;
}

bool path_is_warm(const struct path *p, const struct policy *policy)
{
	const struct health *h = path_health(p);

	return path_is_proven(p) && h->srtt_us != 0 && h->unanswered < policy->max_consecutive_drops &&
	       !path_is_ignored(p);
}

bool path_is_better(const struct path *a, const struct path *b, const struct policy *policy)
{
	const struct health *ha = path_health(a), *hb = path_health(b);
	const bool warm_a = path_is_warm(a, policy), warm_b = path_is_warm(b, policy);
	const uint32_t loss_a = path_loss_ppm(a) / LOSS_STEP_PPM, loss_b = path_loss_ppm(b) / LOSS_STEP_PPM;

	if ((ha->stall.on != 0) != (hb->stall.on != 0))
		return hb->stall.on != 0;
	if (warm_a != warm_b)
		return warm_a;
	if (loss_a != loss_b)
		return loss_a < loss_b;
	if (warm_a && ha->srtt_us != hb->srtt_us)
		return ha->srtt_us < hb->srtt_us;
	if (ha->stable_since.us != hb->stable_since.us)
		return time_before(ha->stable_since, hb->stable_since);
	return a->number < b->number;
}
