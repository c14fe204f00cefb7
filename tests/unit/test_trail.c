/* What the trail makes of floods of refusals, and of a worker that wakes too late. */
#include "world.h"

#include "session/session.h"

static const struct audit_record *last_of(struct world *w, enum audit_event event, enum reason why)
{
	for (size_t i = w->audits; i-- > 0;)
		if (w->audit[i].r.event == event && w->audit[i].r.reason == why)
			return &w->audit[i].r;
	return NULL;
}

static void refuse(struct world *w, enum reason why, const char *from, unsigned int times)
{
	struct engine *e = world_home(w, 0);
	struct endpoint remote;

	endpoint_parse(from, &remote);
	while (times-- > 0)
		trail_refused(e, NULL, AUDIT_SECURITY_VALIDATION_FAILED, why, &remote, w->now);
}

/* What comes within a second of the first of its kind is one record, of that kind alone. */
static void test_summed_by_reason(void **state)
{
	struct world *w = world_new(1, 1);
	const struct audit_record *r;
	size_t before;

	world_start(w);
	world_run(w, 2000);
	before = w->audits;
	refuse(w, REASON_BAD_PROOF, "192.0.2.1:1000", 5);
	refuse(w, REASON_ILLEGAL_TRANSITION, "192.0.2.9:1000", 3);
	refuse(w, REASON_BAD_PROOF, "192.0.2.2:1000", 7);
	world_run(w, 3000);
	assert_int_equal(w->audits - before,
			 4); /* the first of each at once, and one for the others of each */
	r = last_of(w, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF);
	assert_int_equal(r->count, 11);
	assert_int_equal(r->sources, 2);
	assert_int_equal(r->remote.port, 0); /* of two, the last would pass for both */
	r = last_of(w, AUDIT_SECURITY_VALIDATION_FAILED, REASON_ILLEGAL_TRANSITION);
	assert_int_equal(r->count, 2);
	assert_int_equal(r->sources, 0);
	assert_int_equal(r->remote.port, 1000);
	world_free(w);
}

static void test_many_sources(void **state)
{
	struct world *w = world_new(1, 1);
	const struct audit_record *r;
	char from[32];

	world_start(w);
	world_run(w, 2000);
	for (int i = 0; i < 200; i++) {
		snprintf(from, sizeof(from), "198.51.100.%d:4000", i);
		refuse(w, REASON_BAD_PROOF, from, 1);
	}
	world_run(w, 2000);
	r = last_of(w, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF);
	assert_int_equal(r->count, 199);
	assert_in_range(r->sources, 100, 199); /* at least: some share a bit */
	world_free(w);
}

/* The process was stopped for two seconds: whatever is noticed first afterwards says so, be it by a packet. */
static void test_late(void **state)
{
	struct world *w = world_new(1, 1);
	const struct audit_record *r;

	world_start(w);
	world_run(w, 2000);
	w->now = time_add_ms(w->now, 100000);
	engine_tick(world_home(w, 0), w->now);
	assert_true(world_home(w, 0)->late_ms >= 2000);
	refuse(w, REASON_BAD_PROOF, "192.0.2.1:1000", 1);
	r = last_of(w, AUDIT_SECURITY_VALIDATION_FAILED, REASON_BAD_PROOF);
	assert_int_equal(r->late_ms, world_home(w, 0)->late_ms);
	engine_tick(world_home(w, 0), time_add_ms(w->now, 1));
	assert_in_range(world_home(w, 0)->late_ms, 0, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summed_by_reason),
		cmocka_unit_test(test_many_sources),
		cmocka_unit_test(test_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
