/* Commands against a daemon of the test's: what they ask, what they print, how they end. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "cmd/cmd.h"
#include "config.h"
#include "jumpvpn/proto.h"

static char dir[] = "/tmp/test_client.XXXXXX";
static char path[64];

/* A daemon for one connection: keeps the request, writes the answer, closes. */
struct daemon {
	int listener;
	const char *answer;
	char request[1024];
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct daemon *d = arg;
	int fd = accept(d->listener, NULL, NULL);
	size_t len = 0;

	while (len < sizeof(d->request) - 1 && read(fd, d->request + len, 1) == 1 && d->request[len] != '\n')
		len++;
	d->request[len] = '\0';
	if (write(fd, d->answer, strlen(d->answer)) < 0)
		len = 0;
	close(fd);
	return NULL;
}

static void daemon_start(struct daemon *d, const char *answer)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	d->answer = answer;
	d->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(sun.sun_path, path);
	assert_int_equal(bind(d->listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(d->listener, 1), 0);
	assert_int_equal(pthread_create(&d->thread, NULL, serve, d), 0);
}

static void daemon_stop(struct daemon *d)
{
	pthread_join(d->thread, NULL);
	close(d->listener);
	unlink(path);
}

struct result {
	int code;
	char out[4096];
	char err[4096];
};

static void get(int fd, char *text, size_t cap)
{
	ssize_t n = pread(fd, text, cap - 1, 0);

	text[n > 0 ? n : 0] = '\0';
}

static struct result run(int (*cmd)(int argc, char **argv), const char *line)
{
	char copy[256], *argv[8] = { NULL };
	FILE *out = tmpfile(), *err = tmpfile();
	int kept[2] = { dup(1), dup(2) }, argc = 0;
	struct result r;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word && argc < 7; word = strtok(NULL, " "))
		argv[argc++] = word;
	fflush(NULL);
	dup2(fileno(out), 1);
	dup2(fileno(err), 2);
	r.code = cmd(argc, argv);
	fflush(NULL);
	dup2(kept[0], 1);
	dup2(kept[1], 2);
	close(kept[0]);
	close(kept[1]);
	get(fileno(out), r.out, sizeof(r.out));
	get(fileno(err), r.err, sizeof(r.err));
	fclose(out);
	fclose(err);
	return r;
}

static struct result ask(int (*cmd)(int argc, char **argv), const char *line, const char *request,
			 const char *answer)
{
	struct daemon d;
	struct result r;
	json_t *want = json_loads(request, 0, NULL), *got;

	daemon_start(&d, answer);
	r = run(cmd, line);
	daemon_stop(&d);
	got = json_loads(d.request, 0, NULL);
	if (!json_equal(want, got))
		fail_msg("asked %s", d.request);
	json_decref(want);
	json_decref(got);
	return r;
}

static void test_orders(void **state)
{
	struct result r =
		ask(cmd_request, "jump ab lte", "{\"command\":\"jump\",\"session\":\"ab\",\"path\":\"lte\"}",
		    "{\"ok\":true,\"note\":\"jumping to lte\"}\n");

	assert_int_equal(r.code, 0);
	assert_string_equal(r.out, "jumping to lte\n");
	assert_string_equal(r.err, "");
	r = ask(cmd_request, "jump 1", "{\"command\":\"jump\",\"path\":\"1\"}", "{\"ok\":true}\n");
	assert_string_equal(r.out, "done\n");
	r = ask(cmd_request, "terminate bob", "{\"command\":\"terminate\",\"session\":\"bob\"}",
		"{\"ok\":true}\n");
	assert_int_equal(r.code, 0);
	r = ask(cmd_request, "rekey bob", "{\"command\":\"rekey\",\"session\":\"bob\"}", "{\"ok\":true}\n");
	assert_int_equal(r.code, 0);
	r = ask(cmd_request, "reload --json", "{\"command\":\"reload\"}", "{\"ok\":true,\"note\":\"n\"}\n");
	assert_string_equal(r.out, "{\"ok\":true,\"note\":\"n\"}\n");
}

static void test_refused(void **state)
{
	static const char answer[] =
		"{\"ok\":false,\"error\":\"too \\u001bsoon\",\"reason\":\"cooldown_active\","
		"\"retry_after_ms\":1200}\n";
	struct result r = ask(cmd_request, "jump 1", "{\"command\":\"jump\",\"path\":\"1\"}", answer);

	assert_int_equal(r.code, 1);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, "jumpvpnd jump: too ?soon (cooldown_active); try again in 1.2 s\n");
	r = ask(cmd_request, "jump --json 1", "{\"command\":\"jump\",\"path\":\"1\"}", answer);
	assert_int_equal(r.code, 1);
	assert_non_null(strstr(r.out, "\"retry_after_ms\":1200}\n"));
}

static void test_reading(void **state)
{
	struct result r = ask(cmd_request, "sessions", "{\"command\":\"sessions\"}",
			      "{\"ok\":true,\"sessions\":[]}\n");

	assert_int_equal(r.code, 0);
	assert_string_equal(r.out, "There is no session.\n");
	r = ask(cmd_request, "show ab", "{\"command\":\"show\",\"session\":\"ab\"}",
		"{\"ok\":true,\"session\":{\"peer\":\"p\"}}\n");
	assert_int_equal(strncmp(r.out, "session of p, worker 0\n", 23), 0);
	r = ask(cmd_request, "show", "{\"command\":\"show\"}", "{\"ok\":true,\"session\":{}}\n");
	assert_int_equal(r.code, 0);
	r = ask(cmd_request, "status --json", "{\"command\":\"status\"}", "{\"ok\":true, \"x\":1}\n");
	assert_string_equal(r.out, "{\"ok\":true,\"x\":1}\n");
}

static void test_events(void **state)
{
	struct result r = ask(cmd_events, "events --json --session ab",
			      "{\"command\":\"events\",\"follow\":false,\"session\":\"ab\"}",
			      "{\"ok\":true,\"events\":[{\"a\":1},{\"b\":2}]}\n");

	assert_int_equal(r.code, 0);
	assert_string_equal(r.out, "{\"a\":1}\n{\"b\":2}\n");
	r = ask(cmd_events, "events -f", "{\"command\":\"events\",\"follow\":true}",
		"{\"ok\":true,\"follow\":true}\n{\"lost\":5}\n");
	assert_string_equal(r.out, "-- 5 records are missing here: this reader was too slow --\n");
	assert_int_equal(r.code, 3); /* the daemon went away */
	r = ask(cmd_events, "events -f --json", "{\"command\":\"events\",\"follow\":true}",
		"{\"ok\":true,\"follow\":true}\n{\"ts_ms\": 5}\n");
	assert_string_equal(r.out, "{\"ts_ms\": 5}\n"); /* as it came */
	r = ask(cmd_events, "events -f", "{\"command\":\"events\",\"follow\":true}",
		"{\"ok\":false,\"error\":\"no\"}\n");
	assert_int_equal(r.code, 1);
	assert_string_equal(r.err, "jumpvpnd events: no\n");
}

static void test_events_of_nobody(void **state)
{
	struct result r = ask(cmd_events, "events --session nobody",
			      "{\"command\":\"events\",\"follow\":false,\"session\":\"nobody\"}",
			      "{\"ok\":true,\"events\":[]}\n");

	assert_int_equal(r.code, 1);
	assert_string_equal(r.err, "jumpvpnd events: no record of a session or peer \"nobody\"\n");
	r = ask(cmd_events, "events", "{\"command\":\"events\",\"follow\":false}",
		"{\"ok\":true,\"events\":[]}\n");
	assert_int_equal(r.code, 0);
}

static void test_version(void **state)
{
	struct result r = run(cmd_version, "version --json");
	json_t *o = json_loads(r.out, 0, NULL);

	assert_int_equal(r.code, 0);
	assert_string_equal(json_string_value(json_object_get(o, "version")), PACKAGE_VERSION);
	assert_string_equal(json_string_value(json_object_get(o, "protocol")), PROTO_PROLOGUE);
	assert_non_null(json_object_get(o, "commit"));
	assert_int_equal(json_is_string(json_object_get(json_object_get(o, "libraries"), "mbedTLS")), 1);
	json_decref(o);
	r = run(cmd_version, "version");
	assert_int_equal(
		strncmp(r.out, "jumpvpnd " PACKAGE_VERSION "\n", strlen("jumpvpnd " PACKAGE_VERSION "\n")),
		0);
	assert_non_null(strstr(r.out, "mbedTLS"));
	assert_int_equal(run(cmd_version, "version now").code, 2);
	assert_int_equal(run(cmd_version, "version --help").code, 0);
}

static void test_unreachable(void **state)
{
	struct result r = run(cmd_request, "status");

	assert_int_equal(r.code, 3);
	assert_string_equal(r.out, "");
	assert_non_null(strstr(r.err, path));
	assert_non_null(strstr(r.err, "jumpvpnd run -c FILE"));
	r = run(cmd_request, "status -s /nonexistent/other.sock"); /* goes before the environment */
	assert_int_equal(r.code, 3);
	assert_non_null(strstr(r.err, "/nonexistent/other.sock: No such file"));
	r = ask(cmd_request, "status", "{\"command\":\"status\"}", ""); /* closes without a word */
	assert_int_equal(r.code, 3);
	r = ask(cmd_request, "status", "{\"command\":\"status\"}", "rubbish\n");
	assert_int_equal(r.code, 3);
}

static void test_usage(void **state)
{
	static const char *const commands[] = { "status",    "sessions", "show",   "jump",
						"terminate", "rekey",	 "reload", "events" };
	char line[64], usage[64];
	struct result r;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		int (*const cmd)(int argc, char **argv) = strcmp(commands[i], "events") ? cmd_request : cmd_events;

		snprintf(usage, sizeof(usage), "usage: jumpvpnd %s", commands[i]);
		snprintf(line, sizeof(line), "%s --help", commands[i]);
		r = run(cmd, line);
		assert_int_equal(r.code, 0);
		assert_non_null(strstr(r.out, usage));
		assert_non_null(strstr(r.out, "--socket"));
		assert_non_null(strstr(r.out, "Exit codes"));
		snprintf(line, sizeof(line), "%s --bogus", commands[i]);
		r = run(cmd, line);
		assert_int_equal(r.code, 2);
		assert_non_null(strstr(r.err, usage));
		snprintf(line, sizeof(line), "%s one two three", commands[i]);
		r = run(cmd, line);
		assert_int_equal(r.code, 2);
	}
	assert_int_equal(run(cmd_request, "jump").code, 2);
	assert_int_equal(run(cmd_request, "status -f").code, 2); /* nothing to follow */
	assert_int_equal(run(cmd_request, "sessions --session x").code, 2);
	assert_int_equal(run(cmd_request, "status -s").code, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),      cmocka_unit_test(test_refused),
		cmocka_unit_test(test_reading),     cmocka_unit_test(test_events),
		cmocka_unit_test(test_unreachable), cmocka_unit_test(test_usage),
		cmocka_unit_test(test_version),     cmocka_unit_test(test_events_of_nobody),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	setenv("JUMPVPN_SOCKET", path, 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
