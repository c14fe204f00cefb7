/* What a full queue loses is told, with the right number, in the right place. */
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "audit/queue.h"
#include "audit/sink.h"

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

/* A queue that feeds another: what the first has lost, the second does not forget when it has no room for the word of it. */
static void test_gap_is_lost(void **state)
{
	struct queue *q = queue_new(2);
	const struct audit_record gap = {
		.event = AUDIT_AUDIT_GAP, .count = 100, .node_id = 9, .policy_version = 3
	};

	push(q, 1);
	push(q, 2);
	queue_push(q, &gap);
	push(q, 3);
	expect(q, 1);
	expect(q, 2);
	expect_gap(q, 101);
	expect_nothing(q);
	assert_int_equal(queue_lost(q), 1); /* the others were counted where they were lost */
	queue_free(q);
}

/* What a storm has needed is given back. */
static void test_memory(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* their allocators count nothing here */
#endif
	struct queue *q = queue_new(100000);
	const size_t before = mallinfo2().uordblks;
	uint32_t next = 1;

	for (uint32_t i = 1; i <= 100000; i++)
		push(q, i);
	assert_true(mallinfo2().uordblks > before + 100000 * sizeof(struct audit_record));
	while (next <= 100000)
		expect(q, next++);
	expect_nothing(q);
	assert_true(mallinfo2().uordblks < before + 3 * QUEUE_CHUNK * sizeof(struct audit_record));
	/* And who is emptied in time has enough of what he has. */
	const size_t few = mallinfo2().uordblks;
	for (uint32_t i = 0; i < 10 * QUEUE_CHUNK; i++) {
		push(q, i);
		expect(q, i);
		assert_int_equal(mallinfo2().uordblks, few);
	}
	queue_free(q);
}

/* --- a place that hangs --- */

struct place {
	sem_t began, go;
	uint64_t written, gaps, missing;
};

static void place_nothing(void *state)
{
}

static void place_write(void *state, const struct audit_record *r, size_t n)
{
	struct place *p = state;

	if (p->written == 0 && n > 0) {
		sem_post(&p->began);
		sem_wait(&p->go);
	}
	for (size_t i = 0; i < n; i++) {
		p->written++;
		p->gaps += r[i].event == AUDIT_AUDIT_GAP;
		p->missing += r[i].event == AUDIT_AUDIT_GAP ? r[i].count : 0;
	}
}

static bool place_behind(const void *state)
{
	return false;
}

static uint64_t place_lost(const void *state)
{
	return 0;
}

static const struct sink_type place_type = {
	.thread_name = "place",
	.start = place_nothing,
	.write = place_write,
	.behind = place_behind,
	.finish = place_nothing,
	.lost = place_lost,
	.free = place_nothing,
};

/* Ten thousand sessions jump while it hangs: nobody waits, and all of it is written afterwards, or said to be missing. */
static void storm(size_t slots, uint32_t records, uint64_t *written, uint64_t *missing)
{
	struct audit_record r = { .event = AUDIT_SESSION_STATE_CHANGE, .count = 1 };
	struct place p = { 0 };
	struct timespec now;
	struct sink *s;

	sem_init(&p.began, 0, 0);
	sem_init(&p.go, 0, 0);
	assert_int_equal(sink_start(&s, &place_type, &p, slots), 0);
	sink_push(s, &r);
	sink_wake(s);
	sem_wait(&p.began);
	for (uint32_t i = 1; i < records; i++) {
		r.state_version = i;
		sink_push(s, &r);
	}
	sem_post(&p.go);
	sink_stop(s);
	clock_gettime(CLOCK_MONOTONIC, &now);
	sink_join(s, (uint64_t)now.tv_sec * 1000 + 60000);
	*written = p.written - p.gaps;
	*missing = p.missing;
}

static void test_storm(void **state)
{
	uint64_t written, missing;

	storm(131072, 60000, &written, &missing);
	assert_int_equal(written, 60000);
	assert_int_equal(missing, 0);
	storm(4096, 60000, &written, &missing);
	assert_int_equal(written + missing, 60000);
	assert_true(written >= 4096 && missing > 0);
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
		cmocka_unit_test(test_gap_is_lost),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
