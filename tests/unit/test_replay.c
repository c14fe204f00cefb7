/* The replay window against a naive model: a set of all counters seen, and one rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jumpvpn/proto.h"
#include "prng.h"
#include "proto/replay.h"

#define STEPS 200000
#define SET_SLOTS (1u << 19)

struct model {
	uint64_t set[SET_SLOTS]; /* counter + 1; 0 is empty */
	uint64_t next;           /* highest seen + 1 */
	uint64_t window;
};

static uint64_t *model_slot(struct model *m, uint64_t counter)
{
	uint64_t i = counter * UINT64_C(0x9e3779b97f4a7c15) >> 45;

	while (m->set[i] != 0 && m->set[i] != counter + 1)
		i = (i + 1) % SET_SLOTS;
	return &m->set[i];
}

static bool model_is_new(struct model *m, uint64_t counter)
{
	if (counter > PROTO_COUNTER_MAX || *model_slot(m, counter) != 0)
		return false;
	return m->next <= m->window || counter >= m->next - m->window;
}

static void model_update(struct model *m, uint64_t counter)
{
	*model_slot(m, counter) = counter + 1;
	if (counter >= m->next)
		m->next = counter + 1;
}

static uint64_t random_counter(struct prng *rng, const struct model *m, bool leaps)
{
	uint64_t back;

	switch (prng_below(rng, 20)) {
	case 0: /* around the trailing edge */
		back = m->window - 3 + prng_below(rng, 6);
		break;
	case 1: /* anywhere, behind the window too */
		back = prng_below(rng, 3 * m->window);
		break;
	case 2: /* ahead, by some windows */
		return leaps ? m->next + prng_below(rng, 3 * m->window) : m->next;
	case 3: /* far ahead, rarely */
		return leaps && prng_below(rng, 50) == 0 ? m->next + (prng_next(rng) >> 28) : m->next + 1;
	case 4:
	case 5:
	case 6:
	case 7:
		back = prng_below(rng, 40);
		break;
	default:
		return m->next + prng_below(rng, 3);
	}
	return m->next > back ? m->next - back : 0;
}

/* As whoever holds the epoch does; and without the ring nothing is marked. */
static void give(struct replay *r, uint64_t *bits, uint64_t counter)
{
	if (!replay_wants(r, counter))
		return;
	assert_true(counter > 127 && REPLAY_WORDS(r->window) > 0 && !replay_ring(r));
	assert_false(replay_update(r, counter));
	replay_give(r, bits);
	assert_ptr_equal(replay_ring(r), bits);
}

static void run(uint32_t window, uint64_t start, bool leaps, uint64_t seed)
{
	struct model *m = calloc(1, sizeof(*m));
	uint64_t *bits = malloc((REPLAY_WORDS(window) + 1) * sizeof(*bits));
	struct prng rng = { seed };
	struct replay r;
	unsigned int fresh = 0;

	m->window = window;
	memset(bits, 0xff, REPLAY_WORDS(window) * sizeof(*bits));
	replay_init(&r, window);
	if (start > 0) {
		give(&r, bits, start);
		assert_true(replay_update(&r, start));
		model_update(m, start);
	}
	for (int i = 0; i < STEPS; i++) {
		uint64_t counter = random_counter(&rng, m, leaps);
		bool want = model_is_new(m, counter);

		assert_int_equal(replay_is_new(&r, counter), want);
		if (prng_below(&rng, 8) == 0)
			continue; /* a forged packet: checked, never updated */
		give(&r, bits, counter);
		assert_int_equal(replay_update(&r, counter), want);
		if (want)
			model_update(m, counter);
		fresh += want;
		assert_false(replay_is_new(&r, counter));
	}
	assert_true(fresh > STEPS / 4 || start > 0);
	free(bits);
	free(m);
}

static void test_against_model(void **state)
{
	static const uint32_t windows[] = { 64, 128, 256, 2048, 65536 };

	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		run(windows[i], 0, true, 10 + i);
		run(windows[i], PROTO_COUNTER_MAX - 50000, false, 20 + i);
	}
}

/* Exactly `window` counters are remembered, wherever the highest stands in its word. */
static void test_edges(void **state)
{
	static const uint32_t windows[] = { 64, 256 };
	uint64_t bits[REPLAY_WORDS(256)];
	struct replay r;

	(void)state;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		for (uint64_t high = 1000; high < 1200; high++) {
			replay_init(&r, windows[i]);
			give(&r, bits, high);
			assert_true(replay_update(&r, high));
			assert_true(replay_is_new(&r, high - windows[i] + 1));
			assert_false(replay_is_new(&r, high - windows[i]));
			assert_false(replay_update(&r, high - windows[i]));
			assert_true(replay_update(&r, high - windows[i] + 1));
			assert_false(replay_update(&r, high - windows[i] + 1));
		}
	}
}

static void test_ends_of_the_counter(void **state)
{
	struct replay r;

	(void)state;
	replay_init(&r, 64);
	assert_true(replay_is_new(&r, 0));
	assert_true(replay_update(&r, 0));
	assert_false(replay_update(&r, 0));
	assert_true(replay_update(&r, PROTO_COUNTER_MAX));
	assert_false(replay_update(&r, PROTO_COUNTER_MAX));
	assert_false(replay_update(&r, PROTO_COUNTER_MAX + 1));
	assert_false(replay_update(&r, UINT64_MAX));
	assert_true(replay_update(&r, PROTO_COUNTER_MAX - 63));
	assert_false(replay_update(&r, PROTO_COUNTER_MAX - 64));
}

static void test_check_changes_nothing(void **state)
{
	struct replay r, before;

	(void)state;
	replay_init(&r, 64);
	for (uint64_t c = 0; c < 100; c += 3)
		replay_update(&r, c);
	before = r;
	for (uint64_t c = 0; c < 1000; c++)
		replay_is_new(&r, c);
	assert_memory_equal(&before, &r, sizeof(r));
	assert_true(r.highest == 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_ends_of_the_counter),
		cmocka_unit_test(test_check_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
