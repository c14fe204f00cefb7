/* The ring: order, bounds, and two threads that pass a million numbers. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "base/ring.h"

#define MANY 300000

static void test_order_and_bounds(void **state)
{
	struct ring *r = ring_new(4, sizeof(int));
	int out, next_in = 0, next_out = 0;

	(void)state;
	assert_false(ring_pop(r, &out));
	assert_null(ring_peek(r));
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 4; i++, next_in++)
			assert_true(ring_push(r, &next_in));
		assert_false(ring_push(r, &next_in));
		assert_null(ring_reserve(r));
		for (int i = 0; i <= round % 4; i++) {
			assert_true(ring_pop(r, &out));
			assert_int_equal(out, next_out++);
		}
		while (ring_pop(r, &out))
			assert_int_equal(out, next_out++);
		assert_int_equal(next_out, next_in);
	}
	ring_free(r);
}

static void test_in_place(void **state)
{
	struct ring *r = ring_new(2, 13); /* a size that is no multiple of anything */
	char text[13];
	char *slot;

	(void)state;
	slot = ring_reserve(r);
	memcpy(slot, "first second", 13);
	assert_null(ring_peek(r)); /* not there before it is published */
	ring_publish(r);
	slot = ring_reserve(r);
	assert_int_equal((uintptr_t)slot % _Alignof(max_align_t), 0);
	memcpy(slot, "third fourth", 13);
	ring_publish(r);
	assert_string_equal(ring_peek(r), "first second");
	assert_string_equal(ring_peek(r), "first second");
	ring_release(r);
	assert_true(ring_pop(r, text));
	assert_string_equal(text, "third fourth");
	assert_null(ring_peek(r));
	ring_free(r);
}

struct message {
	uint64_t number;
	uint64_t echo; /* ~number: a torn element would show */
};

static void *produce(void *arg)
{
	struct ring *r = arg;

	for (uint64_t i = 0; i < MANY;) {
		struct message m = { i, ~i };
		struct message *slot;

		if (i % 2 == 0 && ring_push(r, &m)) {
			i++;
		} else if (i % 2 == 1 && (slot = ring_reserve(r))) {
			*slot = m;
			ring_publish(r);
			i++;
		} else {
			sched_yield();
		}
	}
	return NULL;
}

static void test_two_threads(void **state)
{
	struct ring *r = ring_new(64, sizeof(struct message));
	pthread_t producer;

	(void)state;
	assert_int_equal(pthread_create(&producer, NULL, produce, r), 0);
	for (uint64_t i = 0; i < MANY;) {
		struct message m;

		if (!ring_pop(r, &m)) {
			sched_yield();
			continue;
		}
		assert_true(m.number == i && m.echo == ~i);
		i++;
	}
	assert_null(ring_peek(r));
	pthread_join(producer, NULL);
	ring_free(r);
}

static void make_three_slots(void *arg)
{
	(void)arg;
	ring_free(ring_new(3, 1));
}

static void test_impossible_sizes(void **state)
{
	(void)state;
	assert_true(aborts(make_three_slots, NULL));
	assert_null(ring_new((size_t)1 << 62, 64));
	assert_null(ring_new(2, SIZE_MAX));
	ring_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_bounds),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_two_threads),
		cmocka_unit_test(test_impossible_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
