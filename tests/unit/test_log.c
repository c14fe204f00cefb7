/* Log lines: one write each, one line each, whatever is in them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "base/log.h"

/* stderr goes to a pipe in packet mode: each read answers exactly one write. */
static int capture[2];
static int real_stderr;

static int setup(void **state)
{
	(void)state;
	real_stderr = dup(STDERR_FILENO);
	return pipe2(capture, O_DIRECT | O_NONBLOCK) || dup2(capture[1], STDERR_FILENO) < 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(capture[0]);
	close(capture[1]);
	log_set_level(LOG_LEVEL_INFO);
	log_set_journal(false);
	return 0;
}

/* What the next write was, or "" when there was none. */
static const char *written(void)
{
	static char buf[4096];
	ssize_t n = read(capture[0], buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void test_prefixes(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_DEBUG);
	log_error("one %d", 1);
	log_warn("two");
	log_info("three");
	log_debug("four");
	assert_string_equal(written(), "error: one 1\n");
	assert_string_equal(written(), "warning: two\n");
	assert_string_equal(written(), "three\n");
	assert_string_equal(written(), "debug: four\n");
	log_set_journal(true);
	log_error("one");
	log_warn("two");
	log_info("three");
	log_debug("four");
	assert_string_equal(written(), "<3>one\n");
	assert_string_equal(written(), "<4>two\n");
	assert_string_equal(written(), "<6>three\n");
	assert_string_equal(written(), "<7>four\n");
}

static void test_level(void **state)
{
	(void)state;
	log_debug("not at start");
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("not now");
	log_error("this");
	assert_string_equal(written(), "error: this\n");
	assert_string_equal(written(), "");
}

static void test_foreign_text(void **state)
{
	char longer[3000];
	const char *line;

	(void)state;
	log_info("peer \"%s\"", "a\nerror: forged\r\t\x1b[31m\x7f");
	assert_string_equal(written(), "peer \"a error: forged   [31m \"\n");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_info("%s", longer);
	line = written();
	assert_int_equal(strlen(line), 1023);
	assert_int_equal(line[1022], '\n');
	assert_string_equal(written(), "");
}

static void test_errno_is_kept(void **state)
{
	(void)state;
	errno = ENOENT;
	log_info("%m");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(written(), "No such file or directory\n");
	close(STDERR_FILENO);
	log_info("nobody reads this");
	assert_int_equal(errno, ENOENT);
}

static void run_bug(void *arg)
{
	dup2(capture[1], STDERR_FILENO);
	bug("%s", (const char *)arg);
}

static void test_bug(void **state)
{
	char text[] = "broken";

	(void)state;
	assert_true(aborts(run_bug, text));
	assert_string_equal(written(), "bug: broken\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_prefixes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_level, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errno_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bug, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
