/* The records of each session judged in turn. Sessions are kept in told.c, rows and reasons in contract.c. */
#include "report/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/contract.h"
#include "report/told.h"

#define WINDOW_US 60000000ll

struct verify {
	verify_found *found;
	void *ctx;
	struct told_table told;
	struct verify_totals totals;
	/* the record at hand */
	uint32_t number;
	uint64_t line;
	const struct audit_record *r;
};

__attribute__((format(printf, 4, 5))) static void find(struct verify *v, const char *rule,
						       const struct told *t, const char *format, ...)
{
	struct verify_finding f = { .rule = rule, .origin = v->number, .line = v->line };
	const uint8_t *id = t ? t->id : v->r && v->r->has_session ? v->r->session_id : NULL;
	va_list args;

	f.has_session = id != NULL;
	if (id)
		memcpy(f.session_id, id, sizeof(f.session_id));
	va_start(args, format);
	vsnprintf(f.text, sizeof(f.text), format, args);
	va_end(args);
	v->totals.findings++;
	v->found(v->ctx, &f);
}

/* --- bounds --- */

/* What is past its bound by more than the clock's grain and the worker's own delay. */
static bool is_past(struct jv_time at, struct jv_time from, uint32_t bound_ms, uint32_t late_ms)
{
	return bound_ms > 0 && !time_is_never(from) &&
	       time_diff_us(at, from) > ((int64_t)bound_ms + VERIFY_SLACK_MS + late_ms) * 1000;
}

/* A bound that was lowered ends what is beyond it at once, and not before it was lowered. */
static bool is_past_lowered(const struct told *t, struct jv_time at, struct jv_time from, uint32_t bound_ms,
			    uint32_t late_ms)
{
	return is_past(at, from, bound_ms, late_ms) &&
	       (time_is_never(t->bounds_at) || is_past(at, t->bounds_at, 1, late_ms));
}

/* Is anything of this session overdue at `at`? Each bound is found once: what is overdue and told so is over. */
static void check_bounds(struct verify *v, struct told *t, struct jv_time at, uint32_t late_ms)
{
	const struct audit_bounds *b = &t->bounds;
	const long long in_state = time_diff_us(at, t->since) / 1000;

	if (t->state == STATE_TERMINATED)
		return;
	if (t->state == STATE_BIRTH && is_past(at, t->born, b->handshake_timeout_ms, late_ms))
		find(v, "I6", t, "in BIRTH for %lld ms, handshake_timeout_ms is %u", in_state,
		     b->handshake_timeout_ms);
	if (t->state == STATE_VOLATILE && is_past(at, t->since, b->volatile_to_degraded_ms, late_ms))
		find(v, "I6", t, "in VOLATILE for %lld ms, volatile_to_degraded_ms is %u", in_state,
		     b->volatile_to_degraded_ms);
	if (t->state == STATE_RECOVERING && is_past(at, t->since, b->recovery_window_ms, late_ms))
		find(v, "I5", t, "in RECOVERING for %lld ms, recovery_window_ms is %u", in_state,
		     b->recovery_window_ms);
	if (is_past_lowered(t, at, t->left_attached, b->transport_lost_ttl_ms, late_ms)) {
		find(v, "I6", t, "without a transport for %lld ms, transport_lost_ttl_ms is %u",
		     (long long)time_diff_us(at, t->left_attached) / 1000, b->transport_lost_ttl_ms);
		t->left_attached = TIME_NEVER;
	}
	if (is_past_lowered(t, at, t->born, b->max_lifetime_ms, late_ms)) {
		find(v, "I6", t, "alive for %lld ms, max_lifetime_ms is %u",
		     (long long)time_diff_us(at, t->born) / 1000, b->max_lifetime_ms);
		t->born = TIME_NEVER;
	}
}

/* The end came for a bound: not before it (I3). A sum of changes tells to the millisecond since when (away_ms). */
static void check_not_early(struct verify *v, const struct told *t, const struct audit_record *r)
{
	struct jv_time from = TIME_NEVER;
	uint32_t bound = 0;

	if (r->reason == REASON_TRANSPORT_TTL_EXCEEDED) {
		from = t->left_attached;
		bound = t->bounds.transport_lost_ttl_ms;
		if (t->state == STATE_ATTACHED || t->state == STATE_BIRTH)
			find(v, "I3", t, "ended for want of a transport in state %s", state_name(t->state));
	} else if (r->reason == REASON_SESSION_LIFETIME_EXCEEDED) {
		from = t->born;
		bound = t->bounds.max_lifetime_ms;
	}
	if (!time_is_never(from) && time_diff_us(r->at, from) + 1000 <= (int64_t)bound * 1000)
		find(v, "I3", t, "%s after %lld ms of %u", reason_name(r->reason),
		     (long long)time_diff_us(r->at, from) / 1000, bound);
}

/* --- switches --- */

static void forget_old_moves(struct told_moves *m, struct jv_time now)
{
	uint8_t old = 0;

	while (old < m->n && time_diff_us(now, m->at[old]) > WINDOW_US)
		old++;
	m->n -= old;
	if (old)
		memmove(m->at, m->at + old, m->n * sizeof(*m->at));
}

static void remember_move(struct told_moves *m, struct jv_time now)
{
	if (m->n == m->cap) {
		const uint8_t cap = m->cap ? (uint8_t)(2 * m->cap) : 4;
		struct jv_time *more = cap <= 128 ? realloc(m->at, cap * sizeof(*more)) : NULL;

		if (!more) { /* there are findings enough: the oldest goes */
			memmove(m->at, m->at + 1, (m->n - 1u) * sizeof(*m->at));
			m->n--;
		} else {
			m->at = more;
			m->cap = cap;
		}
	}
	m->at[m->n++] = now;
}

/*
 * I4, over the closed window of 60 s that ends here, for switches and for rebindings each by themselves. A client that
 * learns of several switches at one moment asked for one: the server judged each, and its log is held to it.
 */
static void check_moves(struct verify *v, struct told *t, const struct audit_record *r)
{
	const bool is_switch = r->event == AUDIT_TRANSPORT_SWITCH;
	const char *what = is_switch ? "switch" : "rebinding";
	struct told_moves *m = is_switch ? &t->switches : &t->rebindings;
	uint32_t max = t->bounds.max_switches_per_min, cooldown = t->bounds.switch_cooldown_ms;

	if (t->max_before > max)
		max = t->max_before;
	if (t->max_before > 0 && t->cooldown_before < cooldown)
		cooldown = t->cooldown_before;
	forget_old_moves(m, r->at);
	if (t->client && m->n > 0 && time_diff_us(r->at, m->at[m->n - 1]) == 0)
		return;
	remember_move(m, r->at);
	if (t->bounds.max_switches_per_min == 0)
		return;
	if (m->n > max)
		find(v, "I4", t, "%u %s%s in 60 s, the first of them %lld ms ago; %u are allowed", m->n, what,
		     is_switch ? "es" : "s", (long long)time_diff_us(r->at, m->at[0]) / 1000, max);
	if (!t->client && !time_is_never(m->last) && time_diff_us(r->at, m->last) < (int64_t)cooldown * 1000)
		find(v, "I4", t, "a %s %lld ms after the last one, switch_cooldown_ms is %u", what,
		     (long long)time_diff_us(r->at, m->last) / 1000, cooldown);
	m->last = r->at;
}

/* --- data --- */

/* I12, as far as this end's log can tell: whether what it sent was reported by the peer. What the peer sent stands in
 * the peer's log. */
static void check_data(struct verify *v, struct told *t, const struct audit_record *r)
{
	const uint64_t bound = contract_data_ms(&t->bounds), before = t->tx_packets;

	if (r->to == STATE_ATTACHED)
		t->tx_packets = r->traffic.tx_packets;
	if (r->from != STATE_ATTACHED && r->flaps.attached_ms == 0)
		return;
	v->totals.stays++;
	if (bound == 0)
		v->totals.stays_unbound++;
	else if (r->traffic.tx_packets == before)
		v->totals.stays_silent++;
	else if (r->traffic.stalled_ms > bound + r->late_ms)
		find(v, "I12", t, "ATTACHED though its data did not pass for %llu ms; %llu are the bound",
		     (unsigned long long)r->traffic.stalled_ms, (unsigned long long)bound);
}

/* --- the records of a session --- */

static void take_state(struct told *t, const struct audit_record *r)
{
	if (r->to == STATE_RECOVERING && time_diff_us(r->at, t->bounds_at) != 0)
		t->max_before = 0; /* judged by what is in force */
	if (r->to == STATE_ATTACHED)
		t->max_before = 0;
	if (r->from == STATE_ATTACHED || r->count > 1)
		t->left_attached = time_add_ms(r->at, -(int64_t)r->flaps.away_ms);
	if (r->to == STATE_ATTACHED)
		t->left_attached = TIME_NEVER;
	if (time_is_never(t->minute) || time_since_ms(r->at, t->minute) >= WINDOW_US / 1000) {
		t->changes_before = t->changes;
		t->changes = 0;
		t->minute = r->at;
	}
	t->changes += r->count;
	t->state = r->to;
	t->why = r->reason;
	t->since = r->at;
	t->state_version = r->state_version;
}

/* Of several changes in one record: what their bounds are, and no more than they can have been. */
static void check_sum(struct verify *v, struct told *t, const struct audit_record *r)
{
	const struct audit_flaps *f = &r->flaps;
	const struct audit_bounds *b = &t->bounds;
	const struct jv_time start = TIME_ZERO;

	if (r->count < 2)
		return;
	if (is_past(time_add_ms(start, f->volatile_most_ms), start, b->volatile_to_degraded_ms, r->late_ms))
		find(v, "I6", t, "in VOLATILE for %u ms, volatile_to_degraded_ms is %u", f->volatile_most_ms,
		     b->volatile_to_degraded_ms);
	if (is_past(time_add_ms(start, f->recovering_most_ms), start, b->recovery_window_ms, r->late_ms))
		find(v, "I5", t, "in RECOVERING for %u ms, recovery_window_ms is %u", f->recovering_most_ms,
		     b->recovery_window_ms);
	if (t->changes + t->changes_before < AUDIT_CHANGES_PER_MIN && !t->adopted)
		find(v, "I8", t, "%llu transitions in one record, behind %llu that were told one by one",
		     (unsigned long long)r->count, (unsigned long long)t->changes);
}

static void check_state(struct verify *v, struct told *t, const struct audit_record *r)
{
	const bool sum = r->count > 1;

	if (r->from != t->state)
		find(v, "I8", t, "leaves %s, but was in %s", state_name(r->from), state_name(t->state));
	if (!(sum ? contract_leads(r->from, r->to, r->count, r->reason) :
		    contract_allows(r->from, r->to, r->reason)))
		find(v, "I8", t, "%s to %s for %s is not allowed", state_name(r->from), state_name(r->to),
		     reason_name(r->reason));
	if (r->state_version != t->state_version + (uint32_t)r->count)
		find(v, "I7", t, "state_version %u after %u", r->state_version, t->state_version);
	if (r->binding_version != t->binding_version)
		find(v, "I7", t, "binding_version %u after %u, without a switch", r->binding_version,
		     t->binding_version);
	if (r->from != STATE_BIRTH && r->path_to != t->active)
		find(v, "I1", t, "path %d is active, but it was %d", (int8_t)r->path_to, (int8_t)t->active);
	check_sum(v, t, r);
	check_not_early(v, t, r);
	check_data(v, t, r);
	take_state(t, r);
	t->binding_version = r->binding_version;
}

static void check_switch(struct verify *v, struct told *t, const struct audit_record *r)
{
	if (t->active == AUDIT_NO_PATH || r->path_from != t->active)
		find(v, "I1", t, "switches from path %d, but %d is active", (int8_t)r->path_from,
		     (int8_t)t->active);
	if (r->path_to == AUDIT_NO_PATH)
		find(v, "I1", t, "switches to no path");
	if (r->binding_version != t->binding_version + 1)
		find(v, "I7", t, "binding_version %u after %u at a switch", r->binding_version,
		     t->binding_version);
	if (t->state != STATE_RECOVERING)
		find(v, "I8", t, "a switch in state %s", state_name(t->state));
	t->binding_version = r->binding_version;
	t->active = r->path_to;
	check_moves(v, t, r);
	v->totals.switches++;
}

static void take_bounds(struct told *t, const struct audit_record *r)
{
	t->max_before = t->bounds.max_switches_per_min;
	t->cooldown_before = t->bounds.switch_cooldown_ms;
	t->bounds = r->bounds;
	t->bounds_at = r->at;
}

static void check_other(struct verify *v, struct told *t, const struct audit_record *r)
{
	switch (r->event) {
	case AUDIT_TRANSPORT_SWITCH:
		check_switch(v, t, r);
		break;
	case AUDIT_TRANSPORT_REBOUND:
		if (r->path_to != t->active)
			find(v, "I1", t, "path %d is rebound, but %d is active", (int8_t)r->path_to,
			     (int8_t)t->active);
		check_moves(v, t, r);
		v->totals.rebindings++;
		break;
	case AUDIT_TRANSPORT_ATTACHED:
		if (t->active != AUDIT_NO_PATH)
			find(v, "I1", t, "attached to path %d while %d is active", (int8_t)r->path_to,
			     (int8_t)t->active);
		if (t->state != STATE_ATTACHED)
			find(v, "I8", t, "attached to a path in state %s", state_name(t->state));
		t->active = r->path_to;
		break;
	case AUDIT_REATTACH_RESULT:
		if (r->reason == REASON_REATTACH_SUCCESS && t->state != STATE_ATTACHED)
			find(v, "I8", t, "reattached in state %s", state_name(t->state));
		break;
	case AUDIT_POLICY_RELOADED:
		take_bounds(t, r);
		break;
	default:
		break;
	}
	if (r->state_version != t->state_version)
		find(v, "I7", t, "state_version %u without a transition, it was %u", r->state_version,
		     t->state_version);
	if (r->binding_version != t->binding_version)
		find(v, "I7", t, "binding_version %u without a switch, it was %u", r->binding_version,
		     t->binding_version);
	if (r->to != t->state)
		find(v, "I8", t, "in state %s without a transition, it was %s", state_name(r->to),
		     state_name(t->state));
	t->state_version = r->state_version;
	t->binding_version = r->binding_version;
	t->state = r->to;
}

static void check_end(struct verify *v, struct told *t, const struct audit_record *r)
{
	check_other(v, t, r);
	if (t->state != STATE_TERMINATED)
		find(v, "I2", t, "ended in state %s", state_name(t->state));
	else if (r->reason != t->why)
		find(v, "I8", t, "ended for %s, but the transition says %s", reason_name(r->reason),
		     reason_name(t->why));
	told_ended(&v->told, t);
}

/* So many changes were told, or may be among those missing, that others may have been summed up. */
static bool may_sum(const struct told *t, uint64_t missing)
{
	return missing >= AUDIT_CHANGES_PER_MIN ||
	       t->changes + t->changes_before + missing >= AUDIT_CHANGES_PER_MIN;
}

/* Behind a gap: the record is believed, as far as what is missing can explain it. */
static void resume(struct verify *v, struct told *t, const struct audit_record *r)
{
	const bool moves = r->event == AUDIT_SESSION_STATE_CHANGE;
	const uint32_t sv = moves ? r->state_version - (uint32_t)r->count : r->state_version;
	const uint32_t bv = r->event == AUDIT_TRANSPORT_SWITCH ? r->binding_version - 1 : r->binding_version;
	const uint64_t gone = (uint64_t)(sv - t->state_version) + (bv - t->binding_version);
	struct origin *o = t->origin;

	t->gaps = told_gaps(t);
	t->adopted = true;
	v->totals.resumed++;
	if ((int32_t)(sv - t->state_version) < 0 || (int32_t)(bv - t->binding_version) < 0 ||
	    (gone > o->missing && !may_sum(t, o->missing))) {
		find(v, "I7", t, "versions %u and %u after %u and %u, which the gap does not explain",
		     r->state_version, r->binding_version, t->state_version, t->binding_version);
	} else if (o->missing != VERIFY_UNKNOWN) {
		o->missing -= gone < o->missing ? gone : o->missing;
	}
	if (sv != t->state_version || r->from != t->state) {
		/* How long it has been so is known only where the record tells. */
		t->since = moves ? time_add_ms(r->at, -(int64_t)r->elapsed_ms) : r->at;
		t->left_attached = TIME_NEVER;
		t->max_before = 0;
		t->why = r->reason;
	}
	t->state = r->from;
	t->state_version = sv;
	t->binding_version = bv;
	if (r->event == AUDIT_TRANSPORT_SWITCH || r->event == AUDIT_REATTACH_ATTEMPT)
		t->active = r->path_from;
	else if (r->event == AUDIT_SESSION_STATE_CHANGE || r->event == AUDIT_TRANSPORT_REBOUND)
		t->active = r->path_to;
}

/* A session whose beginning is missing: its bounds and age stay unknown. */
static struct told *adopt(struct verify *v, struct origin *o, const struct audit_record *r)
{
	struct told *t;

	if (o->missing == 0 || told_has_ended(&v->told, o->number, r->session_id)) {
		find(v, "I2", NULL,
		     told_has_ended(&v->told, o->number, r->session_id)
			     ? "%s after the session's end"
			     : "%s of a session that was never created",
		     audit_event_name(r->event));
		return NULL;
	}
	if (o->missing != VERIFY_UNKNOWN)
		o->missing--;
	t = told_new(&v->told, o, r);
	if (!t)
		return NULL;
	v->totals.adopted++;
	t->adopted = true;
	t->state = r->from;
	t->why = r->reason;
	t->state_version = r->state_version -
			   (r->event == AUDIT_SESSION_STATE_CHANGE ? (uint32_t)r->count : 0);
	t->binding_version = r->binding_version - (r->event == AUDIT_TRANSPORT_SWITCH);
	if (r->event == AUDIT_TRANSPORT_SWITCH || r->event == AUDIT_REATTACH_ATTEMPT)
		t->active = r->path_from;
	else if (r->event == AUDIT_SESSION_STATE_CHANGE && r->from != STATE_BIRTH)
		t->active = r->path_to;
	return t;
}

/* I11: whoever had the session is to say no more of it than that it is lost. */
static void take_over(struct verify *v, const struct told *t)
{
	for (struct told *other = told_first(&v->told, t->id); other; other = other->next)
		if (other != t && !other->client && memcmp(other->id, t->id, sizeof(t->id)) == 0)
			other->taken_over = true;
}

static void check_owner(struct verify *v, struct told *t, const struct audit_record *r)
{
	if (!t->taken_over || (r->to == STATE_TERMINATED && r->reason == REASON_OWNERSHIP_LOST))
		return;
	find(v, "I11", t, "%s by node %u, but another node has taken the session over",
	     audit_event_name(r->event), r->node_id);
	t->taken_over = false;
}

static struct told *create(struct verify *v, struct origin *o, const struct audit_record *r)
{
	struct told *t;

	if (told_has_ended(&v->told, o->number, r->session_id))
		find(v, "I2", NULL, "created again after its end");
	if (r->state_version != 0 || r->binding_version != 0 || r->to != STATE_BIRTH)
		find(v, "I7", NULL, "begins in %s with versions %u and %u", state_name(r->to),
		     r->state_version, r->binding_version);
	t = told_new(&v->told, o, r);
	if (!t)
		return NULL;
	t->born = time_add_us(r->at, -(int64_t)r->elapsed_ms * 1000); /* told once it had attached, on a server */
	t->bounds = r->bounds;
	t->state = r->to;
	t->state_version = r->state_version;
	t->binding_version = r->binding_version;
	if (!t->client)
		take_over(v, t);
	return t;
}

static void session_record(struct verify *v, struct origin *o, const struct audit_record *r)
{
	struct told *t = told_find(&v->told, o->number, r->session_id);

	if (r->event == AUDIT_SESSION_CREATED) {
		if (t)
			find(v, "I2", t, "created twice");
		else if ((t = create(v, o, r)))
			t->line = v->line;
		return;
	}
	if (!t)
		t = adopt(v, o, r);
	if (!t)
		return;
	if (told_is_unsure(t))
		resume(v, t, r);
	if (time_before(r->at, t->last))
		find(v, "order", t, "boot_us goes back by %lld", (long long)time_diff_us(t->last, r->at));
	/* A sum says itself what became of the state that it leaves. */
	check_bounds(v, t, time_add_ms(r->at, -(int64_t)r->flaps.span_ms), r->late_ms);
	check_owner(v, t, r);
	t->last = r->at;
	t->line = v->line;
	if (t->state == STATE_TERMINATED && r->event != AUDIT_SESSION_TERMINATED)
		find(v, "I2", t, "%s after the end", audit_event_name(r->event));
	if (r->event == AUDIT_SESSION_STATE_CHANGE)
		check_state(v, t, r);
	else if (r->event == AUDIT_SESSION_TERMINATED)
		check_end(v, t, r);
	else
		check_other(v, t, r);
}

/* Refusals are summed up: they tell of the past, and may outlive their session. */
static bool is_refusal(const struct audit_record *r)
{
	return r->event == AUDIT_TRANSPORT_SWITCH_DENIED || r->event == AUDIT_SECURITY_REPLAY_DETECTED ||
	       r->event == AUDIT_SECURITY_VALIDATION_FAILED;
}

void verify_record(struct verify *v, uint32_t number, uint64_t line, const struct audit_record *r)
{
	struct origin *o = told_origin(&v->told, number);

	v->number = number;
	v->line = line;
	v->r = r;
	v->totals.records++;
	if (r->event >= AUDIT_EVENT_COUNT || r->from >= STATE_COUNT || r->to >= STATE_COUNT ||
	    !reason_name(r->reason) || r->count == 0) {
		find(v, "malformed", NULL, "event %u, reason %u, states %u and %u, count %llu", r->event,
		     r->reason, r->from, r->to, (unsigned long long)r->count);
		return;
	}
	if (!contract_explains(r->event, r->reason))
		find(v, "I8", NULL, "%s for %s", audit_event_name(r->event), reason_name(r->reason));
	if (!o)
		return;
	if (r->late_ms >= VERIFY_LATE_MS)
		v->totals.late++;
	if (r->late_ms > v->totals.latest_ms)
		v->totals.latest_ms = r->late_ms;
	if (r->event == AUDIT_TRANSPORT_SWITCH_DENIED)
		v->totals.denials += r->count;
	if (r->event == AUDIT_AUDIT_GAP)
		verify_gap(v, number, r->seq ? r->worker : VERIFY_ANY_WORKER,
			   r->count); /* a ring's, or a sink's */
	else if (r->has_session && !is_refusal(r))
		session_record(v, o, r);
	/* A bound is judged by when the worker was last known to be awake in time. */
	if (!is_refusal(r) && r->late_ms == 0)
		o->last[r->worker] = time_max(o->last[r->worker], r->at);
}

void verify_gap(struct verify *v, uint32_t number, unsigned int worker, uint64_t lost)
{
	struct origin *o = told_origin(&v->told, number);

	if (lost != VERIFY_UNKNOWN)
		v->totals.lost += lost;
	if (!o)
		return;
	o->missing = lost < VERIFY_UNKNOWN - o->missing ? o->missing + lost : VERIFY_UNKNOWN;
	if (worker < TOLD_WORKERS)
		o->gaps[worker]++;
	else
		o->gaps_any++;
}

static void origin_end(struct verify *v, struct origin *o)
{
	v->number = o->number;
	v->r = NULL;
	for (size_t i = 0; i < v->told.buckets; i++) {
		struct told *next;

		for (struct told *t = v->told.bucket[i]; t; t = next) {
			next = t->next;
			if (t->origin != o)
				continue;
			v->line = t->line;
			if (!told_is_unsure(t) && !may_sum(t, 0)) /* what it did last may wait for its sum */
				check_bounds(v, t, o->last[t->worker], 0);
			told_forget(&v->told, t);
		}
	}
	told_origin_free(o);
}

void verify_origin_end(struct verify *v, uint32_t number)
{
	struct origin *o = told_origin(&v->told, number);

	if (o)
		origin_end(v, o);
}

void verify_end(struct verify *v)
{
	while (!list_is_empty(&v->told.origins))
		origin_end(v, container_of(v->told.origins.next, struct origin, node));
}

struct verify *verify_new(verify_found *found, void *ctx)
{
	struct verify *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	if (!told_init(&v->told)) {
		free(v);
		return NULL;
	}
	v->found = found;
	v->ctx = ctx;
	return v;
}

void verify_free(struct verify *v)
{
	if (!v)
		return;
	told_free(&v->told);
	free(v);
}

void verify_totals(const struct verify *v, struct verify_totals *out)
{
	*out = v->totals;
	out->living = v->told.living;
	out->sessions = v->told.sessions;
}

bool verify_session(const struct verify *v, uint32_t number, const uint8_t id[16], struct verify_session *out)
{
	const struct told *t = told_find(&v->told, number, id);

	if (!t)
		return false;
	*out = (struct verify_session){ t->state, t->state_version, t->binding_version, t->active };
	return true;
}

size_t verify_living(const struct verify *v, uint32_t number)
{
	for (struct list *l = v->told.origins.next; l != &v->told.origins; l = l->next) {
		const struct origin *o = container_of(l, struct origin, node);

		if (o->number == number)
			return o->living;
	}
	return 0;
}
