/* The verifier: a story that is right is found right, and each rule, broken once, is found by its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/verify.h"

enum { MAX = 64 };

struct story {
	struct audit_record r[MAX];
	size_t n;
	struct audit_record now; /* what the next record would say */
};

struct heard {
	size_t n;
	char rule[MAX][12];
	char text[MAX][240];
	uint64_t line[MAX];
};

static const struct audit_bounds bounds = {
	.max_lifetime_ms = 60000,
	.transport_lost_ttl_ms = 5000,
	.handshake_timeout_ms = 1000,
	.volatile_to_degraded_ms = 4000,
	.recovery_window_ms = 800,
	.switch_cooldown_ms = 1500,
	.max_switches_per_min = 3,
	.heartbeat_interval_ms = 100,
	.heartbeat_idle_ms = 1000,
	.max_consecutive_drops = 3,
};

/* Of these, by contract.h: 2 * 1000 + 32 * 100 + 7000. */
#define DATA_MS 12200

/* --- telling stories --- */

static struct audit_record *say(struct story *s, int64_t ms, enum audit_event event, enum reason why)
{
	struct audit_record *r = &s->r[s->n++];

	assert_true(s->n < MAX);
	*r = s->now;
	r->at.us = ms * 1000;
	r->event = event;
	r->reason = why;
	r->path_from = r->path_to = AUDIT_NO_PATH;
	r->count = 1;
	return r;
}

static void begin(struct story *s, uint8_t id, bool client)
{
	memset(&s->now, 0, sizeof(s->now));
	s->now.has_session = true;
	s->now.session_id[0] = id;
	s->now.client = client;
	s->now.path_to = AUDIT_NO_PATH;
	say(s, 0, AUDIT_SESSION_CREATED, REASON_NONE)->bounds = bounds;
}

static void go(struct story *s, int64_t ms, enum state to, enum reason why)
{
	struct audit_record *r;

	s->now.state_version++;
	r = say(s, ms, AUDIT_SESSION_STATE_CHANGE, why);
	r->from = s->now.to;
	r->to = to;
	r->path_to = s->now.path_to;
	s->now.from = s->now.to = to;
}

static void attach(struct story *s, int64_t ms)
{
	s->now.path_to = 0;
	go(s, ms, STATE_ATTACHED, REASON_ATTACHED_TO_TRANSPORT);
	say(s, ms, AUDIT_TRANSPORT_ATTACHED, REASON_ATTACHED_TO_TRANSPORT)->path_to = 0;
}

static void move(struct story *s, int64_t ms, uint8_t path)
{
	struct audit_record *r;

	s->now.binding_version++;
	r = say(s, ms, AUDIT_TRANSPORT_SWITCH, REASON_HEARTBEAT_TIMEOUT);
	r->path_from = s->now.path_to;
	r->path_to = path;
	s->now.path_to = path;
}

static void jump(struct story *s, int64_t ms, uint8_t path)
{
	go(s, ms, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	go(s, ms, STATE_RECOVERING, REASON_DEAD_TRANSPORT_RECOVERY);
	move(s, ms, path);
	go(s, ms, STATE_ATTACHED, REASON_REATTACH_SUCCESS);
}

static void rebind(struct story *s, int64_t ms)
{
	say(s, ms, AUDIT_TRANSPORT_REBOUND, REASON_ADDRESS_CHANGED)->path_to = s->now.path_to;
}

static void end(struct story *s, int64_t ms, enum reason why)
{
	go(s, ms, STATE_TERMINATED, why);
	say(s, ms, AUDIT_SESSION_TERMINATED, why);
}

static void take_policy(struct story *s, int64_t ms, struct audit_bounds b)
{
	say(s, ms, AUDIT_POLICY_RELOADED, REASON_NONE)->bounds = b;
}

/* --- hearing them --- */

static void found(void *ctx, const struct verify_finding *f)
{
	struct heard *h = ctx;

	assert_true(h->n < MAX);
	snprintf(h->rule[h->n], sizeof(h->rule[0]), "%s", f->rule);
	snprintf(h->text[h->n], sizeof(h->text[0]), "%s", f->text);
	h->line[h->n++] = f->line;
}

static void judge(const struct story *s, struct heard *h, struct verify_totals *totals)
{
	struct verify *v = verify_new(found, h);

	h->n = 0;
	for (size_t i = 0; i < s->n; i++)
		verify_record(v, s->r[i].node_id, i, &s->r[i]);
	verify_end(v);
	verify_totals(v, totals);
	assert_int_equal(totals->findings, h->n);
	verify_free(v);
}

static void expect_fine(const struct story *s)
{
	struct verify_totals totals;
	struct heard h;

	judge(s, &h, &totals);
	if (h.n > 0)
		fail_msg("record %d: %s: %s", (int)h.line[0], h.rule[0], h.text[0]);
}

static bool has(const struct heard *h, const char *rule)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->rule[i], rule) == 0)
			return true;
	return false;
}

static void expect(const struct story *s, const char *rule)
{
	struct verify_totals totals;
	struct heard h;

	judge(s, &h, &totals);
	if (!has(&h, rule))
		fail_msg("%s is not found, but %zu others: %s: %s", rule, h.n, h.n ? h.rule[0] : "",
			 h.n ? h.text[0] : "");
}

/* A life with all there is in it, up to the end for want of a transport. */
static void life(struct story *s)
{
	s->n = 0;
	begin(s, 1, false);                                    /* 0 */
	attach(s, 10);                                         /* 1 2 */
	go(s, 2000, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT); /* 3 */
	go(s, 2010, STATE_RECOVERING, REASON_DEAD_TRANSPORT_RECOVERY);
	move(s, 2020, 1);                                     /* 5 */
	go(s, 2020, STATE_ATTACHED, REASON_REATTACH_SUCCESS); /* 6 */
	say(s, 2020, AUDIT_REATTACH_RESULT, REASON_REATTACH_SUCCESS);
	rebind(s, 4000);                                         /* 8 */
	say(s, 5000, AUDIT_SESSION_REKEYED, REASON_NONE);        /* 9 */
	go(s, 6000, STATE_VOLATILE, REASON_TRANSPORT_DEAD);      /* 10 */
	go(s, 10000, STATE_DEGRADED, REASON_VOLATILE_PERSISTED); /* 11 */
	go(s, 10100, STATE_RECOVERING, REASON_DEAD_TRANSPORT_RECOVERY);
	go(s, 10900, STATE_DEGRADED, REASON_RECOVERY_WINDOW_EXPIRED); /* 13 */
	end(s, 11000, REASON_TRANSPORT_TTL_EXCEEDED);                 /* 14 15 */
}

static void test_right(void **state)
{
	struct verify_totals totals;
	struct story s;
	struct heard h;

	life(&s);
	judge(&s, &h, &totals);
	assert_int_equal(h.n, 0);
	assert_int_equal(totals.records, 16);
	assert_int_equal(totals.sessions, 1);
	assert_int_equal(totals.living, 0);
	assert_int_equal(totals.switches, 1);
	assert_int_equal(totals.rebindings, 1);
}

/* X(rule, which record, what is done to it) */
#define SPOILS(X)                                         \
	X("I1", 5, r->path_from = 3)                      \
	X("I1", 5, r->path_to = AUDIT_NO_PATH)            \
	X("I1", 6, r->path_to = 0)                        \
	X("I1", 8, r->path_to = 0)                        \
	X("I2", 0, r->session_id[0] = 9)                  \
	X("I2", 9, r->session_id[0] = 9)                  \
	X("I3", 14, r->at.us -= 50000)                    \
	X("I5", 13, r->at.us += 10000)                    \
	X("I6", 1, r->at.us = 1010 * 1000)                \
	X("I6", 11, r->at.us += 3001)                     \
	X("I6", 14, r->at.us += 3001)                     \
	X("I7", 3, r->state_version++)                    \
	X("I7", 3, r->state_version--)                    \
	X("I7", 3, r->binding_version++)                  \
	X("I7", 5, r->binding_version++)                  \
	X("I7", 5, r->binding_version--)                  \
	X("I7", 9, r->state_version++)                    \
	X("I7", 9, r->binding_version++)                  \
	X("I7", 0, r->state_version = 1)                  \
	X("I8", 3, r->from = STATE_DEGRADED)              \
	X("I8", 3, r->to = STATE_DEGRADED)                \
	X("I8", 3, r->reason = REASON_VOLATILE_PERSISTED) \
	X("I8", 1, r->reason = REASON_REATTACH_SUCCESS)   \
	X("I8", 2, r->reason = REASON_NONE)               \
	X("I8", 5, r->reason = REASON_STALE_REQUEST)      \
	X("I8", 8, r->reason = REASON_NONE)               \
	X("I8", 9, r->from = r->to = STATE_VOLATILE)      \
	X("I8", 15, r->reason = REASON_PEER_CLOSED)       \
	X("malformed", 3, r->reason = 39)                 \
	X("malformed", 3, r->event = AUDIT_EVENT_COUNT)   \
	X("malformed", 3, r->count = 0)                   \
	X("order", 9, r->at.us = 0)

static void test_each_rule(void **state)
{
	struct audit_record *r;
	struct story s;

#define X(rule, i, spoil) \
	life(&s);         \
	r = &s.r[i];      \
	spoil;            \
	expect(&s, rule);
	SPOILS(X)
#undef X
}

/* Every record of the life is needed (but the two that change nothing), may come once, and has its place. */
static void test_dropped_doubled_moved(void **state)
{
	struct story s, t;
	struct verify_totals totals;
	struct heard h;

	life(&s);
	for (size_t i = 0; i < s.n; i++) {
		const bool is_mere_news = i == 7 || i == 9 || i == 8 || i == 15;

		t = s;
		memmove(&t.r[i], &t.r[i + 1], (t.n - i - 1) * sizeof(t.r[0]));
		t.n--;
		judge(&t, &h, &totals);
		if ((h.n == 0) != is_mere_news)
			fail_msg("record %zu dropped: %zu findings", i, h.n);
		t = s;
		memmove(&t.r[i + 1], &t.r[i], (t.n - i) * sizeof(t.r[0]));
		t.n++;
		judge(&t, &h, &totals);
		if ((h.n == 0) != (i == 7 || i == 9))
			fail_msg("record %zu doubled: %zu findings", i, h.n);
		if (i == 0 || i == 7 || i == 8 || i == 9)
			continue;
		t = s;
		t.r[i] = s.r[i - 1];
		t.r[i - 1] = s.r[i];
		judge(&t, &h, &totals);
		assert_int_not_equal(h.n, 0);
	}
}

/* I12: what it sent while ATTACHED was not reported for longer than the bound; and what cannot be judged is told. */
static void test_data(void **state)
{
	static const struct {
		uint64_t sent, stalled_ms;
		uint32_t late_ms;
		const char *rule;
	} cases[] = {
		{ 100, DATA_MS, 0, NULL },       { 100, DATA_MS + 1, 0, "I12" }, { 100, DATA_MS + 1, 1, NULL },
		{ 0, 10 * DATA_MS, 0, NULL }, /* nothing was sent */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct verify_totals totals;
		struct audit_record *r;
		struct story s;
		struct heard h;

		life(&s);
		s.r[1].traffic.tx_packets = 7;
		r = &s.r[3];
		r->traffic.tx_packets = 7 + cases[i].sent;
		r->traffic.stalled_ms = cases[i].stalled_ms;
		r->late_ms = cases[i].late_ms;
		judge(&s, &h, &totals);
		assert_int_equal(h.n, cases[i].rule != NULL);
		if (cases[i].rule)
			assert_string_equal(h.rule[0], cases[i].rule);
		assert_true(totals.stays > 0);
		assert_int_equal(totals.stays_silent, totals.stays - (cases[i].sent > 0));
		assert_int_equal(totals.stays_unbound, 0);
	}
}

static void test_every_row(void **state)
{
	static const enum state ways[][2] = {
		{ STATE_BIRTH, STATE_VOLATILE },      { STATE_BIRTH, STATE_RECOVERING },
		{ STATE_ATTACHED, STATE_DEGRADED },   { STATE_ATTACHED, STATE_RECOVERING },
		{ STATE_VOLATILE, STATE_BIRTH },      { STATE_DEGRADED, STATE_ATTACHED },
		{ STATE_DEGRADED, STATE_VOLATILE },   { STATE_RECOVERING, STATE_VOLATILE },
		{ STATE_TERMINATED, STATE_ATTACHED }, { STATE_ATTACHED, STATE_ATTACHED },
	};
	struct verify_totals totals;
	struct story s;
	struct heard h;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		for (unsigned int why = 0; why <= REASON_MAX; why++) {
			s.n = 0;
			begin(&s, 1, false);
			s.r[0].to = s.now.to = ways[i][0]; /* found too, but that is not counted */
			go(&s, 1, ways[i][1], why);
			judge(&s, &h, &totals);
			assert_int_not_equal(h.n, 0);
			assert_true(has(&h, reason_name(why) ? "I8" : "malformed"));
		}
	}
}

/* All that follows fits the step too far. */
static void test_version_skipped(void **state)
{
	struct story s;

	life(&s);
	for (size_t i = 6; i < s.n; i++)
		s.r[i].state_version++;
	expect(&s, "I7");
	life(&s);
	for (size_t i = 5; i < s.n; i++)
		s.r[i].binding_version++;
	expect(&s, "I7");
}

/* --- I4 --- */

static void test_switches_of_a_minute(void **state)
{
	struct story s = { .n = 0 };

	begin(&s, 1, false);
	attach(&s, 10);
	jump(&s, 1000, 1);
	jump(&s, 2500, 0);
	jump(&s, 59999, 1);
	expect_fine(&s);
	s.r[0].bounds.max_lifetime_ms = 1000000;
	jump(&s, 61501,
	     0); /* the first is more than a minute ago, but the second fills the window with the rest */
	expect_fine(&s);
	jump(&s, 62500, 1); /* the second is 60.0 s ago: the window is closed */
	expect(&s, "I4");
	s.r[s.n - 4].at.us = s.r[s.n - 3].at.us = s.r[s.n - 2].at.us = s.r[s.n - 1].at.us = 63002 * 1000;
	expect_fine(&s);
	s.n = 0; /* to the microsecond */
	begin(&s, 1, false);
	s.r[0].bounds.max_lifetime_ms = 1000000;
	attach(&s, 10);
	jump(&s, 1000, 1);
	jump(&s, 20000, 0);
	jump(&s, 40000, 1);
	jump(&s, 61000, 0);
	expect(&s, "I4");
	for (size_t i = s.n - 4; i < s.n; i++)
		s.r[i].at.us++;
	expect_fine(&s);
}

/* Three switches a minute, and three rebindings: neither takes from the other. */
static void test_rebindings_are_counted_by_themselves(void **state)
{
	struct story s = { .n = 0 };

	begin(&s, 1, false);
	attach(&s, 10);
	rebind(&s, 1000);
	rebind(&s, 3000);
	rebind(&s, 5000);
	jump(&s, 5001, 1);
	jump(&s, 7000, 0);
	jump(&s, 9000, 1);
	expect_fine(&s);
	jump(&s, 11000, 0);
	expect(&s, "I4");
	s.n = 0;
	begin(&s, 1, false);
	attach(&s, 10);
	rebind(&s, 1000);
	rebind(&s, 3000);
	rebind(&s, 5000);
	expect_fine(&s);
	rebind(&s, 7000);
	expect(&s, "I4");
	s.n--;
	expect_fine(&s);
	s.r[s.n - 1].at.us = 4499 * 1000; /* too soon after the one before */
	expect(&s, "I4");
}

static void test_cooldown(void **state)
{
	struct story s = { .n = 0 };

	begin(&s, 1, false);
	attach(&s, 10);
	jump(&s, 1000, 1);
	jump(&s, 2500, 0);
	expect_fine(&s);
	s.n = 0;
	begin(&s, 1, false);
	attach(&s, 10);
	jump(&s, 1000, 1);
	jump(&s, 2499, 0);
	expect(&s, "I4");
}

/* A client learns of what the server has judged: of two at once, only one was its own wish. */
static void test_client_follows(void **state)
{
	struct story s = { .n = 0 };

	begin(&s, 1, true);
	s.r[0].bounds.max_switches_per_min = 1;
	attach(&s, 10);
	go(&s, 1000, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	go(&s, 1000, STATE_RECOVERING, REASON_DEAD_TRANSPORT_RECOVERY);
	move(&s, 1100, 1);
	move(&s, 1100, 1);
	go(&s, 1100, STATE_ATTACHED, REASON_REATTACH_SUCCESS);
	expect_fine(&s);
	for (size_t i = 0; i < s.n; i++)
		s.r[i].client = false;
	expect(&s, "I4");
}

static void test_new_policy(void **state)
{
	struct audit_bounds b = bounds;
	struct story s = { .n = 0 };

	b.max_switches_per_min = 1;
	b.recovery_window_ms = 500;
	b.transport_lost_ttl_ms = 1000;
	begin(&s, 1, false);
	attach(&s, 10);
	jump(&s, 1000, 1);
	go(&s, 4000, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	take_policy(&s, 4000, b);
	go(&s, 4000, STATE_RECOVERING, REASON_DEAD_TRANSPORT_RECOVERY);
	move(&s, 4000, 0); /* judged a moment before, by the policy of then */
	go(&s, 4000, STATE_ATTACHED, REASON_REATTACH_SUCCESS);
	expect_fine(&s);
	jump(&s, 8000, 1);
	expect(&s, "I4");

	s.n = 0; /* a lowered bound is kept from now on, not backwards */
	begin(&s, 1, false);
	attach(&s, 10);
	go(&s, 1000, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	go(&s, 4000, STATE_DEGRADED, REASON_VOLATILE_PERSISTED);
	take_policy(&s, 4000, b);
	end(&s, 4002, REASON_TRANSPORT_TTL_EXCEEDED);
	expect_fine(&s);
	s.r[s.n - 2].at.us = s.r[s.n - 1].at.us = 4005 * 1000;
	expect(&s, "I6");
}

/* --- time --- */

static void test_slept(void **state)
{
	struct story s = { .n = 0 };

	begin(&s, 1, false);
	attach(&s, 10);
	go(&s, 1000, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	go(&s, 1010, STATE_RECOVERING, REASON_DEAD_TRANSPORT_RECOVERY);
	end(&s, 900000, REASON_TRANSPORT_TTL_EXCEEDED);
	s.r[s.n - 2].late_ms = s.r[s.n - 1].late_ms = 898190;
	expect_fine(&s);
	s.r[s.n - 2].late_ms = 898000;
	expect(&s, "I5");
}

static void test_never_ended(void **state)
{
	struct story s = { .n = 0 };
	struct verify_totals totals;
	struct heard h;

	begin(&s, 1, false);
	attach(&s, 10);
	go(&s, 1000, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	begin(&s, 2, false); /* another one's records tell that time goes on */
	s.r[s.n - 1].at.us = 5001 * 1000;
	expect_fine(&s);
	s.r[s.n - 1].at.us = 5003 * 1000;
	judge(&s, &h, &totals);
	assert_int_equal(h.n, 1);
	assert_string_equal(h.rule[0], "I6");
	assert_int_equal(h.line[0], 3); /* where it was last heard of */
	s.r[s.n - 1].worker = 1;        /* another worker's clock says nothing of this one */
	expect_fine(&s);
}

static void test_lifetime(void **state)
{
	struct story s = { .n = 0 };

	begin(&s, 1, false);
	attach(&s, 10);
	end(&s, 60002, REASON_SESSION_LIFETIME_EXCEEDED);
	expect_fine(&s);
	s.r[s.n - 2].at.us = s.r[s.n - 1].at.us = 60003 * 1000;
	expect(&s, "I6");
	s.r[s.n - 2].at.us = s.r[s.n - 1].at.us = 59999 * 1000;
	expect(&s, "I3");
	s.r[s.n - 2].reason = s.r[s.n - 1].reason = REASON_TRANSPORT_TTL_EXCEEDED; /* attached all the time */
	expect(&s, "I3");
}

/* --- what is missing --- */

static void gap(struct story *s, int64_t ms, uint8_t worker, uint64_t lost, uint64_t seq)
{
	struct audit_record *r = &s->r[s->n++];

	*r = (struct audit_record){ .event = AUDIT_AUDIT_GAP, .count = lost, .worker = worker, .seq = seq };
	r->at.us = ms * 1000;
	r->path_from = r->path_to = AUDIT_NO_PATH;
}

static void test_gap(void **state)
{
	struct verify_totals totals;
	struct story s = { .n = 0 }, t;
	struct heard h;

	begin(&s, 1, false);
	attach(&s, 10);
	t = s;
	go(&s, 1000, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	go(&s, 1000, STATE_RECOVERING, REASON_DEAD_TRANSPORT_RECOVERY);
	move(&s, 1000, 1);
	t.now = s.now;
	gap(&t, 1000, 0, 3, 0);
	go(&t, 1100, STATE_ATTACHED, REASON_REATTACH_SUCCESS);
	judge(&t, &h, &totals);
	assert_int_equal(h.n, 0);
	assert_int_equal(totals.lost, 3);
	assert_int_equal(totals.resumed, 1);
	t.r[3].count = 2; /* less than what is not there */
	expect(&t, "I7");
	t.r[3].count = 3;
	t.r[3].worker = 1; /* of another worker's ring, so it explains nothing */
	t.r[3].seq = 17;
	expect(&t, "I7");
	t.r[3].seq = 0; /* of the sink: it may have been anybody's */
	expect_fine(&t);
	go(&t, 1200, STATE_DEGRADED, REASON_VOLATILE_PERSISTED);
	expect(&t, "I8"); /* and behind it all holds again */
}

static void test_beginning_missing(void **state)
{
	struct verify_totals totals;
	struct story s = { .n = 0 };
	struct heard h;

	gap(&s, 0, 0, 1, 0);
	begin(&s, 1, false);
	attach(&s, 10);
	s.r[1] = s.r[2];
	s.r[2] = s.r[3];
	s.n = 3;
	jump(&s, 100, 1);
	judge(&s, &h, &totals);
	assert_int_equal(h.n, 0);
	assert_int_equal(totals.adopted, 1);
	go(&s, 200, STATE_DEGRADED, REASON_VOLATILE_PERSISTED);
	expect(&s, "I8");
	s.r[0] = s.r[1]; /* nothing is missing, and still it was not created */
	expect(&s, "I2");
}

static void test_denials_change_nothing(void **state)
{
	struct verify_totals totals;
	struct story s;
	struct heard h;

	life(&s);
	say(&s, 10500, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_COOLDOWN_ACTIVE)->count = 7;
	say(&s, 10500, AUDIT_SECURITY_REPLAY_DETECTED, REASON_REPLAY_DETECTED);
	judge(&s, &h, &totals);
	assert_int_equal(h.n, 0);
	assert_int_equal(totals.denials, 7);
	s.r[s.n - 2].reason = REASON_HEARTBEAT_TIMEOUT;
	expect(&s, "I8");
	s.n -= 2;
	say(&s, 11000, AUDIT_SESSION_REKEYED, REASON_NONE);
	expect(&s, "I2");
}

/* Sessions that never attached are told by their number, each for a reason that ends one. */
static void test_unfinished(void **state)
{
	struct audit_record *r;
	struct story s;

	life(&s);
	r = say(&s, 12000, AUDIT_HANDSHAKES_UNFINISHED, REASON_HANDSHAKE_TIMEOUT);
	r->has_session = false;
	r->count = 9;
	expect_fine(&s);
	r->reason = REASON_SUPERSEDED;
	expect_fine(&s);
	r->reason = REASON_HEARTBEAT_TIMEOUT;
	expect(&s, "I8");
}

/* --- several nodes --- */

static void test_two_owners(void **state)
{
	struct verify_totals totals;
	struct story s = { .n = 0 };
	struct heard h;
	size_t lost;

	begin(&s, 1, false);
	attach(&s, 10);
	begin(&s, 1, false);
	s.r[s.n - 1].node_id = 1; /* the other node has it */
	s.now = s.r[2];
	s.now.path_to = 0;
	s.now.state_version = 1;
	lost = s.n;
	end(&s, 2000, REASON_OWNERSHIP_LOST);
	judge(&s, &h, &totals);
	assert_int_equal(h.n, 0);
	s.r[lost].reason = s.r[lost + 1].reason = REASON_PEER_CLOSED;
	expect(&s, "I11");
	s.r[3].client = true; /* the other end of one session is no owner */
	expect_fine(&s);
}

/* What begins anew under a new origin is another run: its sessions are not those of the old one. */
static void test_restart(void **state)
{
	struct story s;
	struct heard h = { 0 };
	struct verify *v = verify_new(found, &h);
	struct verify_session t;

	life(&s);
	for (size_t i = 0; i < 9; i++)
		verify_record(v, 0, i, &s.r[i]);
	assert_int_equal(verify_living(v, 0), 1);
	assert_true(verify_session(v, 0, s.r[0].session_id, &t));
	assert_int_equal(t.state, STATE_ATTACHED);
	assert_int_equal(t.active, 1);
	verify_origin_end(v, 0);
	assert_int_equal(verify_living(v, 0), 0);
	for (size_t i = 0; i < s.n; i++)
		verify_record(v, 1, i, &s.r[i]);
	verify_end(v);
	assert_int_equal(h.n, 0);
	verify_free(v);
}

/* Sessions that have ended take no room, and many at one time find their own. */
static void test_many(void **state)
{
	struct heard h = { 0 };
	struct verify *v = verify_new(found, &h);
	struct story s;

	for (unsigned int k = 0; k < 3000; k++) {
		life(&s);
		for (size_t i = 0; i < 9; i++) {
			memcpy(s.r[i].session_id, &k, sizeof(k));
			verify_record(v, 0, i, &s.r[i]);
		}
	}
	assert_int_equal(verify_living(v, 0), 3000);
	for (unsigned int k = 0; k < 3000; k++) {
		for (size_t i = 9; i < s.n; i++) {
			memcpy(s.r[i].session_id, &k, sizeof(k));
			verify_record(v, 0, i, &s.r[i]);
		}
	}
	assert_int_equal(verify_living(v, 0), 0);
	verify_end(v);
	assert_int_equal(h.n, 0);
	verify_free(v);
}

/* A log that is made to keep us busy: were each gap told to each session, this would take ten minutes. */
static void test_many_gaps(void **state)
{
	struct heard h = { 0 };
	struct verify *v = verify_new(found, &h);
	struct verify_totals totals;
	struct story s = { .n = 0 };

	begin(&s, 1, false);
	for (unsigned int k = 0; k < 200000; k++) {
		memcpy(s.r[0].session_id, &k, sizeof(k));
		verify_record(v, 0, k, &s.r[0]);
	}
	gap(&s, 10, 0, 1, 1);
	for (unsigned int k = 0; k < 200000; k++)
		verify_record(v, 0, k, &s.r[1]);
	verify_end(v);
	verify_totals(v, &totals);
	assert_int_equal(totals.sessions, 200000);
	assert_int_equal(totals.lost, 200000);
	assert_int_equal(h.n, 0);
	verify_free(v);
}

/* So many changes as a minute tells one by one, and more of them in one record. */
static struct audit_record *flap(struct story *s, unsigned int more)
{
	struct audit_record *r;
	int64_t ms = 100;

	begin(s, 1, false);
	attach(s, 10);
	for (unsigned int i = 1; i < AUDIT_CHANGES_PER_MIN; i++, ms += 100)
		go(s, ms, i % 2 ? STATE_VOLATILE : STATE_ATTACHED,
		   i % 2 ? REASON_HEARTBEAT_TIMEOUT : REASON_HEALTH_RECOVERED);
	assert_int_equal(s->now.to, STATE_VOLATILE);
	s->now.state_version += more;
	r = say(s, ms + 6000, AUDIT_SESSION_STATE_CHANGE, REASON_HEALTH_RECOVERED);
	r->from = STATE_VOLATILE;
	r->to = s->now.from = s->now.to = STATE_ATTACHED;
	r->path_to = s->now.path_to;
	r->count = more;
	r->elapsed_ms = 6100;
	r->flaps = (struct audit_flaps){ .attached_ms = 3000,
					 .volatile_ms = 3100,
					 .volatile_most_ms = 1000,
					 .recovering_most_ms = 800,
					 .span_ms = 6000 };
	return r;
}

/* A sum leads on like the changes that it stands for. */
static void test_summed_changes(void **state)
{
	struct audit_record *r;
	struct story s = { 0 };

	flap(&s, 41);
	jump(&s, 10000, 1);
	end(&s, 12000, REASON_PEER_CLOSED);
	expect_fine(&s);

	/* The session is away at the end of it: since then its time without a transport counts, and no longer. */
	s = (struct story){ 0 };
	r = flap(&s, 40);
	r->to = s.now.from = s.now.to = STATE_VOLATILE;
	r->reason = REASON_HEARTBEAT_TIMEOUT;
	r->flaps.away_ms = 0;
	go(&s, 13000, STATE_DEGRADED, REASON_VOLATILE_PERSISTED);
	end(&s, 14000, REASON_TRANSPORT_TTL_EXCEEDED);
	expect_fine(&s);
	r->flaps.away_ms = 3000;
	expect(&s, "I6");
}

static void test_wrong_sums(void **state)
{
	struct audit_record *r;
	struct story s = { 0 };

	flap(&s, 41)->count = 42;
	expect(&s, "I7");
	s = (struct story){ 0 };
	flap(&s, 2)->reason = REASON_REATTACH_SUCCESS; /* two lead there only by RECOVERING */
	expect_fine(&s);
	s = (struct story){ 0 };
	flap(&s, 2);
	expect(&s, "I8");
	s = (struct story){ 0 };
	flap(&s, 41)->reason = REASON_HEARTBEAT_TIMEOUT;
	expect(&s, "I8");
	s = (struct story){ 0 };
	flap(&s, 41)->from = STATE_ATTACHED;
	expect(&s, "I8");
	s = (struct story){ 0 };
	flap(&s, 41)->flaps.volatile_most_ms = 4003;
	expect(&s, "I6");
	s = (struct story){ 0 };
	flap(&s, 41)->flaps.recovering_most_ms = 803;
	expect(&s, "I5");
	s = (struct story){ 0 };
	r = flap(&s, 41);
	r->traffic.tx_packets = 500;
	r->traffic.stalled_ms = DATA_MS + 1;
	expect(&s, "I12");
	s = (struct story){ 0 };
	flap(&s, 41)->flaps.span_ms = 100; /* VOLATILE before the first of them for six seconds */
	expect(&s, "I6");
	s = (struct story){ 0 }; /* nothing was to be summed up */
	begin(&s, 1, false);
	attach(&s, 10);
	s.now.state_version += 2;
	r = say(&s, 1000, AUDIT_SESSION_STATE_CHANGE, REASON_HEALTH_RECOVERED);
	r->path_to = s.now.path_to;
	r->count = 2;
	r->flaps.span_ms = 100;
	expect(&s, "I8");
}

/* Lost records of a session that flaps may have been sums; of another one they are what they are. */
static void test_lost_sums(void **state)
{
	struct story s = { 0 };
	struct audit_record *r;

	flap(&s, 41);
	s.n--;
	r = say(&s, 20000, AUDIT_AUDIT_GAP, REASON_NONE);
	r->has_session = false;
	r->seq = 1;
	go(&s, 21000, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	end(&s, 22000, REASON_PEER_CLOSED);
	expect_fine(&s);

	s = (struct story){ 0 };
	begin(&s, 1, false);
	attach(&s, 10);
	s.now.state_version += 2;
	r = say(&s, 20000, AUDIT_AUDIT_GAP, REASON_NONE);
	r->has_session = false;
	r->seq = 1;
	go(&s, 21000, STATE_VOLATILE, REASON_HEARTBEAT_TIMEOUT);
	expect(&s, "I7");
}

/* A daemon that is killed while changes wait: what was told last may be long over. */
static void test_killed_while_flapping(void **state)
{
	struct story s = { 0 };

	flap(&s, 41);
	s.n--;
	begin(&s, 2, false);
	s.r[s.n - 1].at.us = 9000000;
	s.now.path_to = 0;
	go(&s, 9500, STATE_ATTACHED, REASON_ATTACHED_TO_TRANSPORT);
	expect_fine(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summed_changes),
		cmocka_unit_test(test_wrong_sums),
		cmocka_unit_test(test_lost_sums),
		cmocka_unit_test(test_killed_while_flapping),
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_each_rule),
		cmocka_unit_test(test_dropped_doubled_moved),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_every_row),
		cmocka_unit_test(test_version_skipped),
		cmocka_unit_test(test_switches_of_a_minute),
		cmocka_unit_test(test_rebindings_are_counted_by_themselves),
		cmocka_unit_test(test_cooldown),
		cmocka_unit_test(test_client_follows),
		cmocka_unit_test(test_new_policy),
		cmocka_unit_test(test_slept),
		cmocka_unit_test(test_never_ended),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_beginning_missing),
		cmocka_unit_test(test_denials_change_nothing),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_two_owners),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
