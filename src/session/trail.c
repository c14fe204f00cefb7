/*
 * What goes to the audit trail, and how floods of refusals are kept from it.
 *
 * On the thread of the engine.
 */
#include "session/trail.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "session/limit.h"
#include "session/session.h"
#include "session/wheel.h"

#define FLOOD_MS 1000
#define FLAPS_MS 60000

static void fill(struct engine *e, const struct session *s, struct audit_record *r, enum audit_event event,
		 enum reason why, struct jv_time now)
{
	memset(r, 0, sizeof(*r));
	r->at = now;
	r->event = event;
	r->reason = why;
	r->client = e->client != NULL;
	r->late_ms = e->late_ms;
	r->node_id = e->config->node_id;
	r->worker = (uint8_t)e->worker;
	r->policy_version = e->policy_version;
	r->path_from = r->path_to = AUDIT_NO_PATH;
	r->count = 1;
	if (!s)
		return;
	snprintf(r->peer, sizeof(r->peer), "%s", session_peer_name(s));
	if (!s->told)
		return;
	r->has_session = true;
	memcpy(r->session_id, s->id, sizeof(r->session_id));
	r->state_version = s->state_version;
	r->binding_version = s->binding_version;
	r->from = r->to = s->state;
	r->epoch = s->keys.tx_epoch;
}

static void fill_traffic(const struct session *s, struct audit_record *r)
{
	r->traffic.rx_packets = s->rx_packets;
	r->traffic.rx_bytes = s->rx_bytes;
	r->traffic.tx_packets = s->tx_packets;
	r->traffic.tx_bytes = s->tx_bytes;
	r->traffic.paths_used = (uint64_t)__builtin_popcount(s->paths_used);
	if (r->event == AUDIT_SESSION_STATE_CHANGE && r->from == STATE_ATTACHED)
		r->traffic.stalled_ms = session_passage(s)->stalled_ms;
}

static void fill_path(struct session *s, struct audit_record *r, uint8_t from, const struct path *to,
		      struct jv_time now)
{
	r->path_from = from;
	r->budget_left = switch_limit_left(r->event == AUDIT_TRANSPORT_REBOUND ? &s->rare->rebindings->limit : &s->limit,
					   s->policy->max_switches_per_min, now);
	if (!to)
		return;
	r->path_to = to->number;
	r->remote = session_remote(to);
	r->srtt_us = (uint32_t)path_health(to)->srtt_us;
	r->loss_ppm = path_health(to)->loss_ppm;
	snprintf(r->path_name, sizeof(r->path_name), "%.31s", session_path_name(s, to->number));
}

void trail_session(struct session *s, enum audit_event event, enum reason why, struct jv_time now)
{
	struct audit_record r;

	if (!s->told)
		return;
	trail_flaps(s, now);
	fill(s->engine, s, &r, event, why, now);
	if (event == AUDIT_SESSION_TERMINATED)
		fill_traffic(s, &r);
#define X(key) r.bounds.key = s->policy->key;
	if (event == AUDIT_SESSION_CREATED || event == AUDIT_POLICY_RELOADED) {
		AUDIT_BOUNDS_LIST(X)
	}
#undef X
	/* Of SessionCreated: in BIRTH; rounded up, so that what is counted from then on is not found too short. */
	r.elapsed_ms = (uint64_t)(time_diff_us(now, s->born) + 999) / 1000;
	s->engine->io.audit(s->engine->ctx, &r);
}

void trail_path(struct session *s, enum audit_event event, enum reason why, uint8_t from,
		const struct path *to, struct jv_time now)
{
	const bool attempt = event == AUDIT_REATTACH_ATTEMPT || event == AUDIT_REATTACH_RESULT;
	struct audit_record r;

	if (!s->told)
		return;
	if (attempt && session_rare(s)->flapping) { /* it goes with the changes that wait */
		s->rare->flapping->sum.attempts += event == AUDIT_REATTACH_ATTEMPT;
		return;
	}
	trail_flaps(s, now);
	fill(s->engine, s, &r, event, why, now);
	fill_path(s, &r, from, to, now);
	if (event == AUDIT_REATTACH_RESULT)
		r.elapsed_ms = s->engine->client ? time_since_ms(now, s->jump->first)
						 : 0; /* a server judges at once */
	s->engine->io.audit(s->engine->ctx, &r);
}

/* --- state changes --- */

/* Has the session changed its state more often in this minute than is told one by one? An attacker on a path can make it
 * change at will. */
static bool flaps(struct session *s, struct jv_time now)
{
	if (session_rare(s)->flapping)
		return true;
	if (time_is_never(s->told_minute) || time_since_ms(now, s->told_minute) >= FLAPS_MS) {
		s->told_minute = now;
		s->told_changes = 0;
	}
	if (s->told_changes >= AUDIT_CHANGES_PER_MIN)
		return session_need_flapping(s); /* what cannot be kept is told */
	s->told_changes++;
	return false;
}

static void flaps_begin(struct session *s, enum state from, struct jv_time now)
{
	struct engine *e = s->engine;

	s->rare->flapping->from = from;
	s->rare->flapping->first = now;
	timer_start_earlier(&e->wheel, &e->flood_timer, time_add_ms(now, FLOOD_MS));
}

/* A stay in a state, and its longest of those that are bounded. */
static void flaps_stay(struct audit_flaps *sum, enum state state, uint32_t ms)
{
	uint32_t *most = state == STATE_VOLATILE     ? &sum->volatile_most_ms
			 : state == STATE_RECOVERING ? &sum->recovering_most_ms
						     : NULL;

	if (most && ms > *most)
		*most = ms;
	if (state == STATE_ATTACHED)
		sum->attached_ms += ms;
	else if (state == STATE_VOLATILE)
		sum->volatile_ms += ms;
	else if (state == STATE_DEGRADED)
		sum->degraded_ms += ms;
	else
		sum->recovering_ms += ms;
}

static void flaps_add(struct session *s, enum state from, uint64_t elapsed_ms, struct jv_time now)
{
	struct flapping *f = s->rare->flapping;

	if (f->n++ == 0)
		flaps_begin(s, from, now);
	f->last = now;
	if (s->engine->late_ms > f->late_ms)
		f->late_ms = s->engine->late_ms;
	if (from == STATE_ATTACHED && session_passage(s)->stalled_ms > f->stalled_ms)
		f->stalled_ms = session_passage(s)->stalled_ms;
	flaps_stay(&f->sum, from, (uint32_t)elapsed_ms);
}

void trail_flaps(struct session *s, struct jv_time now)
{
	const struct flapping *f = session_rare(s)->flapping;
	struct audit_record r;

	if (!f)
		return;
	fill(s->engine, s, &r, AUDIT_SESSION_STATE_CHANGE, s->reason, f->last);
	r.from = f->from;
	r.count = f->n;
	r.late_ms = f->late_ms;
	r.elapsed_ms =
		(uint64_t)f->sum.attached_ms + f->sum.volatile_ms + f->sum.degraded_ms + f->sum.recovering_ms;
	fill_traffic(s, &r);
	r.traffic.stalled_ms = f->stalled_ms;
	fill_path(s, &r, AUDIT_NO_PATH, s->active, now);
	r.flaps = f->sum;
	r.flaps.span_ms = (uint32_t)time_since_ms(f->last, f->first);
	if (!time_is_never(s->left_attached))
		r.flaps.away_ms = (uint32_t)time_since_ms(f->last, s->left_attached);
	if (r.count == 1)
		memset(&r.flaps, 0, sizeof(r.flaps));
	session_drop_flapping(s);
	s->engine->io.audit(s->engine->ctx, &r);
}

/* Those whose minute is over; the others wait on. */
static void flaps_flush(struct engine *e, bool all, struct jv_time now)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &e->flapping) {
		struct session *s = container_of(pos, struct flapping, node)->session;

		if (all || time_since_ms(now, s->told_minute) >= FLAPS_MS)
			trail_flaps(s, now);
	}
	if (!list_is_empty(&e->flapping))
		timer_start_earlier(&e->wheel, &e->flood_timer, time_add_ms(now, FLOOD_MS));
}

void trail_state(struct session *s, enum state from, enum state to, enum reason why, uint64_t elapsed_ms,
		 struct jv_time now)
{
	struct audit_record r;

	if (!s->told)
		return;
	if (from != STATE_BIRTH && to != STATE_TERMINATED && flaps(s, now)) {
		flaps_add(s, from, elapsed_ms, now);
		return;
	}
	fill(s->engine, s, &r, AUDIT_SESSION_STATE_CHANGE, why, now);
	r.from = from;
	r.to = to;
	r.elapsed_ms = elapsed_ms;
	fill_traffic(s, &r);
	fill_path(s, &r, AUDIT_NO_PATH, s->active, now);
	s->engine->io.audit(s->engine->ctx, &r);
}

/* --- sessions that never attached --- */

void trail_created(struct session *s, struct jv_time now)
{
	s->told = true;
	trail_session(s, AUDIT_SESSION_CREATED, REASON_NONE, now);
}

static void unattached_emit(struct engine *e, uint32_t peer, struct jv_time now)
{
	struct caller *c = e->callers[peer];
	struct audit_record r;

	fill(e, NULL, &r, AUDIT_HANDSHAKES_UNFINISHED, c->why, now);
	snprintf(r.peer, sizeof(r.peer), "%s", e->config->peers[peer].name);
	r.remote = c->remote;
	r.count = c->unattached;
	c->unattached = 0;
	c->told = now;
	e->io.audit(e->ctx, &r);
}

static bool is_due(const struct caller *c, struct jv_time now)
{
	return c->told.us == 0 || !time_before(now, time_add_ms(c->told, FLOOD_MS));
}

void trail_unattached(struct session *s, enum reason why, struct jv_time now)
{
	struct engine *e = s->engine;
	struct caller *c = e->callers[s->peer];

	c->why = why;
	c->remote = session_remote(s->slot[0].path);
	if (c->unattached++ > 0)
		return; /* it waits in the chain */
	if (is_due(c, now)) {
		unattached_emit(e, s->peer, now);
		return;
	}
	c->next = e->unattached;
	e->unattached = s->peer + 1;
	timer_start_earlier(&e->wheel, &e->flood_timer, time_add_ms(c->told, FLOOD_MS));
}

/* Those that are due; the others wait on. */
static void unattached_flush(struct engine *e, bool all, struct jv_time now)
{
	uint32_t next = e->unattached;

	e->unattached = 0;
	while (next != 0) {
		const uint32_t i = next;
		struct caller *c = e->callers[i - 1];

		next = c->next;
		c->next = 0;
		if (all || is_due(c, now)) {
			unattached_emit(e, i - 1, now);
			continue;
		}
		c->next = e->unattached;
		e->unattached = i;
		timer_start_earlier(&e->wheel, &e->flood_timer, time_add_ms(c->told, FLOOD_MS));
	}
}

void trail_unattached_all(struct engine *e, struct jv_time now)
{
	unattached_flush(e, true, now);
	flaps_flush(e, true, now);
}

/* --- refusals --- */

/* How many addresses there were, at least: some may share a bit. */
static uint32_t flood_sources(const struct flood *f)
{
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof(f->source) / sizeof(f->source[0]); i++)
		n += (uint32_t)__builtin_popcountll(f->source[i]);
	return n;
}

static void flood_emit(struct engine *e, struct flood *f, struct jv_time now)
{
	struct audit_record *r = &f->record;

	r->count = f->waiting;
	r->sources = flood_sources(f);
	if (r->sources > 1)
		memset(&r->remote, 0, sizeof(r->remote)); /* the last of them would pass for all */
	else
		r->sources = 0;
	f->waiting = 0;
	f->last = now;
	memset(f->source, 0, sizeof(f->source));
	e->io.audit(e->ctx, r);
}

static void flood_note_source(struct flood *f, const struct endpoint *from)
{
	uint64_t sum = 0;

	if (from->port == 0)
		return;
	for (size_t i = 0; i < sizeof(from->ip.b); i++)
		sum = (sum ^ from->ip.b[i]) * UINT64_C(0x9e3779b97f4a7c15);
	sum >>= 64 - 8;
	f->source[sum / 64] |= UINT64_C(1) << sum % 64;
}

/* The one of this event and reason; else a free one; else one that waits for nothing; else the first. */
static struct flood *flood_of(struct engine *e, const struct audit_record *r)
{
	struct flood *found = &e->flood[0];

	for (size_t i = 0; i < FLOOD_KINDS; i++) {
		struct flood *f = &e->flood[i];

		if (f->last.us != 0 && f->record.event == r->event && f->record.reason == r->reason)
			return f;
		if (found->last.us != 0 && (f->last.us == 0 || (found->waiting > 0 && f->waiting == 0)))
			found = f;
	}
	if (found->waiting > 0)
		flood_emit(e, found, r->at);
	memset(found, 0, sizeof(*found));
	return found;
}

/* Of several sessions, or keys, it is nobody's. */
static void flood_merge(struct flood *f, const struct audit_record *r)
{
	const bool others =
		f->waiting > 0 && (f->record.has_session != r->has_session ||
				   memcmp(f->record.session_id, r->session_id, sizeof(r->session_id)) != 0);
	const bool other_key =
		f->waiting > 0 && memcmp(f->record.public_key, r->public_key, sizeof(r->public_key)) != 0;

	f->record = *r;
	if (other_key)
		memset(f->record.public_key, 0, sizeof(f->record.public_key));
	if (others) {
		f->record.has_session = false;
		memset(f->record.session_id, 0, sizeof(f->record.session_id));
		f->record.peer[0] = '\0';
	}
}

/* The first one goes out at once; those of the second behind it become one record with their number. */
static void flood(struct engine *e, const struct audit_record *r, struct jv_time now)
{
	struct flood *f = flood_of(e, r);
	const struct jv_time next = time_add_ms(f->last, FLOOD_MS);

	flood_merge(f, r);
	flood_note_source(f, &r->remote);
	f->waiting += r->count;
	if (f->last.us != 0 && time_before(now, next))
		timer_start_earlier(&e->wheel, &e->flood_timer, next);
	else
		flood_emit(e, f, now);
}

void trail_flush(struct timer *t, struct jv_time now)
{
	struct engine *e = container_of(t, struct engine, flood_timer);

	for (unsigned int i = 0; i < FLOOD_KINDS; i++)
		if (e->flood[i].waiting > 0)
			flood_emit(e, &e->flood[i], now);
	unattached_flush(e, false, now);
	flaps_flush(e, false, now);
}

void trail_denied(struct session *s, enum reason why, const struct path *to, uint32_t retry_after_ms,
		  struct jv_time now)
{
	struct audit_record r;

	fill(s->engine, s, &r, AUDIT_TRANSPORT_SWITCH_DENIED, why, now);
	fill_path(s, &r, s->active ? s->active->number : AUDIT_NO_PATH, to, now);
	r.retry_after_ms = retry_after_ms;
	flood(s->engine, &r, now);
}

void trail_refused(struct engine *e, struct session *s, enum audit_event event, enum reason why,
		   const struct endpoint *from, struct jv_time now)
{
	struct audit_record r;

	fill(e, s, &r, event, why, now);
	if (from)
		r.remote = *from;
	flood(e, &r, now);
}

/* The entry of this key; or the one that was told of the longest ago, for it. */
static struct stranger *stranger_of(struct engine *e, const uint8_t key[PROTO_KEY_LEN])
{
	struct stranger *oldest = &e->stranger[0];

	for (size_t i = 0; i < STRANGERS; i++) {
		struct stranger *s = &e->stranger[i];

		if (s->told.us != 0 && memcmp(s->key, key, sizeof(s->key)) == 0)
			return s;
		if (time_before(s->told, oldest->told))
			oldest = s;
	}
	memset(oldest, 0, sizeof(*oldest));
	memcpy(oldest->key, key, sizeof(oldest->key));
	return oldest;
}

void trail_stranger(struct engine *e, const uint8_t key[PROTO_KEY_LEN], const struct endpoint *from,
		    struct jv_time now)
{
	struct stranger *s = stranger_of(e, key);
	char text[KEY_BASE64_LEN + 1];
	struct audit_record r;

	s->untold++;
	if (s->told.us != 0 && time_since_ms(now, s->told) < STRANGER_MS)
		return;
	fill(e, NULL, &r, AUDIT_SECURITY_VALIDATION_FAILED, REASON_UNKNOWN_PEER, now);
	base64_encode(text, key, PROTO_KEY_LEN);
	memcpy(r.public_key, text, sizeof(r.public_key));
	r.remote = *from;
	r.count = s->untold;
	s->untold = 0;
	s->told = now;
	flood(e, &r, now);
}
