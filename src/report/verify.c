/*
 * The records of each session judged in turn. Sessions are kept in told.c, rows and reasons in contract.c, what has to do
 * with time and number in judge.c.
 */
#include "report/verify.h"

#include <stdlib.h>
#include <string.h>

#include "report/contract.h"
#include "report/judge.h"

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
	if (time_is_never(t->minute) || time_since_ms(r->at, t->minute) >= JUDGE_WINDOW_MS) {
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

static void check_state(struct verify *v, struct told *t, const struct audit_record *r)
{
	const bool sum = r->count > 1;

	if (r->from != t->state)
		judge(v, "I8", t, "leaves %s, but was in %s", state_name(r->from), state_name(t->state));
	if (!(sum ? contract_leads(r->from, r->to, r->count, r->reason) :
		    contract_allows(r->from, r->to, r->reason)))
		judge(v, "I8", t, "%s to %s for %s is not allowed", state_name(r->from), state_name(r->to),
		     reason_name(r->reason));
	if (r->state_version != t->state_version + (uint32_t)r->count)
		judge(v, "I7", t, "state_version %u after %u", r->state_version, t->state_version);
	if (r->binding_version != t->binding_version)
		judge(v, "I7", t, "binding_version %u after %u, without a switch", r->binding_version,
		     t->binding_version);
	if (r->from != STATE_BIRTH && r->path_to != t->active)
		judge(v, "I1", t, "path %d is active, but it was %d", (int8_t)r->path_to, (int8_t)t->active);
	judge_sum(v, t, r);
	judge_not_early(v, t, r);
	judge_data(v, t, r);
	take_state(t, r);
	t->binding_version = r->binding_version;
}

static void check_switch(struct verify *v, struct told *t, const struct audit_record *r)
{
	if (t->active == AUDIT_NO_PATH || r->path_from != t->active)
		judge(v, "I1", t, "switches from path %d, but %d is active", (int8_t)r->path_from,
		     (int8_t)t->active);
	if (r->path_to == AUDIT_NO_PATH)
		judge(v, "I1", t, "switches to no path");
	if (r->binding_version != t->binding_version + 1)
		judge(v, "I7", t, "binding_version %u after %u at a switch", r->binding_version,
		     t->binding_version);
	if (t->state != STATE_RECOVERING)
		judge(v, "I8", t, "a switch in state %s", state_name(t->state));
	t->binding_version = r->binding_version;
	t->active = r->path_to;
	judge_moves(v, t, r);
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
			judge(v, "I1", t, "path %d is rebound, but %d is active", (int8_t)r->path_to,
			     (int8_t)t->active);
		judge_moves(v, t, r);
		v->totals.rebindings++;
		break;
	case AUDIT_TRANSPORT_ATTACHED:
		if (t->active != AUDIT_NO_PATH)
			judge(v, "I1", t, "attached to path %d while %d is active", (int8_t)r->path_to,
			     (int8_t)t->active);
		if (t->state != STATE_ATTACHED)
			judge(v, "I8", t, "attached to a path in state %s", state_name(t->state));
		t->active = r->path_to;
		break;
	case AUDIT_REATTACH_RESULT:
		if (r->reason == REASON_REATTACH_SUCCESS && t->state != STATE_ATTACHED)
			judge(v, "I8", t, "reattached in state %s", state_name(t->state));
		break;
	case AUDIT_POLICY_RELOADED:
		take_bounds(t, r);
		break;
	default:
		break;
	}
	if (r->state_version != t->state_version)
		judge(v, "I7", t, "state_version %u without a transition, it was %u", r->state_version,
		     t->state_version);
	if (r->binding_version != t->binding_version)
		judge(v, "I7", t, "binding_version %u without a switch, it was %u", r->binding_version,
		     t->binding_version);
	if (r->to != t->state)
		judge(v, "I8", t, "in state %s without a transition, it was %s", state_name(r->to),
		     state_name(t->state));
	t->state_version = r->state_version;
	t->binding_version = r->binding_version;
	t->state = r->to;
}

static void check_end(struct verify *v, struct told *t, const struct audit_record *r)
{
	check_other(v, t, r);
	if (t->state != STATE_TERMINATED)
		judge(v, "I2", t, "ended in state %s", state_name(t->state));
	else if (r->reason != t->why)
		judge(v, "I8", t, "ended for %s, but the transition says %s", reason_name(r->reason),
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
		judge(v, "I7", t, "versions %u and %u after %u and %u, which the gap does not explain",
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
		judge(v, "I2", NULL,
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
	judge(v, "I11", t, "%s by node %u, but another node has taken the session over",
	     audit_event_name(r->event), r->node_id);
	t->taken_over = false;
}

static struct told *create(struct verify *v, struct origin *o, const struct audit_record *r)
{
	struct told *t;

	if (told_has_ended(&v->told, o->number, r->session_id))
		judge(v, "I2", NULL, "created again after its end");
	if (r->state_version != 0 || r->binding_version != 0 || r->to != STATE_BIRTH)
		judge(v, "I7", NULL, "begins in %s with versions %u and %u", state_name(r->to),
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
			judge(v, "I2", t, "created twice");
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
		judge(v, "order", t, "boot_us goes back by %lld", (long long)time_diff_us(t->last, r->at));
	/* A sum says itself what became of the state that it leaves. */
	judge_bounds(v, t, time_add_ms(r->at, -(int64_t)r->flaps.span_ms), r->late_ms);
	check_owner(v, t, r);
	t->last = r->at;
	t->line = v->line;
	if (t->state == STATE_TERMINATED && r->event != AUDIT_SESSION_TERMINATED)
		judge(v, "I2", t, "%s after the end", audit_event_name(r->event));
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
		judge(v, "malformed", NULL, "event %u, reason %u, states %u and %u, count %llu", r->event,
		     r->reason, r->from, r->to, (unsigned long long)r->count);
		return;
	}
	if (!contract_explains(r->event, r->reason))
		judge(v, "I8", NULL, "%s for %s", audit_event_name(r->event), reason_name(r->reason));
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
				judge_bounds(v, t, o->last[t->worker], 0);
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

struct verify *verify_new(finding_found *found, void *ctx)
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
