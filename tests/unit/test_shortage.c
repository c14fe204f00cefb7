/*
 * Each allocation of both ends of a session fails once, in turn: in handshakes, jumps, rekeys, at a reload. Nothing
 * aborts, nothing leaks, the session carries again once there is memory, and what was refused is counted.
 */
#include "world.h"

#include "session/engine.h"
#include "session/learn.h"
#include "session/stall.h"
#include "shortage.h"

enum { PATIENCE_MS = 60000 };

static bool reload_refused;

/* A reload as the daemon makes it: all memory first, and refused without it. */
static void reload(struct world *w, struct config *next)
{
	struct engine_peers *peers = engine_peers_new(w->config, next, 0, 1);

	if (!peers) {
		world_allocates++;
		make_config_free(next);
		world_allocates--;
		reload_refused = true;
		return;
	}
	engine_configure(w->engine[0].e, next, peers, w->now);
	make_config_free(w->config);
	w->config = next;
}

/* Longer rows of switches, and another ring. */
static struct config *larger(struct world *w)
{
	struct config *next;

	world_allocates++;
	next = world_config_next(w);
	for (size_t i = 0; i < next->npeers; i++) {
		next->peers[i].generation = next->generation;
		next->peers[i].policy.rescue_bytes = 300000;
		next->peers[i].policy.max_switches_per_min = 20;
	}
	make_owners(next);
	world_allocates--;
	return next;
}

static void live_through_all(struct world *w)
{
	world_run(w, 3000);
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 500);
	world_jump(w, 0, 1, 1);
	world_run(w, 1000);
	if (world_peer(w, 0))
		engine_rekey(w->engine[0].e, world_peer(w, 0)->id, w->now);
	world_run(w, 2000);
	reload(w, larger(w));
	w->client[0].link[0].cut_up = w->client[0].link[0].cut_down = true;
	w->client[0].link[1].cut_up = w->client[0].link[1].cut_down = true;
	world_run(w, 2000);
	if (world_peer(w, 0))
		engine_terminate(w->engine[0].e, world_peer(w, 0)->id, w->now);
	world_run(w, 3000);
}

static uint64_t refused(struct world *w, unsigned int engine)
{
	return world_count(w, engine, COUNT_NO_MEMORY) + world_count(w, engine, COUNT_HELLO_NO_MEMORY) +
	       world_count(w, engine, COUNT_RESCUE_NO_ROOM) + world_count(w, engine, COUNT_WELCOME_BAD) +
	       world_count(w, engine, COUNT_DROP_NO_MEMORY);
}

/* One whole life; answers whether somebody counted a refusal. */
static bool one_round(void)
{
	const long before = shortage.live;
	struct world *w = world_new(1, 1);
	uint32_t got;
	bool counted;

	reload_refused = false;
	w->config->peers[0].policy.rescue_bytes = 200000;
	w->max_switches = 20;
	world_start(w);
	shortage_arm();
	live_through_all(w);
	shortage_disarm();
	world_assert(w, world_until(w, world_all_attached, PATIENCE_MS));
	world_run(w, 2000);
	got = w->client[0].up.echoed;
	world_run(w, 2000);
	world_assert(w, w->client[0].up.echoed > got);
	counted = reload_refused || refused(w, 0) + refused(w, WORLD_WORKERS) > 0;
	world_free(w);
	if (shortage.fails > 0)
		assert_int_equal(shortage.live, before);
	return counted;
}

static void test_each_fails_once(void **state)
{
	unsigned int rounds = 0, counted = 0;

	if (!shortage_works())
		skip();
	shortage_begin(&world_allocates);
	one_round(); /* what libraries keep for ever they have now */
	for (; shortage_next(); rounds++)
		counted += one_round();
	rounds--; /* in the last one none was left */
	assert_true(rounds > 20);
	assert_int_equal(counted, rounds);
}

/* No path more can be asked how it carries: an order to jump there is as good as lost, until there is room. */
static void test_no_room_for_health(void **state)
{
	struct world *w = world_new(1, 1);
	struct slab *healths;
	size_t limit;

	world_attach(w);
	world_run(w, 3000);
	healths = &w->engine[0].e->healths;
	limit = healths->limit;
	assert_int_equal(healths->used, 1); /* of the path that carries data */
	healths->limit = healths->used;
	world_jump(w, 0, 1, 1);
	world_run(w, 300);
	world_assert(w, world_peer(w, 0)->active->number == 0 && world_peer(w, 0)->state == STATE_ATTACHED);
	world_assert(w, world_count(w, 0, COUNT_NO_MEMORY) > 0);
	healths->limit = limit;
	world_assert(w, world_until(w, world_all_attached, PATIENCE_MS));
	world_run(w, 1000);
	world_assert(w, world_peer(w, 0)->active->number == 1);
	world_free(w);
}

/* Nobody can follow what becomes of DATA: it is carried all the same, and no path counts as one that stalls. */
static void test_no_room_for_lags(void **state)
{
	struct world *w = world_new(1, 1);
	uint32_t got;

	world_attach(w);
	w->engine[0].e->lags.limit = 0;
	world_traffic(w, &w->client[0].up, 5000, true);
	world_run(w, 10000);
	world_assert(w, world_count(w, 0, COUNT_NO_MEMORY) > 0);
	got = w->client[0].up.echoed;
	world_run(w, 1000);
	world_assert(w, world_all_attached(w) && w->client[0].up.echoed > got);
	assert_null(session_rare(world_peer(w, 0))->lags);
	assert_int_equal(stall_likely(world_peer(w, 0)->active), 0);
	world_free(w);
}

static bool all_eased(struct world *w)
{
	return w->engine[0].e->upkeeps.used == 0;
}

/*
 * No address can be challenged: what is proven stays so for its time and carries, an address that is new is not taken, and
 * nobody is busy with it.
 */
static void test_no_room_for_challenges(void **state)
{
	const struct route elsewhere = world_stranger(1);
	struct world *w = world_new(1, 1);
	struct engine *e;
	struct path *p;
	size_t limit;
	uint32_t got;

	world_attach(w);
	world_run(w, 3000);
	e = w->engine[0].e;
	limit = e->upkeeps.limit;
	world_assert(w, world_until(w, all_eased, PATIENCE_MS));
	e->upkeeps.limit = 0;
	p = session_path_numbered(world_peer(w, 0), 1);
	assert_false(learn_heard(p, &elsewhere, 1, PROTO_CONTROL_SMALL, true, w->now));
	assert_false(route_equal(world_route(p), &elsewhere));
	assert_int_equal(world_count(w, 0, COUNT_NO_MEMORY), 1);
	world_traffic(w, &w->client[0].up, 50000, true);
	world_run(w, 100000);
	assert_in_range(world_count(w, 0, COUNT_NO_MEMORY), 10, 3000);
	got = w->client[0].up.echoed;
	world_run(w, 1000);
	world_assert(w, world_all_attached(w) && w->client[0].up.echoed > got);
	e->upkeeps.limit = limit;
	world_run(w, 3000);
	p = world_peer(w, 0)->active;
	world_assert(w, path_is_proven(p) && time_since_ms(w->now, p->proven_at) < 3000);
	world_free(w);
}

/* A new address can be challenged, but nobody could count that the session follows it: it is not followed, and the client moves. */
static void test_no_room_for_rebindings(void **state)
{
	struct world *w = world_new(1, 1);
	uint32_t before, got;

	world_attach(w);
	world_run(w, 3000);
	w->engine[0].e->rebindings.limit = 0;
	before = world_session(w, 0)->binding_version;
	world_traffic(w, &w->client[0].up, 20000, true);
	world_run(w, 2000);
	w->client[0].link[0].nat++;
	world_run(w, 20000);
	world_assert(w, world_count(w, 0, COUNT_NO_MEMORY) > 0);
	assert_int_equal(world_audits(w, false, AUDIT_TRANSPORT_REBOUND, REASON_NONE, 0), 0);
	assert_null(session_rare(world_peer(w, 0))->rebindings);
	assert_true(world_session(w, 0)->binding_version > before);
	got = w->client[0].up.echoed;
	world_run(w, 1000);
	world_assert(w, world_all_attached(w) && w->client[0].up.echoed > got);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_fails_once),
		cmocka_unit_test(test_no_room_for_health),
		cmocka_unit_test(test_no_room_for_challenges),
		cmocka_unit_test(test_no_room_for_lags),
		cmocka_unit_test(test_no_room_for_rebindings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
