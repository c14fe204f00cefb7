/* Every state, event and reason against the table of DESIGN section 6, written out here a second time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "session/fsm.h"

#define ENDS "22 23 24 25 26 27 28 29 54 31 "

/* What the design allows: from, event, to, and the numbers of the reasons. */
static const struct {
	enum state from;
	enum event event;
	enum state to;
	const char *reasons;
} design[] = {
	{ STATE_BIRTH, EVENT_ATTACH_OK, STATE_ATTACHED, "1 " },
	{ STATE_BIRTH, EVENT_HANDSHAKE_EXPIRED, STATE_TERMINATED, "2 " },
	{ STATE_ATTACHED, EVENT_INSTABILITY, STATE_VOLATILE, "3 4 5 6 7 8 9 10 30 " },
	{ STATE_VOLATILE, EVENT_HEALTH_RESTORED, STATE_ATTACHED, "11 " },
	{ STATE_VOLATILE, EVENT_DEGRADE, STATE_DEGRADED, "12 13 14 " },
	{ STATE_VOLATILE, EVENT_SWITCH_START, STATE_RECOVERING, "15 16 17 11 " },
	{ STATE_DEGRADED, EVENT_SWITCH_START, STATE_RECOVERING, "15 16 17 11 " },
	{ STATE_RECOVERING, EVENT_REATTACH_OK, STATE_ATTACHED, "18 " },
	{ STATE_RECOVERING, EVENT_REATTACH_FAIL, STATE_DEGRADED, "19 14 20 13 21 " },
	{ STATE_BIRTH, EVENT_TERMINAL, STATE_TERMINATED, ENDS },
	{ STATE_ATTACHED, EVENT_TERMINAL, STATE_TERMINATED, ENDS },
	{ STATE_VOLATILE, EVENT_TERMINAL, STATE_TERMINATED, ENDS },
	{ STATE_DEGRADED, EVENT_TERMINAL, STATE_TERMINATED, ENDS },
	{ STATE_RECOVERING, EVENT_TERMINAL, STATE_TERMINATED, ENDS },
};

static bool has_number(const char *list, unsigned int number)
{
	char *end;

	for (const char *s = list; *s; s = end + 1)
		if (strtoul(s, &end, 10) == number)
			return true;
	return false;
}

static bool expected(enum state from, enum event event, unsigned int why, enum state *to)
{
	for (size_t i = 0; i < sizeof(design) / sizeof(design[0]); i++) {
		if (design[i].from != from || design[i].event != event || !has_number(design[i].reasons, why))
			continue;
		*to = design[i].to;
		return true;
	}
	return false;
}

static void test_matrix(void **state)
{
	unsigned int allowed = 0;

	for (unsigned int from = 0; from < STATE_COUNT; from++) {
		for (unsigned int event = 0; event < EVENT_COUNT; event++) {
			for (unsigned int why = 0; why < 300; why++) {
				enum state to = STATE_COUNT, want = STATE_COUNT;
				const bool ok = fsm_next(from, event, why, &to);

				assert_int_equal(ok, expected(from, event, why, &want));
				assert_int_equal(to, want); /* refused: untouched */
				allowed += ok;
			}
		}
	}
	assert_int_equal(allowed, 1 + 1 + 9 + 1 + 3 + 4 + 4 + 1 + 5 + 5 * 10);
}

static void test_terminated_absorbs(void **state)
{
	enum state to;

	for (unsigned int event = 0; event < EVENT_COUNT; event++)
		for (unsigned int why = 0; why <= REASON_MAX; why++)
			assert_false(fsm_next(STATE_TERMINATED, event, why, &to));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_terminated_absorbs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
