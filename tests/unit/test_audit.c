/* The trail as a whole: from rings through the drain into files, and sinks that hang or fail. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "audit/audit.h"
#include "audit/encode.h"
#include "audit/jsonl.h"
#include "audit/sink.h"
#include "base/log.h"
#include "base/text.h"

enum { WAIT_MS = 20000 };

/* --- a syslog(3) of our own, which can hang --- */

static pthread_mutex_t hang = PTHREAD_MUTEX_INITIALIZER;
static char syslog_text[4096];
static int syslog_priority;

static void keep_syslog(int priority, const char *fmt, va_list ap)
{
	size_t len;

	pthread_mutex_lock(&hang);
	len = strlen(syslog_text);
	syslog_priority = priority;
	vsnprintf(syslog_text + len, sizeof(syslog_text) - len, fmt, ap);
	pthread_mutex_unlock(&hang);
}

void syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep_syslog(priority, fmt, ap);
	va_end(ap);
}

void __syslog_chk(int priority, int flag, const char *fmt, ...);
void __syslog_chk(int priority, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, fmt);
	keep_syslog(priority, fmt, ap);
	va_end(ap);
}

/* --- helpers --- */

struct fixture {
	char dir[32];
	char path[64];
	struct audit *audit;
	struct jsonl_held held;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/test_audit.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/audit.jsonl", f->dir);
	syslog_text[0] = '\0';
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char other[80];

	snprintf(other, sizeof(other), "%s.1", f->path);
	unlink(other);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void start(struct fixture *f, const char *jsonl, bool with_syslog)
{
	const struct audit_config cfg = {
		.jsonl = jsonl, .syslog = with_syslog, .syslog_facility = LOG_AUTHPRIV, .ident = "test"
	};
	const char *error;

	assert_int_equal(audit_open(&f->audit, &cfg, 2, 64, &error), 0);
}

static int reopen(struct fixture *f, const char *jsonl)
{
	const struct audit_config cfg = { .jsonl = jsonl, .ident = "test" };
	const char *error;

	return audit_reopen(f->audit, &cfg, &error);
}

static int reopen_with_syslog(struct fixture *f)
{
	const struct audit_config cfg = { .syslog = true, .syslog_facility = LOG_AUTHPRIV, .ident = "test" };
	const char *error;

	return audit_reopen(f->audit, &cfg, &error);
}

static void push(struct fixture *f, size_t producer, uint32_t version)
{
	struct audit_record r = { .event = AUDIT_SESSION_STATE_CHANGE,
				  .has_session = true,
				  .state_version = version,
				  .path_from = AUDIT_NO_PATH,
				  .path_to = AUDIT_NO_PATH,
				  .count = 1,
				  .from = STATE_BIRTH,
				  .to = STATE_ATTACHED,
				  .worker = (uint8_t)producer };

	audit_push(audit_ring(f->audit, producer), &r);
}

static void drain(struct fixture *f)
{
	audit_drain(f->audit, NULL, NULL);
}

/* The lines of a file, each of which must be JSON: versions, with a gap as its number below zero. */
static size_t read_lines(const char *path, long *out, size_t max)
{
	FILE *file = fopen(path, "r");
	char line[AUDIT_JSON_MAX + 2];
	size_t n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		json_t *o = json_loads(line, 0, NULL);

		assert_non_null(o);
		assert_int_equal(line[strlen(line) - 1], '\n');
		assert_true(n < max);
		if (json_object_get(o, "lost"))
			out[n++] = -(long)json_integer_value(json_object_get(o, "lost"));
		else
			out[n++] = (long)json_integer_value(json_object_get(o, "state_version"));
		json_decref(o);
	}
	fclose(file);
	return n;
}

static void expect_lines(const char *path, const long *expected, size_t n)
{
	long got[256];

	assert_int_equal(read_lines(path, got, 256), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(got[i], expected[i]);
}
#define EXPECT_LINES(path, ...)                           \
	expect_lines(path, (const long[]){ __VA_ARGS__ }, \
		     sizeof((const long[]){ __VA_ARGS__ }) / sizeof(long))

/* --- */

static void count_tap(void *ctx, const struct audit_record *r)
{
	assert_true(r->ts_ms > 1600000000000u); /* stamped */
	(*(size_t *)ctx)++;
}

static void test_through(void **state)
{
	struct fixture *f = *state;
	size_t tapped = 0;
	struct stat st;

	start(f, f->path, true);
	push(f, 0, 1);
	push(f, 1, 2);
	audit_drain(f->audit, count_tap, &tapped);
	assert_int_equal(tapped, 2);
	push(f, 0, 3); /* taken by the close */
	audit_close(f->audit, WAIT_MS);
	EXPECT_LINES(f->path, 1, 2, 3);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0137, 0);
	assert_int_equal(syslog_priority, LOG_AUTHPRIV | LOG_NOTICE);
	assert_int_equal(strncmp(syslog_text, "SessionStateChange session=0000", 31), 0);
}

static void test_full_ring(void **state)
{
	struct fixture *f = *state;
	long expected[65];

	start(f, f->path, false);
	for (uint32_t i = 0; i < 70; i++)
		push(f, 0, i + 1);
	for (long i = 0; i < 64; i++)
		expected[i] = i + 1;
	expected[64] = -6;
	assert_int_equal(audit_lost(f->audit), 6);
	audit_close(f->audit, WAIT_MS);
	expect_lines(f->path, expected, 65);
}

static void test_reopen(void **state)
{
	struct fixture *f = *state;
	char old[80];

	start(f, f->path, false);
	push(f, 0, 1);
	audit_close(f->audit, WAIT_MS);
	snprintf(old, sizeof(old), "%s.1", f->path);
	start(f, f->path, false); /* appends */
	assert_int_equal(rename(f->path, old), 0);
	assert_int_equal(reopen(f, f->path), 0);
	push(f, 0, 2);
	drain(f);
	audit_close(f->audit, WAIT_MS);
	EXPECT_LINES(old, 1);
	EXPECT_LINES(f->path, 2);
}

static void test_reopen_that_fails(void **state)
{
	struct fixture *f = *state;

	start(f, f->path, false);
	assert_int_equal(reopen(f, "/nonexistent/audit.jsonl"), -ENOENT);
	push(f, 0, 1);
	audit_close(f->audit, WAIT_MS);
	EXPECT_LINES(f->path, 1);
}

static bool is_open(const char *path)
{
	char name[64], target[256];

	for (int fd = 0; fd < 256; fd++) {
		ssize_t n;

		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		n = readlink(name, target, sizeof(target) - 1);
		if (n > 0 && (size_t)n == strlen(path) && memcmp(target, path, (size_t)n) == 0)
			return true;
	}
	return false;
}

static void test_sink_switched_off(void **state)
{
	struct fixture *f = *state;

	start(f, f->path, false);
	assert_true(is_open(f->path));
	assert_int_equal(reopen(f, NULL), 0);
	for (int ms = 0; is_open(f->path);
	     ms++) { /* the sink's thread closes it, without waiting for a record */
		assert_true(ms < WAIT_MS);
		poll(NULL, 0, 1);
	}
	push(f, 0, 1);
	drain(f);
	assert_int_equal(audit_lost(f->audit), 0);
	audit_close(f->audit, WAIT_MS);
	assert_int_equal(read_lines(f->path, (long[1]){ 0 }, 1), 0);
}

static void test_bad_start(void **state)
{
	const struct audit_config cfg = { .jsonl = "/nonexistent/audit.jsonl", .ident = "test" };
	struct audit *a = NULL;
	const char *error = NULL;

	assert_int_equal(audit_open(&a, &cfg, 1, 64, &error), -ENOENT);
	assert_null(a);
	assert_string_equal(error, "cannot open the audit file");
}

static void wait_for_lines(const char *path, size_t n)
{
	long got[256];

	for (int ms = 0; read_lines(path, got, 256) < n; ms++) {
		assert_true(ms < WAIT_MS);
		poll(NULL, 0, 1);
	}
}

/* The thread hangs in syslog: nobody else waits, the file gets its records, and closing gives up. */
static void test_hanging_syslog(void **state)
{
	struct fixture *f = *state;

	pthread_mutex_lock(&hang);
	start(f, f->path, true);
	push(f, 0, 1);
	drain(f);
	wait_for_lines(f->path, 1);
	assert_int_equal(reopen_with_syslog(f), 0);
	for (uint32_t i = 0; i < 10000; i++) {
		push(f, 0, i + 1);
		drain(f);
	}
	assert_true(audit_lost(f->audit) > 0); /* what syslog's queue could not hold */
	audit_close(f->audit, 1);
	pthread_mutex_unlock(&hang);
}

static void test_fifo_nobody_reads(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	start(f, f->path, false);
	for (uint32_t i = 0; i < 10000; i++) {
		push(f, 0, i + 1);
		drain(f);
	}
	audit_close(f->audit, WAIT_MS); /* ends: it has not hung */
}

/* --- the file itself, without threads --- */

static struct audit_record record(uint32_t version)
{
	return (struct audit_record){ .event = AUDIT_SESSION_REKEYED,
				      .has_session = true,
				      .state_version = version,
				      .path_from = AUDIT_NO_PATH,
				      .path_to = AUDIT_NO_PATH,
				      .count = 1 };
}

static void write_versions(void *sink, uint32_t from, uint32_t to)
{
	struct audit_record r[SINK_BATCH];
	size_t n = 0;

	for (uint32_t v = from; v <= to; v++)
		r[n++] = record(v);
	jsonl_sink.write(sink, r, n);
}

static void *open_sink(const char *path)
{
	struct jsonl_held held = { 0 };
	void *sink = jsonl_new(jsonl_open(path, &held), NULL, (const uint8_t[AUDIT_RUN_LEN]){ 0 });

	assert_non_null(sink);
	jsonl_sink.start(sink);
	return sink;
}

static void close_sink(void *sink)
{
	jsonl_sink.finish(sink);
	jsonl_sink.free(sink);
}

static void test_disk_full(void **state)
{
	struct fixture *f = *state;
	void *sink = open_sink("/dev/full");

	write_versions(sink, 1, 3);
	assert_int_equal(jsonl_sink.lost(sink), 3);
	assert_true(jsonl_sink.behind(sink));
	write_versions(sink, 4, 4);
	jsonl_sink.write(sink, NULL,
			 0); /* tried again, and again in vain: the gap is not lost, nor counted */
	assert_int_equal(jsonl_sink.lost(sink), 4);
	jsonl_replace(sink, jsonl_open(f->path, &f->held));
	jsonl_sink.write(sink, NULL, 0);
	assert_false(jsonl_sink.behind(sink));
	write_versions(sink, 5, 6);
	assert_int_equal(jsonl_sink.lost(sink), 4);
	close_sink(sink);
	EXPECT_LINES(f->path, -4, 5, 6);
}

/* The disk is full in the middle of a line: the piece is cut off, what is whole stays. */
static void test_torn_line(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, limit;
	char line[AUDIT_JSON_MAX];
	struct audit_record r = record(1);
	void *sink = open_sink(f->path);

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 2 * (encode_json(line, &r) + 1) + 50;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	write_versions(sink, 1, 5);
	assert_int_equal(jsonl_sink.lost(sink), 3);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	EXPECT_LINES(f->path, 1, 2);
	write_versions(sink, 6, 6);
	close_sink(sink);
	EXPECT_LINES(f->path, 1, 2, -3, 6);
}

/* A gap that comes down from a ring and is lost here too counts with all it stands for. */
static void test_lost_gap(void **state)
{
	struct fixture *f = *state;
	void *sink = open_sink("/dev/full");
	struct audit_record gap = { .event = AUDIT_AUDIT_GAP, .count = 10 };

	jsonl_sink.write(sink, &gap, 1);
	write_versions(sink, 1, 1);
	assert_int_equal(jsonl_sink.lost(sink), 1); /* the ten were counted where they were lost */
	jsonl_replace(sink, jsonl_open(f->path, &f->held));
	write_versions(sink, 2, 2);
	close_sink(sink);
	EXPECT_LINES(f->path, -11, 2);
}

static void make_torn(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(write(fd, "{\"ts_ms\":1", 10), 10);
	close(fd);
}

static void expect_torn_line_ended(const char *path)
{
	char text[512] = { 0 };
	int fd = open(path, O_RDONLY);

	assert_true(read(fd, text, sizeof(text) - 1) > 21);
	close(fd);
	assert_int_equal(strncmp(text, "{\"ts_ms\":1\n{\"ts_ms\":0", 21), 0);
}

static void test_file_left_torn(void **state)
{
	struct fixture *f = *state;
	void *sink;

	make_torn(f->path);
	sink = open_sink(f->path);
	write_versions(sink, 7, 7);
	expect_torn_line_ended(f->path);
	assert_int_equal(unlink(f->path), 0);
	make_torn(f->path);
	jsonl_replace(sink, jsonl_open(f->path, &f->held));
	write_versions(sink, 7, 7);
	expect_torn_line_ended(f->path);
	close_sink(sink);
}

/* A link in a directory that others may write to would have us append to any file of ours. */
static void test_link_is_not_followed(void **state)
{
	const struct audit_config cfg = { .jsonl = ((struct fixture *)*state)->path, .ident = "test" };
	struct fixture *f = *state;
	const char *error;

	assert_int_equal(symlink("elsewhere", f->path), 0);
	assert_int_equal(audit_open(&f->audit, &cfg, 1, 64, &error), -ELOOP);
	assert_non_null(strstr(error, "link"));
}

/* Two daemons with one file would break each other's chain; a reload of one is no second writer. */
static void test_one_writer(void **state)
{
	const struct audit_config cfg = { .jsonl = ((struct fixture *)*state)->path, .ident = "test" };
	struct fixture *f = *state;
	struct audit *other;
	const char *error;

	start(f, f->path, false);
	assert_int_equal(audit_open(&other, &cfg, 1, 64, &error), -EWOULDBLOCK);
	assert_non_null(strstr(error, "another process"));
	for (int i = 0; i < 3; i++)
		assert_int_equal(reopen(f, f->path), 0);
	push(f, 0, 1);
	audit_drain(f->audit, NULL, NULL);
	assert_int_equal(audit_open(&other, &cfg, 1, 64, &error), -EWOULDBLOCK);
	audit_close(f->audit, 1000);
	assert_int_equal(audit_open(&other, &cfg, 1, 64, &error), 0);
	audit_close(other, 1000);
	EXPECT_LINES(f->path, 1);
}

/* The mode is for a log shipper in the group, whatever umask the service manager gives. */
static void test_mode(void **state)
{
	struct fixture *f = *state;
	const mode_t old = umask(077);
	struct stat st;

	start(f, f->path, false);
	umask(old);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(chmod(f->path, 0600), 0);
	assert_int_equal(reopen(f, f->path), 0); /* what an administrator has set stays */
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	audit_close(f->audit, 1000);
}

static size_t read_some(int fd, char *text, size_t len, size_t cap)
{
	ssize_t n;

	while ((n = read(fd, text + len, cap - len)) > 0)
		len += (size_t)n;
	return len;
}

/* A pipe cannot be cut: the piece is ended by a newline, and is the only line that is not JSON. */
static void test_torn_pipe(void **state)
{
	struct fixture *f = *state;
	static char text[1 << 16];
	size_t len, good = 0, bad = 0;
	void *sink;
	int fd;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	fd = open(f->path, O_RDONLY | O_NONBLOCK);
	assert_true(fcntl(fd, F_SETPIPE_SZ, 4096) == 4096);
	sink = open_sink(f->path);
	write_versions(sink, 1, SINK_BATCH); /* more than the pipe holds */
	assert_true(jsonl_sink.behind(sink));
	len = read_some(fd, text, 0, sizeof(text) - 1);
	assert_int_equal(len, 4096);
	write_versions(sink, 99999, 99999);
	len = read_some(fd, text, len, sizeof(text) - 1);
	close_sink(sink);
	close(fd);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		json_t *o = json_loads(line, 0, NULL);

		if (o)
			good++;
		else
			bad++;
		json_decref(o);
	}
	assert_int_equal(bad, 1);
	assert_true(good > 5); /* the last of them are the gap and 99999 */
}

/* --- the chain --- */

static void digest(uint8_t out[32], const void *a, size_t alen, const void *b, size_t blen)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < alen + blen; i++)
		h = (h ^ (i < alen ? ((const uint8_t *)a)[i] : ((const uint8_t *)b)[i - alen])) *
		    UINT64_C(1099511628211);
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(h >> (i % 8 * 8));
}

static void start_chained(struct fixture *f, uint8_t run)
{
	const struct audit_config cfg = {
		.jsonl = f->path, .ident = "test", .digest = digest, .run = { run }
	};
	const char *error;

	assert_int_equal(audit_open(&f->audit, &cfg, 2, 64, &error), 0);
}

struct chain_state {
	char last[33];
	uint64_t seq;
};

/* Each line builds on the one before and has the next number; a first line of a run or file says on which. */
static size_t check_chain(const char *path, struct chain_state *c, bool new_run)
{
	FILE *file = fopen(path, "r");
	char line[AUDIT_JSON_MAX + 200];
	size_t n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *mark = strstr(line, ",\"chain\":\""), *prev = strstr(line, ",\"prev\":\"");
		uint8_t before[16], whole[32];
		char hex[33];

		assert_non_null(mark);
		if (n == 0 || new_run) {
			assert_true(n > 0 || prev);
			if (prev && new_run && n > 0)
				c->seq = 0;
		}
		if (prev)
			assert_memory_equal(prev + strlen(",\"prev\":\""), c->last, 32);
		assert_true(hex_decode(before, sizeof(before), c->last));
		digest(whole, before, sizeof(before), line, (size_t)(mark - line));
		hex_encode(hex, whole, 16);
		assert_memory_equal(mark + strlen(",\"chain\":\""), hex, 32);
		assert_int_equal(strtoull(line + strlen("{\"seq\":"), NULL, 10), ++c->seq);
		strcpy(c->last, hex);
		n++;
	}
	fclose(file);
	return n;
}

static void test_chain(void **state)
{
	struct fixture *f = *state;
	struct chain_state c = { "00000000000000000000000000000000", 0 };
	char old[80];

	snprintf(old, sizeof(old), "%s.1", f->path);
	start_chained(f, 1);
	push(f, 0, 1);
	push(f, 1, 2);
	drain(f);
	push(f, 0, 3);
	drain(f);
	audit_close(f->audit, WAIT_MS);
	start_chained(f, 2); /* killed and begun anew: on the lines that are there */
	push(f, 0, 4);
	push(f, 0, 5);
	audit_close(f->audit, WAIT_MS);
	assert_int_equal(check_chain(f->path, &c, true), 5);
	rename(f->path, old);
	start_chained(f, 3); /* on nothing */
	push(f, 0, 6);
	audit_close(f->audit, WAIT_MS);
	c = (struct chain_state){ "00000000000000000000000000000000", 0 };
	assert_int_equal(check_chain(f->path, &c, true), 1);
}

static void test_chain_rotated(void **state)
{
	struct fixture *f = *state;
	struct chain_state c = { "00000000000000000000000000000000", 0 };
	char old[80];

	snprintf(old, sizeof(old), "%s.1", f->path);
	start_chained(f, 1);
	push(f, 0, 1);
	push(f, 0, 2);
	drain(f);
	wait_for_lines(f->path, 2);
	rename(f->path, old);
	assert_int_equal(reopen(f, f->path), 0);
	push(f, 0, 3);
	push(f, 0, 4);
	audit_close(f->audit, WAIT_MS);
	assert_int_equal(check_chain(old, &c, false), 2);
	assert_int_equal(check_chain(f->path, &c, false), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_through, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reopen_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sink_switched_off, setup, teardown),
		cmocka_unit_test(test_bad_start),
		cmocka_unit_test_setup_teardown(test_fifo_nobody_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_gap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link_is_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_writer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_left_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chain_rotated, setup, teardown),
		/* Last: it leaves a thread behind. */
		cmocka_unit_test_setup_teardown(test_hanging_syslog, setup, teardown),
	};

	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
