/* What a full queue loses is told, with the right number, in the right place. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "audit/queue.h"

static void push(struct queue *q, uint32_t version)
{
	struct audit_record r = { .event = AUDIT_SESSION_STATE_CHANGE,
				  .state_version = version,
				  .count = 1,
				  .node_id = 9,
				  .policy_version = 3 };

	queue_push(q, &r);
}

static void expect(struct queue *q, uint32_t version)
{
	struct audit_record r;

	assert_true(queue_pop(q, &r));
	assert_int_equal(r.event, AUDIT_SESSION_STATE_CHANGE);
	assert_int_equal(r.state_version, version);
}

static void expect_gap(struct queue *q, uint64_t lost)
{
	struct audit_record r;

	assert_true(queue_pop(q, &r));
	assert_int_equal(r.event, AUDIT_AUDIT_GAP);
	assert_int_equal(r.count, lost);
	assert_int_equal(r.node_id, 9);
	assert_int_equal(r.policy_version, 3);
	assert_false(r.has_session);
	assert_int_equal(r.path_to, AUDIT_NO_PATH);
}

static void expect_nothing(struct queue *q)
{
	struct audit_record r;

	assert_false(queue_pop(q, &r));
}

static void test_order(void **state)
{
	struct queue *q = queue_new(4);

	for (uint32_t i = 1; i <= 4; i++)
		push(q, i);
	for (uint32_t i = 1; i <= 4; i++)
		expect(q, i);
	expect_nothing(q);
	assert_int_equal(queue_lost(q), 0);
	queue_free(q);
}

static void test_gap_after_the_last(void **state)
{
	struct queue *q = queue_new(4);

	for (uint32_t i = 1; i <= 7; i++)
		push(q, i);
	for (uint32_t i = 1; i <= 4; i++)
		expect(q, i);
	expect_gap(q, 3);
	expect_nothing(q);
	push(q, 8);
	expect(q, 8);
	expect_nothing(q);
	assert_int_equal(queue_lost(q), 3);
	queue_free(q);
}

static void test_gap_before_the_next(void **state)
{
	struct queue *q = queue_new(4);

	for (uint32_t i = 1; i <= 6; i++)
		push(q, i);
	expect(q, 1);
	expect(q, 2);
	push(q, 7); /* two slots: the gap and the record */
	expect(q, 3);
	expect(q, 4);
	expect_gap(q, 2);
	expect(q, 7);
	expect_nothing(q);
	queue_free(q);
}

/* One slot is free: the gap takes it, and the record behind it is lost in its turn. */
static void test_gap_takes_the_last_slot(void **state)
{
	struct queue *q = queue_new(4);

	for (uint32_t i = 1; i <= 5; i++)
		push(q, i);
	expect(q, 1);
	push(q, 6);
	expect(q, 2);
	expect(q, 3);
	expect(q, 4);
	expect_gap(q, 1);
	expect_gap(q, 1);
	expect_nothing(q);
	assert_int_equal(queue_lost(q), 2);
	queue_free(q);
}

enum { MANY = 200000 };

static void *produce(void *arg)
{
	for (uint32_t i = 1; i <= MANY; i++)
		push(arg, i);
	return NULL;
}

/* Two threads: what came and what is told as lost make up all there was, in order. */
static void test_threads(void **state)
{
	struct queue *q = queue_new(16);
	uint64_t came = 0, told = 0;
	uint32_t version = 0;
	struct audit_record r;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, produce, q), 0);
	while (came + told < MANY) {
		if (!queue_pop(q, &r))
			continue;
		if (r.event == AUDIT_AUDIT_GAP) {
			told += r.count;
			continue;
		}
		assert_true(r.state_version > version);
		version = r.state_version;
		came++;
	}
	pthread_join(t, NULL);
	expect_nothing(q);
	assert_int_equal(queue_lost(q), told);
	queue_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_gap_after_the_last),
		cmocka_unit_test(test_gap_before_the_next),
		cmocka_unit_test(test_gap_takes_the_last_slot),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
