/*
 * What the control loop asks of the workers, and what it makes of their answers: one for each question, with the words
 * of the order that was given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "session/info.h"
#include "worker/control.h"

enum { WORKERS = 3 };

static struct world {
	struct daemon d;
	struct worker workers[WORKERS];
	struct message asked[WORKERS];
	char said[128]; /* to the control socket */
	enum reason why;
	unsigned int answers;
} world;

/* --- workers and the control socket --- */

bool worker_post(struct worker *w, const struct message *m)
{
	world.asked[w - world.workers] = *m;
	return true;
}

struct jv_time worker_now(void)
{
	return (struct jv_time){ 0 };
}

const char *tunnel_trouble(const struct tunnel *t)
{
	return "";
}

int tunnel_apply(struct tunnel *t, const struct tunnel_wish *w)
{
	return 0;
}

void ctl_answer_done(struct ctl_request *req, const char *note)
{
	assert_ptr_equal(req, &world);
	world.answers++;
	world.why = REASON_NONE;
	snprintf(world.said, sizeof(world.said), "%s", note);
}

void ctl_fail(struct ctl_request *req, enum reason reason, uint32_t retry_after_ms, const char *fmt, ...)
{
	assert_ptr_equal(req, &world);
	world.answers++;
	world.why = reason;
}

void ctl_answer_status(struct ctl_request *req, const struct ctl_status *status, const struct counters *sum,
		       const struct session_info *sessions, size_t n)
{
	fail();
}

void ctl_answer_sessions(struct ctl_request *req, const struct session_info *sessions, size_t n)
{
	fail();
}

int metrics_start(struct metrics **out, uv_loop_t *loop, const struct endpoint *listen,
		  metrics_collect collect, void *ctx)
{
	return 0;
}

void metrics_stop(struct metrics *m)
{
}

void metrics_answer(struct metrics_request *req, const struct metrics_data *data)
{
	fail();
}

/* --- orders --- */

static int set_up(void **state)
{
	memset(&world, 0, sizeof(world));
	world.d.workers = world.workers;
	world.d.nworkers = WORKERS;
	list_init(&world.d.gathers);
	return 0;
}

static void give(enum message_kind order)
{
	struct ctl_request *req = (void *)&world;
	const uint8_t id[16] = { 1 };

	if (order == MESSAGE_JUMP)
		control_ops.jump(&world.d, req, id, 2);
	else if (order == MESSAGE_TERMINATE)
		control_ops.terminate(&world.d, req, id);
	else
		control_ops.rekey(&world.d, req, id);
}

static void answer(unsigned int worker, enum reason why)
{
	struct message m = world.asked[worker];

	m.reason = why;
	control_answered(&world.d, &m);
}

/* Each worker is asked the same; the one that has the session speaks for all, in the words of the order. */
static void test_done(void **state)
{
	static const struct {
		enum message_kind order;
		const char *note;
	} table[] = {
		{ MESSAGE_JUMP, "the session has moved" },
		{ MESSAGE_TERMINATE, "the session has ended" },
		{ MESSAGE_REKEY, "new keys are being agreed on" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		world.answers = 0;
		give(table[i].order);
		for (unsigned int k = 0; k < WORKERS; k++)
			assert_true(world.asked[k].kind == table[i].order && world.asked[k].id[0] == 1);
		answer(0, REASON_UNKNOWN_SESSION);
		assert_int_equal(world.answers, 0);
		answer(1, REASON_NONE);
		assert_int_equal(world.answers, 1);
		assert_int_equal(world.why, REASON_NONE);
		assert_string_equal(world.said, table[i].note);
		answer(2, REASON_UNKNOWN_SESSION);
		assert_int_equal(world.answers, 1);
		assert_true(list_is_empty(&world.d.gathers));
	}
}

/* Nobody's session is known to be that when the last has said so. */
static void test_unknown(void **state)
{
	give(MESSAGE_REKEY);
	for (unsigned int k = 0; k < WORKERS; k++) {
		assert_int_equal(world.answers, 0);
		answer(k, REASON_UNKNOWN_SESSION);
	}
	assert_int_equal(world.answers, 1);
	assert_int_equal(world.why, REASON_UNKNOWN_SESSION);
	assert_true(list_is_empty(&world.d.gathers));
}

/* A denial is the answer at once, and one that comes late meets nobody's question. */
static void test_denied(void **state)
{
	struct message late;

	give(MESSAGE_JUMP);
	late = world.asked[2];
	answer(0, REASON_COOLDOWN_ACTIVE);
	assert_int_equal(world.answers, 1);
	assert_int_equal(world.why, REASON_COOLDOWN_ACTIVE);
	answer(1, REASON_UNKNOWN_SESSION);
	answer(2, REASON_UNKNOWN_SESSION);
	give(MESSAGE_TERMINATE);
	control_answered(&world.d, &late);
	assert_int_equal(world.answers, 1);
	control_stop(&world.d);
	assert_int_equal(world.answers, 2);
	assert_true(list_is_empty(&world.d.gathers));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_done, set_up),
		cmocka_unit_test_setup(test_unknown, set_up),
		cmocka_unit_test_setup(test_denied, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
