/* Log lines: one write each, one line each, whatever is in them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "aborts.h"
#include "base/log.h"
#include "worker/stderr.h"

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
	stderr_restore();
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

#define MISSING "warning: log lines missing here, for nobody had read those before them: "

/* What was said to be missing, in all that can be read. */
static uint64_t said_missing(int in)
{
	static char buf[1024 * 1024];
	uint64_t sum = 0;
	size_t len = 0;
	ssize_t n;

	while ((n = read(in, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	for (const char *at = buf; (at = strstr(at, MISSING)); at++)
		sum += strtoull(at + strlen(MISSING), NULL, 10);
	return sum;
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
	dup2(capture[1], STDERR_FILENO);
	log_info("nor does anybody miss it");
	assert_int_equal(said_missing(capture[0]), 1);
}

/* Nobody reads: no line waits, and how many are missing is said once there is room again. */
static void never_waits(int out, int in)
{
	const uint64_t before = log_lost();
	uint64_t said;

	dup2(out, STDERR_FILENO);
	stderr_set_up();
	assert_false(fcntl(out, F_GETFL) & O_NONBLOCK); /* which others share */
	for (unsigned int n = 0; log_lost() - before < 3 && n < 10000; n++)
		log_info("a line that is long enough to fill whatever there is before long: %0200u", n);
	assert_int_equal(log_lost() - before, 3);
	said = said_missing(in);
	assert_true(said < 3);
	log_info("there is room again");
	assert_int_equal(said + said_missing(in), 3);
	assert_int_equal(log_lost() - before, 3);
}

static void test_full_pipe(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	never_waits(fd[1], fd[0]);
	close(fd[0]);
	close(fd[1]);
}

static void test_full_socket(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	never_waits(fd[1], fd[0]);
	close(fd[0]);
	close(fd[1]);
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
		cmocka_unit_test_setup_teardown(test_full_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_socket, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
