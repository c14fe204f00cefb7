/* From HELLO to session, and what keeps strangers out. */
#include "world.h"

static void attaches(void **state)
{
	struct world *w = world_new(1, 1);

	world_attach(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
