#include "report/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/contract.h"

#define WINDOW_US (JUDGE_WINDOW_MS * 1000)

void judge(struct verify *v, const char *rule, const struct told *t, const char *format, ...)
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

void judge_bounds(struct verify *v, struct told *t, struct jv_time at, uint32_t late_ms)
{
	const struct audit_bounds *b = &t->bounds;
	const long long in_state = time_diff_us(at, t->since) / 1000;

	if (t->state == STATE_TERMINATED)
		return;
	if (t->state == STATE_BIRTH && is_past(at, t->born, b->handshake_timeout_ms, late_ms))
		judge(v, "I6", t, "in BIRTH for %lld ms, handshake_timeout_ms is %u", in_state,
		     b->handshake_timeout_ms);
	if (t->state == STATE_VOLATILE && is_past(at, t->since, b->volatile_to_degraded_ms, late_ms))
		judge(v, "I6", t, "in VOLATILE for %lld ms, volatile_to_degraded_ms is %u", in_state,
		     b->volatile_to_degraded_ms);
	if (t->state == STATE_RECOVERING && is_past(at, t->since, b->recovery_window_ms, late_ms))
		judge(v, "I5", t, "in RECOVERING for %lld ms, recovery_window_ms is %u", in_state,
		     b->recovery_window_ms);
	if (is_past_lowered(t, at, t->left_attached, b->transport_lost_ttl_ms, late_ms)) {
		judge(v, "I6", t, "without a transport for %lld ms, transport_lost_ttl_ms is %u",
		     (long long)time_diff_us(at, t->left_attached) / 1000, b->transport_lost_ttl_ms);
		t->left_attached = TIME_NEVER;
	}
	if (is_past_lowered(t, at, t->born, b->max_lifetime_ms, late_ms)) {
		judge(v, "I6", t, "alive for %lld ms, max_lifetime_ms is %u",
		     (long long)time_diff_us(at, t->born) / 1000, b->max_lifetime_ms);
		t->born = TIME_NEVER;
	}
}

void judge_not_early(struct verify *v, const struct told *t, const struct audit_record *r)
{
	struct jv_time from = TIME_NEVER;
	uint32_t bound = 0;

	if (r->reason == REASON_TRANSPORT_TTL_EXCEEDED) {
		from = t->left_attached;
		bound = t->bounds.transport_lost_ttl_ms;
		if (t->state == STATE_ATTACHED || t->state == STATE_BIRTH)
			judge(v, "I3", t, "ended for want of a transport in state %s", state_name(t->state));
	} else if (r->reason == REASON_SESSION_LIFETIME_EXCEEDED) {
		from = t->born;
		bound = t->bounds.max_lifetime_ms;
	}
	if (!time_is_never(from) && time_diff_us(r->at, from) + 1000 <= (int64_t)bound * 1000)
		judge(v, "I3", t, "%s after %lld ms of %u", reason_name(r->reason),
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

void judge_moves(struct verify *v, struct told *t, const struct audit_record *r)
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
		judge(v, "I4", t, "%u %s%s in 60 s, the first of them %lld ms ago; %u are allowed", m->n, what,
		     is_switch ? "es" : "s", (long long)time_diff_us(r->at, m->at[0]) / 1000, max);
	if (!t->client && !time_is_never(m->last) && time_diff_us(r->at, m->last) < (int64_t)cooldown * 1000)
		judge(v, "I4", t, "a %s %lld ms after the last one, switch_cooldown_ms is %u", what,
		     (long long)time_diff_us(r->at, m->last) / 1000, cooldown);
	m->last = r->at;
}

/* --- data --- */

void judge_data(struct verify *v, struct told *t, const struct audit_record *r)
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
		judge(v, "I12", t, "ATTACHED though its data did not pass for %llu ms; %llu are the bound",
		     (unsigned long long)r->traffic.stalled_ms, (unsigned long long)bound);
}

/* --- sums --- */

void judge_sum(struct verify *v, struct told *t, const struct audit_record *r)
{
	const struct audit_flaps *f = &r->flaps;
	const struct audit_bounds *b = &t->bounds;
	const struct jv_time start = TIME_ZERO;

	if (r->count < 2)
		return;
	if (is_past(time_add_ms(start, f->volatile_most_ms), start, b->volatile_to_degraded_ms, r->late_ms))
		judge(v, "I6", t, "in VOLATILE for %u ms, volatile_to_degraded_ms is %u", f->volatile_most_ms,
		     b->volatile_to_degraded_ms);
	if (is_past(time_add_ms(start, f->recovering_most_ms), start, b->recovery_window_ms, r->late_ms))
		judge(v, "I5", t, "in RECOVERING for %u ms, recovery_window_ms is %u", f->recovering_most_ms,
		     b->recovery_window_ms);
	if (t->changes + t->changes_before < AUDIT_CHANGES_PER_MIN && !t->adopted)
		judge(v, "I8", t, "%llu transitions in one record, behind %llu that were told one by one",
		     (unsigned long long)r->count, (unsigned long long)t->changes);
}
