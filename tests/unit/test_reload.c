/*
 * A server's next configuration: whose index changes keeps all he has, in BIRTH and superseded too; what an engine holds for
 * each peer grows and shrinks; and the records of what ends by it bear its version.
 */
#include "world.h"

#include "session/session.h"

enum { STRANGERS_MORE = 300 };

static void change_places(struct config *c, size_t a, size_t b)
{
	const struct config_peer peer = c->peers[a];

	c->peers[a] = c->peers[b];
	c->peers[b] = peer;
}

/* `n` peers that never call stand before the others. */
static struct config *with_strangers(struct world *w, size_t n)
{
	struct config *next = world_config_next(w);
	struct config_peer *peers = calloc(next->npeers + n, sizeof(*peers));

	assert_non_null(peers);
	memcpy(peers + n, next->peers, next->npeers * sizeof(*peers));
	for (size_t i = 0; i < n; i++) {
		peers[i] = (struct config_peer){ .policy = policy_defaults, .generation = 1 };
		prng_fill(&w->rng, peers[i].public_key, sizeof(peers[i].public_key));
		snprintf(peers[i].name, sizeof(peers[i].name), "stranger%zu", i);
	}
	free(next->peers);
	next->peers = peers;
	next->npeers += n;
	return next;
}

static struct config *without_strangers(struct world *w, size_t n)
{
	struct config *next = world_config_next(w);

	for (size_t i = 0; i < n; i++) {
		free(next->peers[i].addresses);
		free(next->peers[i].routes);
		free(next->peers[i].dns);
	}
	next->npeers -= n;
	memmove(next->peers, next->peers + n, next->npeers * sizeof(*next->peers));
	return next;
}

static void assert_carries(struct world *w)
{
	uint32_t echoed[2];

	for (unsigned int i = 0; i < 2; i++)
		echoed[i] = w->client[i].up.echoed;
	world_run(w, 100);
	for (unsigned int i = 0; i < 2; i++)
		world_assert(w, w->client[i].up.echoed >= echoed[i] + 9);
}

static void test_room(void **state)
{
	struct world *w = world_new(1, 2);
	const struct session *s[2];
	size_t room;

	(void)state;
	world_attach(w);
	room = w->engine[0].e->peer_room;
	for (unsigned int i = 0; i < 2; i++) {
		s[i] = world_peer(w, i);
		world_traffic(w, &w->client[i].up, 10000, true);
	}
	world_reload(w, with_strangers(w, STRANGERS_MORE));
	assert_true(w->engine[0].e->peer_room > STRANGERS_MORE);
	for (unsigned int i = 0; i < 2; i++) {
		assert_ptr_equal(world_peer(w, i), s[i]);
		assert_int_equal(s[i]->peer, STRANGERS_MORE + i);
	}
	assert_carries(w);
	world_reload(w, without_strangers(w, STRANGERS_MORE));
	assert_int_equal(w->engine[0].e->peer_room, room);
	for (unsigned int i = 0; i < 2; i++)
		assert_ptr_equal(world_peer(w, i), s[i]);
	assert_carries(w);
	world_free(w);
}

static bool both_in_birth(struct world *w)
{
	const struct engine *e = w->engine[0].e;

	return e->callers[0] && e->callers[0]->has.s[0] && e->callers[1] && e->callers[1]->has.s[0];
}

/* The answers to their WELCOMEs find them where they are now. */
static void test_births_move(void **state)
{
	struct world *w = world_new(1, 2);
	struct session *s[2];
	struct config *next;

	(void)state;
	world_start(w);
	world_assert(w, world_until(w, both_in_birth, 1000));
	for (unsigned int i = 0; i < 2; i++)
		s[i] = w->engine[0].e->callers[i]->has.s[0];
	next = world_config_next(w);
	change_places(next, 0, 1);
	world_reload(w, next);
	for (unsigned int i = 0; i < 2; i++) {
		assert_ptr_equal(w->engine[0].e->callers[1 - i]->has.s[0], s[i]);
		assert_int_equal(s[i]->peer, 1 - i);
	}
	world_assert(w, world_until(w, world_all_attached, 2000));
	for (unsigned int i = 0; i < 2; i++)
		assert_ptr_equal(world_peer(w, i), s[i]);
	world_free(w);
}

/* A peer that is gone, with a session and one in BIRTH: the records of their ends are of the configuration that ended them. */
static void test_version_of_an_end(void **state)
{
	struct world *w = world_new(1, 2);
	struct config *next;
	unsigned int ends = 0;
	size_t from;

	(void)state;
	world_attach(w);
	next = without_strangers(w, 1);
	from = w->audits;
	world_reload(w, next);
	for (size_t i = from; i < w->audits; i++) {
		const struct audit_record *r = &w->audit[i].r;

		if (r->client)
			continue;
		assert_int_equal(r->policy_version, next->generation);
		if (r->event == AUDIT_SESSION_TERMINATED) {
			assert_int_equal(r->reason, REASON_PEER_REMOVED);
			ends++;
		}
	}
	assert_int_equal(ends, 1);
	assert_null(world_peer(w, 0));
	assert_non_null(world_peer(w, 1));
	world_free(w);
}

/* Who has not called yet may be new with this configuration: what he is said to have sent before it, somebody has recorded. */
static void test_recorded_before(void **state)
{
	struct world *w = world_new(1, 1);
	uint64_t before;

	(void)state;
	w->wall_us[0] = w->wall_us[1] = UINT64_C(1700000000000000);
	world_start(w);
	before = w->engine[0].e->callers_since;
	assert_null(w->engine[0].e->callers[0]);
	w->now = time_add_ms(w->now, 5000);
	world_reload(w, world_config_next(w));
	assert_int_equal(w->engine[0].e->callers_since, before + 5000000);
	world_assert(w, world_until(w, world_all_attached, 5000)); /* with a cookie, which he is asked for */
	assert_true(w->engine[0].e->callers[0]->number > before);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_births_move),
		cmocka_unit_test(test_version_of_an_end),
		cmocka_unit_test(test_recorded_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
