/* The bounds in time of DESIGN section 7, to the tick of the timer wheel, and what floods may cost. */
#include "session/connect.h"
#include "session/engine.h"
#include "session/info.h"
#include "session/send.h"
#include "session/session.h"
#include "world.h"

#include "proto/cookie.h"

#define CLIENT WORLD_WORKERS
#define TICK_MS 2

static void cut_all(struct world *w, bool cut)
{
	for (unsigned int i = 0; i < WORLD_PATHS; i++)
		w->client[0].link[i].cut_up = w->client[0].link[i].cut_down = cut;
}

static struct world *with_policy(struct policy *p)
{
	struct world *w = world_new(1, 1);

	p->max_candidates = WORLD_PATHS;
	world_policy(w, p);
	return w;
}

/* Every transition with this reason at that end came as long after the one before it. */
static void assert_took(struct world *w, bool client, enum reason why, uint64_t ms, unsigned int least)
{
	unsigned int n = 0;

	for (size_t i = 0; i < w->audits; i++) {
		const struct audit_record *r = &w->audit[i].r;

		if ((w->audit[i].engine >= WORLD_WORKERS) != client ||
		    r->event != AUDIT_SESSION_STATE_CHANGE || r->reason != why)
			continue;
		if (r->elapsed_ms < ms || r->elapsed_ms > ms + TICK_MS)
			fail_msg("%s: after %llu ms, not %llu", reason_name(why),
				 (unsigned long long)r->elapsed_ms, (unsigned long long)ms);
		n++;
	}
	assert_true(n >= least);
}

static void test_handshake_timeout(void **state)
{
	for (uint32_t ms = 500; ms <= 60000; ms *= 5) {
		struct policy p = policy_defaults;
		struct session_info info;
		struct world *w;

		p.handshake_timeout_ms = ms;
		w = with_policy(&p);
		world_swallow_type(w, true, PACKET_SEALED, UINT32_MAX);
		world_start(w);
		world_run(w, 100);
		world_view(w, 0, &info, 1);
		assert_in_range(info.deadline_ms, ms - 100, ms - 95);
		world_run(w, ms);
		assert_took(w, true, REASON_HANDSHAKE_TIMEOUT, ms, 1);
		assert_true(world_audits(w, false, AUDIT_HANDSHAKES_UNFINISHED, REASON_HANDSHAKE_TIMEOUT, 0) >= 1);
		assert_null(world_peer(w, 0));
		world_free(w);
	}
}

static void test_volatile_to_degraded(void **state)
{
	for (uint32_t ms = 100; ms <= 60000; ms *= 8) {
		struct policy p = policy_defaults;
		struct world *w;

		p.volatile_to_degraded_ms = ms;
		w = with_policy(&p);
		world_attach(w);
		world_traffic(w, &w->client[0].down, 5000, false);
		world_run(w, 1000);
		cut_all(w, true);
		world_run(w, ms + 1000);
		assert_took(w, false, REASON_VOLATILE_PERSISTED, ms, 1);
		world_free(w);
	}
}

/* The same for a client that finds nothing better. */
static void test_volatile_client(void **state)
{
	struct policy p = policy_defaults;
	struct world *w;

	p.volatile_to_degraded_ms = 700;
	p.latency_volatile_threshold_ms = 20;
	w = with_policy(&p);
	w->paths = 1;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 3000);
	w->client[0].link[0].delay_us = 40000;
	world_run(w, 6000);
	assert_took(w, true, REASON_VOLATILE_PERSISTED, 700, 1);
	world_free(w);
}

static void test_recovery_window(void **state)
{
	for (uint32_t ms = 500; ms <= 60000; ms *= 5) {
		struct policy p = policy_defaults;
		struct world *w;

		p.recovery_window_ms = ms;
		w = with_policy(&p);
		world_attach(w);
		world_traffic(w, &w->client[0].up, 5000, true);
		world_run(w, 1000);
		cut_all(w, true);
		world_run(w, ms + 1000);
		assert_took(w, true, REASON_RECOVERY_WINDOW_EXPIRED, ms, 1);
		cut_all(w, false);
		world_assert(w, world_until(w, world_all_attached, 20000));
		world_free(w);
	}
}

/* From when it left ATTACHED, whatever it was since. */
static void test_transportless(void **state)
{
	for (uint32_t ms = 1000; ms <= 125000; ms *= 5) {
		struct policy p = policy_defaults;
		struct world *w;
		unsigned int ends = 0;

		p.transport_lost_ttl_ms = ms;
		w = with_policy(&p);
		world_attach(w);
		world_traffic(w, &w->client[0].up, 5000, true);
		world_run(w, 1000);
		cut_all(w, true);
		world_run(w, ms + 16000); /* an idle server notices later */
		for (unsigned int end = 0; end < 2; end++) {
			struct jv_time left = TIME_NEVER;

			for (size_t i = 0; i < w->audits; i++) {
				const struct audit_record *r = &w->audit[i].r;

				if ((w->audit[i].engine >= WORLD_WORKERS) != end ||
				    r->event != AUDIT_SESSION_STATE_CHANGE)
					continue;
				if (r->from == STATE_ATTACHED)
					left = r->at;
				if (r->reason != REASON_TRANSPORT_TTL_EXCEEDED)
					continue;
				ends++;
				assert_in_range(time_diff_us(r->at, left), ms * 1000ull,
						(ms + TICK_MS) * 1000ull);
			}
		}
		assert_int_equal(ends, 2);
		world_free(w);
	}
}

/* --- floods --- */

/*
 * 10,000 HELLOs a second for five seconds, each from another address, of somebody who knows the server's public key;
 * a tenth are recorded ones of the client itself. It connects all the same, jumps and renews; what is spent on
 * strangers is bounded.
 */
static void test_hello_flood(void **state)
{
	struct world *w = world_new(1, 1);
	struct packet_hello h = { .type = PACKET_HELLO, .suite = SUITE_AES_256_GCM };
	struct datagram recorded;
	size_t most_jobs = 0, most_sessions = 0;
	uint64_t dh;

	w->recording = RECORD_SENT;
	world_attach(w);
	recorded = w->record.list[0];
	assert_int_equal(recorded.data[0], PACKET_HELLO);
	w->recording = RECORD_NOTHING;
	world_run(w, 1000);
	dh = world_count(w, 0, COUNT_HELLO_BAD_CRYPTO) + world_count(w, 0, COUNT_WELCOME_SENT);
	for (unsigned int i = 0; i < 50000; i++) {
		const struct route from = world_stranger(i);
		struct engine *e = w->engine[0].e;

		if (i % 10 == 0) {
			world_inject_up(w, &from, recorded.data, recorded.len);
		} else {
			prng_fill(&w->rng, h.e, 32);
			cookie_sign_hello(e->cookie_keys, &h, NULL);
			world_inject_up(w, &from, &h, sizeof(h));
		}
		if (e->njobs > most_jobs)
			most_jobs = e->njobs;
		if (engine_session_count(e) > most_sessions)
			most_sessions = engine_session_count(e);
		if (i % 10 == 9)
			world_run(w, 1);
		if (i == 10000) /* in the middle of it the client begins anew */
			assert_true(
				engine_terminate(world_client_engine(w, 0), world_session(w, 0)->id, w->now));
		if (i == 12000)
			world_assert(w, world_all_attached(w));
		if (i == 30000)
			connect_start(world_client_engine(w, 0), w->now);
		if (i == 32000) {
			world_assert(w, world_all_attached(w));
			assert_int_equal(
				world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0) > 0,
				1);
		}
	}
	dh = world_count(w, 0, COUNT_HELLO_BAD_CRYPTO) + world_count(w, 0, COUNT_WELCOME_SENT) - dh;
	assert_in_range(dh, 1, 6 * 200 + 10);
	assert_true(most_jobs <= 32 && most_sessions <= 3);
	assert_true(world_count(w, 0, COUNT_COOKIE_SENT) > 45000);
	assert_true(w->stranger_bytes < 50000ull * PROTO_HELLO_LEN / 10);
	world_run(w, 10000);
	assert_int_equal(engine_session_count(w->engine[0].e), 1);
	world_free(w);
}

/* JUMPs onto the path that is bound, as many as fit: each is acknowledged, and nothing else comes of it. */
static void test_jump_flood(void **state)
{
	struct world *w = world_new(1, 1);
	struct session_info before, after;
	uint64_t sent;
	size_t audits;

	world_attach(w);
	world_run(w, 1000);
	world_view(w, 0, &before, 1);
	audits = w->audits;
	sent = world_count(w, 0, COUNT_TX_CONTROL);
	for (unsigned int i = 0; i < 5000; i++) {
		struct session *s = world_session(w, 0);
		struct a_frame f = { .type = FRAME_JUMP };

		f.jump.id = put_be32(1000 + i);
		f.jump.path = s->active->number;
		f.jump.reason = REASON_CONSECUTIVE_DROP_EXCEEDED;
		f.jump.binding_version = put_be32(s->binding_version);
		f.jump.age_us = put_be64(session_age_us(s, w->now));
		send_frame(s->active, LIES(&f), w->now);
		if (i % 5 == 4)
			world_run(w, 1);
	}
	world_run(w, 10);
	world_view(w, 0, &after, 1);
	assert_int_equal(w->audits, audits);
	assert_in_range(world_count(w, 0, COUNT_TX_CONTROL) - sent, 5000, 5020);
	assert_true(after.state_version == before.state_version &&
		    after.binding_version == before.binding_version);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake_timeout), cmocka_unit_test(test_volatile_to_degraded),
		cmocka_unit_test(test_volatile_client),   cmocka_unit_test(test_recovery_window),
		cmocka_unit_test(test_transportless),     cmocka_unit_test(test_hello_flood),
		cmocka_unit_test(test_jump_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
