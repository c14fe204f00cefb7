/*
 * Does DATA pass on the active path? The rule is told in stall.h; here what was sent and what was reported are compared.
 *
 * On the thread of the engine.
 */
#include "session/stall.h"

#include "session/keys.h"
#include "session/path.h"
#include "session/session.h"

#define HOLD_MAX_MS 60000
#define FORGET_MS 180000 /* without another stall the hold begins anew */
#define TRIES_MAX 3      /* moves to paths that have stalled, until one of them carries */
#define LATE_INTERVALS 2 /* heartbeats: so much behind CONTROL is late */
#define LATE_PATIENCES 4 /* or, where round trips are long, so many times what an answer may take */

static int64_t late_us(const struct path *p)
{
	const int64_t intervals_us =
		LATE_INTERVALS * 1000 * (int64_t)p->session->policy->heartbeat_interval_ms;
	const int64_t patiences_us = LATE_PATIENCES * path_patience_us(p);

	return intervals_us > patiences_us ? intervals_us : patiences_us;
}

static void follow(struct lag *l, uint64_t newest, struct jv_time now)
{
	if (l->mark != 0 || newest <= l->seen)
		return;
	l->mark = newest;
	l->at = now;
	l->missed = l->struck = false;
}

/* All up to `order` has arrived. True: what was followed, and in time. */
static bool arrived(struct lag *l, uint64_t order)
{
	if (order <= l->seen)
		return false;
	l->seen = order;
	if (l->mark == 0 || l->mark > order)
		return false;
	l->mark = 0;
	return !l->struck;
}

/* CONTROL of `asked` has come, and `newest` was sent by then. */
static void count_strike(struct lag *l, uint64_t newest, struct jv_time asked, int64_t late_us)
{
	if (l->mark == 0 || time_before(asked, l->at))
		return;
	l->missed = true;
	if (time_diff_us(asked, l->at) < late_us)
		return;
	l->struck = true;
	if (newest <= l->counted)
		return;
	l->counted = newest;
	if (l->strikes == 0)
		l->since = l->at;
	if (l->strikes < UINT8_MAX)
		l->strikes++;
}

static bool is_dead(const struct path *p, const struct lag *l, struct jv_time now)
{
	const struct policy *pol = p->session->policy;

	return l->strikes >= path_strikes(p, pol) &&
	       time_since_ms(now, l->since) >=
		       (uint64_t)pol->max_consecutive_drops * pol->heartbeat_interval_ms;
}

void stall_pinged(struct path *p, struct jv_time now)
{
	const uint64_t newest = path_health(p)->newest;
	const bool rests = !session_rare(p->session)->lags && session_is_idle(p->session);
	struct lags *l = !rests && newest > session_lags(p->session)->there.seen ? session_need_lags(p->session) : NULL;

	if (l)
		follow(&l->there, newest, now);
}

/* What the peer says by the low byte of an epoch: of the newest two; what is older tells nothing any more. */
static uint64_t order_told(const struct session *s, uint8_t epoch, uint64_t highest)
{
	uint32_t number = keys_newest(&s->keys);

	if ((uint8_t)number != epoch && (number == 0 || (uint8_t)--number != epoch))
		return 0;
	return keys_order(number, highest);
}

/* Answers whether DATA passes; as does the next. */
static bool judge_there(struct path *p, const struct path_report *r, struct jv_time asked)
{
	struct lag *l = &p->session->rare->lags->there;
	const bool passes = arrived(l, order_told(p->session, r->epoch, r->highest));

	if (!time_is_never(asked))
		count_strike(l, path_health(p)->newest, asked, late_us(p));
	return passes;
}

/* What is here before the CONTROL behind it is in time, and need not be followed. */
static bool judge_back(struct path *p, const struct path_report *r, struct jv_time now)
{
	const struct session *s = p->session;
	const uint64_t newest = order_told(s, r->newest_epoch, r->newest);
	const uint64_t here = keys_order(s->rx_epoch, s->rx_highest);
	struct lag *l = &p->session->rare->lags->back;
	const bool at_once = l->mark == 0 && newest > l->seen && newest <= here;
	const bool passes = arrived(l, here);

	count_strike(l, newest, now, late_us(p));
	follow(l, newest, now);
	return passes || at_once;
}

static void carries(struct path *p, struct lag *l, enum stalled way)
{
	l->strikes = 0;
	if (p->session->state != STATE_ATTACHED)
		return;
	p->health->stall.on &= (uint8_t)~way;
	if (p->health->stall.on == 0)
		p->session->stall_tries = 0;
}

/*
 * Has DATA passed in either direction, or was any sent? Until then there is nothing to be late; nor is there when a session
 * rests, and all has arrived.
 */
static bool carries_data(const struct path *p, const struct path_report *r)
{
	const struct session *s = p->session;
	const uint64_t there = order_told(s, r->epoch, r->highest);
	const uint64_t back = order_told(s, r->newest_epoch, r->newest);
	const uint64_t here = keys_order(s->rx_epoch, s->rx_highest);

	if (session_rare(s)->lags)
		return true;
	if (session_is_idle(s) && path_health(p)->stall.on == 0 && s->stall_tries == 0)
		return back > here || path_health(p)->newest > there;
	return there > 0 || back > 0 || here > 0;
}

unsigned int stall_reported(struct path *p, const struct path_report *report, struct jv_time asked,
			    struct jv_time now)
{
	struct session *s = p->session;
	unsigned int dead;

	if (p != s->active || s->state == STATE_RECOVERING || s->state == STATE_BIRTH)
		return 0;
	if (!carries_data(p, report) || !session_need_lags(s))
		return 0;
	if (judge_there(p, report, asked))
		carries(p, &s->rare->lags->there, STALLED_THERE);
	if (judge_back(p, report, now))
		carries(p, &s->rare->lags->back, STALLED_BACK);
	dead = (is_dead(p, &s->rare->lags->there, now) ? STALLED_THERE : 0u) |
	       (is_dead(p, &s->rare->lags->back, now) ? STALLED_BACK : 0u);
	return s->state == STATE_ATTACHED ? dead : 0;
}

unsigned int stall_likely(const struct path *p)
{
	const struct lags *l = session_lags(p->session);

	return (l->there.strikes > 0 ? STALLED_THERE : 0u) | (l->back.strikes > 0 ? STALLED_BACK : 0u);
}

static struct jv_time lag_due(const struct lag *l, int64_t late_us)
{
	return l->mark != 0 && l->missed && !l->struck ? time_add_us(l->at, late_us) : TIME_NEVER;
}

struct jv_time stall_due(const struct path *p)
{
	const struct lags *l = session_lags(p->session);
	const int64_t late = late_us(p);

	return time_min(lag_due(&l->there, late), lag_due(&l->back, late));
}

void stall_mark(struct path *p, unsigned int ways, struct jv_time now)
{
	struct session *s = p->session;
	struct stall *st = &p->health->stall;
	const bool again = !time_is_never(st->at) && time_since_ms(now, st->at) < FORGET_MS;
	uint32_t ms = again ? st->hold_ms * 2 : s->policy->volatile_to_degraded_ms;

	if (ms > HOLD_MAX_MS)
		ms = HOLD_MAX_MS;
	if (ms > s->policy->transport_lost_ttl_ms / 2)
		ms = s->policy->transport_lost_ttl_ms / 2;
	st->on |= (uint8_t)ways;
	st->at = now;
	st->hold_ms = ms;
}

static bool is_held(const struct path *p, struct jv_time now)
{
	const struct stall *st = &path_health(p)->stall;

	return st->on != 0 && time_since_ms(now, st->at) < st->hold_ms;
}

bool stall_is_over(const struct path *p, struct jv_time now)
{
	/* Left for another reason: nothing was sent since that could tell. */
	if (p->session->instability != REASON_DATA_STALLED)
		return true;
	return !path_health(p)->stall.told && stall_likely(p) == 0 && !is_held(p, now);
}

bool stall_may_take(const struct path *p, struct jv_time now)
{
	return path_health(p)->stall.on == 0 || (!is_held(p, now) && p->session->stall_tries < TRIES_MAX);
}

void stall_void(struct session *s)
{
	struct lags *l = session_rare(s)->lags;

	if (!l)
		return;
	l->there.mark = l->back.mark = 0;
	l->there.strikes = l->back.strikes = 0;
}

static bool is_settled(const struct lag *l)
{
	return l->mark == 0 && l->strikes == 0;
}

void stall_rests(struct session *s)
{
	const struct lags *l = session_lags(s);
	const struct health *h = s->active ? path_health(s->active) : &health_never;

	if (is_settled(&l->there) && is_settled(&l->back) && l->there.seen >= h->newest && h->stall.on == 0 &&
	    s->stall_tries == 0)
		session_drop_lags(s);
}

void stall_bound(struct path *p)
{
	p->health->newest = 0;
	session_drop_lags(p->session);
	p->health->stall.told = false;
}
