/* What a machine is known by, and when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/machine.h"

static const uint8_t none[32];

static bool machine_of(uint8_t id[32], const char *text)
{
	char file[] = "/tmp/jumpvpn-machine-XXXXXX";
	int fd = mkstemp(file);
	bool ok;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	memset(id, 0xff, 32);
	ok = machine_read(id, file);
	unlink(file);
	return ok;
}

static void test_ids(void **state)
{
	uint8_t a[32], again[32], b[32];

	(void)state;
	assert_true(machine_of(a, "0123456789abcdef0123456789abcdef\n"));
	assert_true(machine_of(again, "0123456789abcdef0123456789abcdef"));
	assert_true(machine_of(b, "0123456789abcdef0123456789abcdee\n"));
	assert_memory_equal(a, again, 32);
	assert_memory_not_equal(a, b, 32);
	assert_memory_not_equal(a, none, 32);
}

static void test_none(void **state)
{
	static const char *const texts[] = { "", "uninitialized\n", "0123456789abcdef0123456789abcde\n",
					     "0123456789abcdef0123456789ABCDEF\n" };
	uint8_t id[32];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_false(machine_of(id, texts[i]));
		assert_memory_equal(id, none, 32);
	}
	memset(id, 0xff, sizeof(id));
	assert_false(machine_read(id, "/nonexistent/machine-id"));
	assert_memory_equal(id, none, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
