/* New keys on order, and on networks that lose, double and reorder; world_sealed() sees that no nonce comes twice. */
#include "session/age.h"
#include "session/client_state.h"
#include "session/engine.h"
#include "session/keys.h"
#include "session/rekey.h"
#include "session/send.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static uint32_t epoch(struct world *w, bool client)
{
	const struct session *s = client ? world_session(w, 0) : world_peer(w, 0);

	return s ? s->keys.tx_epoch : 0;
}

static bool order(struct world *w, bool client)
{
	return engine_rekey(client ? world_client_engine(w, 0) : world_home(w, 0), world_session(w, 0)->id,
			    w->now);
}

static struct world *with_traffic(int64_t interval_us)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	p.rekey_after_ms = 3600000;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, interval_us, false);
	world_traffic(w, &w->client[0].down, interval_us, false);
	return w;
}

static void assert_nothing_lost(struct world *w)
{
	struct world_client *c = &w->client[0];

	c->up.interval_us = c->down.interval_us = 0;
	world_run(w, 1000);
	world_assert(w, c->up.got == c->up.sent && c->down.got == c->down.sent);
}

static void test_order(void **state)
{
	struct world *w = with_traffic(500);

	for (uint32_t n = 1; n <= 6; n++) {
		const bool client = n % 2;

		assert_true(order(w, client));
		if (n > 4) /* both at once: one epoch all the same */
			assert_true(order(w, !client));
		world_run(w, 50);
		world_assert(w, epoch(w, true) == n && epoch(w, false) == n);
		world_run(w, 1000);
	}
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_REKEYED, REASON_NONE, 0), 6);
	assert_int_equal(world_audits(w, false, AUDIT_SESSION_REKEYED, REASON_NONE, 0), 6);
	assert_int_equal(world_session(w, 0)->state_version, 1);
	assert_nothing_lost(w);
	world_free(w);
}

/* However often it is ordered: once a second, and the last order is not forgotten. */
static void test_order_rate(void **state)
{
	struct world *w = with_traffic(2000);

	for (unsigned int ms = 0; ms < 3000; ms += 20) {
		assert_true(order(w, ms % 40));
		world_run(w, 20);
	}
	assert_in_range(epoch(w, true), 3, 4);
	world_run(w, 2500);
	assert_in_range(epoch(w, true), 3, 5);
	assert_int_equal(epoch(w, true), epoch(w, false));
	assert_nothing_lost(w);
	world_free(w);
}

static void test_no_such_session(void **state)
{
	struct world *w = world_new(1, 1);
	uint8_t nobody[16] = { 1 }, id[16];

	world_swallow_type(w, true, PACKET_SEALED, 1000);
	world_start(w);
	world_run(w, 5);
	memcpy(id, world_client_engine(w, 0)->client->next->id, 16);
	assert_false(engine_rekey(world_client_engine(w, 0), id, w->now)); /* in BIRTH */
	assert_false(engine_rekey(w->engine[0].e, id, w->now));
	world_swallow_frame(w, true, 0, 0);
	world_assert(w, world_until(w, world_all_attached, 10000));
	assert_false(engine_rekey(w->engine[0].e, nobody, w->now));
	world_free(w);
}

static void assert_no_packet_without_key(struct world *w)
{
	for (unsigned int i = 0; i <= CLIENT; i += CLIENT) {
		assert_int_equal(world_count(w, i, COUNT_DROP_UNKNOWN_EPOCH), 0);
		assert_int_equal(world_count(w, i, COUNT_DROP_BAD_TAG), 0);
	}
}

/* A third of everything lost, a tenth doubled, overtaking by up to 100 ms, both ends ordering now and then, jumps
 * under way: what arrives can always be opened, and the ends agree again and again. How often in a hundred rounds. */
static uint32_t rough(uint64_t seed, uint32_t loss_threshold_ppm)
{
	struct world *w = with_traffic(1000);
	struct prng rng = { seed };
	struct policy policy;
	uint32_t renewals;

	w->rng.state = seed;
	policy = *world_session(w, 0)->policy;
	policy.loss_volatile_threshold = loss_threshold_ppm;
	world_session_policy(world_session(w, 0), &policy);
	world_session_policy(world_peer(w, 0), &policy);
	for (unsigned int i = 0; i < WORLD_PATHS; i++) {
		w->client[0].link[i].loss_ppm = 300000;
		w->client[0].link[i].twice_ppm = 100000;
		w->client[0].link[i].jitter_us = 100000;
	}
	for (unsigned int i = 0; i < 100; i++) {
		if (!world_session(w, 0) || !world_peer(w, 0))
			break;
		order(w, prng_below(&rng, 2));
		if (prng_below(&rng, 4) == 0)
			order(w, prng_below(&rng, 2));
		if (prng_below(&rng, 8) == 0)
			world_jump(w, 0, (uint8_t)prng_below(&rng, 3), i);
		world_run(w, 100 + prng_below(&rng, 900));
	}
	assert_no_packet_without_key(w);
	renewals = epoch(w, true) < epoch(w, false) ? epoch(w, true) : epoch(w, false);
	for (unsigned int i = 0; i < WORLD_PATHS; i++)
		w->client[0].link[i] = (struct world_link){ .delay_us = 500 };
	w->client[0].up.interval_us = w->client[0].down.interval_us = 20000; /* less to compute */
	world_run(w, 90000);
	world_assert(w, world_all_attached(w) && epoch(w, true) == epoch(w, false) && epoch(w, true) >= 1);
	world_free(w);
	return renewals;
}

/*
 * One seed says little: of 400 the number had a mean of 17.5 and a standard deviation of 5.8 (14.8 and 5.7 where loss is
 * left, too), from 0 to 35, for an offer and its answer come through in half of the cases. So their mean is judged, at
 * three standard errors.
 */
static void test_rough(void **state)
{
	uint32_t often = 0, left = 0;

	for (uint64_t seed = 1; seed <= 24; seed++)
		often += rough(seed, 1000000);
	for (uint64_t seed = 1; seed <= 12; seed++)
		left += rough(seed, policy_defaults.loss_volatile_threshold);
	assert_true(often >= 24 * 14);
	assert_true(left >= 12 * 10);
}

/* Each step of it may be the last before both ends sleep for a minute: what is in flight is gone. */
static void test_suspend(void **state)
{
	for (unsigned int step = 0; step < 10; step++) {
		struct world *w = with_traffic(2000);

		w->job_us = 400;
		world_run(w, 10);
		assert_true(order(w, true));
		assert_true(order(w, false));
		for (unsigned int i = 0; i < step; i++) {
			w->now = time_add_us(w->now, 250);
			world_run(w, 0);
		}
		w->flight.n = 0;
		w->now = time_add_ms(w->now, 60000);
		world_traffic(w, &w->client[0].up, 2000, false);
		world_traffic(w, &w->client[0].down, 2000, false);
		world_run(w, 10000);
		world_assert(w, world_all_attached(w));
		world_assert(w, epoch(w, true) == epoch(w, false) && epoch(w, true) >= 1);
		assert_no_packet_without_key(w);
		world_free(w);
	}
}

/* A peer that takes no ACCEPT and offers the epoch behind it: there is no place for that one. */
static void test_two_ahead(void **state)
{
	struct world *w = with_traffic(2000);
	struct a_frame f = { .type = FRAME_REKEY_OFFER, .rekey.epoch = 2 };
	uint8_t secret[32] = { 1 };

	world_swallow_frame(w, false, FRAME_BIT(FRAME_REKEY_ACCEPT), UINT32_MAX);
	assert_true(order(w, true));
	world_run(w, 1500);
	assert_int_equal(keys_newest(&world_peer(w, 0)->keys), 1);
	assert_int_equal(epoch(w, false), 0);
	x25519_public(f.rekey.e, secret);
	send_frame(world_session(w, 0)->active, LIES(&f), w->now);
	world_run(w, 20);
	assert_int_equal(keys_newest(&world_peer(w, 0)->keys), 1);
	world_swallow_frame(w, false, 0, 0);
	world_run(w, 6000);
	world_assert(w, epoch(w, true) == 1 && epoch(w, false) == 1);
	assert_nothing_lost(w);
	world_free(w);
}

/* All of the packets that a key may seal, to the last, in both directions: the session ends, and no counter beyond. */
static void used_up(bool client)
{
	struct world *w = with_traffic(1000);
	struct session *s = client ? world_session(w, 0) : world_peer(w, 0);

	world_swallow_frame(w, !client, FRAME_BIT(FRAME_REKEY_ACCEPT), UINT32_MAX);
	keys_tx(&s->keys)->tx_counter = PROTO_PACKETS_PER_EPOCH - 200;
	world_run(w, 1500);
	assert_int_equal(world_audits(w, client, AUDIT_SESSION_TERMINATED, REASON_SECURITY_FAILURE, 0), 1);
	world_swallow_frame(w, false, 0, 0);
	world_assert(w, world_until(w, world_all_attached, 180000));
	world_free(w);
}

static void test_used_up(void **state)
{
	used_up(true);
	used_up(false);
}

/* No OFFER arrives, or no ACCEPT: told at twice the interval, a new session at three times. */
static void kept_from_us(unsigned int frame, bool up)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;
	uint8_t id[16];

	p.rekey_after_ms = 10000;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 200000, false); /* idle keys are not replaced */
	memcpy(id, world_session(w, 0)->id, sizeof(id));
	world_swallow_frame(w, up, FRAME_BIT(frame), UINT32_MAX);
	world_run(w, 19000);
	world_assert(w,
		     world_audits(w, true, AUDIT_SECURITY_VALIDATION_FAILED, REASON_REKEY_OVERDUE, 0) == 0);
	world_run(w, 7000);
	world_assert(w,
		     world_audits(w, true, AUDIT_SECURITY_VALIDATION_FAILED, REASON_REKEY_OVERDUE, 0) == 1);
	world_assert(w,
		     world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_REKEY_OVERDUE, 0) == 1);
	world_run(w, 10000);
	world_assert(w, world_all_attached(w) && memcmp(id, world_session(w, 0)->id, sizeof(id)) != 0);
	world_assert(w, world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0) == 1);
	world_free(w);
}

static void test_kept_from_us(void **state)
{
	kept_from_us(FRAME_REKEY_ACCEPT, false);
	(void)state;
}

static bool no_new_keys(struct world *w, const struct datagram *d)
{
	return w->swallow_left > 0 &&
	       (d->data[0] == PACKET_HELLO || d->frames & FRAME_BIT(FRAME_REKEY_OFFER));
}

/* Nor a new session: at five times nothing more is sealed, at either end. */
static void test_too_old(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	(void)state;
	p.rekey_after_ms = 10000;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 200000, false); /* idle keys are not replaced */
	w->swallow = no_new_keys;
	w->swallow_left = 1;
	world_run(w, 48000);
	world_assert(w, world_all_attached(w));
	world_run(w, 8000);
	world_assert(w, world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_NONE, 0) == 1);
	world_assert(w, world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_REKEY_OVERDUE, 0) +
					world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_REKEY_OVERDUE,
						     0) >=
				1);
	world_free(w);
}

/* Each interval is told when it is over, and the session ends with the fifth, whenever the next OFFER may be due. */
static void test_overdue_in_time(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;
	struct jv_time since;

	(void)state;
	p.rekey_after_ms = 10000;
	world_policy(w, &p);
	world_attach(w);
	world_traffic(w, &w->client[0].up, 200000, false); /* idle keys are not replaced */
	w->swallow = no_new_keys;
	w->swallow_left = 1;
	since = world_peer(w, 0)->rekey.since;
	for (unsigned int n = 2; n < 5; n++) {
		world_run(w, time_since_ms(time_add_ms(since, n * 10000 - 5), w->now));
		assert_int_equal(world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_REKEY_OVERDUE, 0),
				 n - 2);
		world_run(w, 10);
		assert_int_equal(world_audits(w, false, AUDIT_SECURITY_VALIDATION_FAILED, REASON_REKEY_OVERDUE, 0),
				 n - 1);
	}
	world_run(w, time_since_ms(time_add_ms(since, 49995), w->now));
	world_assert(w, world_all_attached(w));
	world_run(w, 10);
	world_assert(w, world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_NONE, 0) == 1);
	world_assert(w, world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_NONE, 0) == 1);
	world_free(w);
}

/* An OFFER that fell due while nothing carried goes out as soon as something does. */
static void test_overdue_offer(void **state)
{
	(void)state;
	for (uint64_t away_ms = 1000; away_ms < 20000; away_ms += 1700) {
		struct world *w = with_traffic(5000);
		struct world_link *link = w->client[0].link;
		struct policy p = *world_session(w, 0)->policy;

		p.rekey_after_ms = 10000;
		world_session_policy(world_session(w, 0), &p);
		world_session_policy(world_peer(w, 0), &p);
		age_begins(world_session(w, 0), w->now);
		age_begins(world_peer(w, 0), w->now);
		world_run(w, 9500);
		assert_int_equal(epoch(w, true), 0);
		for (unsigned int i = 0; i < WORLD_PATHS; i++)
			link[i].cut_up = link[i].cut_down = true;
		world_run(w, away_ms);
		assert_int_equal(epoch(w, true), 0);
		for (unsigned int i = 0; i < WORLD_PATHS; i++)
			link[i].cut_up = link[i].cut_down = false;
		world_assert(w, world_until(w, world_all_attached, 5000));
		world_run(w, 20);
		assert_int_equal(epoch(w, true), 1);
		world_free(w);
	}
}

/* Neither a sleep nor a time without a path makes keys too old. */
static void test_old_but_honest(void **state)
{
	struct world *w = with_traffic(50000);
	struct policy p = *world_session(w, 0)->policy;
	uint8_t id[16];

	(void)state;
	p.rekey_after_ms = 10000;
	world_session_policy(world_session(w, 0), &p);
	world_session_policy(world_peer(w, 0), &p);
	assert_true(order(w, true));
	world_run(w, 1000);
	memcpy(id, world_session(w, 0)->id, sizeof(id));
	for (unsigned int i = 0; i < WORLD_PATHS; i++)
		w->client[0].link[i].cut_up = w->client[0].link[i].cut_down = true;
	world_run(w, 100000);
	for (unsigned int i = 0; i < WORLD_PATHS; i++)
		w->client[0].link[i].cut_up = w->client[0].link[i].cut_down = false;
	world_assert(w, world_until(w, world_all_attached, 20000));
	world_run(w, 5000);
	w->now = time_add_ms(w->now, 600000);
	world_traffic(w, &w->client[0].up, 50000, false);
	world_traffic(w, &w->client[0].down, 50000, false);
	world_run(w, 20000);
	world_assert(w, world_all_attached(w) && memcmp(id, world_session(w, 0)->id, sizeof(id)) == 0);
	world_assert(w,
		     world_audits(w, true, AUDIT_SECURITY_VALIDATION_FAILED, REASON_REKEY_OVERDUE, 0) == 0);
	world_free(w);
}

/* What an exchange needs is given back when it is over: at who offered with the new keys, at who answered with the old ones. */
static void test_exchange_is_given_back(void **state)
{
	struct world *w = with_traffic(1000);
	const struct slab *offers = &world_client_engine(w, 0)->exchanges,
			  *answers = &world_home(w, 0)->exchanges;

	world_assert(w, engine_rekey(world_client_engine(w, 0), world_session(w, 0)->id, w->now));
	world_run(w, 1000);
	assert_int_equal(world_session(w, 0)->keys.tx_epoch, 1);
	assert_int_equal(offers->used, 0);
	assert_int_equal(answers->used, 1);
	world_run(w, PROTO_EPOCH_GRACE_MS);
	assert_int_equal(answers->used, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange_is_given_back),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_order_rate),
		cmocka_unit_test(test_no_such_session),
		cmocka_unit_test(test_rough),
		cmocka_unit_test(test_suspend),
		cmocka_unit_test(test_two_ahead),
		cmocka_unit_test(test_used_up),
		cmocka_unit_test(test_kept_from_us),
		cmocka_unit_test(test_too_old),
		cmocka_unit_test(test_overdue_in_time),
		cmocka_unit_test(test_overdue_offer),         cmocka_unit_test(test_old_but_honest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
