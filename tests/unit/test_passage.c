/* Whether data passes, by the peer's reports: for how long it did not, and what says nothing about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "session/passage.h"
#include "session/session.h"

static struct session s;
static struct engine engine;
static const struct policy policy = { .heartbeat_idle_ms = 15000 };
static struct jv_time now;

static void begin(void)
{
	slab_free(&engine.passages);
	slab_free(&engine.rares);
	slab_init(&engine.passages, sizeof(struct passage), 1);
	slab_init(&engine.rares, sizeof(struct rare), 1);
	memset(&s, 0, sizeof(s));
	s.engine = &engine;
	s.state = STATE_ATTACHED;
	s.policy = &policy;
	now = (struct jv_time){ 1000000 };
	passage_begins(&s);
}

/* Half a second later, `sent` more have gone, and the peer has seen DATA up to `highest`. */
static void report(uint64_t sent, uint8_t epoch, uint64_t highest)
{
	const struct path_report r = { .epoch = epoch, .highest = highest };

	now = time_add_ms(now, 500);
	s.tx_packets += sent;
	if (sent > 0)
		s.last_data = now;
	passage_reported(&s, &r, now);
}

static uint32_t left(void)
{
	passage_ends(&s, now);
	return session_passage(&s)->stalled_ms;
}

static void test_passes(void **state)
{
	begin();
	for (uint64_t i = 1; i <= 100; i++)
		report(50, 0, 50 * i);
	assert_int_equal(left(), 0);
}

/* From the first report behind what was sent, until it leaves; and the longest of two counts. */
static void test_stalls(void **state)
{
	begin();
	report(50, 0, 50);
	for (unsigned int i = 0; i < 20; i++)
		report(50, 0, 50);
	assert_int_equal(session_passage(&s)->stalled_ms, 9500);
	report(50, 0, 70);
	for (unsigned int i = 0; i < 5; i++)
		report(50, 0, 70);
	assert_int_equal(left(), 9500);
	passage_begins(&s);
	assert_int_equal(left(), 0);
}

/* It is not known to have ended before somebody looks. */
static void test_leaves(void **state)
{
	begin();
	report(50, 0, 0);
	now = time_add_ms(now, 700);
	assert_int_equal(left(), 700);
}

/* A report that was overtaken, one kept back and let go later, is no progress. */
static void test_old_report(void **state)
{
	begin();
	report(50, 0, 50);
	for (unsigned int i = 0; i < 10; i++) {
		report(50, 0, 50);
		report(0, 0, 40 + i);
	}
	assert_true(left() >= 9000);
}

static void test_new_epoch(void **state)
{
	begin();
	report(50, 0, 1000);
	report(50, 0, 1000);
	report(50, 1, 3);
	assert_int_equal(left(), 0);
}

/* Few packets, a pause, another state: none of them says that data does not pass. */
static void test_says_nothing(void **state)
{
	begin();
	report(19, 0, 0);
	for (unsigned int i = 0; i < 20; i++)
		report(0, 0, 0);
	assert_int_equal(left(), 0);

	begin();
	report(50, 0, 0);
	for (unsigned int i = 0; i < 120; i++)
		report(0, 0, 0);
	assert_true(left() <= 15000);

	begin();
	s.state = STATE_VOLATILE;
	for (unsigned int i = 0; i < 20; i++)
		report(50, 0, 0);
	assert_int_equal(session_passage(&s)->stalled_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes),    cmocka_unit_test(test_stalls),
		cmocka_unit_test(test_leaves),    cmocka_unit_test(test_old_report),
		cmocka_unit_test(test_new_epoch), cmocka_unit_test(test_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
