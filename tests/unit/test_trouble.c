/* Things that go wrong at a bad moment: what is bounded stays bounded, and what was agreed on stays agreed on. */
#include "session/engine.h"
#include "session/health.h"
#include "session/keys.h"
#include "session/send.h"
#include "session/server.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static uint8_t old_id[16];

static void remember_id(struct world *w)
{
	memcpy(old_id, world_session(w, 0)->id, 16);
}

static bool renewed(struct world *w)
{
	return world_all_attached(w) && memcmp(world_session(w, 0)->id, old_id, 16) != 0;
}

static bool client_has_generation(struct world *w)
{
	return world_session(w, 0) &&
	       world_session(w, 0)->policy_generation == w->config->peers[0].generation;
}

static void cut(struct world *w, unsigned int path, bool on)
{
	w->client[0].link[path].cut_up = w->client[0].link[path].cut_down = on;
}

static unsigned int recoveries(struct world *w, size_t from)
{
	unsigned int n = 0;

	for (size_t i = from; i < w->audits; i++)
		n += w->audit[i].engine == CLIENT && w->audit[i].r.event == AUDIT_SESSION_STATE_CHANGE &&
		     w->audit[i].r.to == STATE_RECOVERING;
	return n;
}

static unsigned int sent_with(struct world *w, unsigned int frames)
{
	unsigned int n = 0;

	for (size_t i = 0; i < w->record.n; i++)
		n += w->record.list[i].up && w->record.list[i].frames & frames;
	return n;
}

/* --- rekey --- */

static struct world *with_rekey(void)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.max_candidates = WORLD_PATHS;
	p.rekey_after_ms = 10000;
	world_policy(w, &p);
	return w;
}

static bool client_rekeyed(struct world *w)
{
	return world_session(w, 0)->keys.tx_epoch == 1;
}

static bool both_rekeyed(struct world *w)
{
	return client_rekeyed(w) && world_peer(w, 0)->keys.tx_epoch == 1;
}

/* A peer that wants new keys all the time gets them once a second. */
static void test_hasty_offers(void **state)
{
	struct world *w = with_rekey();
	struct a_frame f = { .type = FRAME_REKEY_OFFER, .rekey.epoch = 2 };
	uint8_t secret[32] = { 1 };

	world_attach(w);
	world_traffic(w, &w->client[0].up, 200000, false); /* idle keys are not replaced */
	world_assert(w, world_until(w, both_rekeyed, 11000));
	world_run(w, 100);
	x25519_public(f.rekey.e, secret);
	for (unsigned int i = 0; i < 40; i++) {
		send_frame(world_session(w, 0)->active, LIES(&f), w->now);
		world_run(w, 20);
		assert_int_equal(w->engine[0].e->njobs, 0);
		assert_int_equal(keys_newest(&world_peer(w, 0)->keys), 1);
	}
	world_run(w, 200);
	send_frame(world_session(w, 0)->active, LIES(&f), w->now);
	world_run(w, 20);
	assert_int_equal(keys_newest(&world_peer(w, 0)->keys), 2);
	world_free(w);
}

/* OFFERs that nobody answers become rare; none goes out while there is no path that answers. */
static void test_offers_back_off(void **state)
{
	struct world *w = with_rekey();
	unsigned int n;

	world_attach(w);
	world_traffic(w, &w->client[0].up, 200000, false); /* idle keys are not replaced */
	w->recording = RECORD_SENT;
	world_swallow_frame(w, false, FRAME_BIT(FRAME_REKEY_ACCEPT), 1000);
	world_run(w, 40000);
	n = sent_with(w, FRAME_BIT(FRAME_REKEY_OFFER));
	assert_in_range(n, 6, 16);
	for (unsigned int path = 0; path < 3; path++)
		cut(w, path, true);
	world_traffic(w, &w->client[0].up, 10000, true);
	world_run(w, 1000);
	world_assert(w, world_session(w, 0)->state != STATE_ATTACHED);
	w->record.n = 0;
	world_run(w, 40000);
	assert_int_equal(sent_with(w, FRAME_BIT(FRAME_REKEY_OFFER)), 0);
	for (unsigned int path = 0; path < 3; path++)
		cut(w, path, false);
	world_swallow_frame(w, false, 0, 0);
	world_assert(w, world_until(w, both_rekeyed, 15000));
	world_assert(w, world_until(w, world_all_attached, 1000));
	world_free(w);
}

static bool of_new_epoch(struct world *w, const struct datagram *d)
{
	return d->up && world_session(w, 0) && client_rekeyed(w);
}

/* The offerer has the new keys and the answerer hears nothing of it for longer than the grace. Its DATA waits,
 * its PINGs do not. */
static void test_unconfirmed(void **state)
{
	struct world *w = with_rekey();
	struct traffic *down;

	world_attach(w);
	world_traffic(w, &w->client[0].up, 200000, false); /* idle keys are not replaced */
	w->swallow = of_new_epoch;
	world_assert(w, world_until(w, client_rekeyed, 11000));
	w->client[0].up.interval_us = 0;
	down = &w->client[0].down;
	world_traffic(w, down, 20000, false);
	world_run(w, 15000);
	assert_int_equal(world_peer(w, 0)->keys.tx_epoch, 0);
	assert_int_equal(world_count(w, CLIENT, COUNT_DROP_UNKNOWN_EPOCH), 0);
	assert_true(down->got > 0 && down->got < down->sent);
	w->swallow = NULL;
	world_assert(w, world_until(w, world_all_attached, 5000));
	world_assert(w, world_until(w, both_rekeyed, 1000));
	world_run(w, 100);
	assert_true(down->sent - down->got <= 13400 / 20); /* all but the last 2 s */
	/* And now the grace runs. */
	world_run(w, 11000);
	world_assert(w, world_session(w, 0)->keys.tx_epoch >= 1 && world_all_attached(w));
	world_free(w);
}

/* --- jumps that lead nowhere --- */

/* A move for comfort, to a path that died just before, in the longest window there is. */
static void test_long_window(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;
	unsigned int n;

	p.max_candidates = WORLD_PATHS;
	p.recovery_window_ms = 60000;
	world_policy(w, &p);
	world_attach(w);
	world_run(w, 1000);
	cut(w, 1, true);
	w->recording = RECORD_SENT;
	world_jump(w, 0, 1, 5);
	world_run(w, 59900);
	world_assert(w, world_session(w, 0)->state == STATE_RECOVERING && w->jumped.n == 0);
	n = sent_with(w, FRAME_BIT(FRAME_JUMP));
	assert_in_range(n, 100, 130);
	world_run(w, 200);
	world_assert(w, w->jumped.n == 1 && w->jumped.why == REASON_RECOVERY_WINDOW_EXPIRED);
	world_assert(w, world_until(w, world_all_attached, 5000));
	assert_int_equal(world_session(w, 0)->active->number, 0);
	world_free(w);
}

/* "Not before a minute is over": though the other paths answer all the time, it is not asked sooner. */
static void test_retry_after(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy policy;
	struct policy p = policy_defaults;
	size_t from;

	p.max_candidates = WORLD_PATHS;
	p.switch_cooldown_ms = 0;
	world_policy(w, &p);
	world_attach(w);
	policy = *world_peer(w, 0)->policy;
	policy.max_switches_per_min = 2;
	world_session_policy(world_peer(w, 0), &policy);
	for (uint8_t i = 1; i < 3; i++) {
		world_jump(w, 0, i, i);
		world_run(w, 1500);
		world_assert(w, world_all_attached(w) && world_session(w, 0)->active->number == i);
	}
	world_traffic(w, &w->client[0].up, 10000, true);
	world_run(w, 500);
	from = w->audits;
	cut(w, 2, true);
	world_run(w, 55000);
	world_assert(w, world_session(w, 0)->state == STATE_DEGRADED);
	assert_int_equal(recoveries(w, from), 1);
	assert_in_range(
		world_audits(w, false, AUDIT_TRANSPORT_SWITCH_DENIED, REASON_SWITCH_RATE_LIMITED, from), 1,
		2);
	world_assert(w, world_until(w, world_all_attached, 6000));
	assert_true(recoveries(w, from) <= 3);
	world_free(w);
}

/*
 * The server has moved and used its last switch, and no word of it has come. The client's own path answers, but
 * going back there is a switch: it is asked for once, not with every PONG, until a slot is free.
 */
static void test_lost_word(void **state)
{
	struct world *w = world_new(1, 1);
	struct policy policy;
	struct policy p = policy_defaults;
	size_t from;

	w->paths = 2;
	p.switch_cooldown_ms = 0;
	world_policy(w, &p);
	world_attach(w);
	policy = *world_peer(w, 0)->policy;
	policy.max_switches_per_min = 1;
	world_session_policy(world_peer(w, 0), &policy);
	world_traffic(w, &w->client[0].up, 10000, true);
	world_run(w, 500);
	cut(w, 0, true);
	w->client[0].link[1].cut_down = true;
	world_run(w, 15000);
	world_assert(w, world_session(w, 0)->state == STATE_DEGRADED);
	assert_int_equal(world_peer(w, 0)->binding_version, 1);
	assert_int_equal(world_session(w, 0)->binding_version, 0);
	from = w->audits;
	cut(w, 0, false);
	world_run(w, 20000);
	assert_in_range(recoveries(w, from), 1, 2);
	world_assert(w, world_until(w, world_all_attached, 60000));
	assert_int_equal(world_session(w, 0)->active->number, 0);
	world_free(w);
}

static bool jumping_to_1(struct world *w)
{
	const struct session *s = world_session(w, 0);

	return s->state == STATE_RECOVERING && s->jump->number == 1 && s->jump->tries > 0;
}

/* The target of the jump gets another address: the JUMP goes out from there at once. */
static void test_target_moves(void **state)
{
	struct world *w = world_new(1, 1);
	struct jv_time before;

	w->paths = 2;
	world_attach(w);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 1000);
	cut(w, 0, true);
	cut(w, 1, true);
	world_assert(w, world_until(w, jumping_to_1, 1000));
	world_run(w, 20);
	world_assert(w, jumping_to_1(w));
	cut(w, 1, false);
	before = w->now;
	engine_candidate_moved(world_client_engine(w, 0), 1, w->now);
	world_assert(w, world_until(w, world_all_attached, 3));
	assert_true(time_diff_us(w->now, before) <= 1000);
	assert_int_equal(world_session(w, 0)->active->number, 1);
	assert_int_equal(world_session(w, 0)->binding_version, 1);
	world_run(w, 2000);
	assert_true(time_diff_us(w->now, w->client[0].up.last_got) < 10000);
	world_free(w);
}

/* The server finds the path lossy: that is the client's to see, and no death to report. */
static void test_server_loss(void **state)
{
	for (unsigned int dead = 0; dead < 2; dead++) {
		struct world *w = world_new(1, 1);
		struct session *s;
		uint64_t sent;

		world_attach(w);
		world_run(w, 1000);
		s = world_peer(w, 0);
		sent = world_count(w, 0, COUNT_TX_CONTROL);
		if (dead) {
			server_path_dead(s, REASON_CONSECUTIVE_DROP_EXCEEDED, w->now);
			assert_int_equal(world_count(w, 0, COUNT_TX_CONTROL), sent + 2); /* its other paths */
		} else {
			s->active->health->loss_bad = true;
			session_need_pmtu(s->active)->cleared = w->now; /* it is not for their size */
			health_ponged(s, s->active, true, w->now);
			assert_int_equal(world_count(w, 0, COUNT_TX_CONTROL), sent);
		}
		assert_int_equal(s->state, STATE_VOLATILE);
		world_run(w, 100);
		assert_int_equal(world_session(w, 0)->binding_version, dead);
		assert_int_equal(recoveries(w, 0), dead);
		world_free(w);
	}
}

/* --- what the server says for the tunnel device --- */

/* The next session's WELCOME has not room for all: what is there stays until all of it has come. */
static void test_routes_at_renewal(void **state)
{
	const size_t many = 300;
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;
	struct config_peer *peer = &w->config->peers[0];

	p.max_candidates = WORLD_PATHS;
	p.max_lifetime_ms = 100000;
	world_policy(w, &p);
	free(peer->routes);
	peer->routes = calloc(many, sizeof(struct prefix));
	peer->nroutes = many;
	for (size_t i = 0; i < many; i++) {
		peer->routes[i].ip = ip_from_v4((const uint8_t[]){ 10, 100, (uint8_t)(i / 256), (uint8_t)i });
		peer->routes[i].len = 128;
	}
	world_attach(w);
	world_assert(w, world_until(w, client_has_generation, 60000));
	assert_int_equal(w->client[0].items, many + 3);
	remember_id(w);
	world_swallow_frame(w, false, FRAME_BIT(FRAME_POLICY), 100000);
	world_assert(w, world_until(w, renewed, 99000));
	world_run(w, 1000);
	assert_int_equal(w->client[0].items, many + 3);
	assert_false(client_has_generation(w));
	world_swallow_frame(w, false, 0, 0);
	world_assert(w, world_until(w, client_has_generation, 20000));
	assert_int_equal(w->client[0].items, many + 3);
	world_free(w);
}

/* A new policy goes out with the reload, and not when an idle client next speaks. */
static void test_policy_is_pushed(void **state)
{
	struct world *w = world_new(1, 1);
	struct config *next;

	world_attach(w);
	world_run(w, 1000);
	next = world_config_next(w);
	next->peers[0].generation = 2;
	world_reload(w, next);
	world_assert(w, world_until(w, client_has_generation, 1));
	world_free(w);
}

/* Two devices with one key: each is told that it is the other's turn, and their contest is a slow one. */
static void test_one_key_twice(void **state)
{
	struct world *w = world_new(1, 2);
	unsigned int ends;

	memcpy(w->client[1].config.private_key, w->client[0].config.private_key, 32);
	memcpy(w->client[1].config.public_key, w->client[0].config.public_key, 32);
	world_start(w);
	world_run(w, 60000);
	ends = world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_NONE, 0);
	assert_in_range(ends, 2, 60);
	assert_in_range(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0), ends - 2,
			ends);
	assert_true(world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0) >= ends);
	world_free(w);
}

static bool client_recovers(struct world *w)
{
	return world_session(w, 0)->state == STATE_RECOVERING;
}

/* Whoever wakes hears of its links, or of an operator, before its timers run: what was due in its sleep comes first all
 * the same, or its records tell of a past that was not (world_free() looks). */
static void test_first_news_after_sleep(void **state)
{
	for (unsigned int news = 0; news < 4; news++) {
		struct world *w = world_new(1, 1);
		struct candidate cand = { .number = 1, .via = 1, .remotes = 1 };
		struct engine *e;

		world_attach(w);
		e = world_client_engine(w, 0);
		cand.remote[0] = (struct endpoint){ world_server_ip(), .port = 4433 };
		for (unsigned int n = 0; n < WORLD_PATHS; n++)
			w->client[0].link[n].cut_up = w->client[0].link[n].cut_down = true;
		world_traffic(w, &w->client[0].up, 10000, false);
		world_assert(w, world_until(w, client_recovers, 5000));
		w->client[0].up.interval_us = 0;
		w->now = time_add_ms(w->now, 30000);
		if (news == 0)
			engine_candidate_moved(e, 1, w->now);
		else if (news == 1)
			engine_candidate_down(e, 1, REASON_TRANSPORT_DEAD, w->now);
		else if (news == 2)
			engine_candidate_up(e, &cand, w->now);
		else
			engine_jump(e, world_session(w, 0)->id, 1, 1, w->now);
		world_assert(w, world_session(w, 0)->state == STATE_DEGRADED);
		world_run(w, 1000);
		world_free(w);
	}
}

/* A shorter lifetime that is taken in its sleep, with a transition that was due, has passed before that: the end comes
 * after the transition, and not in the past of it (world_free() looks). */
static void test_lifetime_lowered_asleep(void **state)
{
	struct world *w = world_new(1, 1);
	struct config *next;

	world_attach(w);
	world_run(w, 70000);
	for (unsigned int n = 0; n < WORLD_PATHS; n++)
		w->client[0].link[n].cut_up = w->client[0].link[n].cut_down = true;
	world_traffic(w, &w->client[0].down, 10000, false);
	world_run(w, 1000);
	world_assert(w, world_peer(w, 0)->state == STATE_VOLATILE);
	w->client[0].down.interval_us = 0;
	next = world_config_next(w);
	next->peers[0].policy.max_lifetime_ms = 60000;
	next->peers[0].generation = 2;
	world_reload(w, next);
	w->now = time_add_ms(w->now, 30000);
	world_run(w, 1000);
	assert_int_equal(
		world_audits(w, false, AUDIT_SESSION_TERMINATED, REASON_SESSION_LIFETIME_EXCEEDED, 0), 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hasty_offers),
		cmocka_unit_test(test_offers_back_off),
		cmocka_unit_test(test_unconfirmed),
		cmocka_unit_test(test_long_window),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_lost_word),
		cmocka_unit_test(test_target_moves),
		cmocka_unit_test(test_server_loss),
		cmocka_unit_test(test_routes_at_renewal),
		cmocka_unit_test(test_policy_is_pushed),
		cmocka_unit_test(test_one_key_twice),
		cmocka_unit_test(test_first_news_after_sleep),
		cmocka_unit_test(test_lifetime_lowered_asleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
