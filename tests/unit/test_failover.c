/* A gateway dies while another endpoint of the server answers; and holes that end, after which nothing must have changed. */
#include "session/client_state.h"
#include "session/engine.h"
#include "session/session.h"
#include "world.h"

#define CLIENT WORLD_WORKERS

static uint8_t old_id[16];
static bool first_dead;   /* the endpoint that the session began on */
static bool second_knows; /* the session, too: it is the same server */
static bool close_passes; /* from the first one, although it is dead */
static uint32_t mute;     /* so many CONTROLs of the second one are lost */

/* The second endpoint is another gateway: it hears nothing of a session that is not its own, and says nothing to it. */
static bool gateways(struct world *w, const struct datagram *d)
{
	const struct ip *server = d->up ? &d->route.local : &d->route.remote.ip;
	const bool sealed = d->data[0] == PACKET_SEALED;
	const uint8_t *locator = d->data + offsetof(struct packet_header, locator);
	const struct path *p = sealed ? session_find_path(w->engine[0].e, locator) : NULL;

	if (server->b[15] == 1)
		return first_dead && !(close_passes && !d->up && d->frames & FRAME_BIT(FRAME_CLOSE));
	if (!d->up && mute > 0 && d->frames != 0) {
		mute--;
		return true;
	}
	return !second_knows && p && memcmp(p->session->id, old_id, 16) == 0;
}

static struct candidate candidate_of(uint8_t number)
{
	struct candidate c = { .number = number, .via = number, .remotes = 2 };

	snprintf(c.name, sizeof(c.name), "path%u", number);
	for (uint8_t i = 0; i < 2; i++) {
		assert_true(ip_parse(i == 0 ? "192.0.2.1" : "192.0.2.2", &c.remote[i].ip));
		c.remote[i].port = 4433;
	}
	return c;
}

static bool replaced(struct world *w)
{
	return world_all_attached(w) && memcmp(world_session(w, 0)->id, old_id, 16) != 0;
}

/* Two paths, two endpoints, traffic both ways. */
static struct world *carrying_for(uint32_t failover_after_ms, uint32_t ttl_ms)
{
	struct world *w = world_new(1, 1);
	struct policy p = policy_defaults;

	p.transport_lost_ttl_ms = ttl_ms;
	world_policy(w, &p);
	first_dead = second_knows = close_passes = false;
	mute = 0;
	w->paths = 2;
	w->swallow = gateways;
	w->client[0].config.failover_after_ms = failover_after_ms;
	world_start(w);
	for (uint8_t n = 0; n < 2; n++) {
		const struct candidate c = candidate_of(n);

		engine_candidate_up(world_client_engine(w, 0), &c, w->now);
	}
	world_assert(w, world_until(w, world_all_attached, 1000));
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 2000);
	memcpy(old_id, world_session(w, 0)->id, 16);
	assert_int_equal(world_session(w, 0)->active->lead.remote.b[15], 1);
	return w;
}

static struct world *carrying(uint32_t failover_after_ms)
{
	return carrying_for(failover_after_ms, policy_defaults.transport_lost_ttl_ms);
}

static bool is_calling(struct world *w)
{
	return world_client_engine(w, 0)->client->connecting;
}

static unsigned int births(struct world *w)
{
	return world_audits(w, true, AUDIT_SESSION_CREATED, REASON_NONE, 0);
}

static void assert_kept(struct world *w)
{
	world_assert(w, world_all_attached(w));
	assert_memory_equal(world_session(w, 0)->id, old_id, 16);
	assert_int_equal(births(w), 1);
	assert_false(is_calling(w));
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_NONE, 0), 0);
}

static void test_dead_gateway(void **state)
{
	struct world *w = carrying(3000);
	struct jv_time died;

	first_dead = true;
	died = w->now;
	world_run(w, 2900);
	assert_memory_equal(world_session(w, 0)->id, old_id, 16);
	assert_int_equal(births(w), 1);
	world_assert(w, world_until(w, replaced, 1500));
	assert_in_range(time_since_ms(w->now, died), 3000, 4400);
	assert_int_equal(world_session(w, 0)->active->lead.remote.b[15], 2);
	/* The old one has ended only then, and once. */
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_NONE, 0), 1);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_SUPERSEDED, 0), 1);
	world_run(w, 3000);
	assert_int_equal(births(w), 2);
	assert_false(is_calling(w));
	world_free(w);
}

static uint8_t first_closed[PROTO_SLOTS_MAX]; /* CLOSEs that the client sends, by slot of the old session; and */
static unsigned int closed_there;             /* those of them that go to the first endpoint */

static bool counts_closes(struct world *w, const struct datagram *d)
{
	const uint8_t *locator = d->data + offsetof(struct packet_header, locator);

	if (d->up && d->frames & FRAME_BIT(FRAME_CLOSE)) {
		const struct path *p = session_find_path(world_client_engine(w, 0), locator);

		assert_non_null(p);
		assert_memory_equal(p->session->id, old_id, 16);
		first_closed[p->slot]++;
		closed_there += d->route.local.b[15] == 1;
	}
	return gateways(w, d);
}

/* The one that fell silent may be alive: it is told on each open path, once, though none has answered of late. */
static void test_silent_gateway_is_told(void **state)
{
	(void)state;
	for (unsigned int again = 0; again < 2; again++) {
		struct world *w = carrying(3000);
		unsigned int told = 0;

		memset(first_closed, 0, sizeof(first_closed));
		closed_there = 0;
		w->swallow = counts_closes;
		first_dead = true;
		if (again) { /* the paths have been opened anew before */
			world_run(w, 2000);
			first_dead = false;
			world_run(w, 5000);
			assert_kept(w);
			first_dead = true;
		}
		world_assert(w, world_until(w, replaced, 6000));
		for (unsigned int i = 0; i < PROTO_SLOTS_MAX; i++) {
			assert_in_range(first_closed[i], 0, 1);
			told += first_closed[i];
		}
		assert_in_range(told, 2, PROTO_SLOTS_MAX);
		assert_true(closed_there > 0);
		world_free(w);
	}
}

/* A session that rests learns with a heartbeat that nobody is there, which comes each 10 s where there is another gateway;
 * the silence before that counts. */
static void test_dead_gateway_at_rest(void **state)
{
	for (uint32_t after = 0; after < 10000; after += 1900) {
		struct world *w = carrying(3000);
		struct jv_time died;

		world_traffic(w, &w->client[0].up, 0, false);
		world_run(w, 60000 + after);
		first_dead = true;
		died = w->now;
		world_assert(w, world_until(w, replaced, 20000));
		assert_in_range(time_since_ms(w->now, died), 1000, 12000);
		world_free(w);
	}
}

/* It comes back before its time is up, with a WELCOME of the other at hand. */
static void test_comes_back(void **state)
{
	for (uint64_t ms = 2050; ms < 3000; ms += 100) {
		struct world *w = carrying(3000);

		first_dead = true;
		world_run(w, ms);
		first_dead = false;
		world_run(w, 6000);
		assert_kept(w);
		world_free(w);
	}
}

static void cut(struct world *w, bool cut)
{
	for (unsigned int n = 0; n < w->paths; n++)
		w->client[0].link[n].cut_up = w->client[0].link[n].cut_down = cut;
}

/* Whoever is welcomed after a hole was in the hole, and the session with him: it is asked first, wherever the WELCOME came
 * from. */
static void test_hole(void **state)
{
	for (uint64_t ms = 2000; ms < 80000; ms += 1900) {
		struct world *w = carrying(3000);

		second_knows = ms > 40000;
		cut(w, true);
		world_run(w, ms);
		cut(w, false);
		world_run(w, 8000);
		assert_kept(w);
		world_free(w);
	}
}

/* On a long way, too. */
static void test_hole_far_away(void **state)
{
	struct world *w = carrying(3000);

	second_knows = true;
	for (unsigned int n = 0; n < 2; n++)
		w->client[0].link[n].delay_us = 300000;
	world_run(w, 5000);
	cut(w, true);
	world_run(w, 9000);
	cut(w, false);
	world_run(w, 12000);
	assert_kept(w);
	world_free(w);
}

/* A server that was started anew, and whose RESETs do not arrive. */
static void test_starved_reset(void **state)
{
	struct world *w = carrying(3000);

	world_swallow_type(w, false, PACKET_RESET, 1000000);
	w->paths = 2;
	world_restart(w, 0);
	world_assert(w, world_until(w, replaced, 4500));
	world_free(w);
}

static void test_never(void **state)
{
	struct world *w = carrying(0);

	first_dead = true;
	world_run(w, 60000);
	assert_false(is_calling(w));
	assert_int_equal(births(w), 1);
	first_dead = false;
	world_run(w, 10000);
	assert_kept(w);
	world_free(w);
}

/* Nobody answers anywhere: HELLOs become rare. What a stranger sends meanwhile is no life, and no death. */
static void test_bounded(void **state)
{
	struct world *w = carrying(3000);
	struct datagram old;
	uint64_t hellos;

	w->recording = RECORD_ARRIVED;
	world_run(w, 1000);
	w->recording = RECORD_NOTHING;
	old = world_recorded(w, false, FRAME_BIT(FRAME_PONG));
	hellos = world_client_engine(w, 0)->client->next_serial;
	cut(w, true);
	for (unsigned int i = 0; i < 100; i++) {
		struct packet_reset reset = { .type = PACKET_RESET };

		world_run(w, 1000);
		world_late(w, &old);
		memcpy(reset.locator, session_locator(world_session(w, 0)->active), 8);
		world_inject_down(w, 0, world_route(world_session(w, 0)->active), &reset, sizeof(reset));
		assert_memory_equal(world_session(w, 0)->id, old_id, 16);
		assert_true(i < 3 || is_calling(w));
	}
	assert_in_range(world_client_engine(w, 0)->client->next_serial - hellos, 15, 45);
	assert_int_equal(births(w), 1);
	world_free(w);
}

/* The first WELCOME is lost, or what confirms it: another comes. */
static void test_lossy(void **state)
{
	for (unsigned int i = 0; i < 3; i++) {
		struct world *w = carrying(3000);

		first_dead = true;
		w->swallow = gateways;
		world_run(w, 1900);
		for (unsigned int n = 0; n < 2; n++)
			w->client[0].link[n].loss_ppm = 300000;
		world_assert(w, world_until(w, replaced, 20000));
		world_free(w);
	}
}

/* The server has attached the next session, and its word of that is lost; that it has ended the old one is no sign of
 * life. */
static void test_closed_first(void **state)
{
	struct world *w = carrying(3000);
	const size_t from = w->audits;

	first_dead = close_passes = true;
	world_run(w, 2500);
	mute = 2;
	world_assert(w, world_until(w, replaced, 2000));
	assert_int_equal(mute, 0);
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_CREATED, REASON_NONE, from), 1);
	world_free(w);
}

/* It ends by itself while others are called: what waits is taken at once. */
static void test_ends_meanwhile(void **state)
{
	struct world *w = carrying_for(3500, 3000);

	first_dead = true;
	world_assert(w, world_until(w, replaced, 3200));
	assert_int_equal(world_audits(w, true, AUDIT_SESSION_TERMINATED, REASON_TRANSPORT_TTL_EXCEEDED, 0),
			 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dead_gateway),  cmocka_unit_test(test_dead_gateway_at_rest),
		cmocka_unit_test(test_silent_gateway_is_told), cmocka_unit_test(test_comes_back),    cmocka_unit_test(test_hole),
		cmocka_unit_test(test_hole_far_away), cmocka_unit_test(test_starved_reset),
		cmocka_unit_test(test_never),         cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_lossy),         cmocka_unit_test(test_ends_meanwhile),
		cmocka_unit_test(test_closed_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
